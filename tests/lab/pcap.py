# SPDX-License-Identifier: GPL-3.0-or-later
"""What a capture has seen: Ethernet pcap files, read by hand."""

import ipaddress
import struct
from dataclasses import dataclass

ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_IPV6 = 0x0800, 0x0806, 0x86DD
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
_IPV4_FRAGMENT = 0x3FFF  # more fragments, or an offset
_IPV6_FRAGMENT = 44


@dataclass(frozen=True)
class Packet:
    """source and destination are texts; ports are 0 where there are none; data: after the IP header,
    and after the UDP header of UDP."""

    source: str
    destination: str
    protocol: int
    source_port: int
    destination_port: int
    is_fragment: bool
    data: bytes
    whole: bytes  # from the IP header on

    @property
    def hosts(self):
        return {self.source, self.destination}


def _parse_ip(frame):
    (ethertype,) = struct.unpack_from("!H", frame, 12)
    ip = frame[14:]
    if ethertype == ETHERTYPE_IPV4:
        length, at, protocol = int.from_bytes(ip[2:4], "big"), (ip[0] & 15) * 4, ip[9]
        source, destination = ip[12:16], ip[16:20]
        is_fragment = int.from_bytes(ip[6:8], "big") & _IPV4_FRAGMENT != 0
    elif ethertype == ETHERTYPE_IPV6:
        length, at, protocol = 40 + int.from_bytes(ip[4:6], "big"), 40, ip[6]
        source, destination = ip[8:24], ip[24:40]
        is_fragment = protocol == _IPV6_FRAGMENT
    else:
        return None
    ip = ip[:length]
    data, ports = ip[at:], (0, 0)
    if protocol in (UDP, TCP) and not is_fragment:
        ports = struct.unpack_from("!HH", data)
    return Packet(str(ipaddress.ip_address(source)), str(ipaddress.ip_address(destination)),
                  protocol, *ports, is_fragment, data[8:] if protocol == UDP else data, ip)


def read(path):
    """All IP packets of the file, in order, whether they came or went."""
    data = path.read_bytes()
    at = 24
    while at + 16 <= len(data):
        here, wire = struct.unpack_from("=II", data, at + 8)
        if here != wire:
            raise AssertionError(f"{path}: a packet of {wire} bytes was recorded in part")
        packet = _parse_ip(data[at + 16:at + 16 + here])
        if packet is not None:
            yield packet
        at += 16 + here


def is_neighbour_talk(packet):
    """IPv6's own housekeeping on a link."""
    return packet.protocol == ICMPV6 and packet.data[0] in (133, 134, 135, 136, 143)
