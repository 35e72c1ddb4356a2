"""Data transfer: complete, unaltered, in order, without delay."""

import json
import select
import subprocess
import sys
import time

import kernel
from adapters import HERE, written
from bench import Bench
from contract import case, case_each_way
from pattern import pattern
from peer import End, Pair, Peer, Way
from waits import ABSENCE, PATIENCE, POLL, Failure, meanwhile, require, wait_until

MUCH = 16 << 20

URGENT_AT = 2 << 20
"""Bytes of bulk data on both sides of an urgent byte."""

AFTER_URGENT = 3_000
"""Bytes between an urgent byte and the end of the stream."""

ODD_SIZES = (1, 2, 3, 100, 1459, 1460, 1461, 4096, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 131_073, 524_289)
"""Bytes, around the sizes of buffers and segments."""

KIB = 1024

RESPONSES = (4 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 200 * KIB, 1024 * KIB)
"""Bytes, each for a request of 100 bytes."""

MESSAGES = (32 * KIB, 64 * KIB, 256 * KIB)
"""Bytes of each request and each response."""

MOST_ADDED, MOST_TIMES = 0.0008, 10
"""Seconds, plus the multiple of the time over a direct connection, that an exchange may take longer than a small one. A
proxy that is merely slow stays below this limit; one that holds bytes until a timer of a millisecond fires exceeds it."""

ROUNDS = 15
"""Exchanges of each size, of which the median is tested."""

GOOD_TRIES, TRIES = 3, 9
"""Number of consecutive tries that must be fast enough, and maximum number of tries."""

STREAM_SIZE, STREAM_TIME, STREAM_RATE = 64 << 20, 0.35, 256 << 20
"""Bytes, seconds, and bytes per second: a stream above the first two is sustained. At this rate the machine has time
for other work, which would interrupt a faster stream."""

STREAMS = 3
"""One after the other, each followed by a pause."""


@case_each_way
def every_byte_arrives_in_order(bench: Bench, way: Way) -> None:
    bench.start()
    pair = bench.pair()
    sender = pair.sender(way)
    with meanwhile(lambda: (sender.send_stream(pattern(1), MUCH), sender.finish())):
        pair.receiver(way).expect_rest_of(pattern(1), MUCH, End.END)


@case
def both_directions_flow_at_once(bench: Bench) -> None:
    bench.start()
    pair = bench.pair()
    with (
        meanwhile(lambda: pair.client.send_stream(pattern(1), MUCH)),
        meanwhile(lambda: pair.server.send_stream(pattern(2), MUCH)),
        meanwhile(lambda: pair.client.expect_stream(pattern(2), MUCH)),
    ):
        pair.server.expect_stream(pattern(1), MUCH)


@case
def pieces_of_any_size_arrive_whole(bench: Bench) -> None:
    bench.start()
    pair = bench.pair()
    place = 0
    for size in ODD_SIZES:
        for way in Way:
            with meanwhile(lambda: pair.sender(way).send_stream(pattern(1), size, place)):
                pair.receiver(way).expect_stream(pattern(1), size, place)
        place += size


@case
def connections_keep_their_bytes_apart(bench: Bench) -> None:
    bench.start()
    pairs = [bench.pair() for _ in range(32)]
    rounds, size = 8, 5_000
    for number in range(rounds):
        for index, pair in enumerate(pairs):
            pair.client.send_stream(pattern(1), size, number * size + index)
            pair.server.send_stream(pattern(2), size, number * size + index)
        for index, pair in enumerate(pairs):
            pair.server.expect_stream(pattern(1), size, number * size + index)
            pair.client.expect_stream(pattern(2), size, number * size + index)


@case
def small_pieces_are_passed_on_at_once(bench: Bench) -> None:
    bench.start()
    pair = bench.pair()
    # If the second piece waits for the acknowledgment of the first, which the reader's kernel delays by 40 ms, this
    # takes eight seconds.
    rounds, limit = 200, 4.0
    start = time.monotonic()
    for _ in range(rounds):
        pair.client.send(b"one")
        pair.server.expect(b"one")
        pair.client.send(b"two")
        pair.server.expect(b"two")
        pair.server.send(b"yes")
        pair.client.expect(b"yes")
    took = time.monotonic() - start
    require(took < limit, f"small pieces waited for acknowledgements: {took:.1f} s for {rounds} rounds")


def require_no_hold(bench: Bench, *series: list[tuple[int, int]]) -> None:
    """Requires that exchanges take little longer than over a direct connection.

    The exchanges of a series follow each other on one connection. Because a busy machine is slow occasionally, the
    measurement is repeated until several consecutive tries are fast enough. A proxy that holds bytes is too slow in
    most tries.
    """
    good, seen = 0, ""
    for _ in range(TRIES):
        held = [text for exchanges in series for text in holds(bench, exchanges)]
        good, seen = (0, ", ".join(held)) if held else (good + 1, seen)
        if good == GOOD_TRIES:
            return
    raise Failure(f"responses were held: {seen}")


def holds(bench: Bench, exchanges: list[tuple[int, int]]) -> list[str]:
    """Returns the responses that arrive too late, and their delay."""
    sizes = [f"{request}:{response}" for request, response in exchanges]
    command = [sys.executable, str(HERE / "stopwatch.py"), written(bench.front), written(bench.target)]
    try:
        done = subprocess.run([*command, str(ROUNDS), *sizes], capture_output=True, text=True, timeout=4 * PATIENCE)
    except subprocess.TimeoutExpired:
        raise Failure(f"the exchanges did not complete within {4 * PATIENCE:g} s") from None
    require(done.returncode == 0, (done.stderr.splitlines() or ["the exchanges failed"])[-1])
    times = json.loads(done.stdout)
    added = [proxied - small - MOST_TIMES * direct for proxied, small, direct in zip(*times.values())]
    return [
        f"{response // KIB} KiB by {time * 1000:.1f} ms"
        for (_, response), time in zip(exchanges, added)
        if time > MOST_ADDED
    ]


