"""The threads that run acts on connections through the proxies until the time is over."""

import random
import socket
import threading
import time
from queue import Empty

from acts import ACTS, Act
from ends import CountingPeer, Outcome
from peer import End, Pair
from proxies import Rolling, Steady
from upstream import TICKET_BYTES, Upstream
from waits import PATIENCE, POLL, Failure, Reset, require

IP_BIND_ADDRESS_NO_PORT = 24

PAUSE = 0.01
"""Seconds between two connections of a thread, which bounds their number."""

MOST_FAILURES = 10
"""The number of failures at which the run stops."""


class TurnedAway(Exception):
    """The server was being restarted."""


class Crew:
    def __init__(self, upstream: Upstream, proxies: list[Steady | Rolling], exact: str, loose: str, seed: int) -> None:
        """Acts with exactly countable bytes use one client address, the others another."""
        self.upstream, self.proxies, self.seed = upstream, proxies, seed
        self.exact, self.loose = exact, loose
        self.failures: list[str] = []
        self.stopping = threading.Event()
        self._tickets = iter(range(1 << 62))
        self._lock = threading.Lock()

    def play(self, members: int, seconds: float) -> None:
        threads = [threading.Thread(target=self._work, args=(member,), daemon=True) for member in range(members)]
        for thread in threads:
            thread.start()
        self.stopping.wait(seconds)
        self.stopping.set()
        deadline = time.monotonic() + 4 * PATIENCE
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        require(not any(thread.is_alive() for thread in threads), "a scenario did not complete")

    def warm_up(self, proxy: Steady | Rolling) -> None:
        for act in ACTS:
            self._perform(act, proxy, random.Random(self.seed))

    def _work(self, member: int) -> None:
        luck = random.Random(self.seed * 1000 + member)
        weights = [act.weight for act in ACTS]
        while not self.stopping.is_set():
            act = luck.choices(ACTS, weights)[0]
            proxy = luck.choice(self.proxies)
            try:
                self._perform(act, proxy, luck)
            except Exception as error:
                seen = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
                self.failures.append(f"{act.name}, {type(proxy).__name__.lower()} proxy, thread {member}: {seen}")
                if len(self.failures) >= MOST_FAILURES:
                    self.stopping.set()
            time.sleep(PAUSE)

    def _perform(self, act: Act, proxy: Steady | Rolling, luck: random.Random) -> None:
        source = self.exact if act.is_exact else self.loose
        client, started = self._connect(proxy, source)
        server = None
        try:
            server = self._meet(client, started, proxy)
            act.run(Pair(client, server), luck)
            outcome = act.outcome
        except TurnedAway:
            outcome = Outcome.TURNED_AWAY
        finally:
            client.close()
            if server:
                server.close()
        proxy.account.add(source, outcome, client, server)

    def _connect(self, proxy: Steady | Rolling, source: str) -> tuple[CountingPeer, float]:
        """Connects a client; returns it and the time of the connection attempt."""
        deadline = time.monotonic() + PATIENCE
        while True:
            connecting = socket.socket()
            connecting.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            connecting.bind((source, 0))
            connecting.settimeout(PATIENCE)
            started = time.monotonic()
            try:
                try:
                    connecting.connect(proxy.front)
                except ConnectionResetError:
                    pass  # established and then reset before connect(2) returned, which the first use shows
                return CountingPeer("the client", connecting, proxy.front), started
            except ConnectionRefusedError:
                connecting.close()
                is_between = isinstance(proxy, Rolling) and time.monotonic() < deadline
                require(is_between, "the proxy refused a connection")
                time.sleep(POLL)

    def _meet(self, client: CountingPeer, started: float, proxy: Steady | Rolling) -> CountingPeer:
        """Returns the server's end of a client's connection."""
        deadline = time.monotonic() + PATIENCE
        with self._lock:
            ticket = next(self._tickets).to_bytes(TICKET_BYTES, "big")
        arrival = self.upstream.expect(ticket)
        try:
            try:
                client.send(ticket)
            except Reset:
                self._require_turned_away(started, proxy)
            while time.monotonic() < deadline:
                try:
                    return arrival.get(timeout=5 * POLL)
                except Empty:
                    if client.has_news:
                        rest = client.rest()
                        require(rest.end is End.RESET, "the client saw EOF before it had a server")
                        self._require_turned_away(started, proxy)
            raise Failure(f"the client was connected, but got no server within {PATIENCE:g} s")
        finally:
            self.upstream.forget(ticket)

    def _require_turned_away(self, started: float, proxy: Steady | Rolling) -> None:
        if not self.upstream.was_down_since(started):
            raise Failure(f"the client was reset although its server was up{proxy.tell(started)}")
        raise TurnedAway
