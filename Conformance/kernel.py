"""What the kernel tells about connections and processes, whatever program they belong to."""

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Address = tuple[str, int]

ESTABLISHED, SYN_SENT, LISTEN = 0x01, 0x02, 0x0A
KEEP_ALIVE_TIMER = 0x02


@dataclass(frozen=True)
class Connection:
    """A line of /proc/net/tcp."""

    local: Address
    remote: Address
    state: int
    unacknowledged: int
    """Bytes sent, or waiting to be, that the other side's kernel has not acknowledged."""
    unread: int
    """Bytes received that the program has not read; for a listening socket, connections that it has not accepted."""
    timer: int
    timer_seconds: float
    has_owner: bool
    """Whether a program has it still, or has it already; the others are the kernel's alone."""


def connections(of: Address | None = None, host: str | None = None) -> list[Connection]:
    """The TCP connections over IPv4 that have an address, or a host, at one end."""
    wanted = _written(of) if of else f" {_written_host(host)}:" if host else ""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return [_parsed(line) for line in lines if wanted in line]


def _parsed(line: str) -> Connection:
    _, local, remote, state, queues, timer, _, _, _, inode, *_ = line.split()
    sent, received = queues.split(":")
    kind, ticks = timer.split(":")
    return Connection(
        _read(local),
        _read(remote),
        int(state, 16),
        int(sent, 16),
        int(received, 16),
        int(kind, 16),
        int(ticks, 16) / os.sysconf("SC_CLK_TCK"),
        inode != "0",
    )


def _read(written: str) -> Address:
    host, port = written.split(":")
    return socket.inet_ntoa(struct.pack("=I", int(host, 16))), int(port, 16)


def _written_host(host: str) -> str:
    return f"{struct.unpack('=I', socket.inet_aton(host))[0]:08X}"


def _written(address: Address) -> str:
    return f"{_written_host(address[0])}:{address[1]:04X}"


def listens(address: Address) -> bool:
    return any(connection.state == LISTEN and connection.local == address for connection in connections(address))


def waiting_to_be_accepted(address: Address) -> int:
    return sum(
        connection.unread
        for connection in connections(address)
        if connection.state == LISTEN and connection.local == address
    )


class ProcessGroup:
    """A program with all the processes that it has started."""

    def __init__(self, leader: int) -> None:
        self.leader = leader

    def _members(self, ancestor: int | None = None) -> Iterator[Path]:
        process = Path(f"/proc/{ancestor or self.leader}")
        yield process
        try:
            children = (process / f"task/{process.name}/children").read_text().split()
        except OSError:
            return  # it has ended meanwhile
        for child in children:
            yield from self._members(int(child))

    @property
    def open_connections(self) -> int:
        """TCP sockets that it has not closed, alive or dead, other than those that listen."""
        return len(self._sockets - _listening_or_unix())

    @property
    def _sockets(self) -> set[str]:
        """The inodes of all its sockets."""
        found = set()
        for process in self._members():
            try:
                for descriptor in os.scandir(process / "fd"):
                    target = os.readlink(descriptor.path)
                    if target.startswith("socket:["):
                        found.add(target[len("socket:[") : -1])
            except OSError:
                continue  # closed, or ended, meanwhile
        return found

    @property
    def anonymous_memory(self) -> int:
        """Bytes that its programs have allocated and touched."""
        return sum(_status(process, "RssAnon:") * 1024 for process in self._members())

    @property
    def wake_ups(self) -> int:
        """How often its threads have waited for something."""
        return sum(
            _status(task, "voluntary_ctxt_switches:")
            for process in self._members()
            for task in (process / "task").glob("*")
        )


def _listening_or_unix() -> set[str]:
    unix = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
    tcp = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return unix | {fields[9] for fields in tcp if int(fields[3], 16) == LISTEN}


def _status(process: Path, field: str) -> int:
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return 0  # it has ended meanwhile
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
