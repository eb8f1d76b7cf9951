#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
The kill switch on the wire: programs of root, of another user and of a container send whatever they
can, while all that leaves the client's physical interface is recorded.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import tap
from labs import wait_until
from mesh import MeshCase

LEAK = [sys.executable, "-S", str(Path(__file__).resolve().parent / "leak.py")]
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
NODES = ("front", "front2", "middle", "middle2", "back", "back2")
CELL = 1432
CELLS = {head + CELL * n for head in (28, 48) for n in range(1, 46)}  # as they leave: in batches
SNAPSHOT = """
nft list ruleset
for family in -4 -6; do ip $family rule; ip $family route show table all; done
cat /etc/resolv.conf
"""
# A program behind a veth and a masquerade, as container engines do it.
CONTAINER = """
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
exec unshare --net sh -c 'echo $$; exec sleep infinity'
"""
CONTAINER_LINK = """
ip link add dock0 type veth peer name eth0 netns {pid}
ip addr add 172.30.0.1/24 dev dock0
ip addr add fd30::1/64 dev dock0 nodad
ip link set dock0 up
nsenter --target {pid} --net sh -c '
ip link set lo up
ip addr add 172.30.0.2/24 dev eth0
ip addr add fd30::2/64 dev eth0 nodad
ip link set eth0 up
ip route add default via 172.30.0.1
ip route add default via fd30::1'
"""
MASQUERADE = """
table inet dock {
    chain post {
        type nat hook postrouting priority srcnat;
        ip saddr 172.30.0.0/24 oifname != dock0 masquerade
        ip6 saddr fd30::/64 oifname != dock0 masquerade
    }
}
"""
# Out of one network into another, of which the client sees no more than its address.
MOVE = """
ip addr del {from4}/16 dev eth0
ip addr add {to4}/16 dev eth0
ip addr del {from6}/32 dev eth0
ip addr add {to6}/32 dev eth0 nodad
ip route replace default via {gateway4}
ip -6 route replace default via {gateway6}
"""
RENEW_CABLE = """
ip link set eth0 down
ip link set eth0 up
ip addr add {v6}/32 dev eth0 nodad
ip route replace default via {gateway4}
ip -6 route replace default via {gateway6}
"""


class Wire:
    """Senders and recorder on the client; seen: [(time, text)] once it is closed."""

    def __init__(self, case, keep=None):
        self._mesh = case.mesh
        targets = {
            "hosts": case.addresses["origin"],
            "nodes": [*case.addresses["front"], *case.addresses["back"]],
            "lan": case.gateways, "groups": ["255.255.255.255", "224.0.0.251", "ff02::fb%eth0"],
            "device": "eth0", "keep": keep,
        }
        self._start = [("watch", [*LEAK, "watch", "eth0"]),
                       ("root", [*LEAK, "send", "root", json.dumps(targets)]),
                       ("container", ["nsenter", "--target", case.container, "--net", *LEAK, "send",
                                      "container", json.dumps({**targets, "keep": None})])]
        if os.getuid() == 0:
            self._start.append(("nobody", ["setpriv", "--reuid", "65534", "--regid", "65534",
                                           "--clear-groups", *LEAK, "send", "nobody",
                                           json.dumps(targets)]))
        self.senders = [name for name, _ in self._start[1:]]
        self._children = []
        self.seen = None

    def __enter__(self):
        for name, argv in self._start:
            child = self._mesh.spawn("client", *argv, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)
            self._children.append(child)
            if child.stdout.readline() != "ready\n":
                self._end()
                raise AssertionError(f"{name} ended at once")
        return self

    def _end(self):
        return [child.communicate("", timeout=60)[0] for child in reversed(self._children)]

    def __exit__(self, *_):
        self.seen = json.loads(self._end()[-1])


