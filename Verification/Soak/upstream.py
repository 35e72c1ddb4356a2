"""The server behind the proxies. Each connection sends a ticket, which identifies its client."""

import random
import select
import socket
import threading
import time
from queue import Empty, SimpleQueue

from ends import CountingPeer
from kernel import Address
from waits import PATIENCE, POLL, Failure

TICKET_BYTES = 8
BACKLOG = 4096
TURN = 0.05
"""Seconds between two checks for a stop request."""

UP, DOWN = (2.0, 6.0), (0.1, 0.5)
"""Seconds between two restarts, and duration of a restart."""


class Upstream:
    """A server that stops listening periodically, as during a restart. Existing connections stay open."""

    def __init__(self, address: Address, seed: int) -> None:
        self.address = address
        self._luck = random.Random(seed)
        self._expected: dict[bytes, SimpleQueue[CountingPeer]] = {}
        self._pending: dict[int, tuple[socket.socket, Address]] = {}
        self._last_up = 0.0
        self._is_up = True
        self._stopping = threading.Event()
        self.restarts = 0
        self.restarting = threading.Event()
        """Whether restarts are allowed."""
        self.kept_up = threading.Lock()
        """A lock whose holder prevents a restart."""
        self._thread = threading.Thread(target=self._serve, name="the server", daemon=True)
        self._poll = select.poll()
        self._listen()
        self._thread.start()

    def expect(self, ticket: bytes) -> "SimpleQueue[CountingPeer]":
        """Returns the queue for the server's end of the connection with this ticket."""
        queue: SimpleQueue[CountingPeer] = SimpleQueue()
        self._expected[ticket] = queue
        return queue

    def meet(self, client: CountingPeer, ticket: bytes) -> CountingPeer:
        """Returns the server's end of a connection that must have one."""
        arrival = self.expect(ticket)
        client.send(ticket)
        try:
            return arrival.get(timeout=PATIENCE)
        except Empty:
            raise Failure(f"{client.name} got no server within {PATIENCE:g} s") from None
        finally:
            self.forget(ticket)

    def forget(self, ticket: bytes) -> None:
        """Closes the connections of a ticket that is no longer expected."""
        queue = self._expected.pop(ticket, None)
        try:
            while queue:
                queue.get_nowait().close()
        except Empty:
            pass

    def was_down_since(self, moment: float) -> bool:
        """Returns whether a connection attempted at that moment may have been rejected."""
        return not self._is_up or self._last_up >= moment

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(PATIENCE)

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
        self._stopping.wait(self._luck.uniform(*DOWN))
        self._listen()
        self._last_up = time.monotonic()
        self._is_up = True
        self.restarts += 1

    def _serve(self) -> None:
        next_restart = time.monotonic() + self._luck.uniform(*UP)
        while not self._stopping.is_set():
            for descriptor, _ in self._poll.poll(TURN * 1000):
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._read_ticket(descriptor)
            is_due = self.restarting.is_set() and time.monotonic() >= next_restart
            # A thread that holds the lock waits to be served, so it is not waited for.
            if is_due and self.kept_up.acquire(blocking=False):
                try:
                    self._restart()
                finally:
                    self.kept_up.release()
                next_restart = time.monotonic() + self._luck.uniform(*UP)
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

    def _read_ticket(self, descriptor: int) -> None:
        connected, remote = self._pending[descriptor]
        try:
            waiting = connected.recv(TICKET_BYTES, socket.MSG_PEEK)
        except OSError:
            waiting = b""
        if waiting and len(waiting) < TICKET_BYTES:
            time.sleep(POLL)  # avoids spinning until the rest has arrived
            return
        self._poll.unregister(connected)
        del self._pending[descriptor]
        queue = self._expected.get(waiting)
        if not queue:
            connected.close()
            return
        server = CountingPeer("the server", connected, remote)
        server.receive(TICKET_BYTES)
        queue.put(server)
