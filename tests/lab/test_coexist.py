#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
A client beside the firewalls, containers and tunnels of others, on a full disk, and with users who
mean it no good.
"""

import os
import re
import struct
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import tap
from labs import wait_until
from mesh import Daemon, MeshCase
from runtime import build_folders

HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"] }
middle = { country = "fr", roles = ["relay"] }
back = { country = "nl", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""
# As the programs of these names leave them on a machine: names, hooks, priorities and policies.
OTHERS = """
table ip nat {
    chain DOCKER { iifname "docker0" return; }
    chain PREROUTING { type nat hook prerouting priority dstnat; fib daddr type local jump DOCKER; }
    chain POSTROUTING {
        type nat hook postrouting priority srcnat;
        oifname != "docker0" ip saddr 172.17.0.0/16 masquerade
        ip saddr 192.168.122.0/24 ip daddr != 192.168.122.0/24 masquerade
    }
}
table ip filter {
    chain DOCKER-USER { return; }
    chain ts-forward { iifname "tailscale0" meta mark set meta mark and 0xff00ffff xor 0x40000; }
    chain ufw-user-output { ip daddr 198.51.100.0/24 counter reject; }
    chain LIBVIRT_FWO { iifname "virbr0" ip saddr 192.168.122.0/24 accept; }
    chain FORWARD {
        type filter hook forward priority filter; policy accept;
        jump DOCKER-USER
        jump ts-forward
        jump LIBVIRT_FWO
    }
    chain OUTPUT { type filter hook output priority filter; jump ufw-user-output; }
}
table inet firewalld {
    chain filter_OUTPUT {
        type filter hook output priority filter + 10; policy accept;
        ct state { established, related } accept
        oifname "lo" accept
    }
    chain filter_INPUT {
        type filter hook input priority filter + 10; policy accept;
        ct state { established, related } accept
    }
}
table inet macromesh_lookalike { set s { type ipv4_addr; elements = { 192.0.2.1 }; }; }
"""
SHARED = {
    # name of the interface: (its IPv4 network, how its engine translates)
    "docker0": ("172.17.0", "table ip shared0 { chain post { type nat hook postrouting priority srcnat; "
                'ip saddr 172.17.0.0/16 oifname != "docker0" masquerade; }; }'),
    "hotspot0": ("10.42.0", "table ip nm-shared-hotspot0 { chain nat_postrouting { type nat hook "
                 "postrouting priority srcnat; ip saddr 10.42.0.0/24 ip daddr != 10.42.0.0/24 "
                 "masquerade; }; chain filter_forward { type filter hook forward priority filter; "
                 'oifname "hotspot0" ct state { established, related } accept; '
                 'iifname "hotspot0" accept; }; }'),
}
GUEST = """
echo 1 >/proc/sys/net/ipv4/ip_forward
exec unshare --net sh -c 'echo $$; exec sleep infinity'
"""
GUEST_LINK = """
ip link add {name} type veth peer name eth0 netns {pid}
ip addr add {net}.1/24 dev {name}
ip link set {name} up
nsenter --target {pid} --net sh -c '
ip link set lo up; ip addr add {net}.2/24 dev eth0; ip link set eth0 up
ip route add default via {net}.1'
"""
OURS = r"table inet macromesh(_held)? \{"
AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
LOOK = """
nft -a list ruleset
for family in -4 -6; do ip $family rule; ip $family route show table all; done
cat /etc/resolv.conf
"""


class CoexistTest(MeshCase):
    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mesh.exec("client", "nft", OTHERS)
        cls.guests = {}
        for name, (net, rules) in SHARED.items():
            holder = cls.mesh.spawn("client", "sh", "-c", GUEST, stdout=subprocess.PIPE)
            cls.addClassCleanup(holder.communicate)
            cls.addClassCleanup(holder.terminate)
            cls.guests[name] = holder.stdout.readline().strip()
            cls.mesh.exec("client", "sh", "-ec",
                          GUEST_LINK.format(name=name, net=net, pid=cls.guests[name]))
            cls.mesh.exec("client", "nft", rules)
        cls.mesh.connect(3)
        cls.mesh.macro("disconnect", "--wait")

    def setUp(self):
        self.before = self.look()
        self.addCleanup(self.mesh.macro, "unlock")
        self.addCleanup(self.mesh.macro, "disconnect", "--wait")

    def look(self):
        return self.mesh.exec("client", "sh", "-c", LOOK)

    def foreign(self):
        """The tables of others, handles and all."""
        return re.sub(r"(?ms)^table inet macromesh(_held)? \{.*?^\}[^\n]*\n", "",
                      self.mesh.exec("client", "nft", "-a", "list", "ruleset"))

    def ip_of(self, guest, url=None):
        """Whom the origin sees when a guest asks it; None: it does not get there."""
        done = self.mesh.call("exec", "client", "nsenter", "--target", self.guests[guest], "--net",
                              "curl", "-s", "--max-time", "5",
                              url or f"http://{self.addresses['origin'][0]}/ip")
        return done.stdout.strip() if done.returncode == 0 else None

    def test_their_tables_stay_theirs(self):
        """In every state, to the byte and to the handle."""
        foreign = self.foreign()
        for words in (("connect", "--wait"), ("killswitch", "on"), ("reconnect", "--wait"),
                      ("killswitch", "always"), ("disconnect", "--wait"), ("portal", "--seconds", "60"),
                      ("portal", "off"), ("unlock",)):
            self.mesh.macro(*words)
            self.assertEqual(self.foreign(), foreign, words)
        self.assertEqual(self.look(), self.before)

    def test_guests_use_the_tunnel(self):
        """Containers and a hotspot's clients: directly, through the tunnel, or not at all."""
        exits, own = self.addresses["back"], self.addresses["client"][0]
        for guest in self.guests:
            self.assertEqual(self.ip_of(guest), own)
        self.mesh.macro("killswitch", "on")
        self.mesh.connect(3)
        for guest in self.guests:
            self.assertIn(self.ip_of(guest), exits)
        self.mesh.macro("killswitch", "always")
        self.mesh.macro("disconnect", "--wait")
        for guest in self.guests:
            begin = time.monotonic()
            self.assertIsNone(self.ip_of(guest))
            self.assertLess(time.monotonic() - begin, 3, "refused, not left to wait")
        self.mesh.macro("unlock")
        for guest in self.guests:
            self.assertEqual(self.ip_of(guest), own)

    def test_other_firewalls_still_refuse(self):
        """Nothing of ours lets pass what theirs stops."""
        self.mesh.connect(3)
        self.mesh.macro("killswitch", "on")
        self.mesh.call("exec", "client", "curl", "-s", "--max-time", "2", "http://198.51.100.1/")
        self.assertRegex(self.mesh.exec("client", "nft", "list", "ruleset"),
                         r"ip daddr 198\.51\.100\.0/24 counter packets [1-9]")

    def test_marks_and_interfaces_of_another_tunnel(self):
        """What [profile] marks and interfaces name passes a lock, and nothing else does."""
        origin = self.addresses["origin"][0]

        def change(text):
            return text + "interfaces = hotspot0\nmarks = 0x40000/0xff0000\n"
        send = (f"import socket; s = socket.socket(); s.settimeout(3); "
                f"s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, %d); s.connect(('{origin}', 80))")
        with Daemon(self.mesh, "client", change) as daemon:
            daemon.macro("connect", "--wait")
            daemon.macro("killswitch", "always")
            daemon.macro("disconnect", "--wait")
            for mark, passes in ((0x40000, True), (0x40001, True), (0x80000, False), (0, False)):
                done = self.mesh.call("exec", "client", "python3", "-S", "-c", send % mark)
                self.assertEqual(done.returncode == 0, passes, (hex(mark), done.stderr))
            self.assertEqual(self.mesh.call("exec", "client", "ping", "-c1", "-W2",
                                            "10.42.0.2").returncode, 0)
            self.assertNotEqual(self.mesh.call("exec", "client", "ping", "-c1", "-W1",
                                               "172.17.0.2").returncode, 0)
            daemon.macro("unlock")


