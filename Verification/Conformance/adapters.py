"""The proxies under test: how each is started in its best configuration, and which settings it supports.

A case requests settings by a common name. An adapter translates them into the options of a proxy, and raises
NotApplicable if the proxy does not support one.
"""

import os
import shutil
import signal
import subprocess
import sys
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


class HAProxy(Adapter):
    name, title = "haproxy", "HAProxy"
    settings = frozenset(SETTING_TITLES) - {"lifetime", "handshake"}
    drain_signal = signal.SIGUSR1

    def command(self, listen: SocketAddress, target: SocketAddress, settings: Settings, folder: Path) -> list[str]:
        probes = settings.client_keep_alive or settings.server_keep_alive or KEEP_ALIVE
        keep_alive = [
            line
            for side in ("clitcpka", "srvtcpka")
            for line in (f"option {side}", f"{side}-idle {probes}s", f"{side}-intvl {probes}s", f"{side}-cnt 3")
        ]
        tcp_ut = f" tcp-ut {milliseconds(settings.user_timeout)}" if settings.user_timeout else ""
        half_close = milliseconds(settings.half_close or LONG_TIMEOUT)
        client_tls = f" ssl crt {folder}/{CHAIN_AND_KEY} ssl-min-ver TLSv1.2" if settings.decrypts else ""
        server_tls = f" ssl ca-file {folder}/{CERTIFICATE} verify required" if settings.encrypts else ""
        server_tls += f" verifyhost {TLS_NAME} sni str({TLS_NAME})" if settings.encrypts else ""
        lines = [
            "global",
            # HAProxy starts only with two descriptors for each connection and a reserve for itself.
            f"maxconn {settings.descriptors // 3}" if settings.descriptors else "",
            f"hard-stop-after {milliseconds(settings.grace)}" if settings.grace else "",
            f"maxpipes {settings.pipes}" if settings.pipes else "",
            "defaults",
            "mode tcp",
            "option splice-auto",
            *keep_alive,
            f"maxconn {settings.max_connections}" if settings.max_connections else "",
            f"backlog {settings.backlog or BACKLOG}",
            "retries 0",
            f"timeout connect {milliseconds(settings.connect or 5)}",
            f"timeout client {LONG_TIMEOUT}s",
            f"timeout server {LONG_TIMEOUT}s",
            f"timeout tunnel {milliseconds(settings.idle or LONG_TIMEOUT)}",
            f"timeout client-fin {half_close}",
            f"timeout server-fin {half_close}",
            "listen relay",
            f"bind {self.address(listen)}{tcp_ut}{client_tls}",
            f"server target {self.address(target)}{tcp_ut}{server_tls}",
        ]
        configuration = folder / "haproxy.cfg"
        configuration.write_text("\n".join(filter(None, lines)) + "\n")
        return [program("haproxy"), "-db", "-q", "-f", str(configuration)]

    def address(self, address: SocketAddress) -> str:
        return f"unix@{address}" if isinstance(address, str) else format_address(address)

    def version(self) -> str:
        return first_line([program("haproxy"), "-v"]).split()[2]


class Nginx(Adapter):
    name, title = "nginx", "nginx stream"
    settings = frozenset(
        {"idle", "connect", "client_keep_alive", "max_connections", "backlog", "grace", "tls", "handshake"}
    )
    drain_signal = signal.SIGQUIT

    def command(self, listen: SocketAddress, target: SocketAddress, settings: Settings, folder: Path) -> list[str]:
        # The probes to servers use the system's intervals.
        probes = settings.client_keep_alive or KEEP_ALIVE
        module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
        lines = [
            f"load_module {module};" if module.is_file() else "",
            "daemon off;",
            "worker_processes 2;",
            "user root;" if os.geteuid() == 0 else "",
            f"pid {folder}/nginx.pid;",
            "error_log stderr error;",
            f"worker_shutdown_timeout {milliseconds(settings.grace)};" if settings.grace else "",
            "events { worker_connections 4096; }",
            "stream {",
            "limit_conn_zone $server_port zone=all:64k;" if settings.max_connections else "",
            "server {",
            f"listen {format_address(listen)} backlog={settings.backlog or BACKLOG}"
            f" so_keepalive={probes}s:{probes}s:3{' ssl' * settings.decrypts};",
            *self.tls(settings, folder),
            f"limit_conn all {settings.max_connections};" if settings.max_connections else "",
            f"proxy_pass {format_address(target)};",
            "proxy_half_close on;",
            "proxy_socket_keepalive on;",
            f"proxy_connect_timeout {milliseconds(settings.connect or 5)};",
            f"proxy_timeout {milliseconds(settings.idle or LONG_TIMEOUT)};",
            "} }",
        ]
        configuration = folder / "nginx.conf"
        configuration.write_text("\n".join(filter(None, lines)) + "\n")
        return [program("nginx"), "-c", str(configuration), "-e", "stderr"]

    def tls(self, settings: Settings, folder: Path) -> list[str]:
        lines = []
        if settings.decrypts:
            lines += [
                "ssl_protocols TLSv1.2 TLSv1.3;",
                f"ssl_certificate {folder}/{CERTIFICATE};",
                f"ssl_certificate_key {folder}/{KEY};",
                f"ssl_handshake_timeout {milliseconds(settings.handshake or LONG_TIMEOUT)};",
            ]
        if settings.encrypts:
            lines += [
                "proxy_ssl on;",
                "proxy_ssl_protocols TLSv1.2 TLSv1.3;",
                "proxy_ssl_verify on;",
                f"proxy_ssl_trusted_certificate {folder}/{CERTIFICATE};",
                f"proxy_ssl_name {TLS_NAME};",
                "proxy_ssl_server_name on;",
            ]
        return lines

    def version(self) -> str:
        return first_line([program("nginx"), "-v"]).rpartition("/")[2]


