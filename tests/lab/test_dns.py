#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names are asked for inside the tunnel, by a stub that waits for nobody and believes not all."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import pcap
import tap
from labs import wait_until
from mesh import Daemon, MeshCase

DOT = [sys.executable, "-S", str(Path(__file__).resolve().parent / "dot.py")]
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
MAKE_CERTIFICATE = """
cd "$1"
exec 2>/dev/null
for ca in ca other; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$ca" \\
        -keyout $ca.key -out $ca.pem
done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=dns \\
    -addext subjectAltName=DNS:dns.test -CA ca.pem -CAkey ca.key -keyout dns.key -out dns.pem
"""
RESOLVED = Path("/usr/local/lib/systemd-resolved")  # unpacked there by scripts/deps
# A /run of the client's own, with a system bus in which anybody may do anything.
PREPARE_RUN = """
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/dbus /run/systemd/resolve
if ! id systemd-resolve; then
    echo systemd-resolve:x:995:995::/:/usr/sbin/nologin | cat /etc/passwd - >/run/passwd
    mount --bind /run/passwd /etc/passwd
fi
chown systemd-resolve: /run/systemd/resolve
cat >/run/bus.conf <<END
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/> <allow own="*"/> <allow send_destination="*"/> <allow receive_sender="*"/>
  </policy>
</busconfig>
END
"""


