#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A newcomer makes a node of a fresh machine; what is in its way is told, with what to do."""

import json
import subprocess
import tempfile
import time
from pathlib import Path

import tap
from labs import wait_until
from machine import Machine
from mesh import MeshCase

HOSTS = """
[hosts]
near = { country = "de", roles = ["entry", "relay"] }
far = { country = "nl", roles = ["entry", "relay"] }
third = { country = "fr", roles = ["relay", "exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
fresh = { country = "nl" }
router = { country = "gb" }

[[link]]
from = "*"
to = "far"
delay = "20ms"
"""

INIT = ("macro", "node", "init", "--roles", "relay,exit", "--country", "nl", "--bandwidth", "200M")
PORT_CLOSED = "table inet guard { chain in { type filter hook input priority 0; policy accept; " \
              "udp dport 4600 ct state new drop; }; }"
NARROW = "table inet narrow { chain out { type filter hook output priority 0; policy accept; " \
         "meta l4proto udp meta length > 1400 drop; }; }"
ROUTER = """
table inet home {
    chain in { type filter hook input priority 0; policy accept;
        iifname "eth0" ct state new drop; }
    chain forward { type filter hook forward priority 0; policy accept;
        iifname "eth0" ct state new jump miniupnpd; iifname "eth0" ct state new drop; }
    chain miniupnpd { }
    chain pre { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
    chain post { type nat hook postrouting priority 100;
        oifname "eth0" %s; jump postrouting_miniupnpd; }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
}
"""
MINIUPNPD = """
ext_ifname=eth0
ext_perform_stun=no
listening_ip=lan
port=0
enable_natpmp=%s
enable_upnp=%s
secure_mode=yes
uuid=a57d1e2c-0000-4000-8000-000000000001
upnp_table_name=home
upnp_nat_table_name=home
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
allow 1024-65535 192.168.7.0/24 1024-65535
"""


class NodeInitCase(MeshCase):
    HOSTS = HOSTS

    def seed(self, host="near"):
        return self.mesh.macro("node", "seed", "-c", self.mesh.everyone[host]["config"],
                               host=host).splitlines()[0]

    def nft(self, host, rules):
        """Until the test is over."""
        self.mesh.exec(host, "nft", rules)
        self.addCleanup(self.mesh.exec, host, "nft", "delete", "table", *rules.split()[1:3])

    def lists(self, name):
        return name in {node["name"] for node in self.mesh.api("far", "nodes")["nodes"]}


class NewcomerTest(NodeInitCase):
    def test_a_new_user_has_a_working_node_in_two_minutes(self):
        answers = {"Invite or seed": self.seed(), "Name of the node": "newcomer-1",
                   "Who runs it": "someone", "Where others reach it": ""}
        with Machine(self.mesh, "fresh") as machine:
            start = time.monotonic()
            status, tokens, said = machine.talk(answers, *INIT)
            self.assertEqual(status, 0, said)
            self.assertIn(f"@{self.addresses['fresh'][0]}:4600", tokens)
            for check in ("UDP", "IPv4", "IPv6", "MTU", "Clock", "Port, IPv4", "Port, IPv6", "Exit"):
                self.assertRegex(said, f"(?m)^  ok    {check} ")
            self.assertIn("Start the node: systemctl enable --now macrod", said)
            machine.start("macrod")
            wait_until(lambda: self.lists("newcomer-1"), 60, "the mesh to know the new node")
            self.mesh.macro("connect", "--wait", "--exit", "newcomer-1")
            self.assertEqual(self.mesh.curl("http://www.test/ip").strip(),
                             self.addresses["fresh"][0])
            seconds = time.monotonic() - start
            print(f"# from macro node init to a listed exit in use: {seconds:.1f} s")
            self.assertLess(seconds, 120)
            checked = machine.call("macro", "node", "check")  # the daemon has the port now
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
            self.assertRegex(checked.stdout, r"(?m)^  ok    Listed ")
            self.mesh.macro("disconnect", "--wait")

    def test_a_blocked_port_is_told_and_what_to_do(self):
        self.nft("fresh", PORT_CLOSED)
        with Machine(self.mesh, "fresh") as machine:
            done = machine.call(*INIT, "--seed", self.seed(), "--name", "shut-1", "--operator", "x")
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"FAIL  Port, IPv4 blocked: \d nodes? called UDP port 4600")
            self.assertIn("allow UDP port 4600 in this machine's firewall", done.stderr)
            self.assertIn("Mend what failed first", done.stderr)
            self.mesh.exec("fresh", "nft", "flush", "chain", "inet", "guard", "in")
            again = machine.call(*INIT)  # nothing is asked twice
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertIn("is there already and stays as it is", again.stderr)
            self.assertRegex(again.stderr, r"(?m)^  ok    Port, IPv4 ")

    def test_a_client_becomes_a_node_too(self):
        with Machine(self.mesh, "fresh") as machine:
            text = f"# mine\n[mesh]\nseeds = {self.seed()}\n[client]\n"
            machine.do("sh", "-c", f"printf '%s' '{text}' >/etc/macro/macro.conf")
            done = machine.call(*INIT, "--name", "both-1", "--operator", "x")
            self.assertEqual(done.returncode, 0, done.stderr)
            config = machine.do("cat", "/etc/macro/macro.conf")
            self.assertTrue(config.startswith(text))
            self.assertIn("\n[node]\nname = both-1\nroles = relay,exit\n", config)
            machine.do("macro", "config", "check")


