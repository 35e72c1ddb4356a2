#!/usr/bin/env python3
"""A proxy with one intentional fault, to verify that the cases detect it.

    faulty_proxy.py LISTEN TARGET FAULT LIMIT

It has no settings, and does not drain. LIMIT is the smallest number among the case's settings, which some faults
misuse.
"""

import errno
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from fcntl import ioctl

CHUNK_BYTES = 16 * 1024
SIOCOUTQ = 0x5411
DEEP_BUFFER_BYTES = 2 << 20
SUSTAINED_BYTES = 16 << 20
"""Bytes of a sustained stream."""

CONCURRENCY = 1
"""Number of connections served at the same time, for the faults that limit it."""

FAULT = ""
LIMIT = 0.0
connection_slots = threading.Semaphore(CONCURRENCY)
stray_bytes = [b"?"]
retained: list[object] = []


def parse_address(text: str) -> tuple[str, int] | str:
    name, port = text.rsplit(":", 1)
    return port if name == "unix" else (name, int(port))


def socket_for(address: tuple[str, int] | str) -> socket.socket:
    return socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)


def reset(*ends: socket.socket) -> None:
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for end in ends:
        try:
            end.shutdown(socket.SHUT_RD)  # wakes up a thread that still reads from it
        except OSError:
            pass
        end.close()


