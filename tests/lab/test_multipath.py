#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thirty flows over three routes that share nothing: all are used, each flow stays on one, and the
death of one route moves its flows only."""

import itertools
import json
import sys
from pathlib import Path

import tap
from labs import wait_until
from talks import CALL_PORT, NODES, TalkCase, topology

FLOWS = 30
PACKETS = 20
FLOWS_LEAST = 3  # on each route
DRAWS = 5
SCRIPT = [sys.executable, "-S", str(Path(__file__).resolve().parent / "flows.py")]


class MultipathTest(TalkCase):
    HOSTS = topology(NODES, "[config.'profile three']\npaths = 3\nbackups = 1\nisolate = 'off'\n"
                            "[config.health]\nimprove = 'never'")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mesh.macro("connect", "--wait", "--profile", "three", "--exit", "nl")
        cls.child = cls.mesh.spawn("client", *SCRIPT, cls.addresses["origin"][0], str(CALL_PORT),
                                   str(FLOWS), stdin=-1, stdout=-1)
        cls.addClassCleanup(lambda: (cls.child.kill(), cls.child.communicate()))
        if cls.child.stdout.readline() != "ready\n":
            raise AssertionError("flows.py ended at once")

    def order(self, *words):
        self.child.stdin.write(" ".join(map(str, words)) + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def carried(self):
        """Bytes by route, up and down; inside the tunnel."""
        return {tuple(hop["name"] for hop in path["route"]["hops"]):
                (path["tx_bytes"], path["rx_bytes"]) for path in self.paths()["list"]}

    def route_of(self, flow):
        """The one route that carried the flow's packets, both ways."""
        before = self.carried()
        self.assertEqual(self.order("one", flow, PACKETS)["echoed"], [PACKETS])
        after = self.carried()
        used = [route for route in after if after[route] != before.get(route, (0, 0))]
        self.assertEqual(len(used), 1, f"flow {flow} over {used}")
        (sent, received), (sent_then, received_then) = after[used[0]], before[used[0]]
        self.assertEqual(sent - sent_then, received - received_then)
        return used[0]

    def in_use(self):
        return [tuple(hop["name"] for hop in path["route"]["hops"])
                for path in self.paths()["list"] if path["role"] == "in_use"]

    def wait_three(self):
        wait_until(lambda: self.paths()["active"] == 3 and self.paths()["backup"] >= 1, 60,
                   "three routes in use")

    def three_apart(self):
        """They are drawn by lot, and better ones are not looked for here."""
        for _ in range(DRAWS):
            self.wait_three()
            routes = self.in_use()
            if all(set(a[:-1]).isdisjoint(b[:-1]) for a, b in itertools.combinations(routes, 2)):
                return routes
            self.mesh.macro("reconnect", "--wait")
        self.fail(f"three routes that share nothing: {routes}")

    def test_thirty_flows(self):
        in_use = self.three_apart()
        before = [self.route_of(flow) for flow in range(FLOWS)]
        counts = [before.count(route) for route in in_use]
        print(f"# {FLOWS} flows over three routes: {', '.join(map(str, counts))}")
        self.assertEqual(sum(counts), FLOWS)
        self.assertGreaterEqual(min(counts), FLOWS_LEAST)
        together = self.order("all", 400)
        self.assertEqual(together, {"echoed": [400] * FLOWS, "late": 0})
        self.assertEqual([self.route_of(flow) for flow in range(FLOWS)], before)
        self.check_death(in_use[1], before)

    def check_death(self, lost, before):
        mark = self.now()
        self.mesh.do("kill", lost[1])
        after_death = self.order("all", 400)
        wait_until(lambda: lost not in self.in_use(), 30, f"{lost[1]} left")
        self.wait_three()
        after = [self.route_of(flow) for flow in range(FLOWS)]
        moved = [flow for flow in range(FLOWS) if after[flow] != before[flow]]
        print(f"# {lost[1]} killed: {len(moved)} flows moved, "
              f"{FLOWS * 400 - sum(after_death['echoed'])} of {FLOWS * 400} packets lost")
        self.assertEqual(moved, [flow for flow in range(FLOWS) if before[flow] == lost],
                         [(before[flow], after[flow]) for flow in moved] +
                         [event["text"] for event in self.events_after(mark)])
        self.assertNotIn(lost, after)
        self.assertEqual([after_death["echoed"][flow] for flow in range(FLOWS)
                          if flow not in moved], [400] * (FLOWS - len(moved)))


tap.main()
