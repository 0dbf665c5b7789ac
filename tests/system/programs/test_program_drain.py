# SPDX-License-Identifier: MIT
"""Stop, reload and kills of what the core promises, for programs in connection mode: no session is
lost that need not be, and no process is left."""

import contextlib
import os
import signal
import socket
import time

import pytest

from clients import HANG, Clients, judge, rounds, strike
from harness import (EX_OK, PATIENCE, Text, configuration, proc_state, read_all, read_exactly,
                     reset, wait_for)
from programs import ONE, program, wait_end, write_script


def begin(daemon):
    """A session of cat, in the middle of it."""
    sock = daemon.connect("program")
    sock.sendall(b"x")
    assert read_exactly(sock, 1) == b"x"
    return sock


def finish(sock):
    """Ends it as its program would have it."""
    sock.sendall(b"still served")
    assert read_exactly(sock, 12) == b"still served"
    sock.shutdown(socket.SHUT_WR)
    assert read_all(sock) == b""
    sock.close()


def stop(daemon, mark):
    """An orderly stop; nothing is left."""
    assert daemon.stop() == EX_OK
    assert mark.pids() == []


# --- Stop --------------------------------------------------------------------------------------

def test_stop_waits_for_the_session_in_hand(tcpd, mark):
    """The idle workers leave, the one with a program stays until that has ended."""
    with tcpd(configuration(program("/bin/cat", mark), stop_timeout="60s")) as daemon:
        with begin(daemon) as sock:
            [pid] = mark.wait(1)
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify(lambda m: m.get("STOPPING") == "1")
            daemon.wait_workers(1)
            assert proc_state(pid) and daemon.process.poll() is None
            finish(sock)
        assert daemon.wait_exit() == EX_OK
        assert mark.pids() == []


@pytest.mark.parametrize("code", [
    "trap '' TERM; echo begun; while :; do sleep 0.1; done",
    "(setsid sh -c 'trap \"\" TERM; sleep 1000; :' &) ; echo begun; exec sleep 1000"],
    ids=["stubborn", "daemon"])
