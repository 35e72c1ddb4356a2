"""The location of the client, the proxy and the servers of a load: on one host, or with a slow wire before the
servers."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path

from harness import ROOT, accepts, free_port

ROUND_TRIP_MILLISECONDS = 20
WIRE_MEGABITS_PER_SECOND = 200
DEVICE_QUEUE_PACKETS = 5000  # of the wire's devices, which must not drop packets that the wire would carry
WIRE_PRIORITY = -15
QUEUE_BYTES = 1 << 20
"""Bytes that the wire's slow end queues before it drops packets: twice the bandwidth-delay product."""


class Loopback:
    """A single host: all connections use its loopback interface."""

    proxy_host = server_host = "127.0.0.1"
    """The address where the clients reach the proxy, and where the proxy, or a client without one, reaches the
    servers."""

    def __init__(self, room, monkey):
        self.room, self.monkey = room, monkey
        self.started = {}

    # Programs started in the block of one of these run on its side.

    def client_side(self):
        return nullcontext()

    def proxy_side(self):
        return nullcontext()

    def server_side(self):
        return nullcontext()

    def servers(self, behavior, count=1):
        """Returns the addresses of `count` servers: `monkey echo` with these options, started on first use."""
        known = self.started.setdefault(behavior, [])
        with self.server_side():
            while len(known) < count:
                known.append(self.start(behavior))
        return known[:count]

    def start(self, behavior):
        port = free_port()
        address = f"{self.server_host}:{port}"
        process = self.room.start([self.monkey, "echo", address, *behavior.split(), "--threads", "1", "--grace", "1s"])
        self.room.wait_for(process, self.monkey.name, lambda: accepts(port, self.server_host))
        return address


class Wire(Loopback):
    """Two hosts, as network namespaces, connected by a wire with a delay and a rate: the client and the proxy on the
    near one, the servers on the far one."""

    server_host = "10.77.0.2"

    def __init__(self, room, monkey):
        super().__init__(room, monkey)
        if os.geteuid() != 0:
            raise Unavailable("network namespaces need root: run this as root")
        hosts = networks()
        try:
            self.near, self.far = (self.host(hosts, name) for name in ("the near host", "the far host"))
            ends = (self.near, "10.77.0.1/24"), (self.far, f"{self.server_host}/24")
            wire = hosts.Wire("wire", *ends, seed=1)
        except (OSError, hosts.Failure) as error:
            raise Unavailable(f"cannot link network namespaces: {error}: allow them, and /dev/net/tun") from None
        room.callback(wire.close)
        # The wire is a program too: without priority it would lose packets that it is late for.
        os.setpriority(os.PRIO_PROCESS, wire.process, WIRE_PRIORITY)
        for end, _ in ends:
            end.ip("link", "set", "wire", "txqueuelen", str(DEVICE_QUEUE_PACKETS))
        delay, rate = ROUND_TRIP_MILLISECONDS / 2, WIRE_MEGABITS_PER_SECOND
        wire.turns(hosts.Weather(delay=delay, rate=rate, queue=QUEUE_BYTES))

    def host(self, hosts, name):
        host = hosts.Host(name)
        self.room.callback(host.close)
        return host

    def client_side(self):
        return self.near.inside()

    def proxy_side(self):
        return self.near.inside()

    def server_side(self):
        return self.far.inside()


class ClientWire(Wire):
    """The same wire with the proxy at its other end: only the client is on the near host."""

    proxy_host = Wire.server_host

    def proxy_side(self):
        return self.far.inside()


class Unavailable(Exception):
    """The site is not available on this machine or to this user; the message states the reason and the fix."""


def networks():
    """Returns the network namespaces and wires of Verification/Networks."""
    for folder in ("Networks", "Conformance"):
        path = str(ROOT / "Verification" / folder)
        if path not in sys.path:
            sys.path.append(path)
    import hosts

    return hosts


class Sites:
    """All sites, each created on first use; `None` for an unavailable site, which is reported once."""

    KINDS = {"loopback": Loopback, "wire": Wire, "client-wire": ClientWire}

    def __init__(self, room, monkey):
        self.room, self.monkey = room, Path(monkey)
        self.made = {}

    def __getitem__(self, name):
        if name not in self.made:
            try:
                self.made[name] = self.KINDS[name](self.room, self.monkey)
            except Unavailable as reason:
                print(f"loads on the site '{name}' are skipped: {reason}", file=sys.stderr)
                self.made[name] = None
        return self.made[name]
