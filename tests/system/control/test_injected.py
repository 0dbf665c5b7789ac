# SPDX-License-Identifier: MIT
"""System calls that fail once, now and then or always: what the master wants is done all the same."""

import contextlib
import os
import signal
import time

import pytest

from harness import (EX_OK, EX_OSERR, PATIENCE, Tcpd, Text, configuration, injected, proc_state,
                     read_all, read_exactly, service, wait_for)
from programs import listener, write_python

ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
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


@pytest.mark.parametrize("when", ["1", "1..3"])
def test_term_that_could_not_be_sent(tcpd, when):
    """Issue 12: kill() fails for the TERM of a reload: it is sent again, until it was sent."""
    prefix = injected(f"kill:error=EPERM:when={when}")
    with tcpd(configuration(service("echo", **ONE)), prefix=prefix) as daemon:
        [old] = daemon.workers()
        daemon.reload()
        wait_for(lambda: proc_state(old) is None, what="end of the old worker")
        assert daemon.stop() == EX_OK


def test_term_for_a_program_that_could_not_be_sent(tcpd, tmp_path):
    """Issue 12: the same for a program in a worker's place, which gets TERM once only."""
    path = tmp_path / "accepts.py"
    write_python(path, ACCEPTS)
    prefix = injected("kill:error=EPERM:when=1..2")
    with tcpd(configuration(listener([str(path)], min_workers=1)), prefix=prefix) as daemon:
        wait_for(lambda: daemon.exchange("program"), what="an answer")
        [old] = daemon.workers()
        daemon.reload()
        wait_for(lambda: proc_state(old) is None, what="end of the old copy")


@pytest.mark.parametrize("error", ["EINTR", "EINVAL", "ENOMEM"])
def test_dead_workers_that_could_not_be_reaped(tcpd, error):
    """Issue 12: only ECHILD says that there is no child: no zombies, and a stop that ends."""
    prefix = injected(f"waitid:error={error}:when=1..3")
    with tcpd(configuration(service("echo", **ONE)), prefix=prefix) as daemon:
        [old] = daemon.workers()
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: proc_state(old) is None, what="no zombie")
        assert daemon.is_serving()
    with tcpd(configuration(service("echo")), prefix=prefix) as daemon:
        assert daemon.stop() == EX_OK


def test_what_the_masters_is_could_not_be_closed():
    """Issue 12: a worker that keeps the master's descriptors does not serve."""
    prefix = injected("close_range:error=ENOSYS", follow=True)
    with Tcpd(configuration(service("echo")), prefix=prefix) as daemon:
        assert daemon.wait_exit() == EX_OSERR
        daemon.wait_log("cannot be set up: Function not implemented")


def test_time_to_stop_ends_with_the_last_kill(tcpd):
    """Issue 12: who outlives KILL is systemd's: no more EXTEND_TIMEOUT_USEC."""
    prefix = injected("kill:error=EPERM")
    conf = configuration(service("echo"), stop_timeout="1s")
    with tcpd(conf, prefix=prefix) as daemon, daemon.connect("echo") as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        daemon.signal(signal.SIGTERM)
        daemon.wait_log(Text.not_in_time)
        begin = time.monotonic()
        counts = {}
        while time.monotonic() - begin < 4:  # STATUS= comes, or nothing does
            n = sum("EXTEND_TIMEOUT_USEC" in m for m in daemon.notifications.items)
            counts.setdefault(n, time.monotonic() - begin)
            with contextlib.suppress(AssertionError):
                daemon.wait_notify(lambda m: "EXTEND_TIMEOUT_USEC" in m, 0.5,
                                   since=len(daemon.notifications.items))
        assert max(counts.values()) < 1, counts
        assert daemon.process.poll() is None
