#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names are asked for inside the tunnel, by a stub that waits for nobody and believes not all."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pcap
import tap
from mesh import MeshCase

ASK = [sys.executable, "-S", str(Path(__file__).resolve().parent / "ask.py")]
STUB = "127.109.109.53"
HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"] }
middle = { country = "fr", roles = ["relay"] }
back = { country = "nl", roles = ["exit"] }
back2 = { country = "se", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""


class DnsTest(MeshCase):
    HOSTS = HOSTS

    def setUp(self):
        self.mesh.connect(3)
        self.addCleanup(self.mesh.macro, "disconnect", "--wait")

    def dig(self, *words):
        return self.mesh.exec("client", "dig", "+tries=1", "+time=5", *words)

    def test_stub(self):
        self.assertIn(f"nameserver {STUB}\n", self.mesh.exec("client", "cat", "/etc/resolv.conf"))
        address = self.addresses["origin"][0]
        for options in ((), ("+tcp",), ("+noedns",)):
            self.assertIn(address, self.dig("+short", *options, "www.test"))
        self.assertIn("status: REFUSED", self.dig("nothing.test"))

    def test_private_addresses_are_withheld(self):
        """As a hostile exit would answer, to lead a browser into the user's own network."""
        for options in ((), ("+tcp",)):
            for kind in ("A", "AAAA"):
                text = self.dig(*options, kind, "private.test")
                self.assertIn("status: NOERROR", text)
                self.assertIn("ANSWER: 0", text)

    def test_address_that_is_taken(self):
        """Then programs ask the exit's name servers, still inside."""
        self.mesh.macro("disconnect", "--wait")
        with self.mesh.spawn("client", sys.executable, "-c", f"""
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("{STUB}", 53))
print("ready", flush=True)
sys.stdin.read()
""", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            self.mesh.connect(3)
            self.assertNotIn(STUB, self.mesh.exec("client", "cat", "/etc/resolv.conf"))
            self.assertIn(self.addresses["origin"][0], self.dig("+short", "www.test"))
            child.communicate("")

    def test_exit_changes(self):
        """Nobody waits long, and no question is seen outside."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "client.pcap"
            self.mesh.do("capture", "client", str(path))
            child = self.mesh.spawn("client", *ASK, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            child.stdout.readline()
            for _ in range(3):
                time.sleep(0.3)
                self.mesh.macro("reconnect", "--new-exit", "--wait")
            time.sleep(0.3)
            out, _ = child.communicate("", timeout=60)
            self.mesh.do("capture", "--stop", "client")
            outside = [packet for packet in pcap.read(path)
                       if {53, 853} & {packet.source_port, packet.destination_port}]
        times = json.loads(out)
        self.assertGreater(len(times), 10)
        self.assertNotIn(None, [wait for _, wait in times])
        print(f"# {len(times)} questions, the slowest answered after "
              f"{max(wait for _, wait in times):.3f} s")
        self.assertLess(max(wait for _, wait in times), 1)
        self.assertEqual(outside, [])


tap.main()
