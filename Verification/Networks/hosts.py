"""Hosts of a network that exists for one case: unnamed network namespaces, and links between them.

A namespace is removed with the last process, socket and descriptor in it, and a link with the process that forwards its
packets. So nothing is left over, however a run ends.
"""

import ctypes
import fcntl
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from waits import WAIT_LIMIT, Failure

HERE = Path(__file__).resolve().parent

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    """Raises the error of a C call that has failed."""
    if result:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


@contextmanager
def _restored_namespace() -> Iterator[None]:
    """Restores the calling thread's own network namespace when the block exits."""
    original = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _checked(_libc.setns(original, CLONE_NEWNET))
        os.close(original)


class Host:
    """A separate network stack."""

    def __init__(self, name: str) -> None:
        self.name = name
        with _restored_namespace():
            _checked(_libc.unshare(CLONE_NEWNET))
            self._network = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.ip("link", "set", "lo", "up")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that the block opens, and programs that it starts, are on this host."""
        with _restored_namespace():
            _checked(_libc.setns(self._network, CLONE_NEWNET))
            yield

    def ip(self, *words: str) -> None:
        """Runs the command `ip` on this host."""
        with self.inside():
            done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=WAIT_LIMIT)
        if done.returncode:
            raise Failure(f"`ip {' '.join(words)}` on {self.name}: {done.stderr.strip()}")

    def forward_packets(self) -> None:
        """Makes the host a router."""
        with self.inside():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    def close(self) -> None:
        os.close(self._network)


@dataclass(frozen=True)
class Impairment:
    """The impairments of a link. Probabilities are from 0 to 1, times in milliseconds."""

    loss: float = 0
    duplicates: float = 0
    corruption: float = 0
    delay: float = 0
    jitter: float = 0
    """Maximum random addition to the delay of each packet, so that packets are reordered."""
    rate: float = 0
    """Megabits per second in each direction; 0 is unlimited."""
    queue: int = 0
    """Queue in bytes for each direction at the rate, above which packets are dropped; 0 is unlimited."""


UNIMPAIRED = Impairment()
ALL_LOST = Impairment(loss=1)


class Link:
    """A link between two hosts. A process of its own (link.py) forwards its packets."""

    def __init__(self, name: str, left: tuple[Host, str], right: tuple[Host, str], seed: int) -> None:
        """Each end is a host and its address with the prefix length of its network."""
        self.name = name
        ends = [self._end(host, address) for host, address in (left, right)]
        self._forwarder = subprocess.Popen(
            [sys.executable, HERE / "link.py", *map(str, ends), str(seed)], stdin=subprocess.PIPE, pass_fds=ends
        )
        for end in ends:
            os.close(end)

    def _end(self, host: Host, address: str) -> int:
        with host.inside():
            end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", self.name.encode(), IFF_TUN | IFF_NO_PI))
        host.ip("address", "add", address, "dev", self.name)
        host.ip("link", "set", self.name, "up")
        return end

    @property
    def process(self) -> int:
        """The process that forwards its packets."""
        return self._forwarder.pid

    def impair(self, impairment: Impairment) -> None:
        """Applies an impairment to all later packets."""
        assert self._forwarder.stdin
        self._forwarder.stdin.write(json.dumps(asdict(impairment)).encode() + b"\n")
        self._forwarder.stdin.flush()

    def close(self) -> None:
        assert self._forwarder.stdin
        self._forwarder.stdin.close()  # which makes the process exit
        try:
            self._forwarder.wait(WAIT_LIMIT)
        except subprocess.TimeoutExpired:
            self._forwarder.kill()
            self._forwarder.wait()
