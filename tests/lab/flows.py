# SPDX-License-Identifier: GPL-3.0-or-later
"""
Many flows of one program, told apart; runs on a host, with call.py's server at the other end.

  flows.py ADDRESS PORT COUNT     takes orders from its input, one on each line, and answers each:
                                  one N PACKETS: on flow N; all PACKETS: on all of them at once
"""

import json
import socket
import sys
import time

SIZE = 700  # bytes: too long to be taken for a call
GAP_S = 0.005
PATIENCE_S = 2


class Flow:
    def __init__(self, address, port):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect((address, port))
        self._socket.setblocking(False)
        self._next = 0

    def send(self):
        self._socket.send(self._next.to_bytes(4, "big") + bytes(SIZE - 4))
        self._next += 1

    def take(self, heard):
        try:
            while True:
                heard.append(int.from_bytes(self._socket.recv(2048)[:4], "big"))
        except BlockingIOError:
            pass


def run(flows, packets):
    """How many came back of each flow, and how many of them behind a later one."""
    heard = [[] for _ in flows]
    for _ in range(packets):
        for flow, its in zip(flows, heard):
            flow.send()
            flow.take(its)
        time.sleep(GAP_S)
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and any(len(its) < packets for its in heard):
        for flow, its in zip(flows, heard):
            flow.take(its)
        time.sleep(GAP_S)
    return {"echoed": [len(its) for its in heard],
            "late": sum(a > b for its in heard for a, b in zip(its, its[1:]))}


def main():
    flows = [Flow(sys.argv[1], int(sys.argv[2])) for _ in range(int(sys.argv[3]))]
    print("ready", flush=True)
    for line in sys.stdin:
        verb, *numbers = line.split()
        chosen = flows if verb == "all" else [flows[int(numbers.pop(0))]]
        print(json.dumps(run(chosen, int(numbers[0]))), flush=True)


main()
