# SPDX-License-Identifier: MIT
"""A stop and its slowest clients: stop_idle_timeout."""

import contextlib
import os
import select
import signal
import threading
import time

import pytest

from harness import (PATIENCE, configuration, peer_name, read_all, read_exactly, service)

LATE = PATIENCE / 3
NO_LIMITS = {"first_byte_timeout": 0, "idle_timeout": 0, "send_timeout": 0}


def begin_stop(daemon):
    daemon.signal(signal.SIGTERM)
    daemon.wait_log("stopping: draining")
    return time.monotonic()


@pytest.mark.parametrize("limits", [{}, NO_LIMITS], ids=["timeouts", "without"])
@pytest.mark.parametrize("name, options, data, answer", [
    ("echo", {}, b"", b""), ("echo", {}, b"x", b"x"),
    ("hello", {"framing": "line"}, b"Ann\n", b"Hello, Ann!\n"), ("discard", {}, b"x", b"")])
def test_idle_clients(tcpd, name, options, data, answer, limits):
    """Issue 13: a client that is owed nothing has stop_idle_timeout, and no more."""
    with tcpd(configuration(service(name, **options, **limits))) as daemon, \
            daemon.connect(name) as sock:
        if name == "hello":
            assert read_exactly(sock, 9) == b"Welcome!\n"
        sock.sendall(data)
        assert read_exactly(sock, len(answer)) == answer
        begin = begin_stop(daemon)
        assert read_all(sock) == b""
        assert 1.9 < time.monotonic() - begin < 3 + LATE
        daemon.wait_log(f"{peer_name(sock)} closed: stopped")
        assert daemon.process.wait(PATIENCE) == 0


def test_busy_clients_are_served_on(tcpd):
    """Issue 13: one that goes on is never silent for so long, and one in the middle of a message is
    owed an answer: both are served until they end."""
    conf = configuration(service("hello", framing="line"), service("echo"), stop_idle_timeout="1s")
    with tcpd(conf) as daemon, daemon.connect("echo") as active, daemon.connect("hello") as half:
        assert read_exactly(half, 9) == b"Welcome!\n"
        half.sendall(b"An")
        active.sendall(b"x")
        assert read_exactly(active, 1) == b"x"
        begin = begin_stop(daemon)
        while time.monotonic() - begin < 3:
            active.sendall(b"y")
            assert read_exactly(active, 1) == b"y"
            select.select([], [], [], 0.1)
        half.sendall(b"n\n")
        assert read_exactly(half, 12) == b"Hello, Ann!\n"
        active.close()
        half.close()
        assert daemon.process.wait(PATIENCE) == 0
        assert not daemon.log_matches("closed: stopped")


def prestarted(script, **options):
    return configuration(service("p", "program", program=["/bin/sh", "-c", script], min_workers=1,
                                 program_mode="prestart", **options), stop_idle_timeout="1s")


@pytest.mark.parametrize("limits", [{}, NO_LIMITS], ids=["timeouts", "without"])
@pytest.mark.parametrize("script, data, answer", [
    ("cat", b"", b""), ("cat", b"x", b"x"), ("echo hello; cat", b"", b"hello\n"),
    ("trap '' TERM; echo hello; cat", b"x", b"hello\nx")])
def test_idle_clients_of_programs(tcpd, script, data, answer, limits):
    """Issue 13: a prestarted program owes nothing once it has written since the last input."""
    with tcpd(prestarted(script, kill_grace="1s", **limits)) as daemon, daemon.connect("p") as sock:
        sock.sendall(data)
        assert read_exactly(sock, len(answer)) == answer
        begin = begin_stop(daemon)
        assert read_all(sock) == b""
        assert 0.9 < time.monotonic() - begin < 3 + LATE
        daemon.wait_log(f"{peer_name(sock)} closed: stopped")
        assert daemon.process.wait(PATIENCE) == 0


def test_program_that_owes_is_waited_for(tcpd, tmp_path):
    """A prestarted program that has taken input answers it; then its client is idle."""
    os.mkfifo(tmp_path / "go")
    script = f"while read line; do read go <{tmp_path}/go; echo $line; done"
    with tcpd(prestarted(script)) as daemon, daemon.connect("p") as sock:
        sock.sendall(b"question\n")
        begin_stop(daemon)
        assert not select.select([sock], [], [], 3)[0]
        (tmp_path / "go").write_text("go\n")
        assert read_exactly(sock, 9) == b"question\n"
        begin = time.monotonic()
        assert read_all(sock) == b""
        assert 0.9 < time.monotonic() - begin < 2 + LATE
        assert daemon.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "unix:{tmp}/s"])
