#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""However macrod ends, or refuses to begin: the machine is as it was before."""

import tempfile
from pathlib import Path

import tap
from labs import REPOSITORY, wait_until
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
SNAPSHOT = """
for family in -4 -6; do
    ip $family rule
    ip $family route show table all
    ip $family -o addr
done
ip -o link
nft list ruleset
md5sum /etc/resolv.conf
ls -ln --time-style=+ /etc/resolv.conf
for name in ip_forward conf/*/rp_filter conf/*/src_valid_mark conf/*/forwarding; do
    grep -H . /proc/sys/net/ipv4/$name
done
for name in forwarding accept_ra disable_ipv6; do
    grep -H . /proc/sys/net/ipv6/conf/*/$name
done
"""
WITHOUT_TUN = ("setpriv", "--bounding-set=-net_admin")


class RestoreCase(MeshCase):
    HOSTS = HOSTS
    HOST = None

    def snapshot(self):
        return self.mesh.exec(self.HOST, "sh", "-c", SNAPSHOT)

    def assert_as(self, before):
        self.assertEqual(self.snapshot(), before)

    def assert_changed(self, before):
        """Or nothing would be shown by what follows."""
        self.assertNotEqual(self.snapshot(), before)

    def state(self):
        return self.mesh.hosts()[self.HOST]["services"]["macrod"]

    def end(self, signal_name):
        self.mesh.do("kill", self.HOST, signal_name)
        wait_until(lambda: self.state() != "running", 20, "macrod to end")

    def stop(self):
        self.end("TERM")
        self.assertEqual(self.state(), "exited 0")

    def restart(self):
        self.mesh.do("restart", self.HOST)

    def cleanup(self):
        self.mesh.exec(self.HOST, "macrod", "--cleanup")

    def check_refused(self, status, message, *arguments, **options):
        """A daemon that does not start: no trace of it, whatever else goes on."""
        before = self.snapshot()
        done = Daemon(self.mesh, self.HOST, *arguments, **options).refused()
        self.assertEqual(done[0], status, done[1])
        self.assertRegex(done[1], message)
        self.assert_as(before)

    def same_socket(self, text):
        mine = self.mesh.everyone[self.HOST]["socket"]
        return "\n".join(f"socket = {mine}" if line.startswith("socket = ") else line
                         for line in text.splitlines()) + "\n"


class ClientTest(RestoreCase):
    HOST = "client"

    def setUp(self):
        self.before = self.snapshot()

    def connect(self):
        self.mesh.connect(3)
        self.assert_changed(self.before)
        self.mesh.curl("http://www.test/ip")

    def test_disconnect(self):
        for _ in range(2):
            self.connect()
            self.mesh.macro("disconnect", "--wait")
            self.assert_as(self.before)

    def test_other_exits_and_routes(self):
        self.connect()
        self.mesh.macro("connect", "--wait", "--hops", "2")
        self.mesh.macro("reconnect", "--wait")
        self.mesh.macro("disconnect")
        self.assert_as(self.before)

    def test_stop(self):
        self.connect()
        self.stop()
        self.assert_as(self.before)
        self.restart()
        self.assert_as(self.before)

    def test_kill_and_restart(self):
        self.connect()
        self.end("KILL")
        self.assert_changed(self.before)
        self.restart()
        self.assert_as(self.before)
        self.connect()
        self.stop()
        self.assert_as(self.before)
        self.restart()

    def test_kill_and_cleanup(self):
        self.connect()
        self.end("KILL")
        self.cleanup()
        self.assert_as(self.before)
        self.cleanup()  # finds nothing
        self.assert_as(self.before)
        self.restart()

    def test_uninstall(self):
        """Of a machine that is locked, with a daemon that was killed or stopped while connected."""
        for signal_name in ("KILL", "TERM"):
            with tempfile.TemporaryDirectory() as root:
                install = ["env", f"DESTDIR={root}", "MACRO_SOCKET=/nonexistent"]
                self.mesh.exec(self.HOST, *install, "meson", "install", "-C",
                               str(build_folders()[0]), "--no-rebuild", "--quiet")
                self.assertTrue(any(Path(root).rglob("macrod-lock.service")))
                self.connect()
                self.mesh.macro("killswitch", "always")
                self.end(signal_name)
                self.assertIn("policy drop", self.mesh.exec(self.HOST, "nft", "list", "ruleset"))
                self.mesh.exec(self.HOST, *install, "make", "--silent", "-C", str(REPOSITORY),
                               f"BUILD={build_folders()[0]}", "uninstall")
                self.assertEqual([path for path in Path(root).rglob("*") if not path.is_dir()], [])
            self.assert_as(self.before)
            self.restart()
            self.assert_as(self.before)

    def test_cleanup_leaves_the_living_alone(self):
        self.connect()
        connected = self.snapshot()
        self.assertNotEqual(self.mesh.call("exec", "client", "macrod", "--cleanup").returncode, 0)
        self.assert_as(connected)
        self.mesh.curl("http://www.test/ip")
        self.mesh.macro("disconnect")
        self.assert_as(self.before)

    def test_second_daemon(self):
        message = "another macrod serves the control socket .*; stop it, or"
        self.check_refused(1, message, self.same_socket)
        self.connect()
        self.check_refused(1, message, self.same_socket)
        self.mesh.curl("http://www.test/ip")
        self.mesh.macro("disconnect")
        self.assert_as(self.before)

    def test_bad_configuration(self):
        self.check_refused(2, r"macro\.conf:\d+: .*",
                           lambda text: text.replace("hops = 3", "hops = 9"))

    def test_no_permission(self):
        self.check_refused(1, "needs CAP_NET_ADMIN", prefix=WITHOUT_TUN)
        self.assert_as(self.before)

    def test_unreachable_seeds(self):
        def elsewhere(text):
            return text.replace("@5.1.0.2:", "@5.1.0.99:")
        with Daemon(self.mesh, "client", elsewhere) as daemon:
            self.assertEqual(daemon.macro("connect", "--wait", "--timeout", "2").returncode, 3)
            self.assert_as(self.before)
        self.assert_as(self.before)


class ExitTest(RestoreCase):
    HOST = "back"

    def setUp(self):
        self.running = self.snapshot()
        self.stop()
        self.before = self.snapshot()
        self.assertNotIn("macro", self.before)
        self.assertNotEqual(self.before, self.running)
        self.addCleanup(self.restart)

    def test_start_and_stop(self):
        for _ in range(2):
            self.restart()
            self.assert_changed(self.before)
            self.stop()
            self.assert_as(self.before)

    def test_kill_and_restart(self):
        self.restart()
        self.end("KILL")
        self.assert_changed(self.before)
        self.restart()
        self.stop()
        self.assert_as(self.before)

    def test_kill_and_cleanup(self):
        self.restart()
        self.end("KILL")
        self.cleanup()
        self.assert_as(self.before)

    def test_second_daemon(self):
        self.restart()
        self.check_refused(1, "4600|another macrod|in use|busy", self.same_socket)

    def test_no_permission_for_the_tun(self):
        self.check_refused(1, "TUN|permitted", prefix=WITHOUT_TUN)


tap.main()
