"""The client's view of a server that refuses, is unreachable, is silent, answers late, or closes immediately."""

import time

import kernel
from bench import Bench
from contract import case
from pattern import pattern
from peer import Pair, Peer, StreamEnd
from waits import CLOCK_STEP, Failure, require, wait_until

UNREACHABLE = ("127.255.255.255", 7000)
"""A broadcast address, for which the kernel rejects a TCP connection immediately with ENETUNREACH."""

SOON = 3.0
"""Seconds: less than any proxy's connect timeout, which would end the attempt too."""

CONNECT_TIMEOUT = 1.0
"""Seconds, for proxies that must give up soon."""


def connect_unless_reset(bench: Bench) -> Peer | None:
    """Connects a client; returns None if the reset arrived before connect(2) returned."""
    try:
        return bench.connect()
    except ConnectionError:
        return None


def expect_resets(bench: Bench, clients: int, data: bytes = b"") -> None:
    """Expects each client to be reset: an orderly end would look like an empty response."""
    for _ in range(clients):
        client = connect_unless_reset(bench)
        if not client:
            continue
        try:
            client.send(data)
        except Failure:
            continue  # it was reset
        client.expect_to_end(StreamEnd.RESET)


@case
def a_refused_connection_is_a_reset(bench: Bench) -> None:
    bench.start(server=False)
    expect_resets(bench, 10)


@case
def early_bytes_do_not_hide_a_refusal(bench: Bench) -> None:
    bench.start(server=False)
    expect_resets(bench, 10, b"request")


@case
def an_unreachable_server_is_a_reset(bench: Bench) -> None:
    bench.start(server=False, target=UNREACHABLE)
    expect_resets(bench, 1)


@case
def a_silent_server_is_a_reset_when_time_is_out(bench: Bench) -> None:
    bench.start(server_backlog=0, connect=CONNECT_TIMEOUT)
    bench.fill_server_backlog()
    start = time.monotonic()
    bench.connect().expect_to_end(StreamEnd.RESET)
    elapsed = time.monotonic() - start
    require(
        elapsed >= CONNECT_TIMEOUT - CLOCK_STEP, f"the attempt ended after {elapsed:.2f} s of {CONNECT_TIMEOUT:g} s"
    )


@case
def a_client_reset_meanwhile_ends_the_attempt(bench: Bench) -> None:
    bench.start(server_backlog=0)
    bench.fill_server_backlog()
    client = bench.connect()
    client.send(b"request")
    wait_until("a connection attempt", lambda: kernel.connecting_to(bench.target))
    client.reset()
    bench.wait_for_no_sockets(SOON)


@case
def a_client_that_ended_meanwhile_is_served(bench: Bench) -> None:
    bench.start(server_backlog=0)
    queued = bench.fill_server_backlog()
    client = bench.connect()
    client.send(b"request")
    client.half_close()
    wait_until("a connection attempt", lambda: kernel.connecting_to(bench.target))
    # The kernel retransmits its SYN after a second, and then connects.
    bench.empty_server_backlog(queued)
    server = bench.accept()
    server.expect_to_end(StreamEnd.EOF, b"request")
    server.send(b"answer")
    server.close()
    client.expect_to_end(StreamEnd.EOF, b"answer")


@case
def a_server_that_ends_at_once_is_an_end(bench: Bench) -> None:
    bench.start()
    for _ in range(20):
        client = bench.connect()
        bench.accept().close()
        client.expect_to_end(StreamEnd.EOF)


@case
def a_server_that_resets_at_once_is_a_reset(bench: Bench) -> None:
    bench.start()
    for _ in range(20):
        client = connect_unless_reset(bench)
        bench.accept().reset()
        if client:
            client.expect_to_end(StreamEnd.RESET)


@case
def a_server_that_comes_back_is_used(bench: Bench) -> None:
    bench.start(server=False)
    for _ in range(20):
        client = connect_unless_reset(bench)
        if client:
            client.receive_to_end()
    bench.listen()
    bench.pair().exchange()


@case
def clients_gone_before_service_harm_nobody(bench: Bench) -> None:
    bench.start()
    working = bench.pair()
    for number in range(100):
        client = bench.connect()
        if number % 2:
            client.send(b"request")
        client.reset()
    working.exchange()
    late = bench.connect()
    late.send(b"here I am")
    # Servers with a connection of a departed client see its end; one server has the late client's connection.
    while True:
        server = bench.accept()
        try:
            if server.receive(4) == b"here":
                break
        except Failure:
            continue
    server.expect(b" I am")
    Pair(late, server).exchange()


@case
def the_server_may_be_slow_to_accept(bench: Bench) -> None:
    bench.start()
    clients = [bench.connect() for _ in range(10)]
    for client in clients:
        client.send_stream(pattern(1), 10_000)
        client.half_close()
    wait_until("connections in the server's queue", lambda: kernel.accept_queue_length(bench.target) == len(clients))
    for _ in clients:
        server = bench.accept()
        server.expect_stream_to_end(pattern(1), 10_000, StreamEnd.EOF)
        server.send(b"done")
        server.close()
    for client in clients:
        client.expect_to_end(StreamEnd.EOF, b"done")
