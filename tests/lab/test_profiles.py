#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles: chosen by hand or by the network, switched when that changes, and what they cost."""

import json
import re
from pathlib import Path

import tap
from labs import wait_until
from mesh import MeshCase

HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"] }
front2 = { country = "at", roles = ["entry"] }
middle = { country = "fr", roles = ["relay"] }
middle2 = { country = "pl", roles = ["relay"] }
back = { country = "nl", roles = ["exit"] }
back2 = { country = "se", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""
PROFILES = """
[profile home]
exit = NL
hops = 2
[profile travel]
exit = SE
killswitch = on
[profile work]
exit = NL
"""
# Another gateway behind the cable, which is pulled out and put in again.
OTHER_CABLE = """
ip link set eth0 down
ip link set eth0 up
ip addr add {v6}/32 dev eth0 nodad
ip route replace default via {gateway4}
ip -6 route replace default via {gateway6}
"""
AT_HOME, ABROAD = "02:00:5e:00:53:01", "02:00:5e:00:53:02"


class ProfileTest(MeshCase):
    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config = Path(cls.mesh.everyone["client"]["config"])
        cls.state_dir = re.search(r"(?m)^state_dir = (.*)$", cls.config.read_text())[1]
        cls.config.write_text(cls.config.read_text() + PROFILES)
        cls.mesh.do("kill", "client", "HUP")
        wait_until(lambda: "travel" in cls.names(), 10, "the new profiles")
        cls.net4 = re.sub(r"\.2$", ".0", cls.addresses["client"][0]) + "/16"

    @classmethod
    def names(cls):
        return [p["name"] for p in cls.mesh.api("client", "profiles")["profiles"]]

    def setUp(self):
        self.go(AT_HOME)
        self.addCleanup(self.forget)

    def forget(self):
        self.macro("disconnect", "--wait")
        self.macro("unlock")
        self.macro("killswitch", "profile")
        self.macro("profile", "use", "auto")
        for mac in (AT_HOME, ABROAD):
            self.macro("profile", "unbind", f"{mac}@{self.net4}")

    def macro(self, *words):
        return self.mesh.call("exec", "client", "macro", *words)

    def go(self, mac):
        """To the network whose gateway has this hardware address."""
        v4, v6 = self.addresses["client"]
        self.mesh.exec("core", "ip", "link", "set", "client", "address", mac)
        self.mesh.exec("client", "sh", "-ec", OTHER_CABLE.format(
            v6=v6, gateway4=re.sub(r"2$", "1", v4), gateway6=re.sub(r"2$", "1", v6)))
        wait_until(lambda: self.network()["id"] == f"{mac}@{self.net4}", 10, mac)

    def network(self):
        return self.mesh.api("client", "network")["network"]

    def in_use(self):
        answer = self.mesh.api("client", "profiles")
        return answer["in_use"], answer["reason"]

    def wait_profile(self, name, reason):
        wait_until(lambda: self.in_use() == (name, reason), 10, f"{name} by {reason}")

    def wait_connected(self, exit_name):
        def is_there():
            status = self.mesh.api("client", "status")
            return status["state"] == "connected" and status["exit"]["name"] == exit_name
        wait_until(is_there, 20, f"connected through {exit_name}")

    def test_network(self):
        told = self.mesh.macro("network", "show")
        self.assertEqual(told.splitlines()[0], f"{AT_HOME}@{self.net4}")
        self.assertIn("none is bound to it; macro profile bind", told)
        for family in "-4", "-6":
            self.mesh.exec("client", "ip", family, "route", "del", "default")
        wait_until(lambda: not self.network()["is_online"], 10, "offline")
        self.assertIn("Not recognised: there is no default route",
                      self.mesh.macro("network", "show"))
        self.assertRegex(self.macro("profile", "bind", "home").stderr,
                         "cannot be recognised: there is no default route; name another")

    def test_follows_the_network(self):
        """Connected all along: each network has its exit, and an event tells of the change."""
        self.mesh.macro("profile", "bind", "home")
        self.mesh.macro("connect", "--wait")
        self.wait_connected("back")
        self.assertEqual(len(self.mesh.route()), 2)
        self.assertEqual(self.in_use(), ("home", "network"))
        self.mesh.macro("profile", "bind", "travel", f"{ABROAD}@{self.net4}")
        self.go(ABROAD)
        self.wait_profile("travel", "network")
        self.wait_connected("back2")
        self.assertEqual(len(self.mesh.route()), 3)
        self.assertEqual(self.mesh.api("client", "killswitch")["mode"], "on")
        self.go(AT_HOME)
        self.wait_profile("home", "network")
        self.wait_connected("back")
        self.assertEqual(self.mesh.api("client", "killswitch")["mode"], "off")
        told = [event["text"] for event in self.mesh.events() if event["event"] == "profile"]
        self.assertEqual(told[-2:], ["home -> travel: this network is bound to it",
                                     "travel -> home: this network is bound to it"])
        self.mesh.macro("profile", "unbind")
        self.wait_profile("default", "default")

    def test_by_hand(self):
        """Whatever the network, also through a restart, until it is auto again."""
        self.mesh.macro("profile", "bind", "home")
        self.assertIn("yes: it was chosen by hand", self.mesh.macro("profile", "use", "work"))
        self.go(ABROAD)
        self.assertEqual(self.in_use(), ("work", "hand"))
        self.mesh.do("restart", "client")
        self.assertEqual(self.in_use(), ("work", "hand"))
        self.go(AT_HOME)
        self.assertEqual(self.in_use(), ("work", "hand"))
        self.mesh.macro("profile", "use", "auto")
        self.wait_profile("home", "network")

    def test_use_switches_at_once(self):
        self.mesh.macro("connect", "--wait")
        self.mesh.macro("profile", "use", "travel")
        self.wait_connected("back2")
        self.mesh.macro("profile", "use", "home")
        self.wait_connected("back")

    def test_named_for_one_connection(self):
        self.mesh.macro("profile", "bind", "home", f"{ABROAD}@{self.net4}")
        self.mesh.macro("connect", "--wait", "--profile", "travel")
        self.go(ABROAD)
        self.wait_connected("back2")
        self.assertEqual(self.in_use(), ("travel", "connect"))
        self.mesh.macro("disconnect", "--wait")
        self.wait_profile("home", "network")

    def test_kill_switch_follows(self):
        """A daemon that was killed while it was to be connected goes on with the same profile."""
        self.mesh.macro("profile", "bind", "travel")
        self.mesh.macro("connect", "--wait")
        self.mesh.do("kill", "client", "KILL")
        self.mesh.do("restart", "client")
        self.wait_connected("back2")
        self.assertEqual(self.in_use(), ("travel", "network"))
        self.assertTrue(self.mesh.api("client", "status")["blocking"])

    def test_mistakes(self):
        for words, pattern in (
                (("profile", "use", "travle"), 'there is no profile "travle".*did you mean "travel"'),
                (("connect", "--profile", "hom"), 'there is no profile "hom".*did you mean "home"'),
                (("profile", "show", "x"), 'there is no profile "x".*macro profile list'),
                (("profile", "bind", "nobody"), 'there is no profile "nobody"'),
                (("profile", "bind", "home", "10.0.0.0/8"), "network must be"),
                (("profile", "bind", "home", f"{AT_HOME}@10.0.0.0/33"), "network must be"),
                (("profile", "unbind"), "is not bound to any profile")):
            done = self.macro(*words)
            self.assertEqual(done.returncode, 1, words)
            self.assertRegex(done.stderr, pattern)
        self.assertEqual(self.macro("profile", "use").returncode, 2)

    def test_spoilt_state(self):
        """What was saved and cannot be read is told, and counts for nothing until it is set anew."""
        self.mesh.macro("profile", "use", "work")
        saved = Path(self.state_dir, "profiles")
        self.assertEqual(saved.read_text(), "macromesh-profiles 1\nuse work\n")
        saved.write_text("macromesh-profiles 1\nuse work\nrubbish\n")
        self.mesh.do("restart", "client")
        self.assertEqual(self.in_use(), ("default", "default"))
        log = (self.mesh.runtime.log("client.macrod")).read_text()
        self.assertRegex(log, r"/profiles:3: not a line that macrod wrote; no profile is chosen")
        self.mesh.macro("profile", "use", "travel")
        self.assertEqual(saved.read_text(), "macromesh-profiles 1\nuse travel\n")

    def test_cost(self):
        """Expected before connecting, and measured beside it afterwards."""
        told = self.mesh.macro("connect", "--wait", "--hops", "3")
        self.assertRegex(told.splitlines()[0], r"^Profile default: .*91 % of the line is yours$")
        self.mesh.curl("http://www.test/5m", "-o", "/dev/null")
        wait_until(lambda: self.mesh.api("client", "route")["route"]["rtt_ms"], 20, "a round trip")
        cost = self.mesh.api("client", "status")["cost"]
        print(f"# {json.dumps(cost)}")
        expected, measured = cost["expected"], cost["measured"]
        self.assertAlmostEqual(expected["goodput_percent"], 100 * 1324 / 1460, 1)
        self.assertGreater(measured["goodput_percent"], 0.8 * expected["goodput_percent"])
        self.assertLessEqual(measured["goodput_percent"], expected["goodput_percent"])
        self.assertGreaterEqual(expected["rtt_ms"], expected["added_ms"])
        verbose = self.mesh.macro("status", "-v")
        self.assertRegex(verbose, "Expected cost: .* ms to the exit; 91 % of the line is yours")
        self.assertRegex(verbose, r"Measured cost: .* ms to the exit; \d+ % of the line is yours")


tap.main()
