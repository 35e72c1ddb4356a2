"""The other proxies under test, proxies with faults, and any other program."""

import os
import signal
import sys
from pathlib import Path

from adapters import (
    BACKLOG,
    CERTIFICATE,
    CHAIN_AND_KEY,
    HERE,
    KEEP_ALIVE,
    KEY,
    LONG_TIMEOUT,
    ROOT,
    SETTING_TITLES,
    TLS_NAME,
    Adapter,
    Settings,
    first_line,
    format_address,
    milliseconds,
    program,
)
from kernel import SocketAddress


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
        from competitors import COMPETITORS
        from executables import Executables

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
        addresses = [format_address(listen), format_address(target)]
        if settings.tls:
            return [sys.executable, str(HERE / "faulty_tls_proxy.py"), *addresses, self.fault, settings.tls, str(folder)]
        limit = min((value for value in settings.given.values() if not isinstance(value, str)), default=0)
        return [sys.executable, str(HERE / "faulty_proxy.py"), *addresses, self.fault, str(limit)]

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


OTHERS = [
    HAProxy(),
    Nginx(),
    Socat(),
    Competitor("go", "Go, io.Copy"),
    Competitor("tokio", "tokio, copy_bidirectional", "2"),
]
