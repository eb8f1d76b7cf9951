#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs start, end without a trace, live side by side, and contain what happens in them."""

import os
import re
import signal
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

import tap
from labs import (LAB, Lab, Receiver, nobody_can_run_labs, run, run_as_nobody, send,
                  wait_until)

import process

HOSTS = """
[hosts]
a = { country = "de" }
b = { country = "nl" }
web = { country = "de", roles = ["origin"] }
"""
UDP_SEND_SEGMENTED = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_UDP, 103, 1000)  # UDP_SEGMENT
sock.sendto(bytes(20000), ("5.2.0.2", 9))
"""


def network_namespaces(pids):
    found = set()
    for pid in pids:
        try:
            found.add(os.readlink(f"/proc/{pid}/ns/net"))
        except OSError:
            pass  # has ended, or is not ours
    return found


def machine():
    """What a lab must not change outside of itself."""
    return [run(argv).stdout for argv in (
        ["ip", "-o", "link"], ["ip", "rule"], ["ip", "route", "show", "table", "all"],
        ["cat", "/proc/self/mounts", "/etc/resolv.conf", "/proc/sys/net/ipv4/ip_forward"])]


def read_udp_lengths(path):
    """The UDP payload lengths in an Ethernet pcap file of IPv4 packets."""
    data = path.read_bytes()
    lengths, at = [], 24
    while at < len(data):
        (length,) = struct.unpack_from("=I", data, at + 8)
        packet = data[at + 16:at + 16 + length]
        if packet[12:14] == b"\x08\x00" and packet[23] == 17:
            lengths.append(int.from_bytes(packet[38:40], "big") - 8)
        at += 16 + length
    return lengths


class TraceTest(unittest.TestCase):
    """Each test ends its lab in another way."""

    def setUp(self):
        self.lab = Lab(HOSTS)
        self.addCleanup(self.lab.call, "down")
        self.before = machine()

    def assert_gone(self):
        wait_until(lambda: not process.marked(self.lab.runtime.token), 10, "processes to end")
        self.assertFalse(self.lab.runtime.path.exists())
        self.assertEqual(machine(), self.before)

    def test_down(self):
        with self.lab:
            namespaces = network_namespaces(process.marked(self.lab.runtime.token))
            self.assertEqual(len(namespaces), 4)  # the core is one
            sleeper = self.lab.spawn("a", "sleep", "1000")
            comm = Path(f"/proc/{sleeper.pid}/comm")
            wait_until(lambda: comm.read_text() == "sleep\n", 10, "the host's program to run")
        self.assert_gone()
        self.assertEqual(sleeper.wait(), -signal.SIGKILL)
        everyone = [entry for entry in os.listdir("/proc") if entry.isdigit()]
        self.assertEqual(namespaces & network_namespaces(everyone), set())

    def test_killed_supervisor(self):
        self.lab.__enter__()
        os.kill(self.lab.runtime.read_state()["pid"], signal.SIGKILL)
        wait_until(lambda: not process.marked(self.lab.runtime.token), 10, "processes to end")
        self.assertTrue(self.lab.runtime.path.exists())
        self.assertIn("not up", self.lab.call("hosts").stderr)
        with self.lab:  # a new one sweeps what the old one left
            self.assertEqual(len(self.lab.hosts()), 3)
        self.assert_gone()

    def test_terminated_supervisor(self):
        self.lab.__enter__()
        os.kill(self.lab.runtime.read_state()["pid"], signal.SIGTERM)
        wait_until(lambda: not self.lab.runtime.path.exists(), 20, "the folder to go")
        self.assert_gone()

    def interrupt(self, flags, line):
        """Ctrl-C once `lab/lab up` has printed a line that begins so."""
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(HOSTS)
            file.flush()
            with subprocess.Popen([*LAB, "--name", self.lab.name, "up", "--topology", file.name,
                                   *flags], stdout=subprocess.PIPE, text=True,
                                  start_new_session=True) as child:
                for said in child.stdout:
                    if said.strip().startswith(line):
                        os.killpg(child.pid, signal.SIGINT)
                        break
                child.communicate(timeout=30)
        return child.returncode

    def test_interrupted_start(self):
        self.assertEqual(self.interrupt([], "network"), 130)
        self.assert_gone()

    def test_interrupted_in_the_foreground(self):
        self.assertEqual(self.interrupt(["--foreground"], "ready"), 130)
        self.assert_gone()

    def test_failed_start(self):
        with tempfile.TemporaryDirectory() as empty:
            done = run([*LAB, "--name", self.lab.name, "up"],
                       env={**os.environ, "MACRO_BUILD": empty})
        self.assertEqual(done.returncode, 1)
        self.assertIn("lab-wan does not exist: run make", done.stdout)
        self.assert_gone()


class LabTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(HOSTS, "--flat")
        cls.addClassCleanup(cls.lab.__exit__)
        cls.lab.__enter__()

    def test_hosts_reach_each_other(self):
        for host, address in (("a", "5.2.0.2"), ("a", "2a00:2::2"), ("b", "5.3.0.2"),
                              ("web", "2a00:1::2")):
            self.lab.exec(host, "ping", "-q", "-c", "1", "-W", "5", address)

    def test_hosts_are_cut_off_from_the_machine(self):
        self.assertNotEqual(self.lab.call("exec", "core", "ip", "route", "get",
                                          "192.0.2.1").returncode, 0)
        self.assertEqual(self.lab.exec("a", "ip", "-br", "link").count("\n"), 2)  # lo and eth0

    def test_origin(self):
        web = self.lab.hosts()["web"]
        for url, expected in ((f"http://{web['v4']}/ip", "5.1.0.2\n"),
                              (f"http://[{web['v6']}]/ip", "2a00:1::2\n")):
            self.assertEqual(self.lab.exec("a", "curl", "-sf", url), expected)
        for size in ("0", "1", "65535", "65537", "3m"):
            out = self.lab.exec("a", "sh", "-c", f"curl -sf http://www.test/{size} | sha256sum")
            self.assertEqual(out.split()[0],
                             self.lab.exec("a", "curl", "-sf",
                                           f"http://www.test/sha256/{size}").strip())
        self.assertEqual(self.lab.exec("a", "sh", "-c", "curl -sf http://www.test/3m | wc -c"),
                         f"{3 << 20}\n")
        for path in ("x", "1t", "sha256", "99999999999999"):
            out = self.lab.exec("a", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                f"http://www.test/{path}")
            self.assertEqual(out, "404")

    def test_names(self):
        for name, kind, expected in (("web.test", "A", "5.3.0.2\n"),
                                     ("web.test", "AAAA", "2a00:3::2\n"),
                                     ("v4.test", "A", "5.3.0.2\n"), ("v4.test", "AAAA", ""),
                                     ("v6.test", "A", ""), ("v6.test", "AAAA", "2a00:3::2\n")):
            self.assertEqual(self.lab.exec("a", "dig", "+short", name, kind), expected)

    def test_etc_is_the_hosts_own(self):
        before = Path("/etc/resolv.conf").read_bytes()
        self.lab.exec("a", "sh", "-c",
                      "echo nameserver 5.9.9.9 >/etc/new && mv /etc/new /etc/resolv.conf")
        self.assertEqual(self.lab.exec("a", "cat", "/etc/resolv.conf"), "nameserver 5.9.9.9\n")
        self.assertEqual(self.lab.exec("b", "cat", "/etc/resolv.conf"),
                         "nameserver 5.3.0.2\nnameserver 2a00:3::2\n")
        self.assertEqual(Path("/etc/resolv.conf").read_bytes(), before)
        self.lab.exec("a", "sh", "-c", "printf 'nameserver 5.3.0.2\nnameserver 2a00:3::2\n' "
                                       ">/etc/resolv.conf")

    def test_exec_keeps_folder_and_status(self):
        self.assertEqual(self.lab.exec("a", "pwd").strip(), os.getcwd())
        self.assertEqual(self.lab.call("exec", "a", "sh", "-c", "exit 7").returncode, 7)

    def test_unknown_host(self):
        for words in (("exec", "nobody", "true"), ("kill", "nobody"), ("wan", "nobody", "loss=1%"),
                      ("capture", "nobody", "/dev/null")):
            done = self.lab.call(*words)
            self.assertEqual(done.returncode, 1)
            self.assertIn("no host 'nobody'", done.stderr)

    def test_host_without_programs(self):
        self.assertIn("runs no program", self.lab.call("kill", "a").stderr)

    def is_answering(self):
        return self.lab.call("exec", "a", "curl", "-sf", "-m", "1",
                             "http://5.3.0.2/ip").returncode == 0

    def test_kill_and_restart(self):
        self.lab.do("kill", "web")
        self.assertEqual(set(self.lab.hosts()["web"]["services"].values()), {"ended by SIGKILL"})
        self.assertFalse(self.is_answering())
        self.assertIn("is not running", self.lab.call("kill", "web", "term").stderr)
        self.lab.do("restart", "web")
        self.assertEqual(set(self.lab.hosts()["web"]["services"].values()), {"running"})
        self.assertTrue(self.is_answering())

    def test_pause_and_resume(self):
        self.lab.do("pause", "web")
        self.assertFalse(self.is_answering())
        self.assertIn("http paused", self.lab.do("hosts"))
        self.lab.do("resume", "web")
        self.assertTrue(self.is_answering())

    def test_restart_of_a_paused_host(self):
        self.lab.do("pause", "web")
        self.lab.do("restart", "web")
        self.assertTrue(self.is_answering())

    def test_logs(self):
        self.lab.exec("b", "curl", "-sf", "http://5.3.0.2/sha256/1")
        self.assertIn('5.2.0.2 - - [', self.lab.do("logs", "web"))
        self.assertIn("no logs of 'a'", self.lab.call("logs", "a").stderr)

    def test_capture_sees_single_packets(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = {host: Path(folder) / f"{host}.pcap" for host in ("a", "b")}
            for host, path in paths.items():
                self.lab.do("capture", host, str(path))
            self.assertIn("already runs", self.lab.call("capture", "a", "/dev/null").stderr)
            with Receiver(self.lab, "b", 9) as receiver:
                self.lab.exec("a", "python3", "-c", UDP_SEND_SEGMENTED)
                wait_until(lambda: len(read_udp_lengths(paths["b"])) == 20, 10, "the packets")
            self.assertEqual(len(receiver.received), 20)
            summary = self.lab.do("capture", "--stop")
            self.assertEqual(len(re.findall(r"^[ab]: \d+ packets, 0 missed$", summary, re.M)), 2)
            for path in paths.values():
                self.assertEqual(read_udp_lengths(path), [1000] * 20)
        self.assertIn("no capture runs", self.lab.call("capture", "--stop", "a").stderr)

    def test_capture_into_an_impossible_file(self):
        self.assertIn("No such file", self.lab.call("capture", "a", "/nowhere/a.pcap").stderr)
        self.assertIn("no capture runs", self.lab.call("capture", "--stop", "a").stderr)

    def test_second_lab_of_the_same_name(self):
        self.assertIn("already up", self.lab.call("up").stderr)

    def test_two_labs_at_once(self):
        with Lab(HOSTS, "--bare") as other:
            with Receiver(self.lab, "b") as here, Receiver(other, "b") as there:
                send(other, "a", "5.2.0.2", 3)
                other.wait_delivered("a", "b")
            self.assertEqual((len(here.received), len(there.received)), (0, 3))
        self.assertTrue(self.is_answering())


class TopologyTest(unittest.TestCase):
    def refuse(self, text, message):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(text)
            file.flush()
            done = Lab().call("up", "--topology", file.name)
        self.assertEqual(done.returncode, 1)
        self.assertIn(message, done.stderr)

    def test_mistakes_are_named(self):
        self.refuse("hosts", "Expected '='")
        self.refuse("[hosts]", "one line for each")
        self.refuse("[host]\na = {}", "unknown table host")
        self.refuse("[hosts]\ncore = {}", "host core: a name is")
        self.refuse('[hosts]\na-name-too-long-1 = {}', "a name is up to 15")
        self.refuse('[hosts]\na = { town = "x" }', "host a: unknown key town")
        self.refuse('[hosts]\na = { roles = ["king"] }', "host a: roles are")
        self.refuse('[hosts]\na = { country = "xx" }', "no place known for country 'xx'")
        self.refuse('[hosts]\na = {}\n[[link]]\nfrom = "z"', "link from 'z': no such host")
        self.refuse('[hosts]\na = {}\n[[link]]\ndelay = "soon"', "delay=soon: a number")

    def test_missing_file(self):
        self.assertIn("No such file", Lab().call("up", "--topology", "/nowhere").stderr)

    def test_links_and_scale(self):
        text = HOSTS + '[[link]]\nfrom = "a"\nto = "b"\ndelay = "7ms"\nloss = "2%"\n'
        with Lab(text, "--bare", "--scale", "0.5") as lab:
            links = {(link["from"], link["to"]): link["settings"] for link in lab.ask("links")}
        self.assertEqual(links["a", "b"], "delay=7ms loss=2%")
        self.assertEqual(links["b", "a"], links["b", "web"])
        self.assertEqual(links["a", "web"], "delay=500us")  # the last mile alone


class UnprivilegedTest(unittest.TestCase):
    @unittest.skipUnless(os.getuid() == 0, "all other tests have shown it already")
    def test_all_of_this_as_nobody(self):
        if not nobody_can_run_labs():
            self.skipTest("nobody may not make namespaces, or not read this folder")
        done = run_as_nobody(["python3", __file__, "LabTest", "TraceTest"], 400)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(done.stdout.count("\nok "), 20)


tap.main()
