#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes, enemies and accidents end in a message or in a counted drop, and nowhere else."""

import re
import subprocess
import sys
from pathlib import Path

import tap
from labs import wait_until
from mesh import Daemon, MeshCase

HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"] }
middle = { country = "fr", roles = ["relay"] }
back = { country = "nl", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
client-2 = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""
JUNK = [sys.executable, "-S", str(Path(__file__).resolve().parent / "junk.py")]
LISTEN = """
import socket, sys
listener = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6,
                                dualstack_ipv6=True)
print("ready", flush=True)
while True:
    listener.accept()[0].sendall(b"here")
"""
CONNECT = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as sock:
        print(sock.recv(4).decode())
except OSError as error:
    print(type(error).__name__)
"""
NONE_TIMEOUT_S = "3"


class BadInputCase(MeshCase):
    HOSTS = HOSTS


class CommandTest(BadInputCase):
    """What macro and macrod say to mistakes, and their exit status."""

    def check(self, done, status, pattern):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertRegex(done.stdout + done.stderr, pattern)

    def test_no_daemon(self):
        done = self.mesh.call("exec", "client", "macro", "--socket", "/nowhere/x.sock", "status")
        self.check(done, 4, "macrod is not running .*/nowhere/x.sock.*start it")

    def test_not_connected(self):
        self.mesh.macro("disconnect", "--wait")
        for words in (("status", "--check"), ("route", "show")):
            self.assertEqual(self.mesh.call("exec", "client", "macro", *words).returncode, 3)
        self.check(self.mesh.call("exec", "client", "macro", "reconnect"), 1, "not connected")

    def test_usage(self):
        for words in (("connect", "--hops", "6"), ("connect", "--hops", "0"), ("dance",),
                      ("connect", "--fast"), ("connect", "--wait", "--timeout", "soon")):
            self.assertEqual(self.mesh.call("exec", "client", "macro", *words).returncode, 2, words)

    def test_impossible_wishes(self):
        for words, pattern in ((("--exit", "nobody"), 'no single node is called "nobody"'),
                               (("--exit", "jp"), "no exit"), (("--hops", "5"), "relay")):
            done = self.mesh.call("exec", "client", "macro", "connect", "--wait", "--timeout",
                                  NONE_TIMEOUT_S, *words)
            self.check(done, 3, pattern)
        self.check(self.mesh.call("exec", "client", "macro", "connect", "--profile", "none"), 1,
                   'no profile "none"')
        self.mesh.macro("disconnect", "--wait")

    def test_mistakes_in_the_configuration(self):
        own = Path(self.mesh.everyone["client"]["config"]).read_text(encoding="utf-8")
        for old, new, pattern in (
                ("hops = 3", "hops = 6", r"\[profile default\] hops: .*1 to 5"),
                ("hops = 3", "hopps = 3", "hopps"),
                ("hops = 3", "hops 3", ""),
                ("exit = auto", "exit = ", "empty"),
                ("[client]", "[cleint]", "cleint"),
                ("[client]", "[client", ""),
                ("tun = macro0", "tun = much-too-long-for-a-device", "tun"),
                ("seeds = ", "seeds = nonsense, ", '"nonsense".*macro node seed')):
            line = own[:own.index(old)].count("\n") + 1
            status, said = Daemon(self.mesh, "client",
                                  lambda text, a=old, b=new: text.replace(a, b)).refused()
            self.assertEqual(status, 2, said)
            self.assertRegex(said, rf"(?m)^/.*/macro\.conf:{line}: .*{pattern}")

    def test_no_configuration(self):
        done = self.mesh.call("exec", "client", "macrod", "-c", "/nowhere/macro.conf")
        self.check(done, 2, "/nowhere/macro.conf: No such file .*macro config sample")

    def test_second_daemon(self):
        mine = self.mesh.everyone["client"]["socket"]
        status, said = Daemon(self.mesh, "client", lambda text: re.sub(
            "(?m)^socket = .*", f"socket = {mine}", text)).refused()
        self.assertEqual(status, 1)
        self.assertIn(f"another macrod serves the control socket {mine}; stop it, or", said)

    def check_seeds(self, change):
        with Daemon(self.mesh, "client", change) as daemon:
            done = daemon.macro("connect", "--wait", "--timeout", "5")
            address = re.search(r"@([\d.:]+)", daemon.config.read_text(encoding="utf-8"))[1]
            self.check(done, 3, "no seed has answered")
            told = daemon.macro("status").stdout
            self.assertIn(address, told)
            self.assertIn("[mesh] seeds", told)

    def test_unreachable_seeds(self):
        self.check_seeds(lambda text: text.replace("@5.1.0.2:", "@5.1.0.99:"))

    def test_seed_with_a_wrong_key(self):
        """The node answers nobody who does not know its key."""
        before = self.mesh.drops("front").get("mac1", 0)
        self.check_seeds(lambda text: re.sub(r"(seeds = .{60}).{8}", r"\1AAAAAAAA", text))
        self.assertGreater(self.mesh.drops("front")["mac1"], before)


class JunkTest(BadInputCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mesh.connect(3)

    def dropped(self, host):
        return sum(count for reason, count in self.mesh.drops(host).items() if reason != "cover")

    def throw(self, host, port):
        before = {name: self.dropped(name) for name in self.mesh.everyone if name != "origin"}
        sent = sum(int(self.mesh.exec("origin", *JUNK, address, str(port), str(seed)))
                   for seed, address in enumerate(self.addresses[host]))
        wait_until(lambda: self.dropped(host) - before[host] >= 0.98 * sent, 10, "drops counted")
        print(f"# {host}: {sent} sent, {self.dropped(host) - before[host]} drops counted")
        for name, count in before.items():
            if name != host:
                self.assertLess(self.dropped(name) - count, 100, name)
        states = {host["services"]["macrod"] for host in self.mesh.hosts().values()
                  if "macrod" in host["services"]}
        self.assertEqual(states, {"running"})
        self.mesh.curl("http://www.test/ip")

    def test_nodes(self):
        for name in ("front", "middle", "back"):
            self.throw(name, 4600)

    def test_client(self):
        sockets = self.mesh.exec("client", "ss", "-Hulnp")
        port = re.search(r"(?:\*|\[::\]):(\d+) .*macrod", sockets)[1]
        self.throw("client", int(port))


class PolicyTest(BadInputCase):
    """What an exit does not do for its clients."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mesh.connect(3)
        cls.mesh.connect(3, host="client-2")

    def listen(self, host, port):
        child = self.mesh.spawn(host, sys.executable, "-S", "-c", LISTEN, str(port),
                                stdout=subprocess.PIPE)
        self.addCleanup(lambda: (child.kill(), child.communicate()))
        self.assertEqual(child.stdout.readline(), "ready\n")

    def reach(self, host, address, port):
        return self.mesh.exec(host, sys.executable, "-S", "-c", CONNECT, address, str(port)).strip()

    def check_refused(self, address, port):
        """At once, not by silence."""
        self.assertIn(self.reach("client", address, port), ("OSError", "PermissionError"))

    def test_mail(self):
        self.listen("origin", 25)
        for address in self.addresses["origin"]:
            self.assertEqual(self.reach("back", address, 25), "here")
            self.check_refused(address, 25)

    def test_other_ports(self):
        self.listen("origin", 26)
        for address in self.addresses["origin"]:
            self.assertEqual(self.reach("client", address, 26), "here")

    def test_private_destinations(self):
        """Networks around the exit, and the exit itself."""
        self.listen("back", 8080)
        for address in ("192.168.7.1/24", "fd00:7::1/64"):
            self.mesh.exec("back", "ip", "addr", "add", address, "dev", "lo", "nodad")
            address = address.partition("/")[0]
            self.assertEqual(self.reach("back", address, 8080), "here")
            self.check_refused(address, 8080)
        for address in self.addresses["back"]:
            self.check_refused(address, 8080)
        for address in ("10.1.2.3", "172.16.0.1", "169.254.169.254", "100.64.0.1", "fe80::1234"):
            self.assertNotEqual(self.reach("client", address, 80), "here")

    def test_other_clients(self):
        self.listen("client-2", 8081)
        inner = self.mesh.api("client-2", "status")["inner_addresses"]
        for address in inner.values():
            self.assertEqual(self.reach("client-2", address, 8081), "here")
            self.check_refused(address, 8081)

    def test_false_sources(self):
        """An inner address that is not the client's does not leave the client."""
        inner = self.mesh.api("client-2", "status")["inner_addresses"]["ipv4"]
        self.mesh.exec("client", "ip", "addr", "add", f"{inner}/32", "dev", "macro0")
        try:
            done = self.mesh.call("exec", "client", "ping", "-c", "5", "-i", "0.1", "-W", "1", "-I",
                                  inner, self.addresses["origin"][0])
        finally:
            self.mesh.exec("client", "ip", "addr", "del", f"{inner}/32", "dev", "macro0")
        self.assertIn(" 0 received", done.stdout)


tap.main()
