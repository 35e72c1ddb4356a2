"""One end of a connection through the proxy: the client's, or the server's."""

import ctypes
import errno
import fcntl
import select
import socket
import struct
import time
from dataclasses import dataclass
from enum import Enum

from kernel import SocketAddress
from pattern import Pattern
from waits import OBSERVATION_TIME, POLL, WAIT_LIMIT, Failure, Reset, concurrently, require, wait_until

CHUNK_BYTES = 64 * 1024
"""Bytes per call."""

SAMPLE_BYTES = 256
"""Bytes to check if there is no time to check all."""

MAX_BUFFERED_BYTES = 64 * 1024 * 1024
"""More bytes than all kernel buffers on the path hold: a sender that sends this many is not blocked."""

SIOCINQ, SIOCOUTQ = 0x541B, 0x5411
SO_ATTACH_FILTER, SO_MAX_PACING_RATE = 26, 47

RESETS = (errno.ECONNRESET, errno.EPIPE)


class StreamEnd(Enum):
    """How a stream ended, as observed by its reader."""

    EOF = "EOF"
    RESET = "a reset"


class Direction(Enum):
    """A direction: upstream is client to server, downstream server to client."""

    UPSTREAM = "↑"
    DOWNSTREAM = "↓"

    @property
    def opposite(self) -> "Direction":
        return Direction.DOWNSTREAM if self is Direction.UPSTREAM else Direction.UPSTREAM


@dataclass(frozen=True)
class StreamRemainder:
    """The data and the end of a stream."""

    count: int
    end: StreamEnd
    data: bytes = b""


