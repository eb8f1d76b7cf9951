# SPDX-License-Identifier: GPL-3.0-or-later
"""
The limit model: what a packet through three hops must cost at least on this machine, summed from
the measured primitives, and what of that the real chain reaches.
"""

import os

INNER_MTU = {1: 1360, 3: 1324}
INNER_MTU_BACK = 1351  # what a client asks for
TCP_IP_HEADERS = 52  # IPv4, and TCP with timestamps
# AEAD passes over a cell's body: the client's session and layers, one at each hop, the exit's session.
PASSES = {1: 4, 3: 8}


def _sum_ns(report, hops):
    """A cell crosses `hops` links: sealed and opened, sent and received on each."""
    figure = report.median
    link = (figure("header.seal") + figure("header.open")
            + figure("udp.send_offload") + figure("udp.recv_offload"))
    return (PASSES[hops] * figure("aead.best") + hops * link + figure("tun.read_offload")
            + figure("tun.write_offload") + figure("cpu.direct.ends"))


def add(report):
    """Figures that need those of other parts; what is missing is left out."""
    if report.has("x25519.dh", "x25519.keygen", "circuits.create"):
        bound_ns = report.median("x25519.keygen") + 2 * report.median("x25519.dh")
        create_ns = report.median("circuits.create")
        report.add("circuits.create_rate", 1e9 / create_ns, "/s")
        report.add("circuits.create_rate_of_x25519_bound", 100 * bound_ns / create_ns, "%")
    for count in (100000, 10000):
        report.ratio(f"circuits.throughput_at_{count}_of_10", "circuits.cell_at_10",
                     f"circuits.cell_at_{count}", "%", 100)
    if report.has("aead.best", "chain3.full.relay_out", "udp.send_offload", "udp.recv_offload"):
        cell_ns = (report.median("chain3.full.relay_out") + report.median("udp.send_offload")
                   + report.median("udp.recv_offload"))
        report.add("model.relay_cell", cell_ns, "ns")
        report.add("ratio.relay_cell_of_aead.model", cell_ns / report.median("aead.best"), "x")
    report.ratio("ratio.relay_cell_of_aead.live", "cpu.ours3.relay_cell", "aead.best")
    if not report.has("aead.best", "tun.read_offload", "cpu.direct.ends"):
        return
    for hops, mtu in INNER_MTU.items():
        packet_ns = _sum_ns(report, hops)
        report.add(f"model.packet_{hops}", packet_ns, "ns")
        for direction, size in (("down", INNER_MTU_BACK), ("up", mtu)):
            ceiling = os.cpu_count() * 1e9 / packet_ns * (size - TCP_IP_HEADERS) * 8 / 1e6
            report.add(f"model.ceiling_{hops}.tcp_{direction}", ceiling, "Mbit/s")
            reached = f"tcp.{direction}.ours{hops}"
            if report.has(reached):
                report.add(f"model.share_{hops}.tcp_{direction}", 100 * report.median(reached) / ceiling,
                           "%")