class NetcheckTest(NodeInitCase):
    def netcheck(self, *words):
        done = self.mesh.call("exec", "client", "macro", "-c", self.mesh.everyone["client"]["config"],
                              "netcheck", *words)
        return done.returncode, done.stdout

    def test_what_a_client_learns(self):
        status, text = self.netcheck("--json")
        found = json.loads(text)
        self.assertEqual((status, found["verdict"]), (0, "ok"), text)
        self.assertEqual(found["ipv4"]["seen_as"], self.addresses["client"][0])
        self.assertEqual(found["ipv6"]["seen_as"], self.addresses["client"][1])
        self.assertEqual(found["ipv4"]["nat"], "none")
        names = [entry["name"] for entry in found["entries"]]
        self.assertEqual(sorted(names), ["far", "far", "near", "near"])
        self.assertEqual(names[0], "near")
        self.assertGreater(found["entries"][-1]["rtt_ms"], 20)

    def test_too_small_an_mtu_and_no_udp_are_told_apart(self):
        self.nft("client", NARROW)
        status, text = self.netcheck()
        self.assertEqual(status, 1)
        self.assertRegex(text, r"(?m)^  FAIL  MTU        packets of 64 bytes pass over IPv4, cells of 1432 do")
        self.mesh.exec("client", "nft", "add rule inet narrow out meta l4proto udp drop")
        status, text = self.netcheck()
        self.assertEqual(status, 1)
        self.assertRegex(text, r"(?m)^  FAIL  UDP        none of \d calls to nodes answered")
        self.assertNotIn("MTU ", text)


class RouterTest(NodeInitCase):
    """A machine at home, behind a router that lets nothing in."""

    def home(self, kind="masquerade"):
        self.nft("router", ROUTER % kind)
        machine = Machine(self.mesh, "router", is_behind=True)
        self.addCleanup(machine.__exit__)
        machine.__enter__()
        for command in (f"ip link add lan type veth peer name eth0 netns {machine.pid}",
                        "ip addr add 192.168.7.1/24 dev lan", "ip link set lan up",
                        "sysctl -qw net.ipv4.ip_forward=1"):
            self.mesh.exec("router", *command.split())
        for command in ("ip link set lo up", "ip addr add 192.168.7.2/24 dev eth0",
                        "ip link set eth0 up", "ip route add default via 192.168.7.1"):
            machine.do(*command.split())
        return machine

    def start_router(self, natpmp, upnp):
        """The programs of a real one; until the test is over."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        config = Path(folder.name) / "miniupnpd.conf"
        config.write_text(MINIUPNPD % (natpmp, upnp), encoding="ascii")
        child = self.mesh.spawn("router", "miniupnpd", "-d", "-f", str(config), "-P",
                                f"{folder.name}/pid", stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (child.terminate(), child.wait()))
        wait_until(lambda: self.is_listening(1900) or self.is_listening(5351), 10, "miniupnpd")

    def is_listening(self, port):
        return f":{port} " in self.mesh.exec("router", "ss", "-uln")

    def forwards(self):
        return "dnat ip to 192.168.7.2:4600" in self.mesh.exec(
            "router", "nft", "list", "chain", "inet", "home", "prerouting_miniupnpd")

    def node_behind(self, machine):
        """node init at the terminal, and the daemon keeps what it did, until it stops."""
        answers = {"Ask it to forward": "", "Where others reach it": ""}
        status, tokens, said = machine.talk(answers, *INIT, "--seed", self.seed(), "--name",
                                            "home-1", "--operator", "x")
        self.assertEqual(status, 0, said)
        self.assertEqual(tokens.split("@")[1].strip(), f"{self.addresses['router'][0]}:4600")
        self.assertRegex(said, r"(?m)^  ok    Port, IPv4 ")
        self.assertIn("\nport_mapping = yes\n", machine.do("cat", "/etc/macro/macro.conf"))
        self.mesh.exec("router", "nft", "flush", "chain", "inet", "home", "prerouting_miniupnpd")
        daemon = machine.start("macrod")
        wait_until(self.forwards, 20, "the daemon to ask the router")
        wait_until(lambda: self.lists("home-1"), 30, "the mesh to know it")
        daemon_said = machine.end(daemon)
        self.assertIn("the router forwards UDP port 4600 to this node", daemon_said)
        self.assertFalse(self.forwards())
        return said

    def test_natpmp(self):
        machine = self.home()
        self.start_router("yes", "no")
        self.assertIn("(NAT-PMP)", self.node_behind(machine))

    def test_upnp(self):
        machine = self.home()
        self.start_router("no", "yes")
        self.assertIn("(UPnP)", self.node_behind(machine))

    def test_without_such_a_router(self):
        machine = self.home()
        status, _, said = machine.talk({"Ask it to forward": "", "Where others reach it": ""}, *INIT,
                                       "--seed", self.seed(), "--name", "home-1", "--operator", "x")
        self.assertEqual(status, 1)
        self.assertIn("no router here answers to NAT-PMP or UPnP", said)
        self.assertIn("forward UDP port 4600 on the router to this machine", said)

    def test_kinds_of_nat(self):
        for kind, name in (("masquerade", "endpoint_independent"),
                           ("meta l4proto udp masquerade to :20000-60000 fully-random",
                            "endpoint_dependent")):
            with self.subTest(kind=name):
                machine = self.home(kind)
                text = f"[mesh]\nseeds = {self.seed()}\n[client]\n"
                machine.do("sh", "-c", f"printf '%s' '{text}' >/etc/macro/macro.conf")
                found = json.loads(machine.call("macro", "netcheck", "--json").stdout)
                self.assertEqual(found["ipv4"]["nat"], name)
                self.doCleanups()


tap.main()
