#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of several workers: clients spread over them, a session's paths meet in one of the exit's."""

import subprocess

import tap
from labs import wait_until
from mesh import MeshCase

HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"], workers = 2 }
front-2 = { country = "at", roles = ["entry"] }
middle-1 = { country = "fr", roles = ["relay"], workers = 2 }
middle-2 = { country = "gb", roles = ["relay"], workers = 3 }
middle-3 = { country = "nl", roles = ["relay"] }
back = { country = "us", roles = ["entry", "exit"], workers = 2 }
client = { country = "de", roles = ["client"] }
client-2 = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""
CLIENTS = ("client", "client-2")
MANY = 500
ROUNDS = 12  # each worker is drawn with a chance of a half, in each round, by each client


class WorkersTest(MeshCase):
    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sums = {size: cls.mesh.curl(f"http://www.test/sha256/{size}", host="origin").strip()
                    for size in ("10m", "1m")}

    def datagrams(self, host):
        """What each worker has received and sent."""
        return [worker["rx_datagrams"] + worker["tx_datagrams"]
                for worker in self.mesh.api(host, "node")["node"]["workers"]]

    def sessions(self):
        return self.mesh.api("back", "node")["node"]["sessions"]

    def check_downloads(self, *clients):
        """All at the same time, over both families."""
        children = [(self.mesh.spawn(client, "sh", "-c",
                                     f"curl -sS --fail --max-time 90 -{family} "
                                     "http://www.test/10m | sha256sum", stdout=subprocess.PIPE))
                    for client in clients for family in (4, 6)]
        for child in children:
            self.assertEqual(child.communicate(timeout=120)[0].split()[0], self.sums["10m"])

    def test_1_as_configured(self):
        wanted = {"front": 2, "front-2": 1, "middle-1": 2, "middle-2": 3, "middle-3": 1, "back": 2}
        for host, count in wanted.items():
            self.assertEqual(len(self.datagrams(host)), count, host)
        self.assertIn("Workers:", self.mesh.macro("node", "status", host="front"))

    def test_2_many_clients(self):
        """Also a route of one hop, where the client itself calls the exit's worker."""
        for hops in (3, 2, 1):
            for client in CLIENTS:
                self.mesh.connect(hops, "back", client)
            self.check_downloads(*CLIENTS)

    def test_3_one_session_through_different_relays(self):
        for client in CLIENTS:
            self.mesh.connect(3, "back", client)
        before, seen = self.sessions(), set()
        for _ in range(6):
            self.mesh.macro("reconnect", "--wait")
            seen.add(tuple(self.mesh.route()))
            self.assertEqual(self.mesh.checksum("http://www.test/1m"), self.sums["1m"])
        self.assertGreater(len(seen), 1)
        self.assertEqual(self.sessions(), before)

    def test_4_all_workers_work(self):
        """Clients have new keys with each start, and so fall to other workers."""
        def is_enough():
            return all(min(self.datagrams(host)) > MANY for host in ("front", "back"))

        for _ in range(ROUNDS):
            if is_enough():
                break
            for client in CLIENTS:
                self.mesh.do("restart", client)
                self.mesh.macro("connect", "--wait", "--hops", "3", "--exit", "back", host=client)
                self.assertEqual(self.mesh.checksum("http://www.test/1m", client), self.sums["1m"])
        print("# datagrams:", {host: self.datagrams(host) for host in ("front", "middle-1", "back")})
        self.assertTrue(is_enough())
        for host in ("front", "middle-1", "middle-2", "back"):
            self.assertEqual(self.mesh.drops(host).get("no_buffer", 0), 0, host)

    def check_restart(self, name):
        self.mesh.connect(3, "back")
        self.mesh.do("restart", name)
        wait_until(lambda: self.mesh.call("exec", "client", "curl", "-sf", "-m", "2",
                                          "http://www.test/ip").returncode == 0, 60, "recovery")
        self.check_downloads("client")

    def test_5_restarted_exit(self):
        self.check_restart("back")

    def test_6_restarted_entry(self):
        self.mesh.connect(3, "back")
        self.check_restart(self.mesh.route()[0])


tap.main()
