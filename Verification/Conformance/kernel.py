"""Kernel state of connections and processes, independent of the program that owns them."""

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Address = tuple[str, int]
SocketAddress = Address | str
"""An IPv4 address and a port, or the path of a Unix socket."""

ANY: Address = ("0.0.0.0", 0)

ESTABLISHED, SYN_SENT, LISTEN = 1, 2, 10
KEEP_ALIVE_TIMER = 2
SO_ACCEPTCON = 0x10000
"""A flag in /proc/net/unix: a listening socket."""

# sock_diag(7) answers for a single socket, and exactly; /proc/net/tcp lists all sockets, and while others open and
# close it repeats some and omits others.
SOCK_DIAG_BY_FAMILY = 20
NETLINK_SOCK_DIAG = 4
NLM_F_REQUEST, NLM_F_DUMP = 0x001, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
ALL_STATES = 0xFFFF
HEADER = struct.Struct("=IHHII")
SOCKET_ID = struct.Struct("!HH4s12x4s12x")


@dataclass(frozen=True)
class Connection:
    """A TCP socket over IPv4."""

    local: Address
    remote: Address
    state: int
    unacknowledged: int
    """Bytes in the send queue: sent or unsent, not yet acknowledged by the peer's kernel."""
    unread: int
    """Bytes received and not yet read; for a listening socket, connections not yet accepted."""
    timer: int
    timer_seconds: float
    inode: str


def lookup(local: Address, remote: Address = ANY) -> Connection | None:
    """Returns the socket with these two addresses; without a remote address, the listening socket."""
    return next(iter(_query(local, remote, ALL_STATES, 0)), None)


def sockets_in_state(state: int) -> list[Connection]:
    """Returns all sockets in a state."""
    return _query(ANY, ANY, 1 << state, NLM_F_DUMP)


def listens(address: SocketAddress) -> bool:
    """Returns whether a socket listens at an address."""
    if isinstance(address, str):
        # HAProxy binds a temporary name with a suffix, and renames it when it is ready.
        listening = (path for flags, path in _unix_paths() if int(flags, 16) & SO_ACCEPTCON)
        return os.path.exists(address) and any(path.startswith(address) for path in listening)
    return lookup(address) is not None


def accept_queue_length(address: Address) -> int:
    """Returns the number of connections in the accept queue of a listening socket."""
    listener = lookup(address)
    return listener.unread if listener else 0


def connecting_to(address: Address) -> list[Connection]:
    """Returns the pending connection attempts to an address."""
    return [attempt for attempt in sockets_in_state(SYN_SENT) if attempt.remote == address]


def _query(local: Address, remote: Address, states: int, flags: int) -> list[Connection]:
    any_interface_and_cookie = bytes(4) + b"\xff" * 8
    socket_id = SOCKET_ID.pack(local[1], remote[1], socket.inet_aton(local[0]), socket.inet_aton(remote[0]))
    body = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, states) + socket_id + any_interface_and_cookie
    header = HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | flags, 0, 0)
    found: list[Connection] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG) as kernel:
        kernel.send(header + body)
        while True:
            response = kernel.recv(1 << 16)
            while response:
                length, kind, *_ = HEADER.unpack_from(response)
                if kind in (NLMSG_ERROR, NLMSG_DONE):  # the error means that the socket does not exist
                    return found
                found.append(_parse(response[HEADER.size : length]))
                response = response[length:]
            if not flags & NLM_F_DUMP:
                return found


def _parse(message: bytes) -> Connection:
    _, state, timer, _ = message[:4]
    port, remote_port, host, remote_host = SOCKET_ID.unpack_from(message, 4)
    milliseconds, unread, unacknowledged, _, inode = struct.unpack_from("=5I", message, 52)
    return Connection(
        (socket.inet_ntoa(host), port),
        (socket.inet_ntoa(remote_host), remote_port),
        state,
        unacknowledged,
        unread,
        timer,
        milliseconds / 1000,
        str(inode),
    )


class ProcessGroup:
    """A program with all its descendant processes."""

    def __init__(self, leader: int) -> None:
        self.leader = leader

    def _members(self, ancestor: int | None = None) -> Iterator[Path]:
        process = Path(f"/proc/{ancestor or self.leader}")
        yield process
        try:
            children = (process / f"task/{process.name}/children").read_text().split()
        except OSError:
            return  # it has exited
        for child in children:
            yield from self._members(int(child))

    @property
    def open_connections(self) -> int:
        """Number of TCP sockets that the group has open, in any state except LISTEN."""
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
                continue  # the descriptor is closed or the process has exited
        return found

    @property
    def anonymous_memory(self) -> int:
        """The anonymous memory of its processes, in bytes."""
        return sum(_status(process, "RssAnon:") * 1024 for process in self._members())

    @property
    def wakeups(self) -> int:
        """Number of voluntary context switches of its threads."""
        return sum(
            _status(task, "voluntary_ctxt_switches:")
            for process in self._members()
            for task in (process / "task").glob("*")
        )


def longest_send_queue() -> int:
    """Returns the maximum size of a TCP socket's send queue, in bytes, unacknowledged data included (tcp(7))."""
    return int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])


def _unix_sockets() -> list[list[str]]:
    """Returns the lines of /proc/net/unix, split into words: the flags are the fourth, the inode the seventh, the
    path the last."""
    return [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]


def _unix_paths() -> list[tuple[str, str]]:
    return [(words[3], words[7]) for words in _unix_sockets() if len(words) > 7]


def _listening_or_unix() -> set[str]:
    unix = {words[6] for words in _unix_sockets()}
    return unix | {listener.inode for listener in sockets_in_state(LISTEN)}


def _status(process: Path, field: str) -> int:
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return 0  # it has exited
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
