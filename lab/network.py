# SPDX-License-Identifier: GPL-3.0-or-later
"""
The core: one veth to each host and kernel routing between them.  A pair of hosts with an emulated
link has a route into lab-wan's TUN device in its source's routing table; every other pair stays
with the kernel alone, large segments included.
"""

import process
from errors import LabError

WAN_DEVICE = "wan0"
_WAN_QUEUE = 10000  # packets: the emulator may be late now and then, but must not lose
_TABLE_BASE = 1000
_TBF_LATENCY_MS = 100
_TBF_BURST_S = 0.005
_TBF_BURST_MIN = 16384


def _ip(*batches):
    for options, lines in batches:
        process.run(["ip", *options, "-batch", "-"], feed="\n".join(lines) + "\n")


def _write(path, text):
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}") from error


def _table(host):
    return _TABLE_BASE + host.index


class Network:
    """Runs inside the core's namespaces."""

    def __init__(self, hosts, spaces):
        self._hosts = hosts
        self._spaces = spaces

    def build(self):
        _write("/proc/sys/net/ipv4/ip_forward", "1")
        _write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
        _write("/proc/sys/net/ipv6/conf/default/accept_dad", "0")
        for name in ("all", "default"):
            _write(f"/proc/sys/net/ipv4/conf/{name}/rp_filter", "0")
        links, rules = [], []
        for host in self._hosts.values():
            links += [
                f"link add name {host.name} type veth peer name eth0 netns {self._spaces[host.name].pid}",
                f"addr add {host.gateway4}/16 dev {host.name}",
                f"addr add {host.gateway6}/32 dev {host.name} nodad",
                f"link set dev {host.name} up",
            ]
            rules.append(f"rule add iif {host.name} lookup {_table(host)} pref {_table(host)}")
        _ip(([], ["link set dev lo up", *links]), (["-4"], rules), (["-6"], rules))
        for host in self._hosts.values():
            self._set_up_host(host)

    def _set_up_host(self, host):
        lines = [
            "link set dev lo up",
            f"addr add {host.v4}/16 dev eth0",
            f"addr add {host.v6}/32 dev eth0 nodad",
            "link set dev eth0 up",
            f"route add default via {host.gateway4}",
            f"route add default via {host.gateway6}",
        ]
        process.run(self._spaces[host.name].command(["ip", "-batch", "-"]),
                    feed="\n".join(lines) + "\n")

    def start_wan(self):
        """After lab-wan has made its device."""
        _ip(([], [f"link set dev {WAN_DEVICE} mtu 1500 txqueuelen {_WAN_QUEUE} addrgenmode none up"]))

    def route_pairs(self, pairs, is_emulated):
        """From now on the pairs' packets go through lab-wan, or no longer do."""
        action = "replace" if is_emulated else "del"
        lines = [f"route {action} {net} dev {WAN_DEVICE} table {_table(a)}"
                 for a, b in pairs for net in (b.net4, b.net6)]
        if lines:
            _ip(([], lines))

    def _ends(self, host):
        """Both ends of a host's cable: command prefix and device, the host's own end first."""
        return ((self._spaces[host.name].command([]), "eth0"), ([], host.name))

    def limit_rate(self, host, rate_bps, is_both):
        """The host's access line: what it sends and, if both, what it receives.  0: no limit."""
        for prefix, device in self._ends(host)[:2 if is_both else 1]:
            if rate_bps:
                burst = max(_TBF_BURST_MIN, round(rate_bps / 8 * _TBF_BURST_S))
                process.run([*prefix, "tc", "qdisc", "replace", "dev", device, "root", "tbf",
                             "rate", f"{rate_bps}bit", "burst", str(burst),
                             "latency", f"{_TBF_LATENCY_MS}ms"])
            elif "tbf" in process.run([*prefix, "tc", "qdisc", "show", "dev", device, "root"]):
                process.run([*prefix, "tc", "qdisc", "del", "dev", device, "root"])

    def show_single_packets(self, host, is_single):
        """For captures: packets cross the cable as they would a real one, not as large segments."""
        for prefix, device in self._ends(host):
            process.run([*prefix, "ip", "link", "set", "dev", device,
                         "gso_max_segs", "1" if is_single else "65535"])
