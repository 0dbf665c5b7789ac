# SPDX-License-Identifier: MIT
"""Socket activation when something is wrong, and when tcpd comes and goes: no client is lost."""

import os
import random
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import PATIENCE, configuration, read_all, service, wait_for
from units import (CONF, ECHO, GREETING, burst, configure, echoes, edit, is_refused, messages,
                   states, wait_active)


@pytest.fixture
def own(tcpd_machine):
    """A machine for a test that leaves traces."""
    wait_active(tcpd_machine)
    return tcpd_machine


@pytest.fixture
def tcpd(shared_tcpd_machine):
    """A machine for tests that begin with configure()."""
    return shared_tcpd_machine


def send_line(sock):
    """Asks echo for a line, and ends."""
    sock.sendall(b"line")
    sock.shutdown(socket.SHUT_WR)


def n_fds(machine):
    """Descriptors of PID 1."""
    return len(os.listdir(f"/proc/{machine.leader}/fd"))


# --- Leaving when idle -------------------------------------------------------------------------

def test_idle_exits(tcpd):
    """Issue 3, faults; PLATFORM.md finding 2: 30 idle exits, as quickly as they go: every next
    connection is served, no socket fails, PID 1 keeps no descriptor more."""
    one = service("echo", listen=["127.0.0.1:7007"], min_workers=1, spare_workers=0)
    configure(tcpd, one, exit_idle_time="50ms")
    tcpd.wait_unit("tcpd.service", ActiveState="inactive", Result="success")
    cursor, fds = tcpd.cursor(), n_fds(tcpd)
    begin = time.monotonic()
    for _ in range(30):
        assert echoes(tcpd)
        tcpd.wait_unit("tcpd.service", ActiveState="inactive", Result="success")
    print(f"30 idle exits in {time.monotonic() - begin:.1f} s")
    assert states(tcpd, "tcpd-echo.socket", "tcpd.socket") == ["active"] * 2
    left = [m for m in messages(tcpd, "-u", "tcpd", since=cursor) if "the next connection starts tcpd" in m]
    assert len(left) == 30
    wait_for(lambda: n_fds(tcpd) <= fds, what="PID 1 with as many descriptors as before")
    shown = tcpd.show("tcpd.service", "NFileDescriptorStore", "NRestarts")
    assert shown == {"NFileDescriptorStore": "0", "NRestarts": "0"}


def test_connections_while_it_leaves(tcpd):
    """Issue 3, 1: clients that come just when the idle time is over are served all the same."""
    configure(tcpd, ECHO, exit_idle_time="50ms")
    chance = random.Random(3)
    cursor = tcpd.cursor()
    for _ in range(30):
        assert echoes(tcpd)
        time.sleep(chance.uniform(0.04, 0.09))  # it leaves after 50 ms, give or take some
    left = [m for m in messages(tcpd, "-u", "tcpd", since=cursor) if "the next connection starts tcpd" in m]
    assert left, "the test has met what it is for"
    assert states(tcpd, "tcpd-echo.socket") == ["active"]


def test_not_idle_while_a_session_lasts(tcpd):
    """Issue 3, 1: an open session keeps it; after that it leaves."""
    configure(tcpd, ECHO, exit_idle_time="100ms")
    with tcpd.connect(7007) as sock:
        sock.sendall(b"a")
        assert sock.recv(1) == b"a"
        pid = tcpd.show("tcpd.service", "MainPID")
        with pytest.raises(TimeoutError):
            sock.settimeout(0.5)
            sock.recv(1)
        assert tcpd.show("tcpd.service", "MainPID") == pid
        send_line(sock)
        assert read_all(sock) == b"line"
    tcpd.wait_unit("tcpd.service", ActiveState="inactive", Result="success")


# --- A broken configuration --------------------------------------------------------------------

def count_starts(machine):
    return int(machine.show("tcpd.service", "NRestarts")["NRestarts"])


def wait_served(clients, repaired):
    """All of them get their line; seconds after the repair until the last has it."""
    for sock in clients:
        assert read_all(sock) == b"line"
        sock.close()
    return time.monotonic() - repaired


