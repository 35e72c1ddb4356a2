"""Health checks over TLS of real servers, and the causes of those that fail."""

import json
import signal

from harness import MONKEY, Sandbox, free_port, program, require, run, wait_until
from nginx import start_nginx
from postgresql_steps import PostgreSQL
from proxy import get, succeeds
from sni_steps import make_certificate

NAME = "www.example.test"
OTHER = "other.example.test"
EXPIRED = "expired.example.test"

SERVER = """
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {sandbox}/{certificate}.pem;
        ssl_certificate_key {sandbox}/{certificate}.key;
        location /health {{ return 200; }}
        location /plain {{ return 404; }}
    }}
"""

FILE = """
admin: 127.0.0.1:{metrics}
summary: off
listeners:
{listeners}
pools:
{pools}
"""

CHECK = "interval: 200ms, timeout: 2s, rise: 1, fall: 1"


def tls_checks():
    """nginx, PostgreSQL, Redis and openssl s_server that serve TLS only are up; servers whose certificate has expired,
    has another name or is not trusted, and one without TLS, are down with that cause in /pools and in the log. No server
    logs an error about a passing check."""
    with Sandbox() as sandbox:
        for name in (NAME, OTHER):
            make_certificate(sandbox, name)
        make_expired_certificate(sandbox, EXPIRED)
        web, expired, other = free_port(), free_port(), free_port()
        names = {web: NAME, expired: EXPIRED, other: OTHER}
        servers = [SERVER.format(port=port, sandbox=sandbox.path, certificate=name) for port, name in names.items()]
        log = "log_format check '$ssl_protocol $ssl_session_reused $server_protocol $request_uri'; access_log access.log check;"
        start_nginx(sandbox, web, http=log + "".join(servers))
        redis, tcp = start_redis(sandbox), start_openssl(sandbox)
        postgresql = start_postgresql(sandbox)
        trusted = f"ca: {NAME}.pem, server-name: {NAME}"
        pools = {
            "web": (web, trusted, "type: http, path: /health"),
            "redis": (redis, trusted, "type: redis"),
            "postgresql": (postgresql.port, trusted, "type: postgres, user: postgres"),
            "openssl": (tcp, trusted, "type: tcp"),
            "own": (web, None, f"type: http, path: /health, tls: {{{trusted}}}"),
            "expired": (expired, f"ca: {EXPIRED}.pem, server-name: {EXPIRED}", "type: tcp"),
            "other": (other, f"ca: {OTHER}.pem, server-name: {NAME}", "type: tcp"),
            "unknown": (web, f"ca: {OTHER}.pem, server-name: {NAME}", "type: tcp"),
            "without": (web, trusted, "type: http, path: /plain, tls: off, status: 400"),
        }
        metrics, process = start_monkey(sandbox, pools)
        for name in ("web", "redis", "postgresql", "openssl", "own", "without"):
            wait_for_state(metrics, name, "up", "")
        wait_for_state(metrics, "expired", "down", "certificate has expired")
        wait_for_state(metrics, "other", "down", "certificate is not valid for the name")
        wait_for_state(metrics, "unknown", "down", "certificate")
        require("certificate has expired" in sandbox.log_of(MONKEY.name), "the log does not name the cause")
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        check_logs(sandbox, postgresql)
        return "nginx, PostgreSQL, Redis and openssl up over TLS; expired, other name, unknown authority: down"


def make_expired_certificate(sandbox, name):
    """Creates a certificate that ended yesterday."""
    openssl, key = program("openssl", "openssl"), sandbox.path / f"{name}.key"
    request, names = sandbox.path / "request.pem", sandbox.path / "names.cnf"
    names.write_text(f"subjectAltName=DNS:{name}\n")
    run(
        [openssl, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
        + ["-keyout", key, "-out", request]
    )
    run(
        [openssl, "x509", "-req", "-in", request, "-signkey", key, "-days", "-1", "-extfile", names]
        + ["-out", sandbox.path / f"{name}.pem"]
    )
    key.chmod(0o644)


def start_redis(sandbox):
    port = free_port()
    tls = ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no"]
    files = ["--tls-cert-file", sandbox.path / f"{NAME}.pem", "--tls-key-file", sandbox.path / f"{NAME}.key"]
    process = sandbox.start(
        [program("redis-server", "redis-server"), *tls, *files, "--bind", "127.0.0.1", "--save", ""],
        **sandbox.as_unprivileged(),
    )
    sandbox.wait_for_port(process, "redis-server", port)
    return port


def start_openssl(sandbox):
    port = free_port()
    files = ["-cert", sandbox.path / f"{NAME}.pem", "-key", sandbox.path / f"{NAME}.key"]
    process = sandbox.start([program("openssl", "openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-www", *files])
    sandbox.wait_for_port(process, "openssl", port)
    return port


def start_postgresql(sandbox):
    """Starts a server that accepts encrypted sessions only."""
    key = sandbox.path / "postgresql.key"
    key.write_bytes((sandbox.path / f"{NAME}.key").read_bytes())
    key.chmod(0o600)
    sandbox.grant_access(key)
    rules = sandbox.path / "pg_hba.conf"
    rules.write_text("hostssl all all 127.0.0.1/32 trust\n")
    return PostgreSQL(
        sandbox,
        settings={"ssl": "on", "ssl_cert_file": sandbox.path / f"{NAME}.pem", "ssl_key_file": key, "hba_file": rules},
    )


def start_monkey(sandbox, pools):
    """Returns the port of /pools, and the process."""
    metrics = free_port()
    listeners = [f'  {name}: {{listen: "127.0.0.1:{free_port()}", pool: {name}}}' for name in pools]
    written = []
    for name, (port, tls, check) in pools.items():
        encryption = f"tls: {{{tls}}}, " if tls else ""
        written.append(f'  {name}: {{servers: ["127.0.0.1:{port}"], {encryption}check: {{{check}, {CHECK}}}}}')
    file = sandbox.path / "monkey.yaml"
    file.write_text(FILE.format(metrics=metrics, listeners="\n".join(listeners), pools="\n".join(written)))
    process = sandbox.start([MONKEY, "run", file])
    sandbox.wait_for(process, MONKEY.name, lambda: succeeds(lambda: get(f"http://127.0.0.1:{metrics}/readyz")))
    return metrics, process


def wait_for_state(metrics, pool, state, cause):
    def server():
        pools = json.loads(get(f"http://127.0.0.1:{metrics}/pools"))["pools"]
        return next(each["servers"][0] for each in pools if each["name"] == pool)

    wait_until(f"{pool} to be checked", lambda: server()["state"] != "unchecked")
    found = server()
    require(
        found["state"] == state and cause in (found["cause"] or ""),
        f"{pool} is {found['state']}, not {state}: {found['cause']}",
    )


def check_logs(sandbox, postgresql):
    lines = (sandbox.path / "access.log").read_text().splitlines()
    require(any(line.startswith("TLSv1.") and line.endswith("HTTP/1.1 /health") for line in lines), f"nginx logged {lines[:3]}")
    require(not any(" r " in line for line in lines), "a check resumed a session")
    log = postgresql.sandbox.log_of("postgres")
    require("SSL enabled" in log, "PostgreSQL logged no encrypted session")
    for complaint in ("could not accept SSL", "SSL error", "unexpected EOF", "invalid length", "Connection reset"):
        require(complaint not in log, f"PostgreSQL logged {complaint!r}")
