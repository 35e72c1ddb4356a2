"""The recipes of docs/recipes.md, each with the servers that it is for.

A recipe runs as it is printed: addresses and ports are replaced, and the admin address is added if it has none.
"""

import json
import re
import shlex
import signal
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import MONKEY, ROOT, Failure, Sandbox, free_port, program, require, run, terminate, wait_until
from nginx import start_nginx
from postgresql_steps import PostgreSQL, query_value
from proxy import get, parse, succeeds
from redis_steps import Redis
from sni_steps import make_certificate, subject_by_openssl

DOCUMENT = ROOT / "docs/recipes.md"
BLOCK = r"^<!-- {kind}:{name} -->\n```[a-z]*\n(.*?)^```$"
TIMEOUT = 10
SERVERS = 3  # of the fleet
CLIENTS = 30  # of the fleet
CLIENT = "127.0.0.7"  # distinguishes the client from the programs that connect on its behalf


def block(kind, name):
    """Returns the text of the fenced block that follows the marker `<!-- KIND:NAME -->`."""
    found = re.search(BLOCK.format(kind=kind, name=re.escape(name)), DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    require(found, f"{DOCUMENT.name} has no block after <!-- {kind}:{name} -->")
    return found[1]


class Recipe:
    """`monkey run` with a recipe of the document in which texts such as `10.0.0.1:5432` are replaced."""

    def __init__(self, sandbox, name, replacements):
        self.metrics = f"127.0.0.1:{free_port()}"
        self.replacements = {"127.0.0.1:8998": self.metrics, **replacements}
        text = block("recipe", name)
        for address in replacements:
            require(address in text, f"the recipe {name} does not contain {address}")
        text = self.replace(text)
        if "admin:" not in text:
            text = f"admin: {self.metrics}\n{text}"
        file = sandbox.path / "monkey.yaml"
        file.write_text(text)
        run([MONKEY, "check", file])
        self.process = sandbox.start([MONKEY, "run", file])
        sandbox.wait_for(self.process, MONKEY.name, lambda: succeeds(lambda: get(f"http://{self.metrics}/healthz")))

    def replace(self, text):
        longest_first = sorted(map(re.escape, self.replacements), key=len, reverse=True)
        return re.sub("|".join(longest_first), lambda match: self.replacements[match[0]], text)

    def active_connections(self, pool):
        """Returns the number of connections per server, by its name."""
        pools = json.loads(get(f"http://{self.metrics}/pools"))["pools"]
        servers = next(each for each in pools if each["name"] == pool)["servers"]
        return {server["name"]: server["active_connections"] for server in servers}

    def metric(self, series):
        return parse(get(f"http://{self.metrics}/metrics"))[series]

    def stop(self):
        status = terminate(self.process, signal.SIGTERM)
        require(status == 0, f"after SIGTERM monkey exited with {status}, not 0")


def recipe_postgresql():
    """psql reaches the primary on one port and the replicas on the other, before and after a failover. A query that
    starts while there is no primary waits for the new one."""
    with Sandbox() as sandbox:
        network, port, endpoint_port = loopback_network(), free_port(), free_port()
        hosts = [f"{network}.{number}" for number in (1, 2, 3)]
        primary = PostgreSQL(sandbox.enter_context(Sandbox()), host=hosts[0], port=port)
        replicas = [
            PostgreSQL(sandbox.enter_context(Sandbox()), host=host, port=port, replica_of=primary) for host in hosts[1:]
        ]
        for server in (primary, *replicas):
            sandbox.enter_context(role_endpoint(server, endpoint_port))
        read_write, read_only = free_port(), free_port()
        recipe = Recipe(
            sandbox,
            "postgresql",
            {"127.0.0.1:5432": f"127.0.0.1:{read_write}", "127.0.0.1:5433": f"127.0.0.1:{read_only}"}
            | {f"10.0.0.{number}:5432": f"{host}:{port}" for number, host in enumerate(hosts, 1)}
            | {"port: 8008": f"port: {endpoint_port}"},
        )

        def server_behind(listener):
            return query_value("127.0.0.1", listener, "SELECT inet_server_addr()")

        def serve(listener, servers):
            expected = {server.host for server in servers}
            wait_until(
                f"port {listener} to reach exactly {sorted(expected)}",
                lambda: succeeds_with(lambda: {server_behind(listener) for _ in range(6)}, expected),
            )

        serve(read_write, [primary])
        serve(read_only, replicas)
        query_value("127.0.0.1", read_write, "CREATE TABLE entries (name text)")

        primary.kill()
        wait_until("the primary to count as down", lambda: recipe.metric(up("primary", hosts[0], port)) == 0)
        waiting = Background(lambda: query_value("127.0.0.1", read_write, "INSERT INTO entries VALUES ('waited')"))
        wait_until("a query to wait for a primary", lambda: recipe.metric('monkey_pool_queue_length{pool="primary"}') == 1)
        replicas[0].promote()
        waiting.result()
        serve(read_write, [replicas[0]])
        serve(read_only, [replicas[1]])
        rows = query_value("127.0.0.1", read_write, "SELECT count(*) FROM entries")
        require(rows == "1", f"the new primary has {rows} rows, not 1")
        recipe.stop()
        return "three servers with streaming replication; a query that started without a primary waited for the new one"


def up(pool, host, port):
    return f'monkey_server_up{{pool="{pool}"}}{{server="{host}:{port}"}}'


@contextmanager
def role_endpoint(server, port):
    """Serves /primary and /replica on the server's address, as Patroni does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            role = {"f": "/primary", "t": "/replica"}.get(recovery_state(server))
            self.send_response(200 if self.path == role else 503)
            self.end_headers()

        def log_message(self, *_):
            pass

    endpoint = ThreadingHTTPServer((server.host, port), Handler)
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        endpoint.shutdown()
        endpoint.server_close()


def recovery_state(server):
    """Returns t for a replica and f for a primary; None if the server does not answer."""
    try:
        return server.query_value("SELECT pg_is_in_recovery()")
    except Failure:
        return None


def recipe_redis():
    """redis-cli reaches the master, before and after a failover."""
    with Sandbox() as sandbox:
        servers = [Redis(sandbox.enter_context(Sandbox())) for _ in range(3)]
        for replica in servers[1:]:
            redis_cli(replica.port, "REPLICAOF", "127.0.0.1", servers[0].port)
        listen = free_port()
        addresses = {f"10.0.0.{number}:6379": f"127.0.0.1:{each.port}" for number, each in enumerate(servers, 1)}
        recipe = Recipe(sandbox, "redis", {"127.0.0.1:6379": f"127.0.0.1:{listen}", **addresses})

        def require_master(server):
            wait_until(
                f"clients to reach the master on port {server.port}",
                lambda: succeeds_with(lambda: redis_cli(listen, "CONFIG", "GET", "port").split()[-1], str(server.port)),
            )
            require(redis_cli(listen, "SET", "name", server.port).strip() == "OK", "the server does not accept writes")

        require_master(servers[0])
        servers[0].process.kill()
        redis_cli(servers[1].port, "REPLICAOF", "NO", "ONE")
        redis_cli(servers[2].port, "REPLICAOF", "127.0.0.1", servers[1].port)
        require_master(servers[1])
        recipe.stop()
        return "three servers, writes before and after a failover"


def redis_cli(port, *arguments):
    return run([program("redis-cli", "redis-tools"), "-p", str(port), *map(str, arguments)], seconds=TIMEOUT).stdout


def recipe_ssh_and_tls():
    """TLS clients reach the server of their host name; a client that sends an SSH banner and one that waits for the
    server's banner reach the SSH server."""
    with Sandbox() as sandbox:
        names = ("www.example.com", "intranet.example.com")
        ports = {name: free_port() for name in names}
        sections = ""
        for name in names:
            make_certificate(sandbox, name)
            sections += (
                f"server {{ listen 127.0.0.1:{ports[name]} ssl; ssl_certificate {sandbox.path}/{name}.pem;"
                f" ssl_certificate_key {sandbox.path}/{name}.key; location / {{ return 200 ok; }} }}\n"
            )
        start_nginx(sandbox, ports[names[0]], http="access_log off;" + sections)
        ssh, listen = sandbox.enter_context(banner_server()), free_port()
        recipe = Recipe(
            sandbox,
            "ssh-and-tls",
            {
                "127.0.0.1:443": f"127.0.0.1:{listen}",
                "10.0.0.1:8443": f"127.0.0.1:{ports[names[0]]}",
                "10.0.0.2:8443": f"127.0.0.1:{ports[names[1]]}",
                "10.0.0.3:22": f"127.0.0.1:{ssh}",
            },
        )
        for requested, expected in {**{name: name for name in names}, None: names[0], "192.0.2.1": names[0]}.items():
            subject = subject_by_openssl(listen, requested)
            require(subject == expected, f"a client that requested {requested} reached {subject}, not {expected}")
        for sent in (b"SSH-2.0-client\r\n", b""):
            with socket.create_connection(("127.0.0.1", listen), TIMEOUT) as client:
                client.sendall(sent)
                received = client.recv(64)
            require(received == BANNER, f"a client that sent {sent!r} received {received!r}")
        recipe.stop()
        return "4 TLS clients by openssl, SSH clients that send first and that wait"


BANNER = b"SSH-2.0-server\r\n"


@contextmanager
def banner_server():
    """Sends a banner to each client, as an SSH server does; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.sendall(BANNER)
                    client.recv(64)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


HAPROXY = """
defaults
    mode tcp
    timeout client 10s
    timeout server 10s
    timeout connect 10s
listen front
    bind 127.0.0.1:{front}
    source 127.0.0.1
    server monkey 127.0.0.1:{monkey} send-proxy-v2
"""


def recipe_proxy_protocol():
    """curl through HAProxy and monkey reaches nginx, which sees curl's own address."""
    with Sandbox() as sandbox:
        servers, front, listen = [free_port(), free_port()], free_port(), free_port()
        sections = "".join(
            f'server {{ listen 127.0.0.1:{port} proxy_protocol; return 200 "$proxy_protocol_addr\\n"; }}\n'
            for port in servers
        )
        start_nginx(sandbox, servers[0], http="access_log off;" + sections)
        configuration = sandbox.path / "haproxy.cfg"
        configuration.write_text(HAPROXY.format(front=front, monkey=listen))
        haproxy = sandbox.start([program("haproxy", "haproxy"), "-db", "-f", configuration])
        sandbox.wait_for_port(haproxy, "haproxy", front)
        replacements = {"127.0.0.1:8080": f"127.0.0.1:{listen}", "10.0.1.0/24": "127.0.0.0/29"}
        replacements |= {f"10.0.0.{number}:8080": f"127.0.0.1:{port}" for number, port in enumerate(servers, 1)}
        recipe = Recipe(sandbox, "proxy-protocol", replacements)
        for source in (CLIENT, "127.0.0.9"):
            arguments = [program("curl", "curl"), "--silent", "--fail", "--max-time", "10", "--interface", source]
            seen = run([*arguments, f"http://127.0.0.1:{front}/"]).stdout.strip()
            require(seen == source, f"nginx saw {seen}, not {source}")
        recipe.stop()
        return "HAProxy in front, nginx behind, both clients' addresses correct"


def recipe_fleet():
    """A drained server gets no new connections and keeps those it has; a rebalance closes a fifth of a server's."""
    with Sandbox() as sandbox:
        ports = [free_port() for _ in range(SERVERS)]
        for port in ports:
            echo = sandbox.start([MONKEY, "echo", f"127.0.0.1:{port}"])
            sandbox.wait_for_port(echo, MONKEY.name, port)
        listen = free_port()
        names = [f"127.0.0.1:{port}" for port in ports]
        replacements = {"127.0.0.1:7000": f"127.0.0.1:{listen}"}
        replacements |= {f"10.0.0.{number}:7000": name for number, name in enumerate(names, 1)}
        recipe = Recipe(sandbox, "fleet", replacements)
        drain, connections, enable, rebalance = (
            shlex.split(recipe.replace(line.removeprefix("$ "))) for line in block("recipe-commands", "fleet").splitlines()
        )

        clients = [sandbox.enter_context(echo_client(listen)) for _ in range(CLIENTS)]
        each = CLIENTS // SERVERS
        wait_until("an even spread", lambda: recipe.active_connections("fleet") == dict.fromkeys(names, each))
        run(drain)
        clients += [sandbox.enter_context(echo_client(listen)) for _ in range(SERVERS)]
        listed = json.loads(run(connections).stdout)["total"]
        require(listed == each, f"the drained server has {listed} connections, not {each}")
        for client in clients:
            exchange(client)
        run(enable)
        before = recipe.active_connections("fleet")[names[1]]
        run(rebalance)
        expected = before - round(before * 0.2)
        wait_until("a fifth to be closed", lambda: abs(recipe.active_connections("fleet")[names[1]] - expected) <= 1)
        recipe.process.send_signal(signal.SIGTERM)
        recipe.process.send_signal(signal.SIGTERM)
        return f"{len(clients)} connections kept while a server drained; {before} became {expected} by a rebalance"


@contextmanager
def echo_client(port):
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as client:
        exchange(client)
        yield client


def exchange(client):
    client.sendall(b"hello")
    received = client.recv(64)
    require(received == b"hello", f"the echo server answered {received!r}")


def loopback_network():
    """Returns the first three bytes of a loopback network in which no other step listens."""
    return "127.0.53"


def succeeds_with(function, expected):
    try:
        return function() == expected
    except (Failure, IndexError):
        return False


class Background:
    """A function that runs in a thread."""

    def __init__(self, function):
        self.error = None
        self.thread = threading.Thread(target=self.run, args=(function,), daemon=True)
        self.thread.start()

    def run(self, function):
        try:
            function()
        except Exception as error:
            self.error = error

    def result(self, seconds=TIMEOUT):
        self.thread.join(seconds)
        require(not self.thread.is_alive(), f"did not return within {seconds} s")
        if self.error:
            raise self.error
