"""`monkey proxy` as a process under test, and its /metrics."""

import json
import re
import signal
import urllib.request

from harness import MONKEY, Failure, free_port, require, terminate, wait_until

SETTLE_SECONDS = 15  # from the last byte of a load to steady counters
HTTP_SECONDS = 10

SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def get(url):
    with urllib.request.urlopen(url, timeout=HTTP_SECONDS) as response:
        return response.read().decode()


def succeeds(request):
    try:
        return bool(request())
    except OSError:  # urllib's own errors are subclasses
        return False


def parse(text):
    """Parses Prometheus text into {series: value}."""
    samples = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = SAMPLE.match(line)
            require(match, f"/metrics has a line that is not a sample: {line[:80]!r}")
            samples[series(match[1], dict(LABEL.findall(match[2] or "")))] = float(match[3])
    return samples


def series(name, labels):
    """Returns a name for a series that is independent of the order of its labels."""
    return name + ("".join(f'{{{label}="{labels[label]}"}}' for label in sorted(labels)))


class Counts:
    """The four most important counters."""

    def __init__(self, samples):
        for name in ("connections_active", "connections_total", "bytes_upstream", "bytes_downstream"):
            require(name in samples, f"/metrics has no unlabelled series {name}")
            setattr(self, name, int(samples[name]))

    def __sub__(self, earlier):
        """Returns the difference of two readings; connections_active keeps its current value."""
        difference = object.__new__(Counts)
        difference.connections_active = self.connections_active
        for name in ("connections_total", "bytes_upstream", "bytes_downstream"):
            setattr(difference, name, getattr(self, name) - getattr(earlier, name))
        return difference

    def __eq__(self, other):
        return vars(self) == vars(other)

    def __str__(self):
        return f"{self.connections_total:,} connections, {self.bytes_upstream:,} B up, {self.bytes_downstream:,} B down"


class Proxy:
    """A running `monkey proxy`, or another command, in front of a port of this machine."""

    def __init__(self, sandbox, upstream_port, *options, port=None, command="proxy"):
        require(MONKEY.is_file(), f"{MONKEY} does not exist: build it with `swift build -c release`, or set MONKEY")
        self.port = port or free_port()
        self.metrics_address = f"127.0.0.1:{free_port()}"
        self.sandbox = sandbox
        self.process = sandbox.start(
            [MONKEY, command, f"127.0.0.1:{self.port}", f"127.0.0.1:{upstream_port}"]
            + ["--admin", self.metrics_address, *options]
        )
        # Not by connecting to the proxy's own port, which would be an additional connection.
        sandbox.wait_for(
            self.process, MONKEY.name, lambda: succeeds(lambda: get(f"http://{self.metrics_address}/readyz"))
        )

    def text(self):
        return get(f"http://{self.metrics_address}/metrics")

    def counts(self):
        return Counts(parse(self.text()))

    def settled(self, connections):
        """Returns the counters once every connection is closed and at least `connections` have been counted: a load
        generator may exit before the proxy has accepted its last connection, when none is active either."""
        last = None

        def closed():
            nonlocal last
            last = self.counts()
            return last.connections_active == 0 and last.connections_total >= connections

        try:
            wait_until("the counts to settle", closed, SETTLE_SECONDS)
        except Failure:
            raise Failure(
                f"/metrics did not settle at {connections:,} connections within {SETTLE_SECONDS} s:"
                f" {last.connections_active:,} active, {last}"
            ) from None
        return last

    def require_same_in_json(self):
        """Requires that the JSON form has the same four values, first and in this order."""
        counts = self.counts()
        values = json.loads(get(f"http://{self.metrics_address}/metrics?format=json"))
        wanted = {
            "active_connections": counts.connections_active,
            "total_connections": counts.connections_total,
            "bytes_upstream": counts.bytes_upstream,
            "bytes_downstream": counts.bytes_downstream,
        }
        first = dict(list(values.items())[:4])
        require(list(first.items()) == list(wanted.items()), f"?format=json begins with {first}, /metrics has {wanted}")

    def stop(self):
        """Stops the proxy. With no connection to drain, SIGTERM ends it immediately and with success."""
        status = terminate(self.process, signal.SIGTERM)
        require(status == 0, f"after SIGTERM monkey exited with {status}, not 0")
