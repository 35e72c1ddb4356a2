"""Behavior at each limit: which connections wait, which are served, and when."""

from bench import Bench
from contract import case
from peer import Pair, Peer
from servers import Background
from waits import ABSENCE, Failure, require, wait_until, watch_for_absence

MAXIMUM = 2

CROWD = 24

MORE_THAN_A_QUEUE_OF_ONE = 32
"""Clients. Each of several workers may have a queue, and each queue one slot more than configured."""

DESCRIPTORS = 120
"""Descriptor limit of the process, which allows some dozens of concurrent clients, and fewer than STORM."""

STORM = 200

SERVED_WITHIN = 30.0
"""Seconds for all clients of a storm, one after the other."""


def leave(pair: Pair) -> None:
    pair.client.close()
    pair.server.close()


def serve_in_turn(bench: Bench, clients: list[Peer]) -> None:
    """Exchanges each client's number with the server, in any order, and closes the client."""
    for number, client in enumerate(clients):
        client.send(b"client %d" % number)
    for _ in clients:
        server = bench.accept()
        said = server.receive()
        require(said.startswith(b"client "), f"the server received {said!r}")
        client = clients[int(said.split()[1])]
        server.send(said)
        client.expect(said)
        leave(Pair(client, server))


@case
def beyond_the_maximum_a_client_waits(bench: Bench) -> None:
    bench.start(max_connections=MAXIMUM)
    pairs = [bench.pair() for _ in range(MAXIMUM)]
    late = bench.connect()
    late.send(b"late client")
    for pair in pairs:
        pair.exchange()
    watch_for_absence()
    require(not bench.server_has_news(), "a connection beyond the maximum reached the server")
    require(not late.has_news, "a client beyond the maximum was rejected")
    leave(pairs[0])
    server = bench.accept()
    server.expect(b"late client")
    Pair(late, server).exchange()
    pairs[1].exchange()


@case
def a_crowd_at_the_maximum_is_served_in_turn(bench: Bench) -> None:
    bench.start(max_connections=MAXIMUM)
    serve_in_turn(bench, [bench.connect() for _ in range(CROWD)])


@case
def beyond_the_queue_a_connect_is_slow(bench: Bench) -> None:
    bench.start(max_connections=1, backlog=1)
    first = bench.pair()
    first.exchange()
    queued: list[Peer] = []
    is_slow = False
    while not is_slow and len(queued) < MORE_THAN_A_QUEUE_OF_ONE:
        try:
            queued.append(bench.connect(seconds=ABSENCE))
        except TimeoutError:
            is_slow = True
        except ConnectionError as error:
            raise Failure(f"a client beyond the queue was refused: {error.strerror}") from None
    require(is_slow, f"{len(queued)} clients were connected, with a queue for 1")
    leave(first)
    serve_in_turn(bench, queued)
    # The queue has room again.
    serve_in_turn(bench, [bench.connect()])


@case
def out_of_descriptors_it_serves_again(bench: Bench) -> None:
    bench.start(descriptors=DESCRIPTORS)
    with Background(bench):
        waiting = [bench.connect() for _ in range(STORM)]
        for client in waiting:
            client.send(b"ping")

        def all_served() -> bool:
            for client in [client for client in waiting if client.has_news]:
                client.expect(b"ping")
                client.close()
                waiting.remove(client)
            return not waiting

        try:
            wait_until("all clients to be served", all_served, SERVED_WITHIN)
        except Failure as failure:
            raise Failure(f"{STORM - len(waiting)} of {STORM} clients were served, then: {failure}") from None
    require(bench.is_running, "the proxy exited")
    bench.pair().exchange()
