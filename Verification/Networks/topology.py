"""The environment of a case: three hosts in a row, with the proxy on the middle one."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters import Monkey
from bench import Bench
from hosts import Host, Impairment, Link
from peer import Direction, Peer
from waits import wait_until

PORT = 7000
THREADS = 2


class Topology(Bench):
    """client -- near -- proxy -- far -- server"""

    def __init__(self, engine: str, seed: int) -> None:
        super().__init__(Monkey(engine, THREADS))
        self.rng = random.Random(seed)
        self.proxy_address = ("10.1.0.2", PORT)
        self.target = ("10.2.0.2", PORT)

    def __enter__(self) -> "Topology":
        super().__enter__()
        self.client_host, self.proxy_host, self.server_host = (
            self._host(name) for name in ("the client host", "the proxy host", "the server host")
        )
        self.near = self._link("near", (self.client_host, "10.1.0.1/24"), (self.proxy_host, "10.1.0.2/24"))
        self.far = self._link("far", (self.proxy_host, "10.2.0.1/24"), (self.server_host, "10.2.0.2/24"))
        return self

    def _host(self, name: str) -> Host:
        host = Host(name)
        self.callback(host.close)
        return host

    def _link(self, name: str, left: tuple[Host, str], right: tuple[Host, str]) -> Link:
        link = Link(name, left, right, self.rng.randrange(1 << 32))
        self.callback(link.close)
        return link

    def link_to_receiver(self, direction: Direction) -> Link:
        return self.far if direction is Direction.UPSTREAM else self.near

    def impair(self, impairment: Impairment) -> None:
        self.near.impair(impairment)
        self.far.impair(impairment)

    @contextmanager
    def interface_down(self, link: Link) -> Iterator[None]:
        """The proxy's interface of a link is down in the block, which also removes its routes."""
        self.proxy_host.ip("link", "set", link.name, "down")
        yield
        self.proxy_host.ip("link", "set", link.name, "up")

    def wait_until_acknowledged(self) -> None:
        """Waits until the peers have acknowledged all bytes that the proxy has sent.

        Keepalive probes only a connection without unacknowledged bytes; others are retransmitted for minutes.
        """
        with self.proxy_host.inside():
            wait_until("the acknowledgment of all bytes", lambda: _unacknowledged_bytes() == 0)

    # The same operations as in Bench, each on its own host

    def restart(self) -> None:
        with self.proxy_host.inside():
            super().restart()

    def listen(self, backlog: int = socket.SOMAXCONN, receive_buffer: int | None = None) -> None:
        with self.server_host.inside():
            super().listen(backlog, receive_buffer)

    def connect(self, receive_buffer: int | None = None, seconds: float = 15) -> Peer:
        with self.client_host.inside():
            return super().connect(receive_buffer, seconds)

    def wait_for_no_sockets(self, seconds: float = 15) -> None:
        with self.proxy_host.inside():
            super().wait_for_no_sockets(seconds)


def _unacknowledged_bytes() -> int:
    """The bytes in the send queues of the established connections of this thread's host (proc(5), /proc/net/tcp)."""
    established = "01"
    rows = [line.split() for line in Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].split(":")[0], 16) for row in rows if row[3] == established)
