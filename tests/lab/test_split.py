#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes outside of the tunnel, or alone inside: by program, network and name; on the wire."""

import subprocess
import tempfile
from pathlib import Path

import pcap
import tap
from labs import wait_until
from mesh import MeshCase

HOSTS = """
[hosts]
front = { country = "de", roles = ["entry"] }
middle = { country = "fr", roles = ["relay"] }
back = { country = "nl", roles = ["exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
"""
PROFILES = """
[profile networks]
exclude = {origin4}, {origin6}/128
[profile names]
exclude = www.test
killswitch = on
[profile some]
only = programs, origin.test
killswitch = on
[profile few]
only = {origin4}/32
"""


# Makes a control group, goes there and removes it: what macrod does for programs.
TRY_GROUPS = """
for groups in /sys/fs/cgroup/unified /sys/fs/cgroup; do
	test -e $groups/cgroup.procs && break
done || { echo there is no hierarchy of version 2 below /sys/fs/cgroup; exit 1; } >&2
mkdir $groups/macro-lab-$$ || exit
sh -c 'echo $$ >"$1/cgroup.procs"' sh $groups/macro-lab-$$
status=$?
rmdir $groups/macro-lab-$$ && exit $status
"""


class SplitCase(MeshCase):
    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.own4, cls.own6 = cls.addresses["client"]
        cls.exit4, cls.exit6 = cls.addresses["back"]
        cls.origin4, cls.origin6 = cls.addresses["origin"]
        config = Path(cls.mesh.everyone["client"]["config"])
        if "[profile few]" not in config.read_text():
            config.write_text(config.read_text() + PROFILES.format(origin4=cls.origin4,
                                                                   origin6=cls.origin6))
        cls.mesh.do("kill", "client", "HUP")
        wait_until(lambda: "few" in cls.mesh.macro("profile", "list"), 10, "the new profiles")

    def setUp(self):
        self.addCleanup(self.forget)

    def forget(self):
        if self.mesh.hosts()["client"]["services"]["macrod"] != "running":
            self.mesh.do("restart", "client")
        self.macro("disconnect", "--wait")
        self.macro("unlock")
        self.macro("killswitch", "profile")

    def need_groups(self):
        """Programs are told apart by control groups, which not every machine lets a lab have."""
        tried = self.mesh.call("exec", "client", "sh", "-c", TRY_GROUPS)
        if tried.returncode != 0:
            self.skipTest("no control groups can be made here: " + tried.stderr.strip())

    def macro(self, *words):
        return self.mesh.call("exec", "client", "macro", *words)

    def visible(self, *prefix, url=None):
        """Whom the origin sees when a program asks it."""
        return self.mesh.exec("client", *prefix, "curl", "-sS", "--max-time", "10",
                              url or f"http://{self.origin4}/ip").strip()

    def capture(self, act):
        """What leaves or reaches the client's device while act runs."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "client.pcap"
            self.mesh.do("capture", "client", str(path))
            try:
                act()
            finally:
                self.mesh.do("capture", "--stop", "client")
            return list(pcap.read(path))

    def outside(self, packets):
        """Those between the client and anybody but nodes of the mesh."""
        nodes = {a for name in ("front", "middle", "back") for a in self.addresses[name]}
        return [p for p in packets if {p.source, p.destination} & {self.own4, self.own6}
                and not {p.source, p.destination} & nodes and p.protocol in (1, 6, 17)]

    def refused(self, *prefix):
        done = self.mesh.call("exec", "client", *prefix, "curl", "-sS", "--max-time", "5",
                              f"http://{self.origin4}/ip")
        self.assertEqual(done.returncode, 7, done.stderr)  # at once, not by silence

    def snapshot(self):
        return self.mesh.exec("client", "sh", "-c", "nft list ruleset; for f in -4 -6; do ip $f rule; "
                              "ip $f route show table all; done; cat /etc/resolv.conf")


class ExcludeTest(SplitCase):
    def setUp(self):
        self.need_groups()
        super().setUp()

    def test_programs(self):
        before = self.snapshot()
        self.mesh.macro("connect", "--wait")
        self.assertEqual(self.visible(), self.exit4)
        self.assertEqual(self.visible("macro", "exclude"), self.own4)
        self.assertEqual(self.visible("macro", "exclude", url=f"http://[{self.origin6}]/ip"),
                         self.own6)
        self.assertEqual(self.visible("macro", "exclude", "sh", "-c", '"$@"', "sh"), self.own4)
        self.assertEqual(self.visible(), self.exit4)
        self.mesh.macro("disconnect", "--wait")
        self.assertEqual(self.snapshot(), before)

    def test_own_names(self):
        """What an excluded program asks for is asked of the network's own server, by it alone."""
        self.mesh.macro("connect", "--wait")

        def ask(*prefix, tcp=False):
            return lambda: self.mesh.exec("client", *prefix, "dig", *(["+tcp"] if tcp else []),
                                          "+short", "www.test", "A")
        for is_tcp in False, True:
            packets = self.outside(self.capture(ask("macro", "exclude", tcp=is_tcp)))
            self.assertTrue(packets)
            self.assertEqual({p.destination_port for p in packets if p.source == self.own4
                              or p.source == self.own6}, {53})
            self.assertEqual(self.outside(self.capture(ask(tcp=is_tcp))), [])

    def test_locked(self):
        """The kill switch lets them pass, and nobody else; also when the daemon is dead."""
        self.mesh.macro("killswitch", "on")
        self.mesh.macro("connect", "--wait")
        self.assertEqual(self.visible("macro", "exclude"), self.own4)
        child = self.mesh.spawn("client", "macro", "exclude", "sh", "-c",
                                f"read go; exec curl -sS --max-time 10 http://{self.origin4}/ip",
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        wait_until(lambda: self.mesh.call("exec", "client", "pgrep", "-f",
                                          "^sh -c read go").returncode == 0, 10, "the program")
        self.mesh.do("kill", "client", "KILL")
        self.refused()
        self.assertEqual(child.communicate("go\n", timeout=20)[0].strip(), self.own4)
        self.mesh.do("restart", "client")
        wait_until(lambda: self.mesh.api("client", "status")["state"] == "connected", 20, "connected")
        self.assertEqual(self.visible("macro", "exclude"), self.own4)
        self.assertEqual(self.visible(), self.exit4)

    def test_always_locked(self):
        self.mesh.macro("connect", "--wait")
        self.mesh.macro("killswitch", "always")
        self.mesh.macro("disconnect", "--wait")
        self.refused()
        self.assertEqual(self.visible("macro", "exclude"), self.own4)
        self.assertIn(self.visible("macro", "exclude", url="http://www.test/ip"),
                      (self.own4, self.own6))
        self.refused()

    def test_connection_stays(self):
        """One that began outside goes on there, whatever becomes of the tunnel."""
        self.mesh.macro("connect", "--wait")
        child = self.mesh.spawn("client", "macro", "exclude", "curl", "-sS", "--limit-rate", "1M",
                                "http://www.test/3m", "-o", "/dev/null", "-w",
                                "%{local_ip} %{size_download}", stdout=subprocess.PIPE)
        self.mesh.macro("reconnect", "--wait")
        self.mesh.macro("reconnect", "--wait")
        said = child.communicate(timeout=60)[0]
        self.assertEqual(child.returncode, 0)
        self.assertTrue(said.endswith(f" {3 << 20}"), said)

    def test_exit_status(self):
        self.mesh.macro("connect", "--wait")
        self.assertEqual(self.macro("exclude", "sh", "-c", "exit 9").returncode, 9)
        self.assertEqual(self.macro("exclude", "/nowhere").returncode, 127)


class NetworksTest(SplitCase):
    def test_networks(self):
        self.mesh.macro("connect", "--wait", "--profile", "networks")
        self.assertEqual(self.visible(), self.own4)
        self.assertEqual(self.visible(url=f"http://[{self.origin6}]/ip"), self.own6)
        packets = self.outside(self.capture(self.visible))
        self.assertEqual({p.protocol for p in packets}, {6})
        self.mesh.macro("connect", "--wait", "--profile", "default")
        self.assertEqual(self.visible(), self.exit4)
        self.assertEqual(self.outside(self.capture(self.visible)), [])

    def test_names(self):
        """The addresses that a name has go outside with it, as does the question; with a lock."""
        self.mesh.macro("connect", "--wait", "--profile", "names")
        self.assertEqual(self.visible(), self.exit4)
        packets = self.outside(self.capture(
            lambda: self.assertIn(self.visible(url="http://www.test/ip"), (self.own4, self.own6))))
        ports = {port for p in packets for port in (p.source_port, p.destination_port)}
        self.assertIn(53, ports)
        self.assertIn(80, ports)
        # By its address, the same place is outside now, too; other names are asked inside.
        self.assertEqual(self.visible(), self.own4)
        packets = self.outside(self.capture(
            lambda: self.mesh.exec("client", "dig", "+short", "origin.test", "A")))
        self.assertEqual(packets, [])
        self.mesh.macro("reconnect", "--wait")
        self.assertEqual(self.visible(), self.own4)


class OnlyTest(SplitCase):
    def test_networks(self):
        before = self.snapshot()
        self.mesh.macro("connect", "--wait", "--profile", "few")
        self.assertEqual(self.visible(), self.exit4)
        self.assertEqual(self.visible(url=f"http://[{self.origin6}]/ip"), self.own6)
        self.assertEqual(self.outside(self.capture(self.visible)), [])
        self.mesh.macro("disconnect", "--wait")
        self.assertEqual(self.snapshot(), before)

    def test_programs(self):
        """Connects by itself; nothing else changes for anybody."""
        self.need_groups()
        resolv = self.mesh.exec("client", "cat", "/etc/resolv.conf")
        self.assertEqual(self.visible("macro", "only"), self.exit4)
        self.assertIn(self.visible("macro", "only", url="http://www.test/ip"),
                      (self.exit4, self.exit6))
        self.assertEqual(self.visible("macro", "only", url=f"http://[{self.origin6}]/ip"),
                         self.exit6)
        self.assertEqual(self.visible(), self.own4)
        self.assertEqual(self.mesh.exec("client", "cat", "/etc/resolv.conf"), resolv)
        packets = self.outside(self.capture(
            lambda: self.visible("macro", "only", url="http://www.test/ip")))
        self.assertEqual(packets, [])
        self.mesh.macro("disconnect", "--wait")
        self.mesh.macro("connect", "--wait")
        done = self.macro("only", "true")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "all traffic goes through the mesh now.*macro disconnect")

    def test_held(self):
        """With a kill switch they are inside or nowhere, whatever happens; all others are free."""
        self.need_groups()
        self.mesh.macro("connect", "--wait", "--profile", "some")
        self.assertEqual(self.visible("macro", "only"), self.exit4)
        self.assertEqual(self.visible(), self.own4)
        child = self.mesh.spawn("client", "macro", "only", "sh", "-c",
                                f"read go; exec curl -sS --max-time 5 http://{self.origin4}/ip",
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        wait_until(lambda: self.mesh.call("exec", "client", "pgrep", "-f",
                                          "^sh -c read go").returncode == 0, 10, "the program")
        self.mesh.do("kill", "client", "KILL")

        def go():
            said = child.communicate("go\n", timeout=20)[0]
            self.assertEqual(said, "")
            self.assertIn(child.returncode, (7, 28))
        self.assertEqual([p for p in self.outside(self.capture(go)) if p.source == self.own4], [])
        self.assertEqual(self.visible(), self.own4)
        self.mesh.do("restart", "client")
        wait_until(lambda: self.mesh.api("client", "status")["state"] == "connected", 20, "connected")
        self.assertEqual(self.visible("macro", "only"), self.exit4)
        self.assertEqual(self.visible(), self.own4)

    def test_names(self):
        """A name of the list is asked inside, and its address goes there; others do not."""
        self.mesh.macro("connect", "--wait", "--profile", "some")
        self.assertEqual(self.visible(), self.own4)
        packets = self.outside(self.capture(
            lambda: self.assertIn(self.visible(url="http://origin.test/ip"),
                                  (self.exit4, self.exit6))))
        self.assertEqual(packets, [])
        packets = self.outside(self.capture(
            lambda: self.mesh.exec("client", "dig", "+short", "v4.test", "A")))
        self.assertIn(53, {p.destination_port for p in packets})


tap.main()
