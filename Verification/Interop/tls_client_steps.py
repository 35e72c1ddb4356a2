"""Clients with other TLS libraries through a proxy that decrypts: Go, a browser, and a scanner of weaknesses."""

import base64
import hashlib
import json
import os

from harness import MONKEY, ROOT, Sandbox, accepts, free_port, program, require, run
from proxy import Proxy
from sni_steps import make_certificate
from tls_steps import NAME, certificate_options, start_web_server

GO_BUILD_SECONDS = 300
BROWSER_SECONDS = 60
SCAN_SECONDS = 300

HARMLESS = {"OK", "INFO", "LOW", "WARN"}
"""Severities of testssl.sh. WARN is a test that could not be run."""

OF_THE_CERTIFICATE = "cert_"
"""Beginning of findings about the certificate of the step, which is signed by itself and valid for two days."""


def tls_go():
    """Go's crypto/tls with a client certificate: 1 MiB each way, a half-close, and a resumed session."""
    with Sandbox() as sandbox:
        make_certificate(sandbox, NAME)
        make_certificate(sandbox, "client.test")
        client = sandbox.path / "tls_client"
        environment = {**os.environ, "GOCACHE": str(ROOT / ".build/compare/go"), "GOPROXY": "off", "GOTOOLCHAIN": "local"}
        source = ROOT / "Verification/Interop/go/tls_client.go"
        run([program("go", "golang-go"), "build", "-o", client, source], GO_BUILD_SECONDS, env=environment)
        files = [str(sandbox.path / file) for file in (f"{NAME}.pem", "client.test.pem", "client.test.key")]
        options = ["--tls-client-certificates", "required", "--tls-client-ca", files[1]]
        echo = free_port()
        server = sandbox.start([MONKEY, "echo", f"127.0.0.1:{echo}"])
        sandbox.wait_for(server, MONKEY.name, lambda: accepts(echo))
        proxy = Proxy(sandbox, echo, *certificate_options(sandbox), *options)
        done = run([client, f"127.0.0.1:{proxy.port}", NAME, *files])
        proxy.stop()
        return done.stdout.strip()


def tls_browser():
    """A browser loads a page from nginx through a proxy that decrypts."""
    with Sandbox() as sandbox:
        port, _ = start_web_server(sandbox)
        (sandbox.path / "page.html").write_text("<script>document.title = 'loaded ' + location.protocol</script>")
        proxy = Proxy(sandbox, port, *certificate_options(sandbox))
        done = run(
            [program("chromium", "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
            + [f"--user-data-dir={sandbox.path}/browser", f"--ignore-certificate-errors-spki-list={key_digest(sandbox)}"]
            + [f"--host-resolver-rules=MAP {NAME} 127.0.0.1", f"https://{NAME}:{proxy.port}/page.html"],
            BROWSER_SECONDS,
        )
        require("<title>loaded https:</title>" in done.stdout, f"the browser shows {done.stdout[-200:]!r}")
        proxy.stop()
        return "a page with a script"


def key_digest(sandbox):
    """Returns the digest of the certificate's public key, by which the browser trusts this certificate and no other."""
    text = run([program("openssl", "openssl"), "pkey", "-in", sandbox.path / f"{NAME}.key", "-pubout"]).stdout
    lines = [line for line in text.splitlines() if not line.startswith("-")]
    return base64.b64encode(hashlib.sha256(base64.b64decode("".join(lines))).digest()).decode()


def tls_scan():
    """testssl.sh finds nothing above "low"."""
    with Sandbox() as sandbox:
        port, _ = start_web_server(sandbox)
        proxy = Proxy(sandbox, port, *certificate_options(sandbox))
        report = sandbox.path / "report.json"
        command = [program("testssl", "testssl.sh"), "--quiet", "--warnings", "batch", "--ip", "127.0.0.1"]
        command += ["--nodns", "min", "--protocols", "--server-defaults", "--pfs", "--vulnerable", "--jsonfile", report]
        # The exit status is the number of findings.
        sandbox.start([*command, f"{NAME}:{proxy.port}"]).wait(SCAN_SECONDS)
        findings = json.loads(report.read_text())
        require(any(finding["id"] == "TLS1_3" for finding in findings), "testssl.sh did not test TLS 1.3")
        serious = [
            f"{finding['id']}: {finding['finding']} ({finding['severity']})"
            for finding in findings
            if finding["severity"] not in HARMLESS and not finding["id"].startswith(OF_THE_CERTIFICATE)
        ]
        require(not serious, "; ".join(serious))
        proxy.stop()
        return f"{len(findings)} findings, none above low"
