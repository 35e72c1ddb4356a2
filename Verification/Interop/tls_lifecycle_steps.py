"""The lifecycle of TLS: sessions across processes and reloads, certificates that are replaced, OCSP responses, and what
clients cannot do."""

import signal
import subprocess
import time

from harness import MONKEY, Sandbox, free_port, program, require, run, wait_until
from proxy import get, parse, succeeds
from sni_steps import make_certificate

NAME = "www.example.test"

FILE = """
admin: 127.0.0.1:{metrics}
summary: off
watch-certificates: 1s
listeners:
  web:
    listen: 127.0.0.1:{listen}
    pool: web
    tls:
      certificates: {certificates}
      {more}
pools:
  web: {{servers: ["127.0.0.1:{server}"]}}
"""


class Run:
    """`monkey run` in front of an echo server."""

    def __init__(self, sandbox, server, certificates, more="min-version: \"1.2\""):
        self.sandbox = sandbox
        self.port, self.metrics = free_port(), free_port()
        self.file = sandbox.path / f"monkey-{self.port}.yaml"
        self.server = server
        self.write(certificates, more)
        self.process = sandbox.start([MONKEY, "run", self.file])
        sandbox.wait_for(
            self.process, MONKEY.name, lambda: succeeds(lambda: get(f"http://127.0.0.1:{self.metrics}/readyz"))
        )

    def write(self, certificates, more):
        self.file.write_text(
            FILE.format(
                metrics=self.metrics, listen=self.port, server=self.server, certificates=certificates, more=more
            )
        )

    def reload(self):
        before = self.metric('monkey_config_reloads_total{result="success"}')
        self.process.send_signal(signal.SIGHUP)
        wait_until("the reload", lambda: self.metric('monkey_config_reloads_total{result="success"}') > before)

    def metric(self, name):
        return parse(get(f"http://127.0.0.1:{self.metrics}/metrics"))[name]

    def connect(self, *options, text="hello\n"):
        """Returns what openssl s_client prints about a connection that gets an echo."""
        return run(
            [program("openssl", "openssl"), "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", NAME]
            + ["-ign_eof", *map(str, options)],
            input=f"{text}",
            errors="replace",
            seconds=30,
        ).stdout


def start_echo(sandbox):
    """Starts an echo server that ends each connection after the first line; returns its port."""
    port = free_port()
    script = sandbox.path / "echo.py"
    script.write_text(
        "import socketserver\n"
        "class Handler(socketserver.StreamRequestHandler):\n"
        "    def handle(self):\n"
        "        while (line := self.rfile.readline()) and line.strip() not in (b'hello', b'end'):\n"
        "            self.wfile.write(line)\n"
        "        self.wfile.write(line)\n"
        "socketserver.ThreadingTCPServer.allow_reuse_address = True\n"
        f"socketserver.ThreadingTCPServer(('127.0.0.1', {port}), Handler).serve_forever()\n"
    )
    process = sandbox.start([program("python3", "python3"), script])
    sandbox.wait_for_port(process, "python3", port)
    return port


def pair(name):
    return f"{{certificate: {name}.pem, key: {name}.key}}"


def tls_sessions():
    """Sessions are resumed after a reload that changes the certificates, by another process with the same keys, and not
    after both keys have been replaced."""
    with Sandbox() as sandbox:
        server = start_echo(sandbox)
        for name in (NAME, "other.test"):
            make_certificate(sandbox, name)
        openssl = program("openssl", "openssl")
        for name in ("first", "second"):
            run([openssl, "rand", "-out", sandbox.path / f"{name}.key80", "80"])
        resumed = 0
        for version in ("-tls1_2", "-tls1_3"):
            session = sandbox.path / f"session{version}.pem"
            random = Run(sandbox, server, f"[{pair(NAME)}]")
            require("New, " in random.connect(version, "-sess_out", session), "the first session was resumed")
            random.write(f"[{pair(NAME)}, {pair('other.test')}]", "min-version: \"1.2\"")
            random.reload()
            require("Reused, " in random.connect(version, "-sess_in", session), f"{version}: not resumed after a reload")
            keys = sandbox.path / "tickets"
            first = (sandbox.path / "first.key80").read_bytes()
            second = (sandbox.path / "second.key80").read_bytes()
            keys.write_bytes(first)
            one, two = (Run(sandbox, server, f"[{pair(NAME)}]", "session-ticket-keys: tickets") for _ in range(2))
            require("New, " in one.connect(version, "-sess_out", session), "the session of another key was resumed")
            require("Reused, " in two.connect(version, "-sess_in", session), f"{version}: not resumed by a replica")
            keys.write_bytes(second + first)
            two.reload()
            require("Reused, " in two.connect(version, "-sess_in", session), f"{version}: the old key does not decrypt")
            keys.write_bytes(second)
            two.reload()
            require("New, " in two.connect(version, "-sess_in", session), f"{version}: the removed key still decrypts")
            off = Run(sandbox, server, f"[{pair(NAME)}]", "session-tickets: off")
            off.connect(version, "-sess_out", session)
            resumed += 3
            if session.exists():
                require("New, " in off.connect(version, "-sess_in", session), "resumed without tickets")
        return f"{resumed} resumptions after a reload, by a replica and with the key before the present one"


