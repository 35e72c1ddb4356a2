"""redis-benchmark against a real Redis."""

import csv
import socket

from harness import Sandbox, free_port, program, require, require_equal, run
from proxy import Proxy

CLIENTS = 50
REQUESTS = 20_000
TESTS = ["ping_inline", "set", "get", "incr", "lpush", "lrange_100", "mset"]
RUNS = {"one at a time": [], "16 in a pipeline, values of 512 bytes": ["-P", "16", "-d", "512"]}


def redis_benchmark():
    """Runs fifty clients, with one request at a time and then sixteen, without an error response.

    Bytes and connections are exact, in both directions: Redis counts the bytes that it reads and writes and the
    connections that it accepts, and redis-benchmark closes a connection only after it has read every pending response,
    so neither direction has a byte that only one side counts.
    """
    with Sandbox() as sandbox:
        server = Redis(sandbox)
        proxy = Proxy(sandbox, server.port)
        before = server.totals()
        rows = 0
        for options in RUNS.values():
            done = run(
                [program("redis-benchmark", "redis-tools"), "-h", "127.0.0.1", "-p", str(proxy.port)]
                + ["-c", str(CLIENTS), "-n", str(REQUESTS), "-t", ",".join(TESTS), "--csv", *options]
            )
            require("error" not in (done.stdout + done.stderr).lower(), f"redis-benchmark: {done.stdout[:200]}")
            rows += len(list(csv.DictReader(done.stdout.splitlines())))
        require(rows >= len(RUNS) * len(TESTS), f"redis-benchmark reported {rows} tests of {len(RUNS) * len(TESTS)}")

        # The values of one INFO are from before its own response was written, and after its own request was read.
        after = server.totals()
        accepted = after["total_connections_received"] - before["total_connections_received"]
        counts = proxy.settled(accepted)
        require_equal("connections", counts.connections_total, "Redis", accepted)
        received = after["total_net_input_bytes"] - before["total_net_input_bytes"] - after["request_bytes"]
        sent = after["total_net_output_bytes"] - before["total_net_output_bytes"] - before["answer_bytes"]
        require_equal("bytes upstream", counts.bytes_upstream, "Redis received", received)
        require_equal("bytes downstream", counts.bytes_downstream, "Redis sent", sent)
        errors = after["total_error_replies"] - before["total_error_replies"]
        require(errors == 0, f"Redis answered {errors} requests with an error")
        commands = after["total_commands_processed"] - before["total_commands_processed"]
        require(commands >= len(RUNS) * len(TESTS) * REQUESTS, f"Redis processed only {commands:,} commands")
        proxy.stop()
        return f"{commands:,} commands by {CLIENTS} clients, 0 errors; {counts}, exact"


class Redis:
    """A server that stores nothing on disk, and one direct connection to it, made before the first reading."""

    INFO = b"*2\r\n$4\r\nINFO\r\n$5\r\nstats\r\n"

    def __init__(self, sandbox):
        self.port = free_port()
        settings = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": sandbox.path}
        arguments = [program("redis-server", "redis-server")]
        for name, value in settings.items():
            arguments += [f"--{name}", str(value)]
        self.process = sandbox.start(arguments, **sandbox.as_unprivileged())
        sandbox.wait_for_port(self.process, "redis-server", self.port)
        self.direct = sandbox.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=10))
        self.responses = sandbox.enter_context(self.direct.makefile("rb"))

    def totals(self):
        """Returns INFO stats, with the lengths of this request and response."""
        self.direct.sendall(self.INFO)
        head = self.responses.readline()
        require(head.startswith(b"$"), f"Redis answered INFO with {head!r}")
        body = self.responses.read(int(head[1:]) + len(b"\r\n")).decode()
        totals = {}
        for line in body.splitlines():
            name, _, value = line.partition(":")
            if value.isdigit():
                totals[name] = int(value)
        return totals | {"request_bytes": len(self.INFO), "answer_bytes": len(head) + len(body)}
