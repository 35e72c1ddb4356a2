"""A client loop through `monkey run` to three PostgreSQL servers, which fail one after the other."""

import json
import resource
import select
import signal
import socket
import time
import urllib.request

from harness import MONKEY, STOP_SECONDS, Failure, Sandbox, free_port, require, wait_until
from postgresql_steps import PostgreSQL
from proxy import HTTP_SECONDS, get, parse, series, succeeds
from transactions import Transactions, causes

IDLE_CONNECTIONS = 2_000
STEADY_SECONDS = 1  # of load in each state
RELOADS = 10
RELOAD_SECONDS = 0.3  # of load between two reloads
CHECK = "{type: postgres, interval: 200ms, timeout: 200ms, rise: 2, fall: 2}"
ACCEPT_AFTER_KILL_SECONDS = 0.05  # how long a server that was sent SIGKILL may still accept
LOGGED_SECONDS = 5  # from a transaction's end to its log line
MAX_LOST = 12  # at 100/s and 20 ms each, a third of them on the server that dies, one or two run there

FILE = """
threads: 2
admin: 127.0.0.1:{metrics}
summary: off
access-log: {log}
access-log-format: json
listeners:
  postgres: {{listen: "127.0.0.1:{listen}", pool: databases, connect-timeout: 250ms}}
  idle: {{listen: "127.0.0.1:{idle}", pool: echo, idle-timeout: {idle_timeout}}}
pools:
  databases:
    policy: {policy}
    servers:
{servers}
    check: {check}
    ejection: {{base-time: 500ms, max-time: 2s}}
  echo:
    servers: ["127.0.0.1:{echo}"]
"""


def postgresql_failover():
    """Kills one server, turns one into a black hole, drains one, and reloads the file ten times: no transaction is lost
    except those that ran on the killed server at that moment; no idle connection is lost.

    A failure is expected if the transaction started before the killed server had exited and ended after the kill, and if
    the access log shows that server for it. The number of expected failures is bounded by the number that ran.
    """
    with Sandbox() as sandbox:
        servers = [PostgreSQL(sandbox.enter_context(Sandbox()), max_connections=60) for _ in range(3)]
        balancer = Balancer(sandbox, servers)
        idle = IdleConnections(sandbox, balancer.idle_port)
        transactions = Transactions(sandbox, balancer.port)
        require_served(transactions, servers)

        killed = kill(balancer, servers[0])
        require_served(transactions, servers[1:])
        servers[0].start()
        balancer.wait_for_state(servers[0], "up")
        require_served(transactions, servers)

        black_hole = make_black_hole(sandbox, balancer, servers[1])
        require_served(transactions, [servers[0], servers[2]])
        black_hole.close()
        balancer.wait_for_state(servers[1], "up")
        require_served(transactions, servers)

        balancer.admin_command("drain", servers[2])
        wait_until("the server to drain", lambda: balancer.server(servers[2])["active_connections"] == 0)
        require_served(transactions, servers[:2])
        balancer.admin_command("enable", servers[2])
        balancer.wait_for_state(servers[2], "up")
        require_served(transactions, servers)

        for number in range(RELOADS):
            balancer.reload(servers[: 2 + number % 2], by_signal=number % 3 == 0)
            time.sleep(RELOAD_SECONDS)
        balancer.reject_invalid_file()
        require_served(transactions, servers)

        outcomes = transactions.stop()
        idle.require_all_open()
        lost = require_expected_failures(outcomes, killed)
        require_logged(outcomes, lost, balancer, servers[0])
        slowest = max(outcome.seconds for outcome in outcomes)
        balancer.stop()
        return (
            f"{len(outcomes):,} transactions, {len(lost)} failed, all on the killed server ({causes(lost) or 'none'});"
            f" the slowest took {slowest:.1f} s; {IDLE_CONNECTIONS:,} idle connections, none dropped"
        )


