"""Connections on a network with faults between the hosts."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hosts import ALL_LOST, UNIMPAIRED, Impairment
from pattern import pattern
from peer import Direction, Pair, StreamEnd
from topology import Topology
from waits import Reset, concurrently, observe, require

MiB = 1 << 20
UP, DOWN = pattern(1), pattern(2)

LIMIT = 2
"""Seconds, of each timeout under test."""

MAX_LATENESS = 8.0
"""Seconds: the maximum delay of a timeout beyond its limit. The kernel checks at its next retransmission or probe."""

CLOCK_TOLERANCE = 0.25
"""Seconds by which this measurement may start later than the kernel's."""

OUTAGE = 1.0

LOSSY = Impairment(loss=0.01, delay=5, jitter=1)
UNRELIABLE = Impairment(loss=0.005, duplicates=0.02, corruption=0.005, delay=2, jitter=4)

Run = Callable[[Topology], None]
CASES: dict[str, tuple[str, Run]] = {}
"""By name: the engine, and the function to run."""


def case(run: Run) -> Run:
    CASES[run.__name__] = ("auto", run)
    return run


def case_each_engine(run: Run) -> Run:
    for engine in ("auto", "copy", "splice"):
        CASES[f"{run.__name__} ({engine})"] = (engine, run)
    return run


def case_each_engine_and_direction(run: Callable[[Topology, Direction], None]) -> Callable[[Topology, Direction], None]:
    for engine in ("auto", "copy", "splice"):
        for direction in Direction:
            CASES[f"{run.__name__} ({engine}, {direction.value})"] = (
                engine,
                lambda topology, direction=direction: run(topology, direction),
            )
    return run


def case_each_direction(run: Callable[[Topology, Direction], None]) -> Callable[[Topology, Direction], None]:
    for direction in Direction:
        CASES[f"{run.__name__} ({direction.value})"] = (
            "auto",
            lambda topology, direction=direction: run(topology, direction),
        )
    return run


@contextmanager
def expect_duration(limit: float, late: float = MAX_LATENESS) -> Iterator[None]:
    """Requires that the block takes as long as a timeout."""
    started = time.monotonic()
    yield
    seconds = time.monotonic() - started
    require(limit - CLOCK_TOLERANCE <= seconds <= limit + late, f"took {seconds:.2f} s, with a timeout of {limit:g} s")


