# SPDX-License-Identifier: MIT
"""Servers of many workers: tcpd and the reference, with a pool that is fixed or grows.

What a server leaves behind when it was stopped - a process, a listening socket, an error in its
log - is noted in `left_behind`, and no run that left something is good.
"""

import re
import signal
import subprocess
import time
from pathlib import Path

import world
from servers import PATIENCE, BenchError, Reference, Tcpd, cpu_nsec

ERROR_LEVEL = re.compile(r"^<[0-3]>.*", re.M)
POLL = 0.001
CONFIGURATION = """\
log_sessions = errors
stop_timeout = 30s
service "echo" {{
    handler = "echo"
    listen = {{"127.0.0.1:0"}}
    backlog = 4096
    min_workers = {least}
    spare_workers = {spare}
    max_workers = {most}
    first_byte_timeout = 5min
    idle_timeout = 5min
}}
"""
left_behind = []


def wait_until(condition, patience=PATIENCE, poll=POLL):
    """Seconds until the condition held; None when the patience was over first."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > patience:
            return None
        time.sleep(poll)
    return time.monotonic() - began


class Crowd:
    """What servers of `least` workers and more have in common. `with` ends it."""

    def workers(self):
        return world.children(self.process.pid)

    def wait_for_workers(self):
        if wait_until(lambda: len(self.workers()) >= self.least, 4 * PATIENCE) is None:
            raise BenchError(f"{self.name} has {len(self.workers())} of {self.least} workers")
        self.start_seconds = time.monotonic() - self.began

    def master_msec(self):
        """Processor time of the master alone."""
        return cpu_nsec(self.process.pid) / 1e6

    def stop(self):
        """Seconds from TERM until the server and all of its workers are gone; None: too long."""
        pids = self.workers()
        began = time.monotonic()
        self.process.terminate()
        try:
            self.process.wait(4 * PATIENCE)
        except subprocess.TimeoutExpired:
            left_behind.append(f"{self.name} did not stop in {4 * PATIENCE:.0f} s")
            self.process.kill()
            self.process.wait()
            return None
        seconds = time.monotonic() - began
        rest = wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 5)
        if rest is None:
            left_behind.append(f"{self.name} ended before all of its workers did")
        if world.listens(self.port):
            left_behind.append(f"{self.name} ended, and port {self.port} is still listened on")
        return seconds + (rest or 0)

    def __exit__(self, *exception):
        if self.process is not None and self.process.poll() is None:
            self.stop()
        super().__exit__(*exception)


class CrowdReference(Crowd, Reference):
    """The bare server; with `grow` it forks on demand up to that number; walled: as tcpd's workers
    are."""

    def __init__(self, build, least, grow=0, epoll=False, walled=False):
        super().__init__(build, "echo", walled=walled)
        self.least = least
        self.options = [*self.walls, *(["--grow", str(grow)] if grow else ["--epoll"] if epoll else [])]
        self.name = "ref, epoll" if epoll else "ref, forks" if grow else "ref"

    def start(self):
        self.began = time.monotonic()
        self.spawn([self.program, *self.options, "echo", str(self.least)],
                   stdout=subprocess.PIPE, text=True)
        with self.process.stdout as lines:
            self.port = int(lines.readline() or 0)
        if self.port == 0:
            raise BenchError("the reference did not start")


class CrowdTcpd(Crowd, Tcpd):
    """tcpd. `told` is what it notified, each with the time at which it was read."""

    def __init__(self, build, least, most=None, spare=0):
        super().__init__(build, "echo")
        self.least, self.most, self.spare = least, most or least, spare
        self.told = []

    def configuration(self):
        return CONFIGURATION.format(least=self.least, spare=self.spare, most=self.most)

    def start(self):
        self.began = time.monotonic()
        super().start()

    def spawn(self, command, **options):
        super().spawn([*command, "--levels"], **options)

    def drain(self):
        self.notify.settimeout(None)
        try:
            while text := self.notify.recv(65536).decode():
                self.told.append((time.monotonic(), text))
        except OSError:
            pass  # closed: the measurement is over

    def log_text(self):
        return (Path(self.home.name) / "log").read_text(errors="replace")

    def reload(self, patience=4 * PATIENCE):
        """Seconds from HUP to READY=1; None when it was refused, given up or took too long."""
        seen, said, began = len(self.told), len(self.log_text()), time.monotonic()
        self.process.send_signal(signal.SIGHUP)
        ready = []

        def is_ready():
            ready[:] = [when for when, text in self.told[seen:] if "READY=1" in text.split("\n")]
            return ready or self.process.poll() is not None

        if wait_until(is_ready, patience) is None or not ready:
            return None
        done = wait_until(lambda: "tcpd: reload" in self.log_text()[said:], 1)
        is_done = done is not None and "tcpd: reloaded\n" in self.log_text()[said:]
        return ready[0] - began if is_done else None

    def ask_status(self, patience=5.0):
        """Seconds from USR1 to the line on standard error; None when there was none."""
        path = Path(self.home.name) / "log"
        with open(path, "rb") as log:
            log.seek(0, 2)
            began = time.monotonic()
            self.process.send_signal(signal.SIGUSR1)
            seconds = wait_until(lambda: b" queued; " in log.read(), patience, poll=0.0002)
        return seconds and time.monotonic() - began

    def __exit__(self, *exception):
        if self.process is not None and self.process.poll() is None:
            self.stop()
        if self.home:
            left_behind.extend(f"{self.name}: {line}"
                               for line in ERROR_LEVEL.findall(self.log_text())[:3])
        super().__exit__(*exception)
