# SPDX-License-Identifier: GPL-3.0-or-later
"""The links between hosts: what each has been told, the lab-wan process, and the routes into it."""

import subprocess

import process
import settings
from errors import LabError
from network import WAN_DEVICE


class Wan:
    """links: (source name, destination name) -> settings, of the pairs that are emulated."""

    def __init__(self, program, topology, network, token, log_path, seed=1):
        self._topology = topology
        self._network = network
        self.links = {}
        with open(log_path, "ab") as log:
            self.child = process.spawn([program, WAN_DEVICE, str(seed)], token,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                       text=True, bufsize=1)
        if self.child.stdout.readline() != "ok\n":
            with open(log_path, encoding="utf-8") as log:
                reason = log.read().strip()
            hint = ("\nlet every user open /dev/net/tun: chmod 0666 /dev/net/tun"
                    if "Permission denied" in reason else "")
            raise LabError(f"{reason or program + ' ended at once'}{hint}")
        network.start_wan()

    def _ask(self, line):
        """The lines of lab-wan's answer before its "ok"."""
        try:
            self.child.stdin.write(line + "\n")
        except BrokenPipeError as error:
            raise LabError("lab-wan has ended: lab/lab logs wan") from error
        answer = []
        for said in iter(self.child.stdout.readline, ""):
            if said == "ok\n":
                return answer
            if said.startswith("error "):
                raise LabError(f"lab-wan: {said[6:].strip()}: {line}")
            answer.append(said.strip())
        raise LabError("lab-wan has ended: lab/lab logs wan")

    def _pairs(self, sources, destinations):
        hosts = self._topology.hosts
        return [(hosts[a], hosts[b]) for a in sources for b in destinations if a != b]

    def set_up(self):
        """All links as the topology has them."""
        self.change(self._topology.hosts, self._topology.hosts, None)

    def change(self, sources, destinations, changes):
        """Merges the changes (0 takes a setting back); None: all as the topology has it."""
        added, removed = [], []
        for a, b in self._pairs(sources, destinations):
            key = (a.name, b.name)
            before = self.links.get(key)
            after = (self._topology.link_settings(a, b) if changes is None
                     else {**(before or {}), **changes})
            after = {name: value for name, value in after.items() if value}
            if after == (before or {}):
                continue
            self._tell(a, b, after)
            if after:
                self.links[key] = after
                added += [(a, b)] if before is None else []
            else:
                del self.links[key]
                removed.append((a, b))
        self._network.route_pairs(added, True)
        self._network.route_pairs(removed, False)

    def _tell(self, a, b, values):
        words = [f"{name}={value}" for name, value in settings.complete(values).items()]
        self._ask(" ".join(["link", f"{a.name}>{b.name}", a.v4, b.v4, a.v6, b.v6, *words]))

    def counts(self):
        """(source, destination) -> {"packets": ..., ...} of every link that has ever been set."""
        result = {}
        for line in self._ask("stats"):
            name, *words = line.split()
            result[tuple(name.split(">"))] = {
                key: int(value) for key, value in (word.split("=") for word in words)}
        return result

    def close(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()
