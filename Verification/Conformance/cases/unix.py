"""Unix sockets on one or both sides: what they share with TCP sockets, and what differs."""

from bench import Bench
from contract import case_each_direction
from pattern import pattern
from peer import Direction, Pair, StreamEnd
from waits import observe, wait_until

COUNT = 4 << 20
"""Bytes: more than the queues of both sockets hold."""

IN_FLIGHT = 64 * 1024
"""Bytes that fit into the queues on the path, including that of a Unix socket, for any write sizes."""


def start_pair(bench: Bench, unix: Direction) -> Pair:
    """Opens a connection with a Unix socket on the side that sends in this direction, and TCP on the other."""
    return bench.start_pair(unix_listen=unix is Direction.UPSTREAM, unix_target=unix is Direction.DOWNSTREAM)


@case_each_direction
def bytes_and_ends_pass_between_unix_sockets(bench: Bench, direction: Direction) -> None:
    pair = bench.start_pair(unix_listen=True, unix_target=True)
    pair.stream_to_eof(direction, pattern(1), COUNT)
    pair.half_close(direction.opposite, b"answer")


@case_each_direction
def a_reset_is_an_end_to_a_unix_socket(bench: Bench, direction: Direction) -> None:
    pair = start_pair(bench, unix=direction.opposite)
    pair.sender(direction).send_stream(pattern(1), IN_FLIGHT)
    wait_until("the sent data to arrive at the proxy", lambda: pair.sender(direction).unacknowledged == 0)
    pair.sender(direction).reset()
    observe()  # a fault shows immediately; the reader starts after this wait
    pair.receiver(direction).expect_stream_to_end(pattern(1), IN_FLIGHT, StreamEnd.EOF)


@case_each_direction
def a_unix_socket_closed_with_unread_data_is_a_reset(bench: Bench, direction: Direction) -> None:
    start_pair(bench, unix=direction).close_with_unread_bytes(direction)


@case_each_direction
def any_other_close_of_a_unix_socket_is_an_end(bench: Bench, direction: Direction) -> None:
    pair = start_pair(bench, unix=direction)
    closing, remaining = pair.ends(direction)
    pair.exchange()
    closing.send(b"goodbye")
    closing.close()
    remaining.expect_to_end(StreamEnd.EOF, b"goodbye")
