#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator does to packets what it was told, and nothing else."""

import json
import re
import unittest

import tap
from labs import Lab, Receiver, send
from probe import datagram

HOSTS = """
[hosts]
a = { country = "de" }
b = { country = "us" }
c = { country = "de", roles = ["origin"] }
"""
V4, V6 = "5.2.0.2", "2a00:2::2"  # of b
DE_US_MS = 43.6                  # 6550 km
SIZE = 100


def setUpModule():
    global lab
    lab = Lab(HOSTS)
    unittest.addModuleCleanup(lab.__exit__)
    lab.__enter__()


def ping_ms(host, address, count=20):
    out = lab.exec(host, "ping", "-q", "-c", str(count), "-i", "0.02", address)
    low, average = re.search(r"= ([\d.]+)/([\d.]+)/", out).groups()
    return float(low), float(average)


def differing_bits(data, other):
    return sum((x ^ y).bit_count() for x, y in zip(data, other))


class WanTest(unittest.TestCase):
    def setUp(self):
        lab.do("wan", "a", "clear", "--both")

    def pass_through(self, *settings, count=400, address=V4, pause_us=200, size=SIZE):
        """Sends from a to b; what b got, and by how much the link's counts went up."""
        lab.do("wan", "a", "b", "delay=1ms", *settings)
        before = lab.counts("a", "b")
        with Receiver(lab, "b") as receiver:
            send(lab, "a", address, count, size, pause_us)
            lab.do("wan", "a", "b", "inject=0")
            lab.wait_delivered("a", "b")
        after = lab.counts("a", "b")
        return receiver.received, {name: after[name] - before[name] for name in after}

    def numbers(self, received):
        """The order in which untouched datagrams came."""
        numbers = [int.from_bytes(data[:4], "big") for _, _, data in received]
        for number, (_, _, data) in zip(numbers, received):
            self.assertEqual(data, datagram(number, len(data)))
        return numbers

    def test_distance_of_countries(self):
        for address in (V4, V6):
            low, average = ping_ms("a", address)
            self.assertGreaterEqual(low, 2 * DE_US_MS - 0.1)
            self.assertLess(low, 2 * DE_US_MS + 1)
            self.assertLess(average, 2 * DE_US_MS + 5)

    def test_delay_of_each_direction(self):
        lab.do("wan", "a", "b", "delay=20ms")
        lab.do("wan", "b", "a", "delay=5ms")
        for host, address in (("a", V4), ("a", V6), ("b", "5.1.0.2"), ("b", "2a00:1::2")):
            low, average = ping_ms(host, address)
            self.assertGreaterEqual(low, 25)
            self.assertLess(low, 26)
            self.assertLess(average, 30)

    def test_no_delay_means_the_kernel_alone(self):
        lab.do("wan", "a", "b", "delay=0", "--both")
        before = lab.counts("a", "b")
        low, _ = ping_ms("a", V4)
        self.assertLess(low, 1)
        self.assertEqual(lab.counts("a", "b"), before)

    def test_clean_link_keeps_everything(self):
        for address in (V4, V6):
            received, counts = self.pass_through(address=address)
            self.assertEqual(self.numbers(received), list(range(400)))
            self.assertEqual(counts["packets"], 400)

    def test_jitter_keeps_the_order(self):
        received, _ = self.pass_through("delay=10ms", "jitter=8ms", pause_us=2000)
        self.assertEqual(self.numbers(received), list(range(400)))
        gaps = [b[0] - a[0] for a, b in zip(received, received[1:])]
        self.assertGreater(max(gaps), 4e6)
        self.assertLess(min(gaps), 5e5)

    def test_loss(self):
        received, counts = self.pass_through("loss=20%", count=2000)
        self.assertEqual(len(received), 2000 - counts["lost"])
        self.assertLess(abs(counts["lost"] - 400), 90)  # five standard deviations
        numbers = self.numbers(received)
        self.assertEqual(numbers, sorted(numbers))

    def test_total_loss(self):
        received, counts = self.pass_through("loss=100%")
        self.assertEqual((received, counts["lost"]), ([], 400))

    def test_same_seed_same_losses(self):
        outcomes = []
        for _ in range(2):
            with Lab(HOSTS, "--bare") as other, Receiver(other, "b") as receiver:
                other.do("wan", "a", "b", "delay=1ms", "loss=30%")
                send(other, "a", V4, 300)
                other.wait_delivered("a", "b")
            outcomes.append(self.numbers(receiver.received))
        self.assertEqual(*outcomes)
        self.assertLess(len(outcomes[0]), 300)

    def test_rate(self):
        received, counts = self.pass_through("rate=10mbit", "queue=2s", size=1000, pause_us=0)
        self.assertEqual((len(received), counts["overflowed"]), (400, 0))
        seconds = (received[-1][0] - received[0][0]) / 1e9
        self.assertAlmostEqual(399 * 1028 * 8 / seconds / 1e6, 10, delta=0.5)

    def test_rate_overflows_its_queue(self):
        received, counts = self.pass_through("rate=1mbit", "queue=20ms", size=1000, pause_us=0)
        self.assertGreater(counts["overflowed"], 300)
        self.assertEqual(len(received), 400 - counts["overflowed"])

    def test_rate_of_a_host(self):
        lab.do("wan", "a", "rate=20mbit", "--both")
        for direction in ((), ("--reverse",)):
            out = lab.exec("a", "iperf3", "-J", "-t", "2", "-c", "5.3.0.2", *direction)
            rate = json.loads(out)["end"]["sum_received"]["bits_per_second"]
            self.assertTrue(15e6 < rate < 20.5e6, f"{rate / 1e6:.1f} Mbit/s")
        lab.do("wan", "a", "clear", "--both")
        out = lab.exec("a", "iperf3", "-J", "-t", "1", "-c", "5.3.0.2")
        self.assertGreater(json.loads(out)["end"]["sum_received"]["bits_per_second"], 30e6)

    def test_reorder(self):
        received, counts = self.pass_through("reorder=20%", count=1000)
        numbers = self.numbers(received)
        self.assertEqual(sorted(numbers), list(range(1000)))
        self.assertLess(abs(counts["reordered"] - 200), 64)
        self.assertNotEqual(numbers, sorted(numbers))

    def test_flip(self):
        for address in (V4, V6):
            received, counts = self.pass_through("flip=100%", address=address)
            self.assertEqual((len(received), counts["flipped"]), (400, 400))
            for number, (_, _, data) in enumerate(received):
                self.assertEqual(len(data), SIZE)
                self.assertEqual(differing_bits(data, datagram(number, SIZE)), 1)

    def test_flip_of_some(self):
        received, counts = self.pass_through("flip=10%", count=1000)
        bits = [differing_bits(data, datagram(number, SIZE))
                for number, (_, _, data) in enumerate(received)]
        self.assertEqual(set(bits), {0, 1})
        self.assertEqual(sum(bits), counts["flipped"])
        self.assertLess(abs(counts["flipped"] - 100), 48)

    def test_truncate(self):
        for address in (V4, V6):
            received, counts = self.pass_through("truncate=100%", address=address)
            self.assertEqual((len(received), counts["truncated"]), (400, 400))
            lengths = [len(data) for _, _, data in received]
            self.assertLess(max(lengths), SIZE)
            self.assertLess(min(lengths), SIZE / 4)
            for number, (_, _, data) in enumerate(received):
                self.assertTrue(datagram(number, SIZE).startswith(data))

    def test_duplicate(self):
        received, counts = self.pass_through("dup=100%")
        self.assertEqual(self.numbers(received), [n for n in range(400) for _ in range(2)])
        self.assertEqual(counts["duplicated"], 400)

    def test_replay_comes_later(self):
        received, counts = self.pass_through("replay=100%")
        numbers = self.numbers(received)
        self.assertEqual(sorted(numbers), [n for n in range(400) for _ in range(2)])
        self.assertEqual(counts["replayed"], 400)
        first, last = {}, {}
        for number, (ns, _, _) in zip(numbers, received):
            first.setdefault(number, ns)
            last[number] = ns
        self.assertGreater(max(last[n] - first[n] for n in first), 500e6)

    def test_swap(self):
        received, counts = self.pass_through("swap=100%")
        self.assertEqual(self.numbers(received), [n ^ 1 for n in range(400)])
        self.assertEqual(counts["swapped"], 200)

    def test_swap_without_a_next_packet(self):
        received, _ = self.pass_through("swap=100%", count=1)
        self.assertEqual(self.numbers(received), [0])

    def test_inject(self):
        for address in (V4, V6):
            received, counts = self.pass_through("inject=200/s", address=address, pause_us=2000)
            forged = [(source, data) for _, source, data in received
                      if data != datagram(int.from_bytes(data[:4], "big"), SIZE)]
            self.assertEqual(len(received), 400 + counts["injected"])
            self.assertEqual(len(forged), counts["injected"])
            self.assertGreater(len(forged), 100)
            sources = {tuple(source) for _, source, _ in received}
            self.assertEqual(len(sources), 1)
            self.assertIn(SIZE, {len(data) for _, data in forged})

    def test_everything_at_once(self):
        received, counts = self.pass_through(
            "loss=5%", "flip=5%", "dup=5%", "replay=5%", "swap=5%", "reorder=5%", "truncate=5%",
            "rate=5mbit", count=1000)
        self.assertEqual(len(received), counts["delivered"])
        for name in ("lost", "flipped", "duplicated", "replayed", "swapped", "reordered",
                     "truncated"):
            self.assertGreater(counts[name], 10, name)

    def test_clear_gives_the_topology_back(self):
        lab.do("wan", "a", "b", "loss=100%", "delay=1ms")
        lab.do("wan", "a", "b", "clear")
        low, _ = ping_ms("a", V4, 3)
        self.assertGreaterEqual(low, 2 * DE_US_MS - 0.1)

    def test_bad_settings_are_refused(self):
        for words, message in ((("a", "b", "delay=fast"), "delay=fast: a number with one of"),
                               (("a", "b", "delay=10"), "delay=10: a number with one of"),
                               (("a", "b", "speed=10ms"), "a setting is one of"),
                               (("a", "b", "loss=101%"), "too much"),
                               (("a", "nowhere", "loss=1%"), "no host 'nowhere'"),
                               (("loss=1%",), "which host?")):
            done = lab.call("wan", *words)
            self.assertEqual(done.returncode, 1)
            self.assertIn(message, done.stderr)


tap.main()
