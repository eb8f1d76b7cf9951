# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of a lab's mesh, if its topology has one: a file that one node's daemon reads, and
the registrar's key beside it."""

import process
from runtime import program


class Registry:
    def __init__(self, folder):
        self.path = folder / "registry.db"
        self.registrar = self._macro("init").strip()

    def _macro(self, *words):
        return process.run([program("macro"), "registry", *words, "--file", str(self.path)])

    def add(self, host, seed):
        """The host's node becomes a member, as it stands in the topology."""
        self._macro("add", seed, "--operator", host.operator, "--roles", ",".join(host.node_roles))
