#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections outlive their routes: rotated, or with a hop killed, in the middle of a download."""

import subprocess
import tempfile
import time
from pathlib import Path

import pcap
import tap
from labs import wait_until
from mesh import MeshCase

SIZE = 100 << 20
RATE = "20M"  # so that there is time for something to happen
RECOVERY_S = 15
NEW_EXIT_S = 40
PORT = 4600


class Download:
    """One TCP connection's 100 MB, into a file; curl is told not to try again."""

    def __init__(self, mesh, folder):
        self._path = Path(folder) / "got"
        self._child = mesh.spawn("client", "curl", "-sS", "--fail", "--limit-rate", RATE,
                                 "--max-time", "120", "-o", str(self._path),
                                 "-w", "%{num_connects}", "http://www.test/100m",
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def size(self):
        return self._path.stat().st_size if self._path.exists() else 0

    def wait_more(self, count=8 << 20):
        """Until so many more bytes are there."""
        wanted = min(self.size() + count, SIZE)
        wait_until(lambda: self.size() >= wanted, 60, "the download to go on")

    def stall_s(self):
        """The longest time without a new byte, from now until 8 MB more are there."""
        wanted, size, last, longest = self.size() + (8 << 20), self.size(), time.monotonic(), 0
        while size < min(wanted, SIZE):
            if (now := time.monotonic()) - last > 60:
                raise AssertionError("the download stands still")
            if (bigger := self.size()) > size:
                longest, last, size = max(longest, now - last), now, bigger
            time.sleep(0.005)
        return longest

    def finish(self, case, expected):
        out, errors = self._child.communicate(timeout=120)
        case.assertEqual((self._child.returncode, errors), (0, ""))
        case.assertEqual(out, "1", "connections")
        done = subprocess.run(["sha256sum", str(self._path)], capture_output=True, text=True,
                              check=True)
        case.assertEqual(done.stdout.split()[0], expected)

    def stop(self):
        self._child.kill()
        self._child.communicate()


class FailoverTest(MeshCase):
    """In this order, with one connection all through: killed nodes stay dead."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mesh.connect(3)
        cls.sum = cls.mesh.curl("http://www.test/sha256/100m", host="origin").strip()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.before = self.mesh.route()

    def begin(self):
        download = Download(self.mesh, self.folder)
        self.addCleanup(download.stop)
        download.wait_more()
        return download

    def end(self, download):
        download.finish(self, self.sum)
        after = self.mesh.route()
        self.assertEqual(after[-1], self.before[-1], "the exit")
        return after

    def recover(self, name):
        """Without anybody's help."""
        download = self.begin()
        self.mesh.do("kill", name)
        stall_s = download.stall_s()
        print(f"# {name} killed: {stall_s:.1f} s without a byte")
        self.assertLess(stall_s, RECOVERY_S)
        self.assertNotIn(name, self.end(download))

    def test_1_rotation(self):
        download = self.begin()
        for _ in range(2):
            old = self.mesh.route()
            self.mesh.macro("reconnect", "--wait")
            self.assertNotEqual(self.mesh.route(), old)
            download.wait_more(2 << 20)
        self.assertLess(download.size(), SIZE)
        self.end(download)

    def test_2_killed_relay_and_reconnect(self):
        download = self.begin()
        self.mesh.do("kill", self.before[1])
        self.mesh.macro("reconnect", "--wait")
        download.wait_more(2 << 20)
        self.assertLess(download.size(), SIZE)
        self.assertNotIn(self.before[1], self.end(download))

    def test_3_killed_relay(self):
        self.recover(self.before[1])

    def test_4_killed_entry(self):
        self.recover(self.before[0])

    def check_nothing_outside(self, path):
        """What the client sent while it had no exit, it sent to entries."""
        entries = {address for name, host in self.mesh.everyone.items() if "entry" in host["roles"]
                   for address in self.addresses[name]}
        sent = [packet for packet in pcap.read(path) if not pcap.is_neighbour_talk(packet)
                and packet.source in self.addresses["client"]]
        self.assertTrue(sent)
        for packet in sent:
            self.assertEqual(packet.protocol, pcap.UDP, packet)
            self.assertEqual(packet.destination_port, PORT, packet)
            self.assertIn(packet.destination, entries)

    def test_5_killed_exit(self):
        gone = self.before[-1]
        path = Path(self.folder) / "client.pcap"
        self.mesh.do("capture", "client", str(path))
        self.mesh.do("kill", gone)
        start = time.monotonic()
        tries = self.mesh.spawn("client", "sh", "-c",
                                "until curl -sf -m 2 http://www.test/ip; do sleep 0.1; done",
                                stdout=subprocess.PIPE)
        self.addCleanup(lambda: (tries.kill(), tries.communicate()))
        seen = tries.communicate(timeout=2 * NEW_EXIT_S)[0].strip()
        seconds = time.monotonic() - start
        self.mesh.do("capture", "--stop")
        print(f"# {gone} killed: new connections after {seconds:.1f} s")
        self.assertLess(seconds, NEW_EXIT_S)
        new = self.mesh.route()[-1]
        self.assertNotEqual(new, gone)
        self.assertIn(seen, self.addresses[new])
        told = " ".join(event["text"] or "" for event in self.mesh.events())
        self.assertIn("the exit cannot be reached; open connections through it are lost", told)
        self.check_nothing_outside(path)


tap.main()
