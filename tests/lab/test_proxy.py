#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`macro proxy` as an ordinary user: curl, a browser and a UDP client use the mesh through it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import pcap
import tap
from mesh import MeshCase
from runtime import program

SOCKS = [sys.executable, "-S", str(Path(__file__).resolve().parent / "socks.py")]
HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"] }
front2 = { country = "at", roles = ["entry"] }
middle = { country = "fr", roles = ["relay"] }
middle2 = { country = "pl", roles = ["relay"] }
back = { country = "nl", roles = ["exit"] }
back2 = { country = "se", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""
AS_USER = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
if os.getuid() == 0:
    AS_USER += ["--reuid", "65534", "--regid", "65534", "--clear-groups"]
# What a minimal machine and its closed network allow; nothing of it concerns the proxy.
BROWSER = ["chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--disable-quic",
           "--no-first-run", "--disable-background-networking", "--disable-component-update",
           "--disable-sync", "--disable-dev-shm-usage"]
SNAPSHOT = """
nft list ruleset
ip -o link
for family in -4 -6; do ip $family rule; ip $family route show table all; done
cat /etc/resolv.conf
"""


class Proxy:
    """`macro proxy` on the client, as a user without rights; a context."""

    def __init__(self, mesh, hops=3):
        self._mesh = mesh
        self._hops = hops
        self._folder = tempfile.TemporaryDirectory()
        self._child = None
        self.lines = []
        folder = Path(self._folder.name)
        folder.chmod(0o755)
        text = Path(mesh.everyone["client"]["config"]).read_text(encoding="utf-8")
        config = folder / "macro.conf"
        config.write_text(re.sub(r"(?m)^(socket|state_dir) = .*$", r"\1 = /nonexistent/\1", text),
                          encoding="utf-8")
        config.chmod(0o644)
        self._argv = [*AS_USER, shutil.copy(program("macro"), folder), "-c", str(config), "proxy",
                      "--socks", "127.0.0.1:1080", "--http", "127.0.0.1:8080",
                      "--hops", str(hops), "--json"]

    def _read_until(self, is_it):
        for line in self._child.stdout:
            self.lines.append(json.loads(line))
            if is_it(self.lines[-1]):
                return self.lines[-1]
        raise AssertionError(f"macro proxy ended: {self._child.stderr.read()}")

    def __enter__(self):
        self._child = self._mesh.spawn("client", *self._argv, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
        self._read_until(lambda line: line.get("state") == "connected")
        return self

    def __exit__(self, *_):
        self._child.terminate()
        out, _ = self._child.communicate(timeout=20)
        self.lines += map(json.loads, out.splitlines())
        self._folder.cleanup()

    def wait_user(self, number):
        """Until that user is connected: what it was told."""
        return self._read_until(lambda line: (line.get("user"), line.get("state"))
                                == (number, "connected"))

    def processes(self):
        """/proc/PID/status of the proxy itself."""
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                argv = (status.parent / "cmdline").read_bytes().split(b"\0")
                if argv[0].startswith(self._folder.name.encode()):
                    yield status.read_text(encoding="utf-8")
            except OSError:
                pass


class ProxyTest(MeshCase):
    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.before = cls.mesh.exec("client", "sh", "-c", SNAPSHOT)
        cls.proxy = cls.enterClassContext(Proxy(cls.mesh))
        cls.exits = {host: cls.addresses[host] for host in ("back", "back2")}

    def curl(self, url, *options, proxy="socks5h://127.0.0.1:1080"):
        return self.mesh.exec("client", *AS_USER, "curl", "-sS", "--fail", "--max-time", "60",
                              "--proxy", proxy, *options, url)

    def is_an_exit(self, address):
        return address.strip() in {ip for pair in self.exits.values() for ip in pair}

    def test_ordinary_user(self):
        """No capability of any kind, and the machine is as it was."""
        (status,) = self.proxy.processes()
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertRegex(status, rf"(?m)^{kind}:\t0+$")
        if os.getuid() == 0:
            self.assertRegex(status, r"(?m)^Uid:\t65534\t65534\t65534\t65534$")
        self.assertEqual(self.mesh.exec("client", "sh", "-c", SNAPSHOT), self.before)

    def test_curl(self):
        checksum = self.mesh.curl("http://127.0.0.1/sha256/5m", host="origin")
        for proxy in ("socks5h://127.0.0.1:1080", "http://127.0.0.1:8080"):
            options = ("--proxytunnel",) if proxy.startswith("http") else ()
            for host in ("www.test", "v6.test", self.addresses["origin"][0]):
                with self.subTest(proxy=proxy, host=host):
                    self.assertTrue(self.is_an_exit(self.curl(f"http://{host}/ip", *options,
                                                              proxy=proxy)))
            with self.subTest(proxy=proxy):
                got = self.mesh.exec("client", "sh", "-c",
                                     f"curl -sS --proxy {proxy} {' '.join(options)} "
                                     "http://www.test/5m | sha256sum").split()[0]
                self.assertEqual(got, checksum.strip())

    def test_two_credentials(self):
        """Each has a session and a circuit of its own, which its connections keep to."""
        before = sum(self.mesh.api(name, "counters")["totals"]["sessions"] for name in self.exits)
        seen = {}
        for user in ("alice", "bob", "alice", "bob"):
            address = self.curl("http://www.test/ip", "--proxy-user", f"{user}:secret")
            self.assertTrue(self.is_an_exit(address))
            self.assertEqual(seen.setdefault(user, address), address)
        after = sum(self.mesh.api(name, "counters")["totals"]["sessions"] for name in self.exits)
        self.assertEqual(after - before, 2)
        hops = [self.proxy.wait_user(number)["hops"] for number in (1, 2)]
        print(f"# alice by {' > '.join(hops[0])}, bob by {' > '.join(hops[1])}")

    def test_names_are_asked_for_at_the_exit(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "client.pcap"
            self.mesh.do("capture", "client", str(path))
            self.curl("http://www.test/64k", "-o", "/dev/null")
            self.mesh.do("capture", "--stop", "client")
            nodes = {ip for name in ("front", "front2") for ip in self.addresses[name]}
            strange = [packet for packet in pcap.read(path) if not packet.hosts & nodes
                       and not pcap.is_neighbour_talk(packet)]
        self.assertEqual(strange, [])

    def test_unknown_name(self):
        done = self.mesh.call("exec", "client", "curl", "-sS", "--proxy",
                              "socks5h://127.0.0.1:1080", "http://nothing.test/")
        self.assertEqual(done.returncode, 97, done.stderr)  # the proxy's answer

    def test_udp(self):
        origin = self.addresses["origin"][0]
        for name in (origin, "www.test"):
            answer = json.loads(self.mesh.exec("client", *AS_USER, *SOCKS, "127.0.0.1", "1080", name))
            self.assertEqual(answer, {"rcode": 0, "address": origin})

    @unittest.skipUnless(shutil.which(BROWSER[0]), f"{BROWSER[0]} is not installed")
    def test_browser(self):
        """A page, its name resolved at the exit, rendered."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o777)
            page = self.mesh.exec("client", "env", f"HOME={folder}", *AS_USER, *BROWSER,
                                  f"--user-data-dir={folder}/profile", "--dump-dom",
                                  "--proxy-server=socks5://127.0.0.1:1080", "http://www.test/ip")
        self.assertRegex(page, "<html")
        addresses = re.findall(r"[0-9a-f]+(?:[.:]+[0-9a-f]+)+", page)
        self.assertTrue(any(map(self.is_an_exit, addresses)), page)


class NoRouteTest(MeshCase):
    HOSTS = HOSTS

    def test_nothing_passes_without_a_session(self):
        """Who waits for a route that does not come is refused, and never let out directly."""
        with Proxy(self.mesh) as proxy:
            for name in ("front", "front2"):
                self.addCleanup(self.mesh.do, "resume", name)
                self.mesh.do("pause", name)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "client.pcap"
                self.mesh.do("capture", "client", str(path))
                done = self.mesh.call("exec", "client", "curl", "-sS", "--max-time", "3", "--proxy",
                                      "socks5h://127.0.0.1:1080", "http://www.test/ip")
                self.mesh.do("capture", "--stop", "client")
                nodes = {ip for name in ("front", "front2", "middle", "middle2", "back", "back2")
                         for ip in self.addresses[name]}
                strange = [packet for packet in pcap.read(path) if not packet.hosts & nodes
                           and not pcap.is_neighbour_talk(packet)]
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(strange, [])
            for name in ("front", "front2"):
                self.mesh.do("resume", name)
            self.assertEqual(len(list(proxy.processes())), 1)


tap.main()
