"""TLS on both sides of the proxy: bytes, ends, resets, handshakes, back-pressure, drains."""

import ssl
import time

from bench import SMALL_BUFFER, Bench
from cases.shutdown import GRACE, SHORT_GRACE, start_drain
from contract import case, case_each_direction
from pattern import pattern
from peer import Direction, Pair, StreamEnd
from tls_peer import VERSIONS, TLSPeer, alert_in, client_context, server_context
from waits import CLOCK_STEP, Failure, concurrently, observe, require, wait_until

BULK = 2 << 20

SIZES = (1, 100, 16_383, 16_384, 16_385, 65_536, 1 << 20)
"""Sizes of messages around that of a record."""

EXCHANGES = 20
"""Messages of a size in turn, each of which must arrive before the next one is sent."""

SMALL_PIECES = 2_000
"""Bytes of which each is sent as a record of its own."""

SILENT_CLIENTS = 40
"""Clients that stop in the middle of the handshake."""

HANDSHAKE_LIMIT = 1
"""Seconds for the handshake."""

OVERSIZED_HELLO = 64 * 1024
"""Bytes: more than any client sends before it is authenticated."""

GARBAGE = (b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n", bytes(range(256)) * 4, b"\x16\x03\x01\x00\x00" * 100)

AFTER_THE_END = b"\x17\x03\x03\x00\x05later"
"""A record that follows close_notify."""

PROTOCOL_VERSION, HANDSHAKE_FAILURE = 70, 40
"""Alerts of RFC 8446, 6.2."""


def tls_pairs(bench: Bench, receive_buffer: int | None = None, **settings: float) -> list[Pair]:
    """Starts a proxy with TLS on both sides; returns a connection of each version of TLS."""
    bench.start(tls="both", receive_buffer=receive_buffer, **settings)
    return [bench.tls_pair(version, receive_buffer) for version in VERSIONS]


def ends(pair: Pair, direction: Direction) -> tuple[TLSPeer, TLSPeer]:
    sender, receiver = pair.ends(direction)
    assert isinstance(sender, TLSPeer) and isinstance(receiver, TLSPeer)
    return sender, receiver


# Bytes


@case_each_direction
def tls_bytes_arrive_in_order(bench: Bench, direction: Direction) -> None:
    for pair in tls_pairs(bench):
        sender, receiver = pair.ends(direction)
        with concurrently(lambda: sender.send_stream(pattern(1), BULK)):
            receiver.expect_stream(pattern(1), BULK)
        for position in range(SMALL_PIECES):
            sender.send(pattern(2).at(position, 1))
        receiver.expect_stream(pattern(2), SMALL_PIECES)


@case
def tls_messages_of_any_size_are_not_held(bench: Bench) -> None:
    for pair in tls_pairs(bench):
        for size in SIZES:
            for _ in range(EXCHANGES):
                for direction in Direction:
                    sender, receiver = pair.ends(direction)
                    with concurrently(lambda: sender.send_stream(pattern(1), size)):
                        receiver.expect_stream(pattern(1), size)


@case
def tls_bytes_in_the_segment_of_the_handshake_arrive(bench: Bench) -> None:
    bench.start(tls="clients")
    for version in VERSIONS:
        connected = bench.connect()
        client = TLSPeer("the client", connected.socket, connected.remote, client_context(version))
        # With TLS 1.2 the server's Finished comes last, so the bytes cannot be in the client's last segment.
        if version is ssl.TLSVersion.TLSv1_3:
            client.finish_handshake_with(b"early")
        else:
            client.handshake()
            client.send(b"early")
        server = bench.accept()
        server.expect(b"early")
        server.send(b"answer")
        client.expect(b"answer")


@case
def tls_handshakes_in_single_bytes_complete(bench: Bench) -> None:
    bench.start(tls="clients")
    for version in VERSIONS:
        connected = bench.connect()
        client = TLSPeer("the client", connected.socket, connected.remote, client_context(version))
        hello = client.start_handshake()
        for position in range(len(hello)):
            client.raw.send(hello[position : position + 1])
        client.handshake()
        Pair(client, bench.accept()).exchange()


# Ends


@case_each_direction
def tls_close_notify_is_forwarded(bench: Bench, direction: Direction) -> None:
    for pair in tls_pairs(bench):
        sender, receiver = ends(pair, direction)
        with concurrently(lambda: (sender.send_stream(pattern(1), BULK), sender.half_close())):
            receiver.expect_stream_to_end(pattern(1), BULK, StreamEnd.EOF)
        receiver.require_close_notify()


@case_each_direction
def tls_close_notify_leaves_the_other_direction_flowing(bench: Bench, direction: Direction) -> None:
    for pair in tls_pairs(bench):
        sender, receiver = ends(pair, direction)
        sender.half_close()
        receiver.expect_end()
        with concurrently(lambda: (receiver.send_stream(pattern(1), BULK), receiver.half_close())):
            sender.expect_stream_to_end(pattern(1), BULK, StreamEnd.EOF)
        sender.require_close_notify()


@case_each_direction
def tls_close_notify_without_a_fin_is_an_end(bench: Bench, direction: Direction) -> None:
    for pair in tls_pairs(bench):
        sender, receiver = ends(pair, direction)
        sender.send(b"the end")
        sender.send_close_notify()
        receiver.expect_to_end(StreamEnd.EOF, b"the end")


@case_each_direction
def tls_bytes_after_close_notify_are_ignored(bench: Bench, direction: Direction) -> None:
    for pair in tls_pairs(bench, SMALL_BUFFER):
        sender, receiver = ends(pair, direction)
        sender.send_close_notify()
        receiver.expect_to_end(StreamEnd.EOF)
        sender.raw.send(AFTER_THE_END)
        wait_until("the bytes to arrive at the proxy", lambda: sender.unacknowledged == 0)
        with concurrently(lambda: (receiver.send_stream(pattern(1), BULK), receiver.half_close())):
            observe()  # so that the proxy has bytes to send when it could close
            sender.expect_stream_to_end(pattern(1), BULK, StreamEnd.EOF)


@case_each_direction
def tls_a_fin_without_close_notify_is_an_end(bench: Bench, direction: Direction) -> None:
    for pair in tls_pairs(bench):
        sender, receiver = ends(pair, direction)
        sender.send(b"the end")
        sender.raw.half_close()
        receiver.expect_to_end(StreamEnd.EOF, b"the end")


@case
def tls_ends_at_the_same_moment_lose_nothing(bench: Bench) -> None:
    bench.start(tls="both")
    for version in VERSIONS * 5:
        pair = bench.tls_pair(version)
        from_client, from_server = pair.send_from_both()
        pair.client.half_close()
        pair.server.half_close()
        pair.client.expect_to_end(StreamEnd.EOF, from_server)
        pair.server.expect_to_end(StreamEnd.EOF, from_client)
    bench.wait_for_no_sockets()


# Resets


@case_each_direction
def tls_a_reset_is_forwarded_after_the_bytes(bench: Bench, direction: Direction) -> None:
    for pair in tls_pairs(bench):
        sender, receiver = ends(pair, direction)
        pair.exchange()
        sender.send(b"last words")
        wait_until("the last words to arrive at the proxy", lambda: sender.unacknowledged == 0)
        sender.reset()
        receiver.expect_to_end(StreamEnd.RESET, b"last words")


@case_each_direction
def tls_an_altered_record_is_a_reset(bench: Bench, direction: Direction) -> None:
    for pair in tls_pairs(bench):
        sender, receiver = ends(pair, direction)
        pair.exchange()
        sender.send(b"last words")
        record = bytearray(sender.encode(b"altered"))
        record[-1] ^= 1
        sender.raw.send(record)
        receiver.expect_to_end(StreamEnd.RESET, b"last words")


# Handshakes


@case
def tls_failed_handshakes_get_an_alert(bench: Bench) -> None:
    bench.start(tls="clients")
    for version, ciphers, alert in (
        (ssl.TLSVersion.TLSv1_1, "DEFAULT@SECLEVEL=0", PROTOCOL_VERSION),
        (ssl.TLSVersion.TLSv1_2, "AES128-SHA@SECLEVEL=0", HANDSHAKE_FAILURE),
    ):
        context = ssl.create_default_context()
        context.set_ciphers(ciphers)
        context.minimum_version = context.maximum_version = version
        connected = bench.connect()
        client = TLSPeer("the client", connected.socket, connected.remote, context)
        client.raw.send(client.start_handshake())
        rest = client.raw.receive_to_end()
        require(rest.end is StreamEnd.EOF, f"the client saw {rest.end.value}, not an alert and EOF")
        require(alert_in(rest.data) == alert, f"the client received {rest.data!r}, not alert {alert}")
    require(not bench.has_pending_connection(), "a server was connected")


@case
def tls_garbage_ends_the_connection(bench: Bench) -> None:
    bench.start(tls="clients")
    for data in (*GARBAGE, oversized_hello()):
        client = bench.connect()
        try:
            client.send(data)
        except Failure:
            pass  # the proxy may close the connection before it has received everything
        client.receive_to_end()
    require(not bench.has_pending_connection(), "a server was connected")
    for version in VERSIONS:
        bench.tls_pair(version).exchange()


def oversized_hello() -> bytes:
    """Returns a ClientHello that announces and has OVERSIZED_HELLO bytes, in full records."""
    message = b"\x01" + OVERSIZED_HELLO.to_bytes(3, "big") + b"\x03\x03" + bytes(OVERSIZED_HELLO - 2)
    pieces = [message[start : start + 16_384] for start in range(0, len(message), 16_384)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


@case
def tls_an_end_during_the_handshake_is_not_a_connection(bench: Bench) -> None:
    bench.start(tls="clients")
    connected = bench.connect()
    client = TLSPeer("the client", connected.socket, connected.remote, client_context(ssl.TLSVersion.TLSv1_3))
    client.raw.send(client.start_handshake()[:100])
    client.raw.half_close()
    client.raw.receive_to_end()
    require(not bench.has_pending_connection(), "a server was connected")
    bench.wait_for_no_sockets()


@case
def tls_slow_handshakes_are_ended(bench: Bench) -> None:
    bench.start(tls="clients", handshake=HANDSHAKE_LIMIT)
    for sent in (0, 100):
        started = time.monotonic()
        connected = bench.connect()
        client = TLSPeer("the client", connected.socket, connected.remote, client_context(ssl.TLSVersion.TLSv1_3))
        client.raw.send(client.start_handshake()[:sent])
        client.raw.receive_to_end()
        elapsed = time.monotonic() - started
        require(elapsed >= HANDSHAKE_LIMIT - CLOCK_STEP, f"it ended after {elapsed:.2f} s of {HANDSHAKE_LIMIT} s")
    require(not bench.has_pending_connection(), "a server was connected")


@case
def tls_slow_handshakes_leave_others_alone(bench: Bench) -> None:
    bench.start(tls="clients")
    hello = b""
    for number in range(SILENT_CLIENTS):
        connected = bench.connect()
        client = TLSPeer("the client", connected.socket, connected.remote, client_context(ssl.TLSVersion.TLSv1_3))
        hello = client.start_handshake()
        client.raw.send(hello[: number * len(hello) // SILENT_CLIENTS])
    for version in VERSIONS:
        bench.tls_pair(version).exchange()


@case
def tls_a_server_that_is_not_trusted_is_a_reset(bench: Bench) -> None:
    bench.start(tls="servers")
    for version in VERSIONS:
        client = bench.connect()
        client.send(b"secret")
        accepted = bench.accept()
        stranger = server_context(version, "stranger.example.test")
        server = TLSPeer("the server", accepted.socket, accepted.remote, stranger)
        try:
            server.handshake()
            rest = server.receive()
        except Failure:
            rest = b""
        require(not rest, f"the server received {rest!r}")
        server.close()
        client.expect_to_end(StreamEnd.RESET)


# Back-pressure


@case_each_direction
def tls_a_stalled_reader_stops_the_sender(bench: Bench, direction: Direction) -> None:
    for pair in tls_pairs(bench, SMALL_BUFFER):
        sender, receiver = ends(pair, direction)
        sent = sender.send_until_blocked(pattern(1))
        back = direction.opposite
        pair.sender(back).send(b"the other direction")
        # The records of this direction are not behind those of the other one.
        pair.receiver(back).expect(b"the other direction")
        with concurrently(sender.half_close):
            receiver.expect_stream_to_end(pattern(1), sent, StreamEnd.EOF)


# Drains


@case_each_direction
def tls_pending_bytes_outlive_a_drain(bench: Bench, direction: Direction) -> None:
    pairs = tls_pairs(bench, SMALL_BUFFER, grace=GRACE)
    sent = [ends(pair, direction)[0].send_until_blocked(pattern(1)) for pair in pairs]
    start_drain(bench)
    for pair, count in zip(pairs, sent):
        sender, receiver = ends(pair, direction)
        with concurrently(sender.half_close):
            receiver.expect_stream_to_end(pattern(1), count, StreamEnd.EOF)
        receiver.require_close_notify()
        receiver.half_close()
    bench.expect_exit()


@case
def tls_handshakes_complete_in_a_drain(bench: Bench) -> None:
    bench.start(tls="clients", grace=GRACE)
    connected = bench.connect()
    client = TLSPeer("the client", connected.socket, connected.remote, client_context(ssl.TLSVersion.TLSv1_3))
    client.raw.send(client.start_handshake())
    require(client.raw.is_readable_within(5), "the proxy did not answer the ClientHello")
    start_drain(bench)
    client.handshake()
    Pair(client, bench.accept()).exchange()


@case
def tls_a_forced_close_is_a_reset(bench: Bench) -> None:
    pairs = tls_pairs(bench, grace=SHORT_GRACE)
    for pair in pairs:
        pair.exchange()
    start_drain(bench)
    for pair in pairs:
        for peer in (pair.client, pair.server):
            peer.expect_to_end(StreamEnd.RESET)
            require(not peer.has_close_notify, f"{peer.name} received close_notify, which marks a complete stream")