def stream_both_directions(pair: Pair, count: int, during_transfer: Callable[[], object] = lambda: None) -> None:
    """Streams in both directions concurrently, each to its end; calls `during_transfer` when a quarter of one has
    arrived."""

    def send_down() -> None:
        pair.server.send_stream(DOWN, count)
        pair.server.half_close()

    with concurrently(lambda: pair.stream_to_eof(Direction.UPSTREAM, UP, count)), concurrently(send_down):
        pair.client.expect_stream(DOWN, count // 4)
        during_transfer()
        pair.client.expect_stream_to_end(DOWN, count - count // 4, StreamEnd.EOF, start=count // 4)


# Impaired network: everything arrives


def stream_over(impairment: Impairment, topology: Topology) -> None:
    """Streams in both directions over impaired links."""
    topology.impair(impairment)
    stream_both_directions(topology.start_pair(), 3 * MiB)
    topology.wait_for_no_sockets()


@case_each_engine
def loss_and_delay_lose_nothing(topology: Topology) -> None:
    stream_over(LOSSY, topology)


@case_each_engine
def duplicates_corruption_and_reordering_lose_nothing(topology: Topology) -> None:
    stream_over(UNRELIABLE, topology)


@case_each_engine
def a_short_outage_loses_nothing(topology: Topology) -> None:
    topology.start()

    def outage() -> None:
        topology.impair(ALL_LOST)
        observe(OUTAGE)
        topology.impair(UNIMPAIRED)

    stream_both_directions(topology.pair(), 16 * MiB, outage)
    topology.wait_for_no_sockets()


@case_each_engine
def a_short_link_failure_loses_nothing(topology: Topology) -> None:
    topology.start()

    def outage() -> None:
        with topology.interface_down(topology.far), topology.interface_down(topology.near):
            observe(OUTAGE)

    stream_both_directions(topology.pair(), 16 * MiB, outage)
    topology.wait_for_no_sockets()


# During a transfer


@case_each_engine_and_direction
def a_link_failure_during_a_transfer_resets_it_in_time(topology: Topology, direction: Direction) -> None:
    sender, receiver = topology.start_pair(user_timeout=LIMIT).ends(direction)
    was_reset = threading.Event()

    def send() -> None:
        try:
            sender.send_stream(UP, 4096 * MiB)
        except Reset:
            was_reset.set()

    with concurrently(send):
        receiver.expect_stream(UP, 4 * MiB)
        with topology.interface_down(topology.link_to_receiver(direction)):
            with expect_duration(LIMIT):
                require(was_reset.wait(LIMIT + MAX_LATENESS), f"{sender.name} was not reset")
            topology.wait_for_no_sockets()
    # The other end is unreachable, and gets the reset once it is reachable and sends.
    receiver.send_until_reset()


# Connecting


@case
def a_black_hole_is_a_reset_after_the_connect_timeout(topology: Topology) -> None:
    topology.start(connect=LIMIT)
    topology.far.impair(ALL_LOST)
    client = topology.connect()
    with expect_duration(LIMIT):
        client.expect_to_end(StreamEnd.RESET)
    topology.wait_for_no_sockets()


@case
def a_black_hole_that_ends_in_time_is_not_a_failure(topology: Topology) -> None:
    topology.start()
    topology.far.impair(ALL_LOST)
    client = topology.connect()
    client.send(b"ping")
    observe(OUTAGE / 2)
    topology.far.impair(UNIMPAIRED)
    server = topology.accept()
    server.expect(b"ping")
    Pair(client, server).exchange()


def expect_immediate_reset(topology: Topology) -> None:
    """Connects a client while the server has an address that the proxy cannot reach, and expects its reset."""
    topology.start(server=False, target=("10.9.0.1", 7000))
    with expect_duration(0, late=LIMIT):
        topology.connect().expect_to_end(StreamEnd.RESET)
    topology.wait_for_no_sockets()


@case
def a_missing_route_is_an_immediate_reset(topology: Topology) -> None:
    expect_immediate_reset(topology)


@case
def an_icmp_unreachable_is_an_immediate_reset(topology: Topology) -> None:
    topology.server_host.forward_packets()
    topology.server_host.ip("route", "add", "unreachable", "10.9.0.0/24")
    topology.proxy_host.ip("route", "add", "10.9.0.0/24", "via", "10.2.0.2")
    expect_immediate_reset(topology)


@case
def a_server_is_used_again_after_a_link_failure(topology: Topology) -> None:
    topology.start()
    with topology.interface_down(topology.far):
        topology.connect().expect_to_end(StreamEnd.RESET)
    topology.pair().exchange()


# An unreachable host


@case_each_direction
def keepalive_detects_a_lost_host_while_idle(topology: Topology, direction: Direction) -> None:
    keep_alive = 1
    pair = topology.start_exchange(client_keep_alive=keep_alive)
    topology.wait_until_acknowledged()
    topology.link_to_receiver(direction).impair(ALL_LOST)
    with expect_duration(3 * keep_alive):
        pair.sender(direction).expect_to_end(StreamEnd.RESET)
    topology.wait_for_no_sockets()


@case_each_direction
def the_user_timeout_detects_a_lost_host_with_bytes_in_flight(topology: Topology, direction: Direction) -> None:
    pair = topology.start_exchange(user_timeout=LIMIT)
    topology.link_to_receiver(direction).impair(ALL_LOST)
    sender = pair.sender(direction)
    with expect_duration(LIMIT):
        sender.send(b"still there?")
        sender.expect_to_end(StreamEnd.RESET)
    topology.wait_for_no_sockets()


@case
def a_short_loss_of_a_host_keeps_the_connection(topology: Topology) -> None:
    pair = topology.start_exchange(client_keep_alive=1)
    topology.impair(ALL_LOST)
    observe(OUTAGE)
    topology.impair(UNIMPAIRED)
    pair.exchange()