def require_served(transactions, servers):
    """Requires that exactly these servers serve new transactions."""
    started = time.monotonic()
    time.sleep(STEADY_SECONDS)
    wanted = {server.port for server in servers}
    wait_until(
        f"exactly the servers {sorted(wanted)} to serve",
        lambda: {outcome.server for outcome in transactions.done_since(started)} == wanted,
    )


class Kill:
    """The times before and after the end of a killed server."""

    def __init__(self, started, exited):
        self.started, self.exited = started, exited


def kill(balancer, server):
    """Sends SIGKILL to a server that appears to have running transactions."""
    wait_until("a transaction on the server", lambda: balancer.server(server)["active_connections"] > 0)
    processes = server.processes()
    started = time.monotonic()
    server.kill()
    killed = Kill(started, time.monotonic())
    balancer.wait_for_state(server, "down")
    server.wait_for_end(processes)
    return killed


def require_expected_failures(outcomes, killed):
    lost = [outcome for outcome in outcomes if outcome.cause]
    for outcome in lost:
        ran = outcome.started < killed.exited + ACCEPT_AFTER_KILL_SECONDS and outcome.ended >= killed.started
        where = f"started {outcome.started - killed.exited:+.3f} s after the killed server had exited"
        require(ran, f"unexpected transaction failure: {outcome}, {where}; all failures: {causes(lost)}")
    require(len(lost) <= MAX_LOST, f"{len(lost)} transactions failed at the kill, expected at most {MAX_LOST}")
    return lost


def require_logged(outcomes, lost, balancer, killed):
    """Requires a line in the access log for each transaction, and one with the killed server for each lost one."""

    def clients():
        lines = [json.loads(line) for line in balancer.log.read_text().splitlines()]
        return {(line["client"], line["server"]) for line in lines if line["listener"] == "postgres"}

    wanted = {
        (f"127.0.0.1:{outcome.client}", balancer.servers[outcome.server]) for outcome in outcomes if not outcome.cause
    } | {(f"127.0.0.1:{outcome.client}", balancer.servers[killed.port]) for outcome in lost}
    try:
        wait_until("a line of the access log for each transaction", lambda: wanted <= clients(), LOGGED_SECONDS)
    except Failure as failure:
        raise Failure(f"{failure}; missing: {sorted(wanted - clients())[:3]}") from None


def make_black_hole(sandbox, balancer, server):
    """Stops all processes of a server and fills its accept queue: new connections get no answer."""
    server.signal_all(signal.SIGSTOP)
    black_hole = BlackHole(server)
    sandbox.callback(black_hole.close)  # a stopped process cannot exit
    balancer.wait_for_state(server, "down")
    require(
        balancer.server(server)["connect_failures"]["timeout"] > 0,
        "no attempt to connect to the server in the black hole timed out",
    )
    return black_hole


class BlackHole:
    """Connections that fill an accept queue until it is full."""

    def __init__(self, server):
        self.server = server
        self.connections = []
        full = server.max_connections * 4
        while len(self.connections) < full:
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", server.port))
            self.connections.append(connection)

    def close(self):
        for connection in self.connections:
            connection.close()
        self.server.signal_all(signal.SIGCONT)


class IdleConnections:
    """Clients of another pool that send one message and are then idle."""

    def __init__(self, sandbox, port):
        _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
        self.sockets = []
        for _ in range(IDLE_CONNECTIONS):
            self.sockets.append(sandbox.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)))
        self.exchange(b"hello")

    def exchange(self, message):
        for each in self.sockets:
            each.sendall(message)
        for each in self.sockets:
            received = each.recv(len(message), socket.MSG_WAITALL)
            require(received == message, f"an idle connection returned {received!r}, not {message!r}")

    def require_all_open(self):
        poll = select.poll()
        for each in self.sockets:
            poll.register(each, select.POLLIN | select.POLLRDHUP)
        ended = len(poll.poll(0))
        require(ended == 0, f"{ended} of {IDLE_CONNECTIONS:,} idle connections were closed")
        self.exchange(b"still there")


