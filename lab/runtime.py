# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's folder: its lock, state, sockets, logs; where it is, and how it goes away."""

import fcntl
import json
import os
import re
import shutil
from pathlib import Path

import process
from errors import LabError

REPOSITORY = Path(__file__).resolve().parent.parent


def _parent():
    """XDG_RUNTIME_DIR when it is ours, else a folder of ours in /tmp."""
    folder = os.environ.get("XDG_RUNTIME_DIR")
    if folder and os.access(folder, os.W_OK):
        return Path(folder) / "macro-lab"
    return Path(f"/tmp/macro-lab-{os.getuid()}")


def build_folders():
    """Where the build tree has its programs; it is build/ unless MACRO_BUILD says otherwise."""
    build = Path(os.environ.get("MACRO_BUILD", REPOSITORY / "build")).absolute()
    return [build, build / "cli", build / "lab"]


def program(name):
    for folder in build_folders():
        if (folder / name).is_file():
            return str(folder / name)
    raise LabError(f"{build_folders()[0]}/{name} does not exist: run make")


class Runtime:
    def __init__(self, path):
        self.path = Path(path)
        self.token = str(self.path)
        self.control_socket = self.path / "control"
        self._state_file = self.path / "state.json"
        self._lock = None

    @staticmethod
    def named(name):
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", name) or name.startswith("."):
            raise LabError(f"lab name {name!r}: up to 32 letters, digits, '_', '-' and '.'")
        return Runtime(_parent() / name)

    def host_folder(self, name):
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder

    def log(self, name):
        return self.path / f"{name}.log"

    def _open_locked(self):
        """A lock on the folder itself: the kernel gives it back whatever ends its holder."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd

    def is_up(self):
        """Whether some supervisor holds this lab."""
        try:
            fd = self._open_locked()
        except FileNotFoundError:
            return False
        if fd is not None:
            os.close(fd)
        return fd is None

    def claim(self):
        """Makes the folder ours, and empty: what a killed lab left behind is swept first."""
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        owner = self.path.parent.stat()
        if owner.st_uid != os.getuid() or owner.st_mode & 0o022:
            raise LabError(f"{self.path.parent} belongs to, or is open to, someone else")
        self.path.mkdir(mode=0o700, exist_ok=True)
        self._lock = self._open_locked()
        if self._lock is None:
            raise LabError(f"lab {self.path.name} is already up: lab/lab down ends it")
        process.kill_marked(self.token)
        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def sweep(self):
        """Ends the lab's remaining processes and removes its folder."""
        process.kill_marked(self.token)
        shutil.rmtree(self.path, ignore_errors=True)
        try:
            self.path.parent.rmdir()
        except OSError:
            pass  # another lab lives there

    def write_state(self, state):
        temporary = self._state_file.with_suffix(".new")
        temporary.write_text(json.dumps(state, indent=1), encoding="utf-8")
        temporary.rename(self._state_file)

    def read_state(self):
        try:
            return json.loads(self._state_file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise LabError(f"lab {self.path.name} is not up: lab/lab up starts it") from error
