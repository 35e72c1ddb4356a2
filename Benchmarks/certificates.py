"""The certificate of the loads with TLS: the same for all proxies."""

from dataclasses import dataclass
from pathlib import Path

import sni_steps

NAME = "server.example.test"


@dataclass(frozen=True)
class Certificate:
    """The files of a self-signed certificate, and of its key: P-256, which is the usual one."""

    certificate: Path
    key: Path
    chain_and_key: Path
    """Both in one file, for HAProxy."""

    @property
    def client_options(self):
        """The options of `monkey load`: TLS 1.3 with a key exchange that all proxies support, and verification."""
        version = ["--tls-min-version", "1.3", "--tls-max-version", "1.3", "--tls-groups", "X25519:P-256"]
        return ["--tls", "--tls-ca", str(self.certificate), "--tls-name", NAME, *version]


def make_certificate(sandbox):
    sni_steps.make_certificate(sandbox, NAME)
    files = Certificate(*(sandbox.path / f"{NAME}.{kind}" for kind in ("pem", "key", "both.pem")))
    files.chain_and_key.write_bytes(files.certificate.read_bytes() + files.key.read_bytes())
    return files
