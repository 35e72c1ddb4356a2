"""The common base of all steps: a failure with one clear line, processes that end with their step, waits with a
deadline."""

import ctypes
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MONKEY = Path(os.environ.get("MONKEY", ROOT / ".build/release/monkey")).resolve()

READY_SECONDS = 30  # for a server to answer for the first time
LOAD_SECONDS = 120  # for one run of a load generator
STOP_SECONDS = 30  # for a process to exit after the request to stop
POLL_SECONDS = 0.05


class Failure(Exception):
    """A step failed; the message is the one line that is printed."""


def require(condition, message):
    if not condition:
        raise Failure(message)


def require_equal(what, ours, whose, theirs):
    require(ours == theirs, f"{what}: /metrics reports {ours:,}, {whose} {theirs:,} (off by {ours - theirs:+,})")


def require_between(what, minimum, ours, maximum):
    require(minimum <= ours <= maximum, f"{what}: /metrics reports {ours:,}, not within {minimum:,} ... {maximum:,}")


def program(name, package):
    """Returns the path of a program, which may be in a directory that is only in an administrator's PATH."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    require(found, f"the program {name} is missing: install the package {package}")
    return found


def free_port():
    """Returns a free port below the kernel's range of ephemeral ports, so that no outgoing connection can take it
    between this check and the server's bind."""
    for _ in range(200):
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Failure("no free port between 20000 and 32000")


def wait_until(what, condition, seconds=READY_SECONDS):
    """Polls until the result of the condition is true, and returns the result."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        require(time.monotonic() < deadline, f"timed out after {seconds} s waiting for {what}")
        time.sleep(POLL_SECONDS)


def accepts(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False


def unprivileged_user():
    """Returns the user that the servers run as: PostgreSQL refuses to run as root, and no server needs root."""
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def run(arguments, seconds=LOAD_SECONDS, expected=0, **options):
    """Runs a program to completion and returns the result; its output is in .stdout, and in the failure if there is
    one."""
    name = Path(arguments[0]).name
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=seconds, **options)
    except subprocess.TimeoutExpired:
        raise Failure(f"{name} did not exit within {seconds} s") from None
    output = " ".join((done.stderr or done.stdout).split())
    require(done.returncode == expected, f"{name} exited with {done.returncode}: {output[-300:]}")
    return done


class Sandbox(ExitStack):
    """The environment of one step: a directory that is removed, and processes that are stopped, when the step ends."""

    def __enter__(self):
        super().__enter__()
        self.path = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="monkey-interop-")))
        self.grant_access(self.path)
        return self

    def grant_access(self, path):
        """Makes the unprivileged user the owner of a path."""
        user = pwd.getpwnam(unprivileged_user())
        os.chown(path, user.pw_uid, user.pw_gid)

    def as_unprivileged(self):
        """Returns the options for a subprocess that runs as the unprivileged user, in this sandbox."""
        options = {"cwd": self.path, "env": {**os.environ, "HOME": str(self.path)}}
        if os.geteuid() == 0:
            user = pwd.getpwnam(unprivileged_user())
            options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        return options

    def start(self, arguments, stop_with=signal.SIGTERM, **options):
        """Starts a process of this sandbox. Its output is in the sandbox's `<name>.log`."""
        name = Path(arguments[0]).name
        with open(self.path / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: terminate_with_parent(stop_with),
                **options,
            )
        self.callback(terminate, process, stop_with)
        return process

    def log_of(self, name):
        return (self.path / f"{name}.log").read_text(errors="replace")

    def wait_for_port(self, process, name, port):
        """Waits until the process accepts connections; fails immediately with its last output if it exits."""
        self.wait_for(process, name, lambda: accepts(port))

    def wait_for(self, process, name, condition):
        def ready():
            require(process.poll() is None, f"{name} did not start: {' '.join(self.log_of(name).split())[-300:]}")
            return condition()

        return wait_until(f"{name} to be ready", ready)


def terminate_with_parent(signal_number):
    """Runs in the child process: the kernel sends it this signal if the script itself is killed (PR_SET_PDEATHSIG)."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal_number)


def terminate(process, signal_number=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(signal_number)
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
