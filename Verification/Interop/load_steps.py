"""`monkey load` against real servers, its counters compared with theirs. The scripts are those of
docs/load-testing.md."""

import json
import re
import socket

from harness import MONKEY, ROOT, Sandbox, free_port, program, require, run
from nginx_steps import Nginx
from redis_steps import Redis

DOCUMENT = ROOT / "docs/load-testing.md"
PAGE_BYTES = 612
SECONDS = 1

HAPROXY = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen echo
    bind 127.0.0.1:{port}
    server echo {target}
"""


def load_redis():
    """Runs a script against Redis: Redis counts as many SETs and GETs as the load tester counts responses."""
    with Sandbox() as sandbox:
        server = Redis(sandbox)
        message = ""
        for pace in ("max", "5000/s"):
            before = commands(server)
            report = load(sandbox, server.port, "--script", script(sandbox, "redis"), "--rate", pace, "--threads", "2")
            after = commands(server)
            for name in ("set", "get"):
                require_same_count(report, f"Redis served {name}", after.get(name, 0) - before.get(name, 0))
            message += f"{report['exchanges']['answered_total']:,} exchanges at {pace}; "
        return f"{message}the same number of SETs and GETs, exact"


def load_nginx():
    """Runs a script against nginx: it logs as many requests as the load tester counts, each with the page."""
    with Sandbox() as sandbox:
        server = Nginx(sandbox)
        (server.files / "index.html").write_bytes(b"x" * PAGE_BYTES)
        report = load(sandbox, server.port, "--script", script(sandbox, "http"), "--rate", "3000/s")
        logged = [request for request in server.requests() if request.status == 200]
        require_same_count(report, "nginx logged", len(logged))
        received = report["traffic"]["downstream_total"]
        sent = sum(request.sent for request in logged)
        require(received == sent, f"received {received:,} bytes, nginx sent {sent:,}")
        return f"{len(logged):,} requests and {sent:,} bytes, exact"


def load_haproxy():
    """Runs through HAProxy to `monkey echo`: every sent byte arrives, without an error."""
    with Sandbox() as sandbox:
        echo = sandbox.path / "echo"
        server = sandbox.start([MONKEY, "echo", f"unix:{echo}", "--log-format", "json"])
        sandbox.wait_for(server, MONKEY.name, lambda: "listening" in sandbox.log_of(MONKEY.name))
        port = free_port()
        settings = sandbox.path / "haproxy.cfg"
        settings.write_text(HAPROXY.format(port=port, target=echo))
        proxy = sandbox.start([program("haproxy", "haproxy"), "-db", "-f", settings])
        sandbox.wait_for_port(proxy, "haproxy", port)
        exchanges = load(sandbox, port, "--rate", "5000/s", "--connections", "32")
        connects = load(sandbox, port, "--mode", "connect", "--rate", "200/s")
        streams = load(sandbox, port, "--mode", "both", "--verify", "--connections", "4")
        server.send_signal(2)
        server.wait(30)
        counts = json.loads(sandbox.log_of(MONKEY.name).splitlines()[-1])["metadata"]
        sent = sum(report["traffic"]["upstream_total"] for report in (exchanges, connects, streams))
        require(int(counts["received"]) == sent, f"sent {sent:,} bytes, echo received {counts['received']}")
        # One more than requested: the check whether HAProxy listens.
        made = sum(report["connections"]["established"] for report in (exchanges, connects, streams)) + 1
        require(int(counts["connections"]) == made, f"made {made} connections, echo counted {counts['connections']}")
        return f"{made:,} connections and {sent:,} bytes, exact"


def load(sandbox, port, *options):
    """Runs the load tester without an error and returns its report."""
    path = sandbox.path / "report.json"
    conditions = ["--assert", "errors==0", "--assert", "answered>0"]
    if "--verify" in options:
        conditions = ["--assert", "errors==0", "--assert", "download>0"]
    run([MONKEY, "load", f"127.0.0.1:{port}", "--duration", f"{SECONDS}s", "--json", path, *conditions, *options])
    return json.loads(path.read_text())


def require_same_count(report, whose, theirs):
    ours = report["exchanges"]["answered_total"]
    require(ours == theirs, f"{ours:,} responses, {whose} {theirs:,} (off by {ours - theirs:+,})")


def script(sandbox, name):
    """Writes a script of the document to a file."""
    found = re.search(rf"^<!-- script:{name} -->\n+```\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    require(found, f"{DOCUMENT.name} has no block after <!-- script:{name} -->")
    path = sandbox.path / f"{name}.txt"
    path.write_text(found[1])
    return path


def commands(server):
    """Returns the number of calls of each command that Redis has served."""
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection,
        connection.makefile("rb") as responses,
    ):
        connection.sendall(b"INFO commandstats\r\n")
        text = responses.read(int(responses.readline()[1:])).decode()
    return {name: int(calls) for name, calls in re.findall(r"cmdstat_(\w+):calls=(\d+)", text)}
