"""Carries packets between two TUN devices: usage: wire.py DESCRIPTOR DESCRIPTOR SEED.

Each line of standard input is a new impairment, as JSON; at end of file the process exits.
"""

import heapq
import json
import os
import random
import select
import sys
import time

LARGEST_PACKET = 65_535

BATCH = 64
"""Packets read from one end before the other is read."""

MOST_ON_THE_WAY = 20_000
"""Packets. Above this number a wire drops packets, as a router with a full queue does."""


def main() -> None:
    left, right = int(sys.argv[1]), int(sys.argv[2])
    luck = random.Random(int(sys.argv[3]))
    opposite = {left: right, right: left}
    weather = {"lost": 0, "doubled": 0, "damaged": 0, "delay": 0, "jitter": 0, "rate": 0, "queue": 0}
    free_at = {left: 0.0, right: 0.0}  # when the last packet to each end will have been sent
    on_the_way: list[tuple[float, int, int, bytes]] = []
    number = 0
    poll = select.poll()
    for source in (0, left, right):
        poll.register(source, select.POLLIN)
    while True:
        # poll(2) rounds up to whole milliseconds.
        wait = None if not on_the_way else max(0.0, on_the_way[0][0] - time.monotonic()) * 1000
        for source, _ in poll.poll(wait):
            if source == 0:
                line = sys.stdin.buffer.readline()
                if not line:
                    return
                weather = json.loads(line)
                continue
            for packet in packets(source):
                if luck.random() < weather["lost"] or len(on_the_way) >= MOST_ON_THE_WAY:
                    continue
                if luck.random() < weather["damaged"]:
                    packet = damaged(packet, luck)
                end = opposite[source]
                for _ in range(1 + (luck.random() < weather["doubled"])):
                    delay = weather["delay"] + luck.random() * weather["jitter"]
                    number += 1
                    leaves = time.monotonic()
                    if weather["rate"]:
                        seconds_per_byte = 8e-6 / weather["rate"]
                        waits = max(0.0, free_at[end] - leaves)
                        if weather["queue"] and waits > weather["queue"] * seconds_per_byte:
                            continue
                        leaves += waits + len(packet) * seconds_per_byte
                        free_at[end] = leaves
                    due = leaves + delay / 1000
                    heapq.heappush(on_the_way, (due, number, end, packet))
        now = time.monotonic()
        while on_the_way and on_the_way[0][0] <= now:
            _, _, end, packet = heapq.heappop(on_the_way)
            try:
                os.write(end, packet)
            except OSError:
                pass  # that end's link is down, or its kernel rejects such a damaged packet


def packets(source: int) -> list[bytes]:
    found: list[bytes] = []
    try:
        while len(found) < BATCH:
            found.append(os.read(source, LARGEST_PACKET))
    except OSError:
        pass  # no more packets, or the link is down
    return found


def damaged(packet: bytes, luck: random.Random) -> bytes:
    """Returns the packet with one bit flipped, which every checksum detects."""
    bit = luck.randrange(len(packet) * 8)
    changed = bytearray(packet)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


main()
