#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What daemons really answer is what docs/api.schema.json says."""

import json
import subprocess

import jsonschema
import tap
from labs import REPOSITORY, wait_until
from mesh import MeshCase

SCHEMA = json.loads((REPOSITORY / "docs" / "api.schema.json").read_text(encoding="utf-8"))
UNITS = ("_ms", "_bps", "_bytes", "_packets", "_cells", "_percent")
NUMBERS_WITHOUT = {"schema", "active", "backup", "flows", "lost_events", "hop",
                   "connections_dropped"}


def unnamed_units(value, key=""):
    """Keys of numbers that do not say what they count or measure."""
    if isinstance(value, dict):
        return {name for k, v in value.items() for name in unnamed_units(v, k)}
    if isinstance(value, list):
        return {name for v in value for name in unnamed_units(v, key)}
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {key} if is_number and not key.endswith(UNITS) and key not in NUMBERS_WITHOUT else set()


class ApiTest(MeshCase):
    def check(self, answer, name):
        jsonschema.validate(answer, {"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]},
                            cls=jsonschema.Draft202012Validator)

    def check_client(self):
        for name in "status", "exits", "nodes", "counters", "profiles":
            self.check(self.mesh.api("client", name), name)
        self.check(self.mesh.api("client", "route"), "route_answer")
        self.check(self.mesh.api("client", "network"), "network_answer")
        self.check(self.mesh.api("client", "route/explain"), "explanation_answer")
        for event in self.mesh.events():
            self.check(event, "event")
            self.assertEqual(unnamed_units(event), set())

    def test_schema_is_one(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def test_disconnected(self):
        self.mesh.macro("disconnect", "--wait")
        self.check_client()

    def test_connected(self):
        self.mesh.connect(3)
        wait_until(lambda: self.mesh.api("client", "status")["paths"]["backup"] > 0, 20, "a backup")
        self.mesh.curl("http://www.test/1m", "-o", "/dev/null")
        wait_until(lambda: all(hop["rtt_ms"] for hop in
                               self.mesh.api("client", "route")["route"]["hops"]), 20, "round trips")
        self.check_client()
        status = self.mesh.api("client", "status")
        self.assertEqual(unnamed_units(status), set())
        self.assertEqual({hop["verdict"] for hop in status["route"]["hops"]}, {"green"})
        self.assertGreaterEqual(len(status["paths"]["list"]), 2)

    def test_explanation(self):
        """Of each hop: what it costs, and others that came close."""
        route = self.mesh.connect(3)
        told = self.mesh.api("client", "route/explain")["explanation"]
        self.assertEqual([hop["node"]["name"] for hop in told["hops"]], route)
        parts = [sum(value for key, value in hop["cost"].items() if key != "is_measured")
                 for hop in told["hops"]]
        self.assertAlmostEqual(sum(parts), told["cost_ms"], places=1)
        relay = told["hops"][1]
        self.assertTrue(relay["others"])
        self.assertNotIn(route[1], [other["node"]["name"] for other in relay["others"]])
        shown = self.mesh.macro("route", "explain")
        for name in route:
            self.assertIn(name, shown)
        self.assertIn(f"not {relay['others'][0]['node']['name']}", shown)

    def test_follow(self):
        """A stream begins with the present state, then tells of each change."""
        self.mesh.connect(3)
        child = self.mesh.spawn("client", "macro", "status", "--follow", "--json",
                                stdout=subprocess.PIPE)
        self.addCleanup(lambda: (child.kill(), child.communicate()))
        first = json.loads(child.stdout.readline())
        self.mesh.macro("reconnect", "--wait")
        second = json.loads(child.stdout.readline())
        for event in first, second:
            self.check(event, "event")
        self.assertEqual((first["event"], first["state"]), ("state", "connected"))
        self.assertEqual(second["event"], "route")
        self.assertIn("connections dropped: 0", second["text"])

    def test_the_schema_can_fail(self):
        status = self.mesh.api("client", "status")
        status["mtu_bytes"] = "much"
        with self.assertRaises(jsonschema.ValidationError):
            self.check(status, "status")


tap.main()
