"""The proxies under comparison, and how each is started.

Each has one or more routes: a port where it listens, and the server that it forwards to. For the loads with a policy,
the balancers have several servers behind one port.
"""

import os
import re
import string
from dataclasses import dataclass
from pathlib import Path

from certificates import make_certificate
from executables import SOURCES, output_of
from harness import Sandbox, accepts, free_port, require


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
    tls: str | None = None
    """The configuration that decrypts."""
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
        if load.has_tls:
            return self.name == "monkey" or self.is_baseline or self.tls is not None
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
    Competitor(
        "haproxy",
        "haproxy",
        "HAProxy",
        "HAProxy",
        "haproxy.cfg",
        balancing="haproxy-balance.cfg",
        tls="haproxy-tls.cfg",
    ),
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
    Competitor(
        "nginx",
        "nginx",
        "nginx stream",
        "nginx",
        "nginx.conf",
        balancing="nginx-balance.conf",
        tls="nginx-tls.conf",
    ),
    Competitor(
        "nginx-buffer", "nginx", "nginx stream, proxy_buffer_size 256k", "nginx, 256 KiB buffers", "nginx-buffer.conf"
    ),
    Competitor("go", "go", "Go, io.Copy", "Go"),
    Competitor("tokio", "tokio", "tokio, copy_bidirectional", "tokio"),
    Competitor("direct", "direct", "no proxy", "no proxy"),
]

class RunningProxy:
    """A competitor started for one run: an address to connect to for each of its routes, and a `process` except for the
    direct connection."""

    def __init__(self, competitor, executables, topology, routes, threads, policy=None, has_tls=False):
        """Each route is the list of addresses of its servers, several only if they are balanced."""
        self.competitor, self.executables, self.threads = competitor, executables, threads
        self.topology, self.routes, self.policy, self.has_tls = topology, routes, policy, has_tls
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
            self.certificate = make_certificate(self.sandbox) if self.has_tls else None
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
        if self.certificate:
            options += ["--tls-certificate", self.certificate.certificate, "--tls-key", self.certificate.key]
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
        if self.certificate:
            file, values = self.competitor.tls, values | vars(self.certificate)
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
