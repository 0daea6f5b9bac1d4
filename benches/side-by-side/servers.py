"""The servers that are compared: how each is configured, started, asked and ended. All redirect the same click."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

from measure import LOAD_CPU, SERVER_CPU, on

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
PAGE = "https://shop.example/kaffe/no-4?utm_source=newsletter&utm_medium=email&part=cup"
HOST = "click.shop.example"
PORT, ADMIN, RAPTOR = 8210, 8211, 8212
TAG, CHECK = 16, 4

CONFIG = """
[edge]
listen = ["127.0.0.1:{port}"]
base_url = "{scheme}://{host}"
{tls}
[edge.limits]
connections_per_address = 20000
[admin]
listen = "127.0.0.1:{admin}"
token = {{ file = "admin-token" }}
[keys]
path = "keyring.toml"
[store]
path = "store/reaid.db"
[raptor]
tracking_url = "http://127.0.0.1:{raptor}"
[[integration]]
name = "shop"
accounts = ["1234"]
[[site]]
account = "1234"
hosts = ["shop.example"]
integration = "shop"
"""

TLS = """
[edge.tls]
certificate = "cert.pem"
private_key = "key.pem"
"""

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log crit;
{load_njs}
events {{ worker_connections 8000; }}
http {{
  access_log off; keepalive_requests 1000000; {import_njs}
  ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
  server {{
    listen 127.0.0.1:{port} backlog=4096 {tls}; server_name {host};
    location / {{ {answer} }}
  }}
}}
"""

NJS = """
const crypto = require('crypto');
const MAC = Buffer.from('{mac}', 'hex'), CHECK = Buffer.from('{check}', 'hex');
function click(r) {{
  const token = Buffer.from(r.uri.slice(3), 'base64url'), at = token.length - {tag};
  const tag = crypto.createHmac('sha256', MAC).update(token.slice(0, at)).digest().slice(0, {tag});
  const reaid = Buffer.from(r.args.reaid, 'base64url');
  const check = crypto.createHmac('sha256', CHECK).update(reaid.slice(0, 14)).digest().slice(0, {check_bytes});
  if (!tag.equals(token.slice(at)) || !check.equals(reaid.slice(14))) {{ r.return(404); return; }}
  r.headersOut['Cache-Control'] = 'private, no-store';
  r.return(302, '{page}&reaid=' + r.args.reaid);
}}
export default {{ click }};
"""

# It cannot cut from the end of a token: it is told where the tag begins.
HAPROXY = """
global
  nbthread 1
  maxconn 8000
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
frontend clicks
  bind 127.0.0.1:{port} backlog 4096 {tls}
  http-request set-var(txn.raw) path,field(3,/),ub64dec
  http-request set-var(txn.tag) var(txn.raw),bytes({signed},{tag}),hex
  http-request set-var(txn.mac) var(txn.raw),bytes(0,{signed}),hmac(sha256,{mac}),bytes(0,{tag}),hex
  http-request set-var(txn.reaid) url_param(reaid),ub64dec
  http-request set-var(txn.given) var(txn.reaid),bytes(14,{check_bytes}),hex
  http-request set-var(txn.check) var(txn.reaid),bytes(0,14),hmac(sha256,{check}),bytes(0,{check_bytes}),hex
  acl signed var(txn.mac),strcmp(txn.tag) eq 0
  acl known var(txn.check),strcmp(txn.given) eq 0
  http-request return status 404 if !signed || !known
  http-request return status 302 hdr Cache-Control "private, no-store" hdr Location "{page}&reaid=%[url_param(reaid)]"
"""


