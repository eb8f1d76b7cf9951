#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`macro run`: programs in networks of their own, by profiles of their own, beside the machine's."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

import pcap
import tap
from labs import wait_until
from mesh import MeshCase
from runtime import program

HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"] }
front2 = { country = "at", roles = ["entry"] }
middle = { country = "fr", roles = ["relay"] }
back = { country = "nl", roles = ["exit"] }
back2 = { country = "se", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""
NODES = ("front", "front2", "middle", "back", "back2")
PROFILES = """
[profile home]
exit = NL
[profile travel]
exit = SE
killswitch = on
"""
# Asks for what it is told to, and says how curl ended and what it got.
ASKER = """
while read url; do
	said=$(curl -sS --max-time 6 "$url" 2>/dev/null)
	echo "$? $said"
done
"""
SNAPSHOT = """
nft list ruleset
ip -o link
for family in -4 -6; do ip $family rule; ip $family route show table all; done
cat /etc/resolv.conf
"""
# With the device that most systems let everybody open.
AS_NOBODY = """
mount -t tmpfs net /dev/net && mknod -m 666 /dev/net/tun c 10 200 &&
exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all "$@"
"""


class Asker:
    """A program under `macro run` that asks what it is told to; a context."""

    def __init__(self, mesh, *options):
        self._child = mesh.spawn("client", "macro", "run", *options, "--", "sh", "-c", ASKER,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)

    def __enter__(self):
        self.route = self._child.stderr.readline().strip()  # it is connected
        return self

    def __exit__(self, *_):
        self._child.communicate(timeout=20)

    def ask(self, url):
        """Exit status of curl, and what it got."""
        self._child.stdin.write(url + "\n")
        self._child.stdin.flush()
        status, _, said = self._child.stdout.readline().strip().partition(" ")
        return int(status), said

    def kill_client(self):
        """Its tunnel's end; the program lives on."""
        self._child.kill()
        self._child.wait()


class RunCase(MeshCase):
    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.own4, cls.own6 = cls.addresses["client"]
        origin4, origin6 = cls.addresses["origin"]
        cls.ip, cls.ip6 = f"http://{origin4}/ip", f"http://[{origin6}]/ip"
        config = Path(cls.mesh.everyone["client"]["config"])
        if "[profile travel]" not in config.read_text():
            config.write_text(config.read_text() + PROFILES)
        cls.mesh.do("kill", "client", "HUP")
        wait_until(lambda: "travel" in cls.mesh.macro("profile", "list"), 10, "the new profiles")

    def setUp(self):
        self.addCleanup(self.forget)

    def forget(self):
        if self.mesh.hosts()["client"]["services"]["macrod"] != "running":
            self.mesh.do("restart", "client")
        self.mesh.call("exec", "client", "macro", "disconnect", "--wait")
        self.mesh.call("exec", "client", "macro", "unlock")

    def run_by(self, profile, *argv):
        return self.mesh.call("exec", "client", "macro", "run", "--quiet", "--profile", profile,
                              "--", *argv)

    def visible(self):
        """Whom the origin sees when an ordinary program asks."""
        return self.mesh.exec("client", "curl", "-sS", "--max-time", "6", self.ip).strip()

    def capture(self, act):
        """What leaves or reaches the client past the mesh while act runs."""
        nodes = {ip for name in NODES for ip in self.addresses[name]}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "client.pcap"
            self.mesh.do("capture", "client", str(path))
            try:
                act()
            finally:
                self.mesh.do("capture", "--stop", "client")
            return [packet for packet in pcap.read(path) if not packet.hosts & nodes
                    and not pcap.is_neighbour_talk(packet)]

    def snapshot(self):
        return self.mesh.exec("client", "sh", "-c", SNAPSHOT)

    def need_connected_daemon(self):
        """Connected, and able to let this one past it."""
        self.mesh.macro("connect", "--wait", "--profile", "home")
        done = self.mesh.call("exec", "client", "macro", "exclude", "true")
        if done.returncode != 0:
            self.skipTest("no control groups can be made here: " + done.stderr.strip())


class TwoProfilesTest(RunCase):
    def test_two_programs(self):
        """Each has its exit for as long as it runs; the machine is as without them."""
        before = self.snapshot()
        home4, home6 = self.addresses["back"]
        away4, away6 = self.addresses["back2"]

        def use():
            for _ in range(2):
                self.assertEqual(home.ask(self.ip), (0, home4))
                self.assertEqual(away.ask(self.ip), (0, away4))
                self.assertEqual(home.ask(self.ip6), (0, home6))
                self.assertEqual(away.ask(self.ip6), (0, away6))
                self.assertIn(home.ask("http://www.test/ip"), [(0, home4), (0, home6)])
                self.assertIn(away.ask("http://www.test/ip"), [(0, away4), (0, away6)])
        with Asker(self.mesh, "--profile", "home") as home, \
                Asker(self.mesh, "--profile", "travel") as away:
            print(f"# {home.route}\n# {away.route}")
            self.assertRegex(home.route, r"^Profile home: you > .* > back \(NL\); .* of the line")
            self.assertRegex(away.route, r"^Profile travel: you > .* > back2 \(SE\); ")
            self.assertEqual(self.capture(use), [])
            self.assertEqual(self.visible(), self.own4)
            self.assertEqual(self.snapshot(), before)
        self.assertEqual(self.snapshot(), before)

    def test_one_locked(self):
        """When both tunnels die the unlocked one's program goes its own way, the other none."""
        self.need_connected_daemon()
        with Asker(self.mesh, "--profile", "travel") as away:
            self.assertEqual(away.ask(self.ip), (0, self.addresses["back2"][0]))
            self.assertEqual(self.visible(), self.addresses["back"][0])
            self.mesh.do("kill", "client", "KILL")
            self.mesh.exec("client", "macrod", "--cleanup")  # as its service does when it is killed
            self.assertEqual(self.visible(), self.own4)
            self.assertEqual(away.ask(self.ip), (0, self.addresses["back2"][0]))
            away.kill_client()

            def ask():
                for url in (self.ip, self.ip6, "http://www.test/ip"):
                    status, said = away.ask(url)
                    self.assertNotEqual(status, 0)
                    self.assertEqual(said, "")
            self.assertEqual(self.capture(ask), [])
            self.assertEqual(self.visible(), self.own4)

    def test_other_locked(self):
        """The machine is locked, and a program by another profile goes on when its tunnel dies."""
        self.need_connected_daemon()
        self.mesh.macro("connect", "--wait", "--profile", "travel")
        with Asker(self.mesh, "--profile", "home") as home:
            self.assertEqual(self.visible(), self.addresses["back2"][0])
            self.assertEqual(home.ask(self.ip), (0, self.addresses["back"][0]))
            self.mesh.do("kill", "client", "KILL")

            def use():
                done = self.mesh.call("exec", "client", "curl", "-sS", "--max-time", "5", self.ip)
                self.assertEqual(done.returncode, 7, done.stderr)
                self.assertEqual(home.ask(self.ip), (0, self.addresses["back"][0]))
                self.assertEqual(home.ask("http://www.test/ip")[0], 0)
            self.assertEqual(self.capture(use), [])

    def test_reconnects_beside_it(self):
        """Whatever the daemon does meanwhile is nothing to the program."""
        self.need_connected_daemon()
        self.mesh.macro("disconnect", "--wait")
        with Asker(self.mesh, "--profile", "travel") as away:
            seen = (0, self.addresses["back2"][0])
            self.assertEqual(away.ask(self.ip), seen)
            for words in (("connect", "--wait", "--profile", "home"), ("reconnect", "--wait"),
                          ("disconnect", "--wait")):
                self.mesh.macro(*words)
                self.assertEqual(away.ask(self.ip), seen, words)


class ProgramTest(RunCase):
    def test_names(self):
        """Asked for through the tunnel only, by both kinds of question."""
        def ask():
            for more in [], ["+tcp"]:
                done = self.run_by("home", "dig", "+short", *more, "www.test", "A")
                self.assertEqual(done.stdout.strip(), self.addresses["origin"][0], done.stderr)
        self.assertEqual(self.capture(ask), [])

    def test_exit_status(self):
        self.assertEqual(self.run_by("home", "sh", "-c", "exit 9").returncode, 9)
        self.assertEqual(self.run_by("home", "sh", "-c", "kill -9 $$").returncode, 128 + 9)
        self.assertEqual(self.run_by("home", "/nowhere").returncode, 127)
        self.assertEqual(self.run_by("home", "/etc/passwd").returncode, 126)

    def test_signals(self):
        """One to the client is the program's."""
        child = self.mesh.spawn("client", "macro", "run", "-q", "--", "sh", "-c",
                                "trap 'echo heard; exit 4' TERM; echo ready; while :; do sleep 0.1; done",
                                stdout=subprocess.PIPE)
        self.assertEqual(child.stdout.readline(), "ready\n")
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.communicate(timeout=20)[0], "heard\n")
        self.assertEqual(child.returncode, 4)

    def test_exit_dies(self):
        """Another one is found, with other addresses inside, and the program goes on by it."""
        with Asker(self.mesh, "--profile", "default") as asker:
            first = asker.ask(self.ip)[1]
            (name,) = [host for host in ("back", "back2") if self.addresses[host][0] == first]
            self.mesh.do("kill", name, "KILL")
            self.addCleanup(self.mesh.do, "restart", name)
            (other,) = {self.addresses[host][0] for host in ("back", "back2")} - {first}
            wait_until(lambda: asker.ask(self.ip) == (0, other), 60, "the other exit")

    def test_mistakes(self):
        for words, status, pattern in (
                (("--profile", "travle", "--", "true"), 2,
                 'there is no profile "travle" in .*did you mean "travel"'),
                (("--profile", "home"), 2, "run: the program to run is missing"),
                (("--exit", "?", "true"), 2, "--exit: "),
                (("--timeout", "no", "true"), 2, "--timeout: ")):
            done = self.mesh.call("exec", "client", "macro", "run", *words)
            self.assertEqual(done.returncode, status, words)
            self.assertRegex(done.stderr, pattern)

    def test_not_connected(self):
        """The program is not even started."""
        for name in ("front", "front2"):
            self.addCleanup(self.mesh.do, "resume", name)
            self.mesh.do("pause", name)
        done = self.mesh.call("exec", "client", "macro", "run", "--timeout", "2", "echo", "started")
        self.assertEqual((done.returncode, done.stdout), (3, ""), done.stderr)
        self.assertRegex(done.stderr, "not connected after 2 s: ")

    @unittest.skipUnless(os.getuid() == 0, "there is no other user here")
    def test_ordinary_user(self):
        """As itself, without any capability, in a network of its own."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            text = Path(self.mesh.everyone["client"]["config"]).read_text(encoding="utf-8")
            config = Path(folder) / "macro.conf"
            config.write_text(re.sub(r"(?m)^(socket|state_dir) = .*$", r"\1 = /nonexistent/\1", text),
                              encoding="utf-8")
            config.chmod(0o644)
            macro = shutil.copy(program("macro"), folder)
            done = self.mesh.call("exec", "client", "unshare", "--mount", "sh", "-c", AS_NOBODY,
                                  "sh", "env", "-u", "MACRO_SOCKET", macro, "-c", str(config),
                                  "run", "-q", "--profile", "travel", "--", "sh", "-c",
                                  f"id -u; grep ^Cap /proc/self/status; curl -sS {self.ip}")
        self.assertEqual(done.returncode, 0, done.stderr)
        uid, *capabilities, seen = done.stdout.splitlines()
        self.assertEqual((uid, seen), ("65534", self.addresses["back2"][0]))
        held = [line for line in capabilities if line.startswith(("CapPrm:", "CapEff:"))]
        self.assertEqual(len(held), 2)
        for line in held:
            self.assertRegex(line, r"^Cap...:\t0+$")


tap.main()
