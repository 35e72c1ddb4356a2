"""The scenarios of a client and a server. Each states how the proxy must count the end of the connection."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from accounting import Outcome
from pattern import pattern
from peer import Direction, Pair, StreamEnd
from waits import WAIT_LIMIT, Reset, concurrently, require, wait_until

KiB, MiB = 1 << 10, 1 << 20
UP, DOWN = pattern(1), pattern(2)
STREAM = {Direction.UPSTREAM: UP, Direction.DOWNSTREAM: DOWN}

MAX_IDLE = 3.0
"""Maximum seconds of inactivity."""


@dataclass(frozen=True)
class Scenario:
    run: Callable[[Pair, random.Random], None]
    outcome: Outcome
    weight: int
    """Relative frequency of the scenario."""
    is_exact: bool
    """Whether all bytes that the proxy's kernel accepted for a peer reach that peer."""

    @property
    def name(self) -> str:
        return self.run.__name__


SCENARIOS: list[Scenario] = []


def scenario(outcome: Outcome, weight: int, is_exact: bool = True) -> Callable:
    def register(run: Callable[[Pair, random.Random], None]) -> Callable[[Pair, random.Random], None]:
        SCENARIOS.append(Scenario(run, outcome, weight, is_exact))
        return run

    return register


def half_close_both(pair: Pair, rng: random.Random) -> None:
    first, second = rng.sample([pair.client, pair.server], 2)
    first.half_close()
    second.expect_to_end(StreamEnd.EOF)
    second.half_close()
    first.expect_to_end(StreamEnd.EOF)


def random_direction(rng: random.Random) -> Direction:
    return rng.choice(list(Direction))


# Connections that complete


@scenario(Outcome.ENDED, 120)
def short(pair: Pair, rng: random.Random) -> None:
    for _ in range(rng.randrange(4)):
        pair.exchange()
    half_close_both(pair, rng)


@scenario(Outcome.ENDED, 6)
def stream_both_directions(pair: Pair, rng: random.Random) -> None:
    up, down = rng.randrange(4 * MiB), rng.randrange(4 * MiB)

    with concurrently(lambda: pair.stream_to_eof(Direction.UPSTREAM, UP, up)):
        pair.stream_to_eof(Direction.DOWNSTREAM, DOWN, down)


@scenario(Outcome.ENDED, 2)
def long_transfer(pair: Pair, rng: random.Random) -> None:
    direction = random_direction(rng)
    pair.stream_to_eof(direction, STREAM[direction], rng.randrange(32 * MiB))
    pair.half_close(direction.opposite)


@scenario(Outcome.ENDED, 12)
def half_close(pair: Pair, rng: random.Random) -> None:
    direction = random_direction(rng)
    requester, responder = pair.sender(direction), pair.receiver(direction)
    request, response = rng.randrange(64 * KiB), rng.randrange(512 * KiB)
    requester.send_stream(STREAM[direction], request)
    requester.half_close()
    responder.expect_stream_to_end(STREAM[direction], request, StreamEnd.EOF)
    time.sleep(rng.uniform(0, MAX_IDLE / 4))

    def reply() -> None:
        responder.send_stream(UP, response)
        responder.half_close()

    with concurrently(reply):
        requester.expect_stream_to_end(UP, response, StreamEnd.EOF)


@scenario(Outcome.ENDED, 4)
def stall(pair: Pair, rng: random.Random) -> None:
    direction = random_direction(rng)
    sender, receiver = pair.sender(direction), pair.receiver(direction)
    count = sender.send_until_blocked(STREAM[direction])
    time.sleep(rng.uniform(0, MAX_IDLE / 2))
    sender.half_close()
    receiver.expect_stream_to_end(STREAM[direction], count, StreamEnd.EOF)
    receiver.half_close()
    sender.expect_to_end(StreamEnd.EOF)


@scenario(Outcome.ENDED, 6)
def idle(pair: Pair, rng: random.Random) -> None:
    pair.exchange()
    time.sleep(rng.uniform(0, MAX_IDLE))
    pair.exchange()
    half_close_both(pair, rng)


# Resets


@scenario(Outcome.RESET, 20)
def reset_while_idle(pair: Pair, rng: random.Random) -> None:
    direction = random_direction(rng)
    pair.exchange()
    pair.sender(direction).reset()
    pair.receiver(direction).expect_to_end(StreamEnd.RESET)


@scenario(Outcome.RESET, 10)
def reset_after_sending(pair: Pair, rng: random.Random) -> None:
    """All data that left the sender's kernel arrives before its reset."""
    direction, count = random_direction(rng), rng.randrange(128 * KiB)
    sender, receiver = pair.sender(direction), pair.receiver(direction)

    def send() -> None:
        sender.send_stream(STREAM[direction], count)
        wait_until("acknowledgement of all sent data", lambda: sender.unacknowledged == 0)
        sender.reset()

    with concurrently(send):
        receiver.expect_stream_to_end(STREAM[direction], count, StreamEnd.RESET)


@scenario(Outcome.RESET, 10, is_exact=False)
def reset_during_transfer(pair: Pair, rng: random.Random) -> None:
    """The reader resets while the sender sends, which discards the data in flight."""
    direction, count = random_direction(rng), rng.randrange(1, 256 * KiB)
    sender, receiver = pair.sender(direction), pair.receiver(direction)

    def send() -> None:
        try:
            while True:
                sender.send_stream(STREAM[direction], MiB)
        except Reset:
            return

    with concurrently(send):
        try:
            receiver.expect_stream(STREAM[direction], count)
        finally:
            receiver.reset()


@scenario(Outcome.RESET, 10, is_exact=False)
def close_with_unread_bytes(pair: Pair, rng: random.Random) -> None:
    direction, count = random_direction(rng), rng.randrange(1, 16 * KiB)
    sender, receiver = pair.sender(direction), pair.receiver(direction)
    sender.send_stream(STREAM[direction], count)
    require(receiver.is_readable_within(WAIT_LIMIT), f"{receiver.name} received none of the bytes sent")
    receiver.close()
    sender.expect_to_end(StreamEnd.RESET)


@scenario(Outcome.RESET, 4, is_exact=False)
def reset_both(pair: Pair, rng: random.Random) -> None:
    pair.exchange()
    pair.client.send_stream(UP, rng.randrange(8 * KiB))
    pair.client.reset()
    pair.server.reset()
