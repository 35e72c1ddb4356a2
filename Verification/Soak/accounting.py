"""Clients and servers that count the bytes that they send and receive, and the totals of these counts."""

import socket
import threading
from dataclasses import dataclass, field, fields
from enum import Enum

from kernel import Address
from pattern import Pattern
from peer import CHUNK_BYTES, MAX_BUFFERED_BYTES, Peer


class CountingPeer(Peer):
    """A client or a server that counts the bytes of its socket."""

    def __init__(self, name: str, connected: socket.socket, remote: Address) -> None:
        super().__init__(name, connected, remote)
        self.sent = 0
        """Bytes. The bytes of a failed call are counted too: this is an upper bound of the bytes sent."""
        self.received = 0

    def send(self, data: bytes | memoryview, flags: int = 0) -> None:
        self.sent += len(data)
        super().send(data, flags)

    def send_until_blocked(self, stream: Pattern, start: int = 0, limit: int = MAX_BUFFERED_BYTES) -> int:
        count = super().send_until_blocked(stream, start, limit)
        self.sent += count
        return count

    def receive(self, limit: int = CHUNK_BYTES) -> bytes:
        received = super().receive(limit)
        self.received += len(received)
        return received


class Outcome(Enum):
    """How the proxy must count the end of a connection."""

    ENDED = "ended"
    RESET = "reset"
    REJECTED = "rejected"
    """Reset before the connection to its server, which was being restarted."""


@dataclass
class Totals:
    """Counts of connections as seen by clients and servers; for each direction, the bytes sent and received."""

    connections: int = 0
    ended: int = 0
    reset: int = 0
    rejected: int = 0
    sent_up: int = 0
    received_up: int = 0
    sent_down: int = 0
    received_down: int = 0

    def __iadd__(self, other: "Totals") -> "Totals":
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self


@dataclass
class ConnectionTotals:
    """The totals of all connections through one proxy address, for each client address."""

    by_source: dict[str, Totals] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, source: str, outcome: Outcome, client: CountingPeer, server: CountingPeer | None) -> None:
        connection = Totals(
            connections=1,
            ended=outcome is Outcome.ENDED,
            reset=outcome is Outcome.RESET,
            rejected=outcome is Outcome.REJECTED,
            sent_up=client.sent,
            received_down=client.received,
            received_up=server.received if server else 0,
            sent_down=server.sent if server else 0,
        )
        with self.lock:
            self.by_source.setdefault(source, Totals())
            self.by_source[source] += connection

    def of(self, source: str) -> Totals:
        return self.by_source.get(source, Totals())

    @property
    def total(self) -> Totals:
        total = Totals()
        for totals in self.by_source.values():
            total += totals
        return total
