"""The assertions at the end of a run."""

from accounting import ConnectionTotals
from proxies import LongRunningProxy, ProxyCounters
from upstream import TOKEN_BYTES
from waits import Failure, wait_until

MiB = 1 << 20

MAX_MEMORY_GROWTH = 6 * MiB
"""Growth of anonymous memory over the run, independent of its length: memory that allocators retain after peak load."""


def check_resources(long_running: LongRunningProxy) -> list[str]:
    """Checks that descriptors and memory are as when idle before the run."""
    proxy, problems = long_running.proxy, []
    proxy.wait_until_quiet()
    try:
        wait_until("its descriptors", lambda: proxy.descriptors == long_running.descriptors)
    except Failure:
        problems.append(
            f"{proxy.descriptors} descriptors are open, {long_running.descriptors} when idle before the run"
        )
    try:
        wait_until("its memory", lambda: proxy.memory <= long_running.memory + MAX_MEMORY_GROWTH)
    except Failure:
        problems.append(
            f"{proxy.memory / MiB:.1f} MiB of memory, {long_running.memory / MiB:.1f} when idle before the run"
        )
    print(
        f"{proxy.descriptors} descriptors ({long_running.descriptors} before),"
        f" {proxy.memory / MiB:.1f} MiB of anonymous memory ({long_running.memory / MiB:.1f} before)",
        flush=True,
    )
    return problems


def check_counters(
    name: str, totals: ConnectionTotals, counted: ProxyCounters, exact_source: str, loose_source: str
) -> list[str]:
    """Checks that the proxy's counters match those of clients and servers."""
    seen, closed = totals.total, dict(counted.closed)
    ended, broken = closed.pop("ended"), sum(
        closed.pop(reason) for reason in ("reset", "connect_failed", "no_server", "queue_full", "queue_timeout")
    )
    problems = [
        f"{name} counted {ours:,} {what}, clients and servers {theirs:,}"
        for what, ours, theirs in (
            ("connections", counted.connections, seen.connections),
            ("completed connections", ended, seen.ended),
            ("reset connections", broken, seen.reset + seen.rejected),
            ("connections closed for other reasons", sum(closed.values()), 0),
            ("total bytes", counted.total_bytes, sum(counted.up.values()) + sum(counted.down.values())),
        )
        if ours != theirs
    ]
    exact, loose = totals.of(exact_source), totals.of(loose_source)
    # If the server had stopped listening, it is unknown whether its kernel accepted the token; if so, all of it.
    tokens, rest = divmod(counted.up.get(exact_source, 0) - exact.received_up, TOKEN_BYTES)
    if rest or not 0 <= tokens <= exact.rejected:
        problems.append(
            f"{name} counted {counted.up.get(exact_source, 0):,} bytes up; {exact.received_up:,} were received"
        )
    for what, ours, low, high in (
        ("down", counted.down.get(exact_source, 0), exact.received_down, exact.received_down),
        ("up, some lost in resets", counted.up.get(loose_source, 0), loose.received_up, loose.sent_up),
        ("down, some lost in resets", counted.down.get(loose_source, 0), loose.received_down, loose.sent_down),
    ):
        if not low <= ours <= high:
            problems.append(f"{name} counted {ours:,} bytes {what}; {low:,} were received, and at most {high:,} sent")
    print(
        f"{name}: {seen.connections:,} connections, {seen.ended:,} completed, {seen.reset:,} reset,"
        f" {seen.rejected:,} rejected by the server; {seen.received_up:,} bytes up, {seen.received_down:,} down",
        flush=True,
    )
    return problems
