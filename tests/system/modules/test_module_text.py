# SPDX-License-Identifier: MIT
"""What a module writes by itself: lines of its service, not of tcpd, and not without end."""

import re
import time

import pytest

from harness import EX_OK, configuration
from module_files import module, said

ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}


@pytest.fixture
def faulty(tcpd, tmp_path):
    with tcpd(configuration(module(tmp_path, "faulty", **ONE))) as daemon, \
            daemon.connect("faulty") as sock:
        assert said(sock, "a") == "a"
        yield daemon, sock


def test_text_is_logged(faulty):
    daemon, sock = faulty
    assert said(sock, "say") == "say"
    daemon.wait_log("^tcpd/faulty: said by hand$", deadline=5)
    daemon.wait_log("^tcpd/faulty: printed$", deadline=5)


def test_text_is_bounded(faulty):
    """2.6 MB at once: nobody waits, and a line of tcpd's own cannot be made."""
    daemon, sock = faulty
    assert said(sock, "shout") == "shout"
    daemon.wait_log(r"^tcpd/faulty: \d+ lines left out$", deadline=5)
    assert daemon.log_matches("^tcpd/faulty: tcpd: forged$")
    assert not daemon.log_matches("^tcpd: forged")
    assert len(daemon.log_matches("forged")) <= 200
    assert said(sock, "b") == "b"


def test_last_words_come(faulty):
    """At the end of the worker, and of tcpd."""
    daemon, sock = faulty
    assert said(sock, "say") == "say"
    assert daemon.stop() == EX_OK
    assert daemon.log_matches("^tcpd/faulty: said by hand$")


def test_records_are_bounded(faulty):
    daemon, sock = faulty
    began = time.monotonic()
    assert said(sock, "log") == "log"
    sock.close()
    told = daemon.wait_log(r"^tcpd/faulty: .*: (\d+) lines left out$", deadline=5)
    seconds = time.monotonic() - began
    assert int(told[1]) >= 20000 - 1000 * (seconds + 1)
    assert len(daemon.log_matches(re.escape("tcpd/faulty: logged"))) <= 1000 * (seconds + 1)
