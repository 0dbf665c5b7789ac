# SPDX-License-Identifier: MIT
"""What must hold in each cell, while a call fails and when it is over.

Before READY=1 tcpd serves all the same, or ends with a documented status and says why. After it
the master neither dies nor spins; no more than the connection that was hit is lost; when the fault
is over a new client is served, the pool is at its minimum, a reload works, and no zombies stay.
"""

import contextlib
import re
import resource
import signal
import time
from pathlib import Path

from daemon import Clients, Daemon, happens, is_alive
from harness import proc_fds
from strace import Trace, failing, rules

RECOVERY = 5.0  # seconds in which all must be well again
DOCUMENTED = (64, 68, 69, 71, 74, 77, 78)  # exit statuses of a start, tcpd.service(8)
WRITES = ("poll", "pwritev2", "write", "writev")  # without them nothing can be said
NO_READY = ("sendmsg", "sendto", "socket")  # without them READY=1 cannot be sent
LIMITS = {"as": resource.RLIMIT_AS, "fsize": resource.RLIMIT_FSIZE,
          "nofile": resource.RLIMIT_NOFILE}


class Failed(Exception):
    """A cell that did not end as it must."""


class Lane:
    """Runs cells one after the other, on one daemon as long as it goes well."""

    def __init__(self):
        self.daemon = None

    def take(self, setup):
        if self.daemon and (self.daemon.setup != setup or self.daemon.gone()):
            self.drop()
        if not self.daemon:
            self.daemon = Daemon(setup)
            if not self.daemon.is_ready(10):
                raise RuntimeError(f"no daemon without a fault: {self.daemon.last_lines()}")
        return self.daemon

    def drop(self):
        daemon, self.daemon = self.daemon, None
        if daemon:
            daemon.cleanup()

    def run(self, cell):
        """Whether the call was made; Failed, or what went wrong with the cell itself."""
        return CHECKS[cell.scenario.where](self, cell)


# --- What must hold -----------------------------------------------------------------------------

class Watch:
    """The processor time of the master."""

    def __init__(self, daemon):
        self.daemon, self.cpu, self.began = daemon, daemon.cpu(), time.monotonic()

    def lasted(self):
        return time.monotonic() - self.began

    def wait(self, seconds):
        """Until so many have passed since its beginning."""
        time.sleep(max(0, self.began + seconds - time.monotonic()))

    def check(self):
        spent, lasted = self.daemon.cpu() - self.cpu, self.lasted()
        if not self.daemon.gone() and spent > 0.5 * max(lasted, 0.5):
            raise Failed(f"the master spins: {spent:.2f} s of processor time in {lasted:.2f} s")


def check_alive(daemon):
    if daemon.gone():
        raise Failed(f"the master died with status {daemon.process.returncode}; "
                     f"log: {daemon.last_lines()}")


def check_served(daemon, when):
    """Where nobody listens a client tries again."""
    end = time.monotonic() + RECOVERY
    while (wrong := daemon.talk(RECOVERY)) and time.monotonic() < end and \
            wrong.startswith(("FileNotFoundError", "ConnectionRefusedError")):
        time.sleep(0.05)
    if wrong:
        raise Failed(f"no service {when}: {wrong}; log: {daemon.last_lines()}")


def check_recovery(daemon, watch):
    check_alive(daemon)
    end = time.monotonic() + RECOVERY
    check_served(daemon, "after the fault")
    left = max(0.5, end - time.monotonic())
    if not happens(lambda: len(daemon.workers()) >= daemon.minimum, left):
        raise Failed(f"{len(daemon.workers())} workers, not {daemon.minimum}; "
                     f"log: {daemon.last_lines()}")
    watch.check()
    before = daemon.n_ready()
    daemon.signal(signal.SIGHUP)
    if not happens(lambda: daemon.n_ready() > before or daemon.gone(), RECOVERY):
        raise Failed(f"a reload does not end; log: {daemon.last_lines()}")
    check_alive(daemon)
    check_served(daemon, "after a reload")
    if not happens(lambda: not daemon.zombies(), 2):
        raise Failed("zombies stay")


def attack(daemon, cell, pids, n_clients, n_lost_allowed):
    """Whether the call was made."""
    n_lines, watch = daemon.n_lines(), Watch(daemon)
    with failing(cell, pids, cell.scenario.follow) as trace:
        clients = Clients(daemon, n_clients)
        if cell.scenario.where != "worker":
            cell.scenario.do(daemon)
        else:
            for _ in range(1 if cell.when == "always" else 3):
                clients.wrong += filter(None, [daemon.talk(3.0)])
        if cell.when == "always":
            watch.wait(1.2)
            watch.check()
    wrong = clients.join()
    check_alive(daemon)
    cell.scenario.then(daemon)
    if len(wrong) > n_lost_allowed + cell.scenario.n_lost:
        raise Failed(f"{len(wrong)} connections lost: {wrong[0]}; log: {daemon.last_lines()}")
    if daemon.n_lines() - n_lines > 150:
        raise Failed(f"{daemon.n_lines() - n_lines} lines of log")
    check_recovery(daemon, watch)
    made = trace.n_injected() > 0
    trace.remove()
    return made


