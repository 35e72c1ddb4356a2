"""Unix sockets on one or both sides: what they share with TCP sockets, and what differs."""

from bench import Bench
from cases.ends import opposite
from contract import case_each_direction
from pattern import pattern
from peer import Direction, StreamEnd
from waits import concurrently, observe, wait_until

COUNT = 4 << 20
"""Bytes: more than the queues of both sockets hold."""

IN_FLIGHT = 64 * 1024
"""Bytes that fit into the queues on the path, including that of a Unix socket, for any write sizes."""


def start(bench: Bench, unix: Direction) -> None:
    """Starts the proxy with a Unix socket on the side that sends in this direction, and TCP on the other."""
    bench.start(unix_listen=unix is Direction.UPSTREAM, unix_target=unix is Direction.DOWNSTREAM)


@case_each_direction
def bytes_and_ends_pass_between_unix_sockets(bench: Bench, direction: Direction) -> None:
    bench.start(unix_listen=True, unix_target=True)
    pair = bench.pair()
    sender, receiver = pair.sender(direction), pair.receiver(direction)
    with concurrently(lambda: (sender.send_stream(pattern(1), COUNT), sender.half_close())):
        receiver.expect_stream_to_end(pattern(1), COUNT, StreamEnd.EOF)
    receiver.send(b"answer")
    receiver.half_close()
    sender.expect_to_end(StreamEnd.EOF, b"answer")


@case_each_direction
def a_reset_is_an_end_to_a_unix_socket(bench: Bench, direction: Direction) -> None:
    start(bench, unix=opposite(direction))
    pair = bench.pair()
    pair.sender(direction).send_stream(pattern(1), IN_FLIGHT)
    wait_until("the sent data to arrive at the proxy", lambda: pair.sender(direction).unacknowledged == 0)
    pair.sender(direction).reset()
    observe()  # a fault shows immediately; the reader starts after this wait
    pair.receiver(direction).expect_stream_to_end(pattern(1), IN_FLIGHT, StreamEnd.EOF)


@case_each_direction
def a_unix_socket_closed_with_unread_data_is_a_reset(bench: Bench, direction: Direction) -> None:
    start(bench, unix=direction)
    pair = bench.pair()
    closing, remaining = pair.sender(direction), pair.receiver(direction)
    remaining.send(b"never read")
    wait_until("unread bytes", lambda: closing.unread)
    closing.send(b"goodbye")
    closing.close()
    remaining.expect_to_end(StreamEnd.RESET, b"goodbye")


@case_each_direction
def any_other_close_of_a_unix_socket_is_an_end(bench: Bench, direction: Direction) -> None:
    start(bench, unix=direction)
    pair = bench.pair()
    closing, remaining = pair.sender(direction), pair.receiver(direction)
    pair.exchange()
    closing.send(b"goodbye")
    closing.close()
    remaining.expect_to_end(StreamEnd.EOF, b"goodbye")
