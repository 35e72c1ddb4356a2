"""The proxies under comparison: the requirements of each, how it is built and how it is started.

Each has one or more routes: a port where it listens, and the server that it forwards to. For the loads with a policy,
the balancers have several servers behind one port.
"""

import os
import re
import shutil
import string
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import MONKEY, ROOT, Failure, Sandbox, accepts, free_port, program, require, run

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "Competitors"
BUILT = ROOT / ".build/compare"
BUILD_SECONDS = 300
INSTALL_SECONDS = 600


@dataclass(frozen=True)
class Competitor:
    """A proxy, or one configuration of a proxy. Competitors of one `kind` share an executable."""

    name: str
    kind: str
    title: str
    short: str
    configuration: str | None = None
    balancing: str | None = None
    """The configuration for several servers."""
    is_default: bool = True
    """Whether it takes part unless `--competitors` is given."""

    @property
    def is_ours(self):
        return self.name == "monkey"

    @property
    def is_baseline(self):
        """Another build of ours, measured in the same rounds: the difference is the effect of a change."""
        return self.kind == "baseline"

    @property
    def is_reference(self):
        """Also ours, with one server where the others have several: the difference is the cost of balancing."""
        return self.name == "monkey-proxy"

    def can_run(self, load):
        if load.policy is None:
            return not self.is_reference
        if self.is_ours or self.is_baseline or self.is_reference or self.is_direct:
            return True
        return self.balancing is not None

    @property
    def engine(self):
        """The engine that our proxy moves bytes with."""
        return "copy" if self.name == "monkey-copy" else "auto"

    @property
    def is_direct(self):
        """No proxy at all: the cost of the machine, the load tester and the target."""
        return self.kind == "direct"


COMPETITORS = [
    Competitor("monkey", "monkey", "Monkey D. TCP", "ours"),
    Competitor("baseline", "baseline", "Monkey D. TCP, the baseline", "baseline", is_default=False),
    Competitor("monkey-copy", "monkey", "Monkey D. TCP, `--engine copy`", "ours, copying", is_default=False),
    Competitor("monkey-proxy", "monkey", "Monkey D. TCP, `monkey proxy` to one server", "ours, to one server"),
    Competitor("haproxy", "haproxy", "HAProxy", "HAProxy", "haproxy.cfg", balancing="haproxy-balance.cfg"),
    Competitor("haproxy-splice", "haproxy", "HAProxy, splice-auto", "HAProxy splice-auto", "haproxy-splice.cfg"),
    Competitor(
        "haproxy-pipesize",
        "haproxy",
        "HAProxy, splice-auto, tune.pipesize 1 MiB",
        "HAProxy, pipes of 1 MiB",
        "haproxy-pipesize.cfg",
    ),
    Competitor(
        "haproxy-forced",
        "haproxy",
        "HAProxy, splicing forced, tune.pipesize 1 MiB",
        "HAProxy, splicing forced",
        "haproxy-forced.cfg",
    ),
    Competitor("nginx", "nginx", "nginx stream", "nginx", "nginx.conf", balancing="nginx-balance.conf"),
    Competitor(
        "nginx-buffer", "nginx", "nginx stream, proxy_buffer_size 256k", "nginx, 256 KiB buffers", "nginx-buffer.conf"
    ),
    Competitor("go", "go", "Go, io.Copy", "Go"),
    Competitor("tokio", "tokio", "tokio, copy_bidirectional", "tokio"),
    Competitor("direct", "direct", "no proxy", "no proxy"),
]

PACKAGES = {
    "haproxy": ["haproxy"],
    "nginx": ["nginx", "libnginx-mod-stream"],
    "go": ["golang-go"],
    "tokio": ["cargo", "rustc", "librust-tokio-dev"],
}


def install(kinds):
    """Installs Debian's packages for those kinds, as root, or raises an error that names the packages."""
    wanted = [package for kind in kinds for package in PACKAGES.get(kind, [])]
    missing = [package for package in wanted if not is_installed(package)]
    if not missing:
        return
    line = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        raise Failure(f"install the competitors first: sudo {' '.join(line)}")
    with no_services():
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-q"], INSTALL_SECONDS, env=environment)
        run(line, INSTALL_SECONDS, env=environment)


def is_installed(package):
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    try:
        return subprocess.run(query, capture_output=True, text=True).stdout == "installed"
    except FileNotFoundError:
        raise Failure("dpkg is missing: pass the executables with --executable, such as haproxy=/path") from None


class no_services:
    """Prevents Debian's packages from starting services: the benchmark starts the competitors itself."""

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
    """The path of each kind's executable: given on the command line, installed, or built from our sources."""

    def __init__(self, competitors, named, monkey):
        kinds = list(dict.fromkeys(competitor.kind for competitor in competitors))
        require("baseline" in named or "baseline" not in kinds, "no baseline is given: add --baseline PATH")
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
            require(path.is_file(), f"{kind}: {path} does not exist")

    def __getitem__(self, kind):
        return self.paths[kind]

    def __contains__(self, kind):
        return kind in self.paths

    def versions(self):
        """Returns the version that each kind reports."""
        version_of = {
            "monkey": lambda path: output_of([path, "--version"]),
            "baseline": lambda path: output_of([path, "--version"]),
            "haproxy": lambda path: re.search(r"version (\S+)", output_of([path, "-v"]))[1],
            "nginx": lambda path: re.search(r"nginx/(\S+)", output_of([path, "-v"]))[1],
            "go": lambda path: re.search(r"go(\d\S+)", output_of([program("go", "golang-go"), "version", path]))[1],
            "tokio": tokio_version,
        }
        return {kind: version_of[kind](path).strip() for kind, path in self.paths.items()}