# --- Kinds of cells -----------------------------------------------------------------------------

def run_start(_lane, cell):
    trace = Trace()
    daemon = Daemon(cell.scenario.setup, trace.prefix(rules(cell, cell.offset)))
    try:
        ready = daemon.is_ready(6)
        if daemon.gone():
            may_be_silent = daemon.setup.journal or cell.call in WRITES
            check_end_of_start(daemon, may_be_silent)
        elif not ready and not (cell.when == "always" and cell.call in NO_READY):
            raise Failed(f"neither READY=1 nor an end within 6 s; log: {daemon.last_lines()}")
        elif cell.when != "always":
            check_served(daemon, "though READY=1")
    finally:
        daemon.cleanup()
        made = trace.n_injected() > 0
        trace.remove()
    return made


def check_end_of_start(daemon, may_be_silent):
    status = daemon.process.returncode
    happens(lambda: daemon.log.items, 1)
    if status not in DOCUMENTED:
        raise Failed(f"ended with status {status}; log: {daemon.last_lines()}")
    if not daemon.log.items and not may_be_silent:
        raise Failed(f"ended with status {status} and said nothing")


def run_limit_start(_lane, cell):
    daemon = Daemon(cell.scenario.setup, ["prlimit", f"--{cell.call}={cell.error}"])
    try:
        ready = daemon.is_ready(6)
        if daemon.gone():
            check_end_of_start(daemon, False)
        elif not ready:
            raise Failed(f"neither READY=1 nor an end within 6 s; log: {daemon.last_lines()}")
    finally:
        daemon.cleanup()
    return True


def run_master(lane, cell):
    daemon = lane.take(cell.scenario.setup)
    return attack(daemon, cell, [daemon.pid], 3, 0)


def run_birth(lane, cell):
    """Workers that are set up: strace follows the master's children."""
    daemon = lane.take(cell.scenario.setup)
    return attack(daemon, cell, [daemon.pid], 3, 3 if cell.when == "always" else 2)


def run_worker(lane, cell):
    """The one worker of a pool; its successor must lose no connection."""
    daemon = lane.take(cell.scenario.setup)
    pids = happens(daemon.workers, 3)
    if not pids:
        raise RuntimeError("no worker")
    return attack(daemon, cell, pids[:1], 0, 1 if cell.when in ("1", "always") else 2)


def run_limit(lane, cell):
    """A resource of the master that is used up for a second."""
    daemon = lane.take(cell.scenario.setup)
    extra, number = int(cell.error), LIMITS[cell.call]
    before = resource.prlimit(daemon.pid, number)
    if cell.call == "as":
        status = Path(f"/proc/{daemon.pid}/status").read_text()
        extra += int(re.search(r"VmSize:\s+(\d+)", status)[1]) * 1024
    elif cell.call == "nofile":
        extra += len(proc_fds(daemon.pid))
    watch = Watch(daemon)
    resource.prlimit(daemon.pid, number, (extra, before[1]))
    cell.scenario.do(daemon)
    watch.wait(1.0)
    check_alive(daemon)
    resource.prlimit(daemon.pid, number, before)
    check_recovery(daemon, watch)
    return True


def run_stop(lane, cell):
    daemon = lane.take(cell.scenario.setup)
    try:
        workers, watch = daemon.workers(), Watch(daemon)
        clients = Clients(daemon, 2 if cell.scenario.what == "busy" else 0)
        with failing(cell, [daemon.pid]) as trace:
            daemon.signal(signal.SIGTERM)
            happens(daemon.gone, 1.0)
            watch.check()
        clients.join()
        made = trace.n_injected() > 0
        trace.remove()
        if not happens(daemon.gone, 6):
            raise Failed(f"has not stopped after 7 s; log: {daemon.last_lines()}")
        if daemon.process.returncode != 0:
            raise Failed(f"stopped with status {daemon.process.returncode}; "
                         f"log: {daemon.last_lines()}")
        if not happens(lambda: not any(map(is_alive, workers)), 3):
            raise Failed("workers are left behind")
        return made
    finally:
        lane.drop()


CHECKS = {"start": run_start, "limit-start": run_limit_start, "master": run_master,
          "birth": run_birth, "worker": run_worker, "limit": run_limit, "stop": run_stop}


def judge(lane, cell):
    """(what is wrong, None: nothing; whether the call was made)"""
    try:
        return None, lane.run(cell)
    except Failed as failure:
        wrong = str(failure)
    except Exception as error:  # a fault of the cell's own is one, too
        wrong = f"the cell itself: {type(error).__name__}: {error}"
    with contextlib.suppress(AssertionError):
        lane.drop()
    return wrong, True
