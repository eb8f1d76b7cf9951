# SPDX-License-Identifier: GPL-3.0-or-later
"""One long-running program of a host: started, paused, ended, and asked how it is."""

import os
import signal

import process
from errors import LabError

GRACE_S = 5
# The states of /proc/net/tcp and udp in which someone takes packets.
_LISTEN, _UNCONNECTED = "0A", "07"


def is_listening(pid, protocol, port):
    """Whether some socket in pid's network namespace waits on the port."""
    state = _LISTEN if protocol == "tcp" else _UNCONNECTED
    for table in (protocol, protocol + "6"):
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as file:
            for line in list(file)[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == state:
                    return True
    return False


class Service:
    """argv is run as `space.command(argv)`; is_ready() is asked after each start."""

    def __init__(self, name, space, argv, token, log_path, is_ready):
        self.name = name
        self._argv = space.command(argv)
        self._token = token
        self._log_path = log_path
        self._is_ready = is_ready
        self._is_paused = False
        self.child = None

    def start(self):
        self._is_paused = False
        with open(self._log_path, "ab") as log:
            self.child = process.spawn(self._argv, self._token, stdout=log, stderr=log)

    def wait_ready(self, timeout_s=30):
        def is_ready():
            if self.child.poll() is not None:
                raise LabError(f"{self.name} ended at once ({self.state()})")
            return self._is_ready()
        try:
            process.wait_until(is_ready, timeout_s, f"{self.name} is not ready")
        except LabError as error:
            raise LabError(f"{error}\n{self.log_tail()}") from error

    def log_tail(self, lines=20):
        text = self._log_path.read_text(encoding="utf-8", errors="replace")
        return "\n".join("  | " + line for line in text.splitlines()[-lines:])

    def state(self):
        status = self.child.poll() if self.child else 0
        if status is None:
            return "paused" if self._is_paused else "running"
        return f"ended by {signal.Signals(-status).name}" if status < 0 else f"exited {status}"

    def send(self, signal_number):
        """SIGKILL has done its work when this returns; other signals are only sent."""
        if self.child.poll() is not None:
            raise LabError(f"{self.name} is not running ({self.state()})")
        os.kill(self.child.pid, signal_number)
        if signal_number in (signal.SIGSTOP, signal.SIGCONT):
            self._is_paused = signal_number == signal.SIGSTOP
        elif signal_number == signal.SIGKILL:
            self.child.wait()

    def restart(self):
        process.stop([self.child], GRACE_S)
        self.start()
