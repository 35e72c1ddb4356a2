"""`monkey proxy` under soak: one process that runs for the whole run, and one that is restarted repeatedly."""

import json
import random
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import kernel
from adapters import MONKEY, written
from bench import end
from ends import Account, CountingPeer
from kernel import Address, ProcessGroup
from upstream import Upstream
from waits import PATIENCE, Failure, require, wait_until

GRACE = 60
"""Seconds. No connection takes this long, so none should be closed forcibly."""

HTTP_SECONDS = 10
WITNESS_TICKET = b"witness."
WITNESS_SOCKETS = 2
"""One to the client, one to the server."""

EVERY = (3.0, 8.0)
"""Seconds between two restarts."""


@dataclass
class Figures:
    """The final counters of one proxy or the sum of several; the witness is not included."""

    connections: int
    closed: dict[str, int]
    """By reason."""
    up: dict[str, int]
    """Bytes, by client address."""
    down: dict[str, int]
    all_bytes: int

    def __iadd__(self, other: "Figures") -> "Figures":
        self.connections += other.connections
        self.all_bytes += other.all_bytes
        for ours, theirs in ((self.closed, other.closed), (self.up, other.up), (self.down, other.down)):
            for key, count in theirs.items():
                ours[key] = ours.get(key, 0) + count
        return self


