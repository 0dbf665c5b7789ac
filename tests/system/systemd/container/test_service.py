# SPDX-License-Identifier: MIT
"""tcpd as a service of systemd: start, first connection, reload, addresses, instances, control."""

import json
import os
import re
import socket
import struct
from pathlib import Path

import pytest

from harness import (configuration, proc_children, process_tree, read_exactly, service,
                     wait_for)
from units import (CONF, CONTROL, ECHO, GREETING, configure, echoes, edit, install, is_refused,
                   messages, states, wait_active)

NOT_HANDED_OVER = "is not among the sockets that systemd handed over"


@pytest.fixture
def own(tcpd_machine):
    """A machine of its own whose tcpd serves."""
    wait_active(tcpd_machine)
    return tcpd_machine


@pytest.fixture
def tcpd(shared_tcpd_machine):
    """A machine whose tcpd serves what is shipped, also after the test."""
    wait_active(shared_tcpd_machine)
    shipped = shared_tcpd_machine.inside(CONF).read_text()
    yield shared_tcpd_machine
    if shared_tcpd_machine.inside(CONF).read_text() != shipped:
        install(shared_tcpd_machine, shipped)


# --- Start -------------------------------------------------------------------------------------

def test_enabled_and_listed(tcpd):
    """Issue 3, 1: both units at boot; list-sockets reads as tcpd-generator(8) shows it."""
    assert tcpd.systemctl("is-enabled", "tcpd.service", "tcpd.socket").stdout == \
        "enabled\nenabled\n"
    listed = tcpd.systemctl("list-sockets", "--no-legend", "tcpd*").stdout
    rows = {tuple(line.split()) for line in listed.splitlines()}
    assert ("/run/tcpd/control", "tcpd.socket", "tcpd.service") in rows
    assert ("127.0.0.1:7007", "tcpd-echo.socket", "tcpd.service") in rows
    assert ("[::1]:7007", "tcpd-echo.socket", "tcpd.service") in rows
    assert ("127.0.0.1:1234", "tcpd-greeting.socket", "tcpd.service") in rows
    assert len(rows) == 12


def test_start_from_nothing(tcpd):
    """Issue 3: `systemctl start tcpd` serves when it returns; the sockets came first."""
    tcpd.systemctl("stop", "tcpd.service", "tcpd.socket")
    assert is_refused(tcpd, 7007) and is_refused(tcpd, 9999)
    assert not tcpd.inside(CONTROL).exists()
    cursor = tcpd.cursor()
    tcpd.systemctl("start", "tcpd")
    assert tcpd.show("tcpd.service", "ActiveState") == {"ActiveState": "active"}
    assert echoes(tcpd) and echoes(tcpd, host="::1")
    assert tcpd.exchange(1234) == b"Greetings from tcpd!"
    tcpd.wait_journal("^Started tcpd.service", "-u", "tcpd*", since=cursor)
    said = messages(tcpd, "-u", "tcpd*", since=cursor)
    begun = said.index(next(m for m in said if m.startswith("Starting tcpd.service")))
    assert sum(m.startswith("Listening on tcpd") for m in said[:begun]) == 9


def test_first_connection_starts_it(tcpd):
    """Issue 3: with the sockets alone the first connection is served, whichever it is."""
    for port, want in ((7007, b"hello"), (9999, b"Welcome!Hello, hello!")):
        tcpd.systemctl("stop", "tcpd.service", "tcpd.socket")
        tcpd.systemctl("start", "tcpd.socket")
        assert states(tcpd, "tcpd.service", "tcpd-echo.socket") == ["inactive", "active"]
        assert tcpd.exchange(port, b"hello") == want
        wait_active(tcpd)
    tcpd.systemctl("stop", "tcpd.service")
    assert "41 workers" in tcpd.run("tcpdctl", "status").stdout, "a call starts it as well"
    wait_active(tcpd)


def test_restarts_of_the_sockets(tcpd):
    """Issue 3: each succeeds, however many: no start limit, and no port in use by a child of PID 1
    that still removes PrivateTmp=."""
    cursor = tcpd.cursor()
    for _ in range(12):
        tcpd.systemctl("restart", "tcpd.socket")
        assert echoes(tcpd, port=7007) and tcpd.exchange(9999) == b"Welcome!"
    for _ in range(6):
        tcpd.systemctl("restart", "tcpd-echo.socket")
        assert echoes(tcpd)
    assert not [m for m in messages(tcpd, since=cursor)
                if re.search("Failed|too quickly|already in use", m)]


# --- Reload ------------------------------------------------------------------------------------

