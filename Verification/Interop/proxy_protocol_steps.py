"""HAProxy and nginx as peers of the PROXY protocol, in both directions."""

import socket
from itertools import product

from harness import Sandbox, free_port, program, require, require_equal
from nginx import start_nginx
from proxy import Proxy, parse

CLIENT = "127.0.0.7"  # distinguishes the client from all programs that connect on its behalf
CLIENTS = 20  # for each direction, so that mixed-up headers are detected
BODY = "x" * 12_000  # fits into HAProxy's buffer, so that it responds when it has all of it
CHUNK_BYTES = 5_000  # bytes per send, so that bytes behind a header arrive in several reads
TIMEOUT = 10

# Servers that require a header and respond with its content: source, source port, destination, destination port, and
# the number of bytes of the body behind it.

HTTP = """
    access_log off;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port} proxy_protocol;
        location / {{
            proxy_pass http://127.0.0.1:{drain};
            proxy_set_header X-Addresses "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port";
        }}
    }}
    server {{
        listen 127.0.0.1:{drain};
        location / {{
            client_body_buffer_size 256k;
            client_body_in_single_buffer on;
            return 200 "$http_x_addresses $content_length\\n";
        }}
    }}
"""

STREAM = """
stream {{
    server {{
        listen 127.0.0.1:{sender};
        proxy_pass 127.0.0.1:{target};
        proxy_protocol on;
    }}
}}
"""

HAPROXY = """
defaults
    timeout client 10s
    timeout server 10s
    timeout connect 10s

frontend addresses
    mode http
    option http-buffer-request
    bind 127.0.0.1:{port} accept-proxy
    http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst] %[dst_port] %[req.hdr(content-length)]\\n"

listen sends-v1
    mode tcp
    bind 127.0.0.1:{v1}
    server monkey 127.0.0.1:{target} send-proxy

listen sends-v2
    mode tcp
    bind 127.0.0.1:{v2}
    server monkey 127.0.0.1:{target} send-proxy-v2

listen sends-v2-with-fields
    mode tcp
    bind 127.0.0.1:{fields}
    unique-id-format %[uuid]
    server monkey 127.0.0.1:{target} send-proxy-v2 proxy-v2-options crc32c,unique-id
"""


def proxy_protocol():
    """The client's address reaches the last server, for every combination of writer and reader of the header.

    First monkey writes and the others read; then the others write, monkey reads and writes a new header, and the others
    read. The last server responds with the addresses that it received, and each client compares them with its own.
    """
    with Sandbox() as sandbox:
        paths, denied = 0, 0
        accepting = free_port()
        haproxy, nginx = HAProxy(sandbox, accepting), Nginx(sandbox, accepting)
        servers = {"HAProxy": haproxy.port, "nginx": nginx.port}
        for (name, server), version in product(servers.items(), ("v1", "v2")):
            proxy = Proxy(sandbox, server, "--send-proxy", version)
            check_path(proxy.port, proxy.port, f"monkey -> {version} -> {name}")
            proxy.stop()
            paths += 1
        senders = haproxy.senders | nginx.senders
        for (reader, server), version in product(servers.items(), ("v1", "v2")):
            options = ["--accept-proxy", "required", "--trusted-proxies", "127.0.0.0/30", "--send-proxy", version]
            proxy = Proxy(sandbox, server, *options, port=accepting)
            for sender, port in senders.items():
                check_path(port, port, f"{sender} -> monkey -> {version} -> {reader}")
                paths += 1
            denied += require_denied(proxy)
            proxy.stop()
        return f"{paths} paths, {CLIENTS} clients each, every address correct; {denied} without a header denied"


def check_path(port, proxy_port, path):
    for _ in range(CLIENTS):
        client_address, reported = send_request(port)
        wanted = f"{client_address[0]} {client_address[1]} 127.0.0.1 {proxy_port} {len(BODY)}"
        require(reported == wanted, f"{path}: the server received {reported!r}, not {wanted!r}")


def send_request(port):
    """Sends one request from a distinct local address: returns that address, and the response of the server."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT, source_address=(CLIENT, 0)) as client:
        head = f"POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {len(BODY)}\r\n\r\n"
        request = (head + BODY).encode()
        for start in range(0, len(request), CHUNK_BYTES):
            client.sendall(request[start : start + CHUNK_BYTES])
        response = b""
        while chunk := client.recv(65536):
            response += chunk
        client_address = client.getsockname()
    require(response.startswith(b"HTTP/1.1 200"), f"the server answered {response[:60]!r}")
    return client_address, response.decode().split("\r\n\r\n", 1)[1].strip()


def require_denied(proxy):
    """Requires that an untrusted client, and a trusted one that sends no header, is reset and counted."""
    for source in (CLIENT, "127.0.0.1"):
        try:
            with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT, source_address=(source, 0)) as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                received = client.recv(1)
        except (ConnectionResetError, BrokenPipeError):
            continue
        require(False, f"{source} sent no header and received {received!r}, not a reset")
    counts = parse(proxy.text())
    causes = ("untrusted_proxy", "proxy_header")
    for cause in causes:
        denied = int(counts[f'monkey_connections_denied_total{{cause="{cause}"}}'])
        require_equal(f"clients denied for {cause}", denied, "the test made", 1)
    return len(causes)


class HAProxy:
    """Responds with the content of the header, and sends headers in three ways."""

    def __init__(self, sandbox, target):
        ports = {name: free_port() for name in ("port", "v1", "v2", "fields")}
        self.port = ports["port"]
        self.senders = {
            "HAProxy's send-proxy": ports["v1"],
            "HAProxy's send-proxy-v2": ports["v2"],
            "HAProxy's send-proxy-v2 with crc32c and unique-id": ports["fields"],
        }
        configuration = sandbox.path / "haproxy.cfg"
        configuration.write_text(HAPROXY.format(target=target, **ports))
        process = sandbox.start([program("haproxy", "haproxy"), "-db", "-f", configuration])
        sandbox.wait_for_port(process, "haproxy", ports["port"])


class Nginx:
    """The same; as a sender of the PROXY protocol it writes version 1."""

    def __init__(self, sandbox, target):
        ports = {name: free_port() for name in ("port", "drain", "sender")}
        self.port = ports["port"]
        self.senders = {"nginx's proxy_protocol": ports["sender"]}
        start_nginx(
            sandbox,
            ports["port"],
            http=HTTP.format(**ports),
            ahead="load_module /usr/lib/nginx/modules/ngx_stream_module.so;",
            beside=STREAM.format(target=target, **ports),
        )
