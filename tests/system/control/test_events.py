# SPDX-License-Identifier: MIT
"""`tcpdctl events`: what happens is told at once, to everybody who listens, and is remembered; who
does not listen costs the master nothing."""

import contextlib
import os
import re
import signal
import subprocess
import time

import pytest

from harness import (EX_OK, EX_UNAVAILABLE, EX_USAGE, PATIENCE, Listed, configuration, proc_fds,
                     service, wait_for)
from json_form import checked
from test_pause import TWO, ctl
from test_sessions import TCPDCTL, begun, control, tcpdctl, wait_sessions  # noqa: F401 (a fixture)

SIXTY = service("s0", "echo", listen=60 * ["127.0.0.1:0"], min_workers=1, max_workers=1)
SMALL = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}


class Events:
    """tcpdctl events, and what it has printed."""

    def __init__(self, control, *args):
        self.lines = Listed()
        self.process = subprocess.Popen([TCPDCTL, "-s", control, *args, "events"], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def wait(self, pattern):
        """Reads on until a line has that; the match."""
        for line in self.process.stdout:
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"no {pattern} in {self.lines.items}; {self.process.stderr.read()}")


def last(control, *args):
    """The events that the daemon remembers."""
    out = ctl(control, "--json", "--no-wait", *args, "events")
    return [checked("event", line) for line in out.splitlines()]


def kinds(control, *args):
    return [event["kind"] for event in last(control, *args)]


@contextlib.contextmanager
def listening(control, *args):
    """One that has subscribed: what is there already has come."""
    with Events(control, "--last", "64", *args) as events:
        events.wait(r"\bready\b")
        yield events


def test_each_kind(tcpd, control):
    """In the order in which it happens, with its time, its listener and its words."""
    conf = configuration(service("echo", **TWO), control=f"unix:{control}")
    with tcpd(conf) as daemon, listening(control) as events:
        name = f"echo 127.0.0.1:{daemon.ports['echo']}: "
        ctl(control, "pause", "echo")
        match = events.wait(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.\d{3}  paused          "
                            rf"{re.escape(name)}paused by process \d+ of user {os.geteuid()}: ")
        assert abs(time.mktime(time.strptime(match[1], "%Y-%m-%d %H:%M:%S")) - time.time()) < 60
        ctl(control, "resume", "echo")
        events.wait(rf"  resumed         {re.escape(name)}resumed by process")
        ctl(control, "resize", "echo", "max=9")
        events.wait(rf"  resized         {re.escape(name)}resized by .*: min 2, spare 1, max 9, ")
        with begun(daemon) as sock:
            row, = wait_sessions(control, 1)
            ctl(control, "kick", row["id"])
            events.wait(rf"  kicked          {re.escape(name)}process \d+ of user \d+ ends session "
                        rf"{re.escape(row['id'])} \(close\)$")
            assert sock.recv(1) == b""
        worker = daemon.workers()[0]
        ctl(control, "drain", "--worker", str(worker))
        events.wait(rf"  drained         {re.escape(name)}worker {worker} is drained by process")
        worker = daemon.wait_workers(lambda pids: worker not in pids and len(pids) >= 2)[0]
        os.kill(worker, signal.SIGKILL)
        events.wait(rf"  worker_died     {re.escape(name)}worker {worker} killed by signal 9 "
                    r"\(KILL\), serving nobody$")
        daemon.reload()
        events.wait("  reload          reloaded$")
        daemon.reload(conf + "nonsense")
        events.wait(r"  reload_refused  .*nonsense")
        daemon.stop()
        events.wait(r"  stopping        stopping: draining$")
        assert events.process.wait(PATIENCE) == EX_UNAVAILABLE
        assert events.process.stderr.read() == "tcpdctl: tcpd has ended the connection\n"


def test_full(tcpd, control):
    """Once when all are busy, and once when they are not any more."""
    with tcpd(configuration(service("echo", **SMALL), control=f"unix:{control}")) as daemon, \
            listening(control, "--kinds", "ready,pool_full,pool_relieved") as events:
        for _ in range(2):
            with begun(daemon):
                events.wait(r"  pool_full       echo \S+: all 1 workers are busy$")
            events.wait(r"  pool_relieved   echo \S+: ")
        assert len(events.lines.items) == 5


def test_throttled(tcpd, control):
    """Once for a row of deaths."""
    with tcpd(configuration(service("echo", **SMALL), control=f"unix:{control}")) as daemon, \
            listening(control, "--kinds", "ready,throttled") as events:
        def strike():
            for pid in daemon.workers():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return daemon.log_matches("died early; the next one starts in 1 s")

        wait_for(strike)
        events.wait(r"  throttled       echo \S+: \d+ workers in a row died early")
        assert len(events.lines.items) == 2