class Proxy:
    """One process, and an idle connection through it: the witness, by which a drain can be observed to its end."""

    def __init__(
        self, front: Address, upstream: Upstream, admin: Address, witness: str, engine: str, folder: Path
    ) -> None:
        require(MONKEY.is_file(), f"{MONKEY} does not exist: build it with `swift build -c release`, or set MONKEY")
        self.front, self.admin, self.log = front, admin, folder / f"{written(admin)}.log"
        command = [str(MONKEY), "proxy", written(front), written(upstream.address), "--admin", written(admin)]
        command += ["--engine", engine, "--threads", "2", "--grace", f"{GRACE}s", "--summary", "off"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            wait_until("the proxy to listen", self._is_ready)
            self.witness_address = witness
            with upstream.kept_up:
                connected = socket.create_connection(front, PATIENCE, (witness, 0))
                self.witness = CountingPeer("the witness", connected, front)
                self._witness_server = upstream.meet(self.witness, WITNESS_TICKET)
        except BaseException:
            end(self.process)
            raise

    def _is_ready(self) -> bool:
        require(self.process.poll() is None, f"the proxy did not start: {self.said}")
        return kernel.listens(self.front) and kernel.listens(self.admin)

    @property
    def said(self) -> str:
        return " ".join(self.log.read_text(errors="replace").split())[-300:]

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(f"http://{written(self.admin)}{path}", timeout=HTTP_SECONDS) as answer:
            return json.load(answer)

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def memory(self) -> int:
        return ProcessGroup(self.process.pid).anonymous_memory

    def wait_until_quiet(self) -> None:
        """Waits until the witness is the only connection."""
        wait_until(
            "all connections to close",
            lambda: self.get("/metrics?format=json")["active_connections"] == 1,
            GRACE + PATIENCE,
        )
        group = ProcessGroup(self.process.pid)
        wait_until("its last sockets to close", lambda: group.open_connections == WITNESS_SOCKETS)

    def figures(self) -> Figures:
        self.wait_until_quiet()
        metrics, clients = self.get("/metrics?format=json"), self.get("/clients")
        by_address = {each["address"]: each for each in clients["clients"]}
        del by_address[self.witness_address]
        return Figures(
            metrics["total_connections"] - 1,
            {reason: sum(sides.values()) for reason, sides in metrics["connections_closed"].items()},
            {address: each["bytes_upstream"] for address, each in by_address.items()},
            {address: each["bytes_downstream"] for address, each in by_address.items()},
            metrics["bytes_upstream"] + metrics["bytes_downstream"] - len(WITNESS_TICKET),
        )

    def begin_drain(self) -> None:
        """Starts the drain; returns when new connections are refused."""
        self.process.send_signal(signal.SIGTERM)
        wait_until("the listening sockets to be closed", lambda: not kernel.listens(self.front))

    def end_drain(self) -> Figures:
        figures = self.figures()
        self._end_witness()
        status = self.process.wait(PATIENCE)
        require(status == 0, f"the proxy ended with {status}: {self.said}")
        require(" 0 closed forcibly" in self.said, f"a drain has forcibly closed connections: {self.said}")
        return figures

    def _end_witness(self) -> None:
        self.witness.close()
        self._witness_server.close()

    def close(self) -> None:
        self._end_witness()
        end(self.process)


class Rolling:
    """A proxy that is drained and replaced continuously: the next one listens while the last still drains."""

    ENGINES = ("auto", "copy", "splice")

    def __init__(self, front: Address, upstream: Upstream, witness: str, folder: Path, seed: int) -> None:
        self.front, self._upstream, self._witness, self._folder = front, upstream, witness, folder
        self.account = Account()
        self.restarts = 0
        self.problem: Exception | None = None
        self.figures = Figures(0, {}, {}, {}, 0)
        self._luck = random.Random(seed)
        self._stopping = threading.Event()
        self._drains: list[tuple[float, float]] = []
        """The start of each drain, and the time at which new connections were seen to be refused."""
        self._proxies = [self._next()]
        self._thread = threading.Thread(target=self._roll, name="rolling", daemon=True)
        self._thread.start()

    def _next(self) -> Proxy:
        admin = self.front[0], self.front[1] + 1 + self.restarts % 1000
        engine = self.ENGINES[self.restarts % len(self.ENGINES)]
        return Proxy(self.front, self._upstream, admin, self._witness, engine, self._folder)

    def _roll(self) -> None:
        try:
            while not self._stopping.wait(self._luck.uniform(*EVERY)):
                last = self._proxies[-1]
                began = time.monotonic()
                last.begin_drain()
                self._drains.append((began, time.monotonic()))
                self.restarts += 1
                self._proxies.append(self._next())
                self.figures += last.end_drain()
                self._proxies.remove(last)
        except Exception as problem:
            self.problem = problem

    def tell(self, moment: float) -> str:
        """Describes a moment relative to the drains, for a failure's message."""
        drains = sorted(self._drains, key=lambda drain: abs(drain[0] - moment))
        if not drains:
            return ""
        began, refused = ((edge - moment) * 1000 for edge in drains[0])
        return f" (from the connection attempt: drain start {began:+.1f} ms, stopped listening {refused:+.1f} ms)"

    def stop(self) -> None:
        """Returns when the last proxy has been drained, and the counters are complete."""
        self._stopping.set()
        self._thread.join(2 * GRACE + 2 * PATIENCE)
        if self.problem:
            raise Failure(f"failed to restart the proxy: {self.problem}")
        self._proxies[-1].begin_drain()
        self.figures += self._proxies[-1].end_drain()

    def close(self) -> None:
        self._stopping.set()
        self._close_all()  # which ends a drain that the thread may be waiting for
        self._thread.join(2 * PATIENCE)
        self._close_all()

    def _close_all(self) -> None:
        for proxy in list(self._proxies):
            proxy.close()


class Steady:
    """A proxy that runs for the whole run, whose descriptors and memory are checked at the end."""

    def __init__(self, front: Address, upstream: Upstream, witness: str, folder: Path) -> None:
        self.front = front
        self.account = Account()
        self.proxy = Proxy(front, upstream, (front[0], front[1] + 1), witness, "auto", folder)
        self.proxy.wait_until_quiet()
        self.descriptors, self.memory = self.proxy.descriptors, 0

    def tell(self, moment: float) -> str:
        return ""

    def remember(self) -> None:
        """Records its memory at rest as the baseline for later checks."""
        self.proxy.wait_until_quiet()
        self.memory = self.proxy.memory

    def close(self) -> None:
        self.proxy.close()
