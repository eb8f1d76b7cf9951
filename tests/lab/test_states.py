#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of each state is what docs/killswitch.md says, and each lock's undo ends it."""

import json
import re

import tap
from labs import REPOSITORY, wait_until
from mesh import MeshCase

HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"] }
middle = { country = "fr", roles = ["relay"] }
back = { country = "nl", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""
TABLE = "27757"  # of the client's routes; that somebody else has one there is an error


def documented():
    """{(state, is it blocking): (pattern of the first line, exit status)}"""
    text = (REPOSITORY / "docs" / "killswitch.md").read_text(encoding="utf-8")
    section = text.partition("## What is told")[2].partition("\n## ")[0]
    told = {}
    for line in re.findall(r"(?m)^\| `.*$", section):
        state, *cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for is_blocking in False, True:
            said, status = cells[2 * is_blocking:2 * is_blocking + 2]
            if said and status.isdigit():
                pattern = re.escape(said).replace(re.escape("..."), ".+")
                told[state, is_blocking] = (pattern, int(status))
    return told


class StatesTest(MeshCase):
    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.told = documented()
        cls.seen = set()
        cls.mesh.connect(3)  # before that nothing is ever blocked

    def setUp(self):
        self.addCleanup(self.forget)

    def forget(self):
        self.mesh.do("resume", "front")
        self.mesh.call("exec", "client", "ip", "route", "flush", "table", TABLE)
        for words in ("disconnect", "--wait"), ("unlock",), ("killswitch", "profile"):
            self.mesh.macro(*words)

    def status(self):
        return self.mesh.api("client", "status")

    def check(self, state, is_blocking, timeout_s=20):
        """It comes to this state; what is told of it is what is documented."""
        wait_until(lambda: self.status()["state"] == state, timeout_s, state)
        pattern, status = self.told[state, is_blocking]
        shown = self.mesh.macro("status").splitlines()
        self.assertRegex(shown[0], f"^{pattern}$")
        answer = json.loads(self.mesh.macro("status", "--json"))
        self.assertEqual((answer["state"], answer.get("blocking", False)), (state, is_blocking))
        for words in ("--check",), ("--check", "--json"):
            done = self.mesh.call("exec", "client", "macro", "status", *words)
            self.assertEqual((done.returncode, done.stderr), (status, ""))
        if is_blocking:
            self.assertIn(f"    Kill switch ends by:    {answer['undo']}, or macro unlock", shown)
        else:
            self.assertNotIn("Kill switch ends by", "\n".join(shown))
        self.seen.add((state, is_blocking))
        return answer

    def undo(self, answer):
        """The command that is named for it."""
        self.assertEqual(self.mesh.call("exec", "client", *answer["undo"].split()).returncode, 0)
        wait_until(lambda: not self.status().get("blocking", False), 10, answer["undo"])

    def be_without_a_way(self):
        self.mesh.do("pause", "front")

    def go_through(self, is_blocking):
        """Connecting, connected, reconnecting."""
        self.be_without_a_way()
        self.mesh.macro("connect")
        self.check("connecting", is_blocking)
        self.mesh.do("resume", "front")
        self.check("connected", is_blocking, 60)
        self.be_without_a_way()
        answer = self.check("reconnecting", is_blocking, 60)
        self.mesh.do("resume", "front")
        self.check("connected", is_blocking, 60)
        return answer

    def test_off(self):
        self.mesh.macro("disconnect", "--wait")
        self.check("disconnected", False)
        self.go_through(False)

    def test_on(self):
        self.mesh.macro("disconnect", "--wait")
        self.mesh.macro("killswitch", "on")
        self.check("disconnected", False)
        self.undo(self.go_through(True))
        self.check("disconnected", False)

    def test_always(self):
        self.mesh.macro("killswitch", "always")
        self.mesh.macro("disconnect", "--wait")
        answer = self.check("blocked", True)
        self.assertRegex(answer["reason"], "the kill switch lets nothing out; 'macro killswitch off'")
        self.go_through(True)
        self.mesh.macro("disconnect", "--wait")
        self.undo(self.check("blocked", True))
        self.check("disconnected", False)

    def test_error(self):
        self.mesh.macro("disconnect", "--wait")
        self.mesh.exec("client", "ip", "route", "add", "unreachable", "192.0.2.0/24", "table", TABLE)
        self.mesh.macro("connect")
        self.assertRegex(self.check("error", False)["reason"], f"routing table {TABLE} has routes")
        self.mesh.macro("killswitch", "on")
        self.mesh.macro("connect")
        answer = self.check("blocked", True)
        self.assertRegex(answer["reason"], f"routing table {TABLE} has routes .*; the kill switch "
                         "lets nothing out; 'macro disconnect' ends that")
        self.undo(answer)

    def test_whole(self):
        """The last one: nothing that is documented was left out."""
        if len(self.seen) < len(self.told) // 2:
            self.skipTest("the others did not run")
        self.assertEqual(self.seen, set(self.told))


tap.main()
