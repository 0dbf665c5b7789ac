# SPDX-License-Identifier: MIT
"""Copies of a program that have nothing to do: status 0, as of a `wait` program of inetd. They are
started again when a client comes."""

import contextlib
import re
import signal
import socket
import time

import pytest

from harness import (EX_OK, Text, activated, configuration, read_all, read_exactly, run, service,
                     wait_for)
from programs import ACCEPTS, listener, write_python, write_script

RESTS = "exited with status 0: it is started again when a client comes"

# Serves one client to its end.
ONE = """\
    import os, socket
    client = socket.socket(fileno=3).accept()[0]
    client.sendall(b"served")
    client.shutdown(socket.SHUT_WR)
    client.recv(1)
"""

# Exits when nobody has come for a while. Another copy may be faster: accept() must not wait then.
IDLE = """\
    import contextlib, os, select, socket
    os.write(2, b"up\\n")
    listener = socket.socket(fileno=3)
    listener.setblocking(False)
    while select.select([listener], [], [], 0.3)[0]:
        with contextlib.suppress(BlockingIOError), listener.accept()[0] as client:
            client.sendall(b"served")
"""


@pytest.fixture
def one(tmp_path):
    return write_python(tmp_path / "one", ONE)


@pytest.fixture
def idle(tmp_path):
    return write_python(tmp_path / "idle", IDLE)


def wait_rest(daemon, mark, number):
    """All rest."""
    mark.wait(0)
    wait_for(lambda: f"{number} resting" in daemon.status(), what=f"{number} that rest")


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("listen", ["127.0.0.1:0", "unix:{tmp}/s"])
def test_one_client_each(tcpd, mark, one, tmp_path, copies, listen):
    """One after the other, then several at once: nobody waits for more than a start."""
    conf = configuration(listener(one, mark, min_workers=copies,
                                  listen=listen.format(tmp=tmp_path)))
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        for _ in range(20):
            assert daemon.exchange("program") == b"served"
        crowd = [stack.enter_context(daemon.connect("program")) for _ in range(12)]
        for sock in crowd:
            sock.shutdown(socket.SHUT_WR)
        for sock in crowd:
            assert read_all(sock) == b"served"
        assert len(daemon.log_matches(RESTS)) <= 1
        assert not daemon.log_matches(rf"{Text.throttled}|{Text.at_maximum}|worker \d")


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "unix:{tmp}/s"])
def test_nobody_comes(tcpd, mark, idle, tmp_path, listen):
    """No process then; the next client starts one, and a reload starts all."""
    conf = configuration(listener(idle, mark, min_workers=2, listen=listen.format(tmp=tmp_path)))
    with tcpd(conf) as daemon:
        for _ in range(3):
            wait_rest(daemon, mark, 2)
            assert daemon.exchange("program") == b"served"
        wait_rest(daemon, mark, 2)
        before = len(daemon.log_matches("^up$"))
        daemon.reload()
        wait_for(lambda: len(daemon.log_matches("^up$")) == before + 2, what="two more")
        wait_rest(daemon, mark, 2)
        assert daemon.stop() == EX_OK
        assert not daemon.log_matches(rf"{Text.throttled}|worker \d")


def test_as_many_as_are_called_for(tcpd, mark, tmp_path):
    """Clients that are there together are served together; the others rest on. One more is started
    each second that somebody waits in the queue, as on a slow machine, and rests again."""
    script = write_python(tmp_path / "held", """\
        import contextlib, os, select, socket
        os.write(2, b"up\\n")
        listener = socket.socket(fileno=3)
        listener.setblocking(False)
        if select.select([listener], [], [], 0.3)[0]:
            with contextlib.suppress(BlockingIOError):
                client = listener.accept()[0]
                client.sendall(b"served")
                client.recv(1)
    """)
    with tcpd(configuration(listener(script, mark, min_workers=4))) as daemon, \
            contextlib.ExitStack() as stack:
        wait_rest(daemon, mark, 4)
        began = time.monotonic()
        for number in (1, 2, 3, 4):
            sock = stack.enter_context(daemon.connect("program"))
            assert read_exactly(sock, 6) == b"served"
            daemon.wait_workers(number)
        assert len(daemon.log_matches("^up$")) <= 8 + (time.monotonic() - began)


def test_more_and_fewer(tcpd, mark, idle):
    """TTOU takes one that rests, TTIN adds one that runs."""
    with tcpd(configuration(listener(idle, mark, min_workers=2))) as daemon:
        wait_rest(daemon, mark, 2)
        daemon.signal(signal.SIGTTOU)
        wait_for(lambda: "1 resting" in daemon.status())
        daemon.signal(signal.SIGTTIN)
        wait_for(lambda: len(daemon.log_matches("^up$")) == 3, what="one more")
        wait_rest(daemon, mark, 2)


