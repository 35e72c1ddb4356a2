"""`monkey load` over TLS against real servers, its counts of handshakes compared with theirs."""

import re
import subprocess
from collections import Counter

from harness import MONKEY, Sandbox, free_port, program, require, wait_until
from load_steps import load
from nginx import start_nginx
from proxy import Proxy, parse
from sni_steps import make_certificate

NAME = "www.example.test"
VERSIONS = ("1.2", "1.3")
# Percentages to resume, with both ends of a connection.
SHARES = (("0%", "fin"), ("50%", "reset"), ("100%", "fin"))

NGINX = """
stream {{
    log_format tls '$status $ssl_protocol $ssl_session_reused';
    access_log {sandbox}/tls.log tls;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate {sandbox}/{name}.pem;
        ssl_certificate_key {sandbox}/{name}.key;
        proxy_pass 127.0.0.1:{echo};
        proxy_half_close on;
    }}
}}
"""

HAPROXY = """
global
    log stdout format raw local0
defaults
    mode tcp
    log global
    log-format "tls %[ssl_fc_protocol] %[ssl_fc_is_resumed]"
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen tls
    bind 127.0.0.1:{port} ssl crt {file} ssl-min-ver TLSv1.2
    server echo 127.0.0.1:{echo}
"""


def load_tls_nginx():
    """nginx logs each connection with its version and whether its session was reused: exactly the counts of the load
    tester, in all modes."""
    with Sandbox() as sandbox:
        make_certificate(sandbox, NAME)
        port, echo = free_port(), start_echo(sandbox)
        log = sandbox.path / "tls.log"
        start_nginx(
            sandbox,
            ahead="load_module /usr/lib/nginx/modules/ngx_stream_module.so;",
            beside=NGINX.format(sandbox=sandbox.path, port=port, name=NAME, echo=echo),
        )
        wait_until("nginx to log", log.exists)

        def logged():
            lines = re.findall(r"^200 TLSv(\S+) ([r.])$", log.read_text(), re.MULTILINE)
            return Counter((version, reused == "r") for version, reused in lines)

        return compare(sandbox, port, logged)


def load_tls_haproxy():
    """HAProxy logs each connection with its version and whether its session was resumed: exactly the counts of the load
    tester, in all modes."""
    with Sandbox() as sandbox:
        make_certificate(sandbox, NAME)
        pem = sandbox.path / "both.pem"
        pem.write_bytes(b"".join((sandbox.path / f"{NAME}.{ending}").read_bytes() for ending in ("pem", "key")))
        port, echo = free_port(), start_echo(sandbox)
        settings = sandbox.path / "haproxy.cfg"
        settings.write_text(HAPROXY.format(port=port, file=pem, echo=echo))
        proxy = sandbox.start([program("haproxy", "haproxy"), "-db", "-f", settings])
        sandbox.wait_for_port(proxy, "haproxy", port)

        def logged():
            lines = re.findall(r"^tls TLSv(\S+) ([01])$", sandbox.log_of("haproxy"), re.MULTILINE)
            return Counter((version, resumed == "1") for version, resumed in lines)

        return compare(sandbox, port, logged)


def load_tls_monkey():
    """`monkey proxy` counts exactly the handshakes of the load tester, in all modes."""
    with Sandbox() as sandbox:
        make_certificate(sandbox, NAME)
        certificate = ["--tls-certificate", str(sandbox.path / f"{NAME}.pem"), "--tls-key", str(sandbox.path / f"{NAME}.key")]
        proxy = Proxy(sandbox, start_echo(sandbox), *certificate)

        def counted():
            metrics = parse(proxy.text())
            numbers = [metrics[f'monkey_tls_handshakes_total{{resumed="{word}"}}'] for word in ("false", "true")]
            return Counter({(None, False): int(numbers[0]), (None, True): int(numbers[1])})

        return compare(sandbox, proxy.port, counted)


