"""`monkey proxy` under soak: one process that runs for the whole run, and one that is restarted repeatedly."""

import http.client
import json
import random
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import kernel
from accounting import ConnectionTotals, CountingPeer
from adapters import MONKEY, format_address
from bench import terminate
from kernel import Address, ProcessGroup
from upstream import Upstream
from waits import WAIT_LIMIT, Failure, require, wait_until

GRACE = 60
"""Seconds. No connection takes this long, so none should be closed forcibly."""

HTTP_SECONDS = 10
SENTINEL_TOKEN = b"sentinel"
SENTINEL_SOCKETS = 2
"""One to the client, one to the server."""
ADMIN_SOCKETS = 1
"""The connection of `Proxy.get`."""

RESTART_INTERVAL = (3.0, 8.0)
"""Seconds between two restarts."""


@dataclass
class ProxyCounters:
    """The final counters of one proxy or the sum of several; the sentinel is not included."""

    connections: int
    closed: dict[str, int]
    """By reason."""
    up: dict[str, int]
    """Bytes, by client address."""
    down: dict[str, int]
    total_bytes: int

    def __iadd__(self, other: "ProxyCounters") -> "ProxyCounters":
        self.connections += other.connections
        self.total_bytes += other.total_bytes
        for ours, theirs in ((self.closed, other.closed), (self.up, other.up), (self.down, other.down)):
            for key, count in theirs.items():
                ours[key] = ours.get(key, 0) + count
        return self