class Relay:
    """One connection: two directions, and a fault in one or both."""

    def __init__(self, client: socket.socket, target: tuple[str, int] | str) -> None:
        self.client, self.target = client, target
        self.lock = threading.Lock()
        self.failed: set[socket.socket] = set()
        self.turn_lock = threading.Lock()

    def run(self) -> None:
        server = self.connect()
        if not server:
            return
        for end in (self.client, server):
            if end.family == socket.AF_INET:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, FAULT != "nagle")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, FAULT not in ("urgent-out-of-band", "all-urgent"))
        if FAULT == "reset-discards-queue":
            for end in (self.client, server):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, DEEP_BUFFER_BYTES)
        if FAULT == "buffer-per-connection":
            retained.append(bytearray(b"x" * 512 * 1024))
        if FAULT == "early-timeouts" and LIMIT < 100:
            threading.Timer((LIMIT or 1.5) / 2, reset, (self.client, server)).start()
        back = threading.Thread(target=self.pump, args=(server, self.client), daemon=True)
        back.start()
        self.pump(self.client, server)
        back.join()
        if FAULT == "leaked-sockets":
            retained.extend((self.client, server))
            return
        self.client.close()
        server.close()

    # Connecting

    def connect(self) -> socket.socket | None:
        if FAULT == "connect-on-first-data":
            select.select([self.client], [], [])
        server = socket_for(self.target)
        server.setblocking(False)
        is_connecting = server.connect_ex(self.target) in (0, errno.EINPROGRESS)
        poll = select.poll()
        poll.register(server, select.POLLOUT)
        if FAULT != "unwatched-client":
            poll.register(self.client, 0)
        limit = 300 if FAULT == "short-connect-timeout" else 30_000
        events = poll.poll(limit)
        error = server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not is_connecting or not events or error or all(descriptor != server.fileno() for descriptor, _ in events):
            self.refuse(server)
            return None
        server.setblocking(True)
        return server

    def refuse(self, server: socket.socket) -> None:
        server.close()
        if FAULT == "exit-on-error":
            os._exit(1)
        if FAULT == "refusal-as-eof":
            self.client.shutdown(socket.SHUT_WR)
            self.client.close()
        else:
            reset(self.client)

    # Relaying

    def pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            self.forward(source, sink)
        except OSError:
            self.fail(source, sink)

    def forward(self, source: socket.socket, sink: socket.socket) -> None:
        count, held, queue = 0, b"", []
        if FAULT in ("unlimited-buffer", "large-buffer"):
            threading.Thread(target=self.drain, args=(queue, sink), daemon=True).start()
        while True:
            data = self.receive(source, sink)
            if not data:
                break
            if FAULT == "corrupt" and count <= 3_000 < count + len(data):
                data = data[: 3_000 - count] + bytes([data[3_000 - count] ^ 1]) + data[3_001 - count :]
            if FAULT == "mixed-connections":
                stray_bytes.append(data[:1])
                data = stray_bytes.pop(0) + data[1:]
            if FAULT == "delayed-full-buffers" and len(data) == CHUNK_BYTES:
                time.sleep(0.002)
            if (
                FAULT in ("held-last-byte", "lost-last-byte")
                or FAULT == "held-last-byte-of-streams"
                and count >= SUSTAINED_BYTES
            ):
                data, held = held + data[:-1], data[-1:]
            count += len(data)
            if FAULT in ("unlimited-buffer", "large-buffer"):
                queue.append(data)
                while FAULT == "large-buffer" and len(queue) * CHUNK_BYTES > DEEP_BUFFER_BYTES:
                    time.sleep(0.01)
            elif FAULT == "alternating-directions":
                with self.turn_lock:
                    sink.sendall(data)
            elif FAULT == "closed-slow-readers":
                sink.settimeout(0.02)
                sink.sendall(data)
            elif FAULT == "all-urgent" and data:
                sink.send(data, socket.MSG_OOB)
            else:
                self.send(sink, data)
        if source in self.failed:
            raise ConnectionResetError
        if FAULT == "held-last-byte":
            sink.sendall(held)
        while queue:
            time.sleep(0.01)
        self.end(source, sink)

    def receive(self, source: socket.socket, sink: socket.socket) -> bytes:
        if FAULT == "busy-polling":
            while not select.select([source], [], [], 0.001)[0]:
                pass
        if FAULT == "reset-overtakes-data":
            select.select([source], [], [])
            time.sleep(0.01)  # so that a reset that directly follows the bytes has arrived
            poll = select.poll()
            poll.register(source, 0)
            if poll.poll(0):
                self.failed.add(source)
                raise ConnectionResetError
        try:
            return source.recv(CHUNK_BYTES)
        except OSError:
            self.failed.add(source)
            raise

    def send(self, sink: socket.socket, data: bytes) -> None:
        try:
            sink.sendall(data)
        except OSError:
            self.failed.add(sink)
            if FAULT != "no-reset-to-sender":
                raise

    def drain(self, queue: list[bytes], sink: socket.socket) -> None:
        while True:
            while queue:
                sink.sendall(queue[0])
                queue.pop(0)
            time.sleep(0.01)

    def end(self, source: socket.socket, sink: socket.socket) -> None:
        if FAULT == "no-eof":
            threading.Event().wait()
        if FAULT == "no-half-close":
            reset(source, sink)
        elif FAULT == "short-half-close":
            sink.shutdown(socket.SHUT_WR)
            threading.Timer(0.3, reset, (source, sink)).start()
        else:
            sink.shutdown(socket.SHUT_WR)

    # Failures

    def fail(self, source: socket.socket, sink: socket.socket) -> None:
        """Handles the loss of one side: sends the other side the remaining data, then a reset."""
        if FAULT == "exit-on-error":
            os._exit(1)
        if FAULT == "reset-as-eof":
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            return
        if FAULT == "no-reset-to-sender":
            threading.Event().wait()
        if FAULT not in ("reset-overtakes-data", "reset-discards-queue") and source in self.failed:
            while sink not in self.failed and struct.unpack("i", ioctl(sink, SIOCOUTQ, bytes(4)))[0]:
                time.sleep(0.005)
        with self.lock:
            reset(source, sink)


def serve(client: socket.socket, target: tuple[str, int] | str) -> None:
    if FAULT == "one-at-a-time":
        with connection_slots:
            Relay(client, target).run()
    elif FAULT == "reset-at-maximum":
        if connection_slots.acquire(blocking=False):
            Relay(client, target).run()
            connection_slots.release()
        else:
            reset(client)
    else:
        Relay(client, target).run()


def main() -> None:
    global FAULT, LIMIT
    FAULT, LIMIT = sys.argv[3], float(sys.argv[4])
    if FAULT != "exit-on-signal":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if FAULT == "sigpipe":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    listener = socket_for(parse_address(sys.argv[1]))
    if FAULT != "no-reuse":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(parse_address(sys.argv[1]))
    listener.listen(4096)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, parse_address(sys.argv[2])), daemon=True).start()


if __name__ == "__main__":
    main()
