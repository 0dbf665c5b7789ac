# SPDX-License-Identifier: MIT
"""Programs for handler = "program": sections of the configuration, scripts, and a mark in the
environment by which every process of a test is found again, wherever it has gone.
"""

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from harness import (PATIENCE, Text, Timeout, proc_children, proc_fds, proc_stat, proc_state,
                     proc_title, service, wait_for)

ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
SOURCES = Path(__file__).parent


# A program that accepts by itself, answers with its number, and loses nothing at TERM.
ACCEPTS = """
import os, signal, socket
s = socket.socket(fileno=3)
dead = socket.socket(socket.AF_UNIX)
signal.signal(signal.SIGTERM, lambda *_: os.dup2(dead.fileno(), 3))
signal.setitimer(signal.ITIMER_REAL, 1, 1)
signal.signal(signal.SIGALRM, lambda *_: None)
while True:
    try:
        c, _ = s.accept()
    except OSError:
        break
    c.sendall(b"%d" % os.getpid())
    c.close()
"""


def environment_of(pid):
    text = Path(f"/proc/{pid}/environ").read_bytes()
    return text.decode(errors="replace").split("\0")


class Mark:
    """An entry of the environment that all processes of one test have, and no others."""

    def __init__(self):
        self.entry = f"TCPD_TEST_MARK={os.getpid()}.{time.monotonic_ns()}"
        self.killed = {}  # that would not end

    def pids(self):
        """Those that have it and are alive."""
        found = []
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and self.entry in environment_of(entry):
                    found.append(int(entry))
        return sorted(pid for pid in found if proc_state(pid) not in (None, "Z", "X"))

    def wait(self, number, deadline=PATIENCE):
        """Waits until there are so many; their pids."""
        try:
            return wait_for(lambda: (found,) if len(found := self.pids()) == number else None,
                            deadline)[0]
        except Timeout:
            left = {pid: proc_title(pid) for pid in self.pids()}
            raise Timeout(f"not {number} processes within {deadline} s, but {left}") from None

    def __call__(self):
        """Ends them; a test for which that was needed has failed."""
        for pid in self.pids():
            self.killed[pid] = proc_title(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def program(argv, mark=None, name="program", environment=(), **options):
    """A section that runs argv, a list or the path of one file."""
    argv = [argv] if isinstance(argv, (str, Path)) else argv
    entries = [*environment, *([mark.entry] if mark else [])]
    if entries:
        options["environment"] = entries
    return service(name, "program", program=[str(word) for word in argv], **options)


def listener(argv, mark=None, name="program", **options):
    """The same in listener mode."""
    return program(argv, mark, name, program_mode="listener", **options)


def login(uid):
    """The variables of a user that its programs find, as systemd.exec(5) has them."""
    user = pwd.getpwuid(uid)
    found = {"LOGNAME": user.pw_name, "USER": user.pw_name}
    if user.pw_dir != "/":
        found["HOME"] = user.pw_dir
    if not user.pw_shell.endswith(("/nologin", "/false")):
        found["SHELL"] = user.pw_shell
    return found


def write_executable(path, data):
    """In place of one that may be running, and so cannot be written to; its path as text."""
    beside = Path(f"{path}.new")
    beside.write_bytes(data)
    beside.chmod(0o755)
    beside.replace(path)
    return str(path)


def write_script(path, text, interpreter="/bin/sh"):
    """An executable file; its path as text."""
    return write_executable(path, f"#!{interpreter}\n{textwrap.dedent(text)}".encode())


def write_python(path, text):
    return write_script(path, text, f"{sys.executable} -I")


def build_c(source, path):
    """Compiles one of the C programs beside the tests, without any sanitizer: its handlers would be
    seen in what it tells of its signals."""
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Werror", "-O1", "-o", path,
                    SOURCES / source], check=True, timeout=PATIENCE)
    Path(path).chmod(0o755)
    return str(path)


def zombies(pid):
    """The children of a process that have ended and were not waited for."""
    children = []
    for entry in os.listdir("/proc"):
        stat = proc_stat(entry) if entry.isdigit() else None
        if stat and stat[0] == "Z" and int(stat[1]) == pid:
            children.append(int(entry))
    return children


class Cleanliness:
    """What a worker has between sessions, to be compared afterwards."""

    def __init__(self, worker):
        self.worker = worker
        self.before = proc_fds(worker)

    def wait(self):
        """Waits until it has just that again, and no child, dead or alive."""
        def is_clean():
            return proc_fds(self.worker) == self.before and not proc_children(self.worker) and \
                not zombies(self.worker)

        try:
            wait_for(is_clean)
        except Timeout:
            raise Timeout(f"worker {self.worker}: descriptors {proc_fds(self.worker)}, before "
                          f"{self.before}, children {proc_children(self.worker)}, "
                          f"zombies {zombies(self.worker)}") from None


def ended(peer, how, result=r"[\w ]+", name="program"):
    """The record of a session whose program ended so; groups as Text.closed, and cpu, memory."""
    return Text.closed(name, peer, result) + \
        rf", program {how}, (?P<cpu>[\d.]+) s of processor time, (?P<memory>\d+) KiB of memory$"


def said(line, peer=None, name="program"):
    """A line of a program's standard error, as text."""
    return rf"tcpd/{name}: " + (rf"{peer}: " if peer else r"\S+: ") + line + "$"


def wait_end(sock, deadline=PATIENCE):
    """Waits for the end or a reset; what came before."""
    data = bytearray()
    sock.settimeout(deadline)
    with contextlib.suppress(ConnectionError):
        while chunk := sock.recv(1 << 20):
            data += chunk
    return bytes(data)


def unix_socket(path):
    """A listening socket that can be handed over."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    sock.listen(128)
    return sock
