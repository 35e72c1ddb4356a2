"""Behavior at each limit: which connections wait, which are served, and when."""

from bench import Bench
from contract import case
from peer import Pair, Peer
from servers import BackgroundServer
from waits import OBSERVATION_TIME, Failure, observe, require, wait_until

MAXIMUM = 2

CLIENTS = 24

MORE_THAN_ONE_QUEUED = 32
"""Clients. Each of several workers may have a queue, and each queue one slot more than configured."""

DESCRIPTORS = 120
"""Descriptor limit of the process, which allows some dozens of concurrent clients, and fewer than STORM."""

MANY_CLIENTS = 200

SERVED_WITHIN = 30.0
"""Seconds for all clients of a storm, one after the other."""


def close_both(pair: Pair) -> None:
    pair.client.close()
    pair.server.close()


def serve_each(bench: Bench, clients: list[Peer]) -> None:
    """Exchanges each client's number with the server, in any order, and closes the client."""
    for number, client in enumerate(clients):
        client.send(b"client %d" % number)
    for _ in clients:
        server = bench.accept()
        message = server.receive()
        require(message.startswith(b"client "), f"the server received {message!r}")
        client = clients[int(message.split()[1])]
        server.send(message)
        client.expect(message)
        close_both(Pair(client, server))


@case
def beyond_the_maximum_a_client_waits(bench: Bench) -> None:
    bench.start(max_connections=MAXIMUM)
    pairs = [bench.pair() for _ in range(MAXIMUM)]
    late = bench.connect()
    late.send(b"late client")
    for pair in pairs:
        pair.exchange()
    observe()
    require(not bench.has_pending_connection(), "a connection beyond the maximum reached the server")
    require(not late.is_readable, "a client beyond the maximum was rejected")
    close_both(pairs[0])
    server = bench.accept()
    server.expect(b"late client")
    Pair(late, server).exchange()
    pairs[1].exchange()


@case
def a_crowd_at_the_maximum_is_served_in_turn(bench: Bench) -> None:
    bench.start(max_connections=MAXIMUM)
    serve_each(bench, [bench.connect() for _ in range(CLIENTS)])


@case
def beyond_the_queue_a_connect_is_slow(bench: Bench) -> None:
    bench.start(max_connections=1, backlog=1)
    first = bench.pair()
    first.exchange()
    queued: list[Peer] = []
    is_slow = False
    while not is_slow and len(queued) < MORE_THAN_ONE_QUEUED:
        try:
            queued.append(bench.connect(seconds=OBSERVATION_TIME))
        except TimeoutError:
            is_slow = True
        except ConnectionError as error:
            raise Failure(f"a client beyond the queue was refused: {error.strerror}") from None
    require(is_slow, f"{len(queued)} clients were connected, with a queue for 1")
    close_both(first)
    serve_each(bench, queued)
    # The queue has room again.
    serve_each(bench, [bench.connect()])


@case
def out_of_descriptors_it_serves_again(bench: Bench) -> None:
    bench.start(descriptors=DESCRIPTORS)
    with BackgroundServer(bench):
        waiting = [bench.connect() for _ in range(MANY_CLIENTS)]
        for client in waiting:
            client.send(b"ping")

        def all_served() -> bool:
            for client in [client for client in waiting if client.is_readable]:
                client.expect(b"ping")
                client.close()
                waiting.remove(client)
            return not waiting

        try:
            wait_until("all clients to be served", all_served, SERVED_WITHIN)
        except Failure as failure:
            raise Failure(
                f"{MANY_CLIENTS - len(waiting)} of {MANY_CLIENTS} clients were served, then: {failure}"
            ) from None
    require(bench.is_running, "the proxy exited")
    bench.pair().exchange()
