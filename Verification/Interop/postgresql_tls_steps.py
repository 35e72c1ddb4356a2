"""psql, pgbench and openssl s_client with TLS against a real PostgreSQL: decrypted by the proxy, passed by SNI host name, and
encrypted to the server."""

import os
import re
import signal
import socket
import ssl
import struct
import subprocess

from harness import MONKEY, Sandbox, free_port, program, require, run, wait_until
from postgresql_steps import PostgreSQL, in_postgresql
from proxy import Proxy, get, parse, succeeds
from sni_steps import make_certificate
from tls_steps import certificate_options

NAME = "db.example.test"
TENANT = "tenant.test"

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSSENC_REQUEST = struct.pack("!II", 8, 80877104)
STARTUP = struct.pack("!II", 8 + 14 + 1, 196608) + b"user\0postgres\0" + b"\0"

ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def psql_command(port, query, host=NAME, **options):
    values = {"host": host, "hostaddr": "127.0.0.1", "port": port, "user": "postgres", "dbname": "postgres"} | options
    connection = " ".join(f"{name}={value}" for name, value in values.items())
    return [in_postgresql("psql"), "--no-psqlrc", "--tuples-only", "--no-align", "--command", query, connection]


def psql(port, query=ENCRYPTED, expected=0, **options):
    """Returns the value that a query returns, or what psql reports if it is expected to fail."""
    done = run(psql_command(port, query, **options), expected=expected, seconds=30)
    return done.stdout.strip() if expected == 0 else done.stderr


def postgresql_tls_terminated():
    """psql with sslmode=require and verify-full through a listener that decrypts; TLS without a request by openssl and by
    hand; clients without TLS; a query that Ctrl-C cancels; requests that are refused."""
    with Sandbox() as sandbox:
        make_certificate(sandbox, NAME)
        server = PostgreSQL(sandbox)
        proxy = Proxy(sandbox, server.port, "--protocol", "postgres", *certificate_options(sandbox, NAME))
        trusted = {"sslmode": "verify-full", "sslrootcert": sandbox.path / f"{NAME}.pem"}
        require(psql(proxy.port, sslmode="require") == "f", "the server does not see a connection without TLS")
        require(psql(proxy.port, **trusted) == "f", "psql with sslmode=verify-full failed")
        error = psql(proxy.port, expected=2, host="other.test", **trusted)
        require("does not match host name" in error, f"psql accepted a certificate of another name: {error!r}")
        error = psql(proxy.port, expected=2, sslmode="disable")
        require("accepts only connections with TLS" in error, f"psql without TLS reported {error!r}")
        transactions = pgbench_transactions(sandbox, proxy.port)
        query_by_hand(sandbox, proxy.port)
        direct = subprocess.run(
            [program("openssl", "openssl"), "s_client", "-connect", f"127.0.0.1:{proxy.port}", "-alpn", "postgresql"],
            input=b"", capture_output=True, timeout=30,
        ).stdout
        require(b"ALPN protocol: postgresql" in direct, "openssl s_client -alpn postgresql negotiated no protocol")
        for offer in ([], ["-alpn", "h2"]):
            refused = subprocess.run(
                [program("openssl", "openssl"), "s_client", "-connect", f"127.0.0.1:{proxy.port}", *offer],
                input=b"", capture_output=True, timeout=30,
            )
            require(b"alert number 120" in refused.stderr, f"openssl s_client {offer} was not refused")
        started = subprocess.run(
            [program("openssl", "openssl"), "s_client", "-connect", f"127.0.0.1:{proxy.port}", "-starttls", "postgres"],
            input=b"", capture_output=True, timeout=30,
        )
        require(f"CN = {NAME}".encode() in started.stdout, "openssl s_client -starttls postgres got no certificate")
        cancel(proxy.port)
        require(exchange(proxy.port, GSSENC_REQUEST, SSL_REQUEST) == [b"N", b"S"], "GSSENCRequest, SSLRequest: wrong answers")
        require(exchange(proxy.port, SSL_REQUEST + STARTUP) == [b""], "bytes behind SSLRequest were answered")
        require(exchange(proxy.port, SSL_REQUEST, STARTUP) == [b"S", b""], "a StartupMessage after SSLRequest was answered")
        metrics = parse(proxy.text())
        denied = metrics['monkey_connections_denied_total{cause="postgres_request"}']
        require(denied == 4, f"{denied} denials of requests were counted, not 4")
        require(metrics['monkey_connections_denied_total{cause="client_hello"}'] == 1, "psql without TLS was not counted")
        proxy.stop()
        return f"psql, {transactions:,} transactions of pgbench, direct TLS, a canceled query, 5 refused clients"


