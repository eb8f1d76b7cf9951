#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forty daemons of a registry's members that know one other each find all, forget who is gone, and
agree; one more is used as soon as it is registered and runs."""

import itertools
import time

import tap
from labs import wait_until
from mesh import MeshCase

NODES = 40
VALIDITY_S = 30
NAMES = [f"node-{i}" for i in range(NODES)]
NEWCOMER = "newcomer"
KEEPER = NAMES[0]
ROLES = (["entry", "relay"], ["relay", "exit"], ["entry", "exit"])
COUNTRIES = ("de", "nl", "fr", "gb", "us")


def _host(number):
    # A tree, of which the root knows its first child: joined, and nobody is everyone's seed.
    seed = NAMES[(number - 1) // 3 if number else 1]
    roles = ROLES[number % len(ROLES)]
    return (f'{NAMES[number]} = {{ country = "{COUNTRIES[number % 5]}", '
            f'roles = {list(roles)}, seeds = ["{seed}"] }}')


class DiscoveryTest(MeshCase):
    HOSTS = "\n".join(["[registry]", f'keeper = "{KEEPER}"', f'later = ["{NEWCOMER}"]',
                       "[config.node]", f'validity = "{VALIDITY_S}s"', "[hosts]",
                       *map(_host, range(NODES)),
                       f'{NEWCOMER} = {{ country = "se", roles = ["relay", "exit"], '
                       f'seeds = ["{NAMES[7]}"] }}',
                       'client = { country = "de", roles = ["client"], seeds = ["node-0"] }',
                       'client2 = { country = "de", roles = ["client"], seeds = ["node-3"] }'])

    def views(self, names):
        """How many nodes each knows, and the digests of their views."""
        meshes = [self.mesh.api(name, "mesh")["mesh"] for name in names]
        return ({mesh["known_nodes"] for mesh in meshes},
                {mesh["view"]["digest"] for mesh in meshes})

    def registries(self, names):
        """(members, those without a descriptor), as each daemon has it."""
        meshes = [self.mesh.api(name, "mesh")["mesh"] for name in names]
        return {(mesh["registry"]["members"], mesh["registry"]["missing"]) for mesh in meshes}

    def wait_agreed(self, names, count, within_s):
        """Until all these know so many nodes and have one view; the seconds it took."""
        start = time.monotonic()
        wait_until(lambda: self.views(names)[0] == {count} and len(self.views(names)[1]) == 1,
                   within_s, f"{count} nodes known to {len(names)}")
        return time.monotonic() - start

    def forget(self, name):
        """What the daemon keeps of others, and who the members are."""
        state = self.mesh.runtime.host_folder(name) / "state"
        for path in [*state.glob("nodes-*.db*"), *state.glob("registry*.db*")]:
            path.unlink()

    def registry(self, *words):
        """macro registry WORDS, where the registrar's key is."""
        return self.mesh.macro("registry", *words, "--file", self.mesh.everyone[KEEPER]["registry"],
                               host=KEEPER)

    def seed_of(self, name):
        state = self.mesh.runtime.host_folder(name) / "state"
        return self.mesh.macro("node", "seed", "--state-dir", str(state), "--address",
                               f"{self.addresses[name][0]}:4600", host=name).strip()

    def exits_of(self, client):
        return {node["name"] for node in self.mesh.api(client, "exits")["exits"]}

    def test_1_everyone_finds_everyone(self):
        for name in [*NAMES, NEWCOMER]:
            self.mesh.do("kill", name)
            self.forget(name)
        for name in NAMES:
            self.mesh.ask("restart", host=name)
        seconds = self.wait_agreed(NAMES, NODES, 10)
        print(f"# {NODES} daemons, one seed each: all agree {seconds:.1f} s after the last start")
        self.assertEqual(self.registries(NAMES), {(NODES, 0)})

    def test_2_clients_choose_from_the_same(self):
        for name in ("client", "client2"):
            self.mesh.macro("connect", "--wait", host=name)
        self.wait_agreed(["client", "client2"], NODES, 10)
        for name in ("client", "client2"):
            mesh = self.mesh.api(name, "mesh")["mesh"]
            self.assertGreaterEqual(mesh["exchange"]["pulls"], 2)
            self.assertEqual(mesh["exchange"]["lied"], 0)

    def use(self, exit_node, start, since):
        """A client goes out there as soon as it knows it, within 10 s."""
        wait_until(lambda: exit_node in self.exits_of("client"), 10, "the client knows the node")
        self.assertEqual(self.mesh.connect(exit_name=exit_node)[-1], exit_node)
        seconds = time.monotonic() - start
        print(f"# a node is used by a client {seconds:.1f} s after {since}")
        self.assertLess(seconds, 10)

    def test_3_a_dead_node_goes_and_a_new_one_is_used(self):
        exit_node = "node-1"
        self.mesh.do("kill", exit_node)
        everyone = [name for name in NAMES if name != exit_node] + ["client"]
        seconds = self.wait_agreed(everyone, NODES - 1, VALIDITY_S + 15)
        print(f"# a killed node is forgotten after {seconds:.1f} s (validity {VALIDITY_S} s)")
        self.assertNotIn(exit_node, self.exits_of("client"))
        self.assertEqual(self.registries(everyone), {(NODES, 1)})  # a member, not heard of
        self.forget(exit_node)
        start = time.monotonic()
        self.mesh.ask("restart", host=exit_node)
        self.use(exit_node, start, "its start")

    def test_4_a_new_member(self):
        """Registered and started, it is used; removed, it is not, though it runs."""
        self.assertNotIn(NEWCOMER, self.exits_of("client"))
        start = time.monotonic()
        slot = self.registry("add", self.seed_of(NEWCOMER), "--operator", f"op-{NEWCOMER}",
                             "--roles", "relay,exit").strip()
        self.mesh.ask("restart", host=NEWCOMER)
        self.use(NEWCOMER, start, "macro registry add")
        self.wait_agreed([*NAMES, NEWCOMER, "client", "client2"], NODES + 1, 10)
        start = time.monotonic()
        self.registry("change", slot, "--roles", "relay")  # what it says of itself is too much
        self.wait_agreed([*NAMES, "client", "client2"], NODES, 10)
        print(f"# an exit that may be none any more is forgotten {time.monotonic() - start:.1f} s "
              "after macro registry change")
        wait_until(lambda: self.mesh.api(NEWCOMER, "mesh")["mesh"]["own_refusal"] == "wrong_roles",
                   10, "the node is told why")
        self.registry("remove", slot)
        wait_until(lambda: self.registries([*NAMES, "client"]) == {(NODES, 0)}, 10,
                   "all know of the removal")
        self.mesh.do("kill", NEWCOMER)

    def test_5_half_killed_parted_and_healed(self):
        living, dead = NAMES[:NODES // 2], NAMES[NODES // 2:]
        for name in dead:
            self.mesh.do("kill", name)
        self.wait_agreed(living, len(living), VALIDITY_S + 20)
        joining = dead[0], dead[2]  # whose seeds are on their sides
        sides = living[::2] + [joining[0]], living[1::2] + [joining[1]]
        for a, b in itertools.product(*sides):
            self.mesh.ask("wan", source=a, destination=b, words=["loss=100%"], is_both=True,
                          is_clear=False)
        for name in joining:
            self.mesh.ask("restart", host=name)
        for side in sides:  # each side has its new one, and in the end nobody else's
            self.wait_agreed(side, len(side), VALIDITY_S + 20)
        self.assertEqual(len(self.views(sides[0] + sides[1])[1]), 2)
        for a, b in itertools.product(*sides):
            self.mesh.ask("wan", source=a, destination=b, words=[], is_both=True, is_clear=True)
        seconds = self.wait_agreed(sides[0] + sides[1], len(living) + 2, 20)
        print(f"# two halves agree {seconds:.1f} s after they can reach each other")


tap.main()
