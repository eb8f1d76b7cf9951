#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a mesh of known members: by an invite, on the local network, from the cache; and that
whoever is no member does not count."""

import base64
import os
import re
import tempfile
import time
import unittest
from pathlib import Path

import tap
from labs import wait_until
from machine import Machine
from mesh import MeshCase

HOSTS = """
[config.client]
autoconnect = "no"

[hosts]
first = { country = "de", roles = ["entry", "relay"] }
second = { country = "nl", roles = ["entry", "relay"] }
third = { country = "fr", roles = ["relay", "exit"] }
other = { country = "gb", roles = ["entry", "relay", "exit"] }
client = { country = "de", roles = ["client"] }
origin = { country = "nl", roles = ["origin"] }
fresh = { country = "nl" }
office = { country = "nl" }
"""

MEMBERS = ("first", "second", "third")


class FirstContactCase(MeshCase):
    """The members get a registrar; "other" runs too, and is none."""

    HOSTS = HOSTS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if hasattr(FirstContactCase, "registry"):
            return
        folder = tempfile.TemporaryDirectory()
        unittest.addModuleCleanup(folder.cleanup)
        FirstContactCase.folder = folder
        FirstContactCase.registry = ("--file", f"{folder.name}/registry.db")
        FirstContactCase.registrar = re.search(
            r"[0-9a-f]{64}", cls.mesh.macro("registry", "init", *cls.registry)).group(0)
        for name in MEMBERS:
            cls.mesh.macro("registry", "add", *cls.registry, cls.seed(name), "--operator",
                           f"op-{name}")
        cls.mesh.macro("registry", "export", *cls.registry, f"{folder.name}/export")
        for name in MEMBERS:
            cls.restart(name)
        wait_until(cls.members_agree, 20, "the members to know each other alone")

    @classmethod
    def restart(cls, name):
        """As a member, knowing the members."""
        config = Path(cls.mesh.everyone[name]["config"])
        seeds = ", ".join(cls.seed(member) for member in MEMBERS if member != name)
        text = re.sub(r"(?m)^seeds = .*$", f"seeds = {seeds}\nregistrar = {cls.registrar}",
                      config.read_text(encoding="utf-8"))
        cls.mesh.do("kill", name)
        config.write_text(text, encoding="utf-8")
        cls.mesh.macro("registry", "import", f"{cls.folder.name}/export", "-c", str(config),
                       host=name)
        cls.mesh.ask("restart", host=name)

    @classmethod
    def members_agree(cls):
        return all({node["name"] for node in cls.mesh.api(name, "nodes")["nodes"]} == set(MEMBERS)
                   for name in MEMBERS)

    @classmethod
    def seed(cls, name):
        return cls.mesh.macro("node", "seed", "-c", cls.mesh.everyone[name]["config"],
                              host=name).splitlines()[0]

    def config(self, *lines):
        """Of a client of the mesh."""
        return "\n".join(["[mesh]", f"registrar = {self.registrar}", *lines, "[client]", ""])

    def connect(self, machine):
        """The seconds it takes, and what the origin sees."""
        start = time.monotonic()
        machine.do("macro", "connect", "--wait", "--timeout", "30")
        seconds = time.monotonic() - start
        seen = machine.do("curl", "-sS", "--fail", "--max-time", "20", "http://www.test/ip")
        self.assertEqual(seen.strip(), self.addresses["third"][0])
        return seconds

    def start(self, machine):
        machine.start("macrod")
        wait_until(lambda: machine.call("macro", "status", "--json").returncode == 0, 20, "macrod")


class InviteTest(FirstContactCase):
    def test_invite_to_connected(self):
        invite = self.mesh.macro("invite", "create", *self.registry, "--qr")
        picture, word = invite.rstrip("\n").rsplit("\n", 1)
        self.assertTrue(word.startswith("macro:"))
        self.assertGreater(picture.count("█"), 100)
        with Machine(self.mesh, "fresh") as machine:
            said = machine.call("macro", "join", word[:-1] + ("A" if word[-1] != "A" else "B"))
            self.assertEqual(said.returncode, 1)
            self.assertIn("mistyped or cut", said.stderr)
            machine.do("macro", "join", word)
            self.start(machine)
            print(f"# from an invite to connected: {self.connect(machine):.1f} s")
            nodes = machine.do("macro", "node", "list")
            self.assertNotIn("other", nodes)

    def test_a_node_joins_by_invite(self):
        word = self.mesh.macro("invite", "create", *self.registry).splitlines()[-1]
        with Machine(self.mesh, "fresh") as machine:
            done = machine.call("macro", "node", "init", "--roles", "relay", "--country", "nl",
                                "--name", "late-1", "--operator", "late", "--seed", word)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("macro registry add", done.stderr)
            self.mesh.macro("registry", "add", *self.registry, done.stdout.splitlines()[0],
                            "--operator", "late")
            self.mesh.macro("registry", "export", *self.registry, f"{self.folder.name}/export2")
            self.mesh.macro("registry", "import", f"{self.folder.name}/export2", "-c",
                            self.mesh.everyone["first"]["config"], host="first")
            start = time.monotonic()
            machine.start("macrod")
            wait_until(lambda: "late-1" in {node["name"] for node in
                                            self.mesh.api("third", "nodes")["nodes"]},
                       30, "the new member to be known")
            print(f"# a new member is known to another {time.monotonic() - start:.1f} s "
                  "after its start")


class SourcesTest(FirstContactCase):
    def test_dead_seeds_are_tried_beside_living_ones(self):
        dead = [f"{base64.urlsafe_b64encode(os.urandom(64)).decode().rstrip('=')}@5.1.0.{i}:4600"
                for i in (7, 8, 9)]
        with Machine(self.mesh, "fresh") as machine:
            machine.write("/etc/macro/macro.conf",
                          self.config(f"seeds = {', '.join([*dead, self.seed('second')])}"))
            self.start(machine)
            seconds = self.connect(machine)
            print(f"# three of four seeds dead: connected after {seconds:.1f} s")
            self.assertLess(seconds, 4)

    def test_start_from_the_cache(self):
        with Machine(self.mesh, "fresh") as machine:
            machine.write("/etc/macro/macro.conf", self.config(f"seeds = {self.seed('second')}"))
            self.start(machine)
            self.connect(machine)
            machine.do("macro", "disconnect", "--wait")
            machine.end_all()
            dead = self.seed("second").replace(self.addresses["second"][0], "5.1.0.9")
            machine.write("/etc/macro/macro.conf", self.config(f"seeds = {dead}"))
            self.mesh.ask("wan", source="fresh", destination=None, words=["loss=100%"],
                          is_both=True, is_clear=False)
            self.start(machine)  # without any network
            known = machine.do("macro", "node", "list")
            for name in MEMBERS:
                self.assertIn(name, known)
            self.mesh.ask("wan", source="fresh", destination=None, words=[], is_both=True,
                          is_clear=True)
            print(f"# from the cache, no seed alive: connected after {self.connect(machine):.1f} s")

    def test_who_is_no_member_does_not_count(self):
        with Machine(self.mesh, "fresh") as machine:
            machine.write("/etc/macro/macro.conf", self.config(f"seeds = {self.seed('other')}"))
            self.start(machine)
            done = machine.call("macro", "connect", "--wait", "--timeout", "6")
            self.assertNotEqual(done.returncode, 0)
            mesh = machine.api("mesh")["mesh"]
            self.assertEqual(mesh["known_nodes"], 0)
            # Nor one that has a member's name and another key.
            own, other = self.seed("first"), self.seed("other")
            machine.do("macro", "disconnect", "--wait")
            machine.end_all()
            machine.write("/etc/macro/macro.conf", self.config(f"seeds = {own[:42]}{other[42:]}"))
            self.start(machine)
            self.assertNotEqual(machine.call("macro", "connect", "--wait", "--timeout",
                                             "6").returncode, 0)


class LanTest(FirstContactCase):
    def test_found_on_the_local_network(self):
        """Behind the office's switch: a member, and one who knows no address at all."""
        nodes = Machine(self.mesh, "office", is_behind=True)
        laptop = Machine(self.mesh, "office", is_behind=True)
        with nodes, laptop:
            for machine, number in ((nodes, 2), (laptop, 3)):
                for command in ("link add v{0} type veth peer name eth0 netns {1}",
                                "link set v{0} master lan", "link set v{0} up"):
                    if number == 2 and "master" in command:
                        self.mesh.exec("office", "ip", "link", "add", "lan", "type", "bridge")
                        self.mesh.exec("office", "ip", "link", "set", "lan", "up")
                    self.mesh.exec("office", "ip", *command.format(number, machine.pid).split())
                for command in ("link set lo up", f"addr add 10.20.0.{number}/24 dev eth0",
                                "link set eth0 up"):
                    machine.do("ip", *command.split())
            init = nodes.do("macro", "node", "init", "--roles", "entry,relay", "--country", "nl",
                            "--name", "office-1", "--operator", "office", "--address",
                            "10.20.0.2:4600", "--no-check")
            self.mesh.macro("registry", "add", *self.registry, init.splitlines()[0], "--operator",
                            "office")
            self.mesh.macro("registry", "export", *self.registry, f"{self.folder.name}/export3")
            nodes.do("sed", "-i", f"s/^.*\\[mesh\\]$/[mesh]\\nregistrar = {self.registrar}\\n"
                     "lan = yes/", "/etc/macro/macro.conf")
            nodes.do("macro", "registry", "import", f"{self.folder.name}/export3")
            nodes.start("macrod")
            laptop.write("/etc/macro/macro.conf", self.config("lan = yes"))
            self.start(laptop)
            start = time.monotonic()
            laptop.call("macro", "connect")
            wait_until(lambda: laptop.api("mesh")["mesh"]["known_nodes"] == 1, 20,
                       "the laptop to find the office's node")
            print(f"# found by multicast after {time.monotonic() - start:.1f} s")
            self.assertIn("office-1", laptop.do("macro", "node", "list"))


tap.main()
