"""Hosts of a network that exists for one case: unnamed network namespaces, and wires between them.

A namespace is removed with the last process, socket and descriptor in it, and a wire with the process that carries its
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

from waits import PATIENCE, Failure

HERE = Path(__file__).resolve().parent

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


@contextmanager
def _back_home() -> Iterator[None]:
    """Restores the calling thread's own network namespace when the block exits."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _checked(_libc.setns(home, CLONE_NEWNET))
        os.close(home)


class Host:
    """A separate network stack."""

    def __init__(self, name: str) -> None:
        self.name = name
        with _back_home():
            _checked(_libc.unshare(CLONE_NEWNET))
            self._network = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.ip("link", "set", "lo", "up")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets opened, and programs started, in the block are on this host."""
        with _back_home():
            _checked(_libc.setns(self._network, CLONE_NEWNET))
            yield

    def ip(self, *words: str) -> None:
        with self.inside():
            done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise Failure(f"`ip {' '.join(words)}` on {self.name}: {done.stderr.strip()}")

    def forward_packets(self) -> None:
        """Makes the host a router."""
        with self.inside():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    def close(self) -> None:
        os.close(self._network)


@dataclass(frozen=True)
class Weather:
    """The impairments of a wire. Shares are of 1, times in milliseconds."""

    lost: float = 0
    doubled: float = 0
    damaged: float = 0
    delay: float = 0
    jitter: float = 0
    """Maximum random addition to the delay of each packet, so that packets are reordered."""
    rate: float = 0
    """Megabits per second in each direction; 0 is unlimited."""
    queue: int = 0
    """Queue in bytes for each direction at the rate, above which packets are dropped; 0 is unlimited."""


FINE = Weather()
DARK = Weather(lost=1)


class Wire:
    """A link between two hosts. A process of its own (wire.py) carries its packets."""

    def __init__(self, name: str, left: tuple[Host, str], right: tuple[Host, str], seed: int) -> None:
        """Each end is a host and its address with the prefix length of its network."""
        self.name = name
        ends = [self._end(host, address) for host, address in (left, right)]
        self._carrier = subprocess.Popen(
            [sys.executable, HERE / "wire.py", *map(str, ends), str(seed)], stdin=subprocess.PIPE, pass_fds=ends
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
        """The process that carries its packets."""
        return self._carrier.pid

    def turns(self, weather: Weather) -> None:
        """Applies an impairment from now on."""
        assert self._carrier.stdin
        self._carrier.stdin.write(json.dumps(asdict(weather)).encode() + b"\n")
        self._carrier.stdin.flush()

    def close(self) -> None:
        assert self._carrier.stdin
        self._carrier.stdin.close()  # which makes the process exit
        try:
            self._carrier.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._carrier.kill()
            self._carrier.wait()
