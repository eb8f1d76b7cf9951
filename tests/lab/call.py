# SPDX-License-Identifier: GPL-3.0-or-later
"""
What somebody notices who is on the phone during a download; runs on hosts.

  call.py serve PORT                    until its input ends
  call.py talk ADDRESS PORT SECONDS     a paced download over one TCP connection (2 MB/s, in 50 steps
                                        a second) and a call over UDP (50 small packets a second,
                                        echoed), both at once: a report of what each of them met
"""

import hashlib
import json
import random
import selectors
import socket
import sys
import threading
import time

STEP_S = 0.02
BLOCK = 40_000
PACKET = 160
PATIENCE_S = 3
LOST_S = 900  # of silence: the connection is lost
GAP_S = 0.06  # shorter ones are not worth telling
AFTER_S = 5   # of the time after the longest gap: when each packet was sent and came back


def paced(seconds):
    """The number of each step, at its time."""
    start = time.monotonic()
    for number in range(round(seconds / STEP_S)):
        time.sleep(max(0, start + number * STEP_S - time.monotonic()))
        yield number


# The server.

def pour(connection):
    """What a download gets, and then the checksum of it."""
    digest = hashlib.sha256()
    with connection:
        try:
            noise = random.Random(1)
            for _ in paced(int(connection.recv(16))):
                block = noise.randbytes(BLOCK)
                digest.update(block)
                connection.sendall(block)
            connection.sendall(digest.digest())
        except OSError:
            pass  # the other end tells


def serve(port):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp, \
            socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as tcp, \
            selectors.DefaultSelector() as selector:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.bind(("::", port))
        for ready in udp, tcp, sys.stdin:
            selector.register(ready, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in selector.select():
                if key.fileobj is udp:
                    udp.sendto(*udp.recvfrom(2048))
                elif key.fileobj is tcp:
                    threading.Thread(target=pour, args=tcp.accept()[:1], daemon=True).start()
                else:
                    return


# The client.

class Gaps:
    """Times in which nothing came, from the wall clock's point of view."""

    def __init__(self):
        self._last = time.time()
        self.list = []

    def note(self):
        now = time.time()
        if now - self._last > GAP_S:
            self.list.append({"began": self._last, "s": round(now - self._last, 3)})
        self._last = now


def download(address, port, seconds, report):
    gaps, digest, data = Gaps(), hashlib.sha256(), b""
    left = round(seconds / STEP_S) * BLOCK
    try:
        with socket.create_connection((address, port), timeout=30) as sock:
            sock.settimeout(LOST_S)
            sock.sendall(str(seconds).encode())
            while left > 0:
                data = sock.recv(min(left, 1 << 16))
                if not data:
                    raise EOFError("the connection ended early")
                gaps.note()
                digest.update(data)
                left -= len(data)
            said = b"".join(iter(lambda: sock.recv(64), b""))
            report["is_right"] = said == digest.digest()
    except (OSError, EOFError) as error:
        report["error"] = repr(error)
    report["gaps"] = gaps.list


def hear(sock, heard, gaps, is_said):
    """Until everything is said and nothing came for a while; when each came."""
    while True:
        try:
            number = int.from_bytes(sock.recv(2048)[:4], "big")
            heard.setdefault(number, time.time())
            gaps.note()
        except TimeoutError:
            if is_said.is_set():
                return
        except OSError:
            pass  # an ICMP error: what came back instead of an answer


def call(address, port, seconds, report):
    heard, gaps, sent, is_said, began = {}, Gaps(), 0, threading.Event(), time.time()
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                       socket.SOCK_DGRAM) as sock:
        sock.connect((address, port))
        sock.settimeout(PATIENCE_S)
        listener = threading.Thread(target=hear, args=(sock, heard, gaps, is_said))
        listener.start()
        for number in paced(seconds):
            try:
                sock.send(number.to_bytes(4, "big") + bytes(PACKET - 4))
            except OSError:
                pass  # no way out at the moment: lost
            sent += 1
        is_said.set()
        listener.join()
    lost = sorted(set(range(sent)) - set(heard))
    longest = max(gaps.list, key=lambda gap: gap["s"], default={"began": began, "s": 0})
    back = longest["began"] + longest["s"]
    report.update({"sent": sent, "lost": len(lost), "gaps": gaps.list,
                   "lost_at": [round(began + number * STEP_S, 3) for number in lost],
                   "after_gap": [[round(began + number * STEP_S, 3), round(at, 3)]
                                 for number, at in heard.items() if 0 <= at - back < AFTER_S]})


def talk(address, port, seconds):
    report = {"tcp": {}, "udp": {}}
    other = threading.Thread(target=call, args=(address, port, seconds, report["udp"]))
    other.start()
    download(address, port, seconds, report["tcp"])
    other.join()
    return report


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        print(json.dumps(talk(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
