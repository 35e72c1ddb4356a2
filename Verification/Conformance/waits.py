"""Failures, and waits with a time limit."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 15.0
"""Seconds for an event that must occur but not immediately: the machine may be busy."""

ABSENCE = 0.5
"""Seconds to observe before concluding that an event does not occur."""

CLOCK_STEP = 0.01
"""Seconds by which the clock of a proxy that reads it only periodically may be behind."""

POLL = 0.01
"""Seconds between two polls of a condition without a notification."""


class Failure(Exception):
    """A sentence of the contract was violated; the message states the observation."""


class Reset(Failure):
    """A connection was reset where the case does not expect a reset."""


class NotApplicable(Exception):
    """The proxy does not support a setting that the case needs."""


def require(condition: object, seen: str) -> None:
    if not condition:
        raise Failure(seen)


def wait_until(what: str, condition: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Polls the condition until its result is true, and returns the result."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        require(time.monotonic() < deadline, f"timed out after {seconds:g} s waiting for {what}")
        time.sleep(POLL)
    return result


def watch_for_absence(seconds: float = ABSENCE) -> None:
    """Waits for the time in which an event must not occur; the case checks afterwards."""
    time.sleep(seconds)


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """Runs `work` in a thread while the block runs, and fails with it. Each step of the work has its own limit."""
    problems: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as problem:
            problems.append(problem)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(4 * PATIENCE)
    require(not thread.is_alive(), "a concurrent sender or reader did not finish")
    if problems:
        raise problems[0]
