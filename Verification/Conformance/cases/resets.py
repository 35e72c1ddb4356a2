"""Resets: a RST is forwarded as a RST, in each direction, after the data received before it."""

import threading

from bench import Bench
from contract import case, case_each_direction
from pattern import pattern
from peer import Direction, Peer, StreamEnd
from waits import Reset, concurrently, observe, require, wait_until

IN_FLIGHT = 256 * 1024
"""Bytes that fit into the kernel buffers on the path, and not into a reader's small buffer."""

RESET_WAIT = 2.0
"""Seconds that a reader waits for the reset. If the kernel buffers on the path are too small, it has to continue
reading."""

MAX_RESET_DELAY = 12.0
"""Seconds until a reset is sent although its reader does not read: 5 by contract, plus a margin for a busy machine."""


def wait_for_arrival(sender: Peer) -> None:
    """Waits until the proxy's kernel has acknowledged all sent data."""
    wait_until("the sent data to arrive at the proxy", lambda: sender.unacknowledged == 0)


@case_each_direction
def a_reset_passes_as_a_reset(bench: Bench, direction: Direction) -> None:
    bench.start_exchange().reset(direction)
    bench.wait_for_no_sockets()


def send_and_reset(bench: Bench, direction: Direction) -> Peer:
    """Sends IN_FLIGHT bytes to a reader that does not read yet, and resets the sender; returns the reader."""
    sender, receiver = bench.start_stalling().ends(direction)
    sender.send_stream(pattern(1), IN_FLIGHT)
    wait_for_arrival(sender)
    sender.reset()
    return receiver


@case_each_direction
def what_came_before_a_reset_arrives_first(bench: Bench, direction: Direction) -> None:
    receiver = send_and_reset(bench, direction)
    observe()  # a fault shows immediately; the reader starts after this wait
    receiver.expect_stream_to_end(pattern(1), IN_FLIGHT)


@case_each_direction
def a_reset_after_bytes_is_still_a_reset(bench: Bench, direction: Direction) -> None:
    rest = send_and_reset(bench, direction).receive_to_end(pattern(1))
    require(
        rest.end is StreamEnd.RESET, f"after {rest.count:,} of {IN_FLIGHT:,} bytes came {rest.end.value}, not a reset"
    )


@case_each_direction
def a_reset_in_bulk_loses_nothing_received(bench: Bench, direction: Direction) -> None:
    sender, receiver = bench.start_pair().ends(direction)
    count, early = 4 << 20, 1 << 20
    is_reset = threading.Event()

    def send() -> None:
        sender.send_stream(pattern(1), count)
        wait_for_arrival(sender)
        sender.reset()
        is_reset.set()

    with concurrently(send):
        receiver.expect_stream(pattern(1), early)
        is_reset.wait(RESET_WAIT)
        receiver.expect_stream_to_end(pattern(1), count - early, start=early)


@case
def last_words_before_a_reset_arrive(bench: Bench) -> None:
    bench.start()
    for _ in range(20):
        pair = bench.pair()
        pair.server.send(b"too many connections\r\n")
        pair.server.reset()
        pair.client.expect_to_end(None, b"too many connections\r\n")


@case_each_direction
def a_close_with_unread_data_is_a_reset(bench: Bench, direction: Direction) -> None:
    bench.start_pair().close_with_unread_bytes(direction)


@case
def an_early_answer_outlives_an_unread_upload(bench: Bench) -> None:
    pair = bench.start_pair()
    pair.client.send_until_blocked(pattern(1))
    answer = b"413 content too large\r\n"
    pair.server.send(answer)
    pair.server.close()  # with most of the upload unread, so this is a reset
    observe()
    pair.client.expect_to_end(None, answer)


@case_each_direction
def a_reset_passes_after_an_end_the_other_way(bench: Bench, direction: Direction) -> None:
    pair = bench.start_exchange()
    pair.half_close(direction.opposite)
    pair.sender(direction).send(b"more")
    pair.receiver(direction).expect(b"more")
    pair.reset(direction)


@case_each_direction
def a_reset_after_its_own_end_is_passed_on(bench: Bench, direction: Direction) -> None:
    pair = bench.start_pair()
    pair.half_close(direction, b"last")
    pair.sender(direction).reset()
    # The stream ended in order; the other side must learn that this side no longer receives.
    pair.receiver(direction).send_until_reset()
    bench.wait_for_no_sockets()


@case_each_direction
def a_sender_hears_that_its_reader_was_reset(bench: Bench, direction: Direction) -> None:
    sender, receiver = bench.start_stalling().ends(direction)
    sender.send_until_blocked(pattern(1))
    receiver.reset()
    try:
        sender.send_stream(pattern(1), 64 << 20)
    except Reset:
        return bench.wait_for_no_sockets()
    require(False, "64 MiB were accepted for a reader that had been reset")


@case_each_direction
def a_stalled_reader_does_not_keep_a_reset_connection(bench: Bench, direction: Direction) -> None:
    sender, receiver = bench.start_stalling().ends(direction)
    sender.send_until_blocked(pattern(1))
    sender.reset()
    bench.wait_for_no_sockets(MAX_RESET_DELAY)
    rest = receiver.receive_to_end(pattern(1))
    require(rest.end is StreamEnd.RESET, f"the truncated stream ended with {rest.end.value}")


@case
def simultaneous_resets_leave_nothing(bench: Bench) -> None:
    bench.start()
    for _ in range(20):
        pair = bench.pair()
        pair.send_from_both()
        pair.client.reset()
        pair.server.reset()
    bench.wait_for_no_sockets()
    bench.pair().exchange()
