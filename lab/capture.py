# SPDX-License-Identifier: GPL-3.0-or-later
"""A recording of what passes a host's cable."""

import signal
import subprocess
import sys
from pathlib import Path

import process
from errors import LabError

_PROGRAM = Path(__file__).resolve().parent / "record.py"


class Capture:
    """Packets are in the file from the moment on which the constructor returns."""

    def __init__(self, space, path, token):
        self._child = process.spawn(
            space.command([sys.executable, "-S", str(_PROGRAM), "eth0", path]),
            token, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = self._child.stdout.readline()
        if said != "recording\n":
            raise LabError(f"capture: {said}{self._finish()}".strip())

    def _finish(self):
        said = self._child.stdout.read()
        self._child.wait()
        self._child.stdout.close()
        return said

    def stop(self):
        """How many packets there were, and how many were missed."""
        self._child.send_signal(signal.SIGINT)
        return self._finish().strip()
