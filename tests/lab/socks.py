# SPDX-License-Identifier: GPL-3.0-or-later
"""
A program that sends datagrams through SOCKS 5; runs on a host.

  socks.py PROXY PORT NAME     asks the name server at (NAME, 53) for www.test by a UDP association,
                               and prints the rcode and the last bytes of the answer, as JSON
"""

import json
import socket
import struct
import sys

_CONNECTED, _ASSOCIATE, _BY_NAME = 0, 3, 3
QUESTION = b"\0\7\1\0\0\1\0\0\0\0\0\0\3www\4test\0\0\1\0\1"


def _reply(stream):
    head = stream.recv(4, socket.MSG_WAITALL)
    if head[1] != _CONNECTED:
        raise OSError(f"the proxy answers {head[1]}")
    length = {1: 4, 4: 16}[head[3]]
    bound = stream.recv(length, socket.MSG_WAITALL)
    (port,) = struct.unpack("!H", stream.recv(2, socket.MSG_WAITALL))
    return socket.inet_ntop(socket.AF_INET if length == 4 else socket.AF_INET6, bound), port


def main(proxy, port, name):
    with socket.create_connection((proxy, int(port)), 30) as stream:
        stream.sendall(b"\5\1\0")
        assert stream.recv(2, socket.MSG_WAITALL) == b"\5\0"
        stream.sendall(bytes([5, _ASSOCIATE, 0, 1, 0, 0, 0, 0, 0, 0]))
        relay = _reply(stream)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            target = bytes([0, 0, 0, _BY_NAME, len(name)]) + name.encode() + struct.pack("!H", 53)
            for _ in range(3):  # it may be lost
                sock.sendto(target + QUESTION, relay)
                try:
                    answer = sock.recv(4096)[10:]  # behind an IPv4 source
                    break
                except TimeoutError:
                    continue
    json.dump({"rcode": answer[3] & 15, "address": socket.inet_ntoa(answer[-4:])}, sys.stdout)


main(*sys.argv[1:])
