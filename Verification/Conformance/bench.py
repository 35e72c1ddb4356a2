"""The environment of a case: a proxy of its own, a listener behind it, and clients in front of it."""

import itertools
import os
import random
import select
import signal
import socket
import ssl
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import kernel
from adapters import Adapter, Settings
from kernel import Address, Connection, ProcessGroup, SocketAddress
from peer import Pair, Peer
from tls_peer import TLSPeer, client_context, install_identity, server_context
from waits import WAIT_LIMIT, Failure, require, wait_until

SMALL_BUFFER = 8192
"""SO_RCVBUF of a reader that must stall soon, in bytes."""

BACKLOG = 4096

# Each bench has two addresses of 127.0.0.0/8 of its own, so no port is requested twice.
_networks = itertools.count(random.randrange(1 << 14, 1 << 15))
PORT = 7000


class Bench(ExitStack):
    """The environment of one case. All that it opened is closed on exit."""

    def __init__(self, adapter: Adapter) -> None:
        super().__init__()
        self.adapter = adapter
        network = next(_networks)
        self.proxy_address: SocketAddress = (f"127.{network >> 8 & 255}.{network & 255}.1", PORT)
        self.target: SocketAddress = (f"127.{network >> 8 & 255}.{network & 255}.2", PORT)
        self.listener: socket.socket | None = None
        self.settings = Settings()
        self.command: list[str]
        self.process: subprocess.Popen[bytes]
        self.processes: ProcessGroup
        self.folder: Path

    def __enter__(self) -> "Bench":
        super().__enter__()
        self.folder = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="monkey-conformance-")))
        return self

    # The proxy

    def start(
        self,
        *,
        server: bool = True,
        server_backlog: int = BACKLOG,
        receive_buffer: int | None = None,
        target: Address | None = None,
        unix_listen: bool = False,
        unix_target: bool = False,
        **settings: float | str,
    ) -> None:
        """Starts the proxy in front of a listener, or with server=False in front of an address without a listener.

        Either address may be a Unix socket. Raises NotApplicable if the proxy does not support the settings or Unix
        sockets.
        """
        given = Settings(**settings)
        self.adapter.require_settings(given)
        self.proxy_address = str(self.folder / "listen") if unix_listen else self.proxy_address
        self.target = target or (str(self.folder / "target") if unix_target else self.target)
        self.adapter.require_address_support(self.proxy_address, self.target)
        if given.tls:
            install_identity(self.folder)
        if server:
            self.listen(server_backlog, receive_buffer)
        self.settings = given
        self.command = self.adapter.command(self.proxy_address, self.target, given, self.folder)
        if given.descriptors:
            self.command = ["prlimit", f"--nofile={given.descriptors}", *self.command]
        self.restart()

    def restart(self) -> None:
        """Starts the proxy as before; it has exited or was never started."""
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.processes = ProcessGroup(self.process.pid)
        self.callback(terminate, self.process)
        wait_until("the proxy to listen", self._is_listening)

    def _is_listening(self) -> bool:
        if self.process.poll() is not None:
            output = " ".join((self.folder / "log").read_text(errors="replace").split())
            raise Failure(f"the proxy exited with {self.process.returncode}: {output[-300:]}")
        return kernel.listens(self.proxy_address)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def suspend(self) -> None:
        """Stops all processes of the proxy (SIGSTOP)."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Continues all processes of the proxy (SIGCONT)."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def expect_exit(self) -> None:
        """Waits until the proxy has exited, and requires success."""
        status = self.wait_for_exit()
        require(status == 0, f"the proxy exited with {status}")

    def wait_for_exit(self) -> int:
        """Waits until the proxy has exited, and returns its exit status."""
        try:
            return self.process.wait(WAIT_LIMIT)
        except subprocess.TimeoutExpired:
            raise Failure(f"the proxy was still running after {WAIT_LIMIT:g} s") from None

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    # Connections

    def listen(self, backlog: int = BACKLOG, receive_buffer: int | None = None) -> None:
        """Opens the server's listening socket."""
        self.listener = self.enter_context(socket.socket(family(self.target)))
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind(self.target)
        self.listener.listen(backlog)
        self.listener.settimeout(WAIT_LIMIT)

    def connect(self, receive_buffer: int | None = None, seconds: float = WAIT_LIMIT) -> Peer:
        """Connects a client.

        Raises ConnectionRefusedError if the proxy does not listen, TimeoutError if the connection is not established.
        """
        client = self.enter_context(socket.socket(family(self.proxy_address)))
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(seconds)
        try:
            client.connect(self.proxy_address)
        except TimeoutError:
            client.close()  # otherwise the kernel would retry and connect later
            raise
        return Peer("the client", client, self.proxy_address)

    def accept(self) -> Peer:
        """Accepts the server's side of a connection from the proxy."""
        require(self.listener, "the server does not listen")
        assert self.listener
        try:
            accepted, remote = self.listener.accept()
        except TimeoutError:
            raise Failure(f"the server got no connection within {WAIT_LIMIT:g} s") from None
        return Peer("the server", self.enter_context(accepted), remote)

    def pair(self, receive_buffer: int | None = None) -> Pair:
        """Opens a connection; returns its client and its server. No other connection may be opened at the same time."""
        return Pair(self.connect(receive_buffer), self.accept())

    def tls_pair(self, version: ssl.TLSVersion, receive_buffer: int | None = None) -> Pair:
        """Opens a connection with a version of TLS, on the sides on which the proxy has TLS."""
        client = self.connect(receive_buffer)
        if self.settings.decrypts:
            client = TLSPeer(client.name, client.socket, client.remote, client_context(version))
            client.handshake()
        server = self.accept()
        if self.settings.encrypts:
            server = TLSPeer(server.name, server.socket, server.remote, server_context(version))
            server.handshake()
        return Pair(client, server)

    def start_pair(self, **settings: Any) -> Pair:
        """Starts the proxy as `start` does, and opens a connection."""
        self.start(**settings)
        return self.pair()

    def start_exchange(self, **settings: Any) -> Pair:
        """Starts the proxy as `start` does, opens a connection and exchanges a few bytes in each direction."""
        pair = self.start_pair(**settings)
        pair.exchange()
        return pair

    def start_stalling(self) -> Pair:
        """Starts the proxy and opens a connection whose ends have small buffers, so that a reader stalls soon."""
        self.start(receive_buffer=SMALL_BUFFER)
        return self.pair(SMALL_BUFFER)

    def has_pending_connection(self, seconds: float = 0) -> bool:
        """Returns whether a connection is in the server's accept queue."""
        return bool(self.listener and select.select([self.listener], [], [], seconds)[0])

    def fill_server_backlog(self) -> list[socket.socket]:
        """Connects to the server until its accept queue is full: further connection attempts get no answer."""
        queued: list[socket.socket] = []
        while True:
            connection = self.enter_context(socket.socket())
            connection.settimeout(0.2)
            try:
                connection.connect(self.target)
            except TimeoutError:
                connection.close()
                return queued
            queued.append(connection)

    def empty_server_backlog(self, queued: list[socket.socket]) -> None:
        """Accepts and closes the queued connections."""
        for connection in queued:
            self.accept().close()
            connection.close()

    # Kernel state of the proxy's sockets

    def proxy_sockets(self, pair: Pair) -> list[Connection]:
        """Returns the proxy's sockets to a client and to its server, if they exist."""
        sockets = kernel.lookup(self.proxy_address, pair.client.address), kernel.lookup(pair.server.remote, self.target)
        return [each for each in sockets if each]

    def wait_for_no_sockets(self, seconds: float = WAIT_LIMIT) -> None:
        """Waits until the proxy has closed all its connections."""
        try:
            wait_until("the proxy to close its sockets", lambda: not self.processes.open_connections, seconds)
        except Failure:
            raise Failure(f"the proxy kept {self.processes.open_connections} sockets for {seconds:g} s") from None


def family(address: SocketAddress) -> socket.AddressFamily:
    return socket.AF_UNIX if isinstance(address, str) else socket.AF_INET


def terminate(process: subprocess.Popen[bytes]) -> None:
    """Terminates a program and all its descendants, which share a process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait(WAIT_LIMIT)
