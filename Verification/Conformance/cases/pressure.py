"""Back-pressure: which side stops reading, when, and how much is buffered."""

from bench import SMALL_BUFFER, Bench
from cases.ends import other
from contract import case, case_each_way
from kernel import longest_send_queue
from pattern import pattern
from peer import End, Pair, Peer, Way
from waits import ABSENCE, meanwhile, require, wait_until, watch_for_absence

BULK = 4 << 20
"""Bytes after which a direction counts as bulk for any proxy."""

MOST_HELD = (1 << 20) + 32 * 1024
"""Bytes of one direction that the proxy itself may hold, in its memory or in a pipe, by contract."""

PIPES, CROWD = 4, 8
"""Pipes of each thread, and bulk connections that stall one after the other: more than the number that may each hold
a pipe of a thread, which is a quarter of its pipes."""

MOST_HELD_IN_CROWD = 128 * 1024
"""Bytes of one direction if a quarter of the pipes is in use: an eighth of a pipe. The kernel reports a socket's
free space in bytes, but accounts for it in buffers that hold more or fewer bytes."""

MOST_MEMORY = 64 * 1024
"""Bytes of its memory for a stalled connection: the 32 KiB of the contract, and as much for related state."""

MOST_AT_REST = 8 * 1024
"""Bytes of its memory for an idle connection: less than any useful buffer."""

NOISE = 64 * 1024
"""Bytes by which the memory of an idle program may vary."""

PORTION, PAUSE = 256 * 1024, 0.05
"""Bytes that a slow reader reads before it pauses, and seconds of the pause."""

MORE_THAN_QUEUED = 6 << 20
"""Bytes: more than the kernels on the path buffer for a slow reader, so the proxy is blocked too."""

WAKE_UPS = 20
"""Per second, for all threads together. A tick of 10 ms in one thread would be 100."""


def settled_memory(bench: Bench) -> int:
    """Returns the memory of the proxy once it has stopped growing: late initialization is not a cost of a
    connection."""
    last = 0

    def is_settled() -> bool:
        nonlocal last
        before, last = last, bench.processes.anonymous_memory
        watch_for_absence(ABSENCE / 2)
        return abs(last - before) < NOISE

    wait_until("the proxy's memory to settle", is_settled)
    return last


def require_all_arrives(sender: Peer, reader: Peer, sent: int) -> None:
    sender.finish()
    reader.expect_rest_of(pattern(1), sent, End.END)


@case_each_way
def a_stalled_reader_stops_the_sender(bench: Bench, way: Way) -> None:
    bench.start(receive_buffer=SMALL_BUFFER)
    pair = bench.pair(SMALL_BUFFER)
    sent = pair.sender(way).send_what_fits(pattern(1))
    require_all_arrives(pair.sender(way), pair.receiver(way), sent)


def stall_in_bulk(pair: Pair, way: Way) -> int:
    """Sends more than the reader's queue and the proxy can hold, after bulk data, so that the proxy has adapted to bulk
    transfer.

    Returns how many bytes were accepted after BULK of them had arrived. This is less than the maximum: many connections
    could otherwise exceed the kernel's memory for TCP.
    """
    with meanwhile(lambda: pair.sender(way).send_stream(pattern(1), BULK)):
        pair.receiver(way).expect_stream(pattern(1), BULK)
    return pair.sender(way).send_what_fits(pattern(1), BULK, longest_send_queue() + 2 * MOST_HELD)


def held(bench: Bench, pair: Pair, way: Way, sent: int) -> int:
    """Returns the bytes in the proxy: sent, not read, and not in any of the four kernel queues."""
    own = bench.ends_of(pair)
    require(len(own) == 2, f"the proxy has {len(own)} sockets for one connection")
    source, sink = own if way is Way.UPSTREAM else reversed(own)
    return sent - pair.sender(way).unacknowledged - source.unread - sink.unacknowledged - pair.receiver(way).unread


def require_rest_arrives(pair: Pair, way: Way, sent: int) -> None:
    pair.sender(way).finish()
    pair.receiver(way).expect_rest_of(pattern(1), sent, End.END, BULK)


@case_each_way
def little_is_held_for_a_stalled_reader(bench: Bench, way: Way) -> None:
    bench.start(receive_buffer=SMALL_BUFFER)
    pair = bench.pair(SMALL_BUFFER)
    sent = stall_in_bulk(pair, way)
    count = held(bench, pair, way, sent)
    require(count <= MOST_HELD, f"the proxy held {count // 1024} KiB of one direction")
    require_rest_arrives(pair, way, sent)


