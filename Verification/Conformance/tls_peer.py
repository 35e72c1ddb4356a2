"""TLS on one end of a connection, with control over what its socket sends and when."""

import functools
import select
import socket
import ssl
import subprocess
import tempfile
import threading
from pathlib import Path

from adapters import CERTIFICATE, CHAIN_AND_KEY, KEY, TLS_NAME, program
from kernel import SocketAddress
from pattern import Pattern
from peer import CHUNK_BYTES, MAX_BUFFERED_BYTES, Peer, StreamEnd
from waits import OBSERVATION_TIME, WAIT_LIMIT, Failure, require

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)

RECORD_BYTES = 16 * 1024
"""Maximum plaintext of a record (RFC 8446, 5.1)."""

ALERT_RECORD = 21


_identities: dict[str, tuple[bytes, bytes]] = {}
_lock = threading.Lock()


def identity(name: str = TLS_NAME) -> tuple[bytes, bytes]:
    """Returns a self-signed certificate and its key as PEM texts, the same for all cases."""
    with _lock:
        if name not in _identities:
            _identities[name] = _make_identity(name)
        return _identities[name]


def _make_identity(name: str) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory(prefix="monkey-conformance-") as folder:
        certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        command = [program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
        command += ["-out", str(certificate), "-keyout", str(key)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return certificate.read_bytes(), key.read_bytes()


def install_identity(folder: Path) -> None:
    """Writes the certificate and the key to the folder of a case."""
    certificate, key = identity()
    (folder / CERTIFICATE).write_bytes(certificate)
    (folder / KEY).write_bytes(key)
    (folder / CHAIN_AND_KEY).write_bytes(certificate + key)


@functools.cache
def client_context(version: ssl.TLSVersion) -> ssl.SSLContext:
    """Returns the settings of a client that trusts the certificate, for one version of TLS."""
    context = ssl.create_default_context(cadata=identity()[0].decode())
    context.minimum_version = context.maximum_version = version
    return context


@functools.cache
def server_context(version: ssl.TLSVersion, name: str = TLS_NAME) -> ssl.SSLContext:
    """Returns the settings of a server with a certificate for `name`, for one version of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    with tempfile.NamedTemporaryFile(prefix="monkey-conformance-") as file:
        file.write(b"".join(identity(name)))
        file.flush()
        context.load_cert_chain(file.name)
    return context


class TLSPeer(Peer):
    """A peer whose methods send and receive plaintext; `raw` has those of the socket."""

    def __init__(self, name: str, connected: socket.socket, remote: SocketAddress, context: ssl.SSLContext) -> None:
        super().__init__(name, connected, remote)
        self.raw = Peer(name, connected, remote)
        self.received, self.to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        is_server = context.protocol is ssl.PROTOCOL_TLS_SERVER
        self.session = context.wrap_bio(
            self.received, self.to_send, server_side=is_server, server_hostname=None if is_server else TLS_NAME
        )
        self.pending = b""
        """Records that the socket has not accepted."""
        self.has_close_notify = False
        """Whether the end of the plaintext has been received."""

    # Handshake

    def handshake(self) -> None:
        """Completes the handshake."""
        while not self.continue_handshake():
            self.flush()
            self._receive_records("during the handshake")
        self.flush()

    def continue_handshake(self) -> bool:
        """Continues the handshake with what has been received, without sending; returns whether it is complete."""
        try:
            self.session.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            self.flush()
            raise Failure(f"{self.name}: the handshake failed: {error.reason}") from None

    def start_handshake(self) -> bytes:
        """Returns the ClientHello, which is not sent."""
        require(not self.continue_handshake(), "the handshake is complete without a ServerHello")
        return self.to_send.read()

    def finish_handshake_with(self, plaintext: bytes) -> None:
        """Completes the handshake of a client, with plaintext in the segment of its last message."""
        self.raw.send(self.start_handshake())
        while not self.continue_handshake():
            self._receive_records("during the handshake")
        self.session.write(plaintext)
        self.flush()

    # Peer

    def send(self, data: bytes | memoryview, flags: int = 0) -> None:
        rest = memoryview(data)
        while rest:
            sent = self.session.write(rest[:RECORD_BYTES])
            self.flush(flags)
            rest = rest[sent:]

    def send_until_blocked(self, stream: Pattern, start: int = 0, limit: int = MAX_BUFFERED_BYTES) -> int:
        sent = start
        self.socket.setblocking(False)
        try:
            while sent - start < limit and select.select([], [self.socket], [], OBSERVATION_TIME)[1]:
                if not self.pending:
                    self.pending = self.encode(stream.at(sent, RECORD_BYTES))
                    sent += RECORD_BYTES
                    require(
                        sent - start < MAX_BUFFERED_BYTES,
                        f"{self.name} sent {MAX_BUFFERED_BYTES >> 20} MiB to a reader that does not read",
                    )
                self.pending = self.pending[self.socket.send(self.pending) :]
        finally:
            self.socket.settimeout(WAIT_LIMIT)
        return sent - start

    def receive(self, limit: int = CHUNK_BYTES) -> bytes:
        while True:
            try:
                if data := self.session.read(limit):
                    return data
                self.has_close_notify = True
                return b""
            except ssl.SSLWantReadError:
                if not self._receive_records():
                    return b""
            except ssl.SSLZeroReturnError:
                self.has_close_notify = True
                return b""
            except ssl.SSLError as error:
                raise Failure(f"{self.name}, reading: {error.reason}") from None

    def half_close(self) -> None:
        """Ends the plaintext with close_notify, and sends a FIN."""
        self.send_close_notify()
        self.raw.half_close()

    # Control

    def send_close_notify(self) -> None:
        try:
            self.session.unwrap()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            raise Failure(f"{self.name}, sending close_notify: {error.reason}") from None
        self.flush()

    def encode(self, plaintext: bytes) -> bytes:
        """Returns the record of a plaintext, which is not sent."""
        self.session.write(plaintext)
        return self.to_send.read()

    def flush(self, flags: int = 0) -> None:
        """Sends the records that the library has made."""
        records, self.pending = self.pending + self.to_send.read(), b""
        self.raw.send(records, flags)

    def expect_end(self) -> None:
        """Expects close_notify and then a FIN, without data."""
        self.expect_to_end(StreamEnd.EOF)
        self.require_close_notify()

    def require_close_notify(self) -> None:
        """Requires that the plaintext ended with close_notify, and that only a FIN follows."""
        require(self.has_close_notify, f"{self.name} saw EOF without close_notify")
        require(not self.raw.receive(), f"{self.name} received bytes after close_notify")

    def _receive_records(self, when: str = "") -> bool:
        if records := self.raw.receive():
            self.received.write(records)
            return True
        require(not when, f"{self.name} saw EOF {when}")
        return False


def alert_in(data: bytes) -> int | None:
    """Returns the description of the alert at the end of what a server sends in the clear; None if there is none."""
    if len(data) >= 7 and data[-7] == ALERT_RECORD and data[-4:-2] == b"\x00\x02":
        return data[-1]
    return None
