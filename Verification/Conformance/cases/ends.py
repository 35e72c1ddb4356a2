"""End of stream: a FIN is forwarded as a FIN, in each direction separately, after the last byte."""

from bench import SMALL_BUFFER, Bench
from contract import case, case_each_direction
from pattern import pattern
from peer import Direction, Peer, StreamEnd
from waits import concurrently, observe, require

BULK_BYTES = 4 << 20

IDLE_TIME = 1.5
"""Seconds of silence on a half-closed connection; a short timeout left enabled by mistake would be shorter."""


def opposite(direction: Direction) -> Direction:
    return Direction.DOWNSTREAM if direction is Direction.UPSTREAM else Direction.UPSTREAM


def send_and_half_close(sender: Peer, count: int) -> None:
    sender.send_stream(pattern(1), count)
    sender.half_close()


@case
def an_empty_connection_is_passed_on(bench: Bench) -> None:
    bench.start()
    pair = bench.pair()
    pair.client.half_close()
    pair.server.expect_to_end(StreamEnd.EOF)
    pair.server.half_close()
    pair.client.expect_to_end(StreamEnd.EOF)


@case_each_direction
def an_end_comes_after_the_last_byte(bench: Bench, direction: Direction) -> None:
    bench.start(receive_buffer=SMALL_BUFFER)
    pair = bench.pair(SMALL_BUFFER)
    sent = pair.sender(direction).send_until_blocked(pattern(1))
    pair.sender(direction).half_close()
    observe()  # time for an end that overtakes the bytes
    pair.receiver(direction).expect_stream_to_end(pattern(1), sent, StreamEnd.EOF)


@case_each_direction
def an_end_leaves_the_other_direction_flowing(bench: Bench, direction: Direction) -> None:
    bench.start()
    pair = bench.pair()
    back = opposite(direction)
    pair.sender(back).send_stream(pattern(1), SMALL_BUFFER)
    pair.sender(direction).send(b"the end")
    pair.sender(direction).half_close()
    pair.receiver(direction).expect_to_end(StreamEnd.EOF, b"the end")
    with concurrently(lambda: pair.sender(back).send_stream(pattern(1), BULK_BYTES, SMALL_BUFFER)):
        pair.receiver(back).expect_stream(pattern(1), SMALL_BUFFER + BULK_BYTES)
    pair.sender(back).half_close()
    pair.receiver(back).expect_to_end(StreamEnd.EOF)


@case_each_direction
def a_half_closed_connection_may_rest(bench: Bench, direction: Direction) -> None:
    bench.start()
    pair = bench.pair()
    pair.exchange()
    back = opposite(direction)
    pair.sender(direction).half_close()
    pair.receiver(direction).expect_to_end(StreamEnd.EOF)
    for message in (b"first", b"second"):
        observe(IDLE_TIME)
        pair.sender(back).send(message)
        pair.receiver(back).expect(message)
    pair.sender(back).half_close()
    pair.receiver(back).expect_to_end(StreamEnd.EOF)


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
        pair.client.send(b"from the client")
        pair.server.send(b"from the server")
        pair.client.half_close()
        pair.server.half_close()
        pair.client.expect_to_end(StreamEnd.EOF, b"from the server")
        pair.server.expect_to_end(StreamEnd.EOF, b"from the client")


@case
def ends_of_bulk_both_ways_lose_nothing(bench: Bench) -> None:
    bench.start()
    for _ in range(10):
        pair = bench.pair()
        with (
            concurrently(lambda: send_and_half_close(pair.client, 2 * BULK_BYTES)),
            concurrently(lambda: send_and_half_close(pair.server, 2 * BULK_BYTES)),
            concurrently(lambda: pair.client.expect_stream_to_end(pattern(1), 2 * BULK_BYTES, StreamEnd.EOF)),
        ):
            pair.server.expect_stream_to_end(pattern(1), 2 * BULK_BYTES, StreamEnd.EOF)


@case_each_direction
def a_close_after_sending_loses_nothing(bench: Bench, direction: Direction) -> None:
    bench.start()
    pair = bench.pair()
    sender = pair.sender(direction)
    with concurrently(lambda: (sender.send_stream(pattern(1), BULK_BYTES), sender.close())):
        pair.receiver(direction).expect_stream_to_end(pattern(1), BULK_BYTES, StreamEnd.EOF)


@case_each_direction
def sending_to_a_closed_side_meets_a_reset(bench: Bench, direction: Direction) -> None:
    bench.start()
    pair = bench.pair()
    pair.exchange()
    pair.receiver(direction).close()
    require(not pair.sender(direction).receive(), "received data, expected EOF")
    pair.sender(direction).send_until_reset()


@case
def when_both_have_ended_nothing_is_kept(bench: Bench) -> None:
    bench.start()
    for _ in range(10):
        pair = bench.pair()
        pair.exchange()
        pair.client.half_close()
        pair.server.half_close()
        pair.client.expect_to_end(StreamEnd.EOF)
        pair.server.expect_to_end(StreamEnd.EOF)
    # The clients and servers still have their sockets open; the proxy must have closed its own.
    bench.wait_for_no_sockets()
