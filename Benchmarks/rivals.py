"""The proxies that are held against each other: what each needs, how it is built and how it is started.

Each stands in front of one server. Those that balance stand in front of several for the loads that have a policy.
"""

import os
import re
import shutil
import string
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import MONKEY, ROOT, Failure, Room, accepts, free_port, program, require, run

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "Rivals"
BUILT = ROOT / ".build/compare"
BUILD_SECONDS = 300
INSTALL_SECONDS = 600


@dataclass(frozen=True)
class Rival:
    """A proxy, or a way to set one. Rivals of one `kind` are the same executable."""

    name: str
    kind: str
    title: str
    configuration: str | None = None
    balancing: str | None = None
    """The configuration for several servers."""

    @property
    def is_ours(self):
        return self.name == "monkey"

    @property
    def is_reference(self):
        """Ours too, with one server where the others have several: what balancing costs is the difference."""
        return self.name == "monkey-proxy"

    def meets(self, load):
        if load.policy is None:
            return not self.is_reference
        return self.is_ours or self.is_reference or self.is_floor or self.balancing is not None

    @property
    def is_floor(self):
        """No proxy at all: what the machine, the load tester and the target cost without one."""
        return self.kind == "direct"


RIVALS = [
    Rival("monkey", "monkey", "Monkey D. TCP"),
    Rival("monkey-proxy", "monkey", "Monkey D. TCP, `monkey proxy` to one server"),
    Rival("haproxy", "haproxy", "HAProxy", "haproxy.cfg", balancing="haproxy-balance.cfg"),
    Rival("haproxy-splice", "haproxy", "HAProxy, splice-auto", "haproxy-splice.cfg"),
    Rival("haproxy-pipesize", "haproxy", "HAProxy, splice-auto, tune.pipesize 1 MiB", "haproxy-pipesize.cfg"),
    Rival("haproxy-forced", "haproxy", "HAProxy, splicing forced, tune.pipesize 1 MiB", "haproxy-forced.cfg"),
    Rival("nginx", "nginx", "nginx stream", "nginx.conf", balancing="nginx-balance.conf"),
    Rival("nginx-buffer", "nginx", "nginx stream, proxy_buffer_size 256k", "nginx-buffer.conf"),
    Rival("go", "go", "Go, io.Copy"),
    Rival("tokio", "tokio", "tokio, copy_bidirectional"),
    Rival("direct", "direct", "no proxy"),
]

PACKAGES = {
    "haproxy": ["haproxy"],
    "nginx": ["nginx", "libnginx-mod-stream"],
    "go": ["golang-go"],
    "tokio": ["cargo", "rustc", "librust-tokio-dev"],
}


def install(kinds):
    """Has Debian's packages installed for those kinds, as root, or says what to install."""
    wanted = [package for kind in kinds for package in PACKAGES.get(kind, [])]
    missing = [package for package in wanted if not is_installed(package)]
    if not missing:
        return
    line = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        raise Failure(f"install the rivals first: sudo {' '.join(line)}")
    with no_services():
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-q"], INSTALL_SECONDS, env=environment)
        run(line, INSTALL_SECONDS, env=environment)


def is_installed(package):
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    try:
        return subprocess.run(query, capture_output=True, text=True).stdout == "installed"
    except FileNotFoundError:
        raise Failure("no dpkg here: name the executables with --executable, such as haproxy=/path") from None


class no_services:
    """Keeps Debian's packages from starting what they install: we start the rivals ourselves."""

    policy = Path("/usr/sbin/policy-rc.d")

    def __enter__(self):
        self.is_ours = not self.policy.exists()
        if self.is_ours:
            self.policy.write_text("#!/bin/sh\nexit 101\n")
            self.policy.chmod(0o755)

    def __exit__(self, *_):
        if self.is_ours:
            self.policy.unlink(missing_ok=True)


