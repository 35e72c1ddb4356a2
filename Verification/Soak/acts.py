"""The scenarios of the two ends of a connection. Each act states how the proxy has to count its end."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from ends import Outcome
from pattern import pattern
from peer import End, Pair, Way
from waits import PATIENCE, Reset, meanwhile, require, wait_until

KiB, MiB = 1 << 10, 1 << 20
UP, DOWN = pattern(1), pattern(2)
STREAM = {Way.UPSTREAM: UP, Way.DOWNSTREAM: DOWN}

LONGEST_REST = 3.0
"""Maximum seconds of inactivity."""


@dataclass(frozen=True)
class Act:
    run: Callable[[Pair, random.Random], None]
    outcome: Outcome
    weight: int
    """Relative frequency of the act."""
    is_exact: bool
    """Whether all bytes that the proxy's kernel accepted for an end reach that end."""

    @property
    def name(self) -> str:
        return self.run.__name__


ACTS: list[Act] = []


def act(outcome: Outcome, weight: int, is_exact: bool = True) -> Callable:
    def register(run: Callable[[Pair, random.Random], None]) -> Callable[[Pair, random.Random], None]:
        ACTS.append(Act(run, outcome, weight, is_exact))
        return run

    return register


def both_finish(pair: Pair, luck: random.Random) -> None:
    first, second = luck.sample([pair.client, pair.server], 2)
    first.finish()
    second.expect_rest(End.END)
    second.finish()
    first.expect_rest(End.END)


def any_way(luck: random.Random) -> Way:
    return luck.choice(list(Way))


# Ends


@act(Outcome.ENDED, 120)
def short(pair: Pair, luck: random.Random) -> None:
    for _ in range(luck.randrange(4)):
        pair.exchange()
    both_finish(pair, luck)


@act(Outcome.ENDED, 6)
def stream_both_ways(pair: Pair, luck: random.Random) -> None:
    up, down = luck.randrange(4 * MiB), luck.randrange(4 * MiB)

    def send_up() -> None:
        pair.client.send_stream(UP, up)
        pair.client.finish()

    def send_down() -> None:
        pair.server.send_stream(DOWN, down)
        pair.server.finish()

    def receive_up() -> None:
        pair.server.expect_rest_of(UP, up, End.END)

    with meanwhile(send_up), meanwhile(send_down), meanwhile(receive_up):
        pair.client.expect_rest_of(DOWN, down, End.END)


@act(Outcome.ENDED, 2)
def long_transfer(pair: Pair, luck: random.Random) -> None:
    way, count = any_way(luck), luck.randrange(32 * MiB)
    sender, receiver = pair.sender(way), pair.receiver(way)

    def send() -> None:
        sender.send_stream(STREAM[way], count)
        sender.finish()

    with meanwhile(send):
        receiver.expect_rest_of(STREAM[way], count, End.END)
    receiver.finish()
    sender.expect_rest(End.END)


@act(Outcome.ENDED, 12)
def half_close(pair: Pair, luck: random.Random) -> None:
    way = any_way(luck)
    asking, answering = pair.sender(way), pair.receiver(way)
    request, answer = luck.randrange(64 * KiB), luck.randrange(512 * KiB)
    asking.send_stream(STREAM[way], request)
    asking.finish()
    answering.expect_rest_of(STREAM[way], request, End.END)
    time.sleep(luck.uniform(0, LONGEST_REST / 4))

    def reply() -> None:
        answering.send_stream(UP, answer)
        answering.finish()

    with meanwhile(reply):
        asking.expect_rest_of(UP, answer, End.END)


@act(Outcome.ENDED, 4)
def stall(pair: Pair, luck: random.Random) -> None:
    way = any_way(luck)
    sender, receiver = pair.sender(way), pair.receiver(way)
    count = sender.send_what_fits(STREAM[way])
    time.sleep(luck.uniform(0, LONGEST_REST / 2))
    sender.finish()
    receiver.expect_rest_of(STREAM[way], count, End.END)
    receiver.finish()
    sender.expect_rest(End.END)


@act(Outcome.ENDED, 6)
def rest(pair: Pair, luck: random.Random) -> None:
    pair.exchange()
    time.sleep(luck.uniform(0, LONGEST_REST))
    pair.exchange()
    both_finish(pair, luck)


# Resets


@act(Outcome.RESET, 20)
def reset_at_rest(pair: Pair, luck: random.Random) -> None:
    way = any_way(luck)
    pair.exchange()
    pair.sender(way).reset()
    pair.receiver(way).expect_rest(End.RESET)


@act(Outcome.RESET, 10)
def reset_after_sending(pair: Pair, luck: random.Random) -> None:
    """All data that left the sender's kernel arrives before its reset."""
    way, count = any_way(luck), luck.randrange(128 * KiB)
    sender, receiver = pair.sender(way), pair.receiver(way)

    def send() -> None:
        sender.send_stream(STREAM[way], count)
        wait_until("acknowledgement of all sent data", lambda: sender.unacknowledged == 0)
        sender.reset()

    with meanwhile(send):
        receiver.expect_rest_of(STREAM[way], count, End.RESET)


@act(Outcome.RESET, 10, is_exact=False)
def reset_in_the_middle(pair: Pair, luck: random.Random) -> None:
    """The reader resets while the sender sends, which discards the data in flight."""
    way, count = any_way(luck), luck.randrange(1, 256 * KiB)
    sender, receiver = pair.sender(way), pair.receiver(way)

    def send() -> None:
        try:
            while True:
                sender.send_stream(STREAM[way], MiB)
        except Reset:
            return

    with meanwhile(send):
        try:
            receiver.expect_stream(STREAM[way], count)
        finally:
            receiver.reset()


@act(Outcome.RESET, 10, is_exact=False)
def close_with_unread_bytes(pair: Pair, luck: random.Random) -> None:
    way, count = any_way(luck), luck.randrange(1, 16 * KiB)
    sender, receiver = pair.sender(way), pair.receiver(way)
    sender.send_stream(STREAM[way], count)
    require(receiver.has_news_within(PATIENCE), f"{receiver.name} received none of the bytes sent")
    receiver.close()
    sender.expect_rest(End.RESET)


@act(Outcome.RESET, 4, is_exact=False)
def reset_both_at_once(pair: Pair, luck: random.Random) -> None:
    pair.exchange()
    pair.client.send_stream(UP, luck.randrange(8 * KiB))
    pair.client.reset()
    pair.server.reset()
