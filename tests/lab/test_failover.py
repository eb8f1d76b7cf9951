#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node of the route dies, or hangs, in the middle of a download and a call.  ROUNDS (1) is how
often each; 20 for numbers to be quoted."""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pcap
import tap
from labs import wait_until
from mesh import MeshCase

# Enough nodes for two routes in use and two backups that share no relay, and two exits in a country.
HOSTS = """
[hosts]
de-entry-1 = { country = "de", roles = ["entry"] }
nl-entry-2 = { country = "nl", roles = ["entry"] }
fr-entry-3 = { country = "fr", roles = ["entry"] }
gb-entry-4 = { country = "gb", roles = ["entry"] }
de-relay-1 = { country = "de", roles = ["relay"] }
nl-relay-2 = { country = "nl", roles = ["relay"] }
fr-relay-3 = { country = "fr", roles = ["relay"] }
gb-relay-4 = { country = "gb", roles = ["relay"] }
de-relay-5 = { country = "de", roles = ["relay"] }
nl-exit-1 = { country = "nl", roles = ["exit"] }
nl-exit-2 = { country = "nl", roles = ["exit"] }
fr-exit-3 = { country = "fr", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""
ROUNDS = int(os.environ.get("ROUNDS") or "1")
CALL = [sys.executable, "-S", str(Path(__file__).resolve().parent / "call.py")]
CALL_PORT = 7100
TALK_S = 7
STRIKE_S = 2        # into it
WORST_STALL_S = 1
NEW_EXIT_S = 5
PORT = 4600


class FailoverCase(MeshCase):
    HOSTS = HOSTS
    FLAGS = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        child = cls.mesh.spawn("origin", *CALL, "serve", str(CALL_PORT), stdin=-1, stdout=-1)
        cls.addClassCleanup(child.communicate, "")
        if child.stdout.readline() != "ready\n":
            raise AssertionError("call.py serve ended at once")
        cls.mesh.connect(3, "nl")

    def setUp(self):
        self.wait_whole()

    def paths(self):
        return self.mesh.api("client", "status")["paths"]

    def wait_whole(self):
        """Two routes in use, two ready."""
        wait_until(lambda: self.paths()["active"] >= 2 and self.paths()["backup"] >= 2, 60,
                   "two routes and two backups")

    def talk(self, strike):
        """The report of a download and a call, into which strike() falls, with the longest time
        that each of them was held up from then on."""
        child = self.mesh.spawn("client", *CALL, "talk", self.addresses["origin"][0],
                                str(CALL_PORT), str(TALK_S), stdout=-1)
        self.addCleanup(lambda: (child.kill(), child.communicate()))
        time.sleep(STRIKE_S)  # into the middle of it
        struck = time.time()
        strike()
        report = json.loads(child.communicate(timeout=90)[0])
        for part in report.values():
            part["stall_s"] = max((gap["s"] for gap in part["gaps"]
                                   if gap["began"] + gap["s"] > struck), default=0)
        return report

    def rtt_s(self):
        return self.mesh.api("client", "route")["route"]["rtt_ms"] / 1000

    def events_after(self, mark):
        return [event for event in self.mesh.events() if event["time"] > mark]

    def now(self):
        """As events tell it."""
        return self.mesh.events()[-1]["time"]


class HopTest(FailoverCase):
    """Relays and entries."""

    def one(self, hop, action):
        """A stall in seconds of the download and of the call, and the calls' losses."""
        self.wait_whole()
        mark, before = self.now(), self.mesh.route()
        victim = before[hop]
        report = self.talk(lambda: self.mesh.do(action, victim))
        try:
            self.assertEqual(report["tcp"].get("error"), None)
            self.assertTrue(report["tcp"]["is_right"])
            wait_until(lambda: victim not in self.mesh.route(), 20, "another route")
            self.assertEqual(self.mesh.route()[-1], before[-1])
            told = [event["text"] for event in self.events_after(mark) if event["text"]]
            self.assertTrue(any(victim in text for text in told), told)
        finally:
            self.mesh.do("restart" if action == "kill" else "resume", victim)
        return report["tcp"]["stall_s"], report["udp"]["stall_s"], report["udp"]["lost"]

    def rounds(self, hop, action, what):
        rtt_s, seen = self.rtt_s(), [self.one(hop, action) for _ in range(ROUNDS)]
        for name, stalls in ("download", [s[0] for s in seen]), ("call", [s[1] for s in seen]):
            print(f"# {what}: the {name} stood still for {statistics.median(stalls) * 1000:.0f} ms "
                  f"(median of {ROUNDS}), {max(stalls) * 1000:.0f} ms at most; "
                  f"a round trip is {rtt_s * 1000:.0f} ms")
        print(f"# {what}: the call lost {max(s[2] for s in seen)} packets at most, "
              f"{statistics.median(s[2] for s in seen)} in the median, of {TALK_S * 50}")
        stalls = [s[0] for s in seen]
        self.assertLessEqual(max(stalls), WORST_STALL_S)
        if ROUNDS > 1:
            self.assertLessEqual(statistics.median(stalls), 3 * rtt_s)

    def test_killed_relay(self):
        self.rounds(1, "kill", "relay killed")

    def test_hung_relay(self):
        self.rounds(1, "pause", "relay hung")

    def test_killed_entry(self):
        self.rounds(0, "kill", "entry killed")

    def test_hung_entry(self):
        self.rounds(0, "pause", "entry hung")

    def test_change_of_all_routes(self):
        """Asked for, with everything healthy: nothing is lost."""
        report = self.talk(lambda: self.mesh.macro("reconnect", "--wait"))
        print(f"# all routes changed: the call lost {report['udp']['lost']} of "
              f"{report['udp']['sent']} packets")
        self.assertTrue(report["tcp"]["is_right"])
        self.assertEqual(report["udp"]["lost"], 0)


class ExitTest(FailoverCase):
    """Its connections are lost, and said to be; new ones work soon; nothing goes past the tunnel."""

    def check_nothing_outside(self, path):
        entries = {address for name, host in self.mesh.everyone.items() if "entry" in host["roles"]
                   for address in self.addresses[name]}
        sent = [packet for packet in pcap.read(path) if not pcap.is_neighbour_talk(packet)
                and packet.source in self.addresses["client"]]
        self.assertTrue(sent)
        for packet in sent:
            self.assertEqual(packet.protocol, pcap.UDP, packet)
            self.assertEqual(packet.destination_port, PORT, packet)
            self.assertIn(packet.destination, entries)

    def test_killed_exit(self):
        gone, mark = self.mesh.route()[-1], self.now()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "client.pcap"
            self.mesh.do("capture", "client", str(path))
            self.mesh.do("kill", gone)
            start = time.monotonic()
            tries = self.mesh.spawn("client", "sh", "-c",
                                    "until curl -sf -m 1 http://www.test/ip; do sleep 0.1; done",
                                    stdout=-1)
            self.addCleanup(lambda: (tries.kill(), tries.communicate()))
            seen = tries.communicate(timeout=60)[0].strip()
            seconds = time.monotonic() - start
            self.mesh.do("capture", "--stop")
            self.check_nothing_outside(path)
        print(f"# {gone} killed: new connections after {seconds:.1f} s")
        new = self.mesh.route()[-1]
        self.assertNotEqual(new, gone)
        self.assertTrue(new.startswith("nl-"), new)
        self.assertIn(seen, self.addresses[new])
        told = " ".join(event["text"] or "" for event in self.events_after(mark))
        self.assertIn("open connections through it are lost", told)
        self.assertLess(seconds, NEW_EXIT_S)
        self.mesh.do("restart", gone)


tap.main()
