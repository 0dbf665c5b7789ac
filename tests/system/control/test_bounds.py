# SPDX-License-Identifier: MIT
"""How many workers a pool has at most, whatever makes them drain; and what a reload waits for."""

import contextlib
import os
import signal
import socket

import pytest

from harness import (PATIENCE, Text, configuration, process_tree, read_all, read_exactly, service,
                     wait_for)
from programs import ACCEPTS, listener, program, write_executable, write_python, write_script

OFF = {"first_byte_timeout": 0, "idle_timeout": 0}
TWO = {"min_workers": 1, "max_workers": 2, "spare_workers": 0}
NOT_READY = "some old workers continue to serve"


def hold(daemon, stack, n, timeout=PATIENCE):
    """n sessions that are served and stay."""
    held = []
    for _ in range(n):
        sock = stack.enter_context(daemon.connect("echo", timeout=timeout))
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        held.append(sock)
    return held


def test_draining_workers_are_bounded_at_reloads(tcpd):
    """Issue 12: three reloads, each with all workers busy: twice max_workers serve, the queue holds
    the next client, which is served by the newest configuration as soon as a session ends."""
    conf = configuration(service("echo", **TWO, **OFF))
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        first = hold(daemon, stack, 2)
        daemon.reload()
        second = hold(daemon, stack, 2)
        daemon.reload()
        waiting = stack.enter_context(daemon.connect("echo", timeout=2))
        waiting.sendall(b"x")
        with pytest.raises(TimeoutError):
            waiting.recv(1)
        assert len(daemon.workers()) == 4
        daemon.wait_log(Text.at_maximum)
        for sock in first[:1]:
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
        waiting.settimeout(PATIENCE)
        assert read_exactly(waiting, 1) == b"x"
        assert len(daemon.workers()) <= 4
        for sock in (*first[1:], *second):
            sock.sendall(b"y")
            assert read_exactly(sock, 1) == b"y"  # nobody was cut off


def test_reload_where_old_sessions_leave_no_room(tcpd):
    """Issue 12: idle workers of the old configuration give way to new ones one by one, though
    draining ones take all the room."""
    conf = configuration(service("echo", min_workers=2, max_workers=2, spare_workers=0, **OFF))
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        hold(daemon, stack, 2)
        daemon.reload()
        before = set(daemon.workers())
        daemon.reload()
        daemon.wait_workers(lambda pids: len(set(pids) - before) == 2)
        assert daemon.is_serving()
        assert len(daemon.workers()) == 4
        assert not daemon.log_matches(NOT_READY)


def test_a_lower_maximum_does_not_shut_clients_out(tcpd):
    """Issue 12: sessions of the old, greater maximum do not count against the new one."""
    old = configuration(service("echo", min_workers=1, max_workers=8, spare_workers=0, **OFF))
    new = configuration(service("echo", min_workers=1, max_workers=1, spare_workers=0, **OFF))
    with tcpd(old) as daemon, contextlib.ExitStack() as stack:
        hold(daemon, stack, 8)
        daemon.reload(new)
        assert daemon.is_serving()


def test_draining_workers_are_bounded_at_ttou(tcpd):
    """Issue 12: the same where TTIN and TTOU make busy workers drain."""
    with tcpd(configuration(service("echo", **TWO, **OFF))) as daemon:
        with contextlib.ExitStack() as stack:
            for _ in range(6):
                with contextlib.suppress(TimeoutError):
                    hold(daemon, stack, 1, timeout=1)
                for number in (signal.SIGTTIN, signal.SIGTTOU):
                    since = len(daemon.log.items)
                    daemon.signal(number)
                    daemon.wait_log("at least|stays between", since=since)
                assert len(daemon.workers()) <= 4


# --- Ready -------------------------------------------------------------------------------------

def test_reload_to_a_listener_that_dies(tcpd, tmp_path):
    """Issue 12: a program that accepts by itself and cannot even start does not replace copies that
    work; when it can again, a reload replaces them, though copies of the reload before, which are
    on trial, take the room for its own."""
    path = tmp_path / "accepts.py"
    write_python(path, ACCEPTS)
    with tcpd(configuration(listener([str(path)], min_workers=2))) as daemon:
        wait_for(lambda: daemon.exchange("program"), what="an answer")
        before = set(daemon.workers())
        write_python(path, "import nosuchthing\n")
        since = len(daemon.log.items)
        daemon.reload()
        daemon.wait_log(NOT_READY, since=since)
        for _ in range(4):
            assert int(daemon.exchange("program")) in before
        write_python(path, ACCEPTS)
        wait_for(lambda: int(daemon.exchange("program")) not in before, what="a copy that works")
        daemon.reload()
        wait_for(lambda: not before & set(daemon.workers()), what="new copies")
        assert int(daemon.exchange("program")) not in before


def test_reload_to_a_prestarted_program_that_cannot_run(tcpd, tmp_path):
    """Issue 12: nor do workers whose waiting program cannot be executed."""
    path = tmp_path / "answer"
    write_script(path, "echo old\n")
    conf = configuration(program(path, program_mode="prestart"))
    with tcpd(conf) as daemon:
        assert daemon.exchange("program") == b"old\n"
        before = set(daemon.workers())
        write_executable(path, b"\x7fELF")
        since = len(daemon.log.items)
        daemon.reload()
        daemon.wait_log(NOT_READY, since=since)
        assert before & set(daemon.workers())


def test_reload_while_old_programs_take_long_to_end(tcpd, tmp_path):
    """Their workers accept nobody any more, so the new configuration is in force."""
    path = tmp_path / "stays"
    write_script(path, "trap '' TERM HUP PIPE\nwhile :; do sleep 1; done\n")
    conf = configuration(program(path, program_mode="prestart", kill_grace="30s", min_workers=1,
                                 max_workers=1))
    with tcpd(conf) as daemon:
        daemon.reload()
        daemon.wait_log(": reloaded$")
        assert not daemon.log_matches(NOT_READY)
        for pid in process_tree(daemon.pid):  # nobody waits for them
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
