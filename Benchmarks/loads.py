"""The loads, and what one run of each gives."""

import json
import socket
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from accounting import at_rest, descriptors, machine_seconds, pipe_memory, processor_seconds, socket_memory, user_memory
from harness import Failure, require
from sites import ROUND_TRIP_MILLISECONDS, WIRE_MEGABITS_PER_SECOND

# HAProxy acknowledges the target's SYN late, so that a target which speaks first is heard after 200 ms.
WARM_UP_SECONDS = 0.3
RUN_SECONDS = 60  # what a run of the load tester may take beyond what it measures
EXCHANGE_SECONDS = 10
BALANCED_SERVERS = 3
PACED_CONNECTIONS = 200
LEAST_WIRE_SECONDS = 2  # the first of it goes by until the congestion window fits the wire
DRAIN_SECONDS = 15  # for what waits before a slow wire to go over it
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
class Load:
    """What every load has."""

    name: str
    title: str
    group: str
    behaviors: tuple[str, ...]
    """What the server behind each route is: options of `monkey echo`."""
    plotted: str | None = field(default=None, kw_only=True)
    """The number that the drawing shows, if it shows this load."""
    policy: str | None = field(default=None, kw_only=True)
    """Where several servers are balanced: by which policy of ours."""
    site: str = field(default="loopback", kw_only=True)

    @property
    def server_count(self):
        """How many servers are behind each route."""
        return BALANCED_SERVERS if self.policy else 1


@dataclass(frozen=True)
class Traffic(Load):
    """A load that moves something, made by `monkey load` as fast as it goes (a closed loop)."""

    options: str

    @property
    def figures(self):
        return [
            Figure("throughput", "throughput", *self.throughput_unit, "more"),
            Figure("proxy", "proxy's CPU", "us each", 1e6, "less"),
            Figure("machine", "machine's CPU", "us each", 1e6, "less"),
            Figure("p50", "p50", "us", 1e6, "less"),
            Figure("p99", "p99", "us", 1e6),
        ]

    @property
    def throughput_unit(self):
        return "thousand/s", 1e-3

    def measure(self, proxy, monkey, settings):
        """Processor time is that of the whole run with its warm-up, over all that was done in it."""
        before, started = clocks(proxy), time.monotonic()
        report = Run(proxy, monkey, proxy.addresses[0], self.options, self.seconds(settings)).result()
        after, ended = clocks(proxy), time.monotonic()
        work, throughput = self.work(report, ended - started)
        require(work > 0, f"{proxy.rival.name}, {self.name}: nothing came through")
        result = {"throughput": throughput, "machine": (after[1] - before[1]) / work}
        if proxy.process:
            result["proxy"] = (after[0] - before[0]) / work
        return result | self.latencies(report) | {"errors": report["errors"]["total"], "doubts": report["doubts"]}

    def seconds(self, settings):
        return settings.seconds

    def work(self, report, elapsed):
        """What was done in all, in so many seconds, and in a second of the measured time."""
        return report["exchanges"]["answered_in_all"], report["throughput"]

    def latencies(self, report):
        return latencies(report)


@dataclass(frozen=True)
class Sized(Traffic):
    """Exchanges of many bytes, of which there are few in a second."""

    @property
    def throughput_unit(self):
        return "a second", 1


@dataclass(frozen=True)
class Bulk(Traffic):
    """Streams without end."""

    @property
    def figures(self):
        return [
            Figure("throughput", "throughput", "Gbit/s", 8e-9, "more"),
            Figure("proxy", "proxy's CPU", "ms/GB", 1e12, "less"),
            Figure("machine", "machine's CPU", "ms/GB", 1e12, "less"),
        ]

    def work(self, report, elapsed):
        direction = "upstream" if "upload" in self.options.split() else "downstream"
        return report["traffic"][f"{direction}_in_all"], report["traffic"][f"{direction}_per_second"]

    def latencies(self, report):
        return {}


@dataclass(frozen=True)
class Wired(Bulk):
    """A stream over a slow wire. The machine's processor time is left out: most of it is the wire's, which is a program."""

    @property
    def figures(self):
        return [
            Figure("throughput", "throughput", "Mbit/s", 8e-6, "more"),
            Figure("proxy", "proxy's CPU", "ms/GB", 1e12, "less"),
        ]

    def seconds(self, settings):
        return max(settings.seconds, LEAST_WIRE_SECONDS)

    def work(self, report, elapsed):
        moved, a_second = super().work(report, elapsed)
        # A proxy before the wire takes more from the client than has gone over it, so it counts when all has arrived.
        return moved, moved / elapsed if "upload" in self.options.split() else a_second


