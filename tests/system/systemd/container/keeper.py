# SPDX-License-Identifier: MIT
"""Process 1 of a PID namespace in which one container runs; it owns all the container needs.

Started by machine.py through unshare(1) in mount and PID namespaces of its own: with it go, by the
kernel's hand, every process and every mount of the container. It ends when its standard input does,
so whatever happens to the test. What a killed keeper cannot remove, its cgroups and its directory,
the next one does: the directory of a live one is locked.

argv[1]: JSON, see Machine. Lines on standard output: "ready" when all is started, "ended STATUS" when
systemd-nspawn is gone; the file systems stay until the end.
"""

import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

BASE = "/run/tcpd-test"
CGROUPS = "/sys/fs/cgroup"


def lock(path, flags):
    """A locked descriptor of a directory, None when another has it or it is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | flags)
            here, there = os.fstat(fd), os.stat(path)
            if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
                return fd
        except OSError:
            pass
        os.close(fd)
    except FileNotFoundError:
        pass
    return None


def lock_base():
    while True:
        os.makedirs(BASE, 0o700, exist_ok=True)
        fd = lock(BASE, 0)
        if fd is not None:
            return fd


def cgroup_trees(controllers=()):
    """Where cgroups are made: the one tree, or on older systems those that systemd uses."""
    if os.path.exists(f"{CGROUPS}/cgroup.procs"):
        return [CGROUPS]
    names = ("unified", "systemd", *controllers)
    return [f"{CGROUPS}/{name}" for name in names if os.path.isdir(f"{CGROUPS}/{name}")]


def remove_cgroups(name, deadline):
    """Removes the cgroups of a container, in every tree."""
    end = time.monotonic() + deadline
    for tree in cgroup_trees(("pids", "memory")):
        while os.path.isdir(f"{tree}/{name}"):
            for directory, _, _ in os.walk(f"{tree}/{name}", topdown=False):
                try:
                    os.rmdir(directory)
                except OSError:
                    pass  # a process that was killed may be leaving still
            if time.monotonic() > end:
                break
            if os.path.isdir(f"{tree}/{name}"):
                time.sleep(0.005)
    return not any(os.path.isdir(f"{tree}/{name}") for tree in cgroup_trees(("pids", "memory")))


def remove_stale():
    """Removes what keepers left behind that were killed. The base is locked."""
    for name in os.listdir(BASE):
        fd = lock(f"{BASE}/{name}", fcntl.LOCK_NB)
        if fd is not None:
            if remove_cgroups(name, 1):
                shutil.rmtree(f"{BASE}/{name}", ignore_errors=True)
            os.close(fd)


def mount(*args):
    subprocess.run(["mount", *args], check=True)


class Keeper:
    def __init__(self, name, lower, layer, controllers, unified, nspawn):
        self.name, self.lower, self.layer = name, lower, layer
        self.trees, self.unified, self.nspawn = cgroup_trees(controllers), unified, nspawn
        self.work = f"{BASE}/{name}"
        self.child = None

    def make(self):
        """The directory, locked; the file systems; the cgroups."""
        base = lock_base()
        remove_stale()
        os.mkdir(self.work, 0o700)
        self.lock = lock(self.work, 0)
        os.close(base)
        fs = f"{self.work}/fs"
        os.mkdir(fs)
        mount("-t", "tmpfs", "-o", "mode=755", "tcpd-test", fs)
        for name in ("upper", "work", "root"):
            os.mkdir(f"{fs}/{name}", 0o755)
        if self.layer:
            subprocess.run(["tar", "-x", "--xattrs", "--xattrs-include=*", "--numeric-owner",
                            "-f", self.layer, "-C", f"{fs}/upper"], check=True)
        mount("-t", "overlay", "-o",
              f"lowerdir={self.lower},upperdir={fs}/upper,workdir={fs}/work", "overlay", f"{fs}/root")
        os.makedirs("/run/systemd", exist_ok=True)
        mount("-t", "tmpfs", "tcpd-test", "/run/systemd")  # systemd-nspawn leaves files there
        for tree in self.trees:
            os.mkdir(f"{tree}/{self.name}")

    def enter_cgroups(self):
        for tree in self.trees:
            with open(f"{tree}/{self.name}/cgroup.procs", "w") as file:
                file.write(str(os.getpid()))

    def start(self):
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(f"{self.work}/notify")
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
            "NOTIFY_SOCKET": f"{self.work}/notify",
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1" if self.unified else "0",
        }
        command = [
            "systemd-nspawn", "--quiet", f"--machine={self.name}",
            f"--directory={self.work}/fs/root", "--settings=no", "--register=no", "--keep-unit",
            "--private-network", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
            "--console=pipe", "--notify-ready=yes", *self.nspawn, "--boot"]
        with open(f"{self.work}/console", "wb") as console:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=environment,
                preexec_fn=self.enter_cgroups)

    def keep(self):
        """Until standard input ends."""
        pidfd = os.pidfd_open(self.child.pid)
        ready = False
        watched = [sys.stdin.fileno(), self.notify.fileno(), pidfd]
        while True:
            readable = select.select(watched, [], [])[0]
            if self.notify.fileno() in readable:
                lines = self.notify.recv(65536).decode().splitlines()
                if "READY=1" in lines and not ready:  # the newer systemd repeats it
                    ready = True
                    print("ready", flush=True)
            if pidfd in readable:
                watched.remove(pidfd)
                print("ended", self.child.wait(), flush=True)
            if sys.stdin.fileno() in readable and not os.read(sys.stdin.fileno(), 4096):
                return

    def end(self):
        try:
            os.kill(-1, signal.SIGKILL)  # all of this PID namespace but process 1
        except ProcessLookupError:
            pass
        while True:
            try:
                os.wait()
            except ChildProcessError:
                break
        for path in ("/run/systemd", f"{self.work}/fs/root", f"{self.work}/fs"):
            subprocess.run(["umount", "-l", path], stderr=subprocess.DEVNULL)
        if remove_cgroups(self.name, 10):
            shutil.rmtree(self.work, ignore_errors=True)
        base = lock_base()
        try:
            os.rmdir(BASE)
        except OSError:
            pass  # others live
        os.close(base)


def main():
    assert os.getpid() == 1, "to be started by machine.py"
    keeper = Keeper(**json.loads(sys.argv[1]))
    try:
        keeper.make()
        keeper.start()
        keeper.keep()
    finally:
        keeper.end()


if __name__ == "__main__":
    main()
