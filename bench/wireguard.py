# SPDX-License-Identifier: GPL-3.0-or-later
"""
wireguard-go between the mesh's hosts, beside the daemons: one tunnel to the entry, and three in one
another by way of entry, relay-1 and exit.  Each end of a tunnel is a process; servers masquerade.
"""

import os
import shutil
import subprocess

import process
from errors import LabError

_PORT = 51820

# In the host's namespaces and in a /run of its own, where wireguard-go has its control socket.
_TUNNEL = """
set -e
mount -n -t tmpfs wg /run
mkdir -p /run/wireguard
"$WG_PROGRAM" -f "$WG_NAME" >&2 &
child=$!
tries=0
until wg setconf "$WG_NAME" /dev/stdin 2>/dev/null <<END
$WG_CONFIG
END
do
	kill -0 $child
	tries=$((tries + 1))
	[ $tries -lt 500 ]
	sleep 0.02
done
ip address add "$WG_ADDRESS/24" dev "$WG_NAME"
ip link set "$WG_NAME" mtu "$WG_MTU" up
echo ready
wait $child
"""

_MASQUERADE = """
table ip bench {
	chain out {
		type nat hook postrouting priority 100
		ip saddr 10.77.0.0/16 oifname "eth0" masquerade
	}
}
"""


def find_program():
    """The binary in $WG, or Debian's; None when there is none."""
    return shutil.which(os.environ.get("WG", "wireguard-go")) if shutil.which("wg") else None


def version(wireguard):
    said = subprocess.run([wireguard, "--version"], text=True, capture_output=True, check=False)
    return (said.stdout.splitlines() or ["of unknown version"])[0]


def _key():
    private = process.run(["wg", "genkey"]).strip()
    return private, process.run(["wg", "pubkey"], feed=private).strip()


class Tunnels:
    """Made for a Mesh, and gone with it."""

    def __init__(self, mesh, wireguard):
        self._mesh = mesh
        self._wireguard = wireguard
        self._count = 0

    def _start(self, host, name, address, mtu, config):
        child = self._mesh.spawn(
            host, ["unshare", "--mount", "--propagation", "private", "sh", "-c", _TUNNEL],
            stdout=subprocess.PIPE, text=True,
            env={"WG_PROGRAM": self._wireguard, "WG_NAME": name, "WG_ADDRESS": address,
                 "WG_MTU": str(mtu), "WG_CONFIG": config})
        if child.stdout.readline() != "ready\n":
            raise LabError(f"wireguard-go on {host} did not start")

    def _tunnel(self, server, endpoint, mtu):
        """From the client to a server; the client's device."""
        net = f"10.77.{self._count}"
        port = _PORT + self._count
        name = f"wg{self._count}"
        self._count += 1
        client_private, client_public = _key()
        server_private, server_public = _key()
        self._start(server, name, f"{net}.1", mtu,
                    f"[Interface]\nPrivateKey = {server_private}\nListenPort = {port}\n"
                    f"[Peer]\nPublicKey = {client_public}\nAllowedIPs = {net}.2/32\n")
        self._start("client", name, f"{net}.2", mtu,
                    f"[Interface]\nPrivateKey = {client_private}\n"
                    f"[Peer]\nPublicKey = {server_public}\nAllowedIPs = 0.0.0.0/0\n"
                    f"Endpoint = {endpoint}:{port}\n")
        return name

    def _origin_address(self, last):
        """One more, so that routes to it touch nothing else."""
        address = self._mesh.address("origin").rpartition(".")[0] + f".{last}"
        self._mesh.run("origin", ["ip", "address", "add", f"{address}/16", "dev", "eth0"])
        self._mesh.serve_udp(address)
        return address

    def _route(self, address, device):
        self._mesh.run("client", ["ip", "route", "add", address, "dev", device])

    def start(self):
        """{number of tunnels: the origin's address that is reached through them}"""
        mesh = self._mesh
        for host in ("entry", "relay-1", "exit"):
            mesh.run(host, ["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])
            mesh.run(host, ["nft", _MASQUERADE])
        one, three = self._origin_address(3), self._origin_address(4)
        self._route(one, self._tunnel("entry", mesh.address("entry"), 1420))
        outer = self._tunnel("entry", mesh.address("entry"), 1420)
        for server, mtu in (("relay-1", 1340), ("exit", 1260)):
            endpoint = mesh.address(server)  # the daemon on the client speaks with the entry alone
            self._route(endpoint, outer)
            outer = self._tunnel(server, endpoint, mtu)
        self._route(three, outer)
        return {1: one, 3: three}
