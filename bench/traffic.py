# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that send: iperf3 for TCP, bench-udp for the rest."""

import json
import time
from dataclasses import dataclass

import process
from errors import LabError
from mesh import UDP_PORT, bench_program

DOWNLOAD_MAX_S = 60


@dataclass
class Flow:
    """What arrived."""

    mbit_per_s: float
    packets: float
    ends_ns: float  # CPU time of both iperf3
    again: int  # segments that were sent more than once


def _iperf_argv(address, seconds, is_down, flows):
    """CUBIC, as Linux has it by default: what a machine has set instead is not what is compared."""
    whole = max(1, round(seconds))  # iperf3 takes no fractions, and 0 is for ever
    argv = ["iperf3", "-c", address, "-t", str(whole), "-J", "-C", "cubic", "-P", str(flows)]
    return argv + (["-R"] if is_down else [])


def _run_iperf(mesh, argv, timeout_s):
    """Waits for the server's end of a test before it."""
    end_by = time.monotonic() + 10
    while True:
        try:
            return json.loads(mesh.run("client", argv, timeout_s))
        except LabError as error:
            if "busy" not in str(error) or time.monotonic() > end_by:
                raise
            time.sleep(0.2)


def tcp(mesh, address, seconds, is_down=True, flows=1):
    document = _run_iperf(mesh, _iperf_argv(address, seconds, is_down, flows), seconds * 2 + 15)
    if "sum_received" not in document["end"]:
        raise LabError(f"iperf3: {document.get('error', 'it counted nothing')}")
    received = document["end"]["sum_received"]
    used = document["end"]["cpu_utilization_percent"]
    return Flow(received["bits_per_second"] / 1e6,
                received["bytes"] / document["start"]["tcp_mss_default"],
                (used["host_total"] + used["remote_total"]) / 100 * received["seconds"] * 1e9,
                document["end"]["sum_sent"].get("retransmits", 0))


class Download:
    """A context: TCP beside something else, from its steady state until the end of the block."""

    def __init__(self, mesh, address):
        self._mesh = mesh
        self._argv = _iperf_argv(address, DOWNLOAD_MAX_S, True, 1)
        self._child = None

    def __enter__(self):
        end_by = time.monotonic() + 10
        while self._child is None:
            child = self._mesh.spawn("client", self._argv)
            time.sleep(1)  # TCP's start is not the load that is meant
            if child.poll() is None:
                self._child = child
            elif time.monotonic() > end_by:
                raise LabError("iperf3: the download does not begin")
        return self

    def __exit__(self, kind, *_):
        has_ended = self._child.poll() is not None
        process.stop([self._child], 2)
        if has_ended and kind is None:
            raise LabError("iperf3: the download ended too soon")


def _udp(mesh, *words, timeout_s):
    return [float(word) for word in
            mesh.run("client", [bench_program("bench-udp"), *map(str, words)], timeout_s).split()]


def udp_rate(mesh, address, size, seconds):
    """Packets a second, of so many bytes with their headers, and how many came out of order."""
    return _udp(mesh, "flood", address, UDP_PORT, size, seconds, timeout_s=seconds * 3 + 15)


def ping(mesh, address, count, pause_us):
    """Median and 99th percentile in microseconds, and how many were lost."""
    return _udp(mesh, "ping", address, UDP_PORT, count, pause_us, timeout_s=count + 15)
