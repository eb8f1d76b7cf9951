# SPDX-License-Identifier: GPL-3.0-or-later
"""Datagrams of all lengths with nothing, or almost something, in them; runs on hosts.

  junk.py ADDRESS PORT SEED    how many were sent
"""

import random
import socket
import sys
import time

LENGTH_MAX = 2000
FIRST_BYTES = (1, 2, 3, 4)  # of the messages there are
REST = 50                   # datagrams between pauses: receivers' buffers are not without end


def datagrams(rng):
    for length in range(LENGTH_MAX + 1):
        yield rng.randbytes(length)
    for length in (1, 31, 32, 64, 65, 148, 1431, 1432, 1433):
        for first in FIRST_BYTES:
            for reserved in (bytes(3), rng.randbytes(3)):
                yield (bytes([first]) + reserved + rng.randbytes(length))[:length]
                yield (bytes([first]) + reserved + bytes(length))[:length]


def main():
    address, port, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    count = 0
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                       socket.SOCK_DGRAM) as sock:
        for data in datagrams(random.Random(seed)):
            sock.sendto(data, (address, port))
            count += 1
            if count % REST == 0:
                time.sleep(0.005)
    print(count)


main()
