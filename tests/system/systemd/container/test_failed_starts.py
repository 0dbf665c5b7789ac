# SPDX-License-Identifier: MIT
"""Starts under systemd when something is wrong: with one service, with all, with a name."""

import json
import re
import socket
import time

import pytest

from harness import read_all, service, wait_for
from units import (CONF, ECHO, GREETING, configure, echoes, messages, states, wait_active)

pytestmark = pytest.mark.in_turn(first="bookworm")

AGAIN = "the start fails for the same 1 problem as before, logged then: "


@pytest.fixture
def tcpd(shared_tcpd_machine):
    """A machine for tests that begin with configure()."""
    return shared_tcpd_machine


def count_starts(machine):
    return int(machine.show("tcpd.service", "NRestarts")["NRestarts"])


def status_text(machine):
    return machine.show("tcpd.service", "StatusText")["StatusText"]


def wait_status(machine, pattern):
    """It is of the last look: a client that is served by now may have been in the queue then."""
    wait_for(lambda: re.fullmatch(pattern, status_text(machine)), what=lambda: status_text(machine))


def main_pid(machine):
    return int(machine.show("tcpd.service", "MainPID")["MainPID"])


def test_one_service(tcpd):
    """The others serve; systemd and tcpdctl count it; its clients wait, and a reload serves them."""
    wrong = GREETING.replace('message = "hi"', 'massage = "hi"')
    configure(tcpd, ECHO, wrong)
    assert echoes(tcpd) and states(tcpd, "tcpd.service", "tcpd-greeting.socket") == ["active"] * 2
    tcpd.wait_journal(rf"{CONF}:\d+: there is no option massage; .*the service is left out$",
                      "-u", "tcpd", "-p", "err")
    wait_status(tcpd, r"1 service, .* draining; 1 service left out")
    table = tcpd.run("tcpdctl", "status").stdout
    assert re.search(rf"^greeting +127\.0\.0\.1:1234 +not served: {CONF}:\d+: .*massage", table, re.M)
    client = tcpd.connect(1234)
    result = tcpd.systemctl("reload", "tcpd", check=False)
    assert result.returncode != 0 and echoes(tcpd)
    assert "the last reload failed: " in status_text(tcpd)
    tcpd.put(CONF, tcpd.inside(CONF).read_text().replace("massage", "message"))
    tcpd.systemctl("reload", "tcpd")
    with client:
        assert read_all(client) == b"hi"
    wait_status(tcpd, r"2 services, .* draining")
    assert "not served" not in tcpd.run("tcpdctl", "status").stdout


def test_port_in_use(tcpd):
    """Every command says success; the address is told of by status all the same."""
    configure(tcpd, ECHO)
    seven = service("seven", "greeting", listen=["127.0.0.1:7000"], message="seven")
    with tcpd.network():
        taken = socket.create_server(("127.0.0.1", 7000))
    with taken:
        configure(tcpd, ECHO, seven)
        assert echoes(tcpd)
        wait_status(tcpd, r"1 service, .* draining; 1 address not served")
        table = tcpd.run("tcpdctl", "status").stdout
        assert re.search(r"^seven +127\.0\.0\.1:7000 +not served: systemd has handed over no ",
                         table, re.M), table
        [row] = json.loads(tcpd.run("tcpdctl", "--json", "status").stdout)["not_served"]
        assert (row["service"], row["listener"], row["left_out"]) == \
            ("seven", "127.0.0.1:7000", False)
    tcpd.systemctl("restart", "tcpd.socket")
    wait_active(tcpd)
    assert tcpd.exchange(7000) == b"seven" and "not served" not in status_text(tcpd)


def test_a_mistake_is_logged_once(tcpd):
    """Whole at first and when its text changes, in a line when it comes again, less and less often;
    clients wait, and are served soon after the repair. A crash costs a second as ever."""
    configure(tcpd, ECHO)
    good = tcpd.inside(CONF).read_text()
    cursor = tcpd.cursor()
    tcpd.put(CONF, "foo = 1\n" + good)
    assert tcpd.systemctl("restart", "tcpd", check=False).returncode != 0
    whole = f"{CONF}:1: there is no option foo; tcpd.conf(5) lists all"

    def said():
        told = [text for text in messages(tcpd, "-u", "tcpd", "SYSLOG_IDENTIFIER=tcpd", since=cursor)
                if "there is no option" in text]
        return [text.replace(AGAIN, "again: ") for text in told]

    wait_for(lambda: len(said()) >= 4, what="four starts")
    assert set(said()[1:]) == {f"again: {whole}"} and said()[0] == whole
    wait_for(lambda: states(tcpd, "tcpd.service") == ["activating"])
    assert whole in status_text(tcpd)
    assert tcpd.systemctl("restart", "tcpd", check=False).returncode != 0
    wait_for(lambda: said().count(whole) == 2, what="the mistake, whole, for who has restarted it")
    client = tcpd.connect(7007)
    client.sendall(b"line")
    client.shutdown(socket.SHUT_WR)
    tcpd.put(CONF, "bar = 1\n" + good)
    tcpd.wait_journal(rf"^{CONF}:1: there is no option bar", "-u", "tcpd", since=cursor)
    tcpd.put(CONF, good)
    begin = time.monotonic()
    with client:
        assert read_all(client) == b"line"
    assert time.monotonic() - begin < 10  # 2 s and a start, on an idle machine
    wait_active(tcpd)
    number = count_starts(tcpd)
    for i in range(1, 4):
        pid = main_pid(tcpd)
        begin = time.monotonic()
        tcpd.run(f"kill -KILL {pid}")
        tcpd.wait_unit("tcpd.service", NRestarts=number + i, ActiveState="active")
        assert time.monotonic() - begin < 10  # 1 s and a start
        assert main_pid(tcpd) not in (0, pid)


def test_a_stop_ends_the_wait(tcpd):
    """Of a start that is to fail again; it is no failure, and what was kept is gone."""
    configure(tcpd, ECHO)
    good = tcpd.inside(CONF).read_text()
    tcpd.put(CONF, "foo = 1\n" + good)
    cursor = tcpd.cursor()
    assert tcpd.systemctl("restart", "tcpd", check=False).returncode != 0
    tcpd.wait_journal(AGAIN, "-u", "tcpd", since=cursor)
    wait_for(lambda: count_starts(tcpd) >= 3, what="a start that waits for 4 s")
    assert tcpd.inside("/run/tcpd-starts/tcpd.service/mistakes").exists()
    tcpd.systemctl("stop", "tcpd.service", "tcpd.socket")
    assert not tcpd.inside("/run/tcpd-starts/tcpd.service").exists()
    tcpd.put(CONF, good)
    tcpd.systemctl("start", "tcpd")
    assert echoes(tcpd)


def test_an_instance_without_a_file(tcpd):
    """A mistyped name fails at once, and for good."""
    result = tcpd.systemctl("start", "tcpd@nope", check=False)
    assert result.returncode != 0
    assert tcpd.show("tcpd@nope.service", "ActiveState", "NRestarts", "MainPID") == {
        "ActiveState": "inactive", "NRestarts": "0", "MainPID": "0"}
    assert tcpd.show("tcpd@nope.socket", "ActiveState", "AssertResult") == {
        "ActiveState": "inactive", "AssertResult": "no"}
