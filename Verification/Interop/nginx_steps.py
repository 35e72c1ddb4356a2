"""curl and wrk against a real nginx."""

import hashlib
import json
import os
import re
import subprocess

from harness import (
    HERE,
    LOAD_SECONDS,
    Sandbox,
    free_port,
    program,
    require,
    require_between,
    require_equal,
    run,
    wait_until,
)
from nginx import start_nginx
from proxy import Proxy, get, succeeds

DOWNLOAD_BYTES = 1 << 30
UPLOAD_BYTES = 256 << 20
CHUNK_BYTES = 1 << 20

WRK_SECONDS = 5
WRK_CONNECTIONS = 64
WRK_TRIAL = 1
PAGE_BYTES = 1024


def curl():
    """Downloads a file of 1 GiB and uploads one of 256 MiB; both arrive unchanged.

    Bytes are exact: curl reads its response to the end before it closes, so the bytes that nginx wrote ($bytes_sent),
    that the proxy forwarded and that curl read (size_header and size_download) are equal. A static file has its length
    in the header and is not chunked, so no byte of the body is framing. For the upload curl counts its header
    (size_request) and its body (size_upload); nginx counts both in $request_length.
    """
    with Sandbox() as sandbox:
        server = Nginx(sandbox)
        proxy = Proxy(sandbox, server.port)

        sent_hash = write_random(server.files / "large", DOWNLOAD_BYTES)
        down, received_hash = hashed_download(f"http://127.0.0.1:{proxy.port}/large")
        require(down["size_download"] == DOWNLOAD_BYTES, f"curl read {down['size_download']:,} B of {DOWNLOAD_BYTES:,}")
        require(received_hash == sent_hash, "the downloaded file has a different SHA-256")
        at_start = check(proxy, server, None, down, server.requests())

        original = sandbox.path / "original"
        sent_hash = write_random(original, UPLOAD_BYTES)
        address = f"http://127.0.0.1:{proxy.port}/uploaded/file"
        done = run([program("curl", "curl"), *CURL_OPTIONS, "--upload-file", original, address])
        require(sha256(server.files / "uploaded/file") == sent_hash, "the uploaded file has a different SHA-256")
        counts = check(proxy, server, at_start, json.loads(done.stdout), server.requests()[1:])
        proxy.stop()
        return f"1 GiB down, 256 MiB up, same SHA-256; {counts}, exact"


def check(proxy, server, before, from_curl, from_nginx):
    counts = proxy.settled(from_curl["num_connects"] + (before.connections_total if before else 0))
    added = counts - before if before else counts
    require_equal("connections", added.connections_total, "curl", from_curl["num_connects"])
    sent = from_curl["size_request"] + from_curl["size_upload"]
    received = from_curl["size_header"] + from_curl["size_download"]
    require_equal("bytes upstream", added.bytes_upstream, "curl sent", sent)
    require_equal("bytes downstream", added.bytes_downstream, "curl received", received)
    require(len(from_nginx) == 1, f"nginx logged {len(from_nginx)} requests, curl made one")
    require_equal("bytes upstream", added.bytes_upstream, "nginx received", from_nginx[0].received)
    require_equal("bytes downstream", added.bytes_downstream, "nginx sent", from_nginx[0].sent)
    return counts


def wrk():
    """Runs 64 keep-alive connections with as many requests as possible in five seconds, without a failure.

    Connections are exact: wrk first tries the address with one that carries no data, then makes its 64; nginx closes
    none by itself here, so wrk makes no more; and nginx counts the connections that it accepts. Bytes are bounded by
    two counts, because wrk stops without waiting: on each connection the request in progress is aborted. Downstream wrk
    has read at least the bytes that it reports, and the proxy can have forwarded no more than nginx wrote; upstream
    nginx has read the whole of each request that it logged, and a connection can have one more in progress. All
    requests are identical and each is sent by one write that loopback takes whole, so the sum is also a multiple of one
    request's length, and there is at most one aborted response per connection.
    """
    with Sandbox() as sandbox:
        server = Nginx(sandbox)
        proxy = Proxy(sandbox, server.port)
        loaded = run_wrk(proxy)

        counts = proxy.settled(WRK_TRIAL + WRK_CONNECTIONS)
        require_equal("connections", counts.connections_total, "wrk", WRK_TRIAL + WRK_CONNECTIONS)
        require_equal("connections", counts.connections_total, "nginx", server.connections_accepted())
        requests = check_requests(server, counts, loaded)
        proxy.stop()
        return f"{requests:,} requests on {WRK_CONNECTIONS} connections, 0 errors; {counts}, within one request each"


def wrk_reconnecting():
    """Runs one connection for each request; every response arrives complete although its end is the end of the
    connection.

    The bounds are those of `wrk`, and apply to connections too: one in progress when wrk stops is counted by the proxy,
    and possibly not by nginx; the proxy has counted each connection that nginx has.
    """
    with Sandbox() as sandbox:
        server = Nginx(sandbox)
        proxy = Proxy(sandbox, server.port)
        loaded = run_wrk(proxy, "--header", "Connection: close")

        counts = proxy.settled(WRK_TRIAL + loaded["requests"])
        accepted = server.connections_accepted()
        require_between("connections", accepted, counts.connections_total, accepted + WRK_CONNECTIONS)
        requests = check_requests(server, counts, loaded)
        maximum = WRK_TRIAL + requests + WRK_CONNECTIONS
        require_between("connections", WRK_TRIAL + requests, counts.connections_total, maximum)
        proxy.stop()
        return f"{requests:,} requests, one per connection, 0 errors; {counts}, within {WRK_CONNECTIONS} requests"


