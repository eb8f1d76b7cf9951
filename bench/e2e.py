# SPDX-License-Identifier: GPL-3.0-or-later
"""
What arrives end to end, by each of the client's ways to the origin.  Rounds interleave the ways, so
that whatever else the machine does touches all of them.
"""

import time
from dataclasses import dataclass, field

import proxy
import traffic
import wireguard
from errors import LabError
from mesh import RELAYS, Mesh

HOPS, HOPS_QUICK = (1, 2, 3, 5), (1, 3)
LIMITS, LIMITS_QUICK = (200, 500, 1000), (200, 500)
PING_PAUSE_US = 1000
LOADED_PINGS = 300  # more take longer than there is time where round trips are long


@dataclass
class Way:
    """hops: of ours; 0: none.  roles: (role, host, program) of the processes that carry packets."""

    name: str
    address: str
    hops: int = 0
    roles: list = field(default_factory=list)


class EndToEnd:
    def __init__(self, report, is_quick):
        self._report = report
        self._scale = 0.5 if is_quick else 1  # of durations and counts
        self._hops = HOPS_QUICK if is_quick else HOPS
        self._limits = LIMITS_QUICK if is_quick else LIMITS
        self._mesh = None
        self._ways = []
        self._taken = None

    def run(self, parts, end_by):
        """Each part: name and share of the time; returns when all are done, or the time is."""
        with Mesh() as self._mesh:
            self._find_ways()
            for way in self._ways:  # each works at all, and has its routes and caches
                self._report.progress(f"first packets: {way.name}")
                self._take(way)
                traffic.ping(self._mesh, way.address, 20, PING_PAUSE_US)
            shares = sum(share for _, share in parts)
            for name, share in parts:
                now = time.monotonic()
                part_end = now + (end_by - now) * share / shares
                shares -= share
                getattr(self, name)(part_end)
                self._report.print_new()

    def _find_ways(self):
        mesh = self._mesh
        origin = mesh.address("origin")
        self._ways = [Way("direct", origin)]
        self._ways += [Way(f"ours{hops}", origin, hops) for hops in self._hops]
        program = wireguard.find_program()
        if program is None:
            self._report.note("wireguard-go or wireguard-tools is not installed: no figures of them")
            return
        self._report.note(f"wireguard-go is {program}, {wireguard.version(program)}")
        addresses = wireguard.Tunnels(mesh, program).start()
        servers = {1: ["entry"], 3: ["entry", "relay-1", "exit"]}
        self._ways += [Way(f"wg{count}", address, 0,
                           [(role, host, program.rpartition("/")[2]) for role, host in
                            [("client", "client"), *(("server", s) for s in servers[count])]])
                       for count, address in addresses.items()]

    def _take(self, way):
        """Makes it the client's way; ours have their route anew."""
        if self._taken == way.name:
            return
        if way.hops == 0 and self._taken is not None and self._taken.startswith("ours"):
            self._mesh.disconnect()
        if way.hops:
            names = self._mesh.connect(way.hops)
            middle = [("relay", name, "macrod") for name in RELAYS if way.hops > 2]  # any may be taken
            entry = [("entry", names[0], "macrod")] if way.hops > 1 else []
            way.roles = [("client", "client", "macrod"), *entry, *middle, ("exit", names[-1], "macrod")]
        self._taken = way.name

    def _rounds(self, what, end_by, measure, names=None):
        """measure(way) in turn until the time is over, but one whole round at least."""
        longest, number = 0.0, 0
        ways = [way for way in self._ways if names is None or way.name in names]
        while number == 0 or (time.monotonic() + longest < end_by and number < 5):
            start = time.monotonic()
            self._report.progress(f"{what}, round {number + 1}")
            for way in ways:
                try:
                    self._take(way)
                    measure(way)
                except LabError as error:
                    self._report.note(f"{what} {way.name}: no figure: {error}")
            longest = max(longest, time.monotonic() - start)
            number += 1

    # CPU time.

    def _cpu(self, way):
        """(role, CPU time) of each process that carries the way's packets."""
        return [(role, sum(self._mesh.cpu_ns(pid) for pid in self._mesh.pids(host, program)))
                for role, host, program in way.roles]

    def _measured_tcp(self, way, seconds):
        """A download, and what a packet of the origin's TCP cost each role, the ends and all."""
        relays = [host for role, host, _ in way.roles if role == "relay"]
        cells = sum(map(self._mesh.cells, relays))
        before = self._cpu(way)
        flow = traffic.tcp(self._mesh, way.address, seconds)
        each = [("ends", flow.ends_ns)]
        each += [(role, after - start) for (role, start), (_, after) in zip(before, self._cpu(way))]
        if relays:
            self._report.add(f"cpu.{way.name}.relay_cell",
                             sum(spent for role, spent in each if role == "relay")
                             / (sum(map(self._mesh.cells, relays)) - cells), "ns/cell")
        roles = {}
        for role, spent in each:
            roles.setdefault(role, []).append(spent / flow.packets)
        roles["all"] = [sum(map(sum, roles.values()))]
        for role, costs in roles.items():
            each_of = way.hops - 2 if role == "relay" else len(costs)
            self._report.add(f"cpu.{way.name}.{role}", sum(costs) / each_of, "ns/packet")
        return flow

    # The parts.

    def tcp(self, end_by):
        """Bulk TCP on unlimited links: down, up, eight flows at once."""
        seconds = 2 * self._scale

        def measure(way):
            down = self._measured_tcp(way, seconds)
            self._report.add(f"tcp.down.{way.name}", down.mbit_per_s, "Mbit/s")
            up = traffic.tcp(self._mesh, way.address, seconds, is_down=False)
            self._report.add(f"tcp.up.{way.name}", up.mbit_per_s, "Mbit/s")
            self._report.add(f"tcp.sent_again.{way.name}", down.again + up.again, "segments")
            eight = traffic.tcp(self._mesh, way.address, seconds, flows=8)
            self._report.add(f"tcp.down8.{way.name}", eight.mbit_per_s, "Mbit/s")

        self._rounds("tcp", end_by, measure)
        report = self._report
        for direction in ("down", "up"):
            for name, above, below in (("ours3_of_wg1", "ours3", "wg1"), ("ours3_of_wg3", "ours3", "wg3"),
                                       ("ours1_of_wg1", "ours1", "wg1")):
                report.ratio(f"ratio.tcp_{direction}.{name}", f"tcp.{direction}.{above}",
                             f"tcp.{direction}.{below}")

    def udp(self, end_by):
        """The highest rates of packets of three sizes."""
        seconds = max(1, round(3 * self._scale))

        def measure(way):
            for size in (64, 200, 1200):
                rate, reordered = traffic.udp_rate(self._mesh, way.address, size, seconds)
                self._report.add(f"udp.rate_{size}.{way.name}", rate, "packets/s")
                self._report.add(f"udp.reordered_{size}.{way.name}", reordered, "packets")

        self._rounds("udp", end_by, measure)

    def latency(self, end_by):
        """Round trips of 64 bytes: idle, and beside a download that uses all there is."""

        def measure(way):
            self._ping(way, "latency.idle", round(1500 * self._scale))
            self._ping_loaded(way, "latency.loaded")

        self._rounds("latency", end_by, measure)
        for name in ("idle", "loaded"):
            self._add_added(f"latency.{name}")

    def _ping(self, way, name, count):
        middle, high, lost = traffic.ping(self._mesh, way.address, count, PING_PAUSE_US)
        self._report.add(f"{name}_p50.{way.name}", middle, "us")
        self._report.add(f"{name}_p99.{way.name}", high, "us")
        self._report.add(f"{name}_lost.{way.name}", lost, "packets")

    def _ping_loaded(self, way, name):
        with traffic.Download(self._mesh, way.address):
            self._ping(way, name, round(LOADED_PINGS * self._scale))

    def _add_added(self, name):
        for way in self._ways[1:]:
            for share in ("p50", "p99"):
                self._report.difference(f"{name}_{share}_added.{way.name}", f"{name}_{share}.{way.name}",
                                        f"{name}_{share}.direct")

    def limited(self, end_by):
        """Every cable limited: the share of direct goodput, and at 200 Mbit/s a ping beside it."""
        names = ("direct", "ours1", "ours3", "wg1", "wg3")
        rates = self._limits
        start = time.monotonic()

        def measure(way):
            flow = traffic.tcp(self._mesh, way.address, 3 * self._scale)
            self._report.add(f"limit{rate}.tcp_down.{way.name}", flow.mbit_per_s, "Mbit/s")
            if rate == rates[0]:
                self._ping_loaded(way, f"limit{rate}.ping")

        for number, rate in enumerate(rates, 1):
            part_end = start + (end_by - start) * number / len(rates)
            self._mesh.limit([f"rate={rate}mbit"])
            try:
                self._rounds(f"limit of {rate} Mbit/s", part_end, measure, names)
            finally:
                self._mesh.limit([])
            for name in names[1:]:
                reached = f"limit{rate}.tcp_down"
                self._report.ratio(f"ratio.limit{rate}.{name}_of_direct", f"{reached}.{name}",
                                   f"{reached}.direct", "%", 100)
        self._add_added(f"limit{rates[0]}.ping")

    def proxy(self, end_by):
        """A download with curl: past the mesh, through the TUN, and through `macro proxy`, 3 hops."""
        seconds = 3 * self._scale

        def measure(way):
            self._report.add(f"curl.down.{way.name}", web.download(seconds), "Mbit/s")
            if way.name == "direct":  # the proxy's own packets take no way of ours
                with proxy.Proxy(self._mesh) as through:
                    self._report.add("curl.down.proxy3", web.download(seconds, through.socks), "Mbit/s")

        with proxy.Web(self._mesh) as web:
            self._rounds("proxy", end_by, measure, ("direct", "ours3"))
        for name in ("direct", "ours3"):
            self._report.ratio(f"ratio.proxy3_of_{name}", "curl.down.proxy3", f"curl.down.{name}")

    def distance(self, end_by):
        """A round trip of 40 ms and a loss of 0.1 % each way between the client and all others."""

        def measure(way):
            flow = traffic.tcp(self._mesh, way.address, 8 * self._scale)
            self._report.add(f"distance.tcp_down.{way.name}", flow.mbit_per_s, "Mbit/s")

        self._mesh.distance(["delay=20ms", "loss=0.1%"])
        try:
            self._rounds("distance", end_by, measure, ("direct", "ours1", "ours3", "wg1", "wg3"))
        finally:
            self._mesh.distance([])