def output_of(command):
    done = run(command)
    return done.stdout + done.stderr


def tokio_version(path):
    lock = BUILT / "tokio/Cargo.lock"
    if BUILT not in path.parents or not lock.exists():
        return "as named"
    return re.search(r'name = "tokio"\nversion = "([^"]+)"', lock.read_text())[1]


class RunningProxy:
    """A competitor started for one run: an address to connect to for each of its routes, and a `process` except for the
    direct connection."""

    def __init__(self, competitor, executables, topology, routes, threads, policy=None):
        """Each route is the list of addresses of its servers, several only if they are balanced."""
        self.competitor, self.executables, self.threads = competitor, executables, threads
        self.topology, self.routes, self.policy = topology, routes, policy
        self.ports = [] if competitor.is_direct else distinct_ports(len(routes))
        self.process = None

    @property
    def addresses(self):
        """The address that the clients of each route connect to."""
        if self.competitor.is_direct:
            return [servers[0] for servers in self.routes]
        return [f"{self.topology.proxy_host}:{port}" for port in self.ports]

    def __enter__(self):
        self.sandbox = Sandbox()
        self.sandbox.__enter__()
        try:
            if not self.competitor.is_direct:
                with self.topology.proxy_side():
                    self.start()
        except BaseException:
            self.sandbox.__exit__(None, None, None)
            raise
        return self

    def start(self):
        arguments = self.command()
        environment = {**os.environ, "GOMAXPROCS": str(self.threads)}
        self.process = self.sandbox.start(arguments, env=environment, cwd=self.sandbox.path)
        for port in self.ports:
            self.sandbox.wait_for(
                self.process, Path(arguments[0]).name, lambda: accepts(port, self.topology.proxy_host)
            )

    def __exit__(self, *reason):
        return self.sandbox.__exit__(*reason)

    def command(self):
        executable = self.executables[self.competitor.kind]
        pairs = [word for address, servers in zip(self.addresses, self.routes) for word in (address, servers[0])]
        match self.competitor.kind:
            case "monkey" | "baseline":
                return self.our_command(executable)
            case "haproxy":
                return [executable, "-db", "-f", self.configuration()]
            case "nginx":
                return [executable, "-p", self.sandbox.path, "-c", self.configuration()]
            case "go":
                return [executable, *pairs]
            case "tokio":
                return [executable, *pairs, str(self.threads)]

    def our_command(self, executable):
        if len(self.routes) > 1:
            return [executable, "run", self.our_configuration()]
        listen, servers = self.addresses[0], self.routes[0]
        options = ["--threads", str(self.threads), "--admin", "off", "--summary", "off", "--grace", "1s"]
        options += ["--engine", self.competitor.engine]
        if self.policy and not self.competitor.is_reference:
            return [executable, "balance", listen, *servers, "--policy", self.policy, *options]
        return [executable, "proxy", listen, servers[0], *options]

    def our_configuration(self):
        """Returns a file for `monkey run` (docs/configuration.md), which supports several listeners."""
        lines = [
            f"threads: {self.threads}",
            f"engine: {self.competitor.engine}",
            "admin: off",
            "summary: off",
            "grace: 1s",
        ]
        listeners, pools = ["listeners:"], ["pools:"]
        for index, (address, servers) in enumerate(zip(self.addresses, self.routes)):
            listeners.append(f"  route{index}: {{listen: '{address}', pool: route{index}}}")
            pools.append(f"  route{index}: {{servers: ['{servers[0]}']}}")
        path = self.sandbox.path / "monkey.yaml"
        path.write_text("\n".join(lines + listeners + pools) + "\n")
        return path

    def configuration(self):
        """Returns the competitor's configuration file for the addresses of this run."""
        values = {"threads": self.threads}
        if self.competitor.kind == "nginx":
            values["load_stream_module"] = load_stream_module(self.executables["nginx"])
        if self.policy:
            values |= self.balancing_values() | {"listen": self.addresses[0]}
        file = self.competitor.balancing if self.policy else self.competitor.configuration
        routes = [
            {"name": f"route{index}", "listen": address, "target": servers[0]}
            for index, (address, servers) in enumerate(zip(self.addresses, self.routes))
        ]
        path = self.sandbox.path / file
        path.write_text(fill_template((SOURCES / file).read_text(), values, routes))
        return path

    def balancing_values(self):
        """Returns the policy and the servers, in the competitor's syntax."""
        if self.competitor.kind == "nginx":
            policy = {"round-robin": "", "least-connections": "least_conn;"}[self.policy]
            servers = [f"        server {server};" for server in self.routes[0]]
        else:
            policy = {"round-robin": "roundrobin", "least-connections": "leastconn"}[self.policy]
            servers = [f"    server target{index} {server}" for index, server in enumerate(self.routes[0])]
        return {"policy": policy, "servers": "\n".join(servers)}


def distinct_ports(count):
    ports = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def fill_template(template, values, routes):
    """Returns a template with its values substituted. The text between the comments `# each route` and `# end` is
    repeated for each route."""
    before, _, rest = template.partition("# each route\n")
    section, _, after = rest.partition("# end\n")
    parts = [(before, values), *((section, values | route) for route in routes), (after, values)]
    return "".join(string.Template(text).substitute(known) for text, known in parts)


def load_stream_module(nginx):
    """Returns the directive that nginx needs if its stream module is a separate file, as in Debian."""
    built = output_of([nginx, "-V"])
    if "--with-stream=dynamic" not in built:
        return ""
    folder = re.search(r"--modules-path=(\S+)", built)
    require(folder, "nginx -V does not print its modules path")
    return f"load_module {folder[1]}/ngx_stream_module.so;"
