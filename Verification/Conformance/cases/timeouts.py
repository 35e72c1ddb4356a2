"""Timeouts: never early, never on an active connection, and by resets."""

import time
from collections.abc import Callable

import kernel
from bench import Bench
from cases.ends import other
from contract import case, case_each_way
from pattern import pattern
from peer import End, Pair, Peer, Way
from waits import CLOCK_STEP, PATIENCE, Failure, meanwhile, require, wait_until, watch_for_absence

LIMIT = 1
"""Seconds of each timeout; a whole number, since some settings accept no other."""

STEP = 0.25
"""Seconds between two messages that keep a connection from being idle."""

LONG_ENOUGH = 3 * LIMIT

DEFAULT_KEEP_ALIVE = 60
"""Seconds of silence, by contract, before a keep-alive probe."""


def expect_end_after(what: str, limit: float, start: float, wait: Callable[[], object]) -> None:
    """Waits for an end, and requires that it does not occur before a timeout has expired."""
    wait()
    took = time.monotonic() - start
    require(took >= limit - CLOCK_STEP, f"{what} ended after {took:.2f} s of {limit:g} s")


def keep_moving(sender: Peer, receiver: Peer, seconds: float = LONG_ENOUGH) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        sender.send(b"still here")
        receiver.expect(b"still here")
        watch_for_absence(STEP)


@case
def an_idle_connection_is_ended(bench: Bench) -> None:
    bench.start(idle=LIMIT)
    pair = bench.pair()
    start = time.monotonic()
    pair.exchange()
    expect_end_after("an idle connection", LIMIT, start, pair.client.rest)
    pair.server.rest()
    bench.wait_for_no_sockets()


@case_each_way
def movement_one_way_is_not_idle(bench: Bench, way: Way) -> None:
    bench.start(idle=LIMIT)
    pair = bench.pair()
    keep_moving(pair.sender(way), pair.receiver(way))
    pair.exchange()


@case_each_way
def a_half_closed_connection_at_rest_is_ended(bench: Bench, way: Way) -> None:
    bench.start(half_close=LIMIT)
    pair = bench.pair()
    pair.exchange()
    start = time.monotonic()
    pair.sender(way).finish()
    pair.receiver(way).expect_rest(End.END)
    expect_end_after("a half-closed connection", LIMIT, start, pair.sender(way).rest)
    bench.wait_for_no_sockets()


@case_each_way
def the_half_close_time_out_spares_what_moves(bench: Bench, way: Way) -> None:
    bench.start(half_close=LIMIT)
    whole, half = bench.pair(), bench.pair()
    whole.exchange()
    half.exchange()
    half.sender(way).finish()
    half.receiver(way).expect_rest(End.END)
    keep_moving(half.sender(other(way)), half.receiver(other(way)))
    half.sender(other(way)).finish()
    half.receiver(other(way)).expect_rest(End.END)
    whole.exchange()


@case
def a_lifetime_ends_the_busy_too(bench: Bench) -> None:
    bench.start(lifetime=LIMIT)
    start = time.monotonic()
    pair = bench.pair()

    def exchange_for_ever() -> None:
        try:
            keep_moving(pair.client, pair.server, PATIENCE)
        except Failure:
            return
        raise Failure(f"a connection with a lifetime of {LIMIT} s was alive after {PATIENCE:g} s")

    expect_end_after("a busy connection", LIMIT, start, exchange_for_ever)
    bench.wait_for_no_sockets()
    bench.pair().exchange()


@case
def what_it_ends_by_itself_it_resets(bench: Bench) -> None:
    bench.start(idle=LIMIT)
    pair = bench.pair()
    pair.exchange()
    pair.client.expect_rest(End.RESET)
    pair.server.expect_rest(End.RESET)


@case
def by_default_rest_is_no_reason_to_end(bench: Bench) -> None:
    bench.start()
    pair = bench.pair()
    pair.exchange()
    watch_for_absence(LONG_ENOUGH)
    pair.exchange()


@case
def keep_alive_is_on_by_default(bench: Bench) -> None:
    bench.start()
    pair = bench.pair()
    pair.exchange()

    def probes_both() -> bool:
        ends = bench.ends_of(pair)
        return len(ends) == 2 and all(
            end.timer == kernel.KEEP_ALIVE_TIMER and end.timer_seconds <= DEFAULT_KEEP_ALIVE for end in ends
        )

    # After the exchange the kernel may report the delayed-acknowledgment timer instead.
    wait_until(f"keepalive timers of {DEFAULT_KEEP_ALIVE} s or less on both sides", probes_both, LONG_ENOUGH)


def pair_with_keep_alive(bench: Bench, way: Way) -> Pair:
    """Opens a connection whose sender, by direction, is subject to keep-alive probes."""
    if way is Way.UPSTREAM:
        bench.start(client_keep_alive=LIMIT)
    else:
        bench.start(server_keep_alive=LIMIT)
    pair = bench.pair()
    pair.exchange()
    return pair


@case_each_way
def a_vanished_peer_is_noticed_by_keep_alive(bench: Bench, way: Way) -> None:
    pair = pair_with_keep_alive(bench, way)
    pair.sender(way).vanish()
    pair.receiver(way).rest()
    pair.receiver(way).close()
    bench.wait_for_no_sockets()


@case_each_way
def a_vanished_peer_counts_as_reset(bench: Bench, way: Way) -> None:
    pair = pair_with_keep_alive(bench, way)
    pair.sender(way).vanish()
    pair.receiver(way).expect_rest(End.RESET)


@case_each_way
def bytes_nobody_acknowledges_end_it_in_time(bench: Bench, way: Way) -> None:
    bench.start(user_timeout=LIMIT)
    pair = bench.pair()
    pair.exchange()
    sender, reader = pair.sender(way), pair.receiver(way)
    reader.vanish()
    sender.send(b"still there?")
    sender.rest()
    sender.close()
    bench.wait_for_no_sockets()


@case
def time_outs_spare_a_transfer_that_crawls(bench: Bench) -> None:
    bench.start(idle=LIMIT, half_close=LIMIT)
    pair = bench.pair()
    pieces, size = 12, 1000

    def crawl() -> None:
        for number in range(pieces):
            pair.server.send_stream(pattern(1), size, number * size)
            watch_for_absence(STEP)
        pair.server.finish()

    pair.client.send(b"request")
    pair.client.finish()
    pair.server.expect_rest(End.END, b"request")
    with meanwhile(crawl):
        pair.client.expect_rest_of(pattern(1), pieces * size, End.END)