class Proxy:
    """One process, and an idle connection through it: the sentinel, by which a drain can be observed to its end."""

    def __init__(
        self, proxy_address: Address, upstream: Upstream, admin: Address, sentinel: str, engine: str, folder: Path
    ) -> None:
        require(MONKEY.is_file(), f"{MONKEY} does not exist: build it with `swift build -c release`, or set MONKEY")
        self.proxy_address, self.admin, self.log = proxy_address, admin, folder / f"{format_address(admin)}.log"
        command = [
            str(MONKEY),
            "proxy",
            format_address(proxy_address),
            format_address(upstream.address),
            "--admin",
            format_address(admin),
        ]
        self._http = http.client.HTTPConnection(*admin, timeout=HTTP_SECONDS)
        command += ["--engine", engine, "--threads", "2", "--grace", f"{GRACE}s", "--summary", "off"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            wait_until("the proxy to listen", self._is_ready)
            self.sentinel_address = sentinel
            with upstream.restart_lock:
                connected = socket.create_connection(proxy_address, WAIT_LIMIT, (sentinel, 0))
                self.sentinel = CountingPeer("the sentinel", connected, proxy_address)
                self._sentinel_server = upstream.connect(self.sentinel, SENTINEL_TOKEN)
        except BaseException:
            terminate(self.process)
            raise

    def _is_ready(self) -> bool:
        require(self.process.poll() is None, f"the proxy did not start: {self.output}")
        return kernel.listens(self.proxy_address) and kernel.listens(self.admin)

    @property
    def output(self) -> str:
        return " ".join(self.log.read_text(errors="replace").split())[-300:]

    def get(self, path: str) -> dict:
        """Requests on one connection, which the proxy serves also during a drain."""
        for is_first in (True, False):
            try:
                self._http.request("GET", path)
                response = self._http.getresponse()
                body = response.read()
                require(response.status == 200, f"{path} was answered with {response.status}")
                return json.loads(body)
            except (http.client.HTTPException, OSError):
                # The proxy closes an idle connection; the next request opens another one.
                self._http.close()
                if not is_first:
                    raise

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def memory(self) -> int:
        return ProcessGroup(self.process.pid).anonymous_memory

    def wait_until_quiet(self) -> None:
        """Waits until the sentinel is the only connection."""
        wait_until(
            "all connections to close",
            lambda: self.get("/metrics?format=json")["active_connections"] == 1,
            GRACE + WAIT_LIMIT,
        )
        group = ProcessGroup(self.process.pid)
        wait_until("its last sockets to close", lambda: group.open_connections == SENTINEL_SOCKETS + ADMIN_SOCKETS)

    def counters(self) -> ProxyCounters:
        """Waits until the sentinel is the only connection, and returns the counters."""
        self.wait_until_quiet()
        metrics, clients = self.get("/metrics?format=json"), self.get("/clients")
        by_address = {each["address"]: each for each in clients["clients"]}
        del by_address[self.sentinel_address]
        return ProxyCounters(
            metrics["total_connections"] - 1,
            {reason: sum(sides.values()) for reason, sides in metrics["connections_closed"].items()},
            {address: each["bytes_upstream"] for address, each in by_address.items()},
            {address: each["bytes_downstream"] for address, each in by_address.items()},
            metrics["bytes_upstream"] + metrics["bytes_downstream"] - len(SENTINEL_TOKEN),
        )

    def start_drain(self) -> None:
        """Starts the drain; returns when new connections are refused."""
        self.get("/metrics?format=json")  # so that the connection is open
        self.process.send_signal(signal.SIGTERM)
        wait_until("the listening sockets to be closed", lambda: not kernel.listens(self.proxy_address))

    def end_drain(self) -> ProxyCounters:
        """Closes the sentinel, waits for the exit, and returns the final counters."""
        counters = self.counters()
        self._close_sentinel()
        status = self.process.wait(WAIT_LIMIT)
        require(status == 0, f"the proxy ended with {status}: {self.output}")
        require(" 0 closed forcibly" in self.output, f"a drain has forcibly closed connections: {self.output}")
        return counters

    def _close_sentinel(self) -> None:
        self.sentinel.close()
        self._sentinel_server.close()

    def close(self) -> None:
        self._close_sentinel()
        terminate(self.process)


class RestartingProxy:
    """A proxy that is drained and replaced continuously: the next one listens while the last still drains."""

    ENGINES = ("auto", "copy", "splice")

    def __init__(self, proxy_address: Address, upstream: Upstream, sentinel: str, folder: Path, seed: int) -> None:
        self.proxy_address, self._upstream, self._sentinel, self._folder = proxy_address, upstream, sentinel, folder
        self.totals = ConnectionTotals()
        self.restarts = 0
        self.error: Exception | None = None
        self.counters = ProxyCounters(0, {}, {}, {}, 0)
        self._rng = random.Random(seed)
        self._stopping = threading.Event()
        self._drains: list[tuple[float, float]] = []
        """The start of each drain, and the time after which new connections were refused."""
        self._proxies = [self._start_next()]
        self._thread = threading.Thread(target=self._restart_repeatedly, name="restarting", daemon=True)
        self._thread.start()

    def _start_next(self) -> Proxy:
        admin = self.proxy_address[0], self.proxy_address[1] + 1 + self.restarts % 1000
        engine = self.ENGINES[self.restarts % len(self.ENGINES)]
        return Proxy(self.proxy_address, self._upstream, admin, self._sentinel, engine, self._folder)

    def _restart_repeatedly(self) -> None:
        try:
            while not self._stopping.wait(self._rng.uniform(*RESTART_INTERVAL)):
                last = self._proxies[-1]
                started = time.monotonic()
                last.start_drain()
                self._drains.append((started, time.monotonic()))
                self.restarts += 1
                self._proxies.append(self._start_next())
                self.counters += last.end_drain()
                self._proxies.remove(last)
        except Exception as error:
            self.error = error

    def describe_time(self, moment: float) -> str:
        """Describes a time relative to the drains, for a failure's message."""
        drains = sorted(self._drains, key=lambda drain: abs(drain[0] - moment))
        if not drains:
            return ""
        started, refused = ((edge - moment) * 1000 for edge in drains[0])
        return f" (from the connection attempt: drain start {started:+.1f} ms, stopped listening {refused:+.1f} ms)"

    def stop(self) -> None:
        """Returns when the last proxy has been drained, and the counters are complete."""
        self._stopping.set()
        self._thread.join(2 * GRACE + 2 * WAIT_LIMIT)
        if self.error:
            raise Failure(f"failed to restart the proxy: {self.error}")
        self._proxies[-1].start_drain()
        self.counters += self._proxies[-1].end_drain()

    def close(self) -> None:
        self._stopping.set()
        self._close_all()  # which ends a drain that the thread may be waiting for
        self._thread.join(2 * WAIT_LIMIT)
        self._close_all()

    def _close_all(self) -> None:
        for proxy in list(self._proxies):
            proxy.close()


class LongRunningProxy:
    """A proxy that runs for the whole run, whose descriptors and memory are checked at the end."""

    def __init__(self, proxy_address: Address, upstream: Upstream, sentinel: str, folder: Path) -> None:
        self.proxy_address = proxy_address
        self.totals = ConnectionTotals()
        self.proxy = Proxy(proxy_address, upstream, (proxy_address[0], proxy_address[1] + 1), sentinel, "auto", folder)
        self.proxy.wait_until_quiet()
        self.descriptors, self.memory = self.proxy.descriptors, 0

    def describe_time(self, moment: float) -> str:
        return ""

    def record_memory(self) -> None:
        """Records its memory when idle as the baseline for later checks."""
        self.proxy.wait_until_quiet()
        self.memory = self.proxy.memory

    def close(self) -> None:
        self.proxy.close()
