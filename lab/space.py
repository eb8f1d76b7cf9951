# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces without names: each is held by a sleeping process and ends with it."""

import os
import shutil
import subprocess

import process
from errors import LabError

# Runs in a host's new namespaces.  The host's /etc is a folder of its own, made at $1: links to
# the real files, and a resolv.conf with the text $2 which its programs may replace.  Where the
# machine shows no control groups that can be written, the kernel may still give them to who asks.
_HOLDER = """
set -e
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter
mount -n -t tmpfs -o mode=755 etc "$1"
cd "$1"
mkdir .real
mount -n --rbind /etc .real
ln -s .real/* .
rm -f resolv.conf
printf %s "$2" >resolv.conf
cd /
mount -n --move "$1" /etc
for groups in /sys/fs/cgroup /sys/fs/cgroup/unified; do
	test -w $groups/cgroup.procs && break
done || mount -n -t cgroup2 groups /sys/fs/cgroup 2>/dev/null || :
echo ready
exec sleep infinity
"""

# With privileges, or else as the root of a new user namespace.
_WAYS = (
    ["unshare", "--net", "--mount"],
    ["unshare", "--user", "--map-root-user", "--net", "--mount", "--cgroup"],
)


def core_command():
    """The prefix under which the supervisor runs: its namespaces are the lab's core."""
    errors = []
    for way in _WAYS:
        try:
            process.run([*way, "ip", "link", "set", "lo", "up"])
        except LabError as error:
            errors.append(str(error).splitlines()[-1])
            continue
        return way
    raise LabError("cannot make network namespaces here:\n  " + "\n  ".join(errors)
                   + "\nrun as root, or allow unprivileged user namespaces "
                     "(sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone)")


class Space:
    """The network and mount namespaces of one host."""

    def __init__(self, token, folder, resolv_conf):
        etc = folder / "etc"
        etc.mkdir()
        self._holder = process.spawn(
            ["unshare", "--net", "--mount", "--propagation", "private",
             "sh", "-c", _HOLDER, "holder", str(etc), resolv_conf],
            token, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.pid = self._holder.pid

    def wait_ready(self):
        said = self._holder.stdout.readline()
        if said != "ready\n":
            raise LabError(f"a host's namespaces: {said}{self._holder.stdout.read()}".strip())

    def command(self, argv):
        """argv, as run from the core inside this host."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", f"--mount=/proc/{self.pid}/ns/mnt",
                "--", *argv]

    def close(self):
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()


def enter_command(pid, is_unprivileged, argv):
    """argv, as run from outside of the lab inside the namespaces of pid."""
    user = ["--user", "--preserve-credentials"] if is_unprivileged else []
    if shutil.which("nsenter") is None:
        raise LabError("nsenter is not installed: run make deps")
    return ["nsenter", "--target", str(pid), *user, "--net", "--mount",
            f"--wdns={os.getcwd()}", "--", *argv]
