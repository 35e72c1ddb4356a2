"""End of stream: a FIN is forwarded as a FIN, in each direction separately, after the last byte."""

from bench import SMALL_BUFFER, Bench
from contract import case, case_each_direction
from pattern import pattern
from peer import Direction, StreamEnd
from waits import concurrently, observe, require

BULK_BYTES = 4 << 20

IDLE_TIME = 1.5
"""Seconds of silence on a half-closed connection; a short timeout left enabled by mistake would be shorter."""


@case
def an_empty_connection_is_passed_on(bench: Bench) -> None:
    pair = bench.start_pair()
    pair.half_close(Direction.UPSTREAM)
    pair.half_close(Direction.DOWNSTREAM)


@case_each_direction
def an_end_comes_after_the_last_byte(bench: Bench, direction: Direction) -> None:
    pair = bench.start_stalling()
    sent = pair.sender(direction).send_until_blocked(pattern(1))
    pair.sender(direction).half_close()
    observe()  # time for an end that overtakes the bytes
    pair.receiver(direction).expect_stream_to_end(pattern(1), sent, StreamEnd.EOF)


@case_each_direction
def an_end_leaves_the_other_direction_flowing(bench: Bench, direction: Direction) -> None:
    pair = bench.start_pair()
    sender, receiver = pair.ends(direction.opposite)
    sender.send_stream(pattern(1), SMALL_BUFFER)
    pair.half_close(direction, b"the end")
    with concurrently(lambda: sender.send_stream(pattern(1), BULK_BYTES, SMALL_BUFFER)):
        receiver.expect_stream(pattern(1), SMALL_BUFFER + BULK_BYTES)
    pair.half_close(direction.opposite)


@case_each_direction
def a_half_closed_connection_may_rest(bench: Bench, direction: Direction) -> None:
    pair = bench.start_exchange()
    pair.half_close(direction)
    sender, receiver = pair.ends(direction.opposite)
    for message in (b"first", b"second"):
        observe(IDLE_TIME)
        sender.send(message)
        receiver.expect(message)
    pair.half_close(direction.opposite)


@case
def a_request_and_its_end_get_their_answer(bench: Bench) -> None:
    bench.start()
    for number in range(20):
        request = b"request %d" % number
        pair = bench.pair()
        pair.client.send(request)
        pair.client.half_close()
        pair.server.expect_to_end(StreamEnd.EOF, request)
        with concurrently(lambda: (pair.server.send_stream(pattern(1), BULK_BYTES // 8), pair.server.close())):
            pair.client.expect_stream_to_end(pattern(1), BULK_BYTES // 8, StreamEnd.EOF)


@case
def ends_at_the_same_moment_lose_nothing(bench: Bench) -> None:
    bench.start()
    for _ in range(20):
        pair = bench.pair()
        from_client, from_server = pair.send_from_both()
        pair.client.half_close()
        pair.server.half_close()
        pair.client.expect_to_end(StreamEnd.EOF, from_server)
        pair.server.expect_to_end(StreamEnd.EOF, from_client)


@case
def ends_of_bulk_both_ways_lose_nothing(bench: Bench) -> None:
    bench.start()
    for _ in range(10):
        pair = bench.pair()
        with concurrently(lambda: pair.stream_to_eof(Direction.UPSTREAM, pattern(1), 2 * BULK_BYTES)):
            pair.stream_to_eof(Direction.DOWNSTREAM, pattern(1), 2 * BULK_BYTES)


@case_each_direction
def a_close_after_sending_loses_nothing(bench: Bench, direction: Direction) -> None:
    sender, receiver = bench.start_pair().ends(direction)
    with concurrently(lambda: (sender.send_stream(pattern(1), BULK_BYTES), sender.close())):
        receiver.expect_stream_to_end(pattern(1), BULK_BYTES, StreamEnd.EOF)


@case_each_direction
def sending_to_a_closed_side_meets_a_reset(bench: Bench, direction: Direction) -> None:
    sender, receiver = bench.start_exchange().ends(direction)
    receiver.close()
    require(not sender.receive(), "received data, expected EOF")
    sender.send_until_reset()


@case
def when_both_have_ended_nothing_is_kept(bench: Bench) -> None:
    bench.start()
    for _ in range(10):
        pair = bench.pair()
        pair.exchange()
        for direction in Direction:
            pair.half_close(direction)
    # The clients and servers still have their sockets open; the proxy must have closed its own.
    bench.wait_for_no_sockets()
