#!/usr/bin/env python3
"""Measures the duration of exchanges through a proxy and over a direct connection, alternately.

    stopwatch.py PROXY TARGET ROUNDS REQUEST:RESPONSE...

It connects to PROXY, where the proxy listens, and listens at TARGET; both are HOST:PORT. An exchange is a request of
REQUEST bytes and then a response of RESPONSE bytes. The exchanges follow each other on one connection, in the given
order. The output is one line of JSON, see `main`.

Client and server run in one thread of a separate process, because the threads of other cases would delay them.
"""

import json
import select
import socket
import sys
import time
from statistics import median

CHUNK = bytes(256 * 1024)

SMALL = 64, 64
"""Bytes of an exchange whose cost is little more than its wake-ups."""

TIME_LIMIT = 15.0
"""Seconds for one message."""


class Connection:
    """The client and the server of one connection."""

    def __init__(self, address: tuple[str, int], listener: socket.socket) -> None:
        self.client = socket.create_connection(address, TIME_LIMIT)
        self.server, _ = listener.accept()
        for end in (self.client, self.server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, request: int, response: int) -> float:
        """Performs one exchange; returns its duration in seconds."""
        start = time.perf_counter()
        transfer(self.client, self.server, request)
        transfer(self.server, self.client, response)
        return time.perf_counter() - start


def transfer(sender: socket.socket, receiver: socket.socket, count: int) -> None:
    sent = received = 0
    while received < count:
        if sent < count:
            try:
                sent += sender.send(memoryview(CHUNK)[: count - sent])
            except BlockingIOError:
                pass
        try:
            received += len(receiver.recv(len(CHUNK)))
        except BlockingIOError:
            writers = [sender] if sent < count else []
            if not any(select.select([receiver], writers, [], TIME_LIMIT)):
                sys.exit(f"{count - received:,} of {count:,} bytes did not arrive within {TIME_LIMIT:g} s")


def parse_address(text: str) -> tuple[str, int]:
    host, port = text.rsplit(":", 1)
    return host, int(port)


def main() -> None:
    proxy_address, target, rounds = parse_address(sys.argv[1]), parse_address(sys.argv[2]), int(sys.argv[3])
    sizes = [tuple(map(int, word.split(":"))) for word in sys.argv[4:]]
    listener = socket.create_server(target)
    listener.settimeout(TIME_LIMIT)
    proxied, small, direct = (
        Connection(proxy_address, listener),
        Connection(proxy_address, listener),
        Connection(target, listener),
    )
    # In seconds. For each size the times of all rounds: through the proxy, of a small exchange through the proxy on
    # another connection, and over the direct connection.
    times: dict[str, list[list[float]]] = {name: [[] for _ in sizes] for name in ("proxied", "small", "direct")}
    for _ in range(rounds):
        for index, size in enumerate(sizes):
            times["proxied"][index].append(proxied.exchange(*size))
            times["small"][index].append(small.exchange(*SMALL))
            times["direct"][index].append(direct.exchange(*size))
    print(json.dumps({name: [median(row) for row in rows] for name, rows in times.items()}))


main()
