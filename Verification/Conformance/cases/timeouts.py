"""Timeouts: never early, never on an active connection, and by resets."""

import time
from collections.abc import Callable

import kernel
from bench import Bench
from contract import case, case_each_direction
from pattern import pattern
from peer import Direction, Pair, Peer, StreamEnd
from waits import CLOCK_STEP, WAIT_LIMIT, Failure, concurrently, observe, require, wait_until

LIMIT = 1
"""Seconds of each timeout; a whole number, since some settings accept no other."""

MESSAGE_INTERVAL = 0.25
"""Seconds between two messages that keep a connection from being idle."""

BEYOND_LIMIT = 3 * LIMIT

DEFAULT_KEEP_ALIVE = 60
"""Seconds of silence, by contract, before a keep-alive probe."""


def expect_end_after(what: str, limit: float, start: float, wait: Callable[[], object]) -> None:
    """Waits for an end, and requires that it does not occur before a timeout has expired."""
    wait()
    elapsed = time.monotonic() - start
    require(elapsed >= limit - CLOCK_STEP, f"{what} ended after {elapsed:.2f} s of {limit:g} s")


def exchange_regularly(sender: Peer, receiver: Peer, seconds: float = BEYOND_LIMIT) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        sender.send(b"still here")
        receiver.expect(b"still here")
        observe(MESSAGE_INTERVAL)


@case
def an_idle_connection_is_ended(bench: Bench) -> None:
    bench.start(idle=LIMIT)
    pair = bench.pair()
    start = time.monotonic()
    pair.exchange()
    expect_end_after("an idle connection", LIMIT, start, pair.client.receive_to_end)
    pair.server.receive_to_end()
    bench.wait_for_no_sockets()


@case_each_direction
def movement_one_way_is_not_idle(bench: Bench, direction: Direction) -> None:
    pair = bench.start_pair(idle=LIMIT)
    exchange_regularly(*pair.ends(direction))
    pair.exchange()


@case_each_direction
def a_half_closed_connection_at_rest_is_ended(bench: Bench, direction: Direction) -> None:
    pair = bench.start_exchange(half_close=LIMIT)
    start = time.monotonic()
    pair.half_close(direction)
    expect_end_after("a half-closed connection", LIMIT, start, pair.sender(direction).receive_to_end)
    bench.wait_for_no_sockets()


@case_each_direction
def the_half_close_time_out_spares_what_moves(bench: Bench, direction: Direction) -> None:
    bench.start(half_close=LIMIT)
    open_pair, half_closed_pair = bench.pair(), bench.pair()
    open_pair.exchange()
    half_closed_pair.exchange()
    half_closed_pair.half_close(direction)
    exchange_regularly(*half_closed_pair.ends(direction.opposite))
    half_closed_pair.half_close(direction.opposite)
    open_pair.exchange()


@case
def a_lifetime_ends_the_busy_too(bench: Bench) -> None:
    bench.start(lifetime=LIMIT)
    start = time.monotonic()
    pair = bench.pair()

    def exchange_until_closed() -> None:
        try:
            exchange_regularly(pair.client, pair.server, WAIT_LIMIT)
        except Failure:
            return
        raise Failure(f"a connection with a lifetime of {LIMIT} s was alive after {WAIT_LIMIT:g} s")

    expect_end_after("a busy connection", LIMIT, start, exchange_until_closed)
    bench.wait_for_no_sockets()
    bench.pair().exchange()


@case
def what_it_ends_by_itself_it_resets(bench: Bench) -> None:
    pair = bench.start_exchange(idle=LIMIT)
    pair.client.expect_to_end(StreamEnd.RESET)
    pair.server.expect_to_end(StreamEnd.RESET)


@case
def by_default_rest_is_no_reason_to_end(bench: Bench) -> None:
    bench.start()
    pair = bench.pair()
    pair.exchange()
    observe(BEYOND_LIMIT)
    pair.exchange()


@case
def keep_alive_is_on_by_default(bench: Bench) -> None:
    bench.start()
    pair = bench.pair()
    pair.exchange()

    def probes_both() -> bool:
        ends = bench.proxy_sockets(pair)
        return len(ends) == 2 and all(
            end.timer == kernel.KEEP_ALIVE_TIMER and end.timer_seconds <= DEFAULT_KEEP_ALIVE for end in ends
        )

    # After the exchange the kernel may report the delayed-acknowledgment timer instead.
    wait_until(f"keepalive timers of {DEFAULT_KEEP_ALIVE} s or less on both sides", probes_both, BEYOND_LIMIT)


def pair_with_keep_alive(bench: Bench, direction: Direction) -> Pair:
    """Opens a connection whose sender, by direction, is subject to keep-alive probes."""
    if direction is Direction.UPSTREAM:
        bench.start(client_keep_alive=LIMIT)
    else:
        bench.start(server_keep_alive=LIMIT)
    pair = bench.pair()
    pair.exchange()
    return pair


@case_each_direction
def a_vanished_peer_is_noticed_by_keep_alive(bench: Bench, direction: Direction) -> None:
    pair = pair_with_keep_alive(bench, direction)
    pair.sender(direction).drop_packets()
    pair.receiver(direction).receive_to_end()
    pair.receiver(direction).close()
    bench.wait_for_no_sockets()


@case_each_direction
def a_vanished_peer_counts_as_reset(bench: Bench, direction: Direction) -> None:
    pair = pair_with_keep_alive(bench, direction)
    pair.sender(direction).drop_packets()
    pair.receiver(direction).expect_to_end(StreamEnd.RESET)


@case_each_direction
def bytes_nobody_acknowledges_end_it_in_time(bench: Bench, direction: Direction) -> None:
    bench.start(user_timeout=LIMIT)
    pair = bench.pair()
    pair.exchange()
    sender, reader = pair.sender(direction), pair.receiver(direction)
    reader.drop_packets()
    sender.send(b"still there?")
    sender.receive_to_end()
    sender.close()
    bench.wait_for_no_sockets()


@case
def time_outs_spare_a_transfer_that_crawls(bench: Bench) -> None:
    bench.start(idle=LIMIT, half_close=LIMIT)
    pair = bench.pair()
    chunks, size = 12, 1000

    def send_slowly() -> None:
        for number in range(chunks):
            pair.server.send_stream(pattern(1), size, number * size)
            observe(MESSAGE_INTERVAL)
        pair.server.half_close()

    pair.client.send(b"request")
    pair.client.half_close()
    pair.server.expect_to_end(StreamEnd.EOF, b"request")
    with concurrently(send_slowly):
        pair.client.expect_stream_to_end(pattern(1), chunks * size, StreamEnd.EOF)
