"""The loads, and what one run of each gives."""

import json
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass

from accounting import at_rest, descriptors, machine_seconds, pipe_memory, processor_seconds, socket_memory, user_memory
from harness import Failure, require, run

# HAProxy acknowledges the target's SYN late, so that a target which speaks first is heard after 200 ms.
WARM_UP_SECONDS = 0.3
RUN_SECONDS = 60  # what a run of the load tester may take beyond what it measures
EXCHANGE_SECONDS = 10
MESSAGE = bytes(64)
READ_BEFORE_STALLING = 1 << 20


@dataclass(frozen=True)
class Figure:
    """One kind of number. `factor` turns it into `unit`; more is better, or less, or it is neither."""

    key: str
    title: str
    unit: str
    factor: float
    better: str | None = None


@dataclass(frozen=True)
class Traffic:
    """A load that moves something, made by `monkey load` as fast as it goes (a closed loop)."""

    name: str
    title: str
    target: str
    options: str
    is_bulk: bool = False
    policy: str | None = None
    """Where several servers are balanced: by which policy of ours."""

    @property
    def figures(self):
        if self.is_bulk:
            return [
                Figure("throughput", "throughput", "Gbit/s", 8e-9, "more"),
                Figure("proxy", "proxy's CPU", "ms/GB", 1e12, "less"),
                Figure("machine", "machine's CPU", "ms/GB", 1e12, "less"),
            ]
        return [
            Figure("throughput", "throughput", "thousand/s", 1e-3, "more"),
            Figure("proxy", "proxy's CPU", "us each", 1e6, "less"),
            Figure("machine", "machine's CPU", "us each", 1e6, "less"),
            Figure("p50", "p50", "us", 1e6),
            Figure("p99", "p99", "us", 1e6),
        ]

    def measure(self, proxy, monkey, settings):
        """Processor time is that of the whole run with its warm-up, over all that was done in it."""
        path = proxy.room.path / "load.json"
        command = [monkey, "load", f"127.0.0.1:{proxy.port}", *self.options.split()]
        command += ["--duration", f"{round(settings.seconds * 1000)}ms", "--warmup", f"{round(WARM_UP_SECONDS * 1000)}ms"]
        before = self.clocks(proxy)
        run([*command, "--json", path, "--quiet"], settings.seconds + RUN_SECONDS)
        after = self.clocks(proxy)
        report = json.loads(path.read_text())
        traffic, exchanges = report["traffic"], report["exchanges"]
        if self.is_bulk:
            direction = "upstream" if self.target == "sink" else "downstream"
            work, throughput = traffic[f"{direction}_in_all"], traffic[f"{direction}_per_second"]
        else:
            work, throughput = exchanges["answered_in_all"], report["throughput"]
        require(work > 0, f"{proxy.rival.name}, {self.name}: nothing came through")
        result = {"throughput": throughput, "machine": (after[1] - before[1]) / work}
        if proxy.process:
            result["proxy"] = (after[0] - before[0]) / work
        if not self.is_bulk:
            result |= {"p50": report["latency"]["p50"], "p99": report["latency"]["p99"]}
        return result | {"errors": report["errors"]["total"], "doubts": report["doubts"]}

    @staticmethod
    def clocks(proxy):
        return processor_seconds(proxy.process.pid) if proxy.process else 0, machine_seconds()


@dataclass(frozen=True)
class Held:
    """A load that holds connections and looks at the memory. It opens them itself, so that it knows when all of them
    are there: each has had an answer through the proxy, or its first MiB."""

    name: str
    title: str
    target: str
    is_bulk = False
    policy = None

    figures = [
        Figure("user", "user space", "B each", 1, "less"),
        Figure("kept", "kept after the end", "B each", 1),
        Figure("pipes", "in pipes", "KiB each", 1 / 1024),
        Figure("sockets", "in all sockets of the machine", "KiB each", 1 / 1024),
    ]

    def measure(self, proxy, monkey, settings):
        count = settings.idle if self.target == "echo" else settings.stalled
        with ExitStack() as first:
            self.open(proxy, first)  # what it takes once, whoever comes
            before = memory(proxy)
            with ExitStack() as connections:
                for _ in range(count):
                    self.open(proxy, connections)
                during = memory(proxy)
            after = memory(proxy)
        result = {"sockets": (during["sockets"] - before["sockets"]) / count, "errors": 0, "doubts": []}
        if proxy.process:
            result["user"] = (during["user"] - before["user"]) / count
            result["kept"] = (after["user"] - before["user"]) / count
            result["pipes"] = during["pipes"] / count
        return result

    def open(self, proxy, stack):
        try:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), EXCHANGE_SECONDS))
            if self.target == "echo":
                exchange(connection)
            else:
                read = 0
                while read < READ_BEFORE_STALLING:
                    read += len(connection.recv(1 << 16)) or ended(proxy)
        except OSError as error:
            raise Failure(f"{proxy.rival.name}, {self.name}: {error}") from None


def memory(proxy):
    """What is held once the proxy's own memory, and the number of its descriptors, no longer change."""
    if not proxy.process:
        return {"sockets": at_rest(socket_memory)}
    process = proxy.process.pid
    user, _ = at_rest(lambda: (user_memory(process), descriptors(process)))
    return {"user": user, "pipes": pipe_memory(process), "sockets": socket_memory()}


def ended(proxy):
    raise Failure(f"{proxy.rival.name} ended a connection")


def exchange(connection):
    """One round trip of a small message."""
    connection.sendall(MESSAGE)
    left = len(MESSAGE)
    while left > 0:
        received = len(connection.recv(left))
        require(received > 0, "the connection ended before its answer was complete")
        left -= received


CLOSED_LOOP = "--rate max --mode"
CONNECT = f"{CLOSED_LOOP} connect --connections 32"
LOADS = [
    Traffic("echo-1", "64 B round trips, 1 connection", "echo", f"{CLOSED_LOOP} echo --size 64 --connections 1"),
    Traffic("echo-64", "64 B round trips, 64 connections", "echo", f"{CLOSED_LOOP} echo --size 64 --connections 64"),
    Traffic("echo-16k", "16 KiB round trips, 64 connections", "echo", f"{CLOSED_LOOP} echo --size 16K --connections 64"),
    Traffic("connect", "connect, round trip, close; 32 at a time", "echo", CONNECT),
    Traffic("round-robin", "connect, round trip, close over three servers, round-robin", "echo", CONNECT, policy="round-robin"),
    Traffic(
        "least-connections",
        "connect, round trip, close over three servers, least connections",
        "echo",
        CONNECT,
        policy="least-connections",
    ),
    Traffic("up-4", "bulk up, 4 connections", "sink", "--mode upload --connections 4", is_bulk=True),
    Traffic("down-4", "bulk down, 4 connections", "source", "--mode download --connections 4", is_bulk=True),
    Traffic("down-64", "bulk down, 64 connections", "source", "--mode download --connections 64", is_bulk=True),
    Held("idle", "idle connections", "echo"),
    Held("stalled", "stalled readers", "source"),
]
