#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody on a cable changes, repeats, reorders and forges packets: nothing wrong is delivered."""

import tap
from labs import wait_until
from mesh import FLOW_PORT, MeshCase

# One way only, so that each link is on it.
HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"] }
middle = { country = "fr", roles = ["relay"] }
back = { country = "nl", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""
PATH = ("client", "front", "middle", "back")
SIZE = "2m"
# What is done to a link at a time: setting -> how the emulator counts it, and how nodes of the path
# count the drops that it leads to.
REPEATED = {"link_replay"}
FORGED = {"type", "no_link", "link_tag", "mac1", "handshake"}
ATTACKS = (
    {"flip=3%": ("flipped", {"link_tag", "onion_tag", "proof", *FORGED, "short"})},
    {"truncate=3%": ("truncated", {"short"})},
    {"dup=5%": ("duplicated", REPEATED), "replay=5%": ("replayed", REPEATED),
     "swap=10%": ("swapped", None)},  # the order does not matter
    {"inject=200/s": ("injected", {"short", *FORGED})},
)


class TamperTest(MeshCase):
    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mesh.serve_flows(cls)
        cls.sum = cls.mesh.curl(f"http://www.test/sha256/{SIZE}", host="origin").strip()
        cls.mesh.connect(3)

    def transfer(self):
        """TCP and UDP, checked byte by byte."""
        self.assertEqual(self.mesh.checksum(f"http://www.test/{SIZE}"), self.sum)
        address = self.addresses["origin"][0]
        self.assertTrue(self.mesh.flow("upload", address, FLOW_PORT, 500000)["is_right"])
        counts = self.mesh.flow("udp", address, FLOW_PORT, *[5, 300, 1290] * 40)
        self.assertEqual((counts["wrong"], counts["repeated"]), (0, 0), counts)
        self.assertGreater(counts["echoed"], counts["sent"] / 2, counts)

    def dropped(self):
        """Reason -> how many, at all hosts of the path."""
        total = {}
        for name in PATH:
            for reason, count in self.mesh.drops(name).items():
                total[reason] = total.get(reason, 0) + count
        return total

    def check_attack(self, source, destination, attack):
        before, sent = self.dropped(), self.mesh.counts(source, destination)
        self.mesh.do("wan", source, destination, *attack)
        self.transfer()
        self.mesh.do("wan", source, destination, "clear")
        self.mesh.wait_delivered(source, destination)
        after, done = self.dropped(), self.mesh.counts(source, destination)
        done = {name: done[name] - sent[name] for name, _ in attack.values()}
        more = {reason: count - before.get(reason, 0) for reason, count in after.items()
                if count > before.get(reason, 0)}
        print(f"# {source} > {destination}: {done} led to {more}")
        self.assertGreater(min(done.values()), 0)
        expected = {}  # reasons -> how many
        for name, reasons in attack.values():
            if reasons is not None:
                key = frozenset(reasons)
                expected[key] = expected.get(key, 0) + done[name]
        for reasons, count in expected.items():
            self.assertGreater(sum(more.get(reason, 0) for reason in reasons), count / 2)
        wait_until(lambda: self.mesh.api("client", "status")["state"] == "connected", 20,
                   "the client to be connected")

    def check_link(self, a, b):
        for source, destination in ((a, b), (b, a)):
            for attack in ATTACKS:
                with self.subTest(link=f"{source} > {destination}", attack=" ".join(attack)):
                    self.check_attack(source, destination, attack)

    def test_link_of_client_and_entry(self):
        self.check_link("client", "front")

    def test_link_of_entry_and_relay(self):
        self.check_link("front", "middle")

    def test_link_of_relay_and_exit(self):
        self.check_link("middle", "back")

    def test_everything_everywhere(self):
        for a, b in zip(PATH, PATH[1:]):
            self.mesh.do("wan", a, b, "flip=0.5%", "truncate=0.5%", "dup=1%", "replay=1%",
                         "swap=2%", "inject=50/s", "--both")
        try:
            self.transfer()
        finally:
            for a, b in zip(PATH, PATH[1:]):
                self.mesh.do("wan", a, b, "clear", "--both")
        self.transfer()


tap.main()
