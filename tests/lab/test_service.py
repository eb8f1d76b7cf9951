#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon as a service: what SIGHUP changes, and what the service manager hears."""

import re
import socket
import tempfile
from pathlib import Path

import tap
from labs import wait_until
from mesh import Daemon, MeshCase

HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"] }
back = { country = "us", roles = ["exit"], workers = 2 }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""


class ReloadTest(MeshCase):
    HOSTS = HOSTS

    def setUp(self):
        self.addCleanup(self.change, "back", None)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.texts = {host: Path(cls.mesh.everyone[host]["config"]).read_text(encoding="utf-8")
                     for host in ("back", "client")}
        cls.mesh.connect(2, "back")

    def log(self, host):
        return self.mesh.do("logs", host)

    def change(self, host, edit, answer="read again"):
        """Edits the host's configuration (None: as it was), reloads, and waits for the answer."""
        text = self.texts[host]
        Path(self.mesh.everyone[host]["config"]).write_text(edit(text) if edit else text,
                                                            encoding="utf-8")
        before = self.log(host).count(answer)
        self.mesh.do("kill", host, "HUP")
        wait_until(lambda: self.log(host).count(answer) > before, 20, f"{host} to say {answer}")

    def reaches_web(self):
        return self.mesh.call("exec", "client", "curl", "-sf", "-m", "5",
                              "http://www.test/ip").returncode == 0

    def test_policy_and_bandwidth(self):
        self.assertTrue(self.reaches_web())
        self.change("back", lambda text: re.sub("bandwidth = .*", "bandwidth = 90M", text)
                    + "policy = reject *:80\n")
        self.assertFalse(self.reaches_web())
        self.assertEqual(self.mesh.api("back", "node")["node"]["bandwidth_bps"], 90_000_000)
        wait_until(lambda: [node["bandwidth_bps"] for node in
                            self.mesh.api("client", "nodes")["nodes"] if node["name"] == "back"]
                   == [90_000_000], 60, "the descriptor to say so")
        self.change("back", None)
        self.assertTrue(self.reaches_web())

    def test_mistake_changes_nothing(self):
        self.change("back", lambda text: text + "policy = reject *:80, nonsense\n", "not taken")
        self.assertTrue(self.reaches_web())
        self.assertRegex(self.log("back"), r"macro\.conf:\d+: \[exit\] policy: \"nonsense\"")

    def test_what_needs_a_restart(self):
        self.change("back", lambda text: text.replace("workers = 2", "workers = 1"),
                    "only a restart makes it so: [node] workers")
        self.assertTrue(self.reaches_web())

    def test_profile(self):
        self.addCleanup(self.change, "client", None)
        self.change("client", lambda text: text + "[profile other]\nhops = 2\nexit = back\n")
        self.mesh.macro("connect", "--wait", "--profile", "other")
        self.assertTrue(self.reaches_web())
        self.change("client", None, "[profile other] is in use")
        self.mesh.connect(2, "back")


class NotifyTest(MeshCase):
    HOSTS = HOSTS

    def test_service_manager(self):
        with tempfile.TemporaryDirectory() as folder, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(f"{folder}/notify")
            manager.settimeout(20)

            def hears(word):
                while manager.recv(4096).decode() != word:
                    pass
            with Daemon(self.mesh, "client", prefix=("env", f"NOTIFY_SOCKET={folder}/notify",
                                                     "WATCHDOG_USEC=400000")):
                hears("READY=1")
                for _ in range(3):
                    hears("WATCHDOG=1")
            hears("STOPPING=1")


tap.main()
