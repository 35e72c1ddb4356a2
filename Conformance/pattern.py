"""Bytes that tell their place: whatever is lost, doubled or exchanged shows at once, and at which offset."""

import random
from functools import lru_cache

from waits import Failure


class Pattern:
    """An endless stream of bytes, repeated after a prime number of them, so that no buffer's size divides it."""

    PERIOD = 1_048_573

    def __init__(self, seed: int) -> None:
        self._twice = memoryview(random.Random(seed).randbytes(self.PERIOD) * 2)

    def at(self, offset: int, count: int) -> memoryview:
        """The bytes from an offset on, PERIOD at most."""
        start = offset % self.PERIOD
        return self._twice[start : start + min(count, self.PERIOD)]

    def check(self, received: bytes, offset: int) -> None:
        if received == self.at(offset, len(received)):
            return
        expected = self.at(offset, len(received))
        first = next(index for index, byte in enumerate(received) if byte != expected[index])
        raise Failure(f"byte {offset + first:,} of the stream is not the one that was sent")


@lru_cache(maxsize=8)
def pattern(seed: int) -> Pattern:
    return Pattern(seed)
