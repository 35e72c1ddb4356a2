"""Data transfer: complete, unaltered, in order, without delay."""

import json
import select
import subprocess
import sys
import time

import kernel
from adapters import HERE, format_address
from bench import Bench
from contract import case, case_each_direction
from pattern import pattern
from peer import Direction, Pair, Peer, StreamEnd
from waits import OBSERVATION_TIME, POLL, WAIT_LIMIT, Failure, concurrently, require, wait_until

BULK_BYTES = 16 << 20

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

MAX_ADDED_SECONDS, MAX_DIRECT_MULTIPLE = 0.0008, 10
"""Seconds, plus the multiple of the time over a direct connection, that an exchange may take longer than a small one. A
proxy that is merely slow stays below this limit; one that holds bytes until a timer of a millisecond fires exceeds it."""

ROUNDS = 15
"""Exchanges of each size, of which the median is tested."""

REQUIRED_FAST_TRIES, MAX_TRIES = 3, 9
"""Number of consecutive tries that must be fast enough, and maximum number of tries."""

STREAM_SIZE, STREAM_TIME, STREAM_RATE = 64 << 20, 0.35, 256 << 20
"""Bytes, seconds, and bytes per second: a stream above the first two is sustained. At this rate the machine has time
for other work, which would interrupt a faster stream."""

STREAMS = 3
"""One after the other, each followed by a pause."""


@case_each_direction
def every_byte_arrives_in_order(bench: Bench, direction: Direction) -> None:
    bench.start_pair().stream_to_eof(direction, pattern(1), BULK_BYTES)


@case
def both_directions_flow_at_once(bench: Bench) -> None:
    bench.start()
    pair = bench.pair()
    with (
        concurrently(lambda: pair.client.send_stream(pattern(1), BULK_BYTES)),
        concurrently(lambda: pair.server.send_stream(pattern(2), BULK_BYTES)),
        concurrently(lambda: pair.client.expect_stream(pattern(2), BULK_BYTES)),
    ):
        pair.server.expect_stream(pattern(1), BULK_BYTES)


@case
def pieces_of_any_size_arrive_whole(bench: Bench) -> None:
    bench.start()
    pair = bench.pair()
    position = 0
    for size in ODD_SIZES:
        for direction in Direction:
            with concurrently(lambda: pair.sender(direction).send_stream(pattern(1), size, position)):
                pair.receiver(direction).expect_stream(pattern(1), size, position)
        position += size


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
    elapsed = time.monotonic() - start
    require(elapsed < limit, f"small pieces waited for acknowledgements: {elapsed:.1f} s for {rounds} rounds")


def require_no_delay(bench: Bench, *series: list[tuple[int, int]]) -> None:
    """Requires that exchanges take little longer than over a direct connection.

    The exchanges of a series follow each other on one connection. Because a busy machine is slow occasionally, the
    measurement is repeated until several consecutive tries are fast enough. A proxy that holds bytes is too slow in
    most tries.
    """
    fast_tries, observation = 0, ""
    for _ in range(MAX_TRIES):
        late = [text for exchanges in series for text in late_responses(bench, exchanges)]
        fast_tries, observation = (0, ", ".join(late)) if late else (fast_tries + 1, observation)
        if fast_tries == REQUIRED_FAST_TRIES:
            return
    raise Failure(f"responses were held: {observation}")


def late_responses(bench: Bench, exchanges: list[tuple[int, int]]) -> list[str]:
    """Returns the responses that arrive too late, and their delay."""
    sizes = [f"{request}:{response}" for request, response in exchanges]
    command = [
        sys.executable,
        str(HERE / "stopwatch.py"),
        format_address(bench.proxy_address),
        format_address(bench.target),
    ]
    try:
        done = subprocess.run([*command, str(ROUNDS), *sizes], capture_output=True, text=True, timeout=4 * WAIT_LIMIT)
    except subprocess.TimeoutExpired:
        raise Failure(f"the exchanges did not complete within {4 * WAIT_LIMIT:g} s") from None
    require(done.returncode == 0, (done.stderr.splitlines() or ["the exchanges failed"])[-1])
    times = json.loads(done.stdout)
    added = [proxied - small - MAX_DIRECT_MULTIPLE * direct for proxied, small, direct in zip(*times.values())]
    return [
        f"{response // KIB} KiB by {time * 1000:.1f} ms"
        for (_, response), time in zip(exchanges, added)
        if time > MAX_ADDED_SECONDS
    ]


@case
def responses_of_any_size_are_not_held(bench: Bench) -> None:
    bench.start(server=False)
    require_no_delay(bench, [(100, size) for size in RESPONSES])


