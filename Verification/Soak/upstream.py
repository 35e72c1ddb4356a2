"""The server behind the proxies. Each connection sends a token, which identifies its client."""

import random
import select
import socket
import threading
import time
from queue import Empty, SimpleQueue

from accounting import CountingPeer
from kernel import Address
from waits import POLL, WAIT_LIMIT, Failure

TOKEN_BYTES = 8
BACKLOG = 4096
STOP_POLL = 0.05
"""Seconds between two checks for a stop request."""

UP, DOWN = (2.0, 6.0), (0.1, 0.5)
"""Seconds between two restarts, and duration of a restart."""


class Upstream:
    """A server that stops listening periodically, as during a restart. Existing connections stay open."""

    def __init__(self, address: Address, seed: int) -> None:
        self.address = address
        self._rng = random.Random(seed)
        self._expected: dict[bytes, SimpleQueue[CountingPeer]] = {}
        self._pending: dict[int, tuple[socket.socket, Address]] = {}
        self._last_up = 0.0
        self._is_up = True
        self._stopping = threading.Event()
        self.restarts = 0
        self.restarting = threading.Event()
        """Whether restarts are allowed."""
        self.restart_lock = threading.Lock()
        """A lock whose holder prevents a restart."""
        self._thread = threading.Thread(target=self._serve, name="the server", daemon=True)
        self._poll = select.poll()
        self._listen()
        self._thread.start()

    def expect(self, token: bytes) -> "SimpleQueue[CountingPeer]":
        """Returns the queue for the server's end of the connection with this token."""
        queue: SimpleQueue[CountingPeer] = SimpleQueue()
        self._expected[token] = queue
        return queue

    def connect(self, client: CountingPeer, token: bytes) -> CountingPeer:
        """Returns the server's end of a connection that must have one."""
        arrival = self.expect(token)
        client.send(token)
        try:
            return arrival.get(timeout=WAIT_LIMIT)
        except Empty:
            raise Failure(f"{client.name} got no server within {WAIT_LIMIT:g} s") from None
        finally:
            self.discard(token)

    def discard(self, token: bytes) -> None:
        """Closes the connections of a token that is no longer expected."""
        queue = self._expected.pop(token, None)
        try:
            while queue:
                queue.get_nowait().close()
        except Empty:
            pass

    def was_down_since(self, moment: float) -> bool:
        """Returns whether a connection attempted at a moment may have been rejected."""
        return not self._is_up or self._last_up >= moment

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(WAIT_LIMIT)

    def _listen(self) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(self.address)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        self._poll.register(self._listener, select.POLLIN)

    def _restart(self) -> None:
        self._is_up = False
        self._poll.unregister(self._listener)
        self._listener.close()
        self._stopping.wait(self._rng.uniform(*DOWN))
        self._listen()
        self._last_up = time.monotonic()
        self._is_up = True
        self.restarts += 1

    def _serve(self) -> None:
        next_restart = time.monotonic() + self._rng.uniform(*UP)
        while not self._stopping.is_set():
            for descriptor, _ in self._poll.poll(STOP_POLL * 1000):
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._read_token(descriptor)
            is_due = self.restarting.is_set() and time.monotonic() >= next_restart
            # A thread that holds the lock waits to be served, so it is not waited for.
            if is_due and self.restart_lock.acquire(blocking=False):
                try:
                    self._restart()
                finally:
                    self.restart_lock.release()
                next_restart = time.monotonic() + self._rng.uniform(*UP)
        self._listener.close()
        for connected, _ in self._pending.values():
            connected.close()

    def _accept(self) -> None:
        try:
            connected, remote = self._listener.accept()
        except OSError:
            return  # the connection is already closed
        self._pending[connected.fileno()] = connected, remote
        self._poll.register(connected, select.POLLIN)

    def _read_token(self, descriptor: int) -> None:
        connected, remote = self._pending[descriptor]
        try:
            waiting = connected.recv(TOKEN_BYTES, socket.MSG_PEEK)
        except OSError:
            waiting = b""
        if waiting and len(waiting) < TOKEN_BYTES:
            time.sleep(POLL)  # avoids spinning until the rest has arrived
            return
        self._poll.unregister(connected)
        del self._pending[descriptor]
        queue = self._expected.get(waiting)
        if not queue:
            connected.close()
            return
        server = CountingPeer("the server", connected, remote)
        server.receive(TOKEN_BYTES)
        queue.put(server)