class Socat(Adapter):
    name, title = "socat", "socat"
    settings = frozenset(
        {"idle", "half_close", "connect", "client_keep_alive", "server_keep_alive", "user_timeout"}
        | {"max_connections", "backlog"}
    )

    def command(self, listen: SocketAddress, target: SocketAddress, settings: Settings, folder: Path) -> list[str]:
        probes = settings.client_keep_alive or settings.server_keep_alive or KEEP_ALIVE
        both = f"nodelay,oobinline,keepalive,keepidle={probes},keepintvl={probes},keepcnt=3"
        # 6 is IPPROTO_TCP, 18 TCP_USER_TIMEOUT: socat has no name for this option.
        both += f",setsockopt-int=6:18:{round(settings.user_timeout * 1000)}" if settings.user_timeout else ""
        options = f"fork,backlog={settings.backlog or BACKLOG}"
        options += f",max-children={settings.max_connections}" if settings.max_connections else ""
        if isinstance(listen, str):
            listening = f"UNIX-LISTEN:{listen},{options}"
        else:
            listening = f"TCP4-LISTEN:{listen[1]},bind={listen[0]},reuseaddr,{options},{both}"
        if isinstance(target, str):
            connecting = f"UNIX-CONNECT:{target}"
        else:
            connecting = f"TCP4:{format_address(target)},connect-timeout={settings.connect or 5},{both}"
        idle = ["-T", str(settings.idle)] if settings.idle else []
        return [program("socat"), "-t", str(settings.half_close or LONG_TIMEOUT), *idle, listening, connecting]

    def version(self) -> str:
        return first_line([program("socat"), "-V"], line=1).split()[2]


class Competitor(Adapter):
    """A minimal proxy from Benchmarks/Competitors: it takes two addresses and has no settings."""

    supports_unix_sockets = False

    def __init__(self, name: str, title: str, *options: str) -> None:
        self.name, self.title, self.options = name, title, options
        self.executable: Path
        self.built_by = ""

    def prepare(self) -> None:
        """Builds it, as the benchmarks do. As root this installs the compiler if it is missing."""
        sys.path += [str(ROOT / "Benchmarks"), str(ROOT / "Verification/Interop")]
        from competitors import COMPETITORS, Executables

        executables = Executables([each for each in COMPETITORS if each.kind == self.name], {}, None)
        self.executable = executables[self.name]
        self.built_by = executables.versions()[self.name]

    def command(self, listen: SocketAddress, target: SocketAddress, settings: Settings, folder: Path) -> list[str]:
        return [str(self.executable), format_address(listen), format_address(target), *self.options]

    def version(self) -> str:
        return f"{self.name} {self.built_by}"


class FaultyProxy(Adapter):
    """A proxy with one intentional fault, which accepts and ignores any setting."""

    settings = frozenset(SETTING_TITLES)

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.name = self.title = f"faulty-{fault}"

    def command(self, listen: SocketAddress, target: SocketAddress, settings: Settings, folder: Path) -> list[str]:
        command = [
            sys.executable,
            str(HERE / "faulty_proxy.py"),
            format_address(listen),
            format_address(target),
            self.fault,
        ]
        numbers = [value for value in settings.given.values() if not isinstance(value, str)]
        return command + [str(min(numbers, default=0)), settings.tls or "off", str(folder)]

    def version(self) -> str:
        return "faulty_proxy.py"


class Custom(Adapter):
    """Any program that takes a listening address and a target address."""

    supports_unix_sockets = False

    def __init__(self, command: str) -> None:
        self.template = command.split()
        self.name = self.title = Path(self.template[0]).name

    def command(self, listen: SocketAddress, target: SocketAddress, settings: Settings, folder: Path) -> list[str]:
        return [word.format(listen=format_address(listen), target=format_address(target)) for word in self.template]

    def version(self) -> str:
        return " ".join(self.template)


OURS = [Monkey(engine, threads) for engine in ("auto", "copy", "splice") for threads in (1, 3)]
OTHERS = [
    HAProxy(),
    Nginx(),
    Socat(),
    Competitor("go", "Go, io.Copy"),
    Competitor("tokio", "tokio, copy_bidirectional", "2"),
]


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