@pytest.mark.parametrize("reload", [False, True], ids=["plain", "daemon-reload"])
def test_broken_at_start(tcpd, reload):
    """PLATFORM.md finding 2, B43: clients wait, it tries again, the sockets stay, also when the
    generator has seen the broken file; clients are served about a second after the repair."""
    configure(tcpd, ECHO, GREETING, start="tcpd.socket")
    good = tcpd.inside(CONF).read_text()
    cursor = tcpd.cursor()
    tcpd.put(CONF, "massage = no\n" + good)
    if reload:
        tcpd.systemctl("daemon-reload")
        problem = rf"{CONF}:\d+: .*massage"
        record = tcpd.wait_journal(problem, "SYSLOG_IDENTIFIER=tcpd-generator", since=cursor)
        assert record["PRIORITY"] == "3"
    clients = [tcpd.connect(7007) for _ in range(5)]
    for sock in clients:
        send_line(sock)
    wait_for(lambda: count_starts(tcpd) >= 2, what="2 attempts")
    assert states(tcpd, "tcpd-echo.socket", "tcpd.socket") == ["active"] * 2
    tcpd.wait_journal(rf"{CONF}:\d+: .*massage", "-u", "tcpd", since=cursor)
    clients += [tcpd.connect(7007)]
    send_line(clients[-1])
    tcpd.put(CONF, good)
    seconds = wait_served(clients, time.monotonic())
    print(f"served {seconds:.2f} s after the repair")
    assert seconds < 5  # 1 s and a start, on an idle machine
    assert tcpd.exchange(1234) == b"hi"
    assert states(tcpd, "tcpd-echo.socket", "tcpd-greeting.socket") == ["active"] * 2


def test_broken_at_boot(boot, tcpd_layer, tmp_path):
    """Issue 3, faults: the sockets of the right services are there after the boot; the repair heals,
    without an operator's further doing. (The generator tells the kernel's log, which a container
    has not.)"""
    conf = tmp_path / "tcpd.conf"
    good = configuration(ECHO, GREETING)
    conf.write_text("massage = no\n" + good)
    machine = boot(layer=tcpd_layer, binds=[(conf, CONF)], degraded=True)
    sockets = ["tcpd.socket", "tcpd-echo.socket", "tcpd-greeting.socket"]
    assert states(machine, *sockets) == ["active"] * 3
    machine.wait_journal(rf"{CONF}:\d+: .*massage", "SYSLOG_IDENTIFIER=tcpd")
    client = machine.connect(7007)
    send_line(client)
    wait_for(lambda: count_starts(machine) >= 2, what="attempts")
    conf.write_text(good)
    assert wait_served([client], time.monotonic()) < 5
    assert machine.exchange(1234) == b"hi"


# --- Sockets of the wrong kind -----------------------------------------------------------------

def test_foreign_sockets(own):
    """Issue 3, faults: unknown names and another's unix path are named in the log and closed; the
    rest is served."""
    configure(own, ECHO, start="tcpd.socket")
    own.put("/etc/systemd/system/extra.socket",
            "[Socket]\nService=tcpd.service\nFileDescriptorName=stranger\n"
            "ListenStream=127.0.0.1:5001\nListenStream=/run/extra\n")
    own.systemctl("daemon-reload")
    own.systemctl("start", "extra.socket")
    cursor = own.cursor()
    assert echoes(own)
    wait_active(own)
    assert states(own, "extra.socket") == ["active"]
    closed = [m for m in messages(own, "-u", "tcpd", "PRIORITY=4", since=cursor)
              if m.startswith("the socket handed over as")]
    assert len(closed) == 2
    for what in ("stranger.*127.0.0.1:5001", "stranger.*/run/extra"):
        assert any(re.search(f"{what}.* is closed: .*no service has that name or address", m)
                   for m in closed), (what, closed)
    own.systemctl("reload", "tcpd")
    assert echoes(own)


NOT_LISTED = "in no listen entry, so what it speaks is unknown; it is not served"
NO_LISTENER = "LISTEN_FDS: descriptor .*\"echo\", cannot be served: it is neither a listening"


@pytest.mark.parametrize("kind, words", [
    ("ListenDatagram=127.0.0.1:7007", f"socket udp:127.0.0.1:7007 of echo is {NOT_LISTED}"),
    ("ListenDatagram=/run/extra.dgram", f"socket unix-dgram:/run/extra.dgram of echo is {NOT_LISTED}"),
    ("ListenFIFO=/run/extra.fifo", NO_LISTENER)])