def make_authority(sandbox):
    """Creates an authority and a certificate of it with an OCSP response."""
    openssl, path = program("openssl", "openssl"), sandbox.path
    make_certificate(sandbox, "authority.test")
    run(
        [openssl, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}"]
        + ["-addext", f"subjectAltName=DNS:{NAME}", "-keyout", path / "issued.key", "-out", path / "issued.csr"]
    )
    issue(sandbox, days=90)


def issue(sandbox, days):
    openssl, path = program("openssl", "openssl"), sandbox.path
    (path / "names").write_text(f"subjectAltName=DNS:{NAME}\n")
    run(
        [openssl, "x509", "-req", "-in", path / "issued.csr", "-days", str(days), "-CA", path / "authority.test.pem"]
        + ["-CAkey", path / "authority.test.key", "-CAcreateserial", "-extfile", path / "names"]
        + ["-out", path / "issued.pem"]
    )
    (path / "issued.key").chmod(0o644)


def staple(sandbox, days):
    """Writes the authority's response about the certificate, as its responder would."""
    openssl, path = program("openssl", "openssl"), sandbox.path
    serial = run([openssl, "x509", "-in", path / "issued.pem", "-noout", "-serial"]).stdout.strip().split("=")[1]
    (path / "index.txt").write_text(f"V\t350101000000Z\t\t{serial}\tunknown\t/CN={NAME}\n")
    run(
        [openssl, "ocsp", "-index", path / "index.txt", "-issuer", path / "authority.test.pem"]
        + ["-cert", path / "issued.pem", "-CA", path / "authority.test.pem", "-rsigner", path / "authority.test.pem"]
        + ["-rkey", path / "authority.test.key", "-ndays", str(days), "-respout", path / "issued.ocsp"]
    )
    (path / "issued.ocsp").chmod(0o644)


