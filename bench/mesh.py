# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh that is measured: a lab of its own, the client's ways to the origin, and CPU times."""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))

# pylint: disable=wrong-import-position
import control
import process
import space
import topology
from errors import LabError
from node import Node, write_locations
from runtime import Runtime, build_folders, program

LAB = [sys.executable, "-S", str(HERE.parent / "lab" / "lab")]
TOPOLOGY = str(HERE / "mesh.toml")
UDP_PORT = 7000
RELAYS = ["relay-1", "relay-2", "relay-3"]
ROUTES = {1: ["entry"], 2: ["entry", "exit"], 3: ["entry", "relay", "exit"],
          5: ["entry", "relay", "relay", "relay", "exit"]}


def bench_program(name):
    return str(build_folders()[0] / "bench" / name)


class Mesh:
    """A context: a lab's network is up in it, with daemons whose limits do not matter."""

    def __init__(self):
        self.name = f"bench-{os.getpid()}"
        self.runtime = Runtime.named(self.name)
        self._topology = topology.load(TOPOLOGY, is_flat=True)
        self._children = []
        self._nodes = {}
        self.state = None

    def __enter__(self):
        subprocess.run([*LAB, "--name", self.name, "up", "--topology", TOPOLOGY, "--flat", "--bare"],
                       check=True, stdout=subprocess.DEVNULL)
        try:
            self.state = self.runtime.read_state()
            self._start_daemons()
            self.serve_udp(self.address("origin"))
            self.spawn("origin", ["iperf3", "-s"])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        process.stop(self._children, 2)
        subprocess.run([*LAB, "--name", self.name, "down"], check=False)

    def _start_daemons(self):
        hosts = [host for host in self._topology.hosts.values() if host.runs_daemon]
        self._nodes = {host.name: Node(host, self.runtime.host_folder(host.name)) for host in hosts}
        seeds = {name: node.init() for name, node in self._nodes.items() if node.host.is_node}
        locations = write_locations(self._topology, self.runtime.path / "location.db")
        for name, node in self._nodes.items():
            node.write_config([seeds["entry"]], [self.address("origin")], locations,
                              self._topology.config)
            with open(self.runtime.log(f"{name}.macrod"), "ab") as log:
                self.spawn(name, node.command(), stdout=log, stderr=log)
        for name, node in self._nodes.items():
            process.wait_until(node.is_answering, 30, f"macrod on {name} does not answer")

    def ask(self, command, **arguments):
        return control.ask(self.runtime.control_socket, command, **arguments)

    def address(self, host):
        return self.state["hosts"][host]["v4"]

    def command(self, host, argv):
        pid = self.state["hosts"][host]["pid"]
        return space.enter_command(pid, self.state["unprivileged"], argv)

    def _environment(self, host):
        environment = {**os.environ, process.TOKEN: self.runtime.token}
        node = self._nodes.get(host)
        if node:
            environment |= {"MACRO_CONFIG": str(node.config_path), "MACRO_SOCKET": str(node.socket_path)}
        return environment

    def run(self, host, argv, timeout_s=30):
        """The output of a short program; whatever goes wrong is a LabError."""
        try:
            done = subprocess.run(self.command(host, argv), text=True, capture_output=True,
                                  timeout=timeout_s, check=False, env=self._environment(host))
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{' '.join(argv)}: no end after {timeout_s} s") from error
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).strip()[-300:]
            raise LabError(f"{' '.join(argv)}: {reason or f'exit status {done.returncode}'}")
        return done.stdout

    def spawn(self, host, argv, **options):
        child = process.spawn(self.command(host, argv), self.runtime.token, **options)
        self._children.append(child)
        return child

    def serve_udp(self, address):
        """On one of the origin's addresses: what comes there is answered from there."""
        self.spawn("origin", [bench_program("bench-udp"), "serve", address, str(UDP_PORT)])

    # The client's ways.

    def disconnect(self):
        self.run("client", [program("macro"), "disconnect"])

    def connect(self, hops):
        where = "entry" if hops == 1 else "exit"
        self.run("client", [program("macro"), "connect", "--wait", "--hops", str(hops), "--exit", where],
                 timeout_s=70)
        shown = self.run("client", [program("macro"), "route", "show", "--json"])
        names = [hop["name"] for hop in json.loads(shown)["route"]["hops"]]
        if [name.partition("-")[0] for name in names] != ROUTES[hops]:
            raise LabError(f"connected with {hops} hops over {' '.join(names)}")
        return names

    def limit(self, words):
        """Every host's way out; [] takes the limit back."""
        for host in self.state["hosts"]:
            self.ask("wan", source=host, destination=None, words=words or ["rate=0"], is_both=False,
                     is_clear=False)

    def distance(self, words):
        """The client's links to and from all others, through the emulator."""
        self.ask("wan", source="client", destination=None, words=words, is_both=True, is_clear=not words)

    # What a host's daemon and its processes have done.

    def cells(self, host):
        """How many its daemon has forwarded for others."""
        counters = self._nodes[host].get("/v1/counters")
        if counters is None:
            raise LabError(f"macrod on {host} does not answer")
        return counters["totals"]["forward_cells"] + counters["totals"]["backward_cells"]

    def pids(self, host, name):
        network = os.stat(f"/proc/{self.state['hosts'][host]['pid']}/ns/net").st_ino
        return [pid for pid in process.marked(self.runtime.token)
                if _is_named(pid, name) and _network(pid) == network]

    @staticmethod
    def cpu_ns(pid):
        """Of all threads, to the nanosecond: /proc/PID/stat counts in hundredths of a second."""
        total = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
            except FileNotFoundError:
                pass  # the thread has just ended
        return total


def _is_named(pid, name):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            return file.read().strip() == name[:15]
    except OSError:
        return False


def _network(pid):
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return None
