"""One end of a connection through the proxy: a client, or the server's side of it."""

import ctypes
import errno
import fcntl
import select
import socket
import struct
import time
from dataclasses import dataclass
from enum import Enum

from kernel import Place
from pattern import Pattern
from waits import ABSENCE, PATIENCE, POLL, Failure, Reset, require, wait_until

PIECE = 64 * 1024
"""Bytes for one call."""

GLIMPSE = 256
"""Bytes that are checked where there is no time to check all."""

MOST_IN_BUFFERS = 64 * 1024 * 1024
"""More than this no kernel on the way holds: a sender that gets rid of it is not held up."""

SIOCINQ, SIOCOUTQ = 0x541B, 0x5411
SO_ATTACH_FILTER, SO_MAX_PACING_RATE = 26, 47

RESETS = (errno.ECONNRESET, errno.EPIPE)


class End(Enum):
    """How a stream ended, as its reader saw it."""

    END = "an end"
    RESET = "a reset"


@dataclass(frozen=True)
class Rest:
    """What came until a stream was over."""

    count: int
    end: End
    data: bytes = b""


class Peer:
    """A socket whose every call has a time limit, and which says in words what it saw."""

    def __init__(self, name: str, connected: socket.socket, remote: Place) -> None:
        self.name = name
        self.socket = connected
        self.socket.settimeout(PATIENCE)
        if connected.family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address: Place = connected.getsockname()
        self.remote = remote

    # Sending

    def pace(self, rate: int) -> None:
        """Has the kernel send so many bytes a second, evenly, however the program is scheduled."""
        self.socket.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, rate)

    def send(self, data: bytes | memoryview, flags: int = 0) -> None:
        rest = memoryview(data)
        while rest:
            try:
                sent = self.socket.send(rest[:PIECE], flags)
            except TimeoutError:
                raise Failure(f"{self.name} could send nothing for {PATIENCE:g} s") from None
            except OSError as error:
                raise self._lost(error, "sending") from None
            rest = rest[sent:]

    def send_stream(self, stream: Pattern, count: int, start: int = 0) -> None:
        sent = start
        while sent < start + count:
            piece = stream.at(sent, min(PIECE, start + count - sent))
            self.send(piece)
            sent += len(piece)

    def send_for(self, seconds: float, least: int, stream: Pattern, start: int = 0) -> int:
        """Sends a stream without a pause for so long, and at least so many bytes; returns how many they were."""
        sent, deadline = start, time.monotonic() + seconds
        while sent - start < least or time.monotonic() < deadline:
            self.send(stream.at(sent, PIECE))
            sent += PIECE
        return sent - start

    def send_urgent(self, byte: bytes) -> None:
        self.send(byte, socket.MSG_OOB)

    def send_what_fits(self, stream: Pattern, start: int = 0, most: int = MOST_IN_BUFFERS) -> int:
        """Sends until nothing more has been taken for a while, because nobody reads at the far end.

        Returns how many bytes were taken: about `most`, if so many were.
        """
        sent = start
        self.socket.setblocking(False)
        try:
            deadline = time.monotonic() + ABSENCE
            while time.monotonic() < deadline:
                waiting = [self.socket] if sent - start < most else []
                _, writable, _ = select.select([], waiting, [], ABSENCE / 10)
                if writable:
                    sent += self.socket.send(stream.at(sent, PIECE))
                    deadline = time.monotonic() + ABSENCE
                    require(
                        sent - start < MOST_IN_BUFFERS,
                        f"{self.name} sent {MOST_IN_BUFFERS >> 20} MiB to a reader that takes nothing",
                    )
        except OSError as error:
            raise self._lost(error, "sending") from None
        finally:
            self.socket.settimeout(PATIENCE)
        return sent - start

    def send_without_waiting(self, stream: Pattern) -> int:
        """Sends until the kernel takes nothing more at the moment; returns how many bytes it took."""
        sent = 0
        self.socket.setblocking(False)
        try:
            while sent < MOST_IN_BUFFERS:
                sent += self.socket.send(stream.at(sent, PIECE))
        except BlockingIOError:
            pass
        except OSError as error:
            raise self._lost(error, "sending") from None
        finally:
            self.socket.settimeout(PATIENCE)
        return sent

    def send_until_reset(self, piece: bytes = b"anybody there?", seconds: float = PATIENCE) -> None:
        """Sends a little again and again until that is answered by a reset."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self.socket.send(piece)
            except OSError as error:
                if error.errno in RESETS:
                    return
                raise self._lost(error, "sending") from None
            time.sleep(POLL)  # an unread end would make every poll return at once
            if self.has_news and self._is_reset():
                return
        raise Failure(f"{self.name} saw no reset within {seconds:g} s of sending")

    def _is_reset(self) -> bool:
        try:
            self.socket.recv(PIECE)
            return False
        except OSError as error:
            return error.errno in RESETS

    # Ending

    def finish(self) -> None:
        """Ends its sending (a FIN) and goes on reading."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise self._lost(error, "ending its stream") from None

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Ends the connection by a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def vanish(self) -> None:
        """From now on its kernel drops whatever comes for it, as if its host or the way to it were gone."""
        # Otherwise the kernel would repeat what it had sent: a sign of life.
        wait_until(f"an acknowledgement of what {self.name} sent", lambda: self.unacknowledged == 0)
        drop_all = struct.pack("HBBI", 0x06, 0, 0, 0)  # BPF: return 0, of each packet keep nothing
        buffer = bytearray(drop_all)
        address = (1).to_bytes(2, "little") + bytes(6) + _address_of(buffer).to_bytes(8, "little")
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, address)

    # Receiving

    def receive(self, limit: int = PIECE) -> bytes:
        """Some bytes; none at the end of the stream."""
        try:
            return self.socket.recv(limit)
        except TimeoutError:
            raise Failure(f"{self.name} heard nothing for {PATIENCE:g} s") from None
        except OSError as error:
            raise self._lost(error, "reading") from None

    def expect(self, data: bytes) -> None:
        """Receives just these bytes."""
        received = b""
        while len(received) < len(data):
            more = self.receive(len(data) - len(received))
            require(more, f"{self.name} saw an end after {received!r}, where {data!r} was sent")
            received += more
        require(received == data, f"{self.name} received {received[:40]!r}, where {data[:40]!r} was sent")

    def expect_stream(self, stream: Pattern, count: int, start: int = 0) -> None:
        """Receives so many bytes of a stream."""
        received = 0
        while received < count:
            more = self.receive(min(PIECE, count - received))
            require(more, f"{self.name} saw an end after {received:,} of {count:,} bytes")
            stream.check(more, start + received)
            received += len(more)

    def receive_quickly(self, stream: Pattern, start: int) -> int:
        """Receives much, and checks only the first and the last of it, which takes less time than the bytes do."""
        received = self.receive(16 * PIECE)
        require(received, f"{self.name} saw an end after {start:,} bytes")
        first, last = received[:GLIMPSE], received[-GLIMPSE:]
        stream.check(first, start)
        stream.check(last, start + len(received) - len(last))
        return len(received)

    def rest(self, stream: Pattern | None = None, start: int = 0) -> Rest:
        """Everything up to the end or the reset. With a stream, the bytes are held against it and not kept."""
        count, kept = 0, bytearray()
        while True:
            try:
                more = self.receive()
            except Reset:
                return Rest(count, End.RESET, bytes(kept))
            if not more:
                return Rest(count, End.END, bytes(kept))
            if stream:
                stream.check(more, start + count)
            else:
                kept += more
            count += len(more)

    def expect_rest(self, end: End | None, data: bytes = b"") -> None:
        """Expects just these bytes, and then this; None is either."""
        rest = self.rest()
        require(
            rest.data == data,
            f"{self.name} received {rest.data[:40]!r} and {rest.end.value}, where {data[:40]!r} was to come",
        )
        self._require_end(rest, end)

    def expect_rest_of(self, stream: Pattern, count: int, end: End | None = None, start: int = 0) -> None:
        rest = self.rest(stream, start)
        require(rest.count == count, f"{self.name} received {rest.count:,} of {count:,} bytes, then {rest.end.value}")
        self._require_end(rest, end)

    def _require_end(self, rest: Rest, end: End | None) -> None:
        if end:
            require(rest.end is end, f"{self.name} saw {rest.end.value}, not {end.value}")

    @property
    def has_news(self) -> bool:
        """Whether bytes or an end wait to be read."""
        return self.has_news_within(0)

    def has_news_within(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.socket, select.POLLIN | select.POLLRDHUP)
        return bool(poll.poll(seconds * 1000))

    @property
    def unread(self) -> int:
        """Bytes that wait to be read."""
        return self._count(SIOCINQ)

    @property
    def unacknowledged(self) -> int:
        """Bytes sent, or waiting to be, that the kernel at the other end has not acknowledged."""
        return self._count(SIOCOUTQ)

    def _count(self, request: int) -> int:
        return struct.unpack("i", fcntl.ioctl(self.socket, request, bytes(4)))[0]

    def _lost(self, error: OSError, doing: str) -> Failure:
        if error.errno in RESETS:
            return Reset(f"{self.name} was reset while {doing}")
        return Failure(f"{self.name}, {doing}: {error.strerror}")


def _address_of(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


class Way(Enum):
    """A direction: upstream is client to server, downstream server to client."""

    UPSTREAM = "↑"
    DOWNSTREAM = "↓"


@dataclass(frozen=True)
class Pair:
    """The two ends of one connection through the proxy."""

    client: Peer
    server: Peer

    def exchange(self) -> None:
        """A few bytes each way."""
        self.client.send(b"ping")
        self.server.expect(b"ping")
        self.server.send(b"pong")
        self.client.expect(b"pong")

    def sender(self, way: Way) -> Peer:
        return self.client if way is Way.UPSTREAM else self.server

    def receiver(self, way: Way) -> Peer:
        return self.server if way is Way.UPSTREAM else self.client
