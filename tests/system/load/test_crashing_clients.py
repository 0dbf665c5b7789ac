# SPDX-License-Identifier: MIT
"""Clients who crash workers, and services whose workers die by themselves: nobody else waits longer
than a second for that."""

import contextlib
import os
import signal
import threading
import time

import pytest

from harness import configuration, read_all, service, wait_for
from module_files import NO_HANDLERS, module
from test_faults import throttle

ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
A_SECOND = 1.8  # with a busy machine


def crash(daemon, word, source):
    with contextlib.suppress(OSError), \
            daemon.connect("faulty", source=source) as sock:
        sock.sendall(word + b"\n")
        read_all(sock)


def waits(daemon):
    began = time.monotonic()
    assert daemon.exchange("faulty", b"there?\n") == b"there?\n"
    return time.monotonic() - began


@pytest.mark.parametrize("word", [b"abort", b"_exit"])
def test_of_one_client(tcpd, tmp_path, word):
    """With one worker alone, whose every other client ends it."""
    with tcpd(configuration(module(tmp_path, "faulty", **ONE)), env=NO_HANDLERS) as daemon:
        for _ in range(25):
            crash(daemon, word, ("127.0.0.2", 0))
            assert waits(daemon) < A_SECOND
        [line] = daemon.log_matches(r"the fifth worker within a minute died while it served 127\.0")
        assert "127.0.0.2:" in line.string
        assert throttle(daemon) == 0


def test_of_many_clients(tcpd, tmp_path):
    """More than are remembered: the pool is throttled, but a worker is tried each second."""
    with tcpd(configuration(module(tmp_path, "faulty", **ONE)), env=NO_HANDLERS) as daemon:
        for n in range(16):
            crash(daemon, b"abort", (f"127.0.0.{n + 10}", 0))
            assert waits(daemon) < A_SECOND
        assert throttle(daemon) > 2000


def test_of_themselves(tcpd):
    """Killed as soon as they are there: once that ends, the minimum is back in a second each."""
    with tcpd(configuration(service("echo", min_workers=2, spare_workers=0))) as daemon:
        stop = threading.Event()

        def kill_all():
            while not stop.wait(0.002):
                for pid in daemon.workers():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

        killer = threading.Thread(target=kill_all)
        killer.start()
        try:
            wait_for(lambda: throttle(daemon) >= 5000, what="a throttle of five seconds")
        finally:
            stop.set()
            killer.join()
        began = time.monotonic()
        wait_for(daemon.is_serving, what="service")
        daemon.wait_workers(2)
        assert time.monotonic() - began < 3.5
        assert throttle(daemon) > 0
        assert len(daemon.log_matches("died early")) < 10
