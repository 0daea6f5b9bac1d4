#!/usr/bin/env python3
"""Puts reaid beside what a platform engineer would use instead, on this machine, in one run.

`benches/side-by-side/run.py` installs nginx (with njs), HAProxy, wrk and h2load where it may (Debian, root), builds
reaid and a bare hyper server, pins servers to one core and load to another, and prints tables; `--svg FILE` draws
them. `--quick` is for a look, `--only` measures a part. Everything listens on loopback and ends with the script.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from measure import closed_loop, cpu_seconds, h2load, median
from report import Part, chart
from servers import CANNED, HMACS, HOST, REAID, ROOT, SERVERS, Click, check_work, commits, metrics

TOOLS = {"nginx": "nginx libnginx-mod-http-js", "haproxy": "haproxy", "wrk": "wrk", "h2load": "nghttp2-client",
         "openssl": "openssl", "strace": "strace"}
CONNECTIONS = 64
# Rounds that disagree by more are repeated, at most as often again.
AGREED = 0.10


def install(build):
    missing = [packages for tool, packages in TOOLS.items() if not shutil.which(tool)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        names = " ".join(missing).split()
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names], stdout=subprocess.DEVNULL)
    still = [packages for tool, packages in TOOLS.items() if not shutil.which(tool)]
    if still:
        sys.exit(f"install first: {' '.join(still)}")
    if os.cpu_count() < 2:
        sys.exit("this needs two cores: one for the servers, one for the load")
    if build:
        subprocess.run(["cargo", "build", "--release", "--bin", "reaid", "--example", "bare"], cwd=ROOT, check=True)


def machine():
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    version = lambda *command: (lambda it: (it.stdout + it.stderr).splitlines()[0])(
        subprocess.run(command, capture_output=True, text=True))
    return (f"{cpu}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, load {os.getloadavg()[0]:.1f} at the start; "
            f"{version('nginx', '-v').split(': ')[1]}, {version('haproxy', '-v').split(' 20')[0]}, {version('rustc', '--version').split(' (')[0]}")


def rounds(names, tls, ask, click, options):
    """Each server in turn, several times: the median of each, and how far its rounds lay apart."""
    runs = {name: [] for name in names}
    apart = lambda: any(median(results).spread > AGREED for results in runs.values())
    for number in range(2 * options.rounds):
        if number >= options.rounds and not apart():
            break
        for name in names:
            with SERVERS[name](click, tls) as server:
                check_work(name, server, click)
                result = ask(server)
                if name == REAID:
                    result.commit_p999, result.late = commits()
                runs[name].append(result)
    return {name: median(results) for name, results in runs.items()}


def closed(click, options, target=None, **how):
    return lambda server: closed_loop(server, server.url(target or click.target), HOST, options.seconds, CONNECTIONS, **how)


def keep_alive(click, options):
    """Raptor is down: its breaker is open. Every click of reaid is on disk before its answer."""
    return [Part("A click, keep-alive", rounds(SERVERS, False, closed(click, options), click, options), CANNED)]


def connections(click, options):
    results = rounds(SERVERS, False, closed(click, options, close=True), click, options)
    return [Part("A connection per click", results, HMACS)]


def handshakes(click, options):
    results = rounds(SERVERS, True, closed(click, options, close=True), click, options)
    return [Part("A TLS 1.3 handshake per click", results, HMACS)]


def http2(click, options):
    ask = lambda server: h2load(server, server.url(click.target), HOST, options.seconds, 16, streams=8)
    return [Part("HTTP/2 over TLS", rounds(SERVERS, True, ask, click, options), HMACS)]


def pixels(click, options):
    results = rounds([CANNED, REAID], False, closed(click, options, click.pixel), click, options)
    return [Part("An open pixel, keep-alive", results, CANNED)]


def delivered(click, options):
    """Clicks while Raptor takes them: the cost of both, until the last one is delivered."""
    def ask(server):
        before = cpu_seconds(server.pid)
        result = closed(click, options)(server)
        while metrics()["reaid_deliveries_total"] < metrics()["reaid_events_stored_total"]:
            time.sleep(0.2)
        result.cpu_us = (cpu_seconds(server.pid) - before) / result.requests * 1e6
        return result
    with click.raptor():
        results = {"reaid, click and delivery": rounds([REAID], False, ask, click, options)[REAID]}
    return [Part("Clicks until they are delivered", results)]


def latencies(click, options):
    """Open loop: so many clicks a second, whatever comes back, once each server had work for a second. The rates are
    parts of what reaid answers at most, and of what it answers at most while it delivers."""
    def at(rate):
        def ask(server):
            closed_loop(server, server.url(click.target), HOST, 1, CONNECTIONS)
            return h2load(server, server.url(click.target), HOST, options.seconds, 200, rate=rate, http1=True)
        return ask
    capacity = lambda: rounds([REAID], False, closed(click, options), click, options)[REAID].rate
    alone, parts = capacity(), []
    for part in (0.5, 0.8):
        results = rounds([CANNED, HMACS, REAID], False, at(part * alone), click, options)
        parts.append(Part(f"{part:.0%} of capacity: {part * alone:,.0f} clicks a second", results, CANNED))
    with click.raptor():
        rate = 0.8 * capacity()
        delivering = rounds([REAID], False, at(rate), click, options)[REAID]
    down = rounds([REAID], False, at(rate), click, options)[REAID]
    title = f"80% of capacity while it delivers: {rate:,.0f} clicks a second"
    return [*parts, Part(title, {"reaid, delivering": delivering, "reaid, Raptor down": down}, "reaid, delivering")]


@contextmanager
def stalled_disk(server):
    """Every fsync of the writer takes so long that none of the run's comes back."""
    tasks = Path(f"/proc/{server.pid}/task").iterdir()
    writer = next(task.name for task in tasks if (task / "comm").read_text().strip() == "store-writer")
    command = ["strace", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_enter=60s", "-p", writer]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as strace:
        strace.stderr.readline()
        yield
        strace.kill()


def stalled(click, options):
    def ask(server):
        with stalled_disk(server):
            return h2load(server, server.url(click.target), HOST, options.seconds, 200, rate=5000, http1=True)
    results = {"reaid, stalled disk": rounds([REAID], False, ask, click, options)[REAID]}
    return [Part("The disk stalls: 5,000 clicks a second", results)]


def growth(click, options):
    """What a click costs by the number of connections, and by that of distinct links."""
    by_connections, by_links = {}, {}
    for count in (1, 10, 100, 1000, 10_000):
        ask = lambda server: closed_loop(server, server.url(click.target), HOST, options.seconds, count)
        by_connections[f"{count:,} connection{'s' * (count > 1)}"] = rounds([REAID], False, ask, click, options)[REAID]
    script = click.folder / "links.lua"
    for count in (1, 100, 1000, 4000, 10_000, 100_000):
        links = (click.sign(2, at % 500, f"shop.example/kaffe/no-{at}?part=cup".encode()) for at in range(count))
        paths = ",".join(f'"/c/{link}?reaid={click.reaid}"' for link in links)
        script.write_text(f"local paths, at = {{{paths}}}, 0\n"
                          "function request() at = at % #paths + 1; return wrk.format(nil, paths[at]) end\n")
        ask = closed(click, options, script=script)
        by_links[f"{count:,} link{'s' * (count > 1)}"] = rounds([REAID], False, ask, click, options)[REAID]
    return [Part("A click, by connections", by_connections, "100 connections"),
            Part(f"A click, by links in use, {CONNECTIONS} connections", by_links, "1 link")]


MODES = {"keep-alive": keep_alive, "connections": connections, "handshakes": handshakes, "http2": http2, "pixels": pixels,
         "delivered": delivered, "latencies": latencies, "stalled": stalled, "growth": growth}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=4, help="of one run (4)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved; the median counts (5)")
    parser.add_argument("--quick", action="store_true", help="one round of two seconds")
    parser.add_argument("--folder", help="where reaid's database lies: the disk that is measured with")
    parser.add_argument("--only", action="append", choices=MODES, help="may be repeated")
    parser.add_argument("--as-built", action="store_true", help="take the programs that are built already")
    parser.add_argument("--svg", type=Path, help="where to draw the servers; `-growth` beside it")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 2, 1
    install(not options.as_built)
    where = machine()
    print(where, flush=True)
    with tempfile.TemporaryDirectory(prefix="side-by-side-", dir=options.folder) as folder:
        click = Click(Path(folder))
        measured = []
        for mode in options.only or MODES:
            parts = MODES[mode](click, options)
            measured += parts
            print(*(f"\n{part.table()}" for part in parts), flush=True)
    if options.svg:
        beside = [part for part in measured if set(part.results) == set(SERVERS)]
        grown = [part for part in measured if part.title.startswith("A click, by")]
        for file, parts in (options.svg, beside), (options.svg.with_stem(f"{options.svg.stem}-growth"), grown):
            if parts:
                file.write_text(chart(parts, where))


if __name__ == "__main__":
    main()
