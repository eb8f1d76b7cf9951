#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What daemons may do: a relay nothing but use its socket, as an ordinary user; others a little more."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import tap
from labs import wait_until
from mesh import MeshCase
from runtime import program

HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"] }
middle = { country = "fr", roles = ["relay"] }
back = { country = "nl", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""
AS_USER = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--reuid", "65534",
           "--regid", "65534", "--clear-groups"]
NET_BIND_SERVICE, NET_ADMIN, CHOWN = 1 << 10, 1 << 12, 1 << 0


def statuses(argv0, config):
    """/proc's status of each thread of the program with that configuration."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            argv = (folder / "cmdline").read_bytes().split(b"\0")
            if argv[0].endswith(argv0.encode()) and str(config).encode() in argv:
                yield from [task.read_text() for task in folder.glob("task/*/status")]
        except OSError:
            pass


class PrivilegeTest(MeshCase):
    HOSTS = HOSTS

    def check(self, threads, capabilities, uid):
        threads = list(threads)
        self.assertGreater(len(threads), 1)
        for status in threads:
            for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                (have,) = re.findall(rf"(?m)^{kind}:\t([0-9a-f]+)$", status)
                self.assertEqual(int(have, 16) & ~capabilities, 0, (kind, have))
            self.assertRegex(status, rf"(?m)^Uid:\t{uid}\t")
            self.assertRegex(status, r"(?m)^NoNewPrivs:\t1$")
            self.assertRegex(status, r"(?m)^Seccomp:\t2$")

    def test_client_and_exit(self):
        """No thread has more than the network's configuration takes, or ever will."""
        uid = os.getuid()
        for host in ("client", "back"):
            self.check(statuses("/macrod", self.mesh.everyone[host]["config"]),
                       NET_ADMIN | NET_BIND_SERVICE | CHOWN, uid)

    @unittest.skipUnless(os.getuid() == 0, "there is no other user here")
    def test_relay_of_an_ordinary_user(self):
        """It carries traffic with no capability at all."""
        own = Path(self.mesh.everyone["middle"]["config"])
        text = own.read_text(encoding="utf-8")
        (state,) = re.findall(r"(?m)^state_dir = (.*)$", text)
        self.mesh.do("kill", "middle", "TERM")
        self.addCleanup(self.mesh.do, "restart", "middle")
        wait_until(lambda: self.mesh.hosts()["middle"]["services"]["macrod"] == "exited 0", 20,
                   "macrod to end")
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            shutil.copytree(state, f"{folder}/state")
            config, socket = Path(folder) / "macro.conf", Path(folder) / "run" / "macro.sock"
            socket.parent.mkdir()
            text = re.sub(r"(?m)^state_dir = .*$", f"state_dir = {folder}/state", text)
            config.write_text(re.sub(r"(?m)^socket = .*$", f"socket = {socket}", text),
                              encoding="utf-8")
            for path in (socket.parent, *Path(f"{folder}/state").rglob("*"), Path(f"{folder}/state")):
                shutil.chown(path, 65534, 65534)
            child = self.mesh.spawn("middle", *AS_USER, shutil.copy(program("macrod"), folder), "-c",
                                    str(config), stderr=subprocess.PIPE)
            try:
                wait_until(lambda: socket.exists() or child.poll() is not None, 20, "macrod")
                self.assertIsNone(child.poll(), child.poll() is not None and child.stderr.read())
                self.assertEqual(self.mesh.connect(3), ["front", "middle", "back"])
                self.mesh.curl("http://www.test/1m", "-o", "/dev/null")
                self.check(statuses("/macrod", config), 0, 65534)
                self.mesh.macro("disconnect", "--wait")
            finally:
                child.terminate()
                child.communicate(timeout=20)


tap.main()
