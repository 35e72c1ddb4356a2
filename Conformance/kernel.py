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

    def _members(self) -> Iterator[Path]:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                fields = (process / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z" and int(fields[2]) == self.leader:
                yield process

    @property
    def is_empty(self) -> bool:
        return not any(self._members())

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


def _status(process: Path, field: str) -> int:
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return 0  # it has ended meanwhile
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
