# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab with a mesh of daemons, and what tests ask of them."""

import http.client
import json
import re
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from labs import Lab, wait_until

FLOW = [sys.executable, "-S", str(Path(__file__).resolve().parent / "flow.py")]
FLOW_PORT = 7000


class _Control(http.client.HTTPConnection):
    """HTTP over a daemon's control socket."""

    def __init__(self, path):
        super().__init__("macro", timeout=30)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Mesh(Lab):
    """everyone: the lab's hosts by name."""

    def __enter__(self):
        super().__enter__()
        try:
            self.everyone = self.hosts()
        except BaseException:
            self.__exit__()
            raise
        return self

    # The daemons.

    def api(self, host, path):
        """The answer to GET /v1/PATH."""
        connection = _Control(self.everyone[host]["socket"])
        try:
            connection.request("GET", f"/v1/{path}")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def events(self, host="client"):
        """The texts of what the daemon has told so far."""
        connection = _Control(self.everyone[host]["socket"])
        try:
            connection.request("GET", "/v1/events")
            return [json.loads(line) for line in connection.getresponse().read().splitlines()]
        finally:
            connection.close()

    def drops(self, host):
        return {name: count for name, count in self.api(host, "counters")["drops"].items() if count}

    def macro(self, *words, host="client"):
        return self.exec(host, "macro", *words)

    def connect(self, hops=3, exit_name="auto", host="client"):
        """The route's hops, once connected."""
        self.macro("connect", "--wait", "--hops", str(hops), "--exit", exit_name, host=host)
        return self.route(host)

    def route(self, host="client"):
        """The names of its hops."""
        return [hop["name"] for hop in self.api(host, "route")["route"]["hops"]]

    def routes(self, host="client"):
        """The names of the hops of every route to the session's exit."""
        return [[hop["name"] for hop in path["route"]["hops"]]
                for path in self.api(host, "route")["paths"]["list"] if path["role"] != "spare"]

    # Traffic.

    def curl(self, url, *options, host="client"):
        return self.exec(host, "curl", "-sS", "--fail", "--max-time", "60", *options, url)

    def checksum(self, url, host="client"):
        """Of what a client downloads."""
        return self.exec(host, "sh", "-c",
                         f"curl -sS --fail --max-time 60 {url} | sha256sum").split()[0]

    def flow(self, *words, host="client"):
        """flow.py WORDS on a host: its report."""
        return json.loads(self.exec(host, *FLOW, *map(str, words)))

    def serve_flows(self, case, host="origin"):
        """flow.py's server, until the class's tests are over."""
        child = self.spawn(host, *FLOW, "serve", str(FLOW_PORT), stdin=-1, stdout=-1)
        case.addClassCleanup(child.communicate, "")
        if child.stdout.readline() != "ready\n":
            raise AssertionError("flow.py serve ended at once")


class Daemon:
    """A second macrod on a host, with a socket and a folder of its own, as a context.  change makes
    its configuration from that of the host's own."""

    def __init__(self, mesh, host, change=lambda text: text, prefix=()):
        self._mesh = mesh
        self._host = host
        self._folder = tempfile.TemporaryDirectory()
        self._prefix = prefix
        self._child = None
        self.config = Path(self._folder.name) / "macro.conf"
        self.socket = Path(self._folder.name) / "macro.sock"
        text = Path(mesh.everyone[host]["config"]).read_text(encoding="utf-8")
        text = re.sub(r"(?m)^socket = .*$", f"socket = {self.socket}", text)
        text = re.sub(r"(?m)^state_dir = .*$", f"state_dir = {self._folder.name}/state", text)
        self.config.write_text(change(text), encoding="utf-8")

    def __enter__(self):
        self._child = self._mesh.spawn(self._host, *self._prefix, "macrod", "-c", str(self.config),
                                       stderr=subprocess.PIPE)
        wait_until(lambda: self.socket.exists() or self._child.poll() is not None, 20, "macrod")
        return self

    def __exit__(self, *_):
        self._child.terminate()
        self._child.communicate(timeout=20)
        self._folder.cleanup()

    def refused(self):
        """Starts it, which has to fail: exit status and what it said."""
        done = self._mesh.call("exec", self._host, *self._prefix, "macrod", "-c", str(self.config))
        self._folder.cleanup()
        return done.returncode, done.stderr

    def macro(self, *words):
        return self._mesh.call("exec", self._host, "macro", "--socket", str(self.socket), *words)


class MeshCase(unittest.TestCase):
    """HOSTS and FLAGS say what mesh the classes of a file share."""

    HOSTS = None
    FLAGS = ("--flat",)
    mesh = None

    @classmethod
    def setUpClass(cls):
        if MeshCase.mesh is None:
            MeshCase.mesh = Mesh(cls.HOSTS, *cls.FLAGS)
            MeshCase.mesh.__enter__()
            unittest.addModuleCleanup(MeshCase.mesh.__exit__)
        cls.addresses = {name: (host["v4"], host["v6"])
                         for name, host in cls.mesh.everyone.items()}
