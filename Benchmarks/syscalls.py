"""The number of system calls of a proxy for a round trip and for a connection, as counted by strace."""

import re
import signal
import socket
import time

from accounting import SETTLE_SECONDS, descriptors, process_family
from competitors import RunningProxy
from harness import Sandbox, program, terminate, wait_until
from measurement import ECHO, EXCHANGE_SECONDS, address, exchange
from report import rows_of

ROUND_TRIPS = 1000
CONNECTIONS = 200
FEWEST_SHOWN = 0.05  # calls each: fewer are periodic calls of the program


def table(competitors, executables, topology, threads):
    """Measures one event at a time, so each event costs a wait of its own, which a busy proxy shares among many."""
    rows = []
    for competitor in competitors:
        if competitor.is_direct or competitor.is_reference:
            continue
        with RunningProxy(competitor, executables, topology, [topology.servers(ECHO)], threads) as proxy:
            rows.append([f"**{competitor.title}**" if competitor.is_ours else competitor.title])
            for counts, times in ((round_trips(proxy), ROUND_TRIPS), (connections(proxy), CONNECTIONS)):
                rows[-1] += [f"{sum(counts.values()) / times:.1f}", breakdown(counts, times)]
    return rows_of(["", "a 64-byte round trip", "of which", "open, round trip, close", "of which"], rows)


def connect(proxy):
    return socket.create_connection(address(proxy), EXCHANGE_SECONDS)


def round_trips(proxy):
    with connect(proxy) as connection:
        exchange(connection)
        with Trace(proxy) as trace:
            for _ in range(ROUND_TRIPS):
                exchange(connection)
    return trace.counts


def connections(proxy):
    with connect(proxy) as connection:
        exchange(connection)
    steady = fewest_descriptors(proxy)
    with Trace(proxy) as trace:
        for _ in range(CONNECTIONS):
            with connect(proxy) as connection:
                exchange(connection)
        wait_until("the last connection to close", lambda: descriptors(proxy.process.pid) <= steady, SETTLE_SECONDS)
    return trace.counts


def fewest_descriptors(proxy):
    """Returns the lowest number of descriptors within a second: a competitor may close earlier connections with a delay."""
    fewest, until = descriptors(proxy.process.pid), time.monotonic() + 1
    while time.monotonic() < until:
        fewest = min(fewest, descriptors(proxy.process.pid))
        time.sleep(0.05)
    return fewest


def breakdown(counts, times):
    shares = sorted(((calls / times, name) for name, calls in counts.items()), reverse=True)
    return ", ".join(f"{share:.1f} {name}" for share, name in shares if share >= FEWEST_SHOWN)


class Trace:
    """strace on a proxy and its workers while a block runs; afterwards `counts` has the calls by name."""

    def __init__(self, proxy):
        self.processes = process_family(proxy.process.pid)

    def __enter__(self):
        self.sandbox = Sandbox()
        self.sandbox.__enter__()
        self.output = self.sandbox.path / "counts"
        command = [program("strace", "strace"), "-c", "-f", "-U", "calls,name", "-o", self.output]
        command += [f"--attach={process}" for process in self.processes]
        attached = [f"Process {process} attached" for process in self.processes]
        try:
            self.tracer = self.sandbox.start(command, signal.SIGINT)
            self.sandbox.wait_for(
                self.tracer, "strace", lambda: all(line in self.sandbox.log_of("strace") for line in attached)
            )
        except BaseException:
            self.sandbox.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *reason):
        terminate(self.tracer, signal.SIGINT)  # strace detaches, and writes its counts
        lines = re.findall(r"^\s*(\d+)\s+(\w+)$", self.output.read_text(), re.MULTILINE)
        self.counts = {name: int(calls) for calls, name in lines if name != "total"}
        return self.sandbox.__exit__(*reason)