@case_each_way
def a_crowd_of_stalled_readers_leaves_little_to_hold(bench: Bench, way: Way) -> None:
    bench.start(receive_buffer=SMALL_BUFFER, pipes=PIPES)
    crowd = [bench.pair(SMALL_BUFFER) for _ in range(CROWD)]
    # One after the other, so that each starts with the buffers of the earlier ones in use. The assignment to threads is
    # not observable.
    sent = [stall_in_bulk(pair, way) for pair in crowd]
    counts = [held(bench, pair, way, its) for pair, its in zip(crowd, sent)]
    holders = [count // 1024 for count in counts if count > MOST_HELD_IN_CROWD]
    most = bench.adapter.threads * PIPES // 4
    require(len(holders) <= most, f"{len(holders)} connections held {holders} KiB of one direction, not at most {most}")
    for pair, its in zip(crowd, sent):
        require_rest_arrives(pair, way, its)


@case_each_way
def stalled_readers_cost_little_memory(bench: Bench, way: Way) -> None:
    bench.start(receive_buffer=SMALL_BUFFER)
    # Data that is allocated once, by the first bytes, must exist before the measurement.
    for _ in range(8):
        bench.pair().exchange()
    before = settled_memory(bench)
    pairs = [bench.pair(SMALL_BUFFER) for _ in range(16)]
    sent = [pair.sender(way).send_without_waiting(pattern(1)) for pair in pairs]
    watch_for_absence()
    each = (bench.processes.anonymous_memory - before) // len(pairs)
    require(each <= MOST_MEMORY, f"each stalled connection took {each // 1024} KiB of memory")
    for pair, count in zip(pairs, sent):
        require_all_arrives(pair.sender(way), pair.receiver(way), count)


@case_each_way
def a_stalled_direction_leaves_the_other_alone(bench: Bench, way: Way) -> None:
    bench.start(receive_buffer=SMALL_BUFFER)
    pair = bench.pair(SMALL_BUFFER)
    back = other(way)
    sent = pair.sender(way).send_what_fits(pattern(1))
    count = 1 << 20
    with meanwhile(lambda: pair.sender(back).send_stream(pattern(2), count)):
        pair.receiver(back).expect_stream(pattern(2), count)
    require_all_arrives(pair.sender(way), pair.receiver(way), sent)


@case
def stalled_connections_leave_others_alone(bench: Bench) -> None:
    bench.start(receive_buffer=SMALL_BUFFER)
    working = [bench.pair() for _ in range(4)]
    stalled = [bench.pair(SMALL_BUFFER) for _ in range(8)]
    for pair in stalled:
        pair.client.send_without_waiting(pattern(1))
        pair.server.send_without_waiting(pattern(1))
    for pair in working + [bench.pair() for _ in range(4)]:
        pair.exchange()
        count = 1 << 20
        with meanwhile(lambda: pair.server.send_stream(pattern(2), count)):
            pair.client.expect_stream(pattern(2), count)


@case_each_way
def a_slow_reader_gets_everything(bench: Bench, way: Way) -> None:
    bench.start()
    pair = bench.pair()
    count, taken = MORE_THAN_QUEUED, 0
    sender, reader = pair.sender(way), pair.receiver(way)
    with meanwhile(lambda: (sender.send_stream(pattern(1), count), sender.finish())):
        while more := reader.receive(1 + taken % 3000):
            pattern(1).check(more, taken)
            if taken // PORTION != (taken + len(more)) // PORTION:
                watch_for_absence(PAUSE)
            taken += len(more)
    require(taken == count, f"{taken:,} of {count:,} bytes came, then EOF")


@case
def connections_at_rest_wake_nobody(bench: Bench) -> None:
    bench.start()
    pairs = [bench.pair() for _ in range(50)]
    for pair in pairs:
        pair.exchange()
    second = 1.0

    def is_at_rest() -> bool:
        before = bench.processes.wake_ups
        watch_for_absence(second)
        return bench.processes.wake_ups - before < WAKE_UPS

    wait_until(f"a second with less than {WAKE_UPS} wake-ups", is_at_rest, 5 * second)
    for pair in pairs:
        pair.exchange()


@case
def connections_at_rest_hold_no_buffer(bench: Bench) -> None:
    bench.start()
    for _ in range(8):
        bench.pair().exchange()
    before = settled_memory(bench)
    pairs = [bench.pair() for _ in range(128)]
    count = 64 * 1024
    for pair in pairs:
        for way in Way:
            with meanwhile(lambda: pair.sender(way).send_stream(pattern(1), count)):
                pair.receiver(way).expect_stream(pattern(1), count)
    watch_for_absence()
    each = (bench.processes.anonymous_memory - before) // len(pairs)
    require(each <= MOST_AT_REST, f"each idle connection took {each / 1024:.1f} KiB of memory")
    for pair in pairs:
        pair.exchange()
