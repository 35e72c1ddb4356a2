"""The assertions at the end of a run."""

from ends import Account
from proxies import Figures, Steady
from upstream import TICKET_BYTES
from waits import Failure, wait_until

MiB = 1 << 20

MEMORY_MAY_GROW = 6 * MiB
"""Growth of anonymous memory over the run, independent of its length: memory that allocators retain after peak load."""


def check_house(steady: Steady) -> list[str]:
    """Checks that descriptors and memory are as they were at rest."""
    proxy, problems = steady.proxy, []
    proxy.wait_until_quiet()
    try:
        wait_until("its descriptors", lambda: proxy.descriptors == steady.descriptors)
    except Failure:
        problems.append(f"{proxy.descriptors} descriptors are open, {steady.descriptors} at rest before the run")
    try:
        wait_until("its memory", lambda: proxy.memory <= steady.memory + MEMORY_MAY_GROW)
    except Failure:
        problems.append(f"{proxy.memory / MiB:.1f} MiB of memory, {steady.memory / MiB:.1f} at rest before the run")
    print(
        f"{proxy.descriptors} descriptors ({steady.descriptors} before),"
        f" {proxy.memory / MiB:.1f} MiB of anonymous memory ({steady.memory / MiB:.1f} before)",
        flush=True,
    )
    return problems


def check_books(name: str, account: Account, counted: Figures, exact: str, loose: str) -> list[str]:
    """Checks that the proxy's connections, their ends and their bytes match those that the ends counted."""
    seen, closed = account.total, dict(counted.closed)
    ended, broken = closed.pop("ended"), closed.pop("reset") + closed.pop("connect_failed")
    problems = [
        f"{name} counted {ours:,} {what}, clients and servers {theirs:,}"
        for what, ours, theirs in (
            ("connections", counted.connections, seen.connections),
            ("completed connections", ended, seen.ended),
            ("reset connections", broken, seen.reset + seen.turned_away),
            ("connections closed for other reasons", sum(closed.values()), 0),
            ("total bytes", counted.all_bytes, sum(counted.up.values()) + sum(counted.down.values())),
        )
        if ours != theirs
    ]
    one, some = account.of(exact), account.of(loose)
    # If the server had stopped listening, it is unknown whether its kernel accepted the ticket; if so, all of it.
    tickets, rest = divmod(counted.up.get(exact, 0) - one.taken_up, TICKET_BYTES)
    if rest or not 0 <= tickets <= one.turned_away:
        problems.append(f"{name} counted {counted.up.get(exact, 0):,} bytes up; {one.taken_up:,} were received")
    for what, ours, low, high in (
        ("down", counted.down.get(exact, 0), one.taken_down, one.taken_down),
        ("up, some lost in resets", counted.up.get(loose, 0), some.taken_up, some.sent_up),
        ("down, some lost in resets", counted.down.get(loose, 0), some.taken_down, some.sent_down),
    ):
        if not low <= ours <= high:
            problems.append(f"{name} counted {ours:,} bytes {what}; {low:,} were received, and at most {high:,} sent")
    print(
        f"{name}: {seen.connections:,} connections, {seen.ended:,} completed, {seen.reset:,} reset,"
        f" {seen.turned_away:,} rejected by the server; {seen.taken_up:,} bytes up, {seen.taken_down:,} down",
        flush=True,
    )
    return problems
