# SPDX-License-Identifier: MIT
"""New certificates without a lost connection, and ends of tcpd with sessions in hand."""

import contextlib
import os
import signal
import ssl
import threading
import time

import pytest

from harness import (EX_OK, SANITIZED, Timeout, configuration, read_all, read_exactly, service,
                     wait_for)
from programs import write_script
from tls_peer import behind, context, dial, serial_of
from tls_records import Client

ANSWER = 1 << 20
SESSIONS, RELOADS = 1000, 20


class Load:
    """Threads that make session after session, each verified; what they have seen."""

    def __init__(self, daemon, its_context, n=4):
        self.daemon, self.context = daemon, its_context
        self.seen, self.lost, self.stopping = [], [], False
        self.threads = [threading.Thread(target=self.run) for _ in range(n)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.stopping:
            begin = time.monotonic()
            try:
                with dial(self.daemon, "echo", self.context) as sock:
                    serial = int(sock.getpeercert()["serialNumber"], 16)
                    sock.sendall(b"hello")
                    got = b""
                    while len(got) < 5:
                        got += sock.recv(5) or b"the end"
                    assert got == b"hello", got
                self.seen.append((begin, serial))
            except (OSError, AssertionError) as error:
                self.lost.append(error)

    def end(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()


def test_new_certificates(tcpd, authority):
    """TL5: two in turn, 20 times, under load: nothing is lost, and each session that begins after a
    reload has the new one."""
    two = [authority.leaf("one"), authority.leaf("two")]
    confs = [each.section() + configuration(behind("echo")) for each in two]
    serials = [each.serial for each in two]
    with tcpd(confs[0]) as daemon:
        load = Load(daemon, context(authority))
        changes = []  # when asked for, when done, what is shown from then on
        try:
            for i in range(1, RELOADS + 1):
                n = len(load.seen)
                wait_for(lambda n=n: len(load.seen) > n + SESSIONS // RELOADS, what="sessions")
                begin = time.monotonic()
                daemon.reload(confs[i % 2])
                changes.append((begin, time.monotonic(), serials[i % 2]))
        finally:
            load.end()
    assert not load.lost, load.lost[:3]
    assert len(load.seen) >= SESSIONS
    for begin, serial in load.seen:
        is_between = any(since <= begin <= until for since, until, _ in changes)
        in_force = [serials[0], *(its for _, until, its in changes if until <= begin)][-1]
        next_ones = [its for since, _, its in changes if since >= begin][:1]
        assert is_between or serial in (in_force, *next_ones)


def slow_answers(tcpd, authority, tmp_path):
    script = write_script(tmp_path / "slow", f"""
        echo begins
        read -r go
        head -c {ANSWER} /dev/zero
    """)
    leaf = authority.leaf("www")
    return leaf.section() + configuration(behind("slow", "program", program=[script]),
                                          stop_timeout="20s")


@pytest.mark.parametrize("how", ["stop", "reload"])
def test_open_sessions(tcpd, authority, tmp_path, how):
    """TL8: answers that are on their way come whole, with close_notify behind them."""
    conf = slow_answers(tcpd, authority, tmp_path)
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(dial(daemon, "slow", context(authority))) for _ in range(50)]
        for sock in socks:
            assert sock.recv(100) == b"begins\n"
        if how == "stop":
            ender = threading.Thread(target=daemon.stop)
            ender.start()
            daemon.wait_log("stopping: draining")
        else:
            daemon.reload()
        for sock in socks:
            sock.sendall(b"go\n")
        for sock in socks:
            assert len(read_all(sock)) == ANSWER  # else SSLEOFError
        if how == "stop":
            ender.join()
            assert daemon.exit_status == EX_OK


def test_idle_sessions_are_told(tcpd, authority):
    """A stop ends those that are owed nothing with close_notify."""
    with tcpd(authority.leaf("www").section() +
              configuration(behind("echo"), stop_idle_timeout="300ms")) as daemon:
        with dial(daemon, "echo", context(authority)) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
            ender = threading.Thread(target=daemon.stop)
            ender.start()
            assert sock.recv(1) == b""
            ender.join()


def test_a_handshake_across_a_reload(tcpd, authority):
    """Half of it before, half after: it is finished as it was begun."""
    two = [authority.leaf("one"), authority.leaf("two")]
    confs = [each.section() + configuration(behind("echo")) for each in two]
    with tcpd(confs[0]) as daemon, daemon.connect("echo") as sock:
        client = Client(sock)
        client.hello()
        client.flight()
        daemon.reload(confs[1])
        assert serial_of(daemon, "echo", context(authority)) == two[1].serial
        client.finish()
        client.say(b"hello")
        assert client.hear() == b"hello"


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_handshake_at_a_stop(tcpd, authority, has_begun):
    """Who has not come in is owed nothing: it holds no stop up for its whole time."""
    conf = authority.leaf("www").section() + configuration(
        behind("echo", handshake_timeout="1h"), stop_idle_timeout="300ms", stop_timeout="1h")
    with tcpd(conf) as daemon, daemon.connect("echo") as sock:
        if has_begun:
            client = Client(sock)
            client.hello()
            client.flight()
        else:
            sock.sendall(b"\x16\x03")
        daemon.worker_serving(sock)
        assert daemon.stop() == EX_OK


def test_tls_comes_and_goes(tcpd, authority):
    """By reloads, in an instance that has begun without it; sessions in hand go on."""
    leaf, its = authority.leaf("www"), context(authority)
    plain = configuration(service("plain", "echo"))
    both = leaf.section() + configuration(service("plain", "echo"), behind("echo"))

    def is_alive(sock):
        sock.sendall(b"hello")
        return read_exactly(sock, 5) == b"hello"
    with tcpd(plain) as daemon, daemon.connect("plain") as first:
        for _ in range(3):
            since = len(daemon.log.items)
            daemon.reload(both)
            daemon.wait_log("echo tls:.*: listening", since=since)
            with dial(daemon, "echo", its) as sock:
                assert is_alive(sock) and is_alive(first)
                since = len(daemon.log.items)
                daemon.reload(plain)
                daemon.wait_log("echo tls:.*: no longer listening", since=since)
                assert is_alive(sock) and is_alive(first)
                assert daemon.is_serving("plain")


def test_a_killed_worker_is_seen(tcpd, authority, tmp_path):
    """Its client gets no close_notify: what it has is not the whole."""
    conf = slow_answers(tcpd, authority, tmp_path)
    with tcpd(conf) as daemon, dial(daemon, "slow", context(authority)) as sock:
        assert sock.recv(100) == b"begins\n"
        os.kill(daemon.worker_serving(sock), signal.SIGKILL)
        with pytest.raises((ssl.SSLError, ConnectionError), match="(?i)eof|reset"):
            sock.recv(100)
        daemon.wait_log("killed by signal 9")


@pytest.mark.skipif(SANITIZED, reason="the sanitizer keeps what is freed")
def test_reloads_do_not_grow(tcpd, authority):
    """R3: contexts of old configurations are gone with them."""
    conf = authority.leaf("www").section() + configuration(behind("echo", min_workers=1))

    def memory(pid):
        with open(f"/proc/{pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))
    with tcpd(conf) as daemon:
        for _ in range(10):
            daemon.reload()
        before = memory(daemon.pid)
        for _ in range(40):
            daemon.reload()
        with contextlib.suppress(Timeout):
            wait_for(lambda: memory(daemon.pid) <= before * 1.05, 3)
        assert memory(daemon.pid) <= before * 1.1 + 64
