"""Hosts of a network that exists for one case: network namespaces without a name, and wires between them.

A namespace goes with the last process, socket and descriptor in it, and a wire with the process that carries its
packets. So nothing stays behind, however a run ends.
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
    """The calling thread is in its own network again when the block is left."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _checked(_libc.setns(home, CLONE_NEWNET))
        os.close(home)


class Host:
    """A network stack of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        with _back_home():
            _checked(_libc.unshare(CLONE_NEWNET))
            self._network = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.ip("link", "set", "lo", "up")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that the block opens, and programs that it starts, are on this host."""
        with _back_home():
            _checked(_libc.setns(self._network, CLONE_NEWNET))
            yield

    def ip(self, *words: str) -> None:
        with self.inside():
            done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise Failure(f"`ip {' '.join(words)}` on {self.name}: {done.stderr.strip()}")

    def forward_packets(self) -> None:
        """Makes a router of it."""
        with self.inside():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    def close(self) -> None:
        os.close(self._network)


@dataclass(frozen=True)
class Weather:
    """What a wire does to packets. Shares are of 1, times in milliseconds."""

    lost: float = 0
    doubled: float = 0
    damaged: float = 0
    delay: float = 0
    jitter: float = 0
    """Up to so much is added to the delay of each packet by itself, so that they overtake each other."""
    rate: float = 0
    """Megabits a second in each direction; 0 is without limit."""
    queue: int = 0
    """Bytes that wait in each direction for their turn at the rate, beyond which packets are lost; 0 is without limit."""


FINE = Weather()
DARK = Weather(lost=1)


class Wire:
    """A link between two hosts. A process of its own (wire.py) carries its packets."""

    def __init__(self, name: str, left: tuple[Host, str], right: tuple[Host, str], seed: int) -> None:
        """Each end is a host and its address with the length of its network's prefix."""
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
        """From now on it is like this."""
        assert self._carrier.stdin
        self._carrier.stdin.write(json.dumps(asdict(weather)).encode() + b"\n")
        self._carrier.stdin.flush()

    def close(self) -> None:
        assert self._carrier.stdin
        self._carrier.stdin.close()  # which is what tells it to end
        try:
            self._carrier.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._carrier.kill()
            self._carrier.wait()
