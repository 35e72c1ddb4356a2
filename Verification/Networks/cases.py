"""Connections on a network that breaks between the hosts."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hosts import DARK, FINE, Weather
from pattern import pattern
from peer import End, Pair, Way
from road import Road
from waits import Reset, meanwhile, require, watch_for_absence

MiB = 1 << 20
UP, DOWN = pattern(1), pattern(2)

LIMIT = 2
"""Seconds, of each timeout under test."""

LATE = 8.0
"""Seconds: the maximum delay of a timeout beyond its limit. The kernel checks at its next retransmission or probe."""

EARLY = 0.25
"""Seconds by which this measurement may start later than the kernel's."""

OUTAGE = 1.0

LOSSY = Weather(lost=0.01, delay=5, jitter=1)
WILD = Weather(lost=0.005, doubled=0.02, damaged=0.005, delay=2, jitter=4)

Run = Callable[[Road], None]
CASES: dict[str, tuple[str, Run]] = {}
"""By name: the engine, and the function to run."""


def case(run: Run) -> Run:
    CASES[run.__name__] = ("auto", run)
    return run


def case_each_engine(run: Run) -> Run:
    for engine in ("auto", "copy", "splice"):
        CASES[f"{run.__name__} ({engine})"] = (engine, run)
    return run


def case_each_engine_and_way(run: Callable[[Road, Way], None]) -> Callable[[Road, Way], None]:
    for engine in ("auto", "copy", "splice"):
        for way in Way:
            CASES[f"{run.__name__} ({engine}, {way.value})"] = (engine, lambda road, way=way: run(road, way))
    return run


def case_each_way(run: Callable[[Road, Way], None]) -> Callable[[Road, Way], None]:
    for way in Way:
        CASES[f"{run.__name__} ({way.value})"] = ("auto", lambda road, way=way: run(road, way))
    return run


@contextmanager
def told_after(limit: float, late: float = LATE) -> Iterator[None]:
    """Requires that the block takes as long as a timeout."""
    started = time.monotonic()
    yield
    seconds = time.monotonic() - started
    require(limit - EARLY <= seconds <= limit + late, f"took {seconds:.2f} s, with a timeout of {limit:g} s")


