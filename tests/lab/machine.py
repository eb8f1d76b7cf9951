# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine as it comes from its maker: empty /run and /var/lib, an /etc of its own, nothing set
up; on a lab's host, or behind it in a network of its own."""

import json
import os
import pty
import select
import subprocess
import time

_HOLDER = """
mount -t tmpfs run /run && mount -t tmpfs lib /var/lib && mkdir -p /etc/macro &&
mount -t tmpfs etc /etc/macro && echo $$ && exec sleep infinity
"""


class Machine:
    """On entering it is there; all that runs in it ends on leaving."""

    def __init__(self, mesh, host, is_behind=False):
        self._mesh = mesh
        self._host = host
        self._ways = ["--mount", "--propagation", "private"] + (["--net"] if is_behind else [])
        self._holder = None
        self._children = []
        self.pid = None

    def __enter__(self):
        self._holder = self._mesh.spawn(self._host, "unshare", *self._ways, "sh", "-c", _HOLDER,
                                        stdout=subprocess.PIPE)
        self.pid = int(self._holder.stdout.readline())
        return self

    def __exit__(self, *_):
        self.end_all()
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()

    def _inside(self, argv):
        return ["nsenter", "--target", str(self.pid), "--mount", "--net", "--", *argv]

    def call(self, *argv):
        """Outcome of a program without a terminal."""
        return self._mesh.call("exec", self._host, *self._inside(argv))

    def do(self, *argv):
        done = self.call(*argv)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def write(self, path, text):
        self.do("sh", "-c", 'printf %s "$1" >"$2"', "sh", text, path)

    def api(self, path):
        """The answer to GET /v1/PATH of its daemon."""
        return json.loads(self.do("curl", "-sS", "--unix-socket", "/run/macro/macro.sock",
                                  f"http://macro/v1/{path}"))

    def end_all(self):
        """What start started."""
        for child in self._children:
            self.end(child)
        self._children = []

    def start(self, *argv):
        child = self._mesh.spawn(self._host, *self._inside(argv), stderr=subprocess.PIPE)
        self._children.append(child)
        return child

    @staticmethod
    def end(child):
        """What it said; it had until the end of the test to say more than a pipe holds."""
        if child.returncode is not None:
            return ""
        child.terminate()
        return child.communicate(timeout=30)[1]

    def talk(self, answers, *argv, timeout_s=90):
        """At a terminal: answers[question] whenever the question, or a part of it, comes.  Status,
        standard output, and what was on the terminal."""
        master, slave = pty.openpty()
        child = self._mesh.spawn(self._host, *self._inside(argv), stdin=slave, stderr=slave,
                                 stdout=subprocess.PIPE)
        os.close(slave)
        said, answered = "", 0
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 0.2)[0]:
                if child.poll() is not None:
                    break
                continue
            try:
                data = os.read(master, 4096).decode(errors="replace")
            except OSError:  # the other end is closed
                break
            said += data
            for question, answer in answers.items():
                if question in said[answered:] and said.endswith(": "):
                    answered = len(said)
                    os.write(master, (answer + "\n").encode())
        out, _ = child.communicate(timeout=30)
        os.close(master)
        return child.returncode, out, said
