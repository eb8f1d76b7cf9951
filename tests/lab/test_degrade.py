#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A relay turns slow, lossy or thin under a download and a call: it is named, the traffic leaves it
without a loss, and when it is well again it is used again.  ROUNDS (1) is how often each."""

import datetime
import json
import os
import statistics
import subprocess
import time

import tap
from labs import wait_until
from talks import CALL, CALL_PORT, STRIKE_S, TalkCase, distance_ms

ROUNDS = int(os.environ.get("ROUNDS") or "1")
VERDICT_S, MOVED_S = 5, 10
TALK_S = 20
HEALED_S = 60
QUIET_S = 30 if ROUNDS > 1 else 10
SLOWER_MS = 200


def seconds(event):
    return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


class DegradeTest(TalkCase):
    def setUp(self):
        if self.mesh.api("client", "status")["state"] != "connected":
            self.mesh.macro("connect", "--wait", "--exit", "nl")
        self.wait_whole()

    def links(self, source, *words):
        """Of all that the source sends: words(destination) or the same for all."""
        for name in self.mesh.everyone:
            if name != source:
                self.mesh.ask("wan", source=source, destination=name, is_both=False, is_clear=False,
                              words=[word(name) if callable(word) else word for word in words])

    def roles(self, node):
        """Of the routes over that node: what they are used for."""
        return {path["role"] for path in self.paths()["list"]
                if node in [hop["name"] for hop in path["route"]["hops"][:-1]]}

    def verdicts(self, node):
        return {hop["verdict"] for path in self.paths()["list"] for hop in path["route"]["hops"]
                if hop["name"] == node}

    def one(self, spoil, mend, may_lose):
        """When the verdict came, when the traffic had moved, and when the relay was back."""
        self.wait_whole()
        child = self.mesh.spawn("client", *CALL, "talk", self.addresses["origin"][0],
                                str(CALL_PORT), str(TALK_S), stdout=subprocess.PIPE)
        self.addCleanup(lambda: (child.kill(), child.communicate()))
        time.sleep(STRIKE_S)  # into the middle of it
        names, path = self.carrier()
        relay, mark, struck = names[1], self.now(), time.time()
        spoil(relay)
        try:
            wait_until(lambda: "in_use" not in self.roles(relay), MOVED_S, f"{relay} left")
            moved = time.time()
            report = json.loads(child.communicate(timeout=TALK_S + 90)[0])
        finally:
            mend(relay)
        self.assertEqual(report["tcp"].get("error"), None)
        self.assertTrue(report["tcp"]["is_right"])
        told = [event for event in self.events_after(mark)
                if (event["node"] or {}).get("name") in (relay, names[2])]
        health = [event for event in told if event["event"] == "health"]
        route = [event for event in told if event["event"] == "route"]
        self.assertTrue(health and route, told)
        self.assertIn(f"hop 2, {relay}", route[0]["text"])
        self.assertIn("connections dropped: 0", route[0]["text"])
        self.assertEqual(route[0]["connections_dropped"], 0)
        lost = [at for at in report["udp"]["lost_at"] if not may_lose or at > moved]
        self.assertEqual(lost, [])
        healed = self.until_healed(relay)
        return seconds(health[0]) - struck, moved - struck, healed, route[0]["text"]

    def until_healed(self, relay):
        """Seconds until the relay is part of a route that may be used; and then nothing changes."""
        start = time.monotonic()
        wait_until(lambda: self.roles(relay) & {"backup", "in_use"}, HEALED_S, f"{relay} back")
        took = time.monotonic() - start
        self.assertEqual(self.verdicts(relay), {"green"})
        mark = self.now()
        time.sleep(QUIET_S)  # in which nothing may happen
        changes = [event["text"] for event in self.events_after(mark)
                   if event["event"] in ("route", "health") and relay in (event["text"] or "")]
        self.assertEqual(changes, [])
        return took

    def rounds(self, what, spoil, mend, may_lose=True):
        seen = [self.one(spoil, mend, may_lose) for _ in range(ROUNDS)]
        for name, values in zip(("verdict after", "traffic moved after", "used again after"),
                                zip(*(one[:3] for one in seen))):
            print(f"# {what}: {name} {statistics.median(values):.1f} s (median of {ROUNDS}), "
                  f"{max(values):.1f} s at most")
        print(f"# {what}: {seen[0][3]}")
        self.assertLess(max(one[0] for one in seen), VERDICT_S)

    def test_lossy(self):
        self.rounds("10 % lost", lambda relay: self.links(relay, "loss=10%"),
                    lambda relay: self.links(relay, "loss=0%"))


if ROUNDS > 1:  # who asks for many wants all of them
    class OtherDegradeTest(DegradeTest):
        test_lossy = None

        def test_slow(self):
            def delay(relay, more_ms):
                self.links(relay, lambda name: f"delay={distance_ms(relay, name) + more_ms}ms")
            self.rounds(f"{SLOWER_MS} ms slower", lambda relay: delay(relay, SLOWER_MS),
                        lambda relay: delay(relay, 0), may_lose=False)

        def test_thin(self):
            self.rounds("1 Mbit/s", lambda relay: self.mesh.do("wan", relay, "rate=1mbit"),
                        lambda relay: self.mesh.do("wan", relay, "rate=0"))


tap.main()
