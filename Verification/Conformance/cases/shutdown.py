"""Draining: which connections are served, which are refused, and when the drain ends."""

import signal
import threading
import time
from contextlib import ExitStack

import kernel
from bench import Bench
from contract import case
from pattern import pattern
from peer import Direction, Pair, Peer, StreamEnd
from servers import BackgroundServer
from waits import CLOCK_STEP, WAIT_LIMIT, Failure, concurrently, require, wait_until

GRACE = 600
"""Seconds: longer than any case."""

SHORT_GRACE = 1.0

QUEUED_CLIENTS = 20
"""Clients that are established by the kernel while the proxy is stopped, and so are in the accept queue."""

DRAINS = 8
"""Drains with concurrently connecting clients: the critical moment is short."""

CLIENTS_BEFORE = 20
"""Clients of one thread that must have been served when the drain starts."""

GREETING = b"hello and goodbye"


def start_drain(bench: Bench) -> None:
    """Starts the drain and waits until the proxy no longer listens.

    It does not test this by connecting: a connection made in time must be served.
    """
    bench.signal(bench.adapter.drain_signal)
    wait_until("the proxy to stop listening", lambda: not kernel.listens(bench.proxy_address))


def start_drain_of(bench: Bench, count: int) -> list[Pair]:
    """Starts the proxy, and the drain of this number of connections that have exchanged bytes."""
    bench.start(grace=GRACE)
    pairs = [bench.pair() for _ in range(count)]
    for pair in pairs:
        pair.exchange()
    start_drain(bench)
    return pairs


@case
def running_connections_outlive_a_drain(bench: Bench) -> None:
    pairs = start_drain_of(bench, 3)
    # A client's end, a server's end, a reset: each connection ends differently.
    pairs[0].stream_to_eof(Direction.UPSTREAM, pattern(1), 1 << 20)
    pairs[0].server.close()
    pairs[0].client.expect_to_end(StreamEnd.EOF)
    pairs[1].exchange()
    pairs[1].server.close()
    pairs[1].client.expect_to_end(StreamEnd.EOF)
    pairs[1].client.close()
    require(bench.is_running, "the proxy exited before its last connection")
    pairs[2].exchange()
    pairs[2].client.reset()
    pairs[2].server.receive_to_end()


@case
def it_ends_with_its_last_connection(bench: Bench) -> None:
    [pair] = start_drain_of(bench, 1)
    pair.exchange()
    require(bench.is_running, "the proxy exited before its last connection")
    pair.client.close()
    pair.server.close()
    bench.expect_exit()


@case
def newcomers_are_refused_by_a_drain(bench: Bench) -> None:
    [pair] = start_drain_of(bench, 1)
    try:
        bench.connect()
    except ConnectionRefusedError:
        return pair.exchange()
    require(False, "a draining proxy accepted a client")


def connect_while_suspended(bench: Bench) -> list[Peer]:
    """Connects clients that are established for the kernel, but not accepted by the proxy when the drain starts."""
    bench.suspend()
    clients = [bench.connect() for _ in range(QUEUED_CLIENTS)]
    for number, client in enumerate(clients):
        client.send(b"client %d" % number)
    bench.signal(bench.adapter.drain_signal)
    bench.resume()
    return clients


def expect_service(bench: Bench, clients: list[Peer]) -> None:
    for _ in clients:
        server = bench.accept()
        message = server.receive()
        require(message.startswith(b"client "), f"the server received {message!r}")
        server.send(b"goodbye, " + message)
        server.close()
        client = clients[int(message.split()[1])]
        client.expect_to_end(StreamEnd.EOF, b"goodbye, " + message)
        client.close()


@case
def who_waits_to_be_accepted_is_served_by_a_drain(bench: Bench) -> None:
    bench.start(grace=GRACE)
    bench.pair().exchange()
    clients = connect_while_suspended(bench)
    expect_service(bench, clients)


@case
def who_waits_for_a_place_is_served_by_a_drain(bench: Bench) -> None:
    bench.start(grace=GRACE, max_connections=1)
    first = bench.pair()
    first.exchange()
    clients = connect_while_suspended(bench)
    first.exchange()
    first.client.close()
    first.server.close()
    expect_service(bench, clients)
    bench.expect_exit()


@case
def nobody_is_connected_and_then_reset_by_a_drain(bench: Bench) -> None:
    bench.start(grace=GRACE)
    for _ in range(DRAINS):
        with BackgroundServer(bench, GREETING):
            drain_while_clients_connect(bench)
        bench.expect_exit()
        bench.restart()


def drain_while_clients_connect(bench: Bench) -> None:
    """Connects clients one after the other, and starts the drain among them. Each client is refused or served."""
    may_drain = threading.Event()

    def connect_repeatedly() -> None:
        count = 0
        while True:
            try:
                client = bench.connect()
            except ConnectionRefusedError:
                return require(may_drain.is_set(), "a client was refused before the drain")
            except TimeoutError:
                raise Failure(f"a client waited {WAIT_LIMIT:g} s to be connected or refused during a drain") from None
            client.expect_to_end(StreamEnd.EOF, GREETING)
            client.close()
            count += 1
            if count == CLIENTS_BEFORE:
                may_drain.set()

    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(concurrently(connect_repeatedly))
        require(may_drain.wait(WAIT_LIMIT), "the clients made no progress")
        bench.signal(bench.adapter.drain_signal)


@case
def what_outlasts_the_grace_is_reset(bench: Bench) -> None:
    bench.start(grace=SHORT_GRACE)
    open_pair, half_closed_pair = bench.pair(), bench.pair()
    open_pair.exchange()
    half_closed_pair.exchange()
    half_closed_pair.client.half_close()
    half_closed_pair.server.expect_to_end(StreamEnd.EOF)
    start = time.monotonic()
    bench.signal(bench.adapter.drain_signal)
    open_pair.client.expect_to_end(StreamEnd.RESET)
    elapsed = time.monotonic() - start
    require(elapsed >= SHORT_GRACE - CLOCK_STEP, f"it was closed after {elapsed:.2f} s of {SHORT_GRACE:g} s")
    open_pair.server.expect_to_end(StreamEnd.RESET)
    half_closed_pair.client.expect_to_end(StreamEnd.RESET)
    bench.expect_exit()


@case
def a_second_signal_cuts_at_once(bench: Bench) -> None:
    pairs = start_drain_of(bench, 2)
    pairs[0].exchange()
    bench.signal(bench.adapter.force_signal)
    bench.wait_for_exit()
    for pair in pairs:
        pair.client.receive_to_end()
        pair.server.receive_to_end()


@case
def its_port_is_free_at_once(bench: Bench) -> None:
    bench.start(grace=GRACE)
    for _ in range(3):
        pair = bench.pair()
        # The proxy closes its side to the client first, so the TIME_WAIT socket is on the proxy's port.
        pair.server.close()
        pair.client.expect_to_end(StreamEnd.EOF)
        pair.client.close()
    bench.signal(bench.adapter.drain_signal)
    bench.expect_exit()
    bench.restart()
    bench.pair().exchange()


@case
def a_broken_pipe_signal_does_nothing(bench: Bench) -> None:
    pair = bench.start_exchange()
    bench.signal(signal.SIGPIPE)
    pair.exchange()
    Pair(bench.connect(), bench.accept()).exchange()
