#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""All kinds of traffic, through one to five hops, between real programs that know nothing of it."""

import re
import subprocess
import tempfile
from pathlib import Path

import pcap
import tap
from mesh import FLOW_PORT, MeshCase

# One way only to have five hops, and one node that is a whole path by itself.
HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"] }
middle-1 = { country = "fr", roles = ["relay"] }
middle-2 = { country = "gb", roles = ["relay"] }
middle-3 = { country = "nl", roles = ["relay"] }
both = { country = "ch", roles = ["entry", "exit"] }
back = { country = "us", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
client-2 = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""
MTU = {1: 1360, 2: 1342, 3: 1324, 4: 1306, 5: 1288}
EXIT_MTU = 1360  # what the world can send to a client
IP_HEADER = {"v4": 20, "v6": 40}
ICMP_HEADER = UDP_HEADER = 8


def url(address, path):
    return f"http://[{address}]/{path}" if ":" in address else f"http://{address}/{path}"


class TrafficTest(MeshCase):
    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mesh.serve_flows(cls)
        cls.origin = dict(zip(("v4", "v6"), cls.addresses["origin"]))
        cls.sums = {size: cls.mesh.curl(f"http://www.test/sha256/{size}", host="origin").strip()
                    for size in ("100m", "10m", "1m")}

    def connect(self, hops):
        """The exit's name."""
        exit_name = "both" if hops == 1 else "back"
        names = self.mesh.connect(hops, exit_name)
        self.assertEqual(len(set(names)), hops)
        self.assertEqual(names[-1], exit_name)
        if hops > 1:
            self.assertIn(names[0], ("front", "both"))
            self.assertLessEqual(set(names[1:-1]), {"middle-1", "middle-2", "middle-3"})
        return exit_name

    def check_route(self, hops):
        """What the programs' interface tells is what is there."""
        answer = self.mesh.api("client", "route")
        self.assertEqual(answer["state"], "connected")
        route = answer["route"]["hops"]
        roles = [["entry"], *[["relay"]] * (hops - 2), ["exit"]] if hops > 1 else [["entry", "exit"]]
        self.assertEqual([hop["roles"] for hop in route], roles)
        for hop in route:
            host = self.mesh.everyone[hop["name"]]
            self.assertIn(hop["address"], (f"{host['v4']}:4600", f"[{host['v6']}]:4600"))
            self.assertEqual(hop["country"].lower(), host["country"])
            self.assertEqual(hop["status"], "ok")
        shown = self.mesh.macro("route", "show")
        self.assertEqual([line.split()[2] for line in shown.splitlines() if line.split()[0].isdigit()],
                         [hop["name"] for hop in route])
        self.assertEqual(self.mesh.api("client", "status")["mtu_bytes"], MTU[hops])

    def check_origin_sees(self, exit_name):
        for address, expected in zip(self.origin.values(), self.addresses[exit_name]):
            self.assertEqual(self.mesh.curl(url(address, "ip")).strip(), expected)

    def check_tcp(self, size):
        for address in self.origin.values():
            self.assertEqual(self.mesh.checksum(url(address, size)), self.sums[size])
            self.assertTrue(self.mesh.flow("upload", address, FLOW_PORT, 1 << 20)["is_right"])

    def check_udp(self, hops):
        for family, address in self.origin.items():
            largest = MTU[hops] - IP_HEADER[family] - UDP_HEADER
            sizes = [5, 100, 512, 1000, largest - 1, largest, largest + 1, 4000, 20000] * 10
            counts = self.mesh.flow("udp", address, FLOW_PORT, *sizes)
            self.assertEqual((counts["wrong"], counts["repeated"]), (0, 0))
            self.assertLessEqual(counts["lost"], len(sizes) // 30, counts)

    def ping(self, address, size, *options):
        return self.mesh.call("exec", "client", "ping", "-c", "2", "-i", "0.01", "-W", "2",
                              "-s", str(size), *options, address)

    def check_icmp(self, hops):
        for family, address in self.origin.items():
            largest = MTU[hops] - IP_HEADER[family] - ICMP_HEADER
            for size in (16, largest):
                done = self.ping(address, size, "-M", "do")
                self.assertIn(" 2 received", done.stdout, f"{size}: {done.stderr}")
            refused = self.ping(address, largest + 1, "-M", "do").stderr
            self.assertRegex(refused, f"message too long, mtu[:=] ?{MTU[hops]}")
            self.ping(address, 3000)  # the origin may learn the path's MTU from its first reply
            self.assertIn(" 2 received", self.ping(address, 3000).stdout)

    def check_too_big_answers(self):
        """Path MTU discovery works from outside, too."""
        for family, address in self.origin.items():
            largest = EXIT_MTU - IP_HEADER[family] - UDP_HEADER
            self.assertEqual(self.mesh.flow("answer", address, FLOW_PORT, largest)["came"], True)
            self.assertEqual(self.mesh.flow("answer", address, FLOW_PORT, largest + 1),
                             {"came": False, "mtu": EXIT_MTU})

    def check_dns(self, exit_name):
        """The origin's name server is asked by the exit, and by nobody else."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "origin.pcap"
            self.mesh.do("capture", "origin", str(path))
            for kind, expected in zip(("A", "AAAA"), self.origin.values()):
                found = self.mesh.exec("client", "dig", "+short", "+time=5", "www.test", kind)
                self.assertEqual(found.strip(), expected)
            self.assertIn(self.origin["v4"],
                          self.mesh.exec("client", "getent", "ahosts", "www.test"))
            self.mesh.do("capture", "--stop")
            askers = {packet.source for packet in pcap.read(path)
                      if packet.destination_port == 53}
        self.assertTrue(askers)
        self.assertLessEqual(askers, set(self.addresses[exit_name]))

    def check_all(self, hops, size):
        exit_name = self.connect(hops)
        self.check_route(hops)
        self.check_origin_sees(exit_name)
        self.check_dns(exit_name)
        self.check_icmp(hops)
        self.check_udp(hops)
        self.check_tcp(size)

    def test_1_hop(self):
        self.check_all(1, "10m")

    def test_2_hops(self):
        self.check_all(2, "10m")

    def test_3_hops(self):
        self.check_all(3, "10m")
        self.check_too_big_answers()
        self.assertEqual(self.mesh.checksum("http://www.test/100m"), self.sums["100m"])

    def test_4_hops(self):
        self.check_all(4, "10m")

    def test_5_hops(self):
        self.check_all(5, "10m")

    def test_iperf3(self):
        self.connect(3)
        for words in (("-u", "-b", "5M", "-l", "1200"), (), ("--reverse",)):
            out = self.mesh.exec("client", "iperf3", "-t", "1", "-c", self.origin["v4"], *words)
            self.assertRegex(out, r"receiver")
        self.assertGreater(float(re.search(r"([\d.]+) Mbits/sec.*receiver", out)[1]), 5)

    def test_two_clients_at_once(self):
        """Through one exit, each with addresses of its own."""
        clients = ("client", "client-2")
        for name in clients:
            self.mesh.connect(3, "back", host=name)
            self.assertEqual(self.mesh.curl(url(self.origin["v4"], "ip"), host=name).strip(),
                             self.addresses["back"][0])
        inner = [self.mesh.api(name, "status")["inner_addresses"] for name in clients]
        self.assertNotEqual(inner[0]["ipv4"], inner[1]["ipv4"])
        self.assertNotEqual(inner[0]["ipv6"], inner[1]["ipv6"])
        self.assertEqual(self.mesh.api("back", "node")["node"]["sessions"], 2)
        downloads = [self.mesh.spawn(name, "sh", "-c", "curl -sS --fail --max-time 60 "
                                     "http://www.test/10m | sha256sum", stdout=subprocess.PIPE)
                     for name in clients]
        for child in downloads:
            self.assertEqual(child.communicate(timeout=90)[0].split()[0], self.sums["10m"])
        self.mesh.macro("disconnect", host="client-2")


tap.main()