class Peer:
    """A socket with a time limit on every call and descriptive failures."""

    def __init__(self, name: str, connected: socket.socket, remote: SocketAddress) -> None:
        self.name = name
        self.socket = connected
        self.socket.settimeout(WAIT_LIMIT)
        if connected.family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address: SocketAddress = connected.getsockname()
        self.remote = remote

    # Sending

    def pace(self, rate: int) -> None:
        """Makes the kernel pace the sending at this rate in bytes per second, independent of process scheduling."""
        self.socket.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, rate)

    def send(self, data: bytes | memoryview, flags: int = 0) -> None:
        rest = memoryview(data)
        while rest:
            try:
                sent = self.socket.send(rest[:CHUNK_BYTES], flags)
            except TimeoutError:
                raise Failure(f"{self.name} could not send anything for {WAIT_LIMIT:g} s") from None
            except OSError as error:
                raise self._failure(error, "sending") from None
            rest = rest[sent:]

    def send_stream(self, stream: Pattern, count: int, start: int = 0) -> None:
        sent = start
        while sent < start + count:
            chunk = stream.at(sent, min(CHUNK_BYTES, start + count - sent))
            self.send(chunk)
            sent += len(chunk)

    def send_for(self, seconds: float, minimum: int, stream: Pattern, start: int = 0) -> int:
        """Sends a stream continuously for `seconds` and at least `minimum` bytes; returns the number of bytes."""
        sent, deadline = start, time.monotonic() + seconds
        while sent - start < minimum or time.monotonic() < deadline:
            self.send(stream.at(sent, CHUNK_BYTES))
            sent += CHUNK_BYTES
        return sent - start

    def send_urgent(self, byte: bytes) -> None:
        self.send(byte, socket.MSG_OOB)

    def send_until_blocked(self, stream: Pattern, start: int = 0, limit: int = MAX_BUFFERED_BYTES) -> int:
        """Sends until no more bytes are accepted for a while, because the far end does not read.

        Returns the number of bytes accepted: about `limit`, if it was reached.
        """
        sent = start
        self.socket.setblocking(False)
        try:
            deadline = time.monotonic() + OBSERVATION_TIME
            while time.monotonic() < deadline:
                waiting = [self.socket] if sent - start < limit else []
                _, writable, _ = select.select([], waiting, [], OBSERVATION_TIME / 10)
                if writable:
                    sent += self.socket.send(stream.at(sent, CHUNK_BYTES))
                    deadline = time.monotonic() + OBSERVATION_TIME
                    require(
                        sent - start < MAX_BUFFERED_BYTES,
                        f"{self.name} sent {MAX_BUFFERED_BYTES >> 20} MiB to a reader that does not read",
                    )
        except OSError as error:
            raise self._failure(error, "sending") from None
        finally:
            self.socket.settimeout(WAIT_LIMIT)
        return sent - start

    def send_nonblocking(self, stream: Pattern) -> int:
        """Sends until the send would block; returns the number of bytes accepted."""
        sent = 0
        self.socket.setblocking(False)
        try:
            while sent < MAX_BUFFERED_BYTES:
                sent += self.socket.send(stream.at(sent, CHUNK_BYTES))
        except BlockingIOError:
            pass
        except OSError as error:
            raise self._failure(error, "sending") from None
        finally:
            self.socket.settimeout(WAIT_LIMIT)
        return sent

    def send_until_reset(self, chunk: bytes = b"still there?", seconds: float = WAIT_LIMIT) -> None:
        """Sends small messages repeatedly until a reset is received."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self.socket.send(chunk)
            except OSError as error:
                if error.errno in RESETS:
                    return
                raise self._failure(error, "sending") from None
            time.sleep(POLL)  # with an unread end, every poll would return immediately
            if self.is_readable and self._is_reset():
                return
        raise Failure(f"{self.name} saw no reset within {seconds:g} s of sending")

    def _is_reset(self) -> bool:
        try:
            self.socket.recv(CHUNK_BYTES)
            return False
        except OSError as error:
            return error.errno in RESETS

    # Ending

    def half_close(self) -> None:
        """Half-closes the connection (sends a FIN) and continues reading."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise self._failure(error, "half-closing") from None

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Sends a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def drop_packets(self) -> None:
        """Makes the kernel drop all packets for this socket, as if its host or the path to it were down."""
        # Otherwise the kernel would retransmit, which shows that the peer is alive.
        wait_until(f"acknowledgement of all data from {self.name}", lambda: self.unacknowledged == 0)
        drop_all = struct.pack("HBBI", 0x06, 0, 0, 0)  # BPF: return 0, keep no byte of any packet
        buffer = bytearray(drop_all)
        address = (1).to_bytes(2, "little") + bytes(6) + _address_of(buffer).to_bytes(8, "little")
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, address)

    # Receiving

    def receive(self, limit: int = CHUNK_BYTES) -> bytes:
        """Receives some bytes; returns none at the end of the stream."""
        try:
            return self.socket.recv(limit)
        except TimeoutError:
            raise Failure(f"{self.name} received nothing for {WAIT_LIMIT:g} s") from None
        except OSError as error:
            raise self._failure(error, "reading") from None

    def expect(self, data: bytes) -> None:
        """Receives exactly these bytes."""
        received = b""
        while len(received) < len(data):
            more = self.receive(len(data) - len(received))
            require(more, f"{self.name} saw EOF after {received!r}, expected {data!r}")
            received += more
        require(received == data, f"{self.name} received {received[:40]!r}, expected {data[:40]!r}")

    def expect_stream(self, stream: Pattern, count: int, start: int = 0) -> None:
        """Receives `count` bytes of a stream."""
        received = 0
        while received < count:
            more = self.receive(min(CHUNK_BYTES, count - received))
            require(more, f"{self.name} saw EOF after {received:,} of {count:,} bytes")
            stream.check(more, start + received)
            received += len(more)

    def receive_quickly(self, stream: Pattern, start: int) -> int:
        """Receives many bytes and checks only the first and the last of them, so that checking does not limit the
        rate."""
        received = self.receive(16 * CHUNK_BYTES)
        require(received, f"{self.name} saw EOF after {start:,} bytes")
        first, last = received[:SAMPLE_BYTES], received[-SAMPLE_BYTES:]
        stream.check(first, start)
        stream.check(last, start + len(received) - len(last))
        return len(received)

    def receive_to_end(self, stream: Pattern | None = None, start: int = 0) -> StreamRemainder:
        """Receives all data up to the end or the reset. With a stream, the bytes are compared with it and not
        stored."""
        count, kept = 0, bytearray()
        while True:
            try:
                more = self.receive()
            except Reset:
                return StreamRemainder(count, StreamEnd.RESET, bytes(kept))
            if not more:
                return StreamRemainder(count, StreamEnd.EOF, bytes(kept))
            if stream:
                stream.check(more, start + count)
            else:
                kept += more
            count += len(more)

    def expect_to_end(self, end: StreamEnd | None, data: bytes = b"") -> None:
        """Expects exactly these bytes, and then this end; None allows either end."""
        rest = self.receive_to_end()
        require(
            rest.data == data,
            f"{self.name} received {rest.data[:40]!r} and {rest.end.value}, expected {data[:40]!r}",
        )
        self._require_end(rest, end)

    def expect_stream_to_end(self, stream: Pattern, count: int, end: StreamEnd | None = None, start: int = 0) -> None:
        rest = self.receive_to_end(stream, start)
        require(rest.count == count, f"{self.name} received {rest.count:,} of {count:,} bytes, then {rest.end.value}")
        self._require_end(rest, end)

    def _require_end(self, rest: StreamRemainder, end: StreamEnd | None) -> None:
        if end:
            require(rest.end is end, f"{self.name} saw {rest.end.value}, not {end.value}")

    @property
    def is_readable(self) -> bool:
        """Whether data or an end can be read."""
        return self.is_readable_within(0)

    def is_readable_within(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.socket, select.POLLIN | select.POLLRDHUP)
        return bool(poll.poll(seconds * 1000))

    @property
    def unread(self) -> int:
        """Number of bytes that can be read."""
        return self._count(SIOCINQ)

    @property
    def unacknowledged(self) -> int:
        """Bytes in the send queue that the peer's kernel has not acknowledged."""
        return self._count(SIOCOUTQ)

    def _count(self, request: int) -> int:
        return struct.unpack("i", fcntl.ioctl(self.socket, request, bytes(4)))[0]

    def _failure(self, error: OSError, doing: str) -> Failure:
        if error.errno in RESETS:
            return Reset(f"{self.name} was reset while {doing}")
        return Failure(f"{self.name}, {doing}: {error.strerror}")


