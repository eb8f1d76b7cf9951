#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's own network goes away, changes, or its daemon sleeps: the same connection goes on.
AWAY_S and ASLEEP_S (10) say for how long."""

import json
import os
import subprocess
import time

import tap
from talks import CALL, CALL_PORT, TalkCase

AWAY_S = int(os.environ.get("AWAY_S") or "10")
ASLEEP_S = int(os.environ.get("ASLEEP_S") or "10")


class NetworkTest(TalkCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mesh.connect(3)
        cls.session = cls.mesh.api("client", "status")["session"]

    def setUp(self):
        self.wait_whole()

    def on_host(self, script):
        """The time that the script prints."""
        return float(self.mesh.exec("client", "sh", "-ec", script))

    def through(self, seconds, trouble, what, away_s=0):
        """A download and a call for so long, in which trouble() happens and returns when all is well
        again.  How long after that the first packet came."""
        rtt_s = self.mesh.api("client", "route")["route"]["rtt_ms"] / 1000
        child = self.mesh.spawn("client", *CALL, "talk", self.addresses["origin"][0],
                                str(CALL_PORT), str(seconds), stdout=subprocess.PIPE)
        self.addCleanup(lambda: (child.kill(), child.communicate()))
        time.sleep(1)  # into the middle of it
        back = trouble()
        report = json.loads(child.communicate(timeout=seconds + 300)[0])
        self.assertEqual(report["tcp"].get("error"), None)
        self.assertTrue(report["tcp"]["is_right"])
        self.assertEqual(self.mesh.api("client", "status")["session"], self.session)
        longest = max((gap["s"] for gap in report["udp"]["gaps"]), default=0)
        self.assertGreater(longest, away_s - 1, "there was no trouble at all")
        # What lay in a buffer meanwhile does not count.
        after = min((came - back for sent, came in report["udp"]["after_gap"] if sent >= back),
                    default=60)
        print(f"# {what}: the first packet {max(0, after) * 1000:.0f} ms after the network was back; "
              f"a round trip is {rtt_s * 1000:.0f} ms")
        self.assertLess(after, 1 + 2 * rtt_s)
        return report

    def test_away(self):
        """Half a minute without any link."""
        def trouble():
            return self.on_host("ip route save table main > /tmp/routes.$$; ip link set eth0 down; "
                         f"sleep {AWAY_S}; ip link set eth0 up; "
                         f"ip addr replace {self.addresses['client'][1]}/32 dev eth0 nodad; "
                         "ip route restore < /tmp/routes.$$ 2>/dev/null || true; "
                         "date +%s.%N; rm /tmp/routes.$$")
        self.through(AWAY_S + 15, trouble, f"{AWAY_S} s without a link", AWAY_S)

    def test_other_address(self):
        v4 = self.addresses["client"][0]
        other = v4.rsplit(".", 1)[0] + ".77"

        def trouble():
            return self.on_host(f"gate=$(ip -4 route show default | cut -d' ' -f3); "
                         f"ip addr del {v4}/16 dev eth0; ip addr add {other}/16 dev eth0; "
                         f"ip route replace default via $gate; date +%s.%N")
        report = self.through(8, trouble, "another address")
        print(f"# another address: the call lost {report['udp']['lost']} of "
              f"{report['udp']['sent']} packets")

    def test_sleep(self):
        """The daemon stands still, as all of the machine would."""
        def trouble():
            self.mesh.do("pause", "client")
            time.sleep(ASLEEP_S)  # how long it sleeps
            self.mesh.do("resume", "client")
            return time.time()
        self.through(ASLEEP_S + 10, trouble, f"{ASLEEP_S} s asleep", ASLEEP_S)


tap.main()