def load_tls_openssl():
    """openssl s_server serves as many connections as the load tester counts handshakes; and a certificate that is not
    trusted, or has another name, is refused with the cause."""
    with Sandbox() as sandbox:
        make_certificate(sandbox, NAME)
        port = free_port()
        server = sandbox.start(
            [program("openssl", "openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-rev"]
            + ["-cert", sandbox.path / f"{NAME}.pem", "-key", sandbox.path / f"{NAME}.key"]
        )
        sandbox.wait_for(server, "openssl", lambda: "ACCEPT" in sandbox.log_of("openssl"))
        full = resumed = 0
        for version in VERSIONS:
            # It serves one connection at a time.
            report = load(sandbox, port, *handshakes(sandbox, version, "50%", "fin"), "--connections", "1")
            full += report["tls"]["full"]
            resumed += report["tls"]["resumed"]
            require(report["tls"]["resumed"] >= 45, f"TLS {version}: {report['tls']}")
        served = sandbox.log_of("openssl").count("CONNECTION ESTABLISHED")
        require(served == full + resumed, f"{full + resumed} handshakes, openssl s_server counted {served}")
        for options, cause in (((), "signed certificate"), (("--tls-name", "other.test"), "certificate is not valid for the name")):
            authority = ("--tls-ca", str(sandbox.path / f"{NAME}.pem")) if options else ()
            message = refused(port, *authority, *options)
            require(cause in message, f"the error is {message!r}, without {cause!r}")
        return f"{full} full and {resumed} resumed handshakes, exact; two targets that are not trusted"


def compare(sandbox, port, counted):
    """Runs all versions, percentages and modes, and compares the counts of handshakes with those of the target."""
    totals = Counter()
    for version in VERSIONS:
        for share, end in SHARES:
            require_same(sandbox, port, counted, version, handshakes(sandbox, version, share, end), totals)
        for options in (
            ("--rate", "500/s"),
            ("--mode", "connect", "--rate", "100/s", "--resume", "50%"),
            ("--mode", "both", "--verify", "--connections", "4"),
            ("--mode", "hold", "--connections", "50"),
        ):
            require_same(sandbox, port, counted, version, [*tls(sandbox, version), *options], totals)
    require(totals[True] > 100 and totals[False] > 100, f"too few handshakes: {totals}")
    return f"{totals[False]:,} full and {totals[True]:,} resumed handshakes, exact; no error in 5 modes"


def require_same(sandbox, port, counted, version, options, totals):
    before = counted()
    report = load(sandbox, port, *options)["tls"]
    ours = {False: report["full"], True: report["resumed"]}

    def theirs():
        counts = counted() - before
        return {kind: counts[(version, kind)] + counts[(None, kind)] for kind in (False, True)}

    try:
        wait_until("the counts of the target", lambda: theirs() == ours, 15)
    finally:
        require(theirs() == ours, f"{' '.join(options)}: {report}, the target counted {theirs()}")
    require({entry["version"] for entry in report["agreements"]} == {version}, f"agreed on {report['agreements']}")
    if "--resume" in options and options[options.index("--resume") + 1] == "100%":
        # The first connection of each slot, and none after it.
        require(report["full"] <= 16, f"TLS {version}: {report['full']} handshakes were not resumed")
    for kind in ours:
        totals[kind] += ours[kind]


def tls(sandbox, version):
    return [
        *("--tls", "--tls-ca", str(sandbox.path / f"{NAME}.pem"), "--tls-name", NAME),
        *("--tls-min-version", version, "--tls-max-version", version),
    ]


def handshakes(sandbox, version, share, end):
    options = ["--mode", "handshake", "--rate", "100/s", "--resume", share, "--end", end]
    return [*tls(sandbox, version), *options]


def refused(port, *options):
    """Returns the error of a load test of a target that is not trusted."""
    done = subprocess.run(
        [MONKEY, "load", f"127.0.0.1:{port}", "--tls", "--duration", "1s", "--connections", "1", *options],
        capture_output=True,
        text=True,
        timeout=60,
    )
    require(done.returncode == 2, f"the exit code is {done.returncode}")
    return done.stderr


def start_echo(sandbox):
    """Starts `monkey echo` and returns its port."""
    port = free_port()
    echo = sandbox.start([MONKEY, "echo", f"127.0.0.1:{port}"])
    sandbox.wait_for(echo, MONKEY.name, lambda: f"listening on 127.0.0.1:{port}" in sandbox.log_of(MONKEY.name))
    return port
