# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab for a test: up on entering, down on leaving, whatever happens between."""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LAB = [sys.executable, "-S", str(REPOSITORY / "lab" / "lab")]
PROBE = [sys.executable, "-S", str(Path(__file__).resolve().parent / "probe.py")]

sys.path.insert(0, str(REPOSITORY / "lab"))
# pylint: disable=wrong-import-position
import control
from runtime import Runtime

_numbers = itertools.count()


def wait_until(is_done, timeout_s=10, what="the condition"):
    deadline = time.monotonic() + timeout_s
    while not is_done():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: still not after {timeout_s} s")
        time.sleep(0.01)


def run(argv, timeout=120, **options):
    return subprocess.run(argv, text=True, capture_output=True, timeout=timeout, check=False,
                          **options)


# /dev/net/tun as most systems have it, which a minimal one may not; then another user.
_AS_NOBODY = """
mount -t tmpfs net /dev/net && mknod -m 666 /dev/net/tun c 10 200 &&
exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$@"
"""


def run_as_nobody(argv, timeout=120):
    """For tests that root runs: the same without its rights."""
    return run(["unshare", "--mount", "sh", "-c", _AS_NOBODY, "sh", *argv], timeout,
               env={**os.environ, "XDG_RUNTIME_DIR": ""})


def nobody_can_run_labs():
    return run_as_nobody(["unshare", "--user", "--net", "python3", *LAB[1:],
                          "--help"]).returncode == 0


class Lab:
    """flags are those of `lab/lab up`; hosts is the text of a topology, or None for the default."""

    def __init__(self, hosts=None, *flags):
        self.name = f"test-{os.getpid()}-{next(_numbers)}"
        self.runtime = Runtime.named(self.name)
        self._hosts = hosts
        self._flags = flags

    def call(self, *words):
        """`lab/lab WORDS`, with its outcome."""
        return run([*LAB, "--name", self.name, *words])

    def do(self, *words):
        """The same, its output; it has to succeed."""
        done = self.call(*words)
        if done.returncode != 0:
            raise AssertionError(f"lab {' '.join(words)}: status {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done.stdout

    def __enter__(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            topology = []
            if self._hosts is not None:
                file.write(self._hosts)
                file.flush()
                topology = ["--topology", file.name]
            self.do("up", *topology, *self._flags)
        return self

    def __exit__(self, *_):
        self.do("down")

    def exec(self, host, *argv):
        return self.do("exec", host, *argv)

    def spawn(self, host, *argv, **options):
        return subprocess.Popen([*LAB, "--name", self.name, "exec", host, *argv], text=True,
                                **options)

    def ask(self, command, **arguments):
        """Straight to the supervisor: cheaper than a lab/lab of its own."""
        return control.ask(self.runtime.control_socket, command, **arguments)

    def hosts(self):
        return {host["name"]: host for host in self.ask("hosts")}

    def counts(self, source, destination):
        (counts,) = [link["counts"] for link in self.ask("links")
                     if (link["from"], link["to"]) == (source, destination)]
        return counts

    def wait_delivered(self, source, destination):
        """Until nothing is under way on the link."""
        def is_empty():
            count = self.counts(source, destination)
            sent = sum(count[name] for name in ("packets", "duplicated", "replayed", "injected"))
            return count["delivered"] == sent - count["lost"] - count["overflowed"]
        wait_until(is_empty, 10, f"packets from {source} to {destination} under way")


class Receiver:
    """A UDP socket on a host, as a context; received: [(ns, source, bytes)] once it is closed."""

    def __init__(self, lab, host, port=9000):
        self._child = lab.spawn(host, *PROBE, "receive", str(port),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.received = None

    def __enter__(self):
        if self._child.stdout.readline() != "ready\n":
            raise AssertionError("the receiver ended at once")
        return self

    def __exit__(self, *_):
        out, _ = self._child.communicate("", timeout=60)
        self.received = [(ns, source, bytes.fromhex(data)) for ns, source, data in json.loads(out)]


def send(lab, host, address, count, size=100, pause_us=200, port=9000):
    """count datagrams of size bytes: each starts with its number, the rest follows from it."""
    lab.exec(host, *PROBE, "send", address, str(port), str(count), str(size), str(pause_us))
