"""Byte patterns that encode the position: lost, duplicated or swapped bytes are detected immediately, with their
offset."""

import random
from functools import lru_cache

from waits import Failure


class Pattern:
    """An endless stream of bytes with a prime period, so that no buffer size is a multiple of it."""

    PERIOD = 1_048_573

    def __init__(self, seed: int) -> None:
        self._twice = memoryview(random.Random(seed).randbytes(self.PERIOD) * 2)

    def at(self, offset: int, count: int) -> memoryview:
        """Returns the bytes from an offset on, at most PERIOD."""
        start = offset % self.PERIOD
        return self._twice[start : start + min(count, self.PERIOD)]

    def check(self, received: bytes, offset: int) -> None:
        if received == self.at(offset, len(received)):
            return
        expected = self.at(offset, len(received))
        first = next(index for index, byte in enumerate(received) if byte != expected[index])
        raise Failure(f"byte {offset + first:,} of the stream differs from the one sent")


@lru_cache(maxsize=8)
def pattern(seed: int) -> Pattern:
    return Pattern(seed)
