#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every cable of the mesh shows to who listens, while all kinds of traffic pass."""

import ipaddress
import os
import tempfile
from collections import Counter
from pathlib import Path

import pcap
import tap
from mesh import FLOW_PORT, MeshCase

HOSTS = """
[hosts]
front-1 = { country = "de", roles = ["entry"] }
front-2 = { country = "ch", roles = ["entry"] }
middle-1 = { country = "fr", roles = ["relay"] }
middle-2 = { country = "gb", roles = ["relay"] }
back-1 = { country = "nl", roles = ["exit"] }
back-2 = { country = "us", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""
NODES = ("front-1", "front-2", "middle-1", "middle-2", "back-1", "back-2")
MESH = (*NODES, "client")
PORT = 4600
CELL, COOKIE = 1432, 64
CHANCE_MAX = 2  # four bytes may appear in so much noise by chance; systematically, they are in more


def written(address):
    """How an address may be written in a packet, apart from its plain bytes: never by chance."""
    packed = ipaddress.ip_address(address).packed
    mapped = b"\xff\xff" + packed if len(packed) == 4 else packed
    return [mapped, address.encode()]


class WireTest(MeshCase):
    """One mixed load, seen on all cables at once; each test looks at another side of it."""

    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mesh.serve_flows(cls)
        cls.origin = cls.addresses["origin"]
        cls.names = {address: name for name, pair in cls.addresses.items() for address in pair}
        cls.mesh.connect(3)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        paths = {name: Path(folder.name) / f"{name}.pcap" for name in cls.mesh.everyone}
        for name, path in paths.items():
            cls.mesh.do("capture", name, str(path))
        cls.hops = []
        cls.inner = cls.mesh.api("client", "status")["inner_addresses"]
        cls.marker = os.urandom(12).hex()
        cls.load()
        cls.mesh.macro("reconnect", "--wait")  # building circuits must not show anything either
        cls.load()
        cls.summary = cls.mesh.do("capture", "--stop")
        cls.packets = {name: [packet for packet in pcap.read(path)
                              if not pcap.is_neighbour_talk(packet)]
                       for name, path in paths.items()}

    @classmethod
    def load(cls):
        """HTTP, DNS, UDP and ICMP, each with the marker in it, over both IPs."""
        run, marker = cls.mesh.exec, cls.marker
        before = cls.mesh.routes()
        for address in cls.origin:
            host = f"[{address}]" if ":" in address else address
            run("client", "curl", "-sS", "-H", f"X-Marker: {marker}", f"http://{host}/{marker}")
            run("client", "curl", "-sS", "-o", "/dev/null", f"http://{host}/300k")
            run("client", "dig", "+short", f"@{address}", f"{marker}.www.test")
            run("client", "ping", "-q", "-c", "3", "-i", "0.01", "-p", marker, address)
            cls.mesh.flow("udp", address, FLOW_PORT, *[5, 200, 1200, 3000] * 5)
        run("client", "dig", "+short", f"{marker}.test")
        cls.hops += before + cls.mesh.routes()

    def between_mesh_hosts(self, name):
        """The packets on a host's cable that both start and end at hosts of the mesh."""
        inside = {address for host in MESH for address in self.addresses[host]}
        return [packet for packet in self.packets[name] if packet.hosts <= inside]

    def test_nothing_was_missed(self):
        self.assertNotRegex(self.summary, r"[1-9]\d* missed")
        for name in {name for hops in self.hops for name in hops}:
            self.assertGreater(len(self.between_mesh_hosts(name)), 100, name)

    def test_the_load_carried_the_marker(self):
        """Or the tests below would show nothing."""
        seen = Counter(packet.protocol for packet in self.packets["origin"]
                       if self.marker.encode() in packet.whole
                       or bytes.fromhex(self.marker) in packet.whole)
        self.assertLessEqual({pcap.TCP, pcap.UDP, pcap.ICMP, pcap.ICMPV6}, set(seen))

    def test_one_size(self):
        for name in MESH:
            sizes = Counter((packet.protocol, packet.is_fragment, len(packet.data))
                            for packet in self.between_mesh_hosts(name))
            self.assertLessEqual(set(sizes), {(pcap.UDP, False, CELL), (pcap.UDP, False, COOKIE)},
                                 f"{name}: {sizes}")

    def test_only_the_mesh_leaves_the_client(self):
        """No name is looked up past the tunnel, no packet finds a way around it."""
        entries = {address for name in ("front-1", "front-2") for address in self.addresses[name]}
        for packet in self.packets["client"]:
            peer = packet.hosts - set(self.addresses["client"])
            ports = (packet.source_port, packet.destination_port)
            self.assertTrue(packet.protocol == pcap.UDP and PORT in ports and peer <= entries,
                            f"{packet.source} > {packet.destination}, protocol {packet.protocol}, "
                            f"ports {ports}")

    def test_payload_shows_nowhere(self):
        markers = (self.marker.encode(), bytes.fromhex(self.marker))
        for name in MESH:
            for packet in self.between_mesh_hosts(name):
                for marker in markers:
                    self.assertNotIn(marker, packet.whole, name)

    def check_hidden(self, addresses, packets, where):
        """No address shows in the packets, in headers or anywhere else."""
        by_chance = Counter()
        for packet in packets:
            for address in addresses:
                self.assertNotIn(address, packet.hosts, where)
                for form in written(address):
                    self.assertNotIn(form, packet.whole, f"{address}, {where}")
                by_chance[address] += ipaddress.ip_address(address).packed in packet.whole
        for address, count in by_chance.items():
            self.assertLessEqual(count, CHANCE_MAX, f"{address}, {where}")

    def test_client_shows_only_before_the_entry(self):
        mine = [*self.addresses["client"], *self.inner.values()]
        for name in NODES:
            beyond = [packet for packet in self.packets[name]
                      if not (name.startswith("front")
                              and packet.hosts & set(self.addresses["client"]))]
            # The exit's side of the origin has neither the client's own nor its inner addresses.
            self.check_hidden(mine, beyond, f"cable of {name}")
        self.check_hidden(mine, self.packets["origin"], "cable of origin")

    def test_inner_addresses_show_nowhere(self):
        for name in MESH:
            self.check_hidden(self.inner.values(), self.packets[name], f"cable of {name}")

    def test_destination_shows_only_behind_the_exit(self):
        for name in MESH:
            self.check_hidden(self.origin, self.between_mesh_hosts(name), f"cable of {name}")
            if not name.startswith("back"):
                self.check_hidden(self.origin, self.packets[name], f"cable of {name}")

    def test_origin_hears_the_exit_only(self):
        exits = {address for hops in self.hops for address in self.addresses[hops[-1]]}
        for packet in self.packets["origin"]:
            self.assertLessEqual(packet.hosts, exits | set(self.origin))

    def test_hops_talk_to_their_neighbours(self):
        """Of the client's cells, a relay sees only those of the nodes next to it."""
        cells = Counter()
        for name in MESH:
            for packet in self.between_mesh_hosts(name):
                cells[frozenset(self.names[address] for address in packet.hosts)] += 1
        used = {frozenset(pair) for hops in self.hops
                for pair in zip(["client", *hops], hops)}
        most = max(cells[pair] for pair in used)  # backups carry ECHOs only
        for pair, count in cells.items():
            if pair not in used:  # the directory, and no more than that
                self.assertLess(count, most / 4, pair)
        self.assertLessEqual(used, set(cells))


tap.main()