class Server:
    """A running server, pinned; answers at `url`. Ends with its `with` block."""

    def __init__(self, folder, command, port=PORT, cpu=SERVER_CPU, tls=False):
        self.scheme, self.port = "https" if tls else "http", port
        log = open(folder / f"{Path(command[0]).name}.log", "w")
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=log, preexec_fn=on(cpu))
        self.pid = self.process.pid
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        self.__exit__()
        sys.exit(f"{command[0]} does not listen on port {port}: see {folder}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def url(self, target):
        return f"{self.scheme}://127.0.0.1:{self.port}{target}"

    def ask(self, target):
        """Status and Location of one answer."""
        if self.scheme == "https":
            client = http.client.HTTPSConnection("127.0.0.1", self.port, context=ssl._create_unverified_context())
        else:
            client = http.client.HTTPConnection("127.0.0.1", self.port)
        client.request("GET", target, headers={"Host": HOST})
        answer = client.getresponse()
        client.close()
        return answer.status, answer.headers["Location"]


class Click:
    """One real click: a house with a keyring, its token and REAID, and the keys that check them."""

    def __init__(self, folder):
        self.folder, self.started = folder, 0
        (folder / "admin-token").write_text("side-by-side\n")
        (folder / "admin-token").chmod(0o600)
        self.configure(tls=False)
        self.command("keys", "init")
        url = json.loads(self.command("link", "create", PAGE, "--campaign", "bench", "--json"))["url"]
        self.token = url.split("/c/")[1].split("?")[0]
        self.reaid = self.command("mint", "jane.doe@example.org").split("\t")[1].strip()
        secret = tomllib.loads((folder / "keyring.toml").read_text())["key"][0]["secret"]
        self.mac = derive(secret, "link v1 mac", "")
        self.check = derive(secret, "reaid v1 check", "shop")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
             "-keyout", "key.pem", "-out", "cert.pem", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"],
            cwd=folder, check=True, capture_output=True)
        (folder / "key.pem").chmod(0o600)
        (folder / "both.pem").write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())

    @property
    def target(self):
        return f"/c/{self.token}?reaid={self.reaid}"

    @property
    def pixel(self):
        return f"/o/{self.sign(1, 0, b'')}.gif?reaid={self.reaid}"

    def sign(self, flags, number, destination):
        """A token of ours: docs/wire-format.md."""
        signed = bytes([1, 1, flags, number >> 8, number & 255]) + b"\x041234" + b"\x05bench" + destination
        tag = hmac.new(self.mac, signed, hashlib.sha256).digest()[:TAG]
        return base64.urlsafe_b64encode(signed + tag).decode().rstrip("=")

    def command(self, *arguments):
        return subprocess.run([TARGET / "reaid", *arguments], cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def configure(self, tls):
        text = CONFIG.format(port=PORT, admin=ADMIN, raptor=RAPTOR, host=HOST, scheme="https" if tls else "http",
                             tls=TLS if tls else "")
        (self.folder / "proxy.toml").write_text(text)

    def reaid_server(self, tls):
        """On an empty store. Unless `raptor` runs, every delivery fails and the breaker opens."""
        shutil.rmtree(self.folder / "store", ignore_errors=True)
        (self.folder / "store").mkdir()
        self.configure(tls)
        return Server(self.folder, [TARGET / "reaid", "serve"], tls=tls)

    def bare(self, mode, tls):
        """On an empty table, if it keeps clicks."""
        for old in self.folder.glob("bare.db*"):
            old.unlink()
        files = ["cert.pem", "key.pem"] if tls else ["-", "-"]
        address, keys, database = f"127.0.0.1:{PORT}", [self.mac.hex(), self.check.hex()], self.folder / "bare.db"
        command = [TARGET / "examples/bare", mode, address, *files, *keys, database]
        return Server(self.folder, command, tls=tls)

    def raptor(self):
        return Server(self.folder, [TARGET / "examples/bare", "ok", f"127.0.0.1:{RAPTOR}"], port=RAPTOR, cpu=LOAD_CPU)

    def nginx(self, njs, tls):
        (self.folder / "click.js").write_text(
            NJS.format(mac=self.mac.hex(), check=self.check.hex(), tag=TAG, check_bytes=CHECK, page=PAGE))
        config = NGINX.format(
            folder=self.folder, port=PORT, host=HOST, tls="ssl http2" if tls else "",
            load_njs="load_module modules/ngx_http_js_module.so;" if njs else "",
            import_njs=f"js_path {self.folder}; js_import click from click.js;" if njs else "",
            answer="js_content click.click;" if njs else f"return 302 {PAGE};")
        (self.folder / "nginx.conf").write_text(config)
        return Server(self.folder, ["nginx", "-p", "/usr/share/nginx", "-c", self.folder / "nginx.conf"], tls=tls)

    def haproxy(self, tls):
        signed = len(base64.urlsafe_b64decode(self.token + "=" * (-len(self.token) % 4))) - TAG
        config = HAPROXY.format(
            port=PORT, tls=f"ssl crt {self.folder}/both.pem alpn h2,http/1.1" if tls else "", signed=signed, tag=TAG,
            check_bytes=CHECK, mac=base64.b64encode(self.mac).decode(), check=base64.b64encode(self.check).decode(), page=PAGE)
        (self.folder / "haproxy.cfg").write_text(config)
        return Server(self.folder, ["haproxy", "-f", self.folder / "haproxy.cfg"], tls=tls)


# Who is compared, and how each is started.
CANNED, HMACS, DURABLE, REAID = "bare hyper, canned", "bare hyper, HMACs", "bare hyper, on disk", "reaid"
SERVERS = {
    CANNED: lambda click, tls: click.bare("canned", tls),
    HMACS: lambda click, tls: click.bare("hmac", tls),
    DURABLE: lambda click, tls: click.bare("durable", tls),
    "nginx, canned": lambda click, tls: click.nginx(False, tls),
    "nginx + njs, HMACs": lambda click, tls: click.nginx(True, tls),
    "HAProxy, HMACs": lambda click, tls: click.haproxy(tls),
    REAID: lambda click, tls: click.reaid_server(tls),
}


def check_work(name, server, click):
    """The same click leads to the same page, and who checks does not take another signature or another REAID."""
    canned = "canned" in name
    landed = (302, PAGE if canned else f"{PAGE}&reaid={click.reaid}")
    if server.ask(click.target) != landed:
        sys.exit(f"{name} answers {server.ask(click.target)}, and should {landed}")
    other = lambda text: text[:-2] + ("B" if text[-2] == "A" else "A") + text[-1]
    for wrong in (click.target.replace(click.token, other(click.token)), click.target.replace(click.reaid, other(click.reaid))):
        if not canned and "reaid=" in (server.ask(wrong)[1] or ""):
            sys.exit(f"{name} takes what nobody signed: {wrong}")


def metrics():
    """What the running reaid says of itself."""
    request = urllib.request.Request(f"http://127.0.0.1:{ADMIN}/metrics", headers={"Authorization": "Bearer side-by-side"})
    text = urllib.request.urlopen(request, timeout=10).read().decode()
    return {name: float(value) for name, value in re.findall(r"^(\w+(?:\{[^}]*\})?) (\S+)$", text, re.M)}


def commits():
    """Where 99.9 % of the running reaid's commits end, in microseconds, and how many clicks were answered before theirs."""
    now = metrics()
    ends = {float(re.search(r'le="([^"]+)"', name)[1]): count for name, count in now.items() if "commit_seconds_bucket" in name}
    enough = 0.999 * ends[float("inf")]
    return 1e6 * min(end for end, count in ends.items() if count >= enough), int(now["reaid_events_late_total"])


def derive(secret, label, scope):
    """HKDF-SHA256 with an empty salt, one block: docs/wire-format.md."""
    raw = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    extracted = hmac.new(b"\0" * 32, raw, hashlib.sha256).digest()
    return hmac.new(extracted, label.encode() + b"\0" + scope.encode() + b"\1", hashlib.sha256).digest()
