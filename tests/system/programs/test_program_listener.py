# SPDX-License-Identifier: MIT
"""program_mode = listener: the worker is the program, which accepts by itself: copies, deaths,
stop and reload, with examples/listener.py, which loses nothing at TERM."""

import contextlib
import os
import random
import re
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from clients import HANG, Clients, judge, rounds
from harness import (EX_OK, Tcpd, Text, activated, configuration, proc_fds, proc_signals, proc_state,
                     read_all, read_exactly, service, wait_for)
from programs import listener, wait_end, write_python, write_script

EXAMPLE = Path(__file__).parents[3] / "examples" / "listener.py"

# The example as a program that echoes bytes, for the load; it tells each TERM.
SERVER = """\
    import contextlib, os, signal, socket, sys

    def leave(number, frame):
        os.write(2, b"%d was told\\n" % os.getpid())
        dead = socket.socket(socket.AF_UNIX)
        os.dup2(dead.fileno(), 3)

    listener = socket.socket(fileno=3)
    signal.signal(signal.SIGTERM, leave)
    os.write(2, b"%d is up\\n" % os.getpid())
    while True:
        try:
            client, address = listener.accept()
        except OSError:
            break
        with contextlib.suppress(OSError), client:
            while data := client.recv(65536):
                client.sendall(data)
"""


@pytest.fixture
def server(tmp_path):
    return write_python(tmp_path / "server", SERVER)


def wait_up(daemon, number=None):
    """Waits until so many copies are ready to be told; their pids."""
    def up():
        said = {int(m[1]) for m in daemon.log_matches(r"^(\d+) is up$")}
        live = {pid for pid in daemon.workers() if pid in said}
        return sorted(live) if number is None or len(live) == number else None

    return wait_for(up, what=f"{number} copies up")


def begin(daemon):
    """A session in the middle of it, and the copy that serves it."""
    sock = daemon.connect("program")
    sock.sendall(b"x")
    assert read_exactly(sock, 1) == b"x"
    return sock, daemon.worker_serving(sock)


def finish(sock):
    sock.sendall(b"still served")
    assert read_exactly(sock, 12) == b"still served"
    sock.shutdown(socket.SHUT_WR)
    assert read_all(sock) == b""
    sock.close()


def gone(pid):
    return proc_state(pid) in (None, "Z")


# --- Serving -----------------------------------------------------------------------------------

@pytest.mark.parametrize("listen, family", [("127.0.0.1:0", socket.AF_INET),
                                            ("[::1]:0", socket.AF_INET6),
                                            ("unix:{tmp}/s", socket.AF_UNIX)])
def test_example(tcpd, mark, tmp_path, listen, family):
    """A dialogue over each kind of socket, and an end at TERM by itself with status 0."""
    conf = configuration(listener([sys.executable, EXAMPLE], mark, min_workers=3,
                                  listen=listen.format(tmp=tmp_path)))
    with tcpd(conf) as daemon:
        for _ in range(6):
            with daemon.connect("program", family=family) as sock:
                for line in (b"hello\n", b"again\n"):
                    sock.sendall(line)
                    assert read_exactly(sock, 6) == line.upper()
        copies = daemon.workers()
        assert len(copies) == 3
        wait_for(lambda: mark.pids() == copies and all(
            proc_signals(pid)["SigCgt"] & 1 << signal.SIGTERM - 1 for pid in copies),
                 what="the last copy up")
        assert daemon.stop() == EX_OK
        assert not daemon.log_matches("killed|exited")


def test_socket_handed_over(mark, server):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        conf = configuration(listener(server, mark, listen=None))
        with activated(conf, [sock], ["program"]) as daemon:
            assert daemon.exchange("program", b"x") == b"x"
            assert daemon.stop() == EX_OK
        # The listener itself is as it was: never shut down, for it is shared.
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def test_copies_share_the_load(tcpd, mark, server):
    """As many sessions at once as there are copies, each in another one, on one listener."""
    with tcpd(configuration(listener(server, mark, min_workers=5))) as daemon, \
            contextlib.ExitStack() as stack:
        sessions = [begin(daemon) for _ in range(5)]
        for sock, _ in sessions:
            stack.enter_context(sock)
        assert sorted(copy for _, copy in sessions) == sorted(daemon.workers())
        assert len({proc_fds(copy)[3] for _, copy in sessions}) == 1


def test_status(tcpd, mark, server):
    """Copies are neither idle nor at their maximum: nobody knows their sessions."""
    with tcpd(configuration(listener(server, mark, min_workers=3))) as daemon:
        wait_for(lambda: daemon.counts().get("busy") == 3, what="status")
        assert daemon.counts() == {"workers": 3, "idle": 0, "busy": 3, "draining": 0}
        assert "maximum" not in daemon.status()
        assert not daemon.log_matches(Text.at_maximum)