@dataclass(frozen=True)
class Mixed(Load):
    """Round trips beside bulk, through one proxy that has a route for each."""

    round_trips: str
    bulk: str

    figures = [
        Figure("p50", "p50", "us", 1e6, "less"),
        Figure("p99", "p99", "us", 1e6, "less"),
        Figure("throughput", "round trips", "thousand/s", 1e-3, "more"),
        Figure("bulk", "bulk", "Gbit/s", 8e-9, "more"),
        Figure("proxy", "proxy's CPU", "ms/GB of bulk", 1e12, "less"),
        Figure("machine", "machine's CPU", "ms/GB of bulk", 1e12, "less"),
    ]

    def measure(self, proxy, monkey, settings):
        before = clocks(proxy)
        bulk = Run(proxy, monkey, proxy.addresses[1], self.bulk, settings.seconds)
        round_trips = Run(proxy, monkey, proxy.addresses[0], self.round_trips, settings.seconds)
        trips, moved = round_trips.result(), bulk.result()
        after = clocks(proxy)
        work = moved["traffic"]["downstream_in_all"]
        require(work > 0, f"{proxy.rival.name}, {self.name}: no bulk came through")
        result = {
            "throughput": trips["throughput"],
            "bulk": moved["traffic"]["downstream_per_second"],
            "machine": (after[1] - before[1]) / work,
            "errors": trips["errors"]["total"] + moved["errors"]["total"],
            "doubts": trips["doubts"] + moved["doubts"],
        }
        if proxy.process:
            result["proxy"] = (after[0] - before[0]) / work
        return result | latencies(trips)


def latencies(report):
    """None where nothing was answered in the measured time."""
    latency = report["latency"]
    return {"p50": latency["p50"], "p99": latency["p99"]} if latency["count"] else {}


