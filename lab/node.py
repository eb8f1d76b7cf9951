# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that runs macrod: its identity, its macro.conf, and whether its API answers."""

import json
import socket

import process
from runtime import program

PORT = 4600


def write_locations(topology, path):
    """What the lab's location database says of its networks, as the hosts find it; returns path."""
    lines = [f"{net} {host.country.upper()} {host.system}\n"
             for host in topology.hosts.values() for net in (host.net4, host.net6)]
    process.run([program("lab-locations"), str(path)], "".join(lines))
    return path


class Node:
    """Any host with a daemon; only those with node roles have an identity and a [node] section."""

    def __init__(self, host, folder):
        self.host = host
        self.config_path = folder / "macro.conf"
        self.socket_path = folder / "macro.sock"
        self.state_dir = folder / "state"

    @property
    def addresses(self):
        return [f"{self.host.v4}:{PORT}", f"[{self.host.v6}]:{PORT}"]

    def init(self):
        """Makes the identity; returns the seed that leads others to this node."""
        macro = program("macro")
        identity = ["--state-dir", str(self.state_dir)]
        process.run([macro, "node", "init", *identity, "--config", str(self.config_path),
                     "--name", self.host.name, "--roles", ", ".join(self.host.node_roles),
                     "--country", self.host.claimed_country, "--operator", self.host.operator,
                     *(word for address in self.addresses for word in ("--address", address))])
        return process.run([macro, "node", "seed", *identity,
                            "--address", self.addresses[0]]).strip()

    def write_config(self, seeds, dns, locations, more):
        """more: {section: {key: value}}, for those sections that the host has; clients get all
        profiles."""
        host = self.host
        lines = ["[daemon]", f"socket = {self.socket_path}", f"state_dir = {self.state_dir}",
                 f"location_db = {locations}",
                 "[mesh]", f"seeds = {', '.join(seeds)}", "sync_period = 1s"]
        if host.is_node:
            lines += ["[node]", f"listen = [::]:{PORT}", f"address = {', '.join(self.addresses)}",
                      f"roles = {', '.join(host.node_roles)}", f"name = {host.name}",
                      f"operator = {host.operator}", f"country = {host.claimed_country}",
                      f"bandwidth = {host.bandwidth}", f"workers = {host.workers}"]
        if host.is_node and host.city:
            lines += [f"city = {host.city}"]
        if "exit" in host.roles and dns:
            lines += ["[exit]", f"dns = {', '.join(dns)}"]
        if "client" in host.roles:
            lines += ["[client]", "tun = macro0", "[profile default]", "hops = 3", "exit = auto"]
        for section, keys in more.items():
            if f"[{section}]" in lines:
                at = lines.index(f"[{section}]") + 1
                lines[at:at] = [f"{key} = {value}" for key, value in keys.items()]
            elif section.startswith("profile ") and "client" in host.roles:
                lines += [f"[{section}]", *(f"{key} = {value}" for key, value in keys.items())]
        self.config_path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def command(self):
        return [program("macrod"), "-c", str(self.config_path)]

    def get(self, path):
        """What the daemon's API says at path, or None while it does not answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.socket_path))
                connection.sendall(f"GET {path} HTTP/1.0\r\nHost: macro\r\n\r\n".encode())
                with connection.makefile("rb") as file:
                    _, _, body = file.read().partition(b"\r\n\r\n")
                return json.loads(body)
            except (OSError, ValueError):
                return None

    def is_answering(self):
        return self.get("/v1/status") is not None

    def knows(self, names):
        """Whether it has the descriptors of all these nodes."""
        known = self.get("/v1/nodes") or {"nodes": []}
        return names <= {node["name"] for node in known["nodes"]}
