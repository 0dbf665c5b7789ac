# SPDX-License-Identifier: MIT
"""Places at the control socket: who listens for long does not take all of them, and who reads no
more gives its place up."""

import contextlib
import os
import selectors
import signal
import socket
import statistics
import subprocess
import threading
import time

import pytest

from clients import Clients
from harness import (EX_OK, EX_UNAVAILABLE, PATIENCE, can_become_others, configuration, read_all,
                     service, wait_for)
from test_pause import TWO
from test_sessions import TCPDCTL, control, open_to_all, tcpdctl  # noqa: F401 (control is a fixture)
from test_tcpdctl import message

PLACES = 32
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
OTHERS = pytest.mark.skipif(not can_become_others(), reason="cannot become another user")
REFUSED = ("tcpdctl: {} connections listen to events already, and no more may; try again when one "
           "has ended\n")
REFUSED_OTHERS = ("tcpdctl: {} connections of users other than root listen to events already, and "
                  "no more may; try again when one has ended\n")
FAILED = 1


def conf(control):
    return configuration(service("echo", **TWO), service("status"), control=f"unix:{control}")


class Listeners:
    """Processes of tcpdctl that listen to events."""

    def __init__(self, control, stack):
        self.control, self.stack, self.processes = control, stack, []

    def start(self, prefix=()):
        process = subprocess.Popen([*prefix, TCPDCTL, "-s", self.control, "--last", "1", "events"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.stack.callback(process.communicate)
        self.stack.callback(process.kill)
        self.processes.append(process)
        return process

    def add(self, n, prefix=()):
        """That many, all of which have a place: they have printed what has happened before."""
        new = [self.start(prefix) for _ in range(n)]
        for process in new:
            assert process.stdout.readline(), process.stderr.read()

    def refused(self, prefix=()):
        """Of one more: what it says."""
        process = self.start(prefix)
        assert process.stdout.readline() == ""
        assert process.wait(PATIENCE) == FAILED
        return process.stderr.read()

    def may_add(self):
        process = self.start()
        return process.stdout.readline() != ""


def http(daemon, path):
    with daemon.connect("status") as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return read_all(sock)


def check_answered(daemon, control, prefix=()):
    code, out, err = tcpdctl(control, "status", prefix=prefix)
    assert (code, err) == (EX_OK, "") and f"process {daemon.pid}," in out
    assert tcpdctl(control, "metrics", prefix=prefix)[0] == EX_OK
    assert b" 200 " in http(daemon, "/healthz") and b"\ntcpd_" in http(daemon, "/metrics")


def test_events_leave_places(tcpd, control):
    """As many as there are places, and more: half of these at most listen, the others are told why
    not, and everything else is answered; a place comes back when one ends, and stop is obeyed."""
    most = PLACES // 2 if os.geteuid() == 0 else PLACES // 4
    words = REFUSED if os.geteuid() == 0 else REFUSED_OTHERS
    with tcpd(conf(control)) as daemon, contextlib.ExitStack() as stack:
        listeners = Listeners(control, stack)
        listeners.add(most)
        more = [listeners.start() for _ in range(PLACES + 4 - most if os.geteuid() == 0 else 1)]
        for process in more:
            assert process.wait(PATIENCE) == FAILED
            assert (process.stdout.read(), process.stderr.read()) == ("", words.format(most))
        check_answered(daemon, control)
        assert tcpdctl(control, "--no-wait", "events") == (FAILED, "", words.format(most))
        assert tcpdctl(control, "pause", "echo")[0] == EX_OK
        assert all("paused" in process.stdout.readline() for process in listeners.processes[:most])
        listeners.processes[0].send_signal(signal.SIGTERM)
        wait_for(listeners.may_add, what="a place")
        assert listeners.refused() == words.format(most)
        assert tcpdctl(control, "stop") == (EX_OK, "", "")
        assert daemon.wait_exit() == EX_OK


@OTHERS
def test_others_take_half(tcpd, control):
    """Root listens all the same, and so much that nobody else may: both are answered meanwhile."""
    with tcpd(conf(control)) as daemon, contextlib.ExitStack() as stack:
        open_to_all(control)
        listeners = Listeners(control, stack)
        listeners.add(PLACES // 4, NOBODY)
        assert listeners.refused(NOBODY) == REFUSED_OTHERS.format(PLACES // 4)
        listeners.add(PLACES // 4)
        assert listeners.refused() == REFUSED.format(PLACES // 2)
        assert listeners.refused(NOBODY) == REFUSED.format(PLACES // 2)
        for prefix in (), NOBODY:
            check_answered(daemon, control, prefix)


def test_answered_while_workers_come_and_go(tcpd, control):
    """A worker for each session: the master starts them without end, and answers beside that, not
    only when nobody comes for a moment."""
    busy = service("echo", min_workers=16, spare_workers=2, max_workers=64, max_sessions_per_worker=1)
    with (tcpd(configuration(busy, control=f"unix:{control}")) as daemon,
          Clients(daemon.address("echo"), processes=2, threads=4) as clients):
        wait_for(lambda: clients.n_served() > 100, what="load")
        durations = []
        for words in ["status"], ["metrics"], ["sessions"], ["resize", "echo", "max=65"], ["status"]:
            began = time.monotonic()
            code, _, err = tcpdctl(control, *words)
            assert (code, err) == (EX_OK, "")
            durations.append(time.monotonic() - began)
        assert clients.finish()["lost"] == 0
        assert statistics.median(durations) < 3, durations


def ask_without_end(control, over):
    """GetStatus from eight connections, the next when one is answered."""
    call = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + message("GetStatus")
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        for _ in range(8):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(str(control))
            sock.sendall(call)
            selector.register(sock, selectors.EVENT_READ)
        while not over.is_set():
            for key, _ in selector.select(0.1):
                if b"generation" in key.fileobj.recv(65536):
                    key.fileobj.sendall(message("GetStatus"))


def test_workers_start_while_callers_call(tcpd, control):
    """The other way round: who asks without end does not keep the master from its workers."""
    busy = service("echo", min_workers=4, spare_workers=2, max_workers=64, max_sessions_per_worker=1)
    over = threading.Event()
    with (tcpd(configuration(busy, control=f"unix:{control}")) as daemon,
          Clients(daemon.address("echo"), processes=1, threads=4) as clients,
          contextlib.ExitStack() as stack):
        for _ in range(3):
            thread = threading.Thread(target=ask_without_end, args=(control, over))
            stack.callback(thread.join)
            thread.start()
        stack.callback(over.set)
        for _ in range(4):
            served = clients.n_served()
            wait_for(lambda: clients.n_served() > served + 100, what="clients are served")
        assert clients.finish()["lost"] == 0


HOLD = """
import socket, sys
held = []
for _ in range(int(sys.argv[2])):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(sys.argv[1])
    sock.sendall(b"\\0AUTH EXTERNAL\\r\\nDATA\\r\\nBEGIN\\r\\n" + bytes.fromhex(sys.argv[3]))
    said = b""
    while b"generation" not in said:  # it has called once, so it may be silent for a while
        piece = sock.recv(4096)
        assert piece, said
        said += piece
    held.append(sock)
print("held", flush=True)
sys.stdin.read()
"""


@OTHERS
def test_no_place_is_left(tcpd, control):
    """All places of users other than root are held: the next one hears it in words, root is
    served."""
    with tcpd(conf(control)) as daemon, contextlib.ExitStack() as stack:
        open_to_all(control)
        holder = subprocess.Popen([*NOBODY, "/usr/bin/python3", "-c", HOLD, control,
                                   str(PLACES // 2), message("GetStatus").hex()], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        stack.callback(holder.communicate)
        stack.callback(holder.kill)
        assert holder.stdout.readline() == "held\n"
        for words in ["status"], ["events"], ["-b", "-n", "1", "top"], ["metrics"]:
            code, out, err = tcpdctl(control, *words, prefix=NOBODY)
            assert (code, out) == (EX_UNAVAILABLE, "") and err.count("\n") == 1
            assert "too many others are connected (half of the places are kept for root)" in err
        assert tcpdctl(control, "status")[0] == EX_OK
        holder.kill()
        wait_for(lambda: tcpdctl(control, "status", prefix=NOBODY)[0] == EX_OK, what="a place")
        assert daemon.is_serving()


# --- Who reads no more ---------------------------------------------------------------------------

@contextlib.contextmanager
def piped(*words, ignores=False):
    """tcpdctl, and the reading end of its standard output."""
    process = subprocess.Popen([TCPDCTL, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, restore_signals=not ignores)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_events_without_a_reader(tcpd, control):
    """As in tcpdctl events | head -1: nothing happens, and it ends all the same, as by any write."""
    with tcpd(conf(control)):
        with piped("-s", control, "--last", "1", "events") as process:
            assert process.stdout.readline()
            process.stdout.close()
            assert process.wait(PATIENCE) == -signal.SIGPIPE
            assert process.stderr.read() == ""
        with piped("-s", control, "--last", "1", "events", ignores=True) as process:
            assert process.stdout.readline()
            process.stdout.close()
            assert process.wait(PATIENCE) == os.EX_IOERR
            assert process.stderr.read() == "tcpdctl: cannot write to standard output: Broken pipe\n"


def test_events_into_files(tcpd, control, tmp_path):
    """What has no reader by its nature is no pipe that was closed."""
    with tcpd(conf(control)), open(tmp_path / "out", "wb") as out, open(os.devnull, "wb") as null:
        for where in out, null:
            began = time.monotonic()
            done = subprocess.run([TCPDCTL, "-s", control, "--timeout", "500ms", "events"],
                                  stdout=where, stderr=subprocess.PIPE, timeout=PATIENCE)
            assert (done.returncode, done.stderr) == (EX_OK, b"")
            assert time.monotonic() - began > 0.45


def test_top_without_a_reader(tcpd, control):
    """Printed again and again: it does not wait for the next time, which is in an hour."""
    with tcpd(conf(control)):
        with piped("-s", control, "-b", "-d", "1h", "top") as process:
            assert process.stdout.readline()
            process.stdout.close()
            assert process.wait(PATIENCE) == -signal.SIGPIPE
            assert process.stderr.read() == ""
