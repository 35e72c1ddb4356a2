"""curl and openssl s_client against TLS servers that are selected by SNI host name."""

import re

from harness import MONKEY, Sandbox, free_port, program, require, run
from nginx import start_nginx
from proxy import get, parse, succeeds

NAMES = ("www.example.test", "below.example.test", "other.test")

# Each presents a certificate of its own, and requires a PROXY protocol header, so that the header precedes a
# ClientHello that arrived first.
SERVER = """
    server {{
        listen 127.0.0.1:{port} ssl http2 proxy_protocol;
        ssl_certificate {sandbox}/{name}.pem;
        ssl_certificate_key {sandbox}/{name}.key;
        location / {{ return 200 "{name} over $server_protocol to $proxy_protocol_addr as $ssl_server_name\\n"; }}
    }}
"""

FILE = """
threads: 2
admin: 127.0.0.1:{metrics}
summary: off
listeners:
  https:
    listen: 127.0.0.1:{listen}
    pool: other
    preread-timeout: 1s
    sni:
      www.example.test: www
      "*.example.test": below
    alpn:
      http/1.0: other
pools:
  www: {{servers: ["127.0.0.1:{www}"], send-proxy: v2}}
  below: {{servers: ["127.0.0.1:{below}"], send-proxy: v1}}
  other: {{servers: ["127.0.0.1:{other}"], send-proxy: v2}}
"""

# The name that a client requests, and the server that it must get.
REQUESTED_NAMES = {
    "www.example.test": "www.example.test",
    "WWW.EXAMPLE.TEST": "www.example.test",
    "a.example.test": "below.example.test",
    "a.b.example.test": "below.example.test",
    "example.test": "other.test",
    "elsewhere.test": "other.test",
    None: "other.test",
}

# Protocols that a client offers for www.example.test, and the server that it must get.
OFFERED_PROTOCOLS = {
    "h2,http/1.1": "www.example.test",
    "http/1.0": "other.test",
    "h2,http/1.0": "other.test",
}


def sni_routing():
    """Each client gets the server for its name or its protocol, with that server's own certificate.

    curl verifies the certificate against the name; openssl s_client shows its subject. Both send their ClientHello in
    one segment or two; the clients include one without a name, and one that does not use TLS.
    """
    with Sandbox() as sandbox:
        ports = {name: free_port() for name in NAMES}
        for name in NAMES:
            make_certificate(sandbox, name)
        servers = "".join(SERVER.format(sandbox=sandbox.path, name=name, port=port) for name, port in ports.items())
        start_nginx(sandbox, ports["other.test"], http="access_log off;" + servers)
        port, metrics = start_monkey(sandbox, ports)
        for name, server in REQUESTED_NAMES.items():
            subject = subject_by_openssl(port, name)
            require(subject == server, f"openssl asked for {name} and got the certificate of {subject}, not {server}")
        for offer, server in OFFERED_PROTOCOLS.items():
            subject = subject_by_openssl(port, "www.example.test", "-alpn", offer)
            require(subject == server, f"openssl offered {offer} and got the certificate of {subject}, not {server}")
        pages = {}
        for name in ("www.example.test", "below.example.test", "other.test"):
            for version in ("--http1.1", "--http2", "--tls-max 1.2"):
                pages[name, version] = page_by_curl(sandbox, port, name, version.split())
                wanted = f"{name} over "
                require(pages[name, version].startswith(wanted), f"curl to {name} got {pages[name, version]!r}")
                require(" to 127.0.0.1 " in pages[name, version], f"{name} received {pages[name, version]!r}")
        require("HTTP/2.0" in pages["www.example.test", "--http2"], "ALPN was lost: no HTTP/2")
        plain = run([program("curl", "curl"), "--silent", "--max-time", "10", f"http://127.0.0.1:{port}/"], expected=56)
        require(not plain.stdout, "a client without TLS got a response")
        text = get(f"http://127.0.0.1:{metrics}/metrics")
        denied = parse(text)['monkey_connections_denied_total{cause="client_hello"}']
        require(denied == 1, f"clients denied for client_hello: /metrics reports {denied}, not 1")
        requested = f"{len(REQUESTED_NAMES)} names and {len(OFFERED_PROTOCOLS)} ALPN offers by openssl s_client"
        return f"{requested}, {len(pages)} pages by curl, each from its own server"


def make_certificate(sandbox, name):
    names = {"below.example.test": "DNS:below.example.test,DNS:*.example.test"}.get(name, f"DNS:{name}")
    run(
        [program("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"]
        + ["-keyout", sandbox.path / f"{name}.key", "-out", sandbox.path / f"{name}.pem"]
    )
    (sandbox.path / f"{name}.key").chmod(0o644)


def start_monkey(sandbox, ports):
    listen, metrics = free_port(), free_port()
    file = sandbox.path / "monkey.yaml"
    pools = {"www": ports["www.example.test"], "below": ports["below.example.test"], "other": ports["other.test"]}
    file.write_text(FILE.format(listen=listen, metrics=metrics, **pools))
    process = sandbox.start([MONKEY, "run", file])
    sandbox.wait_for(process, MONKEY.name, lambda: succeeds(lambda: get(f"http://127.0.0.1:{metrics}/readyz")))
    return listen, metrics


def subject_by_openssl(port, name, *options):
    """Returns the subject of the certificate that the server presents."""
    arguments = ["-servername", name] if name else ["-noservername"]
    done = run(
        [program("openssl", "openssl"), "s_client", "-connect", f"127.0.0.1:{port}", *arguments, *options],
        input="",
        errors="replace",  # after the handshake the server may send data that is not text
        seconds=30,
    )
    match = re.search(r"^subject=CN ?= ?(\S+)$", done.stdout, re.MULTILINE)
    require(match, f"openssl s_client, asking for {name}, showed no certificate")
    return match[1]


def page_by_curl(sandbox, port, name, options):
    done = run(
        [program("curl", "curl"), "--silent", "--show-error", "--fail", "--max-time", "10", *options]
        + ["--cacert", sandbox.path / f"{name}.pem", "--resolve", f"{name}:{port}:127.0.0.1", f"https://{name}:{port}/"]
    )
    return done.stdout