@pytest.mark.parametrize("copies", [1, 3])
def test_whoever_exits_beside_a_client_does_not_spin(tcpd, mark, tmp_path, copies):
    """It never accepts. Without a client it is started once, with one it is throttled."""
    script = write_script(tmp_path / "brief", "echo started >&2\n")
    conf = configuration(listener(script, mark, min_workers=copies), service("echo"),
                         stop_timeout="1s")
    with tcpd(conf) as daemon:
        wait_rest(daemon, mark, copies)
        wait_for(lambda: len(daemon.log_matches("^started$")) == copies)
        with daemon.connect("program"):
            wait_for(lambda: len(daemon.log_matches("died early")) >= 3)
            assert len(daemon.log_matches("^started$")) < 40
            assert daemon.is_serving()
            assert daemon.stop() == EX_OK


def test_in_doubt_it_has_served(tcpd, mark, tmp_path):
    """The length of a unix socket's queue is not known: ten starts a second, and a word."""
    script = write_script(tmp_path / "brief", "echo started >&2\n")
    conf = configuration(listener(script, mark, min_workers=1, listen=f"unix:{tmp_path}/s"))
    with tcpd(conf) as daemon, daemon.connect("program"):
        daemon.wait_log("at most 10 a second are started")
        before, began = len(daemon.log_matches("^started$")), time.monotonic()
        wait_for(lambda: len(daemon.log_matches("^started$")) >= before + 5)
        assert time.monotonic() - began > 0.3
        assert not daemon.log_matches(Text.throttled)


def test_a_client_and_a_stop(tcpd, mark, idle):
    """A client that came before the stop is served, though nobody runs."""
    for _ in range(3):
        with tcpd(configuration(listener(idle, mark, min_workers=2))) as daemon:
            wait_rest(daemon, mark, 2)
            address = daemon.address("program")
            with socket.create_connection(address) as sock:
                daemon.signal(signal.SIGTERM)
                assert read_all(sock) == b"served"
            assert daemon.wait_exit() == EX_OK


def test_reload_to_one_that_exits_at_once(tcpd, mark, tmp_path):
    """With status 0: that is no start. The old copies stay, and the reload says so."""
    script = write_python(tmp_path / "program", ACCEPTS)
    with tcpd(configuration(listener(script, mark, min_workers=2))) as daemon:
        before = daemon.wait_workers(2)
        wait_for(lambda: {int(daemon.exchange("program")) for _ in range(4)} == set(before),
                 what="both serve")
        write_script(script, "exit 0\n")
        daemon.reload()
        daemon.wait_log("some old workers continue to serve, as the new ones are not ready")
        assert set(before) <= set(daemon.workers())
        assert int(daemon.exchange("program")) in before


def test_ready_time(tcpd, mark, tmp_path):
    """New copies are ready after it, not before; then the old ones go."""
    script = write_python(tmp_path / "program", ACCEPTS)
    for ready_time, least in (("200ms", 0.2), ("2500ms", 2.5)):
        conf = configuration(listener(script, mark, min_workers=2, ready_time=ready_time))
        with tcpd(conf) as daemon:
            before = daemon.wait_workers(2)
            daemon.signal(signal.SIGHUP)
            daemon.wait_workers(4)
            began = time.monotonic()
            assert set(before) <= set(daemon.workers())
            daemon.wait_log("reloaded")
            assert least - 0.3 < time.monotonic() - began < least + 1.5
            daemon.wait_workers(lambda pids: not set(before) & set(pids))


def test_exit_idle_time(mark, idle, one):
    """With a program that exits when it is idle, tcpd does so, too. Else it cannot, and says so."""
    for script, exits in ((idle, True), (one, False)):
        with socket.create_server(("127.0.0.1", 0)) as sock:
            conf = configuration(listener(script, mark, min_workers=1, listen=None),
                                 exit_idle_time="500ms")
            with activated(conf, [sock], ["program"]) as daemon:
                daemon.wait_log(r"conf:\d+: exit_idle_time has no effect while a copy")
                if exits:
                    assert daemon.wait_exit() == EX_OK
                    continue
                assert daemon.exchange("program") == b"served"
                assert daemon.stop() == EX_OK


def test_check_tells_of_exit_idle_time(tmp_path, one):
    conf = configuration(listener(one, min_workers=1), exit_idle_time="5s")
    status, _, log = run("-t", conf=conf)
    assert status == EX_OK
    assert re.search(r"conf:\d+: exit_idle_time has no effect while a copy of the program", log)


def test_shut_down_again_and_again(tcpd, mark, tmp_path):
    """Each copy shuts the listener down when it ends. After each reload clients are served."""
    script = write_python(tmp_path / "shuts", """\
        import os, signal, socket, sys
        listener = socket.socket(fileno=3)

        def leave(*_):
            listener.shutdown(socket.SHUT_RDWR)
            os._exit(0)

        signal.signal(signal.SIGTERM, leave)
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                sys.exit(3)
            client.sendall(b"served")
            client.close()
    """)

    def is_served():
        with contextlib.suppress(OSError):
            return daemon.exchange("program", timeout=1) == b"served"

    with tcpd(configuration(listener(script, mark, min_workers=3, ready_time="200ms"))) as daemon:
        for _ in range(3):
            wait_for(is_served, 5)
            daemon.reload()
            wait_for(is_served, 5)
        assert not daemon.log_matches(Text.throttled)
