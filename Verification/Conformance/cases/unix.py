"""Unix sockets on one or both sides: what they share with TCP sockets, and what differs."""

from bench import Bench
from cases.ends import other
from contract import case_each_way
from pattern import pattern
from peer import End, Way
from waits import meanwhile, wait_until, watch_for_absence

COUNT = 4 << 20
"""Bytes: more than the queues of both sockets hold."""

IN_FLIGHT = 64 * 1024
"""Bytes that fit into the queues on the path, including that of a Unix socket, for any write sizes."""


def start(bench: Bench, unix: Way) -> None:
    """Starts the proxy with a Unix socket on the side that sends in this direction, and TCP on the other."""
    bench.start(unix_front=unix is Way.UPSTREAM, unix_target=unix is Way.DOWNSTREAM)


@case_each_way
def bytes_and_ends_pass_between_unix_sockets(bench: Bench, way: Way) -> None:
    bench.start(unix_front=True, unix_target=True)
    pair = bench.pair()
    sender, receiver = pair.sender(way), pair.receiver(way)
    with meanwhile(lambda: (sender.send_stream(pattern(1), COUNT), sender.finish())):
        receiver.expect_rest_of(pattern(1), COUNT, End.END)
    receiver.send(b"answer")
    receiver.finish()
    sender.expect_rest(End.END, b"answer")


@case_each_way
def a_reset_is_an_end_to_a_unix_socket(bench: Bench, way: Way) -> None:
    start(bench, unix=other(way))
    pair = bench.pair()
    pair.sender(way).send_stream(pattern(1), IN_FLIGHT)
    wait_until("the sent data to arrive at the proxy", lambda: pair.sender(way).unacknowledged == 0)
    pair.sender(way).reset()
    watch_for_absence()  # a fault shows immediately; the reader starts after this wait
    pair.receiver(way).expect_rest_of(pattern(1), IN_FLIGHT, End.END)


@case_each_way
def a_unix_socket_closed_with_unread_data_is_a_reset(bench: Bench, way: Way) -> None:
    start(bench, unix=way)
    pair = bench.pair()
    leaver, stayer = pair.sender(way), pair.receiver(way)
    stayer.send(b"never read")
    wait_until("unread bytes", lambda: leaver.unread)
    leaver.send(b"goodbye")
    leaver.close()
    stayer.expect_rest(End.RESET, b"goodbye")


@case_each_way
def any_other_close_of_a_unix_socket_is_an_end(bench: Bench, way: Way) -> None:
    start(bench, unix=way)
    pair = bench.pair()
    leaver, stayer = pair.sender(way), pair.receiver(way)
    pair.exchange()
    leaver.send(b"goodbye")
    leaver.close()
    stayer.expect_rest(End.END, b"goodbye")
