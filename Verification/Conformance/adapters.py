"""What all proxies under test have in common, and ours; others.py has the others. Each is started in its
best configuration.

A case requests settings by a common name. An adapter translates them into the options of a proxy, and raises
NotApplicable if the proxy does not support one.
"""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

from kernel import SocketAddress
from waits import Failure, NotApplicable, require

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MONKEY = Path(os.environ.get("MONKEY", ROOT / ".build/release/monkey"))

KEEP_ALIVE = 60
"""Seconds; if a proxy has no suitable default for a relay."""

BACKLOG = 4096

LONG_TIMEOUT = 3600
"""Seconds, for a timeout that a proxy cannot disable and that no case tests."""


@dataclass(frozen=True)
class Settings:
    """The settings of a case that differ from a proxy's defaults. Times are in seconds."""

    idle: float | None = None
    half_close: float | None = None
    lifetime: float | None = None
    connect: float | None = None
    client_keep_alive: int | None = None
    server_keep_alive: int | None = None
    user_timeout: float | None = None
    max_connections: int | None = None
    backlog: int | None = None
    grace: float | None = None
    pipes: int | None = None
    """Maximum number of pipes per thread, or in total if threads share them."""
    tls: str | None = None
    """TLS with `clients`, with `servers`, or with `both`, by the files in the folder of the case."""
    handshake: float | None = None
    descriptors: int | None = None
    """Descriptor limit of the process, which applies to any proxy."""

    @property
    def given(self) -> dict[str, float | str]:
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}

    @property
    def decrypts(self) -> bool:
        """Whether clients connect with TLS."""
        return self.tls in ("clients", "both")

    @property
    def encrypts(self) -> bool:
        """Whether servers are connected with TLS."""
        return self.tls in ("servers", "both")


SETTING_TITLES = {
    "idle": "idle timeout",
    "half_close": "separate half-close timeout",
    "lifetime": "maximum connection lifetime",
    "connect": "connect timeout",
    "client_keep_alive": "keepalive interval for clients",
    "server_keep_alive": "keepalive interval for servers",
    "user_timeout": "TCP_USER_TIMEOUT",
    "max_connections": "connection limit",
    "backlog": "listen backlog",
    "grace": "drain timeout",
    "pipes": "pipe limit",
    "tls": "TLS",
    "handshake": "TLS handshake timeout",
}

TLS_NAME = "server.example.test"
"""The name in the certificate of the proxy and of the server."""

CERTIFICATE, KEY, CHAIN_AND_KEY = "certificate.pem", "key.pem", "chain-and-key.pem"
"""Files in the folder of a case with TLS."""


class Adapter:
    """One proxy in one configuration."""

    name: str
    title: str
    threads = 1
    settings: frozenset[str] = frozenset()
    supports_unix_sockets = True
    drain_signal = signal.SIGTERM
    force_signal = signal.SIGTERM

    def command(self, listen: SocketAddress, target: SocketAddress, settings: Settings, folder: Path) -> list[str]:
        raise NotImplementedError

    def version(self) -> str:
        raise NotImplementedError

    def require_address_support(self, *addresses: SocketAddress) -> None:
        if any(isinstance(address, str) for address in addresses) and not self.supports_unix_sockets:
            raise NotApplicable("does not support Unix sockets")

    def prepare(self) -> None:
        """Performs the setup that is needed once, before the first start."""

    def require_settings(self, settings: Settings) -> None:
        for name in settings.given:
            if name != "descriptors" and name not in self.settings:
                raise NotApplicable(f"has no {SETTING_TITLES[name]}")


class Monkey(Adapter):
    settings = frozenset(SETTING_TITLES)

    def __init__(self, engine: str, threads: int) -> None:
        self.engine, self.threads = engine, threads
        self.name = f"{engine}-{threads}"
        self.title = f"monkey, {engine}, {threads} thread{'s' * (threads > 1)}"

    def command(self, listen: SocketAddress, target: SocketAddress, settings: Settings, folder: Path) -> list[str]:
        require(MONKEY.is_file(), f"{MONKEY} does not exist: build it with `swift build -c release`, or set MONKEY")
        command = [
            str(MONKEY),
            "proxy",
            format_address(listen),
            format_address(target),
            "--admin",
            "off",
            "--summary",
            "off",
        ]
        command += ["--engine", self.engine, "--threads", str(self.threads)]
        options = {
            "--idle-timeout": milliseconds(settings.idle),
            "--half-close-timeout": milliseconds(settings.half_close),
            "--lifetime": milliseconds(settings.lifetime),
            "--connect-timeout": milliseconds(settings.connect),
            "--keepalive": milliseconds(settings.client_keep_alive or settings.server_keep_alive),
            "--tcp-user-timeout": milliseconds(settings.user_timeout),
            "--max-connections": settings.max_connections,
            "--backlog": settings.backlog,
            "--grace": milliseconds(settings.grace),
            "--max-pipes": settings.pipes,
            "--handshake-timeout": milliseconds(settings.handshake),
        }
        for option, value in options.items():
            command += [option, str(value)] if value else []
        if settings.decrypts:
            command += ["--tls-certificate", str(folder / CERTIFICATE), "--tls-key", str(folder / KEY)]
        if settings.encrypts:
            command += ["--server-tls", "--server-tls-ca", str(folder / CERTIFICATE), "--server-tls-name", TLS_NAME]
        return command

    def version(self) -> str:
        return first_line([str(MONKEY), "--version"])


OURS = [Monkey(engine, threads) for engine in ("auto", "copy", "splice") for threads in (1, 3)]


def format_address(address: SocketAddress) -> str:
    return f"unix:{address}" if isinstance(address, str) else f"{address[0]}:{address[1]}"


def milliseconds(seconds: float | None) -> str | None:
    """Formats a duration for monkey, HAProxy and nginx. Whole seconds have the unit s, for settings without
    milliseconds."""
    if seconds is None:
        return None
    return f"{round(seconds)}s" if seconds == round(seconds) else f"{round(seconds * 1000)}ms"


def program(name: str) -> str:
    """Returns the path of a program, which may be in a directory that is only in an administrator's PATH."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise Failure(f"the program {name} is missing: install the package {name}")
    return found


def first_line(command: list[str], line: int = 0) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LONG_TIMEOUT)
    return done.stdout.splitlines()[line].strip()