def _address_of(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


@dataclass(frozen=True)
class Pair:
    """The client and the server of one connection through the proxy."""

    client: Peer
    server: Peer

    def exchange(self) -> None:
        """Exchanges a few bytes in each direction."""
        self.client.send(b"ping")
        self.server.expect(b"ping")
        self.server.send(b"pong")
        self.client.expect(b"pong")

    def sender(self, direction: Direction) -> Peer:
        return self.client if direction is Direction.UPSTREAM else self.server

    def receiver(self, direction: Direction) -> Peer:
        return self.server if direction is Direction.UPSTREAM else self.client

    def ends(self, direction: Direction) -> tuple[Peer, Peer]:
        """Returns the sender and the receiver of a direction."""
        return self.sender(direction), self.receiver(direction)

    def half_close(self, direction: Direction, data: bytes = b"") -> None:
        """Half-closes the sender, after sending `data`; expects the receiver to see EOF after these bytes."""
        sender, receiver = self.ends(direction)
        sender.send(data)
        sender.half_close()
        receiver.expect_to_end(StreamEnd.EOF, data)

    def reset(self, direction: Direction) -> None:
        """Resets the sender; expects the receiver to be reset."""
        self.sender(direction).reset()
        self.receiver(direction).expect_to_end(StreamEnd.RESET)

    def send_from_both(self) -> tuple[bytes, bytes]:
        """Sends a message from each side, without receiving; returns the client's and the server's."""
        messages = b"from the client", b"from the server"
        self.client.send(messages[0])
        self.server.send(messages[1])
        return messages

    def stream_to_eof(self, direction: Direction, stream: Pattern, count: int) -> None:
        """Sends `count` bytes and a FIN in a direction; expects all of them."""
        sender, receiver = self.ends(direction)
        with concurrently(lambda: (sender.send_stream(stream, count), sender.half_close())):
            receiver.expect_stream_to_end(stream, count, StreamEnd.EOF)

    def close_with_unread_bytes(self, direction: Direction) -> None:
        """Closes the sender, after its last bytes, while it has unread bytes; expects the receiver to be reset."""
        closing, remaining = self.ends(direction)
        remaining.send(b"never read")
        wait_until("unread bytes", lambda: closing.unread)
        closing.send(b"goodbye")
        closing.close()
        remaining.expect_to_end(StreamEnd.RESET, b"goodbye")
