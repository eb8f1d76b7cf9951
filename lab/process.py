# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that cannot outlive the lab's supervisor, and the search for any that did."""

import ctypes
import os
import signal
import subprocess
import time

from errors import LabError

TOKEN = "MACRO_LAB"  # in the environment of all that a lab runs: its runtime folder
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with(parent):
    """The signal follows the thread that started us: the supervisor has only one."""
    def before_exec():
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
    return before_exec


def spawn(argv, token, **options):
    """subprocess.Popen for the supervisor's children; its own session keeps Ctrl-C away from it."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.DEVNULL)
    options.setdefault("stderr", subprocess.DEVNULL)
    environment = {**os.environ, **options.pop("env", {}), TOKEN: token}
    try:
        return subprocess.Popen(argv, env=environment, start_new_session=True,
                                preexec_fn=_die_with(os.getpid()), **options)
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed: run make deps") from error


def run(argv, feed=None):
    """Runs a short command; its error output is the LabError."""
    try:
        done = subprocess.run(argv, input=feed, text=True, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed: run make deps") from error
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise LabError(f"{' '.join(argv)}: {reason}")
    return done.stdout


def wait_until(is_done, timeout_s, what, pause_s=0.02):
    """Asks is_done() until it says yes."""
    deadline = time.monotonic() + timeout_s
    while not is_done():
        if time.monotonic() > deadline:
            raise LabError(f"{what}: still not after {timeout_s:g} s")
        time.sleep(pause_s)


def stop(children, grace_s):
    """SIGTERM (also to the paused), SIGKILL for those that need longer than grace_s; reaps all."""
    deadline = time.monotonic() + grace_s
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.send_signal(signal.SIGCONT)
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _is_marked(pid, mark):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark in file.read().split(b"\0")
    except OSError:
        return False


def marked(token):
    """The pids of all processes that carry the lab's token, except our own."""
    mark = f"{TOKEN}={token}".encode()
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [pid for pid in pids if pid != os.getpid() and _is_marked(pid, mark)]


def kill_marked(token):
    """Ends what a killed supervisor, or `lab exec`, left behind."""
    def none_left():
        left = marked(token)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not left
    wait_until(none_left, 10, "ending the lab's processes")
