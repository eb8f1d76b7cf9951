# SPDX-License-Identifier: GPL-3.0-or-later
"""
Numbered datagrams between hosts; runs on them.

  probe.py receive PORT                            until its input ends, then prints them as JSON
  probe.py send ADDRESS PORT COUNT SIZE PAUSE_US   from one socket
"""

import json
import select
import socket
import sys
import time


def datagram(number, size):
    """4 bytes of number and a pattern that depends on it."""
    return number.to_bytes(4, "big") + bytes((number * 7 + i) & 255 for i in range(size - 4))


def receive(port):
    received = []
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::", port))
        sock.setblocking(False)
        print("ready", flush=True)
        is_ended = False
        while not is_ended:
            is_ended = sys.stdin in select.select([sock, sys.stdin], [], [])[0]
            try:
                while True:
                    data, source = sock.recvfrom(65536)
                    received.append((time.monotonic_ns(), source[:2], data.hex()))
            except BlockingIOError:
                pass
    json.dump(received, sys.stdout)


def send(address, port, count, size, pause_us):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        for number in range(count):
            sock.sendto(datagram(number, size), (address, port))
            if pause_us:
                time.sleep(pause_us / 1e6)


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(int(sys.argv[2]))
    else:
        send(sys.argv[2], *map(int, sys.argv[3:]))