def pass_both_ways(pair: Pair, count: int, in_the_middle: Callable[[], object] = lambda: None) -> None:
    """Streams in both directions concurrently, each with its end; calls `in_the_middle` when a quarter of one has
    arrived."""

    def send_up() -> None:
        pair.client.send_stream(UP, count)
        pair.client.finish()

    def send_down() -> None:
        pair.server.send_stream(DOWN, count)
        pair.server.finish()

    def receive_up() -> None:
        pair.server.expect_rest_of(UP, count, End.END)

    with meanwhile(send_up), meanwhile(send_down), meanwhile(receive_up):
        pair.client.expect_stream(DOWN, count // 4)
        in_the_middle()
        pair.client.expect_rest_of(DOWN, count - count // 4, End.END, start=count // 4)


# Impaired network: everything arrives


@case_each_engine
def loss_and_delay_lose_nothing(road: Road) -> None:
    road.turns(LOSSY)
    road.start()
    pass_both_ways(road.pair(), 3 * MiB)
    road.wait_for_no_sockets()


@case_each_engine
def packets_doubled_damaged_and_out_of_order_harm_nothing(road: Road) -> None:
    road.turns(WILD)
    road.start()
    pass_both_ways(road.pair(), 3 * MiB)
    road.wait_for_no_sockets()


@case_each_engine
def a_network_that_comes_back_has_lost_nothing(road: Road) -> None:
    road.start()

    def outage() -> None:
        road.turns(DARK)
        watch_for_absence(OUTAGE)
        road.turns(FINE)

    pass_both_ways(road.pair(), 16 * MiB, outage)
    road.wait_for_no_sockets()


@case_each_engine
def a_link_that_comes_back_has_lost_nothing(road: Road) -> None:
    road.start()

    def outage() -> None:
        with road.link_down(road.far), road.link_down(road.near):
            watch_for_absence(OUTAGE)

    pass_both_ways(road.pair(), 16 * MiB, outage)
    road.wait_for_no_sockets()


# In the middle of a transfer


@case_each_engine_and_way
def a_link_that_goes_down_in_a_transfer_ends_it_in_time(road: Road, way: Way) -> None:
    road.start(user_timeout=LIMIT)
    pair = road.pair()
    sender, receiver = pair.sender(way), pair.receiver(way)

    told = threading.Event()

    def send() -> None:
        try:
            sender.send_stream(UP, 4096 * MiB)
        except Reset:
            told.set()

    with meanwhile(send):
        receiver.expect_stream(UP, 4 * MiB)
        with road.link_down(road.wire_to_receiver(way)):
            with told_after(LIMIT):
                require(told.wait(LIMIT + LATE), f"{sender.name} was not reset")
            road.wait_for_no_sockets()
    # The other end is unreachable, and gets the reset once it is reachable and sends.
    receiver.send_until_reset()


# Connecting


@case
def a_black_hole_is_a_reset_when_the_connect_time_out_is_over(road: Road) -> None:
    road.start(connect=LIMIT)
    road.far.turns(DARK)
    client = road.connect()
    with told_after(LIMIT):
        client.expect_rest(End.RESET)
    road.wait_for_no_sockets()


@case
def a_black_hole_that_heals_in_time_is_no_failure(road: Road) -> None:
    road.start()
    road.far.turns(DARK)
    client = road.connect()
    client.send(b"ping")
    watch_for_absence(OUTAGE / 2)
    road.far.turns(FINE)
    server = road.accept()
    server.expect(b"ping")
    Pair(client, server).exchange()


@case
def a_network_without_a_route_is_a_reset_at_once(road: Road) -> None:
    road.start(server=False, target=("10.9.0.1", 7000))
    with told_after(0, late=LIMIT):
        road.connect().expect_rest(End.RESET)
    road.wait_for_no_sockets()


@case
def a_router_that_says_unreachable_is_a_reset_at_once(road: Road) -> None:
    road.server_host.forward_packets()
    road.server_host.ip("route", "add", "unreachable", "10.9.0.0/24")
    road.proxy_host.ip("route", "add", "10.9.0.0/24", "via", "10.2.0.2")
    road.start(server=False, target=("10.9.0.1", 7000))
    with told_after(0, late=LIMIT):
        road.connect().expect_rest(End.RESET)
    road.wait_for_no_sockets()


@case
def a_server_whose_link_is_down_is_served_again_when_it_is_up(road: Road) -> None:
    road.start()
    with road.link_down(road.far):
        road.connect().expect_rest(End.RESET)
    road.pair().exchange()


# An unreachable host


@case_each_way
def a_host_that_is_gone_while_idle_is_noticed_by_keep_alive(road: Road, way: Way) -> None:
    keep_alive = 1
    road.start(client_keep_alive=keep_alive)
    pair = road.pair()
    pair.exchange()
    road.wire_to_receiver(way).turns(DARK)
    with told_after(3 * keep_alive):
        pair.sender(way).expect_rest(End.RESET)
    road.wait_for_no_sockets()


@case_each_way
def a_host_that_is_gone_with_bytes_in_flight_is_noticed_by_the_user_time_out(road: Road, way: Way) -> None:
    road.start(user_timeout=LIMIT)
    pair = road.pair()
    pair.exchange()
    road.wire_to_receiver(way).turns(DARK)
    sender = pair.sender(way)
    with told_after(LIMIT):
        sender.send(b"still there?")
        sender.expect_rest(End.RESET)
    road.wait_for_no_sockets()


@case
def a_host_that_is_gone_for_a_while_is_not_given_up(road: Road) -> None:
    road.start(client_keep_alive=1)
    pair = road.pair()
    pair.exchange()
    road.turns(DARK)
    watch_for_absence(OUTAGE)
    road.turns(FINE)
    pair.exchange()
