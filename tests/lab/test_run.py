#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make run` starts: it works, says so, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

import tap
from labs import REPOSITORY, Lab, nobody_can_run_labs, run, run_as_nobody, wait_until

import process

RUN = [sys.executable, "-S", str(REPOSITORY / "lab" / "run"), "--name"]

HOSTS = "[hosts]\na = {}\n"


class RunTest(unittest.TestCase):
    def setUp(self):
        self.lab = Lab(HOSTS)  # for its name: lab/run starts and ends it
        self.addCleanup(self.lab.call, "down")

    def assert_gone(self):
        wait_until(lambda: not process.marked(self.lab.runtime.token), 20, "processes to end")
        self.assertFalse(self.lab.runtime.path.exists())

    def check(self, done):
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("FAILED", done.stdout)
        for line in (r"1 +entry +\S+ +[A-Z]{2} +[\d.]+ ms .* (green|yellow)", r"3 +exit +\S+ +[A-Z]{2} .*(green|yellow)",
                     r"curl http://[\d.]+/ip +5\.\d+\.0\.2 = the exit, ..-exit-\d",
                     r"curl http://\[\S+\]/ip +2a00:\w+::2 = the exit, ..-exit-\d",
                     r"ping 2a00\S+ +3 of 3 replies", r"checksum right"):
            self.assertRegex(done.stdout, line)

    def test_once(self):
        self.check(run([*RUN, self.lab.name, "--once"], timeout=300))
        self.assert_gone()

    @unittest.skipUnless(os.getuid() == 0, "test_once has shown it already")
    def test_once_as_nobody(self):
        if not nobody_can_run_labs():
            self.skipTest("nobody may not make namespaces, or not read this folder")
        self.check(run_as_nobody(["python3", *RUN[1:], self.lab.name, "--once"], 300))

    def test_stays_until_interrupted(self):
        with subprocess.Popen([*RUN, self.lab.name], stdout=subprocess.PIPE, text=True,
                              start_new_session=True) as child:
            said = ""
            for line in child.stdout:
                said += line
                if line.startswith("Ctrl-C here"):
                    self.assertTrue(self.lab.runtime.is_up())
                    os.killpg(child.pid, signal.SIGINT)
                    break
            said += child.communicate(timeout=60)[0]
        self.assertEqual(child.returncode, 130, said)
        self.assertIn("nothing is left behind", said)
        self.assert_gone()

    def test_interrupted_start(self):
        with subprocess.Popen([*RUN, self.lab.name], stdout=subprocess.PIPE, text=True,
                              start_new_session=True) as child:
            for line in child.stdout:
                if re.match(" +network", line):
                    os.killpg(child.pid, signal.SIGINT)
                    break
            child.communicate(timeout=60)
        self.assertEqual(child.returncode, 130)
        self.assert_gone()

    def test_other_lab_is_left_alone(self):
        with self.lab:
            done = run([*RUN, self.lab.name, "--once"])
            self.assertEqual(done.returncode, 1)
            self.assertIn("already up", done.stderr)
            self.assertTrue(self.lab.runtime.is_up())

    def test_failure_is_told(self):
        with tempfile.TemporaryDirectory() as empty:
            done = run([*RUN, self.lab.name, "--once"], env={**os.environ, "MACRO_BUILD": empty})
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not exist: run make", done.stdout)
        self.assert_gone()


tap.main()