class Run:
    """A run of `monkey load` that goes on meanwhile."""

    def __init__(self, proxy, monkey, address, options, seconds):
        self.room, self.seconds = proxy.room, seconds
        self.path = proxy.room.path / f"load-{address}.json"
        command = [monkey, "load", address, *options.split()]
        command += ["--duration", f"{round(seconds * 1000)}ms", "--warmup", f"{round(WARM_UP_SECONDS * 1000)}ms"]
        self.name = Path(command[0]).name
        with proxy.site.client_side():
            self.process = proxy.room.start([*command, "--json", self.path, "--quiet"])

    def result(self):
        """The report, once it is there."""
        try:
            status = self.process.wait(self.seconds + RUN_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure(f"monkey load did not end within {self.seconds + RUN_SECONDS:g} s") from None
        said = " ".join(self.room.log_of(self.name).split())
        require(status == 0, f"monkey load ended with {status}: {said[-300:]}")
        return json.loads(self.path.read_text())


def clocks(proxy):
    return processor_seconds(proxy.process.pid) if proxy.process else 0, machine_seconds()


@dataclass(frozen=True)
class Held(Load):
    """A load that holds connections and looks at the memory. It opens them itself, so that it knows when all of them
    are there: each has had an answer through the proxy, or its first MiB."""

    figures = [
        Figure("user", "user space", "B each", 1, "less"),
        Figure("kept", "kept after the end", "B each", 1),
        Figure("pipes", "in pipes", "KiB each", 1 / 1024),
        Figure("sockets", "in all sockets of the machine", "KiB each", 1 / 1024),
    ]

    def measure(self, proxy, monkey, settings):
        count = settings.idle if self.is_echo else settings.stalled
        with ExitStack() as first:
            self.open(proxy, first)  # what it takes once, for the first of them
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

    @property
    def is_echo(self):
        return self.behaviors == (ECHO,)

    def open(self, proxy, stack):
        try:
            connection = stack.enter_context(socket.create_connection(address(proxy), EXCHANGE_SECONDS))
            if self.is_echo:
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


def address(proxy):
    """Where the first route's clients connect to, as Python's sockets have it."""
    host, _, port = proxy.addresses[0].rpartition(":")
    return host, int(port)


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


ECHO, SINK, SOURCE = "--echo", "--sink", "--source"
CLOSED_LOOP = "--rate max --mode"
CONNECT = f"{CLOSED_LOOP} connect --connections 32"
RESPONSES = {"4K": "4 KiB", "16K": "16 KiB", "32K": "32 KiB", "64K": "64 KiB", "200K": "200 KiB", "1M": "1 MiB", "5M": "5 MiB"}
MESSAGES = {"16K": "16 KiB", "32K": "32 KiB", "64K": "64 KiB", "256K": "256 KiB", "1M": "1 MiB"}
PLOTTED_REQUESTS = {("16K", 64): "p50", ("64K", 4): "p50", ("200K", 4): "proxy", ("1M", 1): "proxy"}
PLOTTED_MESSAGES = {("64K", 64): "proxy", ("1M", 1): "proxy"}


def connections(count):
    return f"{count} connection{'s' * (count != 1)}"


def trips(name, title, options, **more):
    return Traffic(name, title, "round-trips", (ECHO,), f"{CLOSED_LOOP} echo {options}", **more)


def bulk(name, title, behavior, options, group="bulk", **more):
    return Bulk(name, title, group, (behavior,), options, **more)


def request(size, count):
    return Sized(
        f"request-{size.lower()}-{count}",
        f"100 B requests, {RESPONSES[size]} responses, {connections(count)}",
        "request",
        (f"--respond {size}",),
        f"{CLOSED_LOOP} request --response-size {size} --connections {count}",
        plotted=PLOTTED_REQUESTS.get((size, count)),
    )


def ping_pong(size, count):
    return Sized(
        f"ping-pong-{size.lower()}-{count}",
        f"{MESSAGES[size]} round trips, {connections(count)}",
        "ping-pong",
        (ECHO,),
        f"{CLOSED_LOOP} echo --size {size} --connections {count}",
        plotted=PLOTTED_MESSAGES.get((size, count)),
    )


def paced(megabytes):
    return bulk(
        f"paced-{megabytes}m",
        f"{PACED_CONNECTIONS} downloads, each paced by its server at {megabytes} MB/s",
        f"{SOURCE} --pace {megabytes}MB/s",
        f"--mode download --connections {PACED_CONNECTIONS}",
        group="paced",
        plotted="proxy" if megabytes == 1 else None,
    )


def small_writes(count):
    options = f"--mode upload --size 1K --connections {count}"
    plotted = "proxy" if count == 64 else None
    return bulk(f"small-{count}", f"1 KiB writes up, {connections(count)}", SINK, options, group="small", plotted=plotted)


def wired(site, direction):
    where = {"wire": "between proxy and server", "client-wire": "between client and proxy"}[site]
    return Wired(
        f"{site}-{direction.removesuffix('load')}",
        f"one {direction} over {WIRE_MEGABITS_PER_SECOND} Mbit/s and {ROUND_TRIP_MILLISECONDS} ms {where}",
        "wire",
        (SOURCE if direction == "download" else SINK,),
        f"--mode {direction} --connections 1 --drain {DRAIN_SECONDS}s",
        site=site,
        plotted="proxy" if direction == "download" else None,
    )


LOADS = [
    trips("echo-1", "64 B round trips, 1 connection", "--size 64 --connections 1", plotted="proxy"),
    trips("echo-64", "64 B round trips, 64 connections", "--size 64 --connections 64", plotted="proxy"),
    trips("echo-16k", "16 KiB round trips, 64 connections", "--size 16K --connections 64", plotted="proxy"),
    Traffic("connect", "connect, round trip, close; 32 at a time", "connects", (ECHO,), CONNECT, plotted="proxy"),
    Traffic(
        "round-robin",
        "connect, round trip, close over three servers, round-robin",
        "connects",
        (ECHO,),
        CONNECT,
        policy="round-robin",
        plotted="proxy",
    ),
    Traffic(
        "least-connections",
        "connect, round trip, close over three servers, least connections",
        "connects",
        (ECHO,),
        CONNECT,
        policy="least-connections",
        plotted="proxy",
    ),
    bulk("up-4", "bulk up, 4 connections", SINK, "--mode upload --connections 4", plotted="proxy"),
    bulk("down-4", "bulk down, 4 connections", SOURCE, "--mode download --connections 4", plotted="proxy"),
    bulk("down-64", "bulk down, 64 connections", SOURCE, "--mode download --connections 64", plotted="proxy"),
    *(request(size, count) for size in RESPONSES for count in (1, 4, 64)),
    *(ping_pong(size, count) for size in MESSAGES for count in (1, 64) if (size, count) != ("16K", 64)),  # that is echo-16k
    *(paced(megabytes) for megabytes in (1, 4)),
    *(small_writes(count) for count in (4, 64)),
    Mixed(
        "mixed",
        "64 B round trips on 4 connections beside 4 bulk downloads",
        "mixed",
        (ECHO, SOURCE),
        f"{CLOSED_LOOP} echo --size 64 --connections 4",
        "--mode download --connections 4",
        plotted="p99",
    ),
    *(wired(site, direction) for site in ("wire", "client-wire") for direction in ("download", "upload")),
    Held("idle", "idle connections", "memory", (ECHO,), plotted="user"),
    Held("stalled", "stalled readers", "memory", (SOURCE,), plotted="user"),
]