def test_standard_error(tcpd, mark, tmp_path):
    """What copies say goes where tcpd's log goes."""
    script = write_python(tmp_path / "talker", """\
        import signal, sys
        print("here", file=sys.stderr, flush=True)
        signal.pause()
    """)
    with tcpd(configuration(listener(script, mark, min_workers=1))) as daemon:
        daemon.wait_log("here$")


# --- Deaths ------------------------------------------------------------------------------------

def test_killed_copies_are_replaced(tcpd, mark, server):
    """Logged with pid and signal; the others serve on; what they have started goes, too."""
    with tcpd(configuration(listener(server, mark, min_workers=3))) as daemon:
        for number in (signal.SIGKILL, signal.SIGSEGV):
            before = wait_up(daemon, 3)
            wait_for(lambda: all(age(pid) > 1.1 for pid in before), what="copies that are no young")
            os.kill(before[0], number)
            daemon.wait_log(Text.death(before[0], Text.by_signal(number, number.name[3:])))
            after = wait_up(daemon, 3)
            assert set(before[1:]) < set(after) and before[0] not in after
            assert daemon.exchange("program", b"x") == b"x"


def age(pid):
    """Seconds since its start, with the clock's resolution."""
    with open(f"/proc/{pid}/stat") as stat, open("/proc/uptime") as uptime:
        start = int(stat.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return float(uptime.read().split()[0]) - start


@pytest.mark.parametrize("code", ["exit 1", "kill -SEGV $$"])
def test_early_deaths_are_throttled(tcpd, mark, tmp_path, code):
    """B32: however it ends: a copy that does not stay is not started without pause."""
    script = write_script(tmp_path / "brief", f"echo started >&2; {code}\n")
    with tcpd(configuration(listener(script, mark, min_workers=2), service("echo"))) as daemon:
        assert daemon.is_serving()
        daemon.wait_log(Text.throttled)
        wait_for(lambda: len(daemon.log_matches("died early")) >= 3)
        assert len(daemon.log_matches("^started$")) < 40
        assert daemon.is_serving()
        assert daemon.stop() == EX_OK


def brief(tmp_path, mark):
    """A service whose copies never live all at once."""
    return listener(write_script(tmp_path / "brief", "exit 1\n"), mark, min_workers=40)


def test_start_beside_early_deaths(tcpd, mark, tmp_path):
    """What is throttled holds up no other at a start; a log line says so."""
    with tcpd(configuration(brief(tmp_path, mark), service("echo"))) as daemon:
        assert daemon.is_serving()
        daemon.wait_log(r"program 127.0.0.1:\d+: its workers die at once, \d+ of 40 are "
                        "ready; the other services start meanwhile")
        assert not daemon.log_matches("echo.*: its workers die at once,")
        assert daemon.stop() == EX_OK


def test_start_with_early_deaths_alone(mark, tmp_path):
    """A start that serves nothing is none."""
    with Tcpd(configuration(brief(tmp_path, mark))) as daemon:
        wait_for(lambda: len(daemon.log_matches("died early")) >= 6, what="six throttled deaths")
        assert not any("READY" in said for said in daemon.notifications.items)
        assert not daemon.log_matches("start meanwhile")
        assert daemon.stop() == EX_OK


def test_program_is_not_there_any_more(tcpd, mark, server):
    """Said with the reason; a copy that lives is untouched; back again, all is well."""
    with tcpd(configuration(listener(server, mark, min_workers=2))) as daemon:
        copies = wait_up(daemon, 2)
        os.rename(server, f"{server}.away")
        os.kill(copies[0], signal.SIGKILL)
        daemon.wait_log(f'program "{re.escape(server)}" cannot be executed: No such file')
        assert daemon.exchange("program", b"x") == b"x"
        os.rename(f"{server}.away", server)
        assert copies[1] in wait_up(daemon, 2)


def test_what_a_copy_has_started(tcpd, mark, tmp_path):
    """A copy that dies leaves nothing behind, whatever session that is in."""
    script = write_script(tmp_path / "parent", "setsid sleep 1000 & setsid sleep 1000 & wait\n")
    with tcpd(configuration(listener(script, mark, min_workers=1))) as daemon:
        mark.wait(3)
        [copy] = daemon.workers()
        wait_for(lambda: age(copy) > 1.1)
        before = mark.pids()
        os.kill(copy, signal.SIGKILL)
        wait_for(lambda: not set(before) & set(mark.pids()), what="end of all that was there")
        mark.wait(3)
        assert daemon.stop() == EX_OK
        mark.wait(0)


# --- Stop and reload ---------------------------------------------------------------------------

def test_stop_tells_once_and_waits(tcpd, mark, server):
    """TERM once: its handler may be one that a second TERM ends; sessions in hand finish."""
    with tcpd(configuration(listener(server, mark, min_workers=3), stop_timeout="60s")) as daemon:
        copies = wait_up(daemon, 3)
        sock, serving = begin(daemon)
        daemon.signal(signal.SIGTERM)
        wait_for(lambda: all(gone(pid) for pid in copies if pid != serving))
        began = time.monotonic()  # longer than the second after which workers are told again
        wait_for(lambda: time.monotonic() - began > 2.5, what="time")
        finish(sock)
        assert daemon.wait_exit() == EX_OK
        for pid in copies:
            assert len(daemon.log_matches(f"^{pid} was told$")) == 1
        assert not daemon.log_matches("killed|exited")


def test_stop_timeout_is_over(tcpd, mark, tmp_path):
    """A copy that ignores TERM is killed with what it has started."""
    script = write_script(tmp_path / "stubborn", """\
        trap '' TERM
        setsid sleep 1000 &
        echo up >&2
        while :; do sleep 0.1; done
    """)
    conf = configuration(listener(script, mark, min_workers=2), stop_timeout="1s")
    with tcpd(conf) as daemon:
        wait_for(lambda: len(daemon.log_matches("^up$")) == 2)
        assert daemon.stop() == EX_OK
        daemon.wait_log(Text.not_in_time)
        mark.wait(0)


def test_reload_changes_the_program(tcpd, mark, server, tmp_path):
    """The new copies serve, those of before finish what they have in hand, then leave."""
    other = write_python(tmp_path / "other", SERVER.replace("sendall(data)", "sendall(b'new')"))
    old, new = (configuration(listener(path, mark, min_workers=2)) for path in (server, other))
    with tcpd(old) as daemon:
        before = wait_up(daemon, 2)
        sock, serving = begin(daemon)
        daemon.reload(new)
        wait_for(lambda: all(gone(pid) for pid in before if pid != serving))
        for _ in range(6):
            assert daemon.exchange("program", b"x") == b"new"
        finish(sock)
        wait_for(lambda: gone(serving), what="the last old copy has left")
        assert daemon.stop() == EX_OK
        assert not daemon.log_matches("killed|exited")


def test_soak_listener_reload(tcpd, mark, server, record_property):
    """All copies exchanged under load, nothing lost."""
    with tcpd(configuration(listener(server, mark, min_workers=6))) as daemon, \
            Clients(daemon.address("program"), 2, 2) as clients:
        for reloads in rounds(clients, 300, 4, least=3):
            before = wait_up(daemon, 6)
            daemon.reload()
            wait_for(lambda: not set(before) & set(daemon.workers()), HANG, "the old have left")
        wait_up(daemon, 6)
        total = clients.finish()
        assert daemon.stop() == EX_OK
        assert not daemon.log_matches("killed|exited")
    judge(total, record_property, f"listeners, {reloads} reloads")


def test_soak_listener_term_one_copy(tcpd, mark, server, record_property):
    """TERM to one copy after the other under load: replaced, nothing lost."""
    with tcpd(configuration(listener(server, mark, min_workers=6))) as daemon, \
            Clients(daemon.address("program"), 2, 2) as clients:
        for stopped in rounds(clients, 1000, 4, least=6):
            victim = random.choice(wait_for(lambda: [p for p in wait_up(daemon) if age(p) > 1.1]))
            os.kill(victim, signal.SIGTERM)
            wait_for(lambda: gone(victim), HANG, f"{victim} leaves")
        wait_up(daemon, 6)
        total = clients.finish()
        assert daemon.stop() == EX_OK
        assert not daemon.log_matches(rf"worker \d|{Text.throttled}")
    judge(total, record_property, f"listeners, {stopped} copies stopped")


@pytest.mark.parametrize("busy", [False, True])
def test_master_is_killed(tcpd, mark, server, busy):
    """PDEATHSIG: the copies are told, finish what they have in hand, and leave."""
    daemon = tcpd(configuration(listener(server, mark, min_workers=3)))
    copies = wait_up(daemon, 3)
    sock, serving = begin(daemon) if busy else (None, None)
    daemon.kill()
    daemon.wait_exit()
    wait_for(lambda: all(gone(pid) for pid in copies if pid != serving), what="the others leave")
    if busy:
        finish(sock)
    mark.wait(0)


def test_second_signal_stops_at_once(tcpd, mark, server):
    with tcpd(configuration(listener(server, mark, min_workers=2), stop_timeout="60s")) as daemon:
        wait_up(daemon, 2)
        with begin(daemon)[0] as sock:
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify(lambda m: m.get("STOPPING") == "1")
            daemon.stop_again()
            daemon.wait_exit()
            assert wait_end(sock) == b""
            mark.wait(0)


def test_more_and_fewer_copies(tcpd, mark, server):
    """min_workers anew by a reload; TTOU takes one away, TTIN brings it back."""
    with tcpd(configuration(listener(server, mark, min_workers=2))) as daemon:
        wait_up(daemon, 2)
        daemon.reload(configuration(listener(server, mark, min_workers=4)))
        wait_up(daemon, 4)
        daemon.signal(signal.SIGTTOU)
        wait_up(daemon, 3)
        daemon.signal(signal.SIGTTIN)
        wait_up(daemon, 4)
        assert daemon.exchange("program", b"x") == b"x"
        assert not daemon.log_matches("killed|exited")
