"""Failures, and waits with a time limit."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

WAIT_LIMIT = 15.0
"""Seconds for an event that must occur but not immediately: the machine may be busy."""

OBSERVATION_TIME = 0.5
"""Seconds to observe before concluding that an event does not occur."""

CLOCK_STEP = 0.01
"""Seconds by which the clock of a proxy that reads it only periodically may be behind."""

POLL = 0.01
"""Seconds between two polls of a condition without a notification."""


class Failure(Exception):
    """A rule of the contract was violated; the message states the observation."""


class Reset(Failure):
    """A connection was reset where the case does not expect a reset."""


class NotApplicable(Exception):
    """The proxy does not support a setting that the case needs."""


def require(condition: object, message: str) -> None:
    if not condition:
        raise Failure(message)


def wait_until(what: str, condition: Callable[[], T], seconds: float = WAIT_LIMIT) -> T:
    """Polls the condition until its result is true, and returns the result."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        require(time.monotonic() < deadline, f"timed out after {seconds:g} s waiting for {what}")
        time.sleep(POLL)
    return result


def observe(seconds: float = OBSERVATION_TIME) -> None:
    """Waits for the time in which an event must not occur; the case then checks that it has not."""
    time.sleep(seconds)


@contextmanager
def concurrently(work: Callable[[], object]) -> Iterator[None]:
    """Runs `work` in a thread while the block runs, and fails with it. Each step of the work has its own limit."""
    errors: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(4 * WAIT_LIMIT)
    require(not thread.is_alive(), "a concurrent sender or reader did not finish")
    if errors:
        raise errors[0]
