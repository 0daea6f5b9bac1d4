"""Load on one server, and what it cost: requests a second, server CPU per request, percentiles."""

import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

SERVER_CPU, LOAD_CPU = 0, 1
UNITS = {"us": 1, "ms": 1000, "s": 1_000_000}

# What a browser sends beside the Host.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                  "Version/18.1 Mobile/15E148 Safari/604.1",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "da-DK,da;q=0.9",
    "Accept-Encoding": "gzip, deflate, br",
}


@dataclass
class Result:
    """One run. Times in microseconds."""

    requests: int
    seconds: float
    cpu_us: float
    p50: float
    p99: float
    p999: float
    errors: int
    spread: float = 0.0
    # Of the commits of the same run, where there are any.
    commit_p999: float = float("nan")
    late: int = 0

    @property
    def rate(self):
        return self.requests / self.seconds


def on(cpu):
    """Where and how a process runs: on one core, and before whatever else runs on the machine, if we may say so."""
    def begin():
        os.sched_setaffinity(0, {cpu})
        if os.geteuid() == 0:
            os.setsid()
            os.nice(-19)
            # The scheduler may share the time among sessions first.
            group = Path("/proc/self/autogroup")
            if group.exists():
                group.write_text("-19")
    return begin


def run(command):
    """What the load generator says in the end."""
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, preexec_fn=on(LOAD_CPU)).stdout


def cpu_seconds(pid):
    """What a process and its children have taken: nginx works in a child."""
    ticks = 0
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for one in [pid, *children]:
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(") ", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def micros(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * UNITS[unit]


def closed_loop(server, url, host, seconds, connections, close=False, script=None):
    """wrk: as many requests as are answered. Shows the cost of one."""
    headers = {"Host": host, **BROWSER, **({"Connection": "close"} if close else {})}
    options = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    options += ["-s", script] if script else []
    before, began = cpu_seconds(server.pid), time.monotonic()
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *options, url]
    said = run(command)
    cpu, seconds = cpu_seconds(server.pid) - before, time.monotonic() - began
    requests = int(re.search(r"(\d+) requests in", said)[1])
    percentile = lambda which: micros(re.search(rf"^\s+{which}%\s+(\S+)", said, re.M)[1])
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    socket = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    # The announced end of a connection counts as a read error in wrk.
    errors = (int(bad[1]) if bad else 0) + (sum(int(socket[at]) for at in (1, 3, 4)) if socket else 0)
    return Result(requests, seconds, cpu / max(requests, 1) * 1e6, percentile(50), percentile(99), float("nan"), errors)


def h2load(server, url, host, seconds, connections, rate=None, http1=False, streams=1):
    """h2load: HTTP/2, or an open loop of so many requests a second, with every answer's time."""
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        headers = {":authority": host, **BROWSER}
        command = ["h2load", f"-c{connections}", f"-D{seconds}", "-t1", f"-m{streams}", f"--log-file={log.name}"]
        command += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        command += [f"--rps={rate / connections:.3f}"] if rate else []
        command += ["--h1"] if http1 else []
        before = cpu_seconds(server.pid)
        said = run([*command, url])
        cpu = cpu_seconds(server.pid) - before
        lines = [line.split("\t") for line in log]
    times = sorted(int(fields[2]) for fields in lines)
    failed = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", said)
    errors = sum(map(int, failed.groups())) + sum(fields[1] not in ("200", "302") for fields in lines)
    at = lambda part: float(times[min(len(times) - 1, int(len(times) * part))]) if times else float("nan")
    return Result(len(times), seconds, cpu / max(len(times), 1) * 1e6, at(0.5), at(0.99), at(0.999), errors)


def median(results):
    """The run with the median CPU per request: all its figures belong together."""
    ordered = sorted(results, key=lambda result: result.cpu_us)
    chosen = ordered[(len(ordered) - 1) // 2]
    # One round in five may have met something else.
    inner = ordered[1:-1] if len(ordered) >= 5 else ordered
    chosen.spread = (inner[-1].cpu_us - inner[0].cpu_us) / chosen.cpu_us
    return chosen