def test_reload_returns_when_live(tcpd):
    """Issue 3, PLATFORM.md finding 3: at once after the return, each of 20 times."""
    configure(tcpd, GREETING)
    for i in range(20):
        tcpd.put(CONF, configuration(GREETING.replace('"hi"', f'"number {i}"')))
        tcpd.systemctl("reload", "tcpd")
        assert tcpd.exchange(1234) == b"number %d" % i
    assert tcpd.show("tcpd.service", "ReloadResult", "NRestarts") == \
        {"ReloadResult": "success", "NRestarts": "0"}


def test_reload_tells_why_it_is_refused(tcpd):
    """Issue 3, PLATFORM.md finding 4: status 1, file and line in the journal and of tcpdctl; the
    service stays active, serves on, and reloads again after the repair."""
    lines = tcpd.inside(CONF).read_text().count("\n")
    edit(tcpd, 'message = "Greet', 'message = "new Greet')
    tcpd.run(f"echo 'foo = 1' >>{CONF}")
    cursor = tcpd.cursor()
    result = tcpd.systemctl("reload", "tcpd", check=False)
    assert result.returncode == 1 and "Job for tcpd.service failed" in result.stderr
    assert tcpd.show("tcpd.service", "ActiveState", "SubState", "ReloadResult") == \
        {"ActiveState": "active", "SubState": "running", "ReloadResult": "exit-code"}
    problem = f"{CONF}:{lines + 1}: there is no option foo"
    for sender in ("tcpd", "tcpdctl"):
        tcpd.wait_journal(re.escape(problem), "-u", "tcpd", f"SYSLOG_IDENTIFIER={sender}",
                          since=cursor)
    direct = tcpd.run("tcpdctl", "reload", check=False)
    assert direct.returncode == 1 and direct.stderr.startswith(problem)
    assert problem in tcpd.show("tcpd.service", "StatusText")["StatusText"]
    assert tcpd.exchange(1234) == b"Greetings from tcpd!"
    edit(tcpd, "foo = 1\n", "")
    tcpd.systemctl("reload", "tcpd")
    assert tcpd.exchange(1234) == b"new Greetings from tcpd!"
    assert tcpd.show("tcpd.service", "ReloadResult") == {"ReloadResult": "success"}
    assert "failed" not in tcpd.show("tcpd.service", "StatusText")["StatusText"]


def test_a_new_address_needs_its_socket(tcpd):
    """Issue 3, 1: a reload refuses it and says what to do; having done that it is served."""
    configure(tcpd, ECHO, GREETING)
    edit(tcpd, '"127.0.0.1:7007"', '"127.0.0.1:7007", "127.0.0.1:7008"')
    result = tcpd.run("tcpdctl", "reload", check=False)
    assert result.returncode == 1 and NOT_HANDED_OVER in result.stderr
    assert re.search(rf'{CONF}:\d+: listen = "127.0.0.1:7008"', result.stderr)
    assert "tcpdctl sockets apply" in result.stderr
    assert echoes(tcpd) and is_refused(tcpd, 7008)
    tcpd.run("tcpdctl", "sockets", "apply")
    assert echoes(tcpd) and echoes(tcpd, port=7008) and tcpd.exchange(1234) == b"hi"


def test_a_changed_address_before_the_restart(tcpd):
    """PLATFORM.md finding 9: after daemon-reload PID 1 has no socket of that unit any more. tcpd
    serves the old one until it is restarted, the other services are unharmed, and a restart of the
    sockets heals."""
    configure(tcpd, ECHO, GREETING)
    edit(tcpd, "7007", "7008")
    cursor = tcpd.cursor()
    tcpd.systemctl("daemon-reload")
    tcpd.wait_journal("tcpd-echo.socket: .*not functional until restarted", since=cursor)
    assert echoes(tcpd, port=7007) and is_refused(tcpd, 7008)
    assert tcpd.systemctl("reload", "tcpd", check=False).returncode == 1
    assert echoes(tcpd, port=7007)
    tcpd.systemctl("restart", "tcpd.service")
    tcpd.wait_journal(f'listen = "127.0.0.1:7008" {NOT_HANDED_OVER}', "PRIORITY=4", since=cursor)
    assert is_refused(tcpd, 7007) and is_refused(tcpd, 7008) and tcpd.exchange(1234) == b"hi"
    tcpd.systemctl("restart", "tcpd.socket")
    assert is_refused(tcpd, 7007) and echoes(tcpd, port=7008) and tcpd.exchange(1234) == b"hi"


