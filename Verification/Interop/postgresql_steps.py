"""pgbench against a real PostgreSQL."""

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

from harness import HERE, Sandbox, free_port, program, require, require_equal, run, wait_until
from proxy import Proxy

CLIENTS = 8
SECONDS = 8
SCALE = 5  # 500,000 accounts: about 50 MB are uploaded while the tables are filled
READY = re.compile(r"ready to accept (?:read-only )?connections")  # of a primary and a replica


def pgbench():
    """Fills tables through the proxy, then runs eight concurrent clients, without a failed transaction.

    Bytes are exact: pgbench's own send() and recv() are counted inside its process. It sends Terminate and closes only
    after it has read the response to its last query, so all that it sent reaches the server's kernel, and all that the
    server sent reaches pgbench: neither direction has a byte that only one side counts. Connections are exact:
    PostgreSQL logs each one that it accepts and each one that ends.
    """
    with Sandbox() as sandbox:
        server = PostgreSQL(sandbox)
        proxy = Proxy(sandbox, server.port)

        filled = counted_pgbench(sandbox, proxy, "--initialize", f"--scale={SCALE}")
        at_start = check(proxy, server, None, filled)

        loaded = counted_pgbench(sandbox, proxy, f"--client={CLIENTS}", "--jobs=2", f"--time={SECONDS}")
        check(proxy, server, at_start, loaded)
        require(loaded.connections > CLIENTS, f"pgbench made {loaded.connections} connections for {CLIENTS} clients")
        transactions = reported_number("number of transactions actually processed", loaded.stdout)
        failed = reported_number("number of failed transactions", loaded.stdout)
        require(transactions > 0 and failed == 0, f"{transactions:,} transactions, {failed:,} failed")

        counts = proxy.counts()
        stored = int(server.query_value("SELECT count(*) FROM pgbench_history"))
        require(stored == transactions, f"pgbench counted {transactions:,} transactions, PostgreSQL stored {stored:,}")
        proxy.stop()
        return f"{transactions:,} transactions by {CLIENTS} clients, 0 failed; {counts}, exact"


def check(proxy, server, before, run_of_pgbench):
    counts = proxy.settled(run_of_pgbench.connections + (before.connections_total if before else 0))
    added = counts - before if before else counts
    require_equal("connections", added.connections_total, "pgbench", run_of_pgbench.connections)
    require_equal("connections", counts.connections_total, "PostgreSQL", server.connections_logged())
    wait_until(
        "PostgreSQL to log a disconnection for each connection",
        lambda: server.disconnections_logged() == server.connections_logged(),
    )
    require_equal("bytes upstream", added.bytes_upstream, "pgbench sent", run_of_pgbench.sent)
    require_equal("bytes downstream", added.bytes_downstream, "pgbench received", run_of_pgbench.received)
    return counts


def counted_pgbench(sandbox, proxy, *options):
    library = sandbox.path / "count_socket_bytes.so"
    if not library.exists():
        run([program("cc", "gcc"), "-shared", "-fPIC", "-O2", "-o", library, HERE / "count_socket_bytes.c", "-ldl"])
    sums = sandbox.path / "pgbench.sums"
    arguments = [in_postgresql("pgbench"), *options, "--host=127.0.0.1", f"--port={proxy.port}", "--username=postgres"]
    counting = {**os.environ, "LD_PRELOAD": str(library), "COUNT_SOCKET_BYTES": str(sums)}
    done = run([*arguments, "postgres"], env=counting)
    done.sent, done.received, done.connections = map(int, sums.read_text().split())
    return done


def reported_number(name, report):
    match = re.search(rf"^{name}: (\d+)", report, re.MULTILINE)
    require(match, f"pgbench did not report the {name}")
    return int(match[1])


def in_postgresql(name):
    """Returns the path of a program of the newest PostgreSQL. The one of this name in /usr/bin is Debian's wrapper
    in Perl."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    found = versions and (versions[-1] / name).exists()
    require(found, f"the program {name} is missing: install the package postgresql")
    return versions[-1] / name


def query_value(host, port, query, expected=0):
    """Queries one value with psql."""
    arguments = [in_postgresql("psql"), f"--host={host}", f"--port={port}", "--username=postgres", "--no-psqlrc"]
    return run([*arguments, "--tuples-only", "--no-align", "--command", query, "postgres"], expected=expected).stdout.strip()


def is_running(process):
    """Returns whether the process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class PostgreSQL:
    """A server with a fresh cluster, or a replica of another server. fsync is off: the test covers the network path to
    the database, not its disk."""

    def __init__(self, sandbox, max_connections=100, host="127.0.0.1", port=None, replica_of=None, settings=None):
        self.sandbox = sandbox
        self.host = host
        self.port = port or free_port()
        self.max_connections = max_connections
        self.data = data = sandbox.path / "cluster"
        if replica_of:
            source = [f"--host={replica_of.host}", f"--port={replica_of.port}", "--username=postgres"]
            make_cluster = [in_postgresql("pg_basebackup"), "--pgdata", data, *source, "--write-recovery-conf"]
            make_cluster += ["--checkpoint=fast", "--no-sync"]
        else:
            make_cluster = [in_postgresql("initdb"), "--pgdata", data, "--auth=trust", "--username=postgres", "--no-sync"]
        run(make_cluster, **sandbox.as_unprivileged())
        settings = (settings or {}) | {
            "port": self.port,
            "listen_addresses": host,
            "unix_socket_directories": "",
            "max_connections": max_connections,
            "fsync": "off",
            "log_connections": "on",
            "log_disconnections": "on",
        }
        self.arguments = [in_postgresql("postgres"), "-D", data]
        for name, value in settings.items():
            self.arguments += ["-c", f"{name}={value}"]
        self.start()

    def start(self):
        """Starts the server, also after kill()."""
        before = self.times_ready()
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients.
        self.process = self.sandbox.start(self.arguments, stop_with=signal.SIGINT, **self.sandbox.as_unprivileged())
        self.sandbox.wait_for(self.process, "postgres", lambda: self.times_ready() > before)

    def times_ready(self):
        log = self.sandbox.path / "postgres.log"
        return len(READY.findall(log.read_text(errors="replace"))) if log.exists() else 0

    def kill(self):
        """Kills the server as a crash would, and returns when it has exited; its other processes then follow."""
        self.process.kill()
        self.process.wait()

    def wait_for_end(self, processes):
        """Waits until these processes of the server have exited too: before, it cannot be started again."""
        wait_until("PostgreSQL's processes to exit", lambda: not any(map(is_running, processes)))

    def processes(self):
        """Returns all its processes, the main process first."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]

    def signal_all(self, number):
        """Sends a signal to all its processes, including any started in the meantime."""
        signaled = set()
        while missing := set(self.processes()) - signaled:
            for process in missing:
                with suppress(ProcessLookupError):
                    os.kill(process, number)
            signaled |= missing

    def query_value(self, query):
        """Queries one value, directly and not through the proxy."""
        return query_value(self.host, self.port, query)

    def promote(self):
        """Makes a replica the primary."""
        run([in_postgresql("pg_ctl"), "promote", "--pgdata", self.data], **self.sandbox.as_unprivileged())

    def connections_logged(self):
        return self.sandbox.log_of("postgres").count("connection received:")

    def disconnections_logged(self):
        return self.sandbox.log_of("postgres").count("disconnection: session time:")
