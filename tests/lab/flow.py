# SPDX-License-Identifier: GPL-3.0-or-later
"""
Transfers whose every byte is checked; runs on hosts.

  flow.py serve PORT                    UDP echo and TCP checksums, until its input ends
  flow.py udp ADDRESS PORT SIZE...      one datagram of each size: how their echoes came back
  flow.py upload ADDRESS PORT BYTES     over TCP: whether the server's checksum is right
  flow.py answer ADDRESS PORT SIZE      what became of an answer of that size that may not be
                                        fragmented: it came, or which MTU the server was told of
"""

import hashlib
import json
import random
import selectors
import socket
import struct
import sys
import time

# Of linux/in.h and linux/in6.h.
IP_MTU_DISCOVER, IP_MTU, IP_PMTUDISC_DO = 10, 14, 2
IPV6_MTU_DISCOVER, IPV6_MTU = 23, 24
BLOCK = 1 << 16
ECHO, ANSWER = b"E", b"A"
WINDOW = 16  # datagrams under way at once
PATIENCE_S = 2


def content(number, size):
    """Datagrams that all differ, and tell when they are not what was sent."""
    head = ECHO + number.to_bytes(4, "big")
    return (head + random.Random(number).randbytes(max(0, size - len(head))))[:max(size, len(head))]


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def forbid_fragments(sock):
    level, option = ((socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER) if sock.family == socket.AF_INET6
                     else (socket.IPPROTO_IP, IP_MTU_DISCOVER))
    sock.setsockopt(level, option, IP_PMTUDISC_DO)


# The server.

def answer_unfragmented(port, source, size):
    """From a socket of its own, which learns what the path says about the size."""
    is_v4 = source[0].startswith("::ffff:")
    family = socket.AF_INET if is_v4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0" if is_v4 else "::", port))
        sock.connect((source[0].removeprefix("::ffff:"), source[1]))
        forbid_fragments(sock)
        try:
            sock.send(bytes(size))
            time.sleep(0.3)  # for the path's complaint: there is no other sign that none comes
            sock.send(bytes(size))
        except OSError:
            pass  # too long: that is the complaint
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # or the next send has it again
        level, option = ((socket.IPPROTO_IP, IP_MTU) if is_v4
                         else (socket.IPPROTO_IPV6, IPV6_MTU))
        sock.send(b"mtu" + struct.pack("!I", sock.getsockopt(level, option)))


def serve_udp(sock):
    data, source = sock.recvfrom(65536)
    if data[:1] == ANSWER:
        answer_unfragmented(sock.getsockname()[1], source, int.from_bytes(data[1:3], "big"))
    else:
        sock.sendto(data, source)


def serve_tcp(listener):
    """Slow clients do not exist here: one after the other."""
    connection, _ = listener.accept()
    digest = hashlib.sha256()
    with connection:
        while block := connection.recv(BLOCK):
            digest.update(block)
        connection.sendall(digest.digest())


def serve(port):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp, \
            socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as tcp, \
            selectors.DefaultSelector() as selector:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.bind(("::", port))
        selector.register(udp, selectors.EVENT_READ, serve_udp)
        selector.register(tcp, selectors.EVENT_READ, serve_tcp)
        selector.register(sys.stdin, selectors.EVENT_READ, None)
        print("ready", flush=True)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    return
                key.data(key.fileobj)


# The clients.

class Echoes:
    """Sends datagrams, few at a time, and judges what comes back."""

    def __init__(self, sock, sizes):
        self._sock = sock
        self._sizes = sizes
        self._waiting = {}
        self.counts = {"sent": 0, "echoed": 0, "lost": 0, "wrong": 0, "repeated": 0}

    def _take(self, timeout):
        self._sock.settimeout(timeout)
        try:
            data = self._sock.recv(65536)
        except TimeoutError:
            self.counts["lost"] += len(self._waiting)
            self._waiting.clear()
            return
        number = int.from_bytes(data[1:5], "big")
        if number >= self.counts["sent"] or data != content(number, self._sizes[number]):
            self.counts["wrong"] += 1
        elif self._waiting.pop(number, None) is None:
            self.counts["repeated"] += 1
        else:
            self.counts["echoed"] += 1

    def run(self):
        for number, size in enumerate(self._sizes):
            while len(self._waiting) >= WINDOW:
                self._take(PATIENCE_S)
            self._sock.send(content(number, size))
            self._waiting[number] = True
            self.counts["sent"] += 1
        while self._waiting:
            self._take(PATIENCE_S)
        return self.counts


def udp(address, port, sizes):
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as sock:
        sock.connect((address, port))
        return Echoes(sock, sizes).run()


def upload(address, port, size):
    digest = hashlib.sha256()
    noise = random.Random(size)
    with socket.create_connection((address, port), timeout=60) as sock:
        for start in range(0, size, BLOCK):
            block = noise.randbytes(min(BLOCK, size - start))
            digest.update(block)
            sock.sendall(block)
        sock.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: sock.recv(64), b""))
    return {"is_right": said == digest.digest()}


def answer(address, port, size):
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as sock:
        sock.connect((address, port))
        sock.settimeout(10)
        sock.send(ANSWER + size.to_bytes(2, "big"))
        came = False
        while True:
            data = sock.recv(65536)
            if data.startswith(b"mtu"):
                return {"came": came, "mtu": int.from_bytes(data[3:7], "big")}
            came = came or data == bytes(size)


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "serve":
        serve(int(words[0]))
    elif verb == "udp":
        print(json.dumps(udp(words[0], int(words[1]), list(map(int, words[2:])))))
    elif verb == "upload":
        print(json.dumps(upload(words[0], int(words[1]), int(words[2]))))
    else:
        print(json.dumps(answer(words[0], int(words[1]), int(words[2]))))
