# SPDX-License-Identifier: MIT
"""Pools with more idle workers than wait in accept(): the others are in reserve, and no connection
waits for them to be found."""

import contextlib
import os
import signal
import socket
from pathlib import Path

import pytest

from harness import (PATIENCE, Text, configuration, proc_state, read_exactly, service, system_call,
                     wait_for)

ACCEPT4, FUTEX = (43, 288), (202, 98)  # x86-64: accept and accept4, futex; aarch64's futex
ABOVE, BELOW = 64, 8  # RESERVE_ABOVE, RESERVE_BELOW of reserve.h
MANY = 150


def in_accept(daemon):
    return [pid for pid in daemon.workers() if system_call(pid) in ACCEPT4]


def in_reserve(daemon):
    return [pid for pid in daemon.workers() if system_call(pid) in FUTEX]


@pytest.fixture
def large(tcpd):
    """A daemon with MANY idle workers, of which few wait in accept()."""
    conf = configuration(service("echo", min_workers=MANY, max_workers=2 * MANY, spare_workers=4))
    with tcpd(conf) as daemon:
        wait_for(lambda: len(in_accept(daemon)) + len(in_reserve(daemon)) == MANY, what="all idle")
        yield daemon


def hold(daemon, stack, n):
    """n clients at once, each answered while the others are there."""
    address = daemon.address("echo")
    socks = [stack.enter_context(socket.create_connection(address, PATIENCE)) for _ in range(n)]
    for sock in socks:
        sock.sendall(b"x")
    for sock in socks:
        assert read_exactly(sock, 1) == b"x"
    return socks


def strike(pids, number):
    """Sends the signal and waits until it has taken effect: one that a signal wakes in accept() still
    takes a connection that is there, and then dies or stops with it."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    wait_for(lambda: all(proc_state(pid) in (None, "Z", "X", "T") for pid in pids),
             what="the signal's effect")


def test_few_wait_in_accept(large):
    """Once idle, and again after everyone has served: between the two marks wait in accept()."""
    assert BELOW <= len(in_accept(large)) <= ABOVE + 4  # some meet at the mark
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            hold(large, stack, MANY)
        wait_for(lambda: len(in_accept(large)) + len(in_reserve(large)) >= MANY, what="all idle")
        assert BELOW <= len(in_accept(large)) <= ABOVE + 4 + 16


def test_idle_counts_them_all(large):
    """STATUS= tells of idle workers; where they wait is no matter."""
    wait_for(lambda: large.counts()["idle"] == MANY, what="the status")


def test_clients_in_a_burst(large):
    """All at once, more than wait in accept(): each is answered, and nobody waits for the master,
    which is stopped meanwhile."""
    for n in (ABOVE - 1, ABOVE + 1, MANY):
        strike([large.pid], signal.SIGSTOP)
        with contextlib.ExitStack() as stack:
            hold(large, stack, n)
        large.signal(signal.SIGCONT)
    assert large.workers() and not large.log_matches(Text.at_maximum)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_those_in_accept_die(large, number):
    """They are the ones that would have called the others."""
    for _ in range(3):
        strike(in_accept(large), number)
        with contextlib.ExitStack() as stack:
            hold(large, stack, MANY)
        large.wait_workers(lambda pids: len(pids) >= MANY)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_those_in_reserve_die(large, number):
    """Calls for workers that are gone do not keep the living from being called."""
    strike(in_reserve(large), number)
    with contextlib.ExitStack() as stack:
        hold(large, stack, MANY)
    large.wait_workers(lambda pids: len(pids) >= MANY)


def test_those_in_accept_hang(large):
    """They take no connection, so they call nobody: the master sees the queue and does it."""
    waiting = in_accept(large)
    strike(waiting, signal.SIGSTOP)
    try:
        with contextlib.ExitStack() as stack:
            hold(large, stack, MANY - len(waiting))
    finally:
        for pid in waiting:
            os.kill(pid, signal.SIGCONT)


def test_drains_those_in_reserve(large):
    """TERM ends a worker that waits to be called; a stop does not wait for its deadline."""
    assert large.stop() == 0
    assert not large.log_matches(Text.not_in_time)


def test_reload_leaves_few_in_accept(large):
    """The next generation is in reserve as the one before was."""
    large.reload()
    large.wait_workers(MANY)
    wait_for(lambda: len(in_accept(large)) + len(in_reserve(large)) == MANY, what="all idle")
    assert BELOW <= len(in_accept(large)) <= ABOVE + 32