def run_wrk(proxy, *options):
    done = run(
        [program("wrk", "wrk"), "--threads=2", f"--connections={WRK_CONNECTIONS}", f"--duration={WRK_SECONDS}s"]
        + ["--script", HERE / "report.lua", *options, f"http://127.0.0.1:{proxy.port}/page"]
    )
    match = re.search(r"^interop (\{.*\})$", done.stdout, re.MULTILINE)
    require(match, "wrk printed no summary")
    summary = json.loads(match[1])
    errors = {name: count for name, count in summary["errors"].items() if count}
    require(not errors, f"wrk reported errors: {errors}")
    require(summary["requests"] > 0, "wrk completed no request")
    return summary


def check_requests(server, counts, loaded):
    """Checks the bytes against the counts of wrk and nginx, as `wrk` argues; returns the number of complete
    requests."""
    logged = server.requests()
    one_request, one_response = logged[0].received, logged[0].sent
    read_by_nginx = sum(request.received for request in logged)
    sent_by_nginx = sum(request.sent for request in logged)
    aborted = WRK_CONNECTIONS

    require_between("requests nginx logged", loaded["requests"], len(logged), loaded["requests"] + aborted)
    require(counts.bytes_upstream % one_request == 0, f"{counts.bytes_upstream:,} B up: not whole requests")
    require_between("bytes upstream", read_by_nginx, counts.bytes_upstream, read_by_nginx + aborted * one_request)
    require_between(
        "bytes upstream",
        loaded["requests"] * one_request,
        counts.bytes_upstream,
        (loaded["requests"] + aborted) * one_request,
    )
    require_between("bytes downstream", loaded["bytes"], counts.bytes_downstream, sent_by_nginx)
    require_between(
        "bytes downstream", loaded["requests"] * one_response, counts.bytes_downstream, len(logged) * one_response
    )
    return loaded["requests"]


def write_random(path, size):
    """Fills a file with random bytes without repetition, so that swapped bytes are detected. Returns the hash."""
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for _ in range(size // CHUNK_BYTES):
            chunk = os.urandom(CHUNK_BYTES)
            digest.update(chunk)
            file.write(chunk)
    path.chmod(0o644)
    return digest.hexdigest()


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


CURL_OPTIONS = ["--silent", "--show-error", "--fail", "--max-time", str(LOAD_SECONDS), "--write-out", "%{json}"]


def hashed_download(address):
    """Hashes while curl reads, so that the 1 GiB is not written a second time."""
    with subprocess.Popen(
        [program("curl", "curl"), *CURL_OPTIONS, "--write-out", "%{stderr}%{json}", address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        digest = hashlib.sha256()
        while chunk := process.stdout.read(CHUNK_BYTES):
            digest.update(chunk)
        output = process.stderr.read().decode()
    require(process.returncode == 0, f"curl exited with {process.returncode}: {output[-300:]}")
    return json.loads(output), digest.hexdigest()


class LoggedRequest:
    def __init__(self, line):
        self.status, self.received, self.sent = map(int, line.split())


class Nginx:
    """A server with the files of its sandbox that logs, for each request, the bytes read and written."""

    HTTP = """
        log_format counted "$status $request_length $bytes_sent";
        access_log {sandbox}/requests.log counted;
        sendfile on;
        tcp_nopush on;
        client_max_body_size 0;
        keepalive_requests 100000000;
        server {{
            listen 127.0.0.1:{port};
            root {sandbox}/files;
            location /uploaded/ {{ dav_methods PUT; create_full_put_path on; }}
        }}
        server {{
            listen 127.0.0.1:{status_port};
            access_log off;
            location / {{ stub_status; }}
        }}
    """

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.port = free_port()
        self.status_port = free_port()
        self.requested = 0
        self.files = sandbox.path / "files"
        self.files.mkdir()
        (self.files / "page").write_bytes(os.urandom(PAGE_BYTES))
        sandbox.grant_access(self.files)
        http = self.HTTP.format(sandbox=sandbox.path, port=self.port, status_port=self.status_port)
        process = start_nginx(sandbox, http=http, workers=2)
        # Not by connecting to the port that the proxy will use, which would be an uncounted connection.
        sandbox.wait_for(process, "nginx", lambda: succeeds(self.status))

    def status(self):
        status = get(f"http://127.0.0.1:{self.status_port}/")
        self.requested += 1
        return status

    def connections_accepted(self):
        """Returns the number of connections nginx has accepted, without those to its status page."""
        accepts = int(self.status().splitlines()[2].split()[0])
        return accepts - self.requested

    def requests(self):
        """Returns nginx's log once it has closed every connection except the one of this query: a request is logged
        at its end, and an aborted one when its connection is closed."""
        wait_until("nginx to close its connections", lambda: self.status().startswith("Active connections: 1 "))
        log = (self.sandbox.path / "requests.log").read_text()
        return [LoggedRequest(line) for line in log.splitlines()]
