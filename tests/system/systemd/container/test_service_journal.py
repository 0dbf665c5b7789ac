# SPDX-License-Identifier: MIT
"""What the journal says of tcpd: records that explain themselves, found by their fields, and not
drowned by one client."""

import contextlib
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import SOAK, configuration, service, wait_for
from units import CONF, ECHO, GREETING, configure, echoes, edit, fail_session

SUBJECTS = {  # MESSAGE_ID to what `journalctl -x` says of it
    "33fa35e042ff47e580a8a5ed51d91256": "tcpd has been started",
    "f93b539d75bd432ba9007147be21b501": "tcpd is ready",
    "0f0041f018d24c49b2776817c3c62d55": "tcpd has reloaded its configuration",
    "2a7f91571d744bc39f94124084888aee": "tcpd has refused a new configuration",
    "62455877a16d472da16d27fefaf3ff90": "A worker of service echo has died",
    "82d79586f49d49bbb5095d9f45b9f762": "tcpd has cut off sessions at its stop",
    "4d95c32f5015444abe09dd3e492c3f0f": "All workers of service echo are busy",
    "56e5f10bb3e24f48a43074090e3f0d16": "tcpd has stopped",
    "3035c9cd7642411b8d2bc2f651e43cf1": "A session of service echo has begun",
    "48d2dd59944d4714aab359b383d61b55": "A session of service echo has ended: reset by peer",
}


@pytest.fixture
def tcpd(shared_tcpd_machine):
    """A machine for tests that begin with configure()."""
    return shared_tcpd_machine


def test_every_record_explains_itself(tcpd):
    """Issue 3, 5: started, ready, reloaded, refused, worker died, at maximum, session begun and
    ended, cut off, stopped: `journalctl -x` says what each is and what to do."""
    one = service("echo", listen=["127.0.0.1:7007"], min_workers=1, max_workers=1, spare_workers=0)
    cursor = tcpd.cursor()
    configure(tcpd, one, log_sessions="all", stop_timeout="300ms")
    tcpd.systemctl("reload", "tcpd")
    edit(tcpd, "min_workers", "mim_workers")
    tcpd.systemctl("reload", "tcpd", check=False)
    edit(tcpd, "mim_workers", "min_workers")
    fail_session(tcpd, "127.0.0.1")
    with tcpd.connect(7007) as sock, tcpd.connect(7007):
        sock.sendall(b"a")
        assert sock.recv(1) == b"a"
        tcpd.wait_journal("maximum|busy", "MESSAGE_ID=4d95c32f5015444abe09dd3e492c3f0f",
                          since=cursor)
        worker, = (pid for pid, title in tcpd.processes().items() if "7007 worker" in title)
        tcpd.run(f"kill -KILL {worker}")
        assert sock.recv(1) == b""
    with tcpd.connect(7007) as sock:
        sock.sendall(b"a")
        assert sock.recv(1) == b"a"
        tcpd.systemctl("stop", "tcpd.service")
    for message_id, subject in SUBJECTS.items():
        record = tcpd.wait_journal("", "-u", "tcpd", f"MESSAGE_ID={message_id}", since=cursor)
        assert record["SYSLOG_IDENTIFIER"] == "tcpd"
        told = tcpd.run("journalctl", "-x", "--no-pager", "-u", "tcpd",
                        f"MESSAGE_ID={message_id}").stdout
        assert f"Subject: {subject}\n" in told, (subject, told)
        assert "@TCPD_" not in told


def test_found_by_its_fields(tcpd):
    """Issue 3, 5: `journalctl -u tcpd TCPD_SERVICE=echo` finds a session and who it was."""
    configure(tcpd, ECHO, GREETING, log_sessions="all")
    cursor = tcpd.cursor()
    assert echoes(tcpd) and tcpd.exchange(1234) == b"hi"
    found = ["-u", "tcpd", "TCPD_SERVICE=echo"]
    wait_for(lambda: len(tcpd.journal(*found, since=cursor)) == 2, what="2 records")
    opened, closed = tcpd.journal(*found, since=cursor)
    assert closed["TCPD_PEER_ADDR"] == "127.0.0.1" and closed["TCPD_BYTES_IN"] == "5"
    assert closed["TCPD_RESULT"] == "ok" and closed["TCPD_LOCAL_ADDR"] == "127.0.0.1:7007"
    assert opened["_PID"] == closed["_PID"]
    shown = tcpd.run("journalctl", "-q", "-u", "tcpd", "TCPD_SERVICE=echo", "-o", "cat").stdout
    assert shown.splitlines()[-2:] == [opened["MESSAGE"], closed["MESSAGE"]]