def tls_renewal():
    """A certificate with an OCSP response is renewed while the proxy runs, the chain before the key; EC and RSA side by
    side; a warning before the end."""
    with Sandbox() as sandbox:
        server = start_echo(sandbox)
        make_authority(sandbox)
        staple(sandbox, 2)
        issued = "{certificate: issued.pem, key: issued.key, ocsp: issued.ocsp}"
        make_certificate(sandbox, NAME)
        proxy = Run(sandbox, server, f"[{issued}, {pair(NAME)}]")
        for version in ("-tls1_2", "-tls1_3"):
            text = proxy.connect(version, "-status", "-sigalgs", "RSA-PSS+SHA256")
            require("OCSP Response Status: successful" in text, f"{version}: no OCSP response")
            require("Cert Status: good" in text, f"{version}: the certificate is not good")
            require("Peer signature type: RSA-PSS" in text, f"{version}: no RSA certificate")
            text = proxy.connect(version, "-status", "-sigalgs", "ECDSA+SHA256")
            require("Peer signature type: ECDSA" in text, f"{version}: no EC certificate")
            require("OCSP response: no response sent" in text, f"{version}: the response of another certificate")
        expiry = 'monkey_certificate_expiry_timestamp_seconds{certificate="issued.pem"}{listener="web"}'
        before = proxy.metric(expiry)
        failures = 'monkey_certificate_reloads_total{result="failure"}'
        successes = 'monkey_certificate_reloads_total{result="success"}'
        certificate = (sandbox.path / "issued.pem").read_bytes()
        make_certificate(sandbox, "other.test")
        (sandbox.path / "issued.pem").write_bytes((sandbox.path / "other.test.pem").read_bytes())
        wait_until("the failure", lambda: proxy.metric(failures) == 1)
        require(proxy.metric(expiry) == before, "a pair that does not match was used")
        require("does not belong to the certificate" in sandbox.log_of(MONKEY.name), "the log does not name the cause")
        (sandbox.path / "issued.pem").write_bytes(certificate)
        issue(sandbox, days=10)
        wait_until("the renewed certificate", lambda: proxy.metric(expiry) < before)
        wait_until("the warning", lambda: "certificate issued.pem expires on" in sandbox.log_of(MONKEY.name))
        require("OCSP response issued.ocsp is not sent" in sandbox.log_of(MONKEY.name), "no warning about the response")
        text = proxy.connect("-tls1_3", "-status", "-sigalgs", "RSA-PSS+SHA256")
        require("OCSP response: no response sent" in text, "a response for the certificate before was sent")
        staple(sandbox, 2)
        wait_until(
            "the new response",
            lambda: "Cert Status: good" in proxy.connect("-tls1_3", "-status", "-sigalgs", "RSA-PSS+SHA256"),
        )
        return f"OCSP responses, EC and RSA, {proxy.metric(successes):.0f} changes, 1 pair that does not match"


def tls_refusals():
    """Renegotiation and floods of key updates end the connection; clients without an allowed name are refused."""
    with Sandbox() as sandbox:
        server = start_echo(sandbox)
        for name in (NAME, "known.test", "stranger.test"):
            make_certificate(sandbox, name)
        (sandbox.path / "clients.pem").write_bytes(
            b"".join((sandbox.path / f"{name}.pem").read_bytes() for name in ("known.test", "stranger.test"))
        )
        proxy = Run(
            sandbox,
            server,
            f"[{pair(NAME)}]",
            'client-certificates: optional\n      client-ca: clients.pem\n      client-names: ["known.*"]',
        )
        sent = commands(proxy.port, "R", 3, "-tls1_2")
        require(sent.stdout.count("again") == 0, "the connection continued after a renegotiation")
        updates = commands(proxy.port, "k", 100, "-tls1_3")
        require(20 < updates.number < 100, f"the connection ended after {updates.number} key updates")
        require(commands(proxy.port, "k", 10, "-tls1_3", last="end").stdout.count("end") >= 1, "10 key updates ended it")
        for name, is_allowed in (("known.test", True), ("stranger.test", False)):
            identity = ["-cert", sandbox.path / f"{name}.pem", "-key", sandbox.path / f"{name}.key"]
            done = subprocess.run(
                [program("openssl", "openssl"), "s_client", "-connect", f"127.0.0.1:{proxy.port}", "-ign_eof"]
                + [*map(str, identity)],
                input=b"hello\n",
                capture_output=True,
                timeout=30,
            )
            require((b"hello\n" in done.stdout) == is_allowed, f"{name}: {done.stderr[-200:]!r}")
        require("none of the allowed names" in sandbox.log_of(MONKEY.name), "the log does not name the cause")
        return f"renegotiation, {updates.number} key updates, a client with another name"


def commands(port, command, count, version, last=None):
    """Gives openssl s_client a command on a line of its own until it ends, at most `count` times; `number` is how often."""
    client = subprocess.Popen(
        [program("openssl", "openssl"), "s_client", "-connect", f"127.0.0.1:{port}", version, "-servername", NAME],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    number = 0
    try:
        time.sleep(0.5)  # s_client ignores commands before its handshake
        while number < count and client.poll() is None:
            client.stdin.write(command + "\n")
            client.stdin.flush()
            number += 1
            time.sleep(0.05)  # it takes only the first letter of what it reads
        client.stdin.write(f"{last or 'again'}\n")
        client.stdin.flush()
        time.sleep(0.2)
    except BrokenPipeError:
        pass
    client.stdin = None
    try:
        output, _ = client.communicate(timeout=1)
    except subprocess.TimeoutExpired:
        client.kill()
        output, _ = client.communicate()
    client.stdout, client.number = output, number
    return client
