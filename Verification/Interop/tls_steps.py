"""Real TLS clients and servers through a proxy that decrypts, encrypts, or both."""

import hashlib
import re
import signal
import socket
import ssl
import subprocess

from harness import MONKEY, Sandbox, free_port, program, require, run, wait_until
from nginx import start_nginx
from proxy import Proxy, get, parse, succeeds
from redis_steps import Redis
from sni_steps import make_certificate, subject_by_openssl

NAME = "www.example.test"
SIZE = 20_000_000

SERVER = """
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{secure} ssl http2;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate {sandbox}/{name}.pem;
        ssl_certificate_key {sandbox}/{name}.key;
        client_max_body_size 100m;
        root {sandbox};
        location /echo {{ return 200 "$server_protocol $ssl_protocol $ssl_server_name\\n"; }}
        location /upload {{ dav_methods PUT; create_full_put_path on; }}
    }}
"""


def start_web_server(sandbox):
    """Starts nginx with and without TLS; returns both ports."""
    make_certificate(sandbox, NAME)
    port, secure = free_port(), free_port()
    servers = SERVER.format(sandbox=sandbox.path, name=NAME, port=port, secure=secure)
    start_nginx(sandbox, port, http="access_log off; sendfile off;" + servers)
    content = bytes(number * 31 % 251 for number in range(1000)) * (SIZE // 1000)
    (sandbox.path / "file.bin").write_bytes(content)
    return port, secure


def certificate_options(sandbox, name=NAME):
    return ["--tls-certificate", str(sandbox.path / f"{name}.pem"), "--tls-key", str(sandbox.path / f"{name}.key")]


def curl(sandbox, port, path, *options, scheme="https"):
    return run(
        [program("curl", "curl"), "--silent", "--show-error", "--fail", "--max-time", "30", *options]
        + ["--cacert", sandbox.path / f"{NAME}.pem", "--resolve", f"{NAME}:{port}:127.0.0.1"]
        + [f"{scheme}://{NAME}:{port}{path}"]
    )


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tls_termination():
    """curl, openssl s_client, Python and redis-cli through a proxy that decrypts."""
    with Sandbox() as sandbox:
        port, _ = start_web_server(sandbox)
        proxy = Proxy(sandbox, port, *certificate_options(sandbox))
        copy = sandbox.path / "copy.bin"
        for version in ("--tls-max 1.2", "--tlsv1.3"):
            curl(sandbox, proxy.port, "/file.bin", *version.split(), "--output", str(copy))
            require(digest_of(copy) == digest_of(sandbox.path / "file.bin"), f"a download with {version} was altered")
        resumed = openssl_resumption(sandbox, proxy.port)
        python_client(sandbox, proxy.port)
        plain = subprocess.run(
            [program("curl", "curl"), "--silent", "--max-time", "10", f"http://127.0.0.1:{proxy.port}/"],
            capture_output=True,
        )
        require(plain.returncode != 0 and not plain.stdout, "a client without TLS got a response")
        metrics = parse(proxy.text())
        require(metrics['monkey_connections_denied_total{cause="tls_handshake"}'] == 1, "the denial was not counted")
        full = metrics['monkey_tls_handshakes_total{resumed="false"}']
        again = metrics['monkey_tls_handshakes_total{resumed="true"}']
        require(again >= resumed, f"{again} resumed handshakes were counted, and openssl had {resumed}")
        proxy.stop()
        server = Redis(sandbox)
        redis = Proxy(sandbox, server.port, *certificate_options(sandbox))
        answer = run(
            [program("redis-cli", "redis-tools"), "-h", "127.0.0.1", "-p", str(redis.port), "--tls", "--sni", NAME]
            + ["--cacert", str(sandbox.path / f"{NAME}.pem"), "set", "key", "value"]
        )
        require(answer.stdout.strip() == "OK", f"redis-cli --tls got {answer.stdout!r}")
        redis.stop()
        return f"2 downloads of {SIZE:,} B, {full:.0f} full and {again:.0f} resumed handshakes, redis-cli --tls"


def openssl_resumption(sandbox, port):
    """Resumes a session with openssl s_client, with TLS 1.2 and 1.3; returns the number of resumed connections."""
    for version in ("-tls1_2", "-tls1_3"):
        session = sandbox.path / f"session{version}.pem"
        for options, expected in ((["-sess_out", session], "New, "), (["-sess_in", session], "Reused, ")):
            done = run(
                [program("openssl", "openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-servername", NAME]
                + [version, "-ign_eof", *map(str, options)],
                input=f"GET /echo HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n",
                errors="replace",
                seconds=30,
            )
            require(expected in done.stdout, f"openssl s_client {version} {options[0]}: no line {expected!r}")
            require("HTTP/1.1 200" in done.stdout, f"openssl s_client {version} {options[0]}: no response")
    return 2


def python_client(sandbox, port):
    """Half-closes with Python's ssl: close_notify towards the proxy, and the rest of the response afterwards."""
    context = ssl.create_default_context(cafile=sandbox.path / f"{NAME}.pem")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=NAME) as connection:
            connection.sendall(f"GET /echo HTTP/1.0\r\nHost: {NAME}\r\n\r\n".encode())
            response = b""
            while piece := connection.recv(65536):
                response += piece
            require(response.startswith(b"HTTP/1.1 200"), f"Python's ssl got {response[:40]!r}")


def tls_origination():
    """curl without TLS through a proxy that encrypts to nginx; with both sides; and a server that is not trusted."""
    with Sandbox() as sandbox:
        _, secure = start_web_server(sandbox)
        authority = ["--server-tls", "--server-tls-ca", str(sandbox.path / f"{NAME}.pem"), "--server-tls-name", NAME]
        proxy = Proxy(sandbox, secure, *authority)
        copy = sandbox.path / "copy.bin"
        curl(sandbox, proxy.port, "/file.bin", "--output", str(copy), scheme="http")
        require(digest_of(copy) == digest_of(sandbox.path / "file.bin"), "a download was altered")
        text = curl(sandbox, proxy.port, "/echo", scheme="http").stdout
        require(text == f"HTTP/1.1 TLSv1.3 {NAME}\n", f"nginx saw {text!r}")
        proxy.stop()
        both = Proxy(sandbox, secure, *authority, *certificate_options(sandbox), "--tls-alpn", "h2", "--server-tls-alpn", "h2")
        text = curl(sandbox, both.port, "/echo", "--http2").stdout
        require(text == f"HTTP/2.0 TLSv1.3 {NAME}\n", f"nginx saw {text!r}")
        both.stop()
        stranger = Proxy(sandbox, secure, "--server-tls", "--server-tls-name", NAME)
        done = subprocess.run(
            [program("curl", "curl"), "--silent", "--max-time", "10", f"http://127.0.0.1:{stranger.port}/echo"],
            capture_output=True,
        )
        require(done.returncode != 0 and not done.stdout, "a server that is not trusted was used")
        failures = parse(stranger.text())['monkey_connect_failures_total{cause="tls"}']
        require(failures >= 1, "the failed handshake was not counted")
        wait_until("the cause in the log", lambda: "certificate" in sandbox.log_of(MONKEY.name))
        stranger.stop()
        return f"a download of {SIZE:,} B, HTTP/2 with TLS on both sides, an untrusted server refused"


FILE = """
admin: 127.0.0.1:{metrics}
summary: off
listeners:
  web:
    listen: 127.0.0.1:{listen}
    pool: web
    tls:
      certificates: [{{certificate: current.pem, key: current.key}}]
      client-certificates: {clients}
      client-ca: client.test.pem
pools:
  web: {{servers: ["127.0.0.1:{server}"]}}
"""


def tls_reload():
    """Certificates are replaced by SIGHUP while a download continues; a pair that does not match changes nothing; a
    client certificate is required."""
    with Sandbox() as sandbox:
        port, _ = start_web_server(sandbox)
        for name in ("first.test", "second.test", "client.test"):
            make_certificate(sandbox, name)
        listen, metrics = free_port(), free_port()
        install(sandbox, "first.test", "first.test")
        file = sandbox.path / "monkey.yaml"
        file.write_text(FILE.format(metrics=metrics, listen=listen, server=port, clients="optional"))
        process = sandbox.start([MONKEY, "run", file])
        sandbox.wait_for(process, MONKEY.name, lambda: succeeds(lambda: get(f"http://127.0.0.1:{metrics}/readyz")))
        require(subject(listen) == "first.test", "the first certificate is not used")
        download = subprocess.Popen(
            [program("curl", "curl"), "--silent", "--insecure", "--limit-rate", "8M", "--output", sandbox.path / "copy.bin"]
            + [f"https://127.0.0.1:{listen}/file.bin"]
        )
        install(sandbox, "second.test", "second.test")
        process.send_signal(signal.SIGHUP)
        wait_until("the second certificate", lambda: subject(listen) == "second.test")
        install(sandbox, "first.test", "second.test")
        process.send_signal(signal.SIGHUP)
        failed = 'monkey_config_reloads_total{result="failure"}'
        wait_until("the failed reload", lambda: parse(get(f"http://127.0.0.1:{metrics}/metrics"))[failed] == 1)
        require("does not belong to the certificate" in sandbox.log_of(MONKEY.name), "the log does not name the cause")
        require(subject(listen) == "second.test", "a pair that does not match was used")
        require(download.wait(30) == 0, "the download failed")
        require(digest_of(sandbox.path / "copy.bin") == digest_of(sandbox.path / "file.bin"), "the download was altered")
        install(sandbox, "second.test", "second.test")
        file.write_text(FILE.format(metrics=metrics, listen=listen, server=port, clients="required"))
        process.send_signal(signal.SIGHUP)
        url = f"https://127.0.0.1:{listen}/echo"
        base = [program("curl", "curl"), "--silent", "--insecure", "--max-time", "10"]
        wait_until("a refusal", lambda: subprocess.run([*base, url], capture_output=True).returncode != 0)
        known = ["--cert", sandbox.path / "client.test.pem", "--key", sandbox.path / "client.test.key"]
        require(run([*base, *known, url]).stdout.startswith("HTTP/1.1"), "a client certificate was refused")
        return "a new certificate during a download, a pair that does not match, required client certificates"


MIXED_FILE = """
admin: 127.0.0.1:{metrics}
summary: off
listeners:
  https:
    listen: 127.0.0.1:{listen}
    pool: web
    tls:
      certificates: [{{certificate: proxy.test.pem, key: proxy.test.key}}, {{certificate: other.test.pem, key: other.test.key}}]
      unknown-name: refuse
      unrouted: {unrouted}
    sni:
      www.example.test: {{pool: secure, tls: pass}}
      below.example.test: {{pool: web, certificate: other.test.pem}}
    alpn:
      http/1.0: {{pool: secure, tls: pass}}
    plain: web
pools:
  web: {{servers: ["127.0.0.1:{server}"]}}
  secure: {{servers: ["127.0.0.1:{secure}"]}}
"""


def tls_pass_and_terminate():
    """One port decrypts for some names, passes others to nginx with its own certificate, and serves clients without TLS;
    a reload changes what happens to the other names."""
    with Sandbox() as sandbox:
        server, secure = start_web_server(sandbox)
        for name in ("proxy.test", "other.test"):
            make_certificate(sandbox, name)
        listen, metrics = free_port(), free_port()
        file = sandbox.path / "monkey.yaml"
        settings = {"metrics": metrics, "listen": listen, "server": server, "secure": secure}
        file.write_text(MIXED_FILE.format(unrouted="terminate", **settings))
        process = sandbox.start([MONKEY, "run", file])
        sandbox.wait_for(process, MONKEY.name, lambda: succeeds(lambda: get(f"http://127.0.0.1:{metrics}/readyz")))
        expected = {"www.example.test": NAME, "proxy.test": "proxy.test", "below.example.test": "other.test", None: "proxy.test"}
        for name, wanted in expected.items():
            found = subject_by_openssl(listen, name)
            require(found == wanted, f"openssl asked for {name} and got the certificate of {found}, not {wanted}")
        found = subject_by_openssl(listen, "proxy.test", "-alpn", "http/1.0")
        require(found == NAME, f"openssl offered http/1.0 and got the certificate of {found}, not {NAME}")
        copy = sandbox.path / "copy.bin"
        curl(sandbox, listen, "/file.bin", "--output", str(copy))
        require(digest_of(copy) == digest_of(sandbox.path / "file.bin"), "a passed download was altered")
        text = curl(sandbox, listen, "/echo", "--http2").stdout
        require(text == f"HTTP/2.0 TLSv1.3 {NAME}\n", f"nginx saw {text!r} of a passed client")
        base = [program("curl", "curl"), "--silent", "--show-error", "--fail", "--max-time", "30"]
        known = ["--cacert", sandbox.path / "proxy.test.pem", "--resolve", f"proxy.test:{listen}:127.0.0.1"]
        text = run([*base, *known, f"https://proxy.test:{listen}/echo"]).stdout
        require(text == "HTTP/1.1  \n", f"nginx saw {text!r} of a decrypted client")
        run([*base, *known, "--output", copy, f"https://proxy.test:{listen}/file.bin"])
        require(digest_of(copy) == digest_of(sandbox.path / "file.bin"), "a decrypted download was altered")
        text = run([*base, f"http://127.0.0.1:{listen}/echo"]).stdout
        require(text == "HTTP/1.1  \n", f"nginx saw {text!r} of a client without TLS")
        run([*base, "--insecure", "--resolve", f"x.test:{listen}:127.0.0.1", f"https://x.test:{listen}/"], expected=35)
        file.write_text(MIXED_FILE.format(unrouted="pass", **settings).replace("pool: web\n    tls", "pool: secure\n    tls"))
        process.send_signal(signal.SIGHUP)
        wait_until("the reload", lambda: subject_by_openssl(listen, "x.test") == NAME)
        require(subject_by_openssl(listen, "below.example.test") == "other.test", "a reload changed a route")
        return f"{len(expected) + 3} certificates by openssl s_client, 2 downloads of {SIZE:,} B, a client without TLS, a reload"


def install(sandbox, certificate, key):
    (sandbox.path / "current.pem").write_bytes((sandbox.path / f"{certificate}.pem").read_bytes())
    (sandbox.path / "current.key").write_bytes((sandbox.path / f"{key}.key").read_bytes())


def subject(port):
    done = run(
        [program("openssl", "openssl"), "s_client", "-connect", f"127.0.0.1:{port}"],
        input="",
        errors="replace",
        seconds=30,
    )
    match = re.search(r"^subject=CN ?= ?(\S+)$", done.stdout, re.MULTILINE)
    require(match, "openssl s_client showed no certificate")
    return match[1]
