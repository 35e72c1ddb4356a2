"""The location of the client, the proxy and the servers of a load: on one host, or with a slow link before the
servers."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path

from harness import ROOT, accepts, free_port

ROUND_TRIP_MILLISECONDS = 20
LINK_MEGABITS_PER_SECOND = 200
DEVICE_QUEUE_PACKETS = 5000  # of the link's devices, which must not drop packets that the link would carry
LINK_PRIORITY = -15
QUEUE_BYTES = 1 << 20
"""Bytes that the link queues in each direction before it drops packets: twice the bandwidth-delay product."""


class Loopback:
    """A single host: all connections use its loopback interface."""

    proxy_host = server_host = "127.0.0.1"
    """The address where the clients reach the proxy, and where the proxy, or a client without one, reaches the
    servers."""

    def __init__(self, sandbox, monkey):
        self.sandbox, self.monkey = sandbox, monkey
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
        servers = self.started.setdefault(behavior, [])
        with self.server_side():
            while len(servers) < count:
                servers.append(self.start(behavior))
        return servers[:count]

    def start(self, behavior):
        port = free_port()
        address = f"{self.server_host}:{port}"
        process = self.sandbox.start(
            [self.monkey, "echo", address, *behavior.split(), "--threads", "1", "--grace", "1s"]
        )
        self.sandbox.wait_for(process, self.monkey.name, lambda: accepts(port, self.server_host))
        return address


class SlowServerLink(Loopback):
    """Two hosts, as network namespaces, connected by a link with a delay and a rate: the client and the proxy on the
    near one, the servers on the far one."""

    server_host = "10.77.0.2"

    def __init__(self, sandbox, monkey):
        super().__init__(sandbox, monkey)
        if os.geteuid() != 0:
            raise Unavailable("network namespaces need root: run this as root")
        hosts = load_hosts_module()
        try:
            self.near, self.far = (self.host(hosts, name) for name in ("the near host", "the far host"))
            ends = (self.near, "10.77.0.1/24"), (self.far, f"{self.server_host}/24")
            link = hosts.Link("slow", *ends, seed=1)
        except (OSError, hosts.Failure) as error:
            raise Unavailable(f"cannot link network namespaces: {error}: allow them, and /dev/net/tun") from None
        sandbox.callback(link.close)
        # The link is a program too: without priority it would forward packets late.
        os.setpriority(os.PRIO_PROCESS, link.process, LINK_PRIORITY)
        for end, _ in ends:
            end.ip("link", "set", "slow", "txqueuelen", str(DEVICE_QUEUE_PACKETS))
        delay, rate = ROUND_TRIP_MILLISECONDS / 2, LINK_MEGABITS_PER_SECOND
        link.impair(hosts.Impairment(delay=delay, rate=rate, queue=QUEUE_BYTES))

    def host(self, hosts, name):
        host = hosts.Host(name)
        self.sandbox.callback(host.close)
        return host

    def client_side(self):
        return self.near.inside()

    def proxy_side(self):
        return self.near.inside()

    def server_side(self):
        return self.far.inside()


class SlowClientLink(SlowServerLink):
    """The same link with the proxy at its other end: only the client is on the near host."""

    proxy_host = SlowServerLink.server_host

    def proxy_side(self):
        return self.far.inside()


class Unavailable(Exception):
    """The topology is not available on this machine or to this user; the message states the reason and the fix."""


def load_hosts_module():
    """Imports the network namespaces and links of Verification/Networks."""
    for folder in ("Networks", "Conformance"):
        path = str(ROOT / "Verification" / folder)
        if path not in sys.path:
            sys.path.append(path)
    import hosts

    return hosts


class Topologies:
    """All topologies, each created on first use; `None` for an unavailable one, which is reported once."""

    KINDS = {"loopback": Loopback, "server-link": SlowServerLink, "client-link": SlowClientLink}

    def __init__(self, sandbox, monkey):
        self.sandbox, self.monkey = sandbox, Path(monkey)
        self.created = {}

    def __getitem__(self, name):
        if name not in self.created:
            try:
                self.created[name] = self.KINDS[name](self.sandbox, self.monkey)
            except Unavailable as reason:
                print(f"loads on the topology '{name}' are skipped: {reason}", file=sys.stderr)
                self.created[name] = None
        return self.created[name]
