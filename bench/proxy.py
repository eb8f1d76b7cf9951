# SPDX-License-Identifier: GPL-3.0-or-later
"""`macro proxy` on the client, and a web server to download from."""

import json
import subprocess
import sys
from pathlib import Path

import process
from errors import LabError
from runtime import program

ORIGIN = str(Path(__file__).resolve().parent.parent / "lab" / "origin.py")
_SOCKS = "127.0.0.1:1080"


class Proxy:
    """A context: connected in it, over three hops."""

    def __init__(self, mesh):
        self._mesh = mesh
        self._child = None
        self.socks = f"socks5h://{_SOCKS}"

    def __enter__(self):
        config = str(self._mesh.runtime.host_folder("client") / "macro.conf")
        self._child = self._mesh.spawn(
            "client", [program("macro"), "-c", config, "proxy", "--socks", _SOCKS, "--http", "off",
                       "--hops", "3", "--exit", "exit", "--json"],
            stdout=subprocess.PIPE, text=True)
        for line in self._child.stdout:
            if json.loads(line).get("state") == "connected":
                return self
        raise LabError("macro proxy does not connect")

    def __exit__(self, *_):
        self._child.terminate()
        self._child.wait()
        self._child.stdout.close()


class Web:
    """A context: the origin serves bytes in it."""

    def __init__(self, mesh):
        self._mesh = mesh
        self._child = None

    def __enter__(self):
        self._child = self._mesh.spawn("origin", [sys.executable, "-S", ORIGIN])
        process.wait_until(self._answers, 10, "the web server does not answer")
        return self

    def _answers(self):
        argv = ["curl", "-s", f"http://{self._mesh.address('origin')}/1"]
        return subprocess.run(self._mesh.command("client", argv), stdout=subprocess.DEVNULL,
                              check=False).returncode == 0

    def __exit__(self, *_):
        self._child.kill()
        self._child.wait()

    def download(self, seconds, through=None):
        """Mbit/s of so many seconds of an endless file."""
        url = f"http://{self._mesh.address('origin')}/16g"
        argv = ["curl", "-s", "-o", "/dev/null", "--max-time", str(seconds), "-w", "%{speed_download}", url]
        if through:
            argv += ["--proxy", through]
        done = subprocess.run(self._mesh.command("client", argv), text=True, capture_output=True,
                              timeout=seconds * 2 + 30, check=False)
        if done.returncode != 28 or float(done.stdout) == 0:  # it ends because the time is over
            raise LabError(f"curl: exit status {done.returncode}: {done.stderr.strip()}")
        return float(done.stdout) * 8 / 1e6