def test_stop_timeout_is_over(tcpd, mark, tmp_path, code):
    """Killed then, whatever the program thinks of it, with all that it has started."""
    script = write_script(tmp_path / "stubborn", code + "\n")
    conf = configuration(program(script, mark, kill_grace="60s"), stop_timeout="1s")
    with tcpd(conf) as daemon, daemon.connect("program") as sock:
        assert read_exactly(sock, 6) == b"begun\n"
        began = time.monotonic()
        assert daemon.stop() == EX_OK
        assert 0.9 <= time.monotonic() - began < 15
        daemon.wait_log(Text.not_in_time)
        assert wait_end(sock) == b""
        mark.wait(0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_stop_at_once(tcpd, mark, number):
    """A second TERM, INT or QUIT: no session is waited for."""
    with tcpd(configuration(program("/bin/cat", mark), stop_timeout="60s")) as daemon:
        with begin(daemon) as sock:
            if number == signal.SIGTERM:
                daemon.signal(number)
                daemon.wait_notify(lambda m: m.get("STOPPING") == "1")
                daemon.stop_again()
            else:
                daemon.signal(number)
            daemon.wait_exit()
            assert wait_end(sock) == b""
            mark.wait(0)


def test_queue_is_served_at_the_stop(tcpd, mark):
    """B8: clients in the queue get their programs, though more of them than workers."""
    with tcpd(configuration(program("/bin/cat", mark, **ONE))) as daemon, \
            contextlib.ExitStack() as stack:
        first = begin(daemon)
        waiting = [stack.enter_context(daemon.connect("program")) for _ in range(10)]
        for i, sock in enumerate(waiting):
            sock.sendall(b"%02d" % i)
            sock.shutdown(socket.SHUT_WR)
        daemon.signal(signal.SIGTERM)
        daemon.wait_notify(lambda m: m.get("STOPPING") == "1")
        finish(first)
        assert [read_all(sock) for sock in waiting] == [b"%02d" % i for i in range(10)]
        assert daemon.wait_exit() == EX_OK


# --- Reload ------------------------------------------------------------------------------------

def test_reload_changes_the_program(tcpd, mark):
    """New clients get the new one, sessions in hand keep theirs; its settings are new as well."""
    old = configuration(program("/bin/cat", mark))
    new = configuration(program(["/bin/sh", "-c", "echo new $MORE"], mark, environment=["MORE=x"]))
    with tcpd(old) as daemon:
        with begin(daemon) as sock:
            daemon.reload(new)
            for _ in range(8):
                assert daemon.exchange("program") == b"new x\n"
            finish(sock)
        daemon.reload(old)
        assert daemon.exchange("program", b"again") == b"again"
        stop(daemon, mark)


def test_soak_program_reload(tcpd, mark, record_property):
    """Whole pools exchanged under load: each client has its program to the end."""
    conf = configuration(program("/bin/cat", mark, min_workers=4, max_workers=32))
    with tcpd(conf) as daemon, Clients(daemon.address("program"), 2, 3) as clients:
        for reloads in rounds(clients, 300, 4, least=3):
            before = daemon.workers()
            daemon.reload()
            wait_for(lambda: not set(before) & set(daemon.workers()), HANG, "the old have left")
        total = clients.finish()
        assert not daemon.log_matches("killed|failed|closed: ")
        stop(daemon, mark)
    judge(total, record_property, f"programs, {reloads} reloads")


def test_soak_program_stop_one_worker(tcpd, mark, record_property):
    """TERM to one worker after the other under load."""
    conf = configuration(program("/bin/cat", mark, min_workers=4, max_workers=32))
    with tcpd(conf) as daemon, Clients(daemon.address("program"), 2, 3) as clients:
        for stopped in rounds(clients, 2000, 4, least=20):
            strike(daemon, signal.SIGTERM)
        total = clients.finish()
        assert not daemon.log_matches("killed|failed|closed: ")
        stop(daemon, mark)
    judge(total, record_property, f"programs, {stopped} workers stopped")


# --- Kills -------------------------------------------------------------------------------------

LEAVES_MUCH = """\
    (setsid sh -c 'trap "" TERM HUP; echo daemon; sleep 1000; :' &)
    sleep 1000 &
    exec cat
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_worker_is_killed(tcpd, mark, tmp_path, number):
    """It costs its session and no other; neither its program nor what that has started outlives
    it, and the master says so."""
    script = write_script(tmp_path / "much", LEAVES_MUCH)
    with tcpd(configuration(program(script, mark, min_workers=2, kill_grace="200ms"))) as daemon:
        with daemon.connect("program") as sock, daemon.connect("program") as other:
            for each in (sock, other):
                assert read_exactly(each, 7) == b"daemon\n"
            mark.wait(8)  # of each: cat, a shell, two sleeps
            victim = worker_of(daemon, sock)
            os.kill(victim, number)
            assert wait_end(sock) == b""
            daemon.wait_log(Text.death(victim, ""))
            mark.wait(4)
            daemon.wait_log(r"process \d+, left behind by a dead worker, is killed")
            other.sendall(b"y")
            assert read_exactly(other, 1) == b"y"
            reset(other)
        wait_for(lambda: daemon.exchange("program") == b"daemon\n")
        forget_sanitizer_report(daemon)
        stop(daemon, mark)


def forget_sanitizer_report(daemon):
    """Of the crash that the test itself has caused."""
    daemon.log.items[:] = [line for line in daemon.log.items if "Sanitizer" not in line]


def worker_of(daemon, sock):
    """The worker whose program has the far end; both hold the socket."""
    worker = daemon.worker_serving(sock)
    assert worker in daemon.workers()
    return worker


def test_workers_are_killed_under_load(tcpd, mark):
    """Each kill costs one session at most; nothing is left."""
    conf = configuration(program("/bin/cat", mark, min_workers=8, spare_workers=4))
    with tcpd(conf) as daemon, Clients(daemon.address("program"), 2, 3) as clients:
        for killed in rounds(clients, 300, 3, least=4):
            strike(daemon, signal.SIGKILL)
            assert read_all_of(daemon) == b"x"
        total = clients.finish()
        stop(daemon, mark)
    assert total["hung"] == total["refused"] == 0 and total["lost"] <= killed, total


def read_all_of(daemon):
    """A session while workers die: tried until one is not hit."""
    def once():
        with contextlib.suppress(ConnectionError):
            return daemon.exchange("program", b"x")
        return None

    return wait_for(once)


def test_master_is_killed(tcpd, mark, tmp_path):
    """The session in hand goes on to its end, and then nothing is left."""
    script = write_script(tmp_path / "much", LEAVES_MUCH)
    daemon = tcpd(configuration(program(script, mark, kill_grace="200ms"), stop_timeout="30s"))
    workers = daemon.workers()
    with daemon.connect("program") as sock:
        assert read_exactly(sock, 7) == b"daemon\n"
        serving = worker_of(daemon, sock)
        daemon.kill()
        daemon.wait_exit()
        wait_for(lambda: all(proc_state(pid) in (None, "Z") for pid in workers if pid != serving))
        finish(sock)
        mark.wait(0)
        wait_for(lambda: proc_state(serving) in (None, "Z"), what="the last one has left")


def test_master_is_killed_and_the_session_never_ends(tcpd, mark):
    """stop_timeout bounds it: the alarm ends the worker, and that its program."""
    daemon = tcpd(configuration(program("/bin/cat", mark), stop_timeout="1s"))
    with begin(daemon) as sock:
        daemon.kill()
        daemon.wait_exit()
        mark.wait(0, PATIENCE)
        assert wait_end(sock) == b""


def test_program_is_killed_by_others(tcpd, mark):
    """Its session alone is over."""
    conf = configuration(program("/bin/cat", mark, **ONE), log_sessions="all")
    with tcpd(conf) as daemon:
        [worker] = daemon.workers()
        with begin(daemon) as sock:
            os.kill(mark.wait(1)[0], signal.SIGKILL)
            assert wait_end(sock) == b""
        daemon.wait_log(r"closed: program failed, .*killed by signal 9 \(KILL\)")
        assert daemon.exchange("program", b"next") == b"next"
        assert daemon.workers() == [worker]
