#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes from macro connect, on a machine that knows nothing but seeds, to the first byte
of a page.  ROUNDS (2) is how often."""

import os
import shutil
import statistics
from pathlib import Path

import tap
from labs import wait_until
from talks import TalkCase

ROUNDS = int(os.environ.get("ROUNDS") or "2")
FIXED_S, ROUND_TRIPS = 1, 6
SCRIPT = """
began=$(date +%s.%N)
macro connect --wait --exit nl >/dev/null
connected=$(date +%s.%N)
curl -sS --fail --max-time 20 -o /dev/null -w '%{time_starttransfer}' http://www.test/1k
echo " $began $connected"
"""


class ConnectTest(TalkCase):
    def forget(self):
        """A client that has never been here: its daemon new, without what it had kept."""
        self.mesh.do("kill", "client", "TERM")
        host = self.mesh.everyone["client"]
        wait_until(lambda: self.mesh.hosts()["client"]["services"]["macrod"] != "running", 20,
                   "the daemon to end")
        shutil.rmtree(Path(host["config"]).parent / "state")
        self.mesh.do("restart", "client")

    def one(self):
        self.forget()
        curl_s, began, connected = map(float,
                                       self.mesh.exec("client", "sh", "-ec", SCRIPT).split())
        wait_until(lambda: self.mesh.api("client", "route")["route"]["rtt_ms"], 20, "a round trip")
        rtt_s = self.mesh.api("client", "route")["route"]["rtt_ms"] / 1000
        return connected - began + curl_s, connected - began, rtt_s

    def test_cold(self):
        seen = [self.one() for _ in range(ROUNDS)]
        firsts, connects, rtts = zip(*seen)
        print(f"# first byte after {statistics.median(firsts):.2f} s (median of {ROUNDS}), "
              f"{max(firsts):.2f} s at most; connected after {statistics.median(connects):.2f} s; "
              f"a round trip is {min(rtts) * 1000:.0f} to {max(rtts) * 1000:.0f} ms")
        for first, _, rtt_s in seen:
            self.assertLessEqual(first, FIXED_S + ROUND_TRIPS * rtt_s)


tap.main()
