# SPDX-License-Identifier: GPL-3.0-or-later
"""
What a machine sends past its tunnel; runs on it.

  leak.py watch DEVICE         until its input ends, then all IP packets that left by the device, as
                               JSON: [[time, text], ...], except neighbour discovery and DHCP
  leak.py send NAME TARGETS    until its input ends, packets of all kinds to the TARGETS (JSON, see
                               Sender), which carry TAG and the NAME where they carry anything
"""

import json
import re
import select
import socket
import struct
import sys

TAG = b"this should not be seen from "
PAUSE_S = 0.05
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_OUTGOING = 4
_NEIGHBOUR = {133, 135, 136, 143}
_TCP, _UDP, _ICMPV6 = 6, 17, 58


def _describe(packet):
    """None for what is not IP, or keeps the link itself going."""
    version = packet[0] >> 4
    if version == 4:
        protocol, at, ends = packet[9], (packet[0] & 15) * 4, (packet[12:16], packet[16:20])
        family = socket.AF_INET
    elif version == 6:
        protocol, at, ends = packet[6], 40, (packet[8:24], packet[24:40])
        family = socket.AF_INET6
    else:
        return None
    if protocol == 0 and version == 6:  # hop by hop, as MLD has it
        protocol, at = packet[40], 40 + (packet[41] + 1) * 8
    if protocol == _ICMPV6 and packet[at] in _NEIGHBOUR:
        return None
    ports = struct.unpack_from("!HH", packet, at) if protocol in (_TCP, _UDP) else (0, 0)
    if protocol == _UDP and ports in ((68, 67), (546, 547)):
        return None
    source, destination = (socket.inet_ntop(family, end) for end in ends)
    tag = re.search(TAG + rb"(\w+)", packet)
    text = f"{protocol} {source} {ports[0]} {destination} {ports[1]} {len(packet)}"
    return f"{text} TAG {tag[1].decode()}" if tag else text


def watch(device):
    seen = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 26)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        sock.bind((device, 3))
        print("ready", flush=True)
        is_ended = False
        while not is_ended:
            is_ended = sys.stdin in select.select([sock, sys.stdin], [], [])[0]
            try:
                while True:
                    data, extra, _, address = sock.recvmsg(65536, 64, socket.MSG_DONTWAIT)
                    if address[2] != _OUTGOING or address[1] not in (0x0800, 0x86DD):
                        continue
                    seconds, ns = struct.unpack("qq", extra[0][2])
                    text = _describe(data)
                    if text is not None:
                        seen.append((seconds + ns / 1e9, text))
            except OSError:
                pass  # all was read; or the device went down, which does not end the watch
    json.dump(seen, sys.stdout)


def _question(tag):
    """A DNS query of www.test whose first label tells it from others."""
    name = b"".join(bytes([len(label)]) + label for label in (tag, b"www", b"test"))
    return struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + name + b"\0" + struct.pack("!2H", 1, 1)


class Sender:
    """targets: {"hosts": addresses of anybody, "nodes": of mesh nodes, "lan": of the LAN,
    "groups": multicast and broadcast, "device": to bind to, "keep": [address, port] of a TCP server
    to stay connected with}"""

    def __init__(self, name, targets):
        self._tag = TAG + name.encode()
        self._targets = targets
        self._kept = None
        if targets.get("keep"):
            self._kept = socket.create_connection(tuple(targets["keep"]), 5)
            self._kept.setblocking(False)

    @staticmethod
    def _attempt(kind, destination, device, data=b"", protocol=0):
        """One packet, or a refusal."""
        family = socket.AF_INET6 if ":" in destination[0] else socket.AF_INET
        try:
            with socket.socket(family, kind, protocol) as sock:
                sock.setblocking(False)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                if device:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
                if kind == socket.SOCK_STREAM:
                    sock.connect(destination)
                else:
                    sock.sendto(data, destination)
        except OSError:
            pass

    def _icmp(self, address, device):
        is_v6 = ":" in address
        protocol = socket.IPPROTO_ICMPV6 if is_v6 else socket.IPPROTO_ICMP
        header = struct.pack("!BBHHH", 128 if is_v6 else 8, 0, 0, 7, 7)
        self._attempt(socket.SOCK_RAW, (address, 0), device, header + self._tag, protocol)

    def round(self):
        for device in ("", self._targets.get("device", "")):
            for address in self._targets["hosts"] + self._targets["nodes"] + self._targets["lan"]:
                for port in (53, 4600, 9999):
                    data = _question(self._tag) if port == 53 else self._tag
                    self._attempt(socket.SOCK_DGRAM, (address, port), device, data)
                for port in (80, 853, 4600):
                    self._attempt(socket.SOCK_STREAM, (address, port), device)
                self._icmp(address, device)
            for address in self._targets["groups"]:
                self._attempt(socket.SOCK_DGRAM, (address, 5353), device, self._tag)
        if self._kept:
            try:
                self._kept.send(self._tag)
            except OSError:
                pass


def send(name, targets):
    sender = Sender(name, json.loads(targets))
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], PAUSE_S)[0]:
        sender.round()


if __name__ == "__main__":
    {"watch": watch, "send": send}[sys.argv[1]](*sys.argv[2:])
