# SPDX-License-Identifier: MIT
"""The servers under measurement: tcpd and the reference, started, watched and stopped alike.

Both have the same number of workers and listen on a port the kernel chose. What they use of the
processor and of memory is read from /proc, for the whole tree of processes. Whatever happens to
the benchmark, they die with it. The servers of others are in peers.py.
"""

import ctypes
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

WORKERS = 64
GREETING = "http://c.biancheng.net/socket/"
TEXTS = {"greeting": GREETING, "hello": "Welcome!"}
PATIENCE = 15.0
QUIET_SECONDS = 0.01
PR_SET_PDEATHSIG = 1

CONFIGURATION = """\
log_sessions = {log_sessions}
service "{mode}" {{
    handler = "{mode}"
    listen = {{"127.0.0.1:0"}}
    backlog = 4096
    min_workers = {workers}
    max_workers = {workers}
    spare_workers = 4
{more}}}
"""
LOGGED = {"lines": "all\nlog_sessions_form = lines"}  # others are values of log_sessions
MORE = {"greeting": f'    message = "{GREETING}"\n    end = "none"\n'}
LIBC = ctypes.CDLL(None)


class BenchError(Exception):
    """Nothing can be measured; the text says why."""


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def stat_fields(pid):
    """The fields of /proc/PID/stat after the name; None when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def sleeps(pid):
    fields = stat_fields(pid)
    return fields is None or fields[0] in "SZ"


def children(pid):
    """The children of a process. Asks it alone: on a busy machine all of /proc is slow to walk."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass  # it is gone
    return found


def process_tree(root):
    """The process `root` and all that descend from it."""
    tree = [root]
    for pid in tree:  # grows while it is walked
        tree += children(pid)
    return tree


def cpu_nsec(pid):
    """Processor time of one process: exact where the kernel tells, else in clock ticks."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    except FileNotFoundError:
        fields = stat_fields(pid)
        ticks = int(fields[11]) + int(fields[12]) if fields else 0
        return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    except ProcessLookupError:
        return 0


def reaped_nsec(pid):
    """Processor time of the children that a process has waited for, and of theirs."""
    fields = stat_fields(pid)
    ticks = int(fields[13]) + int(fields[14]) if fields else 0
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def tree_cpu(root):
    """Processor time so far of a process and all its descendants, dead ones included."""
    tree = process_tree(root)
    return {**{pid: cpu_nsec(pid) for pid in tree},
            **{(pid, "reaped"): reaped_nsec(pid) for pid in tree}}


def cpu_between(before, after):
    """Seconds of processor time. What a process that is gone has used its parent tells."""
    return max(sum(after.values()) - sum(before.values()), 0) / 1e9


def pss_kib(pid):
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M)[1])


class Server:
    """A running server: `port`, and what it uses. `with` ends it."""

    name = ""
    load_options = ()  # what the load generator must know of it

    def __init__(self, mode, n_workers=WORKERS):
        self.mode = mode
        self.n_workers = n_workers
        self.process = None
        self.port = 0

    def __enter__(self):
        try:
            self.start()
            self.wait_for_workers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def start(self):
        raise NotImplementedError

    def spawn(self, command, **options):
        self.process = subprocess.Popen(command, preexec_fn=die_with_parent, **options)

    def wait_for_workers(self):
        deadline = time.monotonic() + PATIENCE
        while len(self.workers()) < self.n_workers:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise BenchError(
                    f"{self.name} has {len(self.workers())} of {self.n_workers} workers")
            time.sleep(0.01)

    def wait_until_quiet(self):
        """Returns when all of its processes sleep and none has used the processor: each has come to
        its wait, also where others kept the processor from it."""
        deadline = time.monotonic() + PATIENCE
        before = None
        while (now := self.cpu()) != before or not all(map(sleeps, self.workers())):
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name} is never quiet")
            before = now
            time.sleep(QUIET_SECONDS)

    def root(self):
        """The process from which all others of the server descend."""
        return self.process.pid

    def address(self):
        """For the load generator."""
        return f"127.0.0.1:{self.port}"

    def workers(self):
        return process_tree(self.root())[1:]

    def cpu(self):
        """Processor time so far; see cpu_between()."""
        return tree_cpu(self.root())

    def memory(self):
        """Proportional memory of a worker in KiB, the mean of all."""
        sizes = [pss_kib(pid) for pid in self.workers()]
        return sum(sizes) / len(sizes)


class Reference(Server):
    """`close` is how it closes a connection, see ref_close.c; walled: as tcpd's workers are."""

    name = "ref"

    def __init__(self, build, mode="echo", n_workers=WORKERS, close="plain", walled=False):
        super().__init__(mode, n_workers)
        self.program = build / "tests/bench/ref"
        self.text = TEXTS.get(mode, "")
        self.close = close
        self.walls = ["--walls"] if walled else []

    def command(self):
        return [self.program, *self.walls, "--close", self.close, self.mode, str(self.n_workers), self.text]

    def start(self):
        self.spawn(self.command(), stdout=subprocess.PIPE, text=True)
        with self.process.stdout as lines:
            self.port = int(lines.readline() or 0)
        if self.port == 0:
            raise BenchError("the reference did not start")


class Tcpd(Server):
    name = "tcpd"

    def __init__(self, build, mode="echo", n_workers=WORKERS, log_sessions="errors"):
        super().__init__(mode, n_workers)
        self.program = build / "tcpd"
        self.log_sessions = log_sessions
        self.home = None
        self.notify = None

    def start(self):
        self.home = tempfile.TemporaryDirectory(prefix="tcpd-bench-")
        home = Path(self.home.name)
        (home / "tcpd.conf").write_text(self.configuration())
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(home / "notify"))
        self.notify.settimeout(0.1)
        foreign = ("LISTEN_", "WATCHDOG_", "JOURNAL_STREAM")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        environment["NOTIFY_SOCKET"] = str(home / "notify")
        with open(home / "log", "wb") as log:
            self.spawn([self.program, "-c", home / "tcpd.conf"], stderr=log,
                       stdin=subprocess.DEVNULL, stdout=log, env=environment)
        self.wait_until_ready()
        # Nobody may stop reading: a full socket would block the master in its next message.
        threading.Thread(target=self.drain, daemon=True).start()

    def configuration(self):
        return CONFIGURATION.format(mode=self.mode, workers=self.n_workers,
                                    log_sessions=LOGGED.get(self.log_sessions, self.log_sessions),
                                    more=MORE.get(self.mode, ""))

    def wait_until_ready(self):
        ready = False
        deadline = time.monotonic() + PATIENCE
        while not (ready and self.port):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise BenchError(f"{self.name} is not ready:\n{self.log()}")
            try:
                text = self.notify.recv(65536).decode()
            except TimeoutError:
                continue
            ready = ready or "READY=1" in text.splitlines()
            address = re.search(r"(?:^| |:)127\.0\.0\.1:(\d+): listening", self.log())
            self.port = int(address[1]) if address else self.port

    def drain(self):
        self.notify.settimeout(None)
        try:
            while self.notify.recv(65536):
                pass
        except OSError:
            pass  # closed: the measurement is over

    def log(self):
        return (Path(self.home.name) / "log").read_text(errors="replace")[-2000:]

    def __exit__(self, *_):
        super().__exit__()
        if self.notify:
            self.notify.shutdown(socket.SHUT_RD)  # wakes drain(), which close() alone does not
            self.notify.close()
        if self.home:
            self.home.cleanup()