def test_a_refused_client_is_found_by_its_rule(tcpd):
    """R12: the record has client and rule in fields, and `journalctl -x` says what to do."""
    configure(tcpd, service("echo", listen=["127.0.0.1:7007"], deny=["127.0.0.2"]))
    cursor = tcpd.cursor()
    with contextlib.suppress(ConnectionError):
        fail_session(tcpd, "127.0.0.2")
    found = ["-u", "tcpd", "TCPD_REFUSED=rule"]
    record = tcpd.wait_journal("connection from 127.0.0.2:.* refused: deny 127.0.0.2 at", *found,
                               since=cursor)
    assert record["TCPD_PEER_ADDR"] == "127.0.0.2" and record["TCPD_SERVICE"] == "echo"
    assert record["TCPD_PREFIX"] == "127.0.0.2" and record["TCPD_LOCAL_ADDR"] == "127.0.0.1:7007"
    assert re.fullmatch(rf"{CONF}:\d+", record["TCPD_RULE"]) and record["PRIORITY"] == "5"
    assert record["MESSAGE_ID"] == "a70a4eb3f2934ea48afde43ad66e9fc1"
    told = tcpd.run("journalctl", "-x", "--no-pager", *found).stdout
    assert "Subject: A client of service echo was refused: rule\n" in told and "@TCPD_" not in told
    assert echoes(tcpd)


def n_told(tcpd, since):
    """How many records of sessions are there, or were counted as lost. Not all are the unit's: journald
    looks a sender's up when it reads the record, and who has exited by then has none."""
    texts = [r["MESSAGE"] for r in tcpd.journal("SYSLOG_IDENTIFIER=tcpd", since=since)]
    lost = (re.search(r": (\d+) session records? lost: ", text) for text in texts)
    return (sum("echo: connection from" in text for text in texts)
            + sum(int(match[1]) for match in lost if match))


@pytest.mark.parametrize("sessions", ["errors", "all"])
def test_a_noisy_client_hides_nobody(tcpd, sessions):
    """Issue 3, 5; B50: 3,000 bad sessions of one client, each logged with "all" (journald's default
    drops a unit's records above 10,000 in 30 s): another client's record is there."""
    configure(tcpd, ECHO, log_sessions=sessions, log_sessions_rate=0)
    cursor = tcpd.cursor()
    n = 3000 if sessions == "errors" else 12000 if SOAK else 1000
    with ThreadPoolExecutor(4) as pool:
        for job in [pool.submit(fail_session, tcpd, "127.0.0.1") for _ in range(n)]:
            job.result()
    ended = ["-u", "tcpd", "MESSAGE_ID=48d2dd59944d4714aab359b383d61b55"]
    others = 0

    def other_is_there():
        nonlocal others
        if others == 0 or sessions == "all":
            fail_session(tcpd, "127.0.0.2")
            others += 1
        return tcpd.journal(*ended, "TCPD_PEER_ADDR=127.0.0.2", since=cursor)

    wait_for(other_is_there, what="the other's record")
    if sessions == "errors":
        noisy = len(tcpd.journal(*ended, "TCPD_PEER_ADDR=127.0.0.1", since=cursor))
        assert 100 <= noisy <= 600  # 100 in 10 s, as tcpd.journal(7) says
    else:  # none waits for a journal that is slow: what is not there is counted
        tcpd.systemctl("stop", "tcpd.service")
        told = []
        wait_for(lambda: told.append(n_told(tcpd, cursor)) or told[-1] == 2 * (n + others),
                 what=lambda: f"each of {2 * (n + others)} records, or its count: {told[-1]}")
    assert not [r for r in tcpd.journal("SYSLOG_IDENTIFIER=systemd-journald")
                if "Suppressed" in r["MESSAGE"]]


def test_the_generator_tells_file_and_line(tcpd):
    """Issue 3, 1: at daemon-reload, each mistake and each address that a unit cannot have."""
    cursor = tcpd.cursor()
    tcpd.put(CONF, configuration(ECHO.replace("min_workers", "mini_workers"),
                                 service("greeting", listen=["no.such.host:1"], message="x")))
    tcpd.systemctl("daemon-reload")
    own = "SYSLOG_IDENTIFIER=tcpd-generator"
    tcpd.wait_journal(rf"^{CONF}:4: there is no option mini_workers", own, since=cursor)
    tcpd.wait_journal(rf'^{CONF}:\d+: listen = "no.such.host:1": ', own, since=cursor)
    tcpd.wait_journal("^tcpd-greeting.socket is not made", own, "PRIORITY=4", since=cursor)
    unit = tcpd.inside("/run/systemd/generator/tcpd-echo.socket").read_text()
    assert "ListenStream=127.0.0.1:7007\n" in unit
