"""The threads that run scenarios on connections through the proxies until the end of the run."""

import random
import socket
import threading
import time
from queue import Empty

from accounting import CountingPeer, Outcome
from peer import Pair, StreamEnd
from proxies import LongRunningProxy, RestartingProxy
from scenarios import SCENARIOS, Scenario
from upstream import TOKEN_BYTES, Upstream
from waits import POLL, WAIT_LIMIT, Failure, Reset, require

IP_BIND_ADDRESS_NO_PORT = 24

PAUSE = 0.01
"""Seconds between two connections of a thread, which bounds their number."""

SoakProxy = LongRunningProxy | RestartingProxy

MAX_FAILURES = 10
"""The number of failures at which the run stops."""


class ServerRestarting(Exception):
    """The connection was rejected because the server was being restarted."""


class ScenarioRunner:
    def __init__(
        self, upstream: Upstream, proxies: list[SoakProxy], exact_source: str, loose_source: str, seed: int
    ) -> None:
        """Scenarios with exactly countable bytes use one client address, the others another."""
        self.upstream, self.proxies, self.seed = upstream, proxies, seed
        self.exact_source, self.loose_source = exact_source, loose_source
        self.failures: list[str] = []
        self.stopping = threading.Event()
        self._tokens = iter(range(1 << 62))
        self._lock = threading.Lock()

    def run(self, thread_count: int, seconds: float) -> None:
        """Runs scenarios in several threads for a time, or until too many have failed."""
        threads = [
            threading.Thread(target=self._run_until_stopped, args=(index,), daemon=True)
            for index in range(thread_count)
        ]
        for thread in threads:
            thread.start()
        self.stopping.wait(seconds)
        self.stopping.set()
        deadline = time.monotonic() + 4 * WAIT_LIMIT
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        require(not any(thread.is_alive() for thread in threads), "a scenario did not complete")

    def warm_up(self, proxy: SoakProxy) -> None:
        """Runs each scenario once, so that later memory growth is not that of first use."""
        for scenario in SCENARIOS:
            self._run_scenario(scenario, proxy, random.Random(self.seed))

    def _run_until_stopped(self, index: int) -> None:
        rng = random.Random(self.seed * 1000 + index)
        weights = [scenario.weight for scenario in SCENARIOS]
        while not self.stopping.is_set():
            scenario = rng.choices(SCENARIOS, weights)[0]
            proxy = rng.choice(self.proxies)
            try:
                self._run_scenario(scenario, proxy, rng)
            except Exception as error:
                message = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
                self.failures.append(
                    f"{scenario.name}, {type(proxy).__name__.lower()} proxy, thread {index}: {message}"
                )
                if len(self.failures) >= MAX_FAILURES:
                    self.stopping.set()
            time.sleep(PAUSE)

    def _run_scenario(self, scenario: Scenario, proxy: SoakProxy, rng: random.Random) -> None:
        source = self.exact_source if scenario.is_exact else self.loose_source
        client, started = self._connect(proxy, source)
        server = None
        try:
            server = self._await_server(client, started, proxy)
            scenario.run(Pair(client, server), rng)
            outcome = scenario.outcome
        except ServerRestarting:
            outcome = Outcome.REJECTED
        finally:
            client.close()
            if server:
                server.close()
        proxy.totals.add(source, outcome, client, server)

    def _connect(self, proxy: SoakProxy, source: str) -> tuple[CountingPeer, float]:
        """Connects a client; returns it and the time of the connection attempt."""
        deadline = time.monotonic() + WAIT_LIMIT
        while True:
            connecting = socket.socket()
            connecting.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            connecting.bind((source, 0))
            connecting.settimeout(WAIT_LIMIT)
            started = time.monotonic()
            try:
                try:
                    connecting.connect(proxy.proxy_address)
                except ConnectionResetError:
                    pass  # established and then reset before connect(2) returned, which the first use shows
                return CountingPeer("the client", connecting, proxy.proxy_address), started
            except ConnectionRefusedError:
                connecting.close()
                may_retry = isinstance(proxy, RestartingProxy) and time.monotonic() < deadline
                require(may_retry, "the proxy refused a connection")
                time.sleep(POLL)

    def _await_server(self, client: CountingPeer, started: float, proxy: SoakProxy) -> CountingPeer:
        """Returns the server's end of a client's connection."""
        deadline = time.monotonic() + WAIT_LIMIT
        with self._lock:
            token = next(self._tokens).to_bytes(TOKEN_BYTES, "big")
        arrival = self.upstream.expect(token)
        try:
            try:
                client.send(token)
            except Reset:
                self._require_rejection(started, proxy)
            while time.monotonic() < deadline:
                try:
                    return arrival.get(timeout=5 * POLL)
                except Empty:
                    if client.is_readable:
                        rest = client.receive_to_end()
                        require(rest.end is StreamEnd.RESET, "the client saw EOF before it had a server")
                        self._require_rejection(started, proxy)
            raise Failure(f"the client was connected, but got no server within {WAIT_LIMIT:g} s")
        finally:
            self.upstream.discard(token)

    def _require_rejection(self, started: float, proxy: SoakProxy) -> None:
        if not self.upstream.was_down_since(started):
            raise Failure(f"the client was reset although its server was up{proxy.describe_time(started)}")
        raise ServerRestarting