class PortalTest(MeshCase):
    HOSTS = HOSTS

    def setUp(self):
        self.mesh.connect(3)
        self.mesh.macro("killswitch", "always")
        self.addCleanup(self.mesh.macro, "unlock")
        self.mesh.macro("disconnect", "--wait")

    def passes(self, *argv):
        return self.mesh.call("exec", "client", *argv).returncode == 0

    def reaches_web(self, *prefix):
        return self.passes(*prefix, "curl", "-s", "--max-time", "3", "-o", "/dev/null",
                           f"http://{self.addresses['origin'][0]}/ip")

    def asks(self, server):
        return self.passes("dig", "+tries=1", "+time=2", f"@{server}", "www.test")

    def test_narrow(self):
        """One user's browser and the network's own name servers, and it says how long."""
        origin, back = self.addresses["origin"][0], self.addresses["back"][0]
        self.assertFalse(self.reaches_web())
        self.assertIn("60 s", self.mesh.macro("portal", "--seconds", "60"))
        self.assertTrue(self.reaches_web())
        self.assertTrue(self.asks(origin))
        self.assertFalse(self.asks(back))
        self.assertFalse(self.passes("iperf3", "-c", origin, "-t", "1"))
        self.assertFalse(self.passes("ping", "-c1", "-W1", origin))
        if os.getuid() == 0:
            self.assertFalse(self.reaches_web(*AS_NOBODY))
        self.mesh.macro("portal", "off")
        self.assertFalse(self.reaches_web())
        self.assertEqual(self.mesh.api("client", "status")["state"], "blocked")

    def test_the_kernel_closes_it(self):
        """Even if the daemon does nothing any more."""
        self.mesh.macro("portal", "--seconds", "2")
        self.assertTrue(self.reaches_web())
        self.mesh.do("kill", "client", "STOP")
        self.addCleanup(self.mesh.do, "kill", "client", "CONT")
        wait_until(lambda: not self.reaches_web(), 10, "the hole to close")

    def test_afterwards_it_connects(self):
        """If that is what the user had wanted."""
        self.mesh.macro("connect", "--wait")
        self.mesh.macro("portal", "--seconds", "1")
        self.assertEqual(self.mesh.api("client", "status")["state"], "blocked")
        wait_until(lambda: self.mesh.api("client", "status")["state"] == "connected", 20,
                   "the connection")
        self.mesh.macro("disconnect", "--wait")


