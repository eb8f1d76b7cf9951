#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A circuit costs one round trip of its whole path, however many hops it has."""

import tap
from mesh import MeshCase

HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"] }
middle-1 = { country = "de", roles = ["relay"] }
middle-2 = { country = "de", roles = ["relay"] }
middle-3 = { country = "de", roles = ["relay"] }
back = { country = "de", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "de", roles = ["origin"] }

[[link]]
delay = "40ms"
"""
LINK_MS = 40
TRIES = 5  # the machine may be busy with other things now and then


class CreateTest(MeshCase):
    HOSTS = HOSTS
    FLAGS = ()

    def check_hops(self, hops):
        """The nodes' own links are up from the second time on."""
        round_trip_ms = 2 * LINK_MS * hops
        self.mesh.connect(hops)
        times_ms = [self.mesh.api("client", "route")["route"]["build_ms"]]
        for _ in range(TRIES):
            self.mesh.macro("reconnect", "--wait")
            times_ms.append(self.mesh.api("client", "route")["route"]["build_ms"])
        print(f"# {hops} hops, round trip {round_trip_ms} ms: circuits were built in "
              + ", ".join(f"{ms:.1f}" for ms in times_ms) + " ms")
        for ms in times_ms:
            self.assertGreaterEqual(ms, round_trip_ms)
        # Not even one message more on one link.
        self.assertLess(min(times_ms), round_trip_ms + LINK_MS)

    def test_3_hops(self):
        self.check_hops(3)

    def test_5_hops(self):
        self.check_hops(5)


tap.main()