def pgbench_transactions(sandbox, port):
    """Runs pgbench, which connects for each transaction; returns the number of transactions."""
    script = sandbox.path / "query.sql"
    script.write_text("SELECT repeat('x', 100000);\n")
    done = run(
        [in_postgresql("pgbench"), "--no-vacuum", "--connect", "--client=4", "--transactions=50", f"--file={script}"]
        + ["--host=127.0.0.1", f"--port={port}", "--username=postgres", "postgres"],
        env={**os.environ, "PGSSLMODE": "require"},
    )
    match = re.search(r"number of transactions actually processed: (\d+)/(\d+)", done.stdout)
    require(match and match[1] == match[2], f"pgbench: {done.stdout[-300:]}")
    return int(match[1])


def query_by_hand(sandbox, port):
    """Starts TLS without a request, as libpq 17 does with sslnegotiation=direct, and sends a StartupMessage."""
    context = ssl.create_default_context(cafile=sandbox.path / f"{NAME}.pem")
    context.set_alpn_protocols(["postgresql"])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=NAME) as connection:
            require(connection.selected_alpn_protocol() == "postgresql", "the ALPN protocol was not selected")
            connection.sendall(STARTUP)
            answer = connection.recv(9)
            require(answer == struct.pack("!cII", b"R", 8, 0), f"a StartupMessage in direct TLS got {answer!r}")