def test_sockets_that_cannot_be_served(own, kind, words):
    """Issue 12, 4; issue 14: what cannot be listened on is refused. A datagram socket that no entry
    lists is not served, and never as a stream."""
    configure(own, ECHO, start="tcpd.socket")
    own.put("/etc/systemd/system/other.socket",
            f"[Socket]\nService=tcpd.service\n{kind}\nFileDescriptorName=echo\n")
    own.systemctl("daemon-reload")
    own.systemctl("start", "other.socket")
    cursor = own.cursor()
    fails = words == NO_LISTENER
    assert (own.systemctl("start", "tcpd", check=False).returncode != 0) == fails
    own.wait_journal(words, "-u", "tcpd", since=cursor)
    if fails:
        assert own.show("tcpd.service", "ExecMainStatus") == {"ExecMainStatus": "78"}
    else:
        assert echoes(own)
        assert "; 1 address not served" in own.show("tcpd.service", "StatusText")["StatusText"]


def test_socket_with_messages_beside_the_listed(own):
    """Issue 14: one that a unit has for the service and no entry lists is served as what it is, where
    all entries are plain, and a warning says so."""
    configure(own, ECHO, start="tcpd.socket")
    own.put("/etc/systemd/system/other.socket", "[Socket]\nService=tcpd.service\n"
            "ListenSequentialPacket=/run/extra.seq\nFileDescriptorName=echo\n")
    own.systemctl("daemon-reload")
    own.systemctl("start", "other.socket")
    cursor = own.cursor()
    assert echoes(own)
    own.wait_journal("unix-seqpacket:/run/extra.seq is served, as systemd handed it over, though",
                     "-u", "tcpd", since=cursor)
    assert own.run("tcpc", "-s", "one", "-s", "two",
                   "unix-seqpacket:/run/extra.seq").stdout == "one\ntwo\n"


def test_connected_socket(own):
    """Issue 3, faults: systemd passes no connected socket to a unit that is no template, and says
    so; nothing else happens."""
    own.put("/etc/systemd/system/inetd.socket",
             "[Socket]\nService=tcpd.service\nListenStream=127.0.0.1:5003\nAccept=yes\n")
    own.systemctl("daemon-reload")
    assert own.systemctl("start", "inetd.socket", check=False).returncode != 0
    assert is_refused(own, 5003) and echoes(own)


# --- Many at once, stopped, masked -------------------------------------------------------------

def test_burst_of_activations(tcpd):
    """Issue 3, faults: 1,000 clients connect at once while only the sockets are there; all are
    served, by one start."""
    configure(tcpd, ECHO, start="tcpd.socket")
    cursor = tcpd.cursor()
    begin = time.monotonic()
    assert burst(tcpd, 1000) == 1000
    print(f"1,000 served in {time.monotonic() - begin:.2f} s")
    assert sum(m.startswith("Starting tcpd") for m in messages(tcpd, since=cursor)) == 1
    assert states(tcpd, "tcpd-echo.socket", "tcpd.service") == ["active"] * 2


def test_stops_against_clients(tcpd):
    """Issue 3, faults: `systemctl stop tcpd.service` while clients come: the sockets stay, each next
    connection starts it again, none is lost, no trigger limit is met."""
    configure(tcpd, ECHO)
    cursor, done = tcpd.cursor(), threading.Event()

    def client():
        served = 0
        while not done.is_set():
            assert echoes(tcpd)
            served += 1
        return served

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client) for _ in range(4)]
        try:
            for _ in range(10):
                tcpd.systemctl("stop", "tcpd.service", check=False)  # 1: a start has cancelled it
        finally:
            done.set()
        served = sum(job.result(PATIENCE) for job in clients)
    print(f"{served} served around 10 stops")
    assert sum(m.startswith("Starting tcpd") for m in messages(tcpd, since=cursor)) >= 5
    assert states(tcpd, "tcpd-echo.socket") == ["active"] and echoes(tcpd)


