"""The ends of connections, which count the bytes that they send and receive, and the sums of these counts."""

import socket
import threading
from dataclasses import dataclass, field, fields
from enum import Enum

from kernel import Address
from pattern import Pattern
from peer import MOST_IN_BUFFERS, PIECE, Peer


class CountingPeer(Peer):
    def __init__(self, name: str, connected: socket.socket, remote: Address) -> None:
        super().__init__(name, connected, remote)
        self.sent = 0
        """Bytes. The bytes of a failed call are counted too: this is an upper bound of the bytes sent."""
        self.received = 0

    def send(self, data: bytes | memoryview, flags: int = 0) -> None:
        self.sent += len(data)
        super().send(data, flags)

    def send_what_fits(self, stream: Pattern, start: int = 0, most: int = MOST_IN_BUFFERS) -> int:
        count = super().send_what_fits(stream, start, most)
        self.sent += count
        return count

    def receive(self, limit: int = PIECE) -> bytes:
        received = super().receive(limit)
        self.received += len(received)
        return received


class Outcome(Enum):
    """How the proxy has to count the end of a connection."""

    ENDED = "ended"
    RESET = "reset"
    TURNED_AWAY = "rejected"
    """Reset before the connection to its server, which was being restarted."""


@dataclass
class Sums:
    """Counts of the ends of connections. For each direction the bytes sent into it and received from it."""

    connections: int = 0
    ended: int = 0
    reset: int = 0
    turned_away: int = 0
    sent_up: int = 0
    taken_up: int = 0
    sent_down: int = 0
    taken_down: int = 0

    def __iadd__(self, other: "Sums") -> "Sums":
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self


@dataclass
class Account:
    """The sums of all connections through one address, for each client address."""

    sums: dict[str, Sums] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, source: str, outcome: Outcome, client: CountingPeer, server: CountingPeer | None) -> None:
        one = Sums(
            connections=1,
            ended=outcome is Outcome.ENDED,
            reset=outcome is Outcome.RESET,
            turned_away=outcome is Outcome.TURNED_AWAY,
            sent_up=client.sent,
            taken_down=client.received,
            taken_up=server.received if server else 0,
            sent_down=server.sent if server else 0,
        )
        with self.lock:
            self.sums.setdefault(source, Sums())
            self.sums[source] += one

    def of(self, source: str) -> Sums:
        return self.sums.get(source, Sums())

    @property
    def total(self) -> Sums:
        total = Sums()
        for sums in self.sums.values():
            total += sums
        return total