def test_services_come_and_go(tcpd):
    """tcpd-generator(8): daemon-reload and a restart of tcpd.socket open the port of a service that
    is new, and close that of one that is gone."""
    configure(tcpd, ECHO)
    for new, gone in ((GREETING, 7007), (ECHO, 1234)):
        tcpd.put(CONF, configuration(new))
        tcpd.systemctl("daemon-reload")
        tcpd.systemctl("restart", "tcpd.socket")
        assert tcpd.exchange(1234) == b"hi" if gone == 7007 else echoes(tcpd)
        assert is_refused(tcpd, gone)
    assert tcpd.systemctl("--failed", "--no-legend").stdout == ""


# --- Instances ---------------------------------------------------------------------------------

def test_instances_stand_beside_it(own):
    """Issue 3, 2: /etc/tcpd/web.conf is tcpd@web's: own sockets, control socket, reload, restart."""
    conf = "/etc/tcpd/web.conf"
    web = [service("greeting", listen=["127.0.0.1:8080"], message="web"),
           service("echo", listen=["127.0.0.1:8107", "unix:/run/tcpd/web-echo"])]
    own.put(conf, configuration(*web))
    own.systemctl("daemon-reload")
    own.systemctl("start", "tcpd@web.socket")
    assert states(own, "tcpd@web.service", "tcpd:web:echo.socket") == ["inactive", "active"]
    assert own.exchange(8080) == b"web" and echoes(own, port=8107)
    assert echoes(own, port="/run/tcpd/web-echo")
    assert own.exchange(1234) == b"Greetings from tcpd!" and echoes(own)
    own.wait_unit("tcpd@web.service", ActiveState="active")
    edit(own, '"web"', '"newer"', conf)
    own.systemctl("reload", "tcpd@web")
    assert own.exchange(8080) == b"newer"
    assert own.exchange(1234) == b"Greetings from tcpd!"
    pools = own.run("tcpdctl", "--socket", "/run/tcpd/web.control", "status").stdout
    assert "127.0.0.1:8080" in pools and "127.0.0.1:7007" not in pools
    edit(own, "service", "servixe", conf)
    result = own.systemctl("reload", "tcpd@web", check=False)
    assert result.returncode == 1
    own.wait_journal(rf"{conf}:1: ", "-u", "tcpd@web")
    edit(own, "servixe", "service", conf)
    own.systemctl("restart", "tcpd.socket")
    assert echoes(own) and states(own, "tcpd@web.service") == ["active"]
    own.systemctl("stop", "tcpd@web.service", "tcpd@web.socket")
    assert is_refused(own, 8080) and is_refused(own, 8107) and echoes(own)
    assert not own.inside("/run/tcpd/web-echo").exists() and own.inside(CONTROL).exists()


# --- Control socket ----------------------------------------------------------------------------

def as_user(machine, name, *command):
    group = machine.run("id", "-g", name).stdout.strip()
    return machine.run("setpriv", f"--reuid={name}", f"--regid={group}", "--init-groups",
                       *command, check=False)


def test_who_may_control(tcpd):
    """Issue 3, 3: the group may read, root alone may change, others cannot connect."""
    tcpd.run("useradd", "-G", "tcpd", "watcher")
    shown = as_user(tcpd, "watcher", "tcpdctl", "status")
    assert shown.returncode == 0 and "127.0.0.1:7007" in shown.stdout
    for verb in ("reload", "stop"):
        result = as_user(tcpd, "watcher", "tcpdctl", verb)
        assert result.returncode == 77 and "only root" in result.stderr
        assert as_user(tcpd, "nobody", "tcpdctl", verb).returncode == 77
    assert as_user(tcpd, "nobody", "tcpdctl", "status").returncode == 77
    call = ["busctl", f"--address=unix:path={CONTROL}", "call", "tcpd.Manager", "/tcpd",
            "tcpd.Manager"]
    assert as_user(tcpd, "watcher", *call, "GetStatus").returncode == 0
    assert "Access denied" in as_user(tcpd, "watcher", *call, "Reload").stderr
    assert tcpd.show("tcpd.service", "NRestarts", "ActiveState") == \
        {"NRestarts": "0", "ActiveState": "active"}
    status = tcpd.inside(CONTROL).stat()
    assert (status.st_uid, status.st_mode & 0o777) == (0, 0o660)


def get_status(serial):
    """A D-Bus message: the call of GetStatus()."""
    fields = b""
    for code, kind, text in ((1, b"o", b"/tcpd"), (2, b"s", b"tcpd.Manager"),
                             (3, b"s", b"GetStatus")):
        fields += b"\0" * (-len(fields) % 8)
        fields += struct.pack("<BB2sI", code, 1, kind + b"\0", len(text)) + text + b"\0"
    head = struct.pack("<cBBBIII", b"l", 1, 0, 1, 0, serial, len(fields)) + fields
    return head + b"\0" * (-len(head) % 8)


