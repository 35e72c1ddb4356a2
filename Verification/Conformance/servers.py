"""A background server, for cases with many clients in no fixed order."""

import threading
from types import TracebackType

from bench import Bench
from peer import Peer
from waits import POLL, WAIT_LIMIT, Failure


class BackgroundServer:
    """Serves all connections of a bench in a thread while the block runs.

    With a greeting it sends the greeting to each connection and closes it; otherwise it echoes.
    """

    def __init__(self, bench: Bench, greeting: bytes = b"") -> None:
        self.bench, self.greeting = bench, greeting
        self.connections: list[Peer] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.has_stopped = threading.Event()

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.has_stopped.set()
        self.thread.join(WAIT_LIMIT)
        for server in self.connections:
            server.close()

    def _serve(self) -> None:
        while not self.has_stopped.is_set():
            while self.bench.has_pending_connection(POLL):
                self._handle(self.bench.accept())
            for server in [server for server in self.connections if server.is_readable]:
                if not self._echo(server):
                    server.close()
                    self.connections.remove(server)

    def _handle(self, server: Peer) -> None:
        if not self.greeting:
            self.connections.append(server)
            return
        try:
            server.send(self.greeting)
        except Failure:
            pass  # a client that has disconnected is not an error of the server
        server.close()

    def _echo(self, server: Peer) -> bool:
        try:
            data = server.receive()
            server.send(data)
        except Failure:
            return False
        return bool(data)