def test_idle_clients_before_a_queue(tcpd, tmp_path, listen):
    """Issue 13: those who wait for a worker get one when the idle clients before them have had
    their time, and a client that is served keeps its own."""
    conf = configuration(service("echo", listen=listen.format(tmp=tmp_path), min_workers=2,
                                 max_workers=2), stop_idle_timeout="1s")
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        active, idle, *queued = [stack.enter_context(daemon.connect("echo")) for _ in range(4)]
        for sock in (active, idle):
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
        for sock in queued:
            sock.sendall(b"x")
        begin = begin_stop(daemon)
        answers = dict.fromkeys([idle, *queued], b"")
        left = set(answers)
        while left:
            active.sendall(b"y")
            assert read_exactly(active, 1) == b"y"
            for sock in select.select(left, [], [], 0.1)[0]:
                data = sock.recv(8)
                answers[sock] += data
                left -= set() if data else {sock}
        assert list(answers.values()) == [b"", b"x", b"x"]
        assert 2.7 < time.monotonic() - begin < 6 + LATE
        active.close()
        assert daemon.process.wait(PATIENCE) == 0


NEVER_ACCEPTS = ["/usr/bin/python3", "-c", "import os, signal, sys\n"
                 "signal.signal(signal.SIGTERM, lambda *_: sys.exit(os.write(2, b'told\\n') != 5))\n"
                 "os.write(2, b'up\\n')\nwhile True: signal.pause()"]


def test_client_that_no_copy_accepts(tcpd):
    """Issue 13: copies in mode listener are told to exit when half of stop_timeout is over."""
    conf = configuration(service("p", "program", program=NEVER_ACCEPTS, program_mode="listener",
                                 min_workers=1), stop_timeout="6s")
    with tcpd(conf) as daemon:
        daemon.wait_log("^up$")
        with daemon.connect("p"):
            begin = begin_stop(daemon)
            assert daemon.process.wait(PATIENCE) == 0
            assert 2.9 < time.monotonic() - begin < 5.5
            daemon.wait_log("^told$")
            assert not daemon.log_matches("killed")


def test_off(tcpd):
    """stop_idle_timeout = 0: they have stop_timeout, as all have."""
    conf = configuration(service("echo"), stop_idle_timeout=0, stop_timeout="3s")
    with tcpd(conf) as daemon, daemon.connect("echo") as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        begin = begin_stop(daemon)
        assert daemon.process.wait(PATIENCE) == 0
        assert 2.9 < time.monotonic() - begin
        daemon.wait_log("1 worker still at work, killed")


def test_reload_leaves_idle_clients_alone(tcpd):
    """Only a stop is in a hurry: a worker that drains for a reload serves its client on; a stop that
    comes then ends that one as well."""
    with tcpd(configuration(service("echo"), stop_idle_timeout="1s")) as daemon, \
            daemon.connect("echo") as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        daemon.reload()
        assert not select.select([sock], [], [], 2.5)[0]
        sock.sendall(b"y")
        assert read_exactly(sock, 1) == b"y"
        begin = begin_stop(daemon)
        assert read_all(sock) == b""
        assert 0.9 < time.monotonic() - begin < 2 + LATE
        assert daemon.process.wait(PATIENCE) == 0


def test_dribbler_on_a_service_that_speaks_last(tcpd):
    """Issue 13: a client that only has to close is waited for 2 s at most."""
    with tcpd(configuration(service("greeting", message="hi"))) as daemon, \
            daemon.connect("greeting") as sock:
        assert read_all(sock) == b"hi"
        over = threading.Event()

        def dribble():
            with contextlib.suppress(OSError):
                while not over.wait(0.2):
                    sock.send(b"z")

        sender = threading.Thread(target=dribble)
        sender.start()
        try:
            begin = begin_stop(daemon)
            assert daemon.process.wait(PATIENCE) == 0
            assert time.monotonic() - begin < 2.5 + LATE
        finally:
            over.set()
            sender.join()
