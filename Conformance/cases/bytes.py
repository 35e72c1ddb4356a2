"""Bytes: all of them, unaltered, in order, at once."""

import select
import time

import kernel
from bench import Bench
from contract import case, case_each_way
from pattern import pattern
from peer import End, Pair, Way
from waits import ABSENCE, meanwhile, require, wait_until

MUCH = 16 << 20

URGENT_AT = 2 << 20
"""Bytes of bulk on both sides of an urgent one."""

ODD_SIZES = (1, 2, 3, 100, 1459, 1460, 1461, 4096, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 131_073, 524_289)
"""Bytes, on both sides of the sizes that buffers and segments have."""


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
    # Where the second piece waits for the acknowledgement of the first, which the reader's kernel delays by 40 ms, this
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
        # Nothing more comes: a small message after bulk, too, is passed on by itself.
        pair.sender(way).send(b"and one more")
        pair.receiver(way).expect(b"and one more")


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
        wait_until("an attempt to connect", lambda: kernel.connecting_to(bench.target))
        # The kernel repeats its SYN after a second, and then gets through.
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
def the_urgent_mark_is_not_passed_on(bench: Bench, way: Way) -> None:
    bench.start()
    pair = bench.pair()
    pair.sender(way).send(b"before;")
    pair.sender(way).send_urgent(b"U")
    pair.sender(way).send(b";after")
    marked = select.poll()
    marked.register(pair.receiver(way).socket, select.POLLPRI)
    # What is received, and whether it is all, is another sentence's case.
    while pair.receiver(way).has_news_within(ABSENCE):
        require(not marked.poll(0), "urgent data was announced as urgent")
        pair.receiver(way).receive()
