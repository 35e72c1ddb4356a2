"""Back-pressure: which side stops reading, when, and how much is buffered."""

from bench import SMALL_BUFFER, Bench
from contract import case, case_each_direction
from kernel import longest_send_queue
from pattern import pattern
from peer import Direction, Pair, Peer, StreamEnd
from waits import OBSERVATION_TIME, concurrently, observe, require, wait_until

BULK = 4 << 20
"""Bytes after which a direction counts as bulk for any proxy."""

MAX_HELD = (1 << 20) + 32 * 1024
"""Bytes of one direction that the proxy itself may hold, in its memory or in a pipe, by contract."""

PIPES, CLIENTS = 4, 8
"""Pipes of each thread, and bulk connections that stall one after the other: more than the number that may each hold
a pipe of a thread, which is a quarter of its pipes."""

MAX_HELD_WITH_MANY = 128 * 1024
"""Bytes of one direction if a quarter of the pipes is in use: an eighth of a pipe. The kernel reports a socket's
free space in bytes, but accounts for it in buffers that hold more or fewer bytes."""

MAX_MEMORY = 64 * 1024
"""Bytes of its memory for a stalled connection: the 32 KiB of the contract, and as much for related state."""

MAX_IDLE_MEMORY = 8 * 1024
"""Bytes of its memory for an idle connection: less than any useful buffer."""

MEMORY_VARIATION = 64 * 1024
"""Bytes by which the memory of an idle program may vary."""

READ_BETWEEN_PAUSES, PAUSE = 256 * 1024, 0.05
"""Bytes that a slow reader reads before it pauses, and seconds of the pause."""

MORE_THAN_QUEUED = 6 << 20
"""Bytes: more than the kernels on the path buffer for a slow reader, so the proxy is blocked too."""

MAX_WAKEUPS = 20
"""Per second, for all threads together. A tick of 10 ms in one thread would be 100."""


def settled_memory(bench: Bench) -> int:
    """Returns the memory of the proxy once it has stopped growing: late initialization is not a cost of a
    connection."""
    last = 0

    def is_settled() -> bool:
        nonlocal last
        before, last = last, bench.processes.anonymous_memory
        observe(OBSERVATION_TIME / 2)
        return abs(last - before) < MEMORY_VARIATION

    wait_until("the proxy's memory to settle", is_settled)
    return last


def require_all_arrives(sender: Peer, reader: Peer, sent: int) -> None:
    sender.half_close()
    reader.expect_stream_to_end(pattern(1), sent, StreamEnd.EOF)


@case_each_direction
def a_stalled_reader_stops_the_sender(bench: Bench, direction: Direction) -> None:
    bench.start(receive_buffer=SMALL_BUFFER)
    pair = bench.pair(SMALL_BUFFER)
    sent = pair.sender(direction).send_until_blocked(pattern(1))
    require_all_arrives(pair.sender(direction), pair.receiver(direction), sent)


def stall_in_bulk(pair: Pair, direction: Direction) -> int:
    """Sends more than the reader's queue and the proxy can hold, after bulk data, so that the proxy has adapted to bulk
    transfer.

    Returns how many bytes were accepted after BULK of them had arrived. This is less than the maximum: many connections
    could otherwise exceed the kernel's memory for TCP.
    """
    with concurrently(lambda: pair.sender(direction).send_stream(pattern(1), BULK)):
        pair.receiver(direction).expect_stream(pattern(1), BULK)
    return pair.sender(direction).send_until_blocked(pattern(1), BULK, longest_send_queue() + 2 * MAX_HELD)


def held_bytes(bench: Bench, pair: Pair, direction: Direction, sent: int) -> int:
    """Returns the bytes in the proxy: sent, not read, and not in any of the four kernel queues."""
    own = bench.proxy_sockets(pair)
    require(len(own) == 2, f"the proxy has {len(own)} sockets for one connection")
    source, sink = own if direction is Direction.UPSTREAM else reversed(own)
    return (
        sent
        - pair.sender(direction).unacknowledged
        - source.unread
        - sink.unacknowledged
        - pair.receiver(direction).unread
    )


def require_rest_arrives(pair: Pair, direction: Direction, sent: int) -> None:
    pair.sender(direction).half_close()
    pair.receiver(direction).expect_stream_to_end(pattern(1), sent, StreamEnd.EOF, BULK)


@case_each_direction
def little_is_held_for_a_stalled_reader(bench: Bench, direction: Direction) -> None:
    bench.start(receive_buffer=SMALL_BUFFER)
    pair = bench.pair(SMALL_BUFFER)
    sent = stall_in_bulk(pair, direction)
    count = held_bytes(bench, pair, direction, sent)
    require(count <= MAX_HELD, f"the proxy held {count // 1024} KiB of one direction")
    require_rest_arrives(pair, direction, sent)


