# SPDX-License-Identifier: GPL-3.0-or-later
"""
A client far from everything, with a download and a call through the mesh: what tests of failover,
of bad nodes and of changing networks share.
"""

import hashlib
import itertools
import json
import sys
import time
from pathlib import Path

from labs import wait_until
from mesh import MeshCase

CALL = [sys.executable, "-S", str(Path(__file__).resolve().parent / "call.py")]
CALL_PORT = 7100
TALK_S = 7
STRIKE_S = 2  # into it
# Of each link, one way: so a round trip over it takes 40 to 80 ms.
NEAR_MS, FAR_MS = 20, 40

# Enough for two routes in use and two backups that share no relay, even while some were found dead,
# and for two exits in a country.
NODES = {
    "de-entry-1": "entry", "nl-entry-2": "entry", "fr-entry-3": "entry", "gb-entry-4": "entry",
    "de-entry-5": "entry", "nl-entry-6": "entry",
    "de-relay-1": "relay", "nl-relay-2": "relay", "fr-relay-3": "relay", "gb-relay-4": "relay",
    "de-relay-5": "relay", "nl-relay-6": "relay", "fr-relay-7": "relay", "gb-relay-8": "relay",
    "nl-exit-1": "exit", "nl-exit-2": "exit", "fr-exit-3": "exit",
}


def distance_ms(a, b):
    """Of two hosts: anything in between, always the same."""
    spread = hashlib.sha256(" ".join(sorted((a, b))).encode()).digest()[0] / 255
    return round(NEAR_MS + (FAR_MS - NEAR_MS) * spread)


def topology(nodes, config=""):
    """As lab/lab reads it: the nodes, a client and an origin, all of them far apart."""
    hosts = {**nodes, "client": "client", "origin": "origin"}
    lines = [config, "[hosts]"]
    lines += [f'{name} = {{ country = "{name[:2] if name in nodes else "de"}", roles = ["{role}"] }}'
              for name, role in hosts.items()]
    for a, b in itertools.permutations(hosts, 2):
        lines += ["[[link]]", f'from = "{a}"', f'to = "{b}"', f'delay = "{distance_ms(a, b)}ms"']
    return "\n".join(lines)


class TalkCase(MeshCase):
    HOSTS = topology(NODES)
    FLAGS = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        child = cls.mesh.spawn("origin", *CALL, "serve", str(CALL_PORT), stdin=-1, stdout=-1)
        cls.addClassCleanup(child.communicate, "")
        if child.stdout.readline() != "ready\n":
            raise AssertionError("call.py serve ended at once")

    def paths(self):
        return self.mesh.api("client", "status")["paths"]

    def wait_whole(self, active=2, backup=2):
        """So many routes in use and ready, measured, and for each one another without its nodes."""
        def is_whole():
            paths = self.paths()
            routes = [{hop["name"] for hop in path["route"]["hops"][:-1]} for path in paths["list"]
                      if path["role"] in ("in_use", "backup")]
            return (paths["active"] >= active and paths["backup"] >= backup and
                    all(path["rtt_ms"] for path in paths["list"]) and
                    all(any(a.isdisjoint(b) for b in routes) for a in routes))
        try:
            wait_until(is_whole, 90, f"{active} routes and {backup} backups")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.mesh.macro('route', 'show')}") from error

    def carrier(self):
        """The path that carries most of the traffic: as the API shows it, with its hops' names."""
        def bytes_of():
            return {path["route"]["created"]: path["rx_bytes"] + path["tx_bytes"]
                    for path in self.paths()["list"] if path["role"] == "in_use"}
        before = bytes_of()
        time.sleep(0.3)  # what it carries in this time counts
        path = max((path for path in self.paths()["list"] if path["role"] == "in_use"),
                   key=lambda path: path["rx_bytes"] + path["tx_bytes"] -
                   before.get(path["route"]["created"], 0))
        return [hop["name"] for hop in path["route"]["hops"]], path

    def talk(self, strike, seconds=TALK_S):
        """The report of a download and a call, into which strike() falls, with the longest time
        that each of them was held up from then on."""
        child = self.mesh.spawn("client", *CALL, "talk", self.addresses["origin"][0],
                                str(CALL_PORT), str(seconds), stdout=-1)
        self.addCleanup(lambda: (child.kill(), child.communicate()))
        time.sleep(STRIKE_S)  # into the middle of it
        struck = time.time()
        strike()
        report = json.loads(child.communicate(timeout=seconds + 90)[0])
        for part in report.values():
            part["stall_s"] = max((gap["s"] for gap in part["gaps"]
                                   if gap["began"] + gap["s"] > struck), default=0)
        return report

    def now(self):
        """As events tell it."""
        return self.mesh.events()[-1]["time"]

    def events_after(self, mark):
        return [event for event in self.mesh.events() if event["time"] > mark]