def check_questions_while_exit_changes(case, macro=None):
    """Nobody waits long, and no question is seen outside."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "client.pcap"
        case.mesh.do("capture", "client", str(path))
        child = case.mesh.spawn("client", *ASK, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdout.readline()
        for _ in range(3):
            time.sleep(0.3)
            (macro or case.mesh.macro)("reconnect", "--new-exit", "--wait")
        time.sleep(0.3)
        out, _ = child.communicate("", timeout=60)
        case.mesh.do("capture", "--stop", "client")
        outside = [packet for packet in pcap.read(path)
                   if {53, 853} & {packet.source_port, packet.destination_port}]
    times = json.loads(out)
    case.assertGreater(len(times), 10)
    case.assertNotIn(None, [wait for _, wait in times])
    print(f"# {len(times)} questions, the slowest answered after "
          f"{max(wait for _, wait in times):.3f} s")
    case.assertLess(max(wait for _, wait in times), 1)
    case.assertEqual(outside, [])


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

    def test_resolv_conf_written_by_others(self):
        """Names are found again soon, and what was written comes back at the end."""
        self.mesh.macro("disconnect", "--wait")
        before = self.mesh.exec("client", "cat", "/etc/resolv.conf")
        self.mesh.connect(3)
        self.mesh.exec("client", "sh", "-c", "echo nameserver 192.0.2.53 >/etc/resolv.conf")
        wait_until(lambda: STUB in self.mesh.exec("client", "cat", "/etc/resolv.conf"), 10,
                   "the stub's address")
        self.assertIn(self.addresses["origin"][0], self.dig("+short", "www.test"))
        self.assertIn("resolv.conf", self.mesh.do("logs", "client"))
        self.mesh.macro("disconnect", "--wait")
        self.addCleanup(self.mesh.exec, "client", "sh", "-c", f"printf '%s' '{before}' >/etc/resolv.conf")
        self.assertEqual(self.mesh.exec("client", "cat", "/etc/resolv.conf"),
                         "nameserver 192.0.2.53\n")

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
        check_questions_while_exit_changes(self)


class TlsTest(MeshCase):
    """[profile] dns_tls: the origin answers names over TLS, with a certificate of a CA of ours."""

    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.mesh.exec("client", "sh", "-ec", MAKE_CERTIFICATE, "sh", cls.folder)
        child = cls.mesh.spawn("origin", *DOT, cls.folder, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
        cls.addClassCleanup(child.communicate, "")
        if child.stdout.readline() != "ready\n":
            raise AssertionError("dot.py ended at once")

    def daemon(self, name="dns.test", ca="ca.pem"):
        def change(text):
            return text + f"dns = {self.addresses['origin'][0]}\ndns_tls = {name}\n"
        return Daemon(self.mesh, "client", change,
                      prefix=("env", f"SSL_CERT_FILE={self.folder}/{ca}"))

    def dig(self, *words):
        return self.mesh.call("exec", "client", "dig", "+tries=1", "+time=3", *words).stdout

    def asked(self):
        """How many questions came over TLS."""
        return len(Path(f"{self.folder}/asked").read_bytes())

    def test_names_over_tls(self):
        """Datagrams, long answers and streams of programs, and nothing in plain text at the exit."""
        with self.daemon() as daemon, tempfile.TemporaryDirectory() as folder:
            self.assertEqual(daemon.macro("connect", "--wait").returncode, 0)
            before, path = self.asked(), Path(folder) / "origin.pcap"
            self.mesh.do("capture", "origin", str(path))
            address = self.addresses["origin"][0]
            for options in ((), ("+tcp",), ("+noedns",)):
                self.assertIn(address, self.dig("+short", *options, "www.test"))
            self.assertIn(" 60 IN", re.sub(r"\s+", " ", self.dig("+noedns", "TXT", "long.test")))
            self.mesh.do("capture", "--stop", "origin")
            plain = [packet for packet in pcap.read(path) if 53 in
                     (packet.source_port, packet.destination_port)]
            self.assertEqual(plain, [])
            self.assertGreaterEqual(self.asked() - before, 4)
            for kind in ("A", "AAAA"):  # TLS makes an answer no better
                self.assertIn("ANSWER: 0", self.dig(kind, "private.test"))
            daemon.macro("disconnect", "--wait")

    def test_wrong_certificate(self):
        """Neither another name nor another authority is believed; and nothing falls back."""
        for options in ({"name": "other.test"}, {"ca": "other.pem"}):
            with self.subTest(options), self.daemon(**options) as daemon:
                self.assertEqual(daemon.macro("connect", "--wait").returncode, 0)
                before = self.asked()
                self.assertNotIn(self.addresses["origin"][0], self.dig("+short", "www.test"))
                self.assertEqual(self.asked(), before)
                daemon.macro("disconnect", "--wait")

    def test_exit_changes(self):
        with self.daemon() as daemon:
            self.assertEqual(daemon.macro("connect", "--wait").returncode, 0)
            check_questions_while_exit_changes(self, daemon.macro)
            daemon.macro("disconnect", "--wait")


def of_resolved(program):
    """A program of its package: the argv."""
    (library,) = RESOLVED.glob("usr/lib/*/systemd")
    return "env", f"LD_LIBRARY_PATH={library}", str(RESOLVED / program)


@unittest.skipUnless(RESOLVED.is_dir(), f"there is no systemd-resolved in {RESOLVED}")
@unittest.skipUnless(os.getuid() == 0, "systemd-resolved wants a user of its own")
class ResolvedTest(MeshCase):
    """systemd-resolved on a system bus of the client's own, which programs ask as they do at home."""

    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mesh.exec("client", "sh", "-ec", PREPARE_RUN)
        cls.serve("dbus-daemon", "--nofork", "--config-file=/run/bus.conf")
        wait_until(lambda: cls.call("test", "-S", "/run/dbus/system_bus_socket").returncode == 0, 10,
                   "the bus")
        cls.serve(*of_resolved("lib/systemd/systemd-resolved"))
        wait_until(lambda: cls.call(*of_resolved("usr/bin/resolvectl")).returncode == 0, 10,
                   "resolved")

    @classmethod
    def serve(cls, *argv):
        child = cls.mesh.spawn("client", *argv, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(child.wait)
        cls.addClassCleanup(child.terminate)

    @classmethod
    def call(cls, *argv):
        return cls.mesh.call("exec", "client", *argv)

    def setUp(self):
        self.mesh.exec("client", "ln", "-sfn", "../run/systemd/resolve/stub-resolv.conf",
                       "/etc/resolv.conf")
        self.before = self.settings()

    def settings(self):
        return (self.resolvectl("status") +
                self.mesh.exec("client", "sh", "-c",
                               "readlink /etc/resolv.conf; cat /etc/resolv.conf"))

    def resolvectl(self, *words):
        return self.mesh.exec("client", *of_resolved("usr/bin/resolvectl"), *words)

    def link(self):
        """What resolved says of the tunnel's link."""
        return self.resolvectl("status", "macro0")

    def test_connect_and_disconnect(self):
        self.mesh.connect(3)
        status = self.link()
        self.assertRegex(status, rf"DNS Servers: {STUB}\n")
        self.assertRegex(status, r"DNS Domain: ~\.\n")
        self.assertRegex(status, r"Protocols: \+DefaultRoute -LLMNR -mDNS -DNSOverTLS")
        self.assertEqual(self.mesh.exec("client", "readlink", "/etc/resolv.conf").strip(),
                         "../run/systemd/resolve/stub-resolv.conf")
        self.assertIn(self.addresses["origin"][0], self.resolvectl("query", "-4", "www.test"))
        self.assertIn(self.addresses["origin"][0],
                      self.mesh.exec("client", "dig", "+short", "+tries=1", "www.test"))
        self.mesh.macro("disconnect", "--wait")
        self.assertEqual(self.settings(), self.before)

    def test_another_resolv_conf_leads_into_the_tunnel_too(self):
        """Where resolved runs and resolv.conf leads past it."""
        self.mesh.exec("client", "sh", "-c", "rm /etc/resolv.conf; echo nameserver 192.0.2.1 "
                       ">/etc/resolv.conf")
        self.mesh.connect(3)
        self.assertRegex(self.link(), rf"DNS Servers: {STUB}\n")
        self.assertIn(f"nameserver {STUB}\n", self.mesh.exec("client", "cat", "/etc/resolv.conf"))
        self.mesh.macro("disconnect", "--wait")
        self.assertEqual(self.mesh.exec("client", "cat", "/etc/resolv.conf"),
                         "nameserver 192.0.2.1\n")

    def test_killed(self):
        """Nothing is left once the next daemon has recovered."""
        self.mesh.connect(3)
        self.mesh.do("kill", "client", "KILL")
        self.mesh.do("restart", "client")
        self.assertEqual(self.settings(), self.before)

    def test_exit_changes(self):
        self.mesh.connect(3)
        self.addCleanup(self.mesh.macro, "disconnect", "--wait")
        check_questions_while_exit_changes(self)


tap.main()
