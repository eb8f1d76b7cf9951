#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that says it is in Japan answers from five milliseconds beside German ones."""

import time

import tap
from labs import wait_until
from mesh import MeshCase

GERMANS = [f"de-{i}" for i in range(1, 5)]
# Between the liar and the Germans, 2.5 ms each way; all else is as far as its country.
LINKS = "".join(f'[[link]]\nfrom = "{a}"\nto = "{b}"\ndelay = "2.5ms"\n'
                for german in GERMANS for a, b in ((german, "liar"), ("liar", german)))
WITHIN_S = 60


class LocationTest(MeshCase):
    HOSTS = f"""
{LINKS}
[config.node]
validity = "20s"
[hosts]
de-1 = {{ country = "de", roles = ["entry", "relay"] }}
de-2 = {{ country = "de", roles = ["entry", "relay"], city = "Frankfurt" }}
de-3 = {{ country = "de", roles = ["relay"] }}
de-4 = {{ country = "de", roles = ["relay", "exit"] }}
nl-1 = {{ country = "nl", roles = ["relay"] }}
fr-1 = {{ country = "fr", roles = ["entry", "relay"] }}
jp-1 = {{ country = "jp", roles = ["relay"] }}
jp-2 = {{ country = "jp", roles = ["exit"], city = "Tokyo" }}
jp-3 = {{ country = "jp", roles = ["exit"] }}
liar = {{ country = "de", claim = "jp", roles = ["exit"], city = "Osaka" }}
client = {{ country = "de", roles = ["client"] }}
origin = {{ country = "nl", roles = ["origin"] }}
"""
    FLAGS = ()

    def exits(self, host="client"):
        return {node["name"]: node for node in self.mesh.api(host, "exits")["exits"]}

    def verdict(self, name, host="client"):
        node = self.exits(host).get(name)
        return node and node["location"]["verdict"]

    def test_1_the_lie_is_found_out(self):
        # As somebody new whom nobody has measured yet.
        self.mesh.do("kill", "liar")
        self.mesh.connect(exit_name="de")
        wait_until(lambda: self.verdict("liar") is None, 40, "the liar is forgotten")
        (self.mesh.runtime.host_folder("liar") / "state" / "identity").unlink()
        start = time.monotonic()
        self.mesh.ask("restart", host="liar")
        wait_until(lambda: self.verdict("liar") == "refuted", WITHIN_S, "the liar is refuted")
        print(f"# refuted {time.monotonic() - start:.1f} s after the node's start")
        location = self.exits()["liar"]["location"]
        self.assertGreaterEqual(location["against"], 3)
        self.assertEqual(location["database_country"], "DE")

    def test_2_the_others_are_consistent(self):
        def all_are():
            nodes = {node["name"]: node for node in self.mesh.api("client", "nodes")["nodes"]}
            return {name: node["location"]["verdict"] for name, node in nodes.items()
                    if name != "liar"} == dict.fromkeys(set(nodes) - {"liar"}, "consistent")
        wait_until(all_are, WITHIN_S, "all others are consistent")

    def test_3_nodes_think_the_same(self):
        wait_until(lambda: self.verdict("liar", "de-1") == "refuted", WITHIN_S, "de-1 knows it too")

    def test_4_it_is_shown(self):
        exits = self.mesh.macro("exit", "list")
        (liar,) = [line for line in exits.splitlines() if line.startswith("liar")]
        self.assertRegex(liar, r"^liar +JP +Osaka .* refuted, database says DE ")
        self.assertRegex(exits, r"(?m)^jp-2 +JP +Tokyo .* consistent ")
        self.assertRegex(self.mesh.macro("node", "list"), r"(?m)^liar +JP +asia +refuted")

    def test_5_it_is_not_taken_for_japan(self):
        taken = {self.mesh.connect(exit_name="JP")[-1] for _ in range(8)}
        self.assertLessEqual(taken, {"jp-2", "jp-3"})

    def test_6_nor_if_it_is_all_there_is(self):
        for name in ("jp-2", "jp-3"):
            self.mesh.do("kill", name)
        wait_until(lambda: set(self.exits()) == {"liar", "de-4"}, 40, "the true ones are forgotten")
        self.mesh.call("exec", "client", "macro", "disconnect", "--wait")
        done = self.mesh.call("exec", "client", "macro", "connect", "--wait", "--timeout", "5",
                              "--exit", "jp")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("of 1 exit 1 whose place others' round trips refute", done.stderr)

    def test_7_by_its_name_it_is_used(self):
        self.assertEqual(self.mesh.connect(exit_name="liar")[-1], "liar")


tap.main()