class Ipv6Test(MeshCase):
    HOSTS = HOSTS

    def test_refused_at_once(self):
        """Where the session has no IPv6, with the kill switch and without."""
        with Daemon(self.mesh, "client", lambda text: text + "ipv6 = no\n") as daemon:
            for setting in ("off", "on"):
                daemon.macro("killswitch", setting)
                self.assertEqual(daemon.macro("connect", "--wait").returncode, 0)
                for options in ((), ("--interface", "eth0")) if setting == "on" else ((),):
                    begin = time.monotonic()
                    done = self.mesh.call("exec", "client", "curl", "-sS", "--max-time", "10", *options,
                                          f"http://[{self.addresses['origin'][1]}]/ip")
                    self.assertEqual(done.returncode, 7, done.stderr)
                    self.assertLess(time.monotonic() - begin, 1)
                self.assertIn(self.mesh.curl(f"http://{self.addresses['origin'][0]}/ip").strip(),
                              self.addresses["back"])
                daemon.macro("disconnect", "--wait")
            daemon.macro("unlock")


class FaultTest(MeshCase):
    HOSTS = HOSTS

    def ruleset(self):
        return self.mesh.exec("client", "nft", "list", "ruleset")

    def test_full_disk(self):
        """What cannot be remembered is not opened; unlock needs no room."""
        with tempfile.TemporaryDirectory() as folder:
            state = f"{folder}/state"
            Path(state).mkdir()
            self.mesh.exec("client", "mount", "-t", "tmpfs", "-o", "size=1m", "full", state)
            self.addCleanup(self.mesh.call, "exec", "client", "umount", "-l", state)

            def change(text):
                return re.sub(r"(?m)^state_dir = .*$", f"state_dir = {state}", text)
            with Daemon(self.mesh, "client", change) as daemon:
                self.assertEqual(daemon.macro("connect", "--wait").returncode, 0)
                daemon.macro("killswitch", "always")
                daemon.macro("disconnect", "--wait")
                self.mesh.call("exec", "client", "sh", "-c", f"cat /dev/zero >{state}/filler")
                done = daemon.macro("killswitch", "off")
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("No space left", done.stderr)
                self.assertIn("policy drop", self.ruleset())
                self.assertEqual(daemon.macro("status", "--check").returncode, 5)
                self.mesh.exec("client", "rm", f"{state}/filler")
                self.assertEqual(daemon.macro("killswitch", "off").returncode, 0)
                self.assertNotRegex(self.ruleset(), OURS)
                daemon.macro("killswitch", "always")
            self.assertIn("policy drop", self.ruleset())
            self.mesh.call("exec", "client", "sh", "-c", f"cat /dev/zero >{state}/filler")
            self.mesh.exec("client", "macro", "--socket", str(daemon.socket), "unlock",
                           "--state-dir", state)
            self.assertNotRegex(self.ruleset(), OURS)

    def test_clock_is_set(self):
        """What stands goes on; what is new waits, locked, and says why, until the clock is right."""
        with tempfile.NamedTemporaryFile() as clock:
            def set_clock(seconds):
                clock.seek(0)
                clock.write(struct.pack("q", seconds))
                clock.flush()

            def reads_page():
                return self.mesh.curl("http://www.test/ip").strip() in self.addresses["back"]
            set_clock(0)
            with Daemon(self.mesh, "client", prefix=(
                    "env", f"LD_PRELOAD={build_folders()[0] / 'tests/lab/libclock.so'}",
                    "ASAN_OPTIONS=verify_asan_link_order=0", f"MACRO_CLOCK={clock.name}")) as daemon:
                daemon.macro("killswitch", "on")
                self.addCleanup(self.mesh.call, "exec", "client", "nft", "delete", "table", "inet",
                                "macromesh")
                for seconds, said in ((86400, r"\+86400|\+86399"), (-86400, "-86400|-86399")):
                    self.assertEqual(daemon.macro("connect", "--wait").returncode, 0)
                    set_clock(seconds)
                    time.sleep(1)  # in which it may find out
                    self.assertTrue(reads_page())
                    self.assertEqual(daemon.macro("disconnect", "--wait").returncode, 0)
                    done = daemon.macro("connect", "--wait", "--timeout", "3")
                    self.assertEqual(done.returncode, 3)
                    self.assertRegex(done.stderr, rf"clock was set by ({said}) s: ")
                    self.assertIn("policy drop", self.ruleset())
                    self.assertEqual(daemon.macro("status", "--check").returncode, 5)
                    set_clock(0)
                    wait_until(lambda: daemon.macro("status", "--check").returncode == 0, 60,
                               "the connection, now that the clock is right")
                    self.assertTrue(reads_page())
                    daemon.macro("disconnect", "--wait")
                self.assertNotRegex(self.ruleset(), OURS)

    def test_without_the_program_nft(self):
        """Nor any other: the daemon runs none."""
        with Daemon(self.mesh, "client", prefix=("sh", "-c", 'program=$(command -v "$0"); '
                                                 'PATH=/nonexistent exec "$program" "$@"')) as daemon:
            daemon.macro("connect", "--wait")
            daemon.macro("killswitch", "on")
            self.assertIn("policy drop", self.ruleset())
            daemon.macro("unlock")
            daemon.macro("disconnect", "--wait")
        self.assertNotRegex(self.ruleset(), OURS)

    @unittest.skipUnless(os.getuid() == 0, "there is no other user here")
    def test_another_user(self):
        """May neither ask nor order, set the mark, touch the table, nor stand in for the resolver."""
        self.mesh.connect(3)
        self.addCleanup(self.mesh.macro, "disconnect", "--wait")
        self.mesh.macro("killswitch", "on")
        self.addCleanup(self.mesh.macro, "unlock")
        Path(self.mesh.everyone["client"]["socket"]).chmod(0o666)  # as if the mode were all there is
        before = self.ruleset()
        mark = ("import socket; socket.socket().setsockopt(socket.SOL_SOCKET, socket.SO_MARK, "
                "0x6d6d)")
        steal = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                 "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); "
                 "s.bind(('127.109.109.53', 53))")
        for argv in (("macro", "killswitch", "off"), ("macro", "unlock"), ("macro", "disconnect"),
                     ("macro", "portal"), ("nft", "flush", "ruleset"),
                     ("nft", "delete", "table", "inet", "macromesh"), ("ip", "link", "del", "macro0"),
                     ("ip", "rule", "del", "pref", "92"), ("python3", "-S", "-c", mark),
                     ("python3", "-S", "-c", steal)):
            done = self.mesh.call("exec", "client", *AS_NOBODY, *argv)
            self.assertNotEqual(done.returncode, 0, argv)
        self.assertEqual(self.ruleset(), before)
        self.assertEqual(self.mesh.api("client", "status")["state"], "connected")
        wait_until(lambda: self.mesh.api("client", "status")["kill_switch"] == "on", 5, "the switch")


tap.main()