def cancel(port):
    """Interrupts psql during a query, which sends a cancel request without TLS on a second connection."""
    client = subprocess.Popen(
        psql_command(port, "SELECT pg_sleep(60)", sslmode="require"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    activity = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
    wait_until("the query", lambda: psql(port, activity, sslmode="require") == "1")
    client.send_signal(signal.SIGINT)
    error = client.communicate(timeout=30)[1]
    require("canceling statement due to user request" in error, f"an interrupted psql reported {error!r}")


def exchange(port, *messages):
    """Sends messages, each after the answer to the one before; returns one answer for each, or fewer if the proxy closes."""
    answers = []
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for message in messages:
            connection.sendall(message)
            try:
                answers.append(connection.recv(1))
            except ConnectionResetError:
                answers.append(b"")
    return answers


FILE = """
admin: 127.0.0.1:{metrics}
summary: off
listeners:
  postgres:
    listen: 127.0.0.1:{listen}
    pool: encrypted
    protocol: postgres
    tls:
      certificates: [{{certificate: proxy.test.pem, key: proxy.test.key}}]
    sni:
      tenant.test: {{pool: tenant, tls: pass}}
      plain.test: {{pool: plain, tls: pass}}
    plain: plain
  inside:
    listen: 127.0.0.1:{inside}
    pool: encrypted
    protocol: postgres
  bare:
    listen: 127.0.0.1:{bare}
    pool: untrusted
pools:
  encrypted:
    servers: ["127.0.0.1:{plain}", "127.0.0.1:{secure}"]
    policy: first
    protocol: postgres
    tls: {{ca: tenant.test.pem, server-name: tenant.test}}
    check: {{type: postgres}}
  tenant: {{servers: ["127.0.0.1:{secure}"]}}
  plain: {{servers: ["127.0.0.1:{plain}"]}}
  untrusted: {{servers: ["127.0.0.1:{secure}"], protocol: postgres, tls: {{ca: proxy.test.pem}}}}
"""


def postgresql_tls_passed():
    """A name is passed to a PostgreSQL with a certificate of its own, others are decrypted and encrypted again; a server
    without TLS is a failed attempt; clients without TLS are encrypted, or go to the plain pool."""
    with Sandbox() as sandbox:
        for name in (TENANT, "proxy.test"):
            make_certificate(sandbox, name)
        key = sandbox.path / f"{TENANT}.key"
        sandbox.grant_access(key)
        key.chmod(0o600)
        certificate = sandbox.path / f"{TENANT}.pem"
        secure = PostgreSQL(sandbox, settings={"ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": key})
        plain = second_server(sandbox)
        ports = {name: free_port() for name in ("metrics", "listen", "inside", "bare")}
        file = sandbox.path / "monkey.yaml"
        file.write_text(FILE.format(plain=plain.port, secure=secure.port, **ports))
        process = sandbox.start([MONKEY, "run", file])
        url = f"http://127.0.0.1:{ports['metrics']}"
        sandbox.wait_for(process, MONKEY.name, lambda: succeeds(lambda: get(f"{url}/readyz")))
        listen = ports["listen"]
        passed = {"host": TENANT, "sslmode": "verify-full", "sslrootcert": certificate}
        require(psql(listen, **passed) == "t", "the server of a passed client does not see TLS")
        require(psql(listen, "SELECT repeat('x', 5000000)", **passed) == "x" * 5_000_000, "a passed result was altered")
        decrypted = {"host": "proxy.test", "sslmode": "verify-full", "sslrootcert": sandbox.path / "proxy.test.pem"}
        require(psql(listen, **decrypted) == "t", "the server behind TLS on both sides does not see TLS")
        require(psql(listen, sslmode="disable") == "f", "a client without TLS did not get the server without TLS")
        error = psql(listen, expected=2, host="plain.test", sslmode="require")
        require("server closed the connection" in error or "SSL" in error, f"a server without TLS: psql reported {error!r}")
        for mode in ("prefer", "disable"):
            require(psql(ports["inside"], sslmode=mode) == "t", f"sslmode={mode}: the proxy did not encrypt")
        error = psql(ports["inside"], expected=2, sslmode="require")
        require("server does not support SSL" in error, f"psql that requires TLS reported {error!r}")
        error = psql(ports["bare"], expected=2, sslmode="disable")
        require("server closed the connection" in error, f"a server that is not trusted: psql reported {error!r}")
        metrics = parse(get(f"{url}/metrics"))
        failures = metrics['monkey_connect_failures_total{cause="tls"}']
        # Those of the two clients whose only server was refused; the check keeps others from a server without TLS.
        require(failures >= 2, f"{failures} failed attempts with the cause tls were counted, not at least 2")
        wait_until("a failed check of the server without TLS", lambda: '"state":"down"' in get(f"{url}/pools"))
        wait_until("the cause in the log", lambda: "does not support TLS" in sandbox.log_of(MONKEY.name))
        channel_binding(secure, sandbox, listen)
        return "passed by SNI with verify-full, TLS on both sides, a server without TLS, encryption of clients without TLS"


def second_server(sandbox):
    """Starts a server beside the first one: in a sandbox of its own, which the first one ends."""
    other = sandbox.enter_context(Sandbox())
    server = PostgreSQL(other)
    server.query_value("SELECT 1")
    return server


def channel_binding(server, sandbox, port):
    """SCRAM with channel binding detects a proxy that decrypts and encrypts again; without channel binding it works."""
    server.query_value("SET password_encryption = 'scram-sha-256'; CREATE ROLE bound LOGIN PASSWORD 'secret'")
    rules = server.data / "pg_hba.conf"
    rules.write_text("host all bound all scram-sha-256\n" + rules.read_text())
    server.query_value("SELECT pg_reload_conf()")
    options = {"user": "bound", "password": "secret", "sslmode": "require"}
    wait_until("the rule", lambda: subprocess.run(psql_command(port, "SELECT 1", host="proxy.test", **options), capture_output=True).returncode == 2)
    error = psql(port, expected=2, host="proxy.test", **options)
    require("channel binding" in error, f"SCRAM with channel binding through a proxy: psql reported {error!r}")
    value = psql(port, "SELECT 1", host="proxy.test", channel_binding="disable", **options)
    require(value == "1", "SCRAM without channel binding failed")
    require(psql(port, "SELECT 1", host=TENANT, **options) == "1", "SCRAM with channel binding failed on a passed connection")
