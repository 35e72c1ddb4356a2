#!/usr/bin/env python3
"""A proxy with TLS and one intentional fault, to verify that the cases detect it.

    faulty_tls_proxy.py LISTEN TARGET FAULT SIDES FOLDER

SIDES are `clients`, `servers` or `both`. It has no settings, and does not drain.
"""

import os
import select
import signal
import socket
import ssl
import sys
import threading
from pathlib import Path

from adapters import CERTIFICATE, CHAIN_AND_KEY, TLS_NAME
from faulty_proxy import parse_address, reset

CHUNK_BYTES = 16 * 1024
MAX_PENDING_BYTES = 64 * 1024
ALTERED_BYTE = 3_000
LINGER_SECONDS = 60

FAULT, SIDES, FOLDER = "", "", Path()
one_at_a_time = threading.Lock()


class End:
    """One side of a connection: a socket, and TLS if `context` is given."""

    def __init__(self, connected: socket.socket, context: ssl.SSLContext | None) -> None:
        self.socket = connected
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received, self.records = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session: ssl.SSLObject | None = None
        if context:
            is_server = context.protocol is ssl.PROTOCOL_TLS_SERVER
            name = None if is_server else TLS_NAME
            self.session = context.wrap_bio(self.received, self.records, server_side=is_server, server_hostname=name)
        self.pending = b""
        self.overflow: list[bytes] = []
        self.has_ended = self.has_sent_end = False
        self.count, self.held = 0, b""

    def handshake(self) -> None:
        """Completes the handshake. Raises ssl.SSLError, or ConnectionError at the end of the stream."""
        while self.session:
            try:
                self.session.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                data = self.socket.recv(CHUNK_BYTES)
                if not data:
                    raise ConnectionError from None
                if FAULT == "whole-hello" and len(data) < 100:
                    raise ConnectionError from None
                self.received.write(data)
        self.flush()
        if FAULT == "lost-early-data":
            self.read()

    def flush(self) -> None:
        if records := self.records.read():
            self.socket.sendall(records)

    def receive(self) -> bytes:
        """Receives what there is; sets `has_ended` at the end of the plaintext."""
        data = self.socket.recv(CHUNK_BYTES)
        if not self.session:
            self.has_ended = not data
            return data
        if not data:
            self.has_ended = FAULT != "ignored-end"
            return b""
        self.received.write(data)
        found = self.read()
        return b"" if FAULT == "lost-last-record" and self.has_ended else found

    def read(self) -> bytes:
        """Decrypts what has been received."""
        found = b""
        while self.session:
            try:
                data = self.session.read(CHUNK_BYTES)
                self.has_ended = not data and FAULT != "ignored-end"
                found += data
                if not data:
                    break
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                self.has_ended = FAULT != "ignored-end"
                break
        return found

    def queue(self, data: bytes) -> None:
        if FAULT == "corrupt" and self.count <= ALTERED_BYTE < self.count + len(data):
            place = ALTERED_BYTE - self.count
            data = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        self.count += len(data)
        if FAULT == "held-last-byte":
            data, self.held = self.held + data[:-1], data[-1:]
        if not self.session:
            self.pending += data
        elif data:
            self.session.write(data)
            if len(self.pending) > MAX_PENDING_BYTES:
                self.overflow.append(self.records.read())
            else:
                self.pending += self.records.read()

    def end(self) -> None:
        """Ends the plaintext once everything before is sent."""
        if self.session and FAULT != "no-close-notify" and not self.has_sent_end:
            try:
                self.session.unwrap()
            except ssl.SSLError:
                pass
            self.pending += self.records.read()
        self.has_sent_end = True


def relay(client: End, server: End) -> None:
    """Relays until both ends have ended. Raises OSError when one is lost."""
    ends = {client.socket: (client, server), server.socket: (server, client)}
    finished: set[End] = set()
    for end in (client, server):
        end.socket.setblocking(False)
        other = ends[end.socket][1]
        if early := end.read():
            other.queue(early)
    while len(finished) < 2:
        reading = [
            end.socket
            for end, other in ends.values()
            if not end.has_ended and (len(other.pending) < MAX_PENDING_BYTES or FAULT == "unlimited-buffer")
        ]
        writing = [end.socket for end in (client, server) if end.pending]
        readable, writable, _ = select.select(reading, writing, [], LINGER_SECONDS)
        for source in readable:
            end, other = ends[source]
            other.queue(end.receive())
            if end.has_ended:
                other.end()
        for sink in writable:
            end, _ = ends[sink]
            end.pending = end.pending[sink.send(end.pending) :]
        for end in (client, server):
            if end.has_sent_end and not end.pending and end not in finished:
                finished.add(end)
                if FAULT == "no-half-close":
                    return
                end.socket.shutdown(socket.SHUT_WR)


def serve(accepted: socket.socket, target: tuple[str, int]) -> None:
    if FAULT != "one-at-a-time":
        return serve_client(accepted, target)
    with one_at_a_time:
        serve_client(accepted, target)


def serve_client(accepted: socket.socket, target: tuple[str, int]) -> None:
    early = socket.create_connection(target) if FAULT == "connect-first" else None
    client = End(accepted, server_context() if SIDES != "servers" else None)
    try:
        client.handshake()
    except (ssl.SSLError, OSError):
        try:
            if FAULT != "no-alert":
                client.flush()
                client.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return reset(accepted) if FAULT == "no-alert" else accepted.close()
    server = End(early or socket.create_connection(target), client_context() if SIDES != "clients" else None)
    try:
        server.handshake()
        relay(client, server)
    except (ssl.SSLError, OSError):
        if FAULT == "reset-as-eof":
            for end in (client, server):
                end.end()
                try:
                    end.socket.sendall(end.pending)
                    end.socket.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            threading.Event().wait(LINGER_SECONDS)
        return reset(client.socket, server.socket)
    client.socket.close()
    server.socket.close()


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / CHAIN_AND_KEY)
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=FOLDER / CERTIFICATE)
    if FAULT == "unverified":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def main() -> None:
    global FAULT, SIDES, FOLDER
    FAULT, SIDES, FOLDER = sys.argv[3], sys.argv[4], Path(sys.argv[5])
    if FAULT != "exit-on-signal":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listener = socket.create_server(parse_address(sys.argv[1]), backlog=4096)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, parse_address(sys.argv[2])), daemon=True).start()


if __name__ == "__main__":
    main()
