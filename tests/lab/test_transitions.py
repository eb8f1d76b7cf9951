#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Random commands, faults and kills, one after the other; after each, the daemon's state, its memory on
disk, the firewall, rules, routes and resolv.conf have to agree.  ROUNDS: how many (25); SEED: of
the dice, printed at the start.
"""

import os
import random
import re
import time
from pathlib import Path

import tap
from labs import wait_until
from mesh import MeshCase

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
# Between the lines of dashes: what a machine looks like, all at once.
LOOK = """
nft list ruleset
echo -----
for family in -4 -6; do ip $family rule; done
echo -----
for family in -4 -6; do ip $family route show table all; done
echo -----
cat /etc/resolv.conf
echo -----
cat {lock} 2>/dev/null
"""
TABLE = re.compile(r"table inet macromesh \{\n(.*?)\n\}", re.S)
RULES = re.compile(r"^(?:89|9[0-3]):", re.M)
DROPS = {"output", "forward", "last"}
STUB = "nameserver 127.109.109.53\n"
SETTINGS = ("profile", "off", "on", "on", "on", "always", "always")  # the profile's is off


class Machine:
    """One look at the client."""

    def __init__(self, text):
        self.nft, rules, routes, self.resolv, lock = text.split("-----\n")
        table = TABLE.search(self.nft)
        self.chains = {} if table is None else dict(
            re.findall(r"chain (\w+) \{\n\t\ttype filter hook \w+ priority [^;]+; policy (\w+);",
                       table[1]))
        self.has_table = table is not None
        self.blocks = DROPS <= {name for name, policy in self.chains.items() if policy == "drop"}
        self.holds = "table inet macromesh_held" in self.nft
        self.tunnel = 'oifname "macro0" accept' in self.nft
        self.rules = bool(RULES.search(rules))
        self.routes = "table 27757" in routes
        self.names = STUB in self.resolv
        self.rest = (rules, routes, self.resolv)
        self.lock = dict(re.findall(r"(?m)^(\w+) (.*)$", lock))

    def remembers(self, key, default=""):
        return self.lock.get(key, default)


class TransitionTest(MeshCase):
    HOSTS = HOSTS

    def setUp(self):
        config = Path(self.mesh.everyone["client"]["config"])
        self.config, self.good = config, config.read_text(encoding="utf-8")
        (state_dir,) = re.findall(r"(?m)^state_dir = (.*)$", self.good)
        self.look_command = LOOK.format(lock=f"{state_dir}/lock")
        self.seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
        self.dice = random.Random(self.seed)
        self.alive = True
        self.wanted = False
        self.setting = "profile"
        self.story = []
        self.mesh.macro("connect", "--wait")  # before that nothing is ever blocked
        self.mesh.macro("disconnect", "--wait")
        self.before = self.look()
        self.addCleanup(self.end)

    def end(self):
        self.config.write_text(self.good, encoding="utf-8")
        if not self.alive:
            self.mesh.do("restart", "client")
        self.macro("unlock")

    def look(self):
        return Machine(self.mesh.exec("client", "sh", "-c", self.look_command))

    def macro(self, *words):
        return self.mesh.call("exec", "client", "macro", "-c", str(self.config), *words)

    def status(self):
        return self.mesh.api("client", "status")

    def locked(self):
        return self.setting == "always" or (self.setting == "on" and self.wanted)

    # What can happen.

    def connect(self):
        self.wanted = True
        self.macro("connect", "--exit", self.dice.choice(("auto", "back", "back2", "nl")),
                   "--hops", str(self.dice.choice((2, 3))))

    def disconnect(self):
        self.wanted = False
        self.macro("disconnect")

    def reconnect(self):
        self.macro("reconnect", *self.dice.choice(((), ("--new-exit",))))

    def set_switch(self):
        self.setting = self.dice.choice(SETTINGS)
        self.macro("killswitch", self.setting)

    def unlock(self):
        """By the daemon, or by hand when there is none."""
        self.setting = "off"
        if not self.alive:
            self.wanted = False
        done = self.macro("unlock")
        self.assertEqual(done.returncode, 0, done.stderr)

    def portal(self):
        """For a second; then, or at once, it connects again."""
        self.macro("portal", "--seconds", "1")
        if self.dice.random() < 0.5:
            self.macro("portal", "off")
        elif self.locked():
            time.sleep(1.1)

    def flush(self):
        self.mesh.exec("client", "nft", "flush", "ruleset")
        if self.locked():
            wait_until(lambda: self.look().blocks, 10, "the table to be set again")

    def reload(self):
        self.mesh.do("kill", "client", "HUP")

    def sleep(self):
        self.mesh.do("kill", "client", "STOP")
        time.sleep(self.dice.uniform(0, 0.5))
        self.mesh.do("kill", "client", "CONT")

    def lose_exit(self):
        name = self.dice.choice(("back", "back2"))
        self.mesh.do("kill", name, "KILL")
        self.mesh.do("restart", name)

    def stop(self):
        self.mesh.do("kill", "client", "TERM")
        self.wait_dead()

    def kill(self):
        self.mesh.do("kill", "client", "KILL")
        self.wait_dead()

    def kill_within(self):
        """In the middle of something else, so that only its memory says how far it came."""
        command = self.dice.choice(("connect", "disconnect", "reconnect", "killswitch"))
        words = [self.dice.choice(SETTINGS)] if command == "killswitch" else []
        with self.mesh.spawn("client", "macro", command, *words, stdout=-3, stderr=-3) as child:
            time.sleep(self.dice.uniform(0, 0.3))
            self.mesh.do("kill", "client", "KILL")
            child.wait()
        self.wait_dead()
        machine = self.look()
        self.setting = machine.remembers("setting")
        self.wanted = machine.remembers("wanted") == "yes"

    def wait_dead(self):
        wait_until(lambda: self.mesh.hosts()["client"]["services"]["macrod"] != "running", 20,
                   "macrod to end")
        self.alive = False

    def start(self):
        self.mesh.do("restart", "client")
        self.alive = True
        self.wanted = self.wanted and self.locked()  # else it waits to be told

    def start_with_broken_configuration(self):
        self.config.write_text(self.good + "nonsense\n", encoding="utf-8")
        done = self.mesh.call("exec", "client", "macrod", "-c", str(self.config))
        self.assertEqual(done.returncode, 2, done.stderr)
        if self.locked():
            self.assertIn("macro unlock", done.stderr)
        if self.dice.random() < 0.2:
            self.unlock()
        self.config.write_text(self.good, encoding="utf-8")

    def cleanup_by_hand(self):
        self.mesh.exec("client", "macrod", "-c", str(self.config), "--cleanup")

    def boot(self):
        """The kernel has forgotten all; only the state directory is left."""
        self.mesh.exec("client", "macrod", "-c", str(self.config), "--cleanup")
        self.mesh.call("exec", "client", "nft", "delete", "table", "inet", "macromesh")
        self.mesh.exec("client", "macrod", "-c", str(self.config), "--lock")

    AWAKE = (connect, connect, connect, connect, disconnect, reconnect, set_switch, set_switch, set_switch,
             unlock, portal, portal, flush, reload, sleep, lose_exit, stop, kill, kill, kill_within,
             kill_within)
    DEAD = (start, start, start, start, cleanup_by_hand, boot, start_with_broken_configuration)

    # What holds after each.

    def settle(self):
        """Until nothing is under way any more."""
        goal = {"connected"} if self.wanted else {"disconnected", "blocked"}
        wait_until(lambda: self.status()["state"] in goal, 30, f"the state {goal}")

    def check_lock(self, machine):
        """What may be asked at any moment, whatever else is under way."""
        self.assertEqual(machine.blocks, self.locked())
        self.assertEqual(machine.holds, self.alive and self.locked())
        self.assertEqual(machine.remembers("table") == "block", self.locked())

    def check_alive(self, machine):
        status = self.status()
        up = status["state"] == "connected"
        self.assertEqual(up, self.wanted)
        self.assertEqual(status["blocking"], self.locked())
        self.assertEqual(status["undo"] is not None, self.locked())
        self.assertEqual((machine.rules, machine.routes, machine.names), (up, up, up))
        self.assertEqual(machine.has_table, up or self.locked())
        self.assertEqual(machine.tunnel, up and self.locked())
        self.assertEqual(machine.remembers("setting"), self.setting)
        if not up:
            self.assertEqual(machine.rest, self.before.rest)
        if not up and not self.locked():
            self.assertEqual(machine.nft, self.before.nft)

    def check_dead(self, machine):
        """Routes and names may be left, until somebody recovers them, but then all of them."""
        if machine.rules:
            self.assertTrue(machine.names)
        else:
            self.assertEqual(machine.rest, self.before.rest)

    def step(self):
        action = self.dice.choice(self.AWAKE if self.alive else self.DEAD)
        self.story = [*self.story[-15:], action.__name__]
        action(self)
        settled = self.alive and self.dice.random() < 0.7
        if settled:
            self.settle()
        machine = self.look()
        self.check_lock(machine)
        if settled:
            self.check_alive(machine)
        elif not self.alive:
            self.check_dead(machine)

    def test_random(self):
        rounds = int(os.environ.get("ROUNDS") or 25)
        print(f"# {rounds} rounds, SEED={self.seed}", flush=True)
        blocked = 0
        for number in range(rounds):
            try:
                self.step()
            except AssertionError as error:
                raise AssertionError(f"SEED={self.seed}, round {number}, "
                                     f"{' > '.join(self.story)}: {error}") from error
            blocked += self.locked()
        print(f"# all agreed after each of them; {blocked} with the machine locked")
        if not self.alive:
            self.start()
        self.unlock()
        self.disconnect()
        self.settle()
        machine = self.look()
        self.assertEqual((machine.nft, machine.rest), (self.before.nft, self.before.rest))


tap.main()