def test_masked(own):
    """Issue 3, faults; tcpd.service(8): systemd closes the socket of which a client asks for a masked
    service. The others stay; unmasking and `systemctl restart tcpd.socket` heal."""
    configure(own, ECHO, GREETING)
    own.systemctl("stop", "tcpd.service")
    own.systemctl("mask", "tcpd.service")
    assert states(own, "tcpd-echo.socket", "tcpd.socket") == ["active"] * 2
    try:
        with own.connect(7007) as sock:
            assert sock.recv(1) == b""
    except ConnectionError:
        pass  # refused or reset, at once: nobody waits for nothing
    own.wait_unit("tcpd-echo.socket", ActiveState="failed", Result="resources")
    assert is_refused(own, 7007)
    own.systemctl("unmask", "tcpd.service")
    assert own.exchange(1234) == b"hi"
    own.wait_journal('listen = "127.0.0.1:7007" is not among the sockets', "-u", "tcpd")
    own.systemctl("restart", "tcpd.socket")
    assert echoes(own) and own.exchange(1234) == b"hi"


# --- One socket --------------------------------------------------------------------------------

def test_one_socket_stopped(tcpd):
    """Issue 3, 1: the service goes on with the others, and has that one again after a restart of
    it; starting it is not enough while tcpd runs, which systemd says."""
    configure(tcpd, ECHO, GREETING)
    tcpd.systemctl("stop", "tcpd-echo.socket")
    assert is_refused(tcpd, 7007) and tcpd.exchange(1234) == b"hi"
    wait_active(tcpd)
    assert is_refused(tcpd, 7007)
    assert tcpd.systemctl("start", "tcpd-echo.socket", check=False).returncode == 1
    assert tcpd.exchange(1234) == b"hi"
    tcpd.systemctl("restart", "tcpd-echo.socket")
    assert echoes(tcpd) and tcpd.exchange(1234) == b"hi"


def test_port_of_another_program(tcpd):
    """P9: address in use: the other services are served, systemd and tcpd name socket and address,
    and a restart of that socket heals once the port is free."""
    configure(tcpd, ECHO, GREETING)
    tcpd.systemctl("stop", "tcpd.service", "tcpd.socket")
    cursor = tcpd.cursor()
    with tcpd.network():
        other = socket.create_server(("127.0.0.1", 7007))
    with other:
        tcpd.systemctl("start", "tcpd")
        assert tcpd.exchange(1234) == b"hi"
        assert states(tcpd, "tcpd-echo.socket", "tcpd.service") == ["failed", "active"]
        tcpd.wait_journal("tcpd-echo.socket: .*127.0.0.1:7007.*in use", since=cursor)
        tcpd.wait_journal(rf'{CONF}:\d+: service "echo": listen = "127.0.0.1:7007" is not among',
                          "-u", "tcpd", since=cursor)
        tcpd.systemctl("reload", "tcpd")
    tcpd.systemctl("restart", "tcpd-echo.socket")
    assert echoes(tcpd) and tcpd.exchange(1234) == b"hi"


def test_all_ports_of_another_program(tcpd):
    """P9: with no socket left the service cannot start; it tries on, and heals with the sockets."""
    configure(tcpd, ECHO, start="tcpd.socket")
    tcpd.systemctl("stop", "tcpd.socket")
    cursor = tcpd.cursor()
    with tcpd.network():
        other = socket.create_server(("127.0.0.1", 7007))
    with other:
        tcpd.systemctl("start", "--no-block", "tcpd.service")
        tcpd.wait_journal("there is no socket to listen on", "-u", "tcpd", "PRIORITY=3",
                          since=cursor)
        wait_for(lambda: count_starts(tcpd) >= 1, what="another attempt")
    tcpd.systemctl("restart", "tcpd.socket")
    assert echoes(tcpd)


def test_edited_while_stopped(tcpd):
    """tcpd-generator(8): a configuration with other addresses than the sockets', and no daemon-reload:
    what was handed over is served, and the log says what is missing."""
    configure(tcpd, ECHO, GREETING, start="tcpd.socket")
    edit(tcpd, "7007", "7008")
    cursor = tcpd.cursor()
    assert echoes(tcpd) and tcpd.exchange(1234) == b"hi"
    tcpd.wait_journal('listen = "127.0.0.1:7008" is not among the sockets', "-u", "tcpd",
                      since=cursor)
