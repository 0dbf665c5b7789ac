# SPDX-License-Identifier: MIT
"""In which situations calls fail: what is started, what is done to it, whose calls they are."""

import contextlib
import os
import re
import signal
import time
from typing import Callable, NamedTuple

from daemon import Setup
from harness import Text
from services import KINDS, connect

# What a child calls before it is a program; the program's own calls are not looked at.
CHILD = frozenset("capget capset close_range dup2 execve fcntl prctl prlimit64 rt_sigaction "
                  "seccomp setsid".split())


def send(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


# --- What is done -------------------------------------------------------------------------------

def wait_a_tick(_daemon):
    time.sleep(1.1)


def crowd(daemon):
    """Connections that keep a worker each, so that more are forked; a death; the status."""
    socks = []
    for _ in range(5):
        with contextlib.suppress(OSError):
            socks.append(connect(daemon.kind, daemon.at, 2))
    for sock in socks:
        with contextlib.suppress(OSError):
            sock.send(b"x")
    time.sleep(0.15)
    for sock in socks:
        sock.close()
    for pid in daemon.workers()[:1]:
        send(pid, signal.SIGKILL)
    daemon.signal(signal.SIGUSR1)
    time.sleep(0.1)


def grow(daemon):
    """The same, and one worker more, one fewer."""
    crowd(daemon)
    daemon.signal(signal.SIGTTIN)
    daemon.signal(signal.SIGTTOU)
    time.sleep(0.1)


def reload(daemon):
    daemon.signal(signal.SIGHUP)
    time.sleep(0.3)


def control(daemon):
    daemon.ctl("--timeout", "2s", "--json", "status")
    daemon.ctl("--timeout", "2s", "check")
    daemon.ctl("--timeout", "2s", "reload")
    daemon.ctl("--timeout", "1s", "status")


def remove_path(daemon):
    """The path of its socket goes: a reload brings it back."""
    with contextlib.suppress(OSError):
        os.unlink(daemon.at)
    reload(daemon)


def reload_again(daemon):
    """One that was refused has brought nothing back."""
    if re.search(Text.reload_failed, daemon.status()):
        reload(daemon)


def nothing(_daemon):
    pass


def steady_and_reload(daemon):
    wait_a_tick(daemon)
    reload(daemon)


def replace(daemon):
    """Workers die, others are born."""
    for pid in daemon.workers()[:2]:
        send(pid, signal.SIGKILL)
    time.sleep(0.2)


def talk(daemon):
    daemon.talk(3.0)


def stop(daemon):
    daemon.signal(signal.SIGTERM)
    time.sleep(0.6)


# --- The table ----------------------------------------------------------------------------------

class Scenario(NamedTuple):
    """where: whose calls, and what must hold. calls: only these, not all that are made."""
    where: str
    what: str
    setup: Setup = Setup()
    do: Callable = talk
    calls: frozenset = frozenset()
    follow: bool = False  # also the children of that process, each with counts of its own
    then: Callable = nothing  # is done when the fault is over
    n_lost: int = 0  # clients that it may cost, beside those that a worker's fault may


def workers():
    """The one worker of each kind of service."""
    found = [Scenario("worker", name, Setup(name, one=True, all=True))
             for name in KINDS if name != "listener"]  # which has none
    found += [Scenario("worker", f"{name}+child", Setup(name, one=True, all=True), calls=CHILD,
                       follow=True, n_lost=3) for name in ("program", "prestart", "wait")]
    return [*found, Scenario("worker", "echo+journal", Setup(one=True, all=True, journal=True))]


SCENARIOS = [
    Scenario("start", "plain"),
    Scenario("start", "journal", Setup(journal=True)),
    Scenario("start", "handed", Setup(handed=True)),
    Scenario("start", "control", Setup(control=True)),
    Scenario("start", "left-out", Setup(taken=True)),
    *(Scenario("start", kind, Setup(kind)) for kind in
      ("program", "listener", "module", "websocket", "unix", "seqpacket", "udp", "datagram")),
    Scenario("master", "steady", do=wait_a_tick),
    Scenario("master", "grow", do=grow),
    Scenario("master", "reload", do=reload),
    Scenario("master", "control", Setup(control=True), do=control),
    Scenario("master", "left-out", Setup(taken=True), do=steady_and_reload),
    Scenario("master", "handed", Setup(handed=True), do=reload),
    Scenario("master", "journal", Setup(journal=True, all=True), do=grow),
    Scenario("master", "program", Setup("program"), do=grow),
    Scenario("master", "listener", Setup("listener"), do=crowd),
    Scenario("master", "module", Setup("module"), do=reload),
    Scenario("master", "udp", Setup("udp"), do=grow),
    Scenario("master", "path", Setup("unix"), do=remove_path, then=reload_again,
             n_lost=3),
    *workers(),
    *(Scenario("birth", kind, Setup(kind), do=replace, follow=True) for kind in
      ("echo", "websocket", "module", "udp")),
    # strace follows programs, too, whose own calls are not looked at.
    *(Scenario("birth", kind, Setup(kind), do=replace, follow=True, calls=CHILD | {"pipe2"})
      for kind in ("program", "listener")),
    Scenario("stop", "idle", do=stop),
    Scenario("stop", "busy", do=stop),
    Scenario("stop", "listener", Setup("listener"), do=stop),
    Scenario("stop", "path", Setup("unix"), do=stop),
]

# Resources of the master that are used up for a second: how much of them is left.
LIMITED = {"reload": reload, "grow": grow, "control": control}
LIMITS = {"as": (0, 16384, 200000), "nofile": (0, 1, 3), "fsize": (0, 4096)}

# With these it is started.
START_LIMITS = {"as": (100 << 20, 280 << 20, 290 << 20, 300 << 20),
                "fsize": (0, 100000), "nofile": (5, 6, 7, 8, 9, 10, 12, 16)}