class LeakTest(MeshCase):
    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        holder = cls.mesh.spawn("client", "sh", "-c", CONTAINER, stdout=subprocess.PIPE)
        cls.addClassCleanup(holder.communicate)
        cls.addClassCleanup(holder.terminate)
        cls.container = holder.stdout.readline().strip()
        cls.mesh.exec("client", "sh", "-ec", CONTAINER_LINK.format(pid=cls.container))
        cls.mesh.exec("client", "nft", MASQUERADE)
        nodes = {address for name in NODES for address in cls.addresses[name]}
        cls.elsewhere = [re.sub(r"2$", "77", address) for address in cls.addresses["client"]]
        cls.gateways = [re.sub(r"2$", "1", address) for address in cls.addresses["client"]]
        own = "|".join(map(re.escape, [*cls.addresses["client"], *cls.elsewhere]))
        cls.cell = re.compile(rf"17 ({own}) \d+ ({'|'.join(map(re.escape, nodes))}) 4600 "
                              rf"({'|'.join(map(str, CELLS))})")

    def setUp(self):
        self.mesh.macro("connect", "--wait")  # before that nothing is ever blocked
        self.mesh.macro("disconnect", "--wait")
        self.before = self.snapshot()
        self.addCleanup(self.mesh.call, "exec", "client", "macro", "unlock")
        self.addCleanup(self.mesh.call, "exec", "client", "macro", "disconnect")

    def snapshot(self):
        return self.mesh.exec("client", "sh", "-c", SNAPSHOT)

    def macro(self, *words):
        return self.mesh.call("exec", "client", "macro", *words)

    def status(self):
        return self.mesh.api("client", "status")

    def wait_state(self, state):
        wait_until(lambda: self.status()["state"] == state, 30, state)

    def leaks(self, wire, since=0.0, until=float("inf")):
        return [text for when, text in wire.seen
                if since < when < until and not self.cell.fullmatch(text)]

    def assert_tight(self, wire, since, until):
        leaks = self.leaks(wire, since, until)
        self.assertEqual(leaks[:5], [], f"{len(leaks)} packets left past the tunnel")

    def assert_leaky(self, wire, since, until):
        """Each kind of packet is seen where nothing holds it, and each sender: or the test could not
        fail."""
        text = "\n".join(self.leaks(wire, since, until))
        own4, own6 = self.addresses["client"]
        for own in (own4, own6):
            for pattern in (rf"^6 {own} \d+ \S+ 80 ", rf"^6 {own} \d+ \S+ 853 ", rf"^(1|58) {own} ",
                            *(rf"^17 {own} \d+ \S+ {port} .* TAG {name}$"
                              for port in (53, 4600, 9999) for name in wire.senders)):
                self.assertRegex(text, re.compile(pattern, re.M))

    def kill(self):
        self.mesh.do("kill", "client", "KILL")

    def pull_cable(self):
        self.mesh.exec("client", "sh", "-c", RENEW_CABLE.format(
            v6=self.addresses["client"][1], gateway4=self.gateways[0], gateway6=self.gateways[1]))

    def move(self, source, target):
        """Until a page comes from there."""
        self.mesh.exec("client", "sh", "-ec", MOVE.format(
            from4=source[0], from6=source[1], to4=target[0], to6=target[1],
            gateway4=self.gateways[0], gateway6=self.gateways[1]))
        self.mesh.curl("http://www.test/ip")

    def disturb(self):
        """What happens to a connected client.  It is connected again at the end."""
        mesh = self.mesh
        mesh.macro("reconnect", "--wait")
        mesh.macro("reconnect", "--new-exit", "--wait")
        mesh.exec("client", "nft", "flush", "ruleset")
        mesh.exec("client", "nft", MASQUERADE)
        wait_until(lambda: "table inet macromesh {" in mesh.exec("client", "nft", "list", "ruleset"),
                   10, "the table to be set again")
        mesh.do("kill", "client", "HUP")
        mesh.do("kill", "client", "STOP")
        time.sleep(1)
        mesh.do("kill", "client", "CONT")
        self.kill()
        time.sleep(0.3)
        mesh.do("restart", "client")
        self.wait_state("connected")
        mesh.do("restart", "client")
        self.wait_state("connected")
        self.move(self.addresses["client"], self.elsewhere)
        self.move(self.elsewhere, self.addresses["client"])
        self.pull_cable()
        exit_name = mesh.route()[-1] if self.status()["state"] == "connected" else "back"
        mesh.do("kill", exit_name, "KILL")
        time.sleep(1)
        mesh.do("restart", exit_name)
        self.wait_state("connected")

    def test_off(self):
        with Wire(self) as wire:
            begin = time.time()
            time.sleep(0.5)
            self.mesh.macro("connect", "--wait")
            killed = time.time()
            self.kill()
            time.sleep(0.5)
            self.mesh.do("restart", "client")
            restarted = time.time()
            time.sleep(0.5)
        self.assert_leaky(wire, begin, killed)
        self.assertNotEqual(self.leaks(wire, killed, restarted), [])
        self.assert_leaky(wire, restarted, time.time())

    def test_on(self):
        self.pull_cable()  # so that the kernel lists the routes in the order of afterwards
        self.before = self.snapshot()
        self.mesh.macro("killswitch", "on")
        with Wire(self, keep=[self.addresses["origin"][0], 80]) as wire:
            begin = time.time()
            time.sleep(0.5)
            self.mesh.macro("connect")
            locked = time.time()
            self.wait_state("connected")
            self.disturb()
            end = time.time()
            self.mesh.macro("disconnect", "--wait")
            free = time.time()
            time.sleep(0.5)
        self.assert_leaky(wire, begin, locked)
        self.assert_tight(wire, locked, end)
        self.assert_leaky(wire, free, time.time())
        self.assertEqual(self.snapshot(), self.before)

    def test_always(self):
        self.pull_cable()  # as in test_on
        self.before = self.snapshot()
        self.mesh.macro("killswitch", "always")
        with Wire(self) as wire:
            begin = time.time()
            self.assertEqual(self.macro("status", "--check").returncode, 5)
            self.mesh.macro("connect", "--wait")
            self.disturb()
            self.mesh.macro("disconnect", "--wait")
            self.assertEqual(self.status()["state"], "blocked")
            self.mesh.exec("client", "nft", "flush", "ruleset")
            self.mesh.exec("client", "nft", MASQUERADE)
            time.sleep(0.2)
            self.kill()
            time.sleep(0.3)
            self.mesh.do("restart", "client")
            self.assertEqual(self.status()["state"], "blocked")
            self.mesh.do("kill", "client", "TERM")
            time.sleep(0.5)
            end = time.time()
            # As at boot: nothing is there but the state directory.
            self.mesh.exec("client", "nft", "delete", "table", "inet", "macromesh")
            config = self.mesh.everyone["client"]["config"]
            self.mesh.exec("client", "macrod", "-c", config, "--lock")
            booted = time.time()
            time.sleep(0.3)
            end_boot = time.time()
            self.mesh.exec("client", "macro", "-c", config, "unlock")
            free = time.time()
            time.sleep(0.5)
        self.mesh.do("restart", "client")
        self.assert_tight(wire, begin, end)
        self.assert_tight(wire, booted, end_boot)
        self.assert_leaky(wire, free, time.time())
        self.assertEqual(self.snapshot(), self.before)
        self.assertEqual(self.status()["state"], "disconnected")


tap.main()