def build_go():
    executable = BUILT / "gocopy"
    environment = {**os.environ, "GOCACHE": str(BUILT / "go"), "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    go = program("go", "golang-go")
    run([go, "build", "-o", executable, "."], BUILD_SECONDS, cwd=SOURCES / "go", env=environment)
    return executable


def build_tokio():
    # Debian's own compiler for Debian's own crates; cargo writes its lock file beside the manifest, hence the copy.
    cargo, rustc = (Path("/usr/bin") / name for name in ("cargo", "rustc"))
    require(cargo.exists() and rustc.exists(), "cargo is missing: install the packages cargo and rustc")
    copy = BUILT / "tokio"
    shutil.copytree(SOURCES / "tokio", copy, dirs_exist_ok=True)
    environment = {**os.environ, "RUSTC": str(rustc), "CARGO_TARGET_DIR": str(copy / "target")}
    run([cargo, "build", "--quiet", "--release", "--offline"], BUILD_SECONDS, cwd=copy, env=environment)
    return copy / "target/release/tokiocopy"


class Executables:
    """Where the executable of each kind is: named on the command line, installed, or built from our sources."""

    def __init__(self, rivals, named, monkey):
        kinds = list(dict.fromkeys(rival.kind for rival in rivals))
        install(kind for kind in kinds if kind not in named)
        BUILT.mkdir(parents=True, exist_ok=True)
        self.paths = {"monkey": Path(monkey or MONKEY).resolve()}
        find = {
            "haproxy": lambda: Path(program("haproxy", "haproxy")),
            "nginx": lambda: Path(program("nginx", "nginx")),
            "go": build_go,
            "tokio": build_tokio,
        }
        for kind in kinds:
            if kind in named:
                self.paths[kind] = Path(named[kind]).resolve()
            elif kind in find:
                self.paths[kind] = find[kind]()
        for kind, path in self.paths.items():
            require(path.is_file(), f"{kind}: there is no {path}")

    def __getitem__(self, kind):
        return self.paths[kind]

    def __contains__(self, kind):
        return kind in self.paths

    def versions(self):
        """What each kind says it is, for the report."""
        ask = {
            "monkey": lambda path: said([path, "--version"]),
            "haproxy": lambda path: re.search(r"version (\S+)", said([path, "-v"]))[1],
            "nginx": lambda path: re.search(r"nginx/(\S+)", said([path, "-v"]))[1],
            "go": lambda path: re.search(r"go(\d\S+)", said([program("go", "golang-go"), "version", path]))[1],
            "tokio": tokio_version,
        }
        return {kind: ask[kind](path).strip() for kind, path in self.paths.items()}


def said(command):
    done = run(command)
    return done.stdout + done.stderr


def tokio_version(path):
    lock = BUILT / "tokio/Cargo.lock"
    if BUILT not in path.parents or not lock.exists():
        return "as named"
    return re.search(r'name = "tokio"\nversion = "([^"]+)"', lock.read_text())[1]


class RunningProxy:
    """A rival that was started for one run: a `port` to connect to, and a `process` unless it is the floor."""

    def __init__(self, rival, executables, target_ports, threads, policy=None):
        self.rival, self.executables, self.threads = rival, executables, threads
        self.target_ports, self.policy = target_ports, policy
        self.port = target_ports[0] if rival.is_floor else free_port()
        self.process = None

    def __enter__(self):
        self.room = Room()
        self.room.__enter__()
        try:
            if not self.rival.is_floor:
                arguments = self.command()
                environment = {**os.environ, "GOMAXPROCS": str(self.threads)}
                self.process = self.room.start(arguments, env=environment, cwd=self.room.path)
                self.room.wait_for_port(self.process, Path(arguments[0]).name, self.port)
        except BaseException:
            self.room.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *reason):
        return self.room.__exit__(*reason)

    def command(self):
        listen, targets = f"127.0.0.1:{self.port}", [f"127.0.0.1:{port}" for port in self.target_ports]
        executable, target = self.executables[self.rival.kind], targets[0]
        match self.rival.kind:
            case "monkey":
                options = ["--threads", str(self.threads), "--metrics", "off", "--summary", "off", "--grace", "1s"]
                if self.policy and self.rival.is_ours:
                    return [executable, "balance", listen, *targets, "--policy", self.policy, *options]
                return [executable, "proxy", listen, target, *options]
            case "haproxy":
                return [executable, "-db", "-f", self.configuration()]
            case "nginx":
                return [executable, "-p", self.room.path, "-c", self.configuration()]
            case "go":
                return [executable, listen, target]
            case "tokio":
                return [executable, listen, target, str(self.threads)]

    def configuration(self):
        """The rival's file with this run's ports filled in."""
        values = {"listen_port": self.port, "target_port": self.target_ports[0], "threads": self.threads}
        if self.rival.kind == "nginx":
            values["load_stream_module"] = load_stream_module(self.executables["nginx"])
        if self.policy:
            values |= self.balancing_values()
        file = self.rival.balancing if self.policy else self.rival.configuration
        template = string.Template((SOURCES / file).read_text())
        path = self.room.path / file
        path.write_text(template.substitute(values))
        return path


    def balancing_values(self):
        """The policy and the servers, as the rival writes them."""
        if self.rival.kind == "nginx":
            policy = {"round-robin": "", "least-connections": "least_conn;"}[self.policy]
            servers = [f"        server 127.0.0.1:{port};" for port in self.target_ports]
        else:
            policy = {"round-robin": "roundrobin", "least-connections": "leastconn"}[self.policy]
            servers = [f"    server target{port} 127.0.0.1:{port}" for port in self.target_ports]
        return {"policy": policy, "servers": "\n".join(servers)}


def load_stream_module(nginx):
    """The line that nginx needs where its stream module is a file of its own, as Debian's is."""
    built = said([nginx, "-V"])
    if "--with-stream=dynamic" not in built:
        return ""
    folder = re.search(r"--modules-path=(\S+)", built)
    require(folder, "nginx -V does not say where its modules are")
    return f"load_module {folder[1]}/ngx_stream_module.so;"


class Targets:
    """The servers behind the proxies: `monkey echo` in each of its behaviours, several where they are balanced."""

    BALANCED = 3

    def __init__(self, room, monkey):
        self.ports = {}
        for behaviour, count in (("echo", self.BALANCED), ("sink", 1), ("source", 1)):
            self.ports[behaviour] = [self.start(behaviour, room, monkey) for _ in range(count)]

    @staticmethod
    def start(behaviour, room, monkey):
        port = free_port()
        process = room.start([monkey, "echo", f"127.0.0.1:{port}", f"--{behaviour}", "--threads", "1", "--grace", "1s"])
        room.wait_for(process, monkey.name, lambda: accepts(port))
        return port

    def __getitem__(self, behaviour):
        return self.ports[behaviour]
