"""Forwards packets between two TUN devices: usage: link.py DESCRIPTOR DESCRIPTOR SEED.

Each line of standard input is a new impairment, as JSON; at end of file the process exits.
"""

import heapq
import json
import os
import random
import select
import sys
import time

MAX_PACKET_BYTES = 65_535

BATCH = 64
"""Packets read from one end before the other is read."""

MAX_IN_FLIGHT = 20_000
"""Packets. Above this number a link drops packets, as a router with a full queue does."""


def main() -> None:
    left, right = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(int(sys.argv[3]))
    opposite = {left: right, right: left}
    impairment = {"loss": 0, "duplicates": 0, "corruption": 0, "delay": 0, "jitter": 0, "rate": 0, "queue": 0}
    free_at = {left: 0.0, right: 0.0}  # when the last packet to each end will have been sent
    in_flight: list[tuple[float, int, int, bytes]] = []
    sequence = 0
    poll = select.poll()
    for source in (0, left, right):
        poll.register(source, select.POLLIN)
    while True:
        # poll(2) rounds up to whole milliseconds.
        wait = None if not in_flight else max(0.0, in_flight[0][0] - time.monotonic()) * 1000
        for source, _ in poll.poll(wait):
            if source == 0:
                line = sys.stdin.buffer.readline()
                if not line:
                    return
                impairment = json.loads(line)
                continue
            for packet in packets(source):
                if rng.random() < impairment["loss"] or len(in_flight) >= MAX_IN_FLIGHT:
                    continue
                if rng.random() < impairment["corruption"]:
                    packet = corrupted(packet, rng)
                end = opposite[source]
                for _ in range(1 + (rng.random() < impairment["duplicates"])):
                    delay = impairment["delay"] + rng.random() * impairment["jitter"]
                    sequence += 1
                    send_time = time.monotonic()
                    if impairment["rate"]:
                        seconds_per_byte = 8e-6 / impairment["rate"]
                        queue_delay = max(0.0, free_at[end] - send_time)
                        if impairment["queue"] and queue_delay > impairment["queue"] * seconds_per_byte:
                            continue
                        send_time += queue_delay + len(packet) * seconds_per_byte
                        free_at[end] = send_time
                    due = send_time + delay / 1000
                    heapq.heappush(in_flight, (due, sequence, end, packet))
        now = time.monotonic()
        while in_flight and in_flight[0][0] <= now:
            _, _, end, packet = heapq.heappop(in_flight)
            try:
                os.write(end, packet)
            except OSError:
                pass  # that end's link is down, or its kernel rejects the corrupted packet


def packets(source: int) -> list[bytes]:
    found: list[bytes] = []
    try:
        while len(found) < BATCH:
            found.append(os.read(source, MAX_PACKET_BYTES))
    except OSError:
        pass  # no more packets, or the link is down
    return found


def corrupted(packet: bytes, rng: random.Random) -> bytes:
    """Returns the packet with one bit flipped, which every checksum detects."""
    bit = rng.randrange(len(packet) * 8)
    changed = bytearray(packet)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


main()
