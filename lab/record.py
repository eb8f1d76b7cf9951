# SPDX-License-Identifier: GPL-3.0-or-later
"""
Writes what passes a network device into a pcap file: `python3 record.py DEVICE FILE`, until
SIGINT or SIGTERM.  (tcpdump insists on changing its user, which the only user of an unprivileged
namespace cannot.)  Says "recording" when no packet can be missed any more, and its counts at the
end.  Packets come through a ring shared with the kernel: no system call for each.
"""

import mmap
import select
import signal
import socket
import struct
import sys

_ETH_P_ALL = 3
_SOL_PACKET = 263
_PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION = 5, 6, 10
_TPACKET_V2 = 1
_BLOCK_BYTES, _BLOCKS = 1 << 20, 16
_FRAME_BYTES = 2048
_FRAMES = _BLOCK_BYTES * _BLOCKS // _FRAME_BYTES
_OF_USER = 1  # the frame is ours to read
# struct tpacket2_hdr: status, length on the wire, length here, offset of it, (net), s, ns
_FRAME_HEADER = struct.Struct("=IIIHHII")
_PCAP_HEADER = struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)


class Recorder:
    def __init__(self, device, file):
        self._file = file
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V2)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING,
                                struct.pack("IIII", _BLOCK_BYTES, _BLOCKS, _FRAME_BYTES, _FRAMES))
        self._ring = mmap.mmap(self._socket.fileno(), _BLOCK_BYTES * _BLOCKS)
        self._next = 0
        self._packets = 0
        self._socket.bind((device, _ETH_P_ALL))
        file.write(_PCAP_HEADER)
        file.flush()

    def read_ready(self):
        """Takes all packets that are in the ring."""
        while True:
            start = self._next * _FRAME_BYTES
            status, wire_len, here_len, at, _, s, ns = _FRAME_HEADER.unpack_from(self._ring, start)
            if not status & _OF_USER:
                self._file.flush()
                return
            self._file.write(struct.pack("=IIII", s, ns, here_len, wire_len))
            self._file.write(self._ring[start + at:start + at + here_len])
            struct.pack_into("=I", self._ring, start, 0)
            self._next = (self._next + 1) % _FRAMES
            self._packets += 1

    def run(self, stop):
        """Until the stop socket has something to read."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(stop, select.POLLIN)
        is_ended = False
        while not is_ended:
            is_ended = stop.fileno() in dict(poll.poll())
            self.read_ready()

    def summary(self):
        _, drops = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        return f"{self._packets} packets, {drops} missed"


def main():
    device, path = sys.argv[1:]
    stop, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        with open(path, "wb") as file:
            recorder = Recorder(device, file)
            print("recording", flush=True)
            recorder.run(stop)
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")
    print(recorder.summary())


if __name__ == "__main__":
    main()