def test_remembered(tcpd, control):
    """The last 64, of all kinds or of some, in JSON."""
    with tcpd(configuration(service("echo", **TWO), control=f"unix:{control}")):
        first, = last(control)
        assert first["kind"] == "ready" and first["seq"] == 1 and first["missed"] == 0
        assert (first["service"], first["listener"]) == ("", "") and "2 workers" in first["text"]
        assert abs(first["time"] / 1e6 - time.time()) < 60
        for _ in range(3):
            ctl(control, "pause", "echo")
            ctl(control, "resume", "echo")
        assert kinds(control) == ["ready"] + 3 * ["paused", "resumed"]
        assert kinds(control, "--kinds", "resumed,ready") == ["ready"] + 3 * ["resumed"]
        assert kinds(control, "--last", "3") == ["resumed", "paused", "resumed"]
        assert kinds(control, "--last", "2", "--kinds", "paused") == 2 * ["paused"]
        assert kinds(control, "--last", "0") == []
        assert [event["seq"] for event in last(control)] == list(range(1, 8))
        for _ in range(35):
            ctl(control, "pause", "echo")
            ctl(control, "resume", "echo")
        events = last(control)
        assert len(events) == 64 and events[-1]["seq"] == 77 and events[0]["seq"] == 14


def test_time_is_over(tcpd, control):
    with tcpd(configuration(service("echo", **TWO), control=f"unix:{control}")):
        assert tcpdctl(control, "--timeout", "200ms", "events") == (EX_OK, "", "")


def test_pings(tcpd, control):
    """Nothing happens for longer than the daemon waits for who is silent."""
    with tcpd(configuration(service("echo", **TWO), control=f"unix:{control}")), \
            listening(control) as events:
        time.sleep(32)  # the time itself is meant
        ctl(control, "pause")
        events.wait("paused")


def test_many(tcpd, control):
    """More than a hundred a second: the rest is counted, and the next line says how many."""
    with tcpd(configuration(SIXTY, control=f"unix:{control}")), \
            listening(control, "--json") as events:
        for _ in range(3):
            ctl(control, "pause")
            ctl(control, "resume")
        time.sleep(1.1)  # the time itself is meant: another second
        ctl(control, "resize", "s0", "max=9")
        events.wait('"resized"')
        told = [checked("event", line) for line in events.lines.items[1:]]
        missed = sum(event["missed"] for event in told)
        assert missed > 0 and len(told) + missed == 361
        assert told[-1]["seq"] == 362


BAD = [["events", "echo"], ["--last", "65", "events"], ["--last", "x", "events"],
       ["--kinds", "", "events"], ["--kinds", "a,,b", "events"], ["--last", "5", "status"],
       ["--kinds", "paused", "status"]]


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_usage(control, words):
    code, out, err = tcpdctl(control, *words)
    assert (code, out) == (EX_USAGE, "") and len(err.splitlines()) == 1


def test_no_such_kind(tcpd, control):
    with tcpd(configuration(service("echo", **TWO), control=f"unix:{control}")):
        assert tcpdctl(control, "--kinds", "paused,nothing", "events") == (
            EX_USAGE, "", 'tcpdctl: there is no kind of event "nothing"; there are ready, reload, '
            "reload_refused, stopping, worker_died, throttled, pool_full, pool_relieved, records_lost, "
            "paused, resumed, resized, drained, kicked\n")


def test_who_does_not_read(tcpd, control):
    """A listener that was stopped loses its connection; the others are told, and nobody waits."""
    with tcpd(configuration(SIXTY, control=f"unix:{control}")) as daemon, \
            listening(control) as stopped, listening(control, "--kinds", "ready,resized") as other:
        listeners = unix_peers(daemon.pid, control)
        stopped.process.send_signal(signal.SIGSTOP)

        def is_gone():
            ctl(control, "pause")
            ctl(control, "resume")
            return len(listeners & unix_peers(daemon.pid, control)) <= 1

        try:
            wait_for(is_gone, deadline=3 * PATIENCE, what="its connection is closed")
        finally:
            stopped.process.send_signal(signal.SIGCONT)
        time.sleep(1.1)  # the time itself is meant: another second
        begin = time.monotonic()
        ctl(control, "resize", "s0", "max=3")
        other.wait("resized")
        assert time.monotonic() - begin < PATIENCE / 3
        assert daemon.is_serving("s0")


def unix_peers(pid, path):
    """The daemon's connections at that path: inodes."""
    own = set(proc_fds(pid).values())
    with open("/proc/net/unix", encoding="utf-8") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return {row[6] for row in rows
            if row[-1] == str(path) and row[5] == "03" and f"socket:[{row[6]}]" in own}
