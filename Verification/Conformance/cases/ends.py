"""End of stream: a FIN is forwarded as a FIN, in each direction separately, after the last byte."""

from bench import SMALL_BUFFER, Bench
from contract import case, case_each_way
from pattern import pattern
from peer import End, Peer, Way
from waits import meanwhile, require, watch_for_absence

MUCH = 4 << 20

REST = 1.5
"""Seconds of silence on a half-closed connection; a short timeout left enabled by mistake would be shorter."""


def other(way: Way) -> Way:
    return Way.DOWNSTREAM if way is Way.UPSTREAM else Way.UPSTREAM


def send_and_finish(sender: Peer, count: int) -> None:
    sender.send_stream(pattern(1), count)
    sender.finish()


@case
def an_empty_connection_is_passed_on(bench: Bench) -> None:
    bench.start()
    pair = bench.pair()
    pair.client.finish()
    pair.server.expect_rest(End.END)
    pair.server.finish()
    pair.client.expect_rest(End.END)


@case_each_way
def an_end_comes_after_the_last_byte(bench: Bench, way: Way) -> None:
    bench.start(receive_buffer=SMALL_BUFFER)
    pair = bench.pair(SMALL_BUFFER)
    sent = pair.sender(way).send_what_fits(pattern(1))
    pair.sender(way).finish()
    watch_for_absence()  # time for an end that overtakes the bytes
    pair.receiver(way).expect_rest_of(pattern(1), sent, End.END)


@case_each_way
def an_end_leaves_the_other_direction_flowing(bench: Bench, way: Way) -> None:
    bench.start()
    pair = bench.pair()
    back = other(way)
    pair.sender(back).send_stream(pattern(1), SMALL_BUFFER)
    pair.sender(way).send(b"the end")
    pair.sender(way).finish()
    pair.receiver(way).expect_rest(End.END, b"the end")
    with meanwhile(lambda: pair.sender(back).send_stream(pattern(1), MUCH, SMALL_BUFFER)):
        pair.receiver(back).expect_stream(pattern(1), SMALL_BUFFER + MUCH)
    pair.sender(back).finish()
    pair.receiver(back).expect_rest(End.END)


@case_each_way
def a_half_closed_connection_may_rest(bench: Bench, way: Way) -> None:
    bench.start()
    pair = bench.pair()
    pair.exchange()
    back = other(way)
    pair.sender(way).finish()
    pair.receiver(way).expect_rest(End.END)
    for message in (b"first", b"second"):
        watch_for_absence(REST)
        pair.sender(back).send(message)
        pair.receiver(back).expect(message)
    pair.sender(back).finish()
    pair.receiver(back).expect_rest(End.END)


@case
def a_request_and_its_end_get_their_answer(bench: Bench) -> None:
    bench.start()
    for number in range(20):
        request = b"request %d" % number
        pair = bench.pair()
        pair.client.send(request)
        pair.client.finish()
        pair.server.expect_rest(End.END, request)
        with meanwhile(lambda: (pair.server.send_stream(pattern(1), MUCH // 8), pair.server.close())):
            pair.client.expect_rest_of(pattern(1), MUCH // 8, End.END)


@case
def ends_at_the_same_moment_lose_nothing(bench: Bench) -> None:
    bench.start()
    for _ in range(20):
        pair = bench.pair()
        pair.client.send(b"from the client")
        pair.server.send(b"from the server")
        pair.client.finish()
        pair.server.finish()
        pair.client.expect_rest(End.END, b"from the server")
        pair.server.expect_rest(End.END, b"from the client")


@case
def ends_of_bulk_both_ways_lose_nothing(bench: Bench) -> None:
    bench.start()
    for _ in range(10):
        pair = bench.pair()
        with (
            meanwhile(lambda: send_and_finish(pair.client, 2 * MUCH)),
            meanwhile(lambda: send_and_finish(pair.server, 2 * MUCH)),
            meanwhile(lambda: pair.client.expect_rest_of(pattern(1), 2 * MUCH, End.END)),
        ):
            pair.server.expect_rest_of(pattern(1), 2 * MUCH, End.END)


@case_each_way
def a_close_after_sending_loses_nothing(bench: Bench, way: Way) -> None:
    bench.start()
    pair = bench.pair()
    sender = pair.sender(way)
    with meanwhile(lambda: (sender.send_stream(pattern(1), MUCH), sender.close())):
        pair.receiver(way).expect_rest_of(pattern(1), MUCH, End.END)


@case_each_way
def sending_to_a_closed_side_meets_a_reset(bench: Bench, way: Way) -> None:
    bench.start()
    pair = bench.pair()
    pair.exchange()
    pair.receiver(way).close()
    require(not pair.sender(way).receive(), "received data, expected EOF")
    pair.sender(way).send_until_reset()


@case
def when_both_have_ended_nothing_is_kept(bench: Bench) -> None:
    bench.start()
    for _ in range(10):
        pair = bench.pair()
        pair.exchange()
        pair.client.finish()
        pair.server.finish()
        pair.client.expect_rest(End.END)
        pair.server.expect_rest(End.END)
    # The clients and servers still have their sockets open; the proxy must have closed its own.
    bench.wait_for_no_sockets()
