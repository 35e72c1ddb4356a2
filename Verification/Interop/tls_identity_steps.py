"""TLS properties of clients in PROXY protocol headers, /connections and the access log, compared with HAProxy and openssl."""

import json
import re
import socket
import ssl
import struct

from harness import Sandbox, free_port, program, require, require_equal, run, wait_until
from proxy import Proxy, get
from sni_steps import make_certificate
from tls_steps import certificate_options, curl, start_web_server

NAME = "www.example.test"
CLIENT = "client.example.test"
TIMEOUT = 10
ALPN, AUTHORITY, SSL = 0x01, 0x02, 0x20
VERSION, COMMON_NAME, CIPHER = 0x21, 0x22, 0x23

# A server that responds with the host name in the header, and a proxy that sends the same fields as monkey.
HAPROXY = """
defaults
    timeout client 10s
    timeout server 10s
    timeout connect 10s

frontend authority
    mode http
    bind 127.0.0.1:{authority} accept-proxy
    http-request return status 200 content-type text/plain lf-string "%[fc_pp_authority]\\n"

listen sends-tls
    mode tcp
    bind 127.0.0.1:{sends} ssl crt {sandbox}/both.pem alpn http/1.1 ca-file {sandbox}/{client}.pem verify required
    server python 127.0.0.1:{target} send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,authority
"""


def tls_identity():
    """HAProxy reads the host name from the header; a parser finds the fields that HAProxy sends for the same client; the
    access log and /connections have the subject and the fingerprint that openssl prints."""
    with Sandbox() as sandbox:
        start_web_server(sandbox)
        make_certificate(sandbox, CLIENT)
        listener = sandbox.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(TIMEOUT)
        authority, sends = start_haproxy(sandbox, listener.getsockname()[1])
        log = sandbox.path / "access.json"
        options = [*certificate_options(sandbox), "--tls-alpn", "http/1.1", "--tls-client-certificates", "required"]
        options += ["--tls-client-ca", str(sandbox.path / f"{CLIENT}.pem"), "--send-proxy", "v2"]

        proxy = Proxy(sandbox, authority, *options)
        key = ["--cert", str(sandbox.path / f"{CLIENT}.pem"), "--key", str(sandbox.path / f"{CLIENT}.key")]
        found = curl(sandbox, proxy.port, "/", *key).stdout.strip()
        require(found == NAME, f"HAProxy read the host name {found!r}")
        proxy.stop()

        options += ["--access-log", str(log), "--access-log-format", "json"]
        # Only this command has /connections.
        proxy = Proxy(sandbox, listener.getsockname()[1], *options, command="balance")
        reference, _ = fields_sent(sandbox, sends, listener)
        ours, listed = fields_sent(sandbox, proxy.port, listener, lambda: connections(proxy))
        require(set(ours) == set(reference), f"HAProxy sends the fields {list(reference)}, monkey {list(ours)}")
        for field, value in reference.items():
            if field != CIPHER:
                require(ours[field] == value, f"field {field!r}: HAProxy sends {value!r}, monkey {ours[field]!r}")
        expected = {
            "subject": openssl(sandbox, "-subject", "-nameopt", "RFC2253").removeprefix("subject="),
            "fingerprint": openssl(sandbox, "-fingerprint", "-sha256").split("=")[1].replace(":", "").lower(),
        }
        require_equal("connections", len(listed), "the client", 1)
        tls = listed[0]["client_tls"]
        require(tls["certificate"] == expected, f"/connections has {tls['certificate']}, openssl {expected}")
        require((tls["sni"], tls["alpn"], tls["version"]) == (NAME, "http/1.1", "TLSv1.3"), f"/connections has {tls}")
        record = json.loads(wait_until("a line of the access log", lambda: log.read_text() if log.exists() else ""))
        pairs = {
            "tls_version": "TLSv1.3",
            "tls_cipher": ours[CIPHER].decode(),
            "tls_alpn": "http/1.1",
            "sni": NAME,
            "client_subject": expected["subject"],
            "client_fingerprint": expected["fingerprint"],
            "server_tls_version": None,
        }
        for name, value in pairs.items():
            require(record[name] == value, f"the access log has {name} {record[name]!r}, not {value!r}")
        proxy.stop()
        return f"the {len(ours)} fields of HAProxy, the subject and the fingerprint of openssl"


def start_haproxy(sandbox, target):
    authority, sends = free_port(), free_port()
    both = sandbox.path / "both.pem"
    both.write_bytes((sandbox.path / f"{NAME}.pem").read_bytes() + (sandbox.path / f"{NAME}.key").read_bytes())
    file = sandbox.path / "haproxy.cfg"
    file.write_text(
        HAPROXY.format(authority=authority, sends=sends, target=target, sandbox=sandbox.path, client=CLIENT)
    )
    process = sandbox.start([program("haproxy", "haproxy"), "-db", "-f", file])
    sandbox.wait_for_port(process, "haproxy", authority)
    return authority, sends


def fields_sent(sandbox, port, listener, inspect=lambda: None):
    """Connects a client with a certificate; returns the fields that the server received, those of TLS in the same mapping,
    and the result of a function that is called while the client is connected."""
    context = ssl.create_default_context(cafile=sandbox.path / f"{NAME}.pem")
    context.load_cert_chain(sandbox.path / f"{CLIENT}.pem", sandbox.path / f"{CLIENT}.key")
    context.set_alpn_protocols(["http/1.1"])
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as plain:
        with context.wrap_socket(plain, server_hostname=NAME) as client:
            cipher = client.cipher()[0]
            server, _ = listener.accept()
            with server:
                server.settimeout(TIMEOUT)
                fields = parse_header(server)
                require(fields[CIPHER].decode() == cipher, f"the header has the cipher {fields[CIPHER]}, the client {cipher}")
                return fields, inspect()


def parse_header(server):
    """Reads a version 2 header about a TCP connection over IPv4 (proxy-protocol.txt, 2.2)."""
    reader = server.makefile("rb")
    start = reader.read(16)
    require(start[:14] == b"\r\n\r\n\0\r\nQUIT\n\x21\x11", f"the header begins with {start!r}")
    rest = reader.read(struct.unpack("!H", start[14:])[0])
    fields = parse_fields(rest[12:])
    require(SSL in fields, "the header has no field about TLS")
    tls = fields.pop(SSL)
    flags, verify = struct.unpack("!BI", tls[:5])
    return fields | parse_fields(tls[5:]) | {"client flags": flags, "verify": verify}


def parse_fields(data):
    fields = {}
    while data:
        kind, length = struct.unpack("!BH", data[:3])
        require(kind not in fields and len(data) >= 3 + length, f"invalid field {kind:#x}")
        fields[kind], data = data[3 : 3 + length], data[3 + length :]
    return fields


def connections(proxy):
    return json.loads(get(f"http://{proxy.metrics_address}/connections"))["connections"]


def openssl(sandbox, *options):
    file = sandbox.path / f"{CLIENT}.pem"
    done = run([program("openssl", "openssl"), "x509", "-in", file, "-noout", *options])
    return re.sub(r"\s+$", "", done.stdout)
