"""Kernel accounting: processor time and memory of a process and its descendants, and of the whole machine."""

import ctypes
import fcntl
import os
import re
import struct
import termios
import time
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SETTLE_SECONDS = 15  # for memory, or a number of descriptors, to become steady
STEADY_SECONDS = 0.3  # unchanged for this long counts as steady
POLL_SECONDS = 0.05

libc = ctypes.CDLL(None, use_errno=True)


def process_family(root):
    """Returns a process and all its living descendants."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may contain any character, so count from its end.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # the process has exited
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def processor_seconds(root):
    """Returns the processor time that the process and its descendants have used, in user and kernel mode: the
    kernel's exact counter in nanoseconds (CLOCK_PROCESS_CPUTIME_ID of each), not the sampled one."""
    total = 0
    for process in process_family(root):
        clock = ctypes.c_int()
        if libc.clock_getcpuclockid(process, ctypes.byref(clock)) == 0:
            total += time.clock_gettime_ns(clock.value)
    return total / 1e9


def machine_seconds():
    """Returns the busy time of all processors of the machine, for any process."""
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, *_ = (
        int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + interrupts + soft_interrupts) / TICKS_PER_SECOND


def user_memory(root):
    """Returns the anonymous memory of the process and its descendants, in bytes: private and not backed by a file."""
    total = 0
    for process in process_family(root):
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        total += int(re.search(r"^Anonymous:\s+(\d+) kB", rollup, re.MULTILINE)[1]) * 1024
    return total


def socket_memory():
    """Returns the bytes in the queues of all TCP sockets of the machine."""
    return int(re.search(r"^TCP:.* mem (\d+)", Path("/proc/net/sockstat").read_text(), re.MULTILINE)[1]) * PAGE


def descriptors(root):
    return sum(len(os.listdir(f"/proc/{process}/fd")) for process in process_family(root))


def pipe_memory(root):
    """Returns the bytes in the pipes of the process and its descendants."""
    waiting = {}
    for process in process_family(root):
        for link in Path(f"/proc/{process}/fd").iterdir():
            name = os.readlink(link)
            if name.startswith("pipe:") and name not in waiting:
                descriptor = os.open(link, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    (waiting[name],) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4))
                finally:
                    os.close(descriptor)
    return sum(waiting.values())


def steady_value(measure):
    """Returns the value of a measure once it is steady, or the last value after SETTLE_SECONDS."""
    deadline = time.monotonic() + SETTLE_SECONDS
    value, since = measure(), time.monotonic()
    while time.monotonic() < min(deadline, since + STEADY_SECONDS):
        time.sleep(POLL_SECONDS)
        latest = measure()
        if latest != value:
            value, since = latest, time.monotonic()
    return value
