# SPDX-License-Identifier: GPL-3.0-or-later
"""
The process that a running lab consists of: it builds everything, then takes commands until it is
told to end.  All that it started is its child and ends with it, whatever ends it.
"""

import os
import selectors
import signal
import sys
from pathlib import Path

import process
import settings
from capture import Capture
from control import Door
from errors import LabError
from network import Network
from node import Node, write_locations
from registry import Registry
from runtime import program
from service import Service, is_listening
from space import Space
from wan import Wan

_HERE = Path(__file__).resolve().parent
_ACQUAINTED_S = 60


class Supervisor:
    def __init__(self, runtime, topology, is_bare, is_unprivileged):
        self._runtime = runtime
        self._topology = topology
        self._is_bare = is_bare
        self._is_unprivileged = is_unprivileged
        self._spaces = {}
        self._services = {name: [] for name in topology.hosts}
        self._nodes = {}
        self._captures = {}
        self._rates = {}
        self._network = self._wan = self._door = None
        self._is_ended = False

    # Starting.

    def start(self, report):
        """report(step, text) is called for each thing done."""
        self._start_network()
        distances = f"{len(self._wan.links)} emulated links" if self._wan.links else "no distances"
        report("network", f"{len(self._spaces)} hosts, {distances}")
        if not self._is_bare:
            self._start_origins()
            for host in self._topology.with_role("origin"):
                report("origin", f"{host.name}: HTTP, DNS and iperf3 on {host.v4} and {host.v6}")
            self._start_nodes()
            if self._nodes:
                report("daemons", f"{len(self._nodes)} ready: " + ", ".join(self._nodes))
                report("mesh", self._wait_acquainted())
        self._door = Door(self._runtime.control_socket)
        self._write_state()

    def _start_network(self):
        hosts = self._topology.hosts
        resolv_conf = "".join(f"nameserver {ip}\n" for ip in self._resolvers())
        for name in hosts:
            self._spaces[name] = Space(self._runtime.token, self._runtime.host_folder(name),
                                       resolv_conf)
        for space in self._spaces.values():
            space.wait_ready()
        self._network = Network(hosts, self._spaces)
        self._network.build()
        self._wan = Wan(program("lab-wan"), self._topology, self._network, self._runtime.token,
                        self._runtime.log("wan"))
        self._wan.set_up()

    def _resolvers(self):
        """The DNS servers of the lab's Internet, as all hosts know them."""
        return [ip for host in self._topology.with_role("origin") for ip in (host.v4, host.v6)]

    def _add_service(self, host, name, argv, is_ready):
        service = Service(f"{host.name} {name}", self._spaces[host.name], argv,
                          self._runtime.token, self._runtime.log(f"{host.name}.{name}"), is_ready)
        self._services[host.name].append(service)
        service.start()

    def _wait_ready(self, hosts):
        for host in hosts:
            for service in self._services[host.name]:
                service.wait_ready()

    def _start_origins(self):
        origins = self._topology.with_role("origin")
        for host in origins:
            pid = self._spaces[host.name].pid
            names = [f"--host-record={name},{host.v4},{host.v6}"
                     for name in (f"{host.name}.test", "www.test")]
            dnsmasq = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                       "--no-hosts", "--user=", "--group=", "--pid-file=", "--log-facility=-",
                       *names, "--host-record=private.test,192.168.1.1,fd00::1",
                       f"--host-record=v4.test,{host.v4}",
                       f"--host-record=v6.test,{host.v6}"]
            for name, argv, protocol, port in (
                    ("http", [sys.executable, "-S", str(_HERE / "origin.py")], "tcp", 80),
                    ("dns", dnsmasq, "udp", 53),
                    ("iperf3", ["iperf3", "-s"], "tcp", 5201)):
                self._add_service(host, name, argv,
                                  lambda a=(pid, protocol, port): is_listening(*a))
        self._wait_ready(origins)

    def _start_nodes(self):
        hosts = [host for host in self._topology.hosts.values() if host.runs_daemon]
        for host in hosts:
            self._nodes[host.name] = Node(host, self._runtime.host_folder(host.name))
        seeds = {name: node.init() for name, node in self._nodes.items() if node.host.is_node}
        entries = [host.name for host in self._topology.with_role("entry")]
        locations = write_locations(self._topology, self._runtime.path / "location.db")
        registry = self._make_registry(seeds)
        for name, node in self._nodes.items():
            node.write_config([seeds[seed] for seed in node.host.seeds or entries],
                              self._resolvers(), locations,
                              self._with_registry(name, self._topology.config, registry))
            self._add_service(node.host, "macrod", node.command(), node.is_answering)
        self._wait_ready(hosts)

    def _make_registry(self, seeds):
        if self._topology.registry_keeper is None:
            return None
        registry = Registry(self._runtime.path)
        for name, seed in seeds.items():
            if name not in self._topology.later_members:
                registry.add(self._topology.hosts[name], seed)
        return registry

    def _with_registry(self, name, more, registry):
        """The configuration's sections, with what tells of the registry."""
        if registry is None:
            return more
        keys = {"registrar": registry.registrar}
        if name == self._topology.registry_keeper:
            keys["registry"] = str(registry.path)
        return {**more, "mesh": {**keys, **more.get("mesh", {})}}

    def _wait_acquainted(self):
        """Until each node knows all others; a topology may be such that this never is."""
        strangers = {name: node for name, node in self._nodes.items()
                     if node.host.is_node and name not in self._topology.later_members}
        names = set(strangers)

        def all_know():
            for name in [name for name, node in strangers.items() if node.knows(names)]:
                del strangers[name]
            return not strangers
        try:
            process.wait_until(all_know, _ACQUAINTED_S, "", 0.2)
        except LabError:
            return f"{', '.join(strangers)} did not get to know all {len(names)} nodes"
        return f"all {len(names)} nodes know each other"

    def _describe(self, host):
        node = self._nodes.get(host.name)
        return {
            "pid": self._spaces[host.name].pid, "v4": host.v4, "v6": host.v6,
            "country": host.country, "roles": host.roles, "operator": host.operator,
            "config": str(node.config_path) if node else None,
            "registry": (str(self._runtime.path / "registry.db")
                         if host.name == self._topology.registry_keeper else None),
            "socket": str(node.socket_path) if node else None,
        }

    def _write_state(self):
        self._runtime.write_state({
            "pid": os.getpid(),
            "unprivileged": self._is_unprivileged,
            "hosts": {host.name: self._describe(host) for host in self._topology.hosts.values()},
        })

    # Serving.

    def serve(self):
        """Until `down` or a signal; children that end are reaped when someone asks about them."""
        selector = selectors.DefaultSelector()
        selector.register(self._door.socket, selectors.EVENT_READ)
        while not self._is_ended:
            selector.select()
            self._door.serve(self._handle)

    def _handle(self, command, arguments):
        handlers = {
            "ping": lambda: None, "down": self._down, "hosts": self._hosts, "wan": self._change_wan,
            "links": self._show_links, "signal": self._signal, "restart": self._restart,
            "capture": self._capture, "capture_stop": self._capture_stop,
        }
        return handlers[command](**arguments)

    def _down(self):
        self._is_ended = True

    def _host(self, name):
        if name not in self._topology.hosts:
            raise LabError(f"no host {name!r}; lab/lab hosts lists them")
        return self._topology.hosts[name]

    def _hosts(self):
        return [{"name": host.name, **self._describe(host),
                 "rate": settings.text(self._rates.get(host.name, {})),
                 "services": {service.name.split()[-1]: service.state()
                              for service in self._services[host.name]}}
                for host in self._topology.hosts.values()]

    def _change_wan(self, source, destination, words, is_both, is_clear):
        """words such as delay=20ms; with no destination, source's links to all hosts."""
        host = self._host(source)
        values = settings.parse(words)
        if destination is None and (is_clear or "rate_bps" in values):
            rate_bps = values.pop("rate_bps", 0)
            self._network.limit_rate(host, rate_bps, is_both)
            self._rates[source] = {"rate_bps": rate_bps} if rate_bps else {}
        others = [self._host(destination).name] if destination else list(self._topology.hosts)
        changes = None if is_clear else values
        self._wan.change([source], others, changes)
        if is_both:
            self._wan.change(others, [source], changes)

    def _show_links(self):
        counts = self._wan.counts()
        return [{"from": a, "to": b, "settings": settings.text(self._wan.links.get((a, b), {})),
                 "counts": link_counts} for (a, b), link_counts in sorted(counts.items())]

    def _services_of(self, name):
        if not self._services[self._host(name).name]:
            raise LabError(f"host {name} runs no program of the lab's")
        return self._services[name]

    def _signal(self, host, signal_number):
        for service in self._services_of(host):
            service.send(signal_number)

    def _restart(self, host):
        for service in self._services_of(host):
            service.restart()
        self._wait_ready([self._host(host)])

    def _capture(self, host, path):
        if self._host(host).name in self._captures:
            raise LabError(f"a capture on {host} already runs: lab/lab capture --stop {host}")
        self._network.show_single_packets(self._host(host), True)
        self._captures[host] = Capture(self._spaces[host], path, self._runtime.token)

    def _capture_stop(self, host):
        if host is not None and host not in self._captures:
            raise LabError(f"no capture runs on {host}")
        result = {}
        for name in [host] if host else list(self._captures):
            result[name] = self._captures.pop(name).stop()
            self._network.show_single_packets(self._host(name), False)
        return result

    # Ending.

    def close(self):
        """Everything that start made; harmless at any point of it."""
        if self._door:
            self._door.close()
        if self._captures:
            self._capture_stop(None)
        started = [service.child for services in self._services.values() for service in services
                   if service.child]
        process.stop(started, 5)
        if self._wan:
            self._wan.close()
        for space in self._spaces.values():
            space.close()


_END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _end(signal_number, _frame):
    _ignore_signals()
    raise SystemExit(128 + signal_number)


def _ignore_signals():
    """The way out is not interrupted."""
    for number in _END_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def run(runtime, topology, is_bare, is_unprivileged, is_background):
    """The whole life of a lab, as the process that `lab/lab up` starts in the core."""
    for number in _END_SIGNALS:
        signal.signal(number, _end)
    runtime.claim()
    supervisor = Supervisor(runtime, topology, is_bare, is_unprivileged)

    def report(step, text):
        print(f"  {step:<9} {text}", flush=True)

    try:
        supervisor.start(report)
        if is_background:
            _detach(runtime.log("lab"))
        else:
            print("ready; Ctrl-C ends the lab", flush=True)
        supervisor.serve()
    finally:
        _ignore_signals()
        try:
            supervisor.close()
        finally:
            runtime.sweep()


def _detach(log_path):
    """Closes the pipe to `lab/lab up`, which tells it that the lab is ready."""
    fd = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