def test_strangers_at_the_control_socket(tcpd):
    """Issue 3, faults: silence, garbage, and a peer that never reads harm nobody."""
    pid = tcpd.show("tcpd.service", "MainPID")
    peers = [tcpd.connect(CONTROL) for _ in range(12)]
    try:
        for sock, data in zip(peers, [b"GET / HTTP/1.0\r\n\r\n", b"\0" * 100000, b"\xff" * 100000,
                                      b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + b"\xff" * 9000]):
            try:
                sock.sendall(data)
            except OSError:
                pass  # closed meanwhile, as it may
        deaf = peers[-1]
        deaf.settimeout(0.2)
        deaf.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
        with pytest.raises(OSError):  # it takes no more, or has let go
            for serial in range(1, 100000):
                deaf.sendall(get_status(serial))
        assert tcpd.run("tcpdctl", "status", timeout=5).returncode == 0
        tcpd.systemctl("reload", "tcpd", timeout=10)
        assert echoes(tcpd)
    finally:
        for sock in peers:
            sock.close()
    assert tcpd.show("tcpd.service", "MainPID") == pid


def sockets_of(pid):
    """Inodes of the sockets a process of the host has open."""
    targets = [os.readlink(entry) for entry in os.scandir(f"/proc/{pid}/fd")]
    return {target[8:-1] for target in targets if target.startswith("socket:[")}


def test_workers_do_not_hold_it(tcpd):
    """Issue 3, 3; B28: only the master and PID 1 have the control socket."""
    table = Path(f"/proc/{tcpd.leader}/net/unix").read_text()
    inode, = re.findall(rf"^\S+ \S+ \S+ 00010000 .* (\d+) {CONTROL}$", table, re.M)
    holders = []
    for pid in process_tree(tcpd.leader):
        try:
            if inode in sockets_of(pid):
                holders.append(pid)
        except OSError:
            pass  # has ended
    assert len(holders) == 2 and holders[0] == tcpd.leader
    n_workers = json.loads(tcpd.run("tcpdctl", "--json", "status").stdout)["daemon"]["workers"]
    assert n_workers > 0
    wait_for(lambda: len(proc_children(holders[1])) >= n_workers, what="the master's workers")


def test_restart_of_sockets_with_an_owner(own):
    """While systemd gives a path its owner a child of it has all its sockets: no port may be opened
    anew meanwhile. The same for the control sockets, which have an owner, too."""
    own.run("cat >>" + CONF, input=service("owned", "echo", listen="unix:/run/tcpd/owned",
                                           socket_user="daemon", socket_group="daemon"))
    own.put("/etc/tcpd/two.conf", configuration(service("a", "echo", listen="*:7008"),
                                                service("b", "echo", listen="127.0.0.1:7009")))
    own.systemctl("daemon-reload")
    for _ in range(5):
        own.systemctl("restart", "tcpd.socket", "tcpd@two.socket")
        failed = own.systemctl("list-units", "--failed", "--plain", "--no-legend").stdout
        assert failed == ""
    own.systemctl("start", "tcpd.service", "tcpd@two.service")
    for port in (7007, 7008, 7009):
        assert own.exchange(port, b"x") == b"x"
    assert own.run("stat", "-c", "%U", "/run/tcpd/owned").stdout == "daemon\n"


# --- Stop --------------------------------------------------------------------------------------

def test_draining_is_told_and_not_cut_off(own):
    """Issue 3, 4; B41: STATUS= says how many are left and the oldest's age; with TimeoutStopSec=1s
    a session of 3 s finishes nevertheless (EXTEND_TIMEOUT_USEC)."""
    own.put("/etc/systemd/system/tcpd.service.d/stop.conf", "[Service]\nTimeoutStopSec=1s\n")
    own.systemctl("daemon-reload")
    with own.connect(7007) as one, own.connect(7007, "::1") as two:
        def exchange():  # so none is idle for stop_idle_timeout
            for sock in (one, two):
                sock.sendall(b"a")
                assert read_exactly(sock, 1) == b"a"

        def age():
            exchange()
            text = own.systemctl("status", "tcpd.service", check=False).stdout
            found = re.search(r'Status: "stopping: .*; 2 sessions? left, the oldest (\d+) s old', text)
            return int(found[1]) if found else -1

        exchange()
        own.systemctl("stop", "--no-block", "tcpd.service")
        wait_for(lambda: age() >= 3, what="STATUS= of a drain of 3 s")
        for sock in (one, two):
            sock.sendall(b"b")
            assert read_exactly(sock, 1) == b"b"
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b""
    own.wait_unit("tcpd.service", ActiveState="inactive", Result="success")
    assert echoes(own), "its socket starts it again"
