# SPDX-License-Identifier: MIT
"""strace(1): which system calls are made, and one of them that fails."""

import collections
import contextlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from daemon import happens
from errnos import NEVER

CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")


def rules(cell, offset=0):
    """The arguments for a cell: the call fails at the first time, the third, or always."""
    first = offset + (int(cell.when) if cell.when.isdigit() else 1)
    when = f"{first}+" if cell.when == "always" else first
    return ["-e", f"trace={cell.call}", "-e", f"inject={cell.call}:error={cell.error}:when={when}"]


class Trace:
    """Writes down the calls of processes, or of a command, while they go on."""

    def __init__(self):
        fd, self.path = tempfile.mkstemp(prefix="faults-trace-")
        os.close(fd)
        self.process = None

    def prefix(self, arguments=()):
        """A command that runs a daemon, which keeps its pid."""
        return ["strace", "-D", "-qq", "-o", self.path, *arguments]

    def attach(self, pids, arguments=(), follow=False):
        command = ["strace", "-qq", "-o", self.path, *(["-f"] if follow else []), *arguments]
        for pid in pids:
            command += ["-p", str(pid)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        happens(lambda: all(is_traced(pid) for pid in pids) or self.process.poll() is not None, 5)
        if not all(is_traced(pid) for pid in pids):
            raise RuntimeError("strace does not attach")

    def detach(self):
        if not self.process:
            return
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def lines(self):
        with open(self.path, errors="replace") as file:
            yield from file

    def n_injected(self):
        return sum("(INJECTED)" in line for line in self.lines())

    def calls(self, but=None):
        """{call: how often}, of all processes but that one."""
        counts = collections.Counter()
        for line in self.lines():
            match = CALL.match(line)
            if match and match[1] not in NEVER and not (but and line.startswith(f"{but} ")):
                counts[match[1]] += 1
        return counts

    def remove(self):
        self.detach()
        with contextlib.suppress(OSError):
            os.unlink(self.path)


def is_traced(pid):
    """One that is gone counts as well."""
    try:
        return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


@contextlib.contextmanager
def failing(cell, pids, follow=False):
    """The call of these processes fails as the cell says; yields the trace."""
    trace = Trace()
    try:
        trace.attach(pids, rules(cell), follow)
        yield trace
    finally:
        trace.detach()