@case
def large_messages_in_turn_are_not_held(bench: Bench) -> None:
    bench.start(server=False)
    require_no_delay(bench, *([(size, size)] for size in MESSAGES))


@case_each_direction
def the_tail_of_a_burst_is_not_held(bench: Bench, direction: Direction) -> None:
    bench.start()
    pair = bench.pair()
    position = 0
    for burst in range(24):
        size = (1 << 20) + burst * 4_099
        with concurrently(lambda: pair.sender(direction).send_stream(pattern(1), size, position)):
            pair.receiver(direction).expect_stream(pattern(1), size, position)
        position += size
        # No data follows: a small message after bulk data must be forwarded without a trigger.
        pair.sender(direction).send(b"and one more")
        pair.receiver(direction).expect(b"and one more")


@case_each_direction
def the_end_of_a_sustained_stream_is_not_held(bench: Bench, direction: Direction) -> None:
    pair = bench.start_pair()
    sender, receiver = pair.ends(direction)
    sender.pace(STREAM_RATE)
    position = 0
    for _ in range(STREAMS):
        counts: list[int] = []
        received, last = 0, time.monotonic()
        with concurrently(lambda: counts.append(sender.send_for(STREAM_TIME, STREAM_SIZE, pattern(1), position))):
            # The last bytes arrive although the sender neither sends more nor ends.
            while not counts or received < counts[0]:
                if receiver.is_readable_within(POLL):
                    received += receiver.receive_quickly(pattern(1), position + received)
                    last = time.monotonic()
                missing = f"{counts[0] - received:,} bytes at the end" if counts else "the rest"
                is_late = time.monotonic() > last + WAIT_LIMIT
                require(not is_late, f"{missing} of a stream did not arrive within {WAIT_LIMIT:g} s")
        position += received
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
    queued = bench.fill_server_backlog()
    client = bench.connect()
    size = 1 << 20
    with concurrently(lambda: client.send_stream(pattern(1), size)):
        wait_until("a connection attempt", lambda: kernel.connecting_to(bench.target))
        # The kernel retransmits its SYN after a second, and then connects.
        bench.empty_server_backlog(queued)
        server = bench.accept()
        server.expect_stream(pattern(1), size)
    Pair(client, server).exchange()


def send_urgent_byte(sender: Peer) -> None:
    """Sends an urgent byte and a few bytes after it."""
    sender.send_urgent(b"U")
    sender.send(b";after")


@case_each_direction
def urgent_data_stays_in_line(bench: Bench, direction: Direction) -> None:
    sender, receiver = bench.start_pair().ends(direction)
    sender.send(b"before;")
    receiver.expect(b"before;")
    send_urgent_byte(sender)
    receiver.expect(b"U;after")


@case_each_direction
def urgent_data_in_bulk_stays_in_line(bench: Bench, direction: Direction) -> None:
    sender, receiver = bench.start_pair().ends(direction)
    position = 0

    def send() -> None:
        sender.send_stream(pattern(1), URGENT_AT, position)
        sender.send_urgent(bytes(pattern(1).at(position + URGENT_AT, 1)))
        sender.send_stream(pattern(1), URGENT_AT, position + URGENT_AT + 1)

    for _ in range(4):
        with concurrently(send):
            receiver.expect_stream(pattern(1), 2 * URGENT_AT + 1, position)
        position += 2 * URGENT_AT + 1


@case_each_direction
def urgent_data_before_an_end_arrives(bench: Bench, direction: Direction) -> None:
    sender, receiver = bench.start_pair().ends(direction)
    # The mark and the end reach the proxy while it still has much data to send before them.
    count = sender.send_until_blocked(pattern(1))
    with concurrently(lambda: _urgent_and_end(sender, count)):
        receiver.expect_stream_to_end(pattern(1), count + 1 + AFTER_URGENT, StreamEnd.EOF)


def _urgent_and_end(sender: Peer, position: int) -> None:
    sender.send_urgent(bytes(pattern(1).at(position, 1)))
    sender.send_stream(pattern(1), AFTER_URGENT, position + 1)
    sender.half_close()


@case_each_direction
def the_urgent_mark_is_not_passed_on(bench: Bench, direction: Direction) -> None:
    sender, receiver = bench.start_pair().ends(direction)
    sender.send(b"before;")
    send_urgent_byte(sender)
    marked = select.poll()
    marked.register(receiver.socket, select.POLLPRI)
    # Another sentence's case checks which bytes arrive and whether they are complete.
    while receiver.is_readable_within(OBSERVATION_TIME):
        require(not marked.poll(0), "urgent data was announced as urgent")
        receiver.receive()