class Balancer:
    """A running `monkey run` in front of the servers, and of an echo server."""

    def __init__(self, sandbox, servers):
        self.sandbox = sandbox
        self.servers = {server.port: f"db{number}" for number, server in enumerate(servers, 1)}
        self.port, self.idle_port, self.metrics_port, self.echo_port = (free_port() for _ in range(4))
        echo = sandbox.start([MONKEY, "echo", f"127.0.0.1:{self.echo_port}"])
        sandbox.wait_for_port(echo, MONKEY.name, self.echo_port)
        self.file = sandbox.path / "monkey.yaml"
        self.log = sandbox.path / "access.log"
        self.write(servers, number=0)
        self.process = sandbox.start([MONKEY, "run", self.file])
        sandbox.wait_for(self.process, MONKEY.name, lambda: succeeds(lambda: self.get("/readyz")))
        for server in servers:
            self.wait_for_state(server, "up")

    def write(self, servers, number):
        """Writes a configuration file with these servers, and with different settings each time."""
        names = {server.port: self.servers[server.port] for server in servers}
        lines = (f"      - {{address: '127.0.0.1:{port}', name: {name}}}" for port, name in names.items())
        self.file.write_text(
            FILE.format(
                metrics=self.metrics_port,
                log=self.log,
                listen=self.port,
                idle=self.idle_port,
                echo=self.echo_port,
                servers="\n".join(lines),
                check=CHECK,
                policy=("round-robin", "least-connections", "random")[number % 3],
                idle_timeout=f"{1 + number}h",
            )
        )
        self.number = number

    def reload(self, servers, by_signal):
        before = self.reloads("success")
        self.write(servers, self.number + 1)
        if by_signal:
            self.process.send_signal(signal.SIGHUP)
            wait_until("the file to be reloaded", lambda: self.reloads("success") == before + 1)
        else:
            response = json.loads(self.post("/config/reload"))
            require(response["reloaded"], f"a valid file was rejected: {response}")
            require(response["changes"], "a changed file was reloaded without a change")
        known = [server["name"] for server in self.databases()["servers"]]
        wanted = [self.servers[server.port] for server in servers]
        require(known == wanted, f"after a reload the servers are {known}, not {wanted}")

    def reject_invalid_file(self):
        before = self.reloads("failure")
        self.file.write_text(self.file.read_text().replace("policy:", "polcy:"))
        self.process.send_signal(signal.SIGHUP)
        wait_until("the file to be rejected", lambda: self.reloads("failure") == before + 1)

    def reloads(self, result):
        return int(parse(self.get("/metrics"))[series("monkey_config_reloads_total", {"result": result})])

    def admin_command(self, command, server):
        """Sends a command to the admin API."""
        self.post(f"/servers/{command}?pool=databases&server={self.servers[server.port]}")

    def post(self, path):
        request = urllib.request.Request(f"http://127.0.0.1:{self.metrics_port}{path}", method="POST")
        with urllib.request.urlopen(request, timeout=HTTP_SECONDS) as response:
            return response.read().decode()

    def get(self, path):
        return get(f"http://127.0.0.1:{self.metrics_port}{path}")

    def server(self, server):
        return next(each for each in self.databases()["servers"] if each["name"] == self.servers[server.port])

    def databases(self):
        return next(pool for pool in json.loads(self.get("/pools"))["pools"] if pool["name"] == "databases")

    def wait_for_state(self, server, state):
        name = self.servers[server.port]
        try:
            wait_until(f"{name} to be {state}", lambda: self.server(server)["state"] == state)
        except Failure as failure:
            found = self.server(server)
            raise Failure(f"{failure}; it is {found['state']}: {found['cause']}") from None

    def stop(self):
        # Idle connections remain to the end, so a second signal has to close them.
        self.process.send_signal(signal.SIGTERM)
        wait_until("the drain to start", lambda: "Draining" in self.sandbox.log_of(MONKEY.name))
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(STOP_SECONDS)
        require(status == 0, f"after SIGTERM monkey exited with {status}, not 0")