@case_each_direction
def a_crowd_of_stalled_readers_leaves_little_to_hold(bench: Bench, direction: Direction) -> None:
    bench.start(receive_buffer=SMALL_BUFFER, pipes=PIPES)
    pairs = [bench.pair(SMALL_BUFFER) for _ in range(CLIENTS)]
    # One after the other, so that each starts with the buffers of the earlier ones in use. The assignment to threads is
    # not observable.
    sent = [stall_in_bulk(pair, direction) for pair in pairs]
    counts = [held_bytes(bench, pair, direction, count_sent) for pair, count_sent in zip(pairs, sent)]
    holders = [count // 1024 for count in counts if count > MAX_HELD_WITH_MANY]
    maximum = bench.adapter.threads * PIPES // 4
    require(
        len(holders) <= maximum,
        f"{len(holders)} connections held {holders} KiB of one direction, not at most {maximum}",
    )
    for pair, count_sent in zip(pairs, sent):
        require_rest_arrives(pair, direction, count_sent)


@case_each_direction
def stalled_readers_cost_little_memory(bench: Bench, direction: Direction) -> None:
    bench.start(receive_buffer=SMALL_BUFFER)
    # Data that is allocated once, by the first bytes, must exist before the measurement.
    for _ in range(8):
        bench.pair().exchange()
    before = settled_memory(bench)
    pairs = [bench.pair(SMALL_BUFFER) for _ in range(16)]
    sent = [pair.sender(direction).send_nonblocking(pattern(1)) for pair in pairs]
    observe()
    each = (bench.processes.anonymous_memory - before) // len(pairs)
    require(each <= MAX_MEMORY, f"each stalled connection took {each // 1024} KiB of memory")
    for pair, count in zip(pairs, sent):
        require_all_arrives(pair.sender(direction), pair.receiver(direction), count)


@case_each_direction
def a_stalled_direction_leaves_the_other_alone(bench: Bench, direction: Direction) -> None:
    bench.start(receive_buffer=SMALL_BUFFER)
    pair = bench.pair(SMALL_BUFFER)
    back = direction.opposite
    sent = pair.sender(direction).send_until_blocked(pattern(1))
    count = 1 << 20
    with concurrently(lambda: pair.sender(back).send_stream(pattern(2), count)):
        pair.receiver(back).expect_stream(pattern(2), count)
    require_all_arrives(pair.sender(direction), pair.receiver(direction), sent)


@case
def stalled_connections_leave_others_alone(bench: Bench) -> None:
    bench.start(receive_buffer=SMALL_BUFFER)
    working = [bench.pair() for _ in range(4)]
    stalled = [bench.pair(SMALL_BUFFER) for _ in range(8)]
    for pair in stalled:
        pair.client.send_nonblocking(pattern(1))
        pair.server.send_nonblocking(pattern(1))
    for pair in working + [bench.pair() for _ in range(4)]:
        pair.exchange()
        count = 1 << 20
        with concurrently(lambda: pair.server.send_stream(pattern(2), count)):
            pair.client.expect_stream(pattern(2), count)


@case_each_direction
def a_slow_reader_gets_everything(bench: Bench, direction: Direction) -> None:
    bench.start()
    pair = bench.pair()
    count, taken = MORE_THAN_QUEUED, 0
    sender, reader = pair.sender(direction), pair.receiver(direction)
    with concurrently(lambda: (sender.send_stream(pattern(1), count), sender.half_close())):
        while more := reader.receive(1 + taken % 3000):
            pattern(1).check(more, taken)
            if taken // READ_BETWEEN_PAUSES != (taken + len(more)) // READ_BETWEEN_PAUSES:
                observe(PAUSE)
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
        before = bench.processes.wakeups
        observe(second)
        return bench.processes.wakeups - before < MAX_WAKEUPS

    wait_until(f"a second with less than {MAX_WAKEUPS} wake-ups", is_at_rest, 5 * second)
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
        for direction in Direction:
            with concurrently(lambda: pair.sender(direction).send_stream(pattern(1), count)):
                pair.receiver(direction).expect_stream(pattern(1), count)
    observe()
    each = (bench.processes.anonymous_memory - before) // len(pairs)
    require(each <= MAX_IDLE_MEMORY, f"each idle connection took {each / 1024:.1f} KiB of memory")
    for pair in pairs:
        pair.exchange()