@case
def responses_of_any_size_are_not_held(bench: Bench) -> None:
    bench.start(server=False)
    require_no_hold(bench, [(100, size) for size in RESPONSES])


@case
def large_messages_in_turn_are_not_held(bench: Bench) -> None:
    bench.start(server=False)
    require_no_hold(bench, *([(size, size)] for size in MESSAGES))


@case_each_way
def the_tail_of_a_burst_is_not_held(bench: Bench, way: Way) -> None:
    bench.start()
    pair = bench.pair()
    place = 0
    for burst in range(24):
        size = (1 << 20) + burst * 4_099
        with meanwhile(lambda: pair.sender(way).send_stream(pattern(1), size, place)):
            pair.receiver(way).expect_stream(pattern(1), size, place)
        place += size
        # No data follows: a small message after bulk data must be forwarded without a trigger.
        pair.sender(way).send(b"and one more")
        pair.receiver(way).expect(b"and one more")


@case_each_way
def the_end_of_a_sustained_stream_is_not_held(bench: Bench, way: Way) -> None:
    bench.start()
    pair = bench.pair()
    sender, receiver = pair.sender(way), pair.receiver(way)
    sender.pace(STREAM_RATE)
    place = 0
    for _ in range(STREAMS):
        counts: list[int] = []
        received, last = 0, time.monotonic()
        with meanwhile(lambda: counts.append(sender.send_for(STREAM_TIME, STREAM_SIZE, pattern(1), place))):
            # The last bytes arrive although the sender neither sends more nor ends.
            while not counts or received < counts[0]:
                if receiver.has_news_within(POLL):
                    received += receiver.receive_quickly(pattern(1), place + received)
                    last = time.monotonic()
                missing = f"{counts[0] - received:,} bytes at the end" if counts else "the rest"
                is_late = time.monotonic() > last + PATIENCE
                require(not is_late, f"{missing} of a stream did not arrive within {PATIENCE:g} s")
        place += received
        pair.exchange()


@case
def the_server_may_speak_first(bench: Bench) -> None:
    bench.start()
    pair = bench.pair()
    pair.server.send(b"220 ready\r\n")
    pair.client.expect(b"220 ready\r\n")
    pair.client.send(b"QUIT\r\n")
    pair.server.expect(b"QUIT\r\n")


@case
def the_server_is_connected_before_the_client_speaks(bench: Bench) -> None:
    bench.start()
    client = bench.connect()
    Pair(client, bench.accept()).exchange()


@case
def early_bytes_wait_for_the_server(bench: Bench) -> None:
    bench.start(server_backlog=0)
    fillers = bench.fill_the_servers_queue()
    client = bench.connect()
    size = 1 << 20
    with meanwhile(lambda: client.send_stream(pattern(1), size)):
        wait_until("a connection attempt", lambda: kernel.connecting_to(bench.target))
        # The kernel retransmits its SYN after a second, and then connects.
        bench.empty_the_servers_queue(fillers)
        server = bench.accept()
        server.expect_stream(pattern(1), size)
    Pair(client, server).exchange()


@case_each_way
def urgent_data_stays_in_line(bench: Bench, way: Way) -> None:
    bench.start()
    pair = bench.pair()
    pair.sender(way).send(b"before;")
    pair.receiver(way).expect(b"before;")
    pair.sender(way).send_urgent(b"U")
    pair.sender(way).send(b";after")
    pair.receiver(way).expect(b"U;after")


@case_each_way
def urgent_data_in_bulk_stays_in_line(bench: Bench, way: Way) -> None:
    bench.start()
    pair = bench.pair()
    sender, place = pair.sender(way), 0

    def send() -> None:
        sender.send_stream(pattern(1), URGENT_AT, place)
        sender.send_urgent(bytes(pattern(1).at(place + URGENT_AT, 1)))
        sender.send_stream(pattern(1), URGENT_AT, place + URGENT_AT + 1)

    for _ in range(4):
        with meanwhile(send):
            pair.receiver(way).expect_stream(pattern(1), 2 * URGENT_AT + 1, place)
        place += 2 * URGENT_AT + 1


@case_each_way
def urgent_data_before_an_end_arrives(bench: Bench, way: Way) -> None:
    bench.start()
    pair = bench.pair()
    sender, receiver = pair.sender(way), pair.receiver(way)
    # The mark and the end reach the proxy while it still has much data to send before them.
    count = sender.send_what_fits(pattern(1))
    with meanwhile(lambda: _urgent_and_end(sender, count)):
        receiver.expect_rest_of(pattern(1), count + 1 + AFTER_URGENT, End.END)


def _urgent_and_end(sender: Peer, place: int) -> None:
    sender.send_urgent(bytes(pattern(1).at(place, 1)))
    sender.send_stream(pattern(1), AFTER_URGENT, place + 1)
    sender.finish()


@case_each_way
def the_urgent_mark_is_not_passed_on(bench: Bench, way: Way) -> None:
    bench.start()
    pair = bench.pair()
    pair.sender(way).send(b"before;")
    pair.sender(way).send_urgent(b"U")
    pair.sender(way).send(b";after")
    marked = select.poll()
    marked.register(pair.receiver(way).socket, select.POLLPRI)
    # Another sentence's case checks which bytes arrive and whether they are complete.
    while pair.receiver(way).has_news_within(ABSENCE):
        require(not marked.poll(0), "urgent data was announced as urgent")
        pair.receiver(way).receive()
