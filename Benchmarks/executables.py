"""The executables of the proxies under comparison: installed from Debian's packages, or built from our sources."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from harness import MONKEY, ROOT, Failure, program, require, run

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "Competitors"
BUILT = ROOT / ".build/compare"
BUILD_SECONDS = 300
INSTALL_SECONDS = 600

PACKAGES = {
    "haproxy": ["haproxy"],
    "nginx": ["nginx", "libnginx-mod-stream"],
    "go": ["golang-go"],
    "tokio": ["cargo", "rustc", "librust-tokio-dev"],
}


def install(kinds):
    """Installs Debian's packages for those kinds, as root, or raises an error that names the packages."""
    wanted = [package for kind in kinds for package in PACKAGES.get(kind, [])]
    missing = [package for package in wanted if not is_installed(package)]
    if not missing:
        return
    line = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        raise Failure(f"install the competitors first: sudo {' '.join(line)}")
    with no_services():
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-q"], INSTALL_SECONDS, env=environment)
        run(line, INSTALL_SECONDS, env=environment)


def is_installed(package):
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    try:
        return subprocess.run(query, capture_output=True, text=True).stdout == "installed"
    except FileNotFoundError:
        raise Failure("dpkg is missing: pass the executables with --executable, such as haproxy=/path") from None


class no_services:
    """Prevents Debian's packages from starting services: the benchmark starts the competitors itself."""

    policy = Path("/usr/sbin/policy-rc.d")

    def __enter__(self):
        self.is_ours = not self.policy.exists()
        if self.is_ours:
            self.policy.write_text("#!/bin/sh\nexit 101\n")
            self.policy.chmod(0o755)

    def __exit__(self, *_):
        if self.is_ours:
            self.policy.unlink(missing_ok=True)


def build_go():
    executable = BUILT / "gocopy"
    environment = {**os.environ, "GOCACHE": str(BUILT / "go"), "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    go = program("go", "golang-go")
    run([go, "build", "-o", executable, "."], BUILD_SECONDS, cwd=SOURCES / "go", env=environment)
    return executable


def build_tokio():
    # Debian's own compiler for Debian's own crates; cargo writes its lock file beside the manifest, hence the copy.
    cargo, rustc = (Path("/usr/bin") / name for name in ("cargo", "rustc"))
    require(cargo.exists() and rustc.exists(), "cargo is missing: install the packages cargo and rustc")
    copy = BUILT / "tokio"
    shutil.copytree(SOURCES / "tokio", copy, dirs_exist_ok=True)
    environment = {**os.environ, "RUSTC": str(rustc), "CARGO_TARGET_DIR": str(copy / "target")}
    run([cargo, "build", "--quiet", "--release", "--offline"], BUILD_SECONDS, cwd=copy, env=environment)
    return copy / "target/release/tokiocopy"


class Executables:
    """The path of each kind's executable: given on the command line, installed, or built from our sources."""

    def __init__(self, competitors, named, monkey):
        kinds = list(dict.fromkeys(competitor.kind for competitor in competitors))
        require("baseline" in named or "baseline" not in kinds, "no baseline is given: add --baseline PATH")
        install(kind for kind in kinds if kind not in named)
        BUILT.mkdir(parents=True, exist_ok=True)
        self.paths = {"monkey": Path(monkey or MONKEY).resolve()}
        find = {
            "haproxy": lambda: Path(program("haproxy", "haproxy")),
            "nginx": lambda: Path(program("nginx", "nginx")),
            "go": build_go,
            "tokio": build_tokio,
        }
        for kind in kinds:
            if kind in named:
                self.paths[kind] = Path(named[kind]).resolve()
            elif kind in find:
                self.paths[kind] = find[kind]()
        for kind, path in self.paths.items():
            require(path.is_file(), f"{kind}: {path} does not exist")

    def __getitem__(self, kind):
        return self.paths[kind]

    def __contains__(self, kind):
        return kind in self.paths

    def versions(self):
        """Returns the version that each kind reports."""
        version_of = {
            "monkey": lambda path: output_of([path, "--version"]),
            "baseline": lambda path: output_of([path, "--version"]),
            "haproxy": lambda path: re.search(r"version (\S+)", output_of([path, "-v"]))[1],
            "nginx": lambda path: re.search(r"nginx/(\S+)", output_of([path, "-v"]))[1],
            "go": lambda path: re.search(r"go(\d\S+)", output_of([program("go", "golang-go"), "version", path]))[1],
            "tokio": tokio_version,
        }
        return {kind: version_of[kind](path).strip() for kind, path in self.paths.items()}


def output_of(command):
    done = run(command)
    return done.stdout + done.stderr


def tokio_version(path):
    lock = BUILT / "tokio/Cargo.lock"
    if BUILT not in path.parents or not lock.exists():
        return "as named"
    return re.search(r'name = "tokio"\nversion = "([^"]+)"', lock.read_text())[1]
