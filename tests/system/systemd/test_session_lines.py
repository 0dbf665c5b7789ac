# SPDX-License-Identifier: MIT
"""log_sessions_form = lines: each session has its line, in the journal as in text, whatever becomes of
its worker and of who reads the log."""

import collections
import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from test_journal import Journal, Unread, journal, losses, ping, pytestmark  # noqa: F401 (fixture, mark)

import harness
from harness import BUILD, PATIENCE, configuration, service, wait_for

LINES = "63cf710b007e4d75b2604de8a4de0dbd"
ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
FORM = {"log_sessions": "all", "log_sessions_form": "lines"}
LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (?P<peer>\S+)(?: through (?P<through>\S+))? "
    r"(?P<result>\S+) (?P<seconds>\d+\.\d{6})s (?P<bytes_in>\d+)B in (?P<bytes_out>\d+)B out "
    r"wait (?P<wait>-|\d+\.\d{3}s) (?P<id>\d+\.\d+)(?P<slow> slow)?")


def lines(journal):
    """The lines of all records, in their order."""
    found = []
    for record in list(journal.records.items):
        if record.get("MESSAGE_ID") == LINES:
            head, *texts = record["MESSAGE"].split("\n")
            assert head == f"echo {record['TCPD_LISTENER']}: {len(texts)} session" + \
                ("s" if len(texts) > 1 else "")
            assert record["TCPD_SESSIONS"] == str(len(texts)) and len(texts) <= 32
            assert len(record["MESSAGE"]) < 4000
            found += [LINE.fullmatch(text) for text in texts]
    assert None not in found
    return found


def wait_lines(journal, n):
    wait_for(lambda: len(lines(journal)) >= n, what=lambda: f"{n} lines, of {len(lines(journal))}")
    found = lines(journal)
    assert len(found) == n
    return found


def check_numbers(found):
    """Each line is there once, and those of a worker are in the order of its sessions."""
    by_worker = collections.defaultdict(list)
    for line in found:
        pid, number = map(int, line["id"].split("."))
        by_worker[pid].append(number)
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in by_worker.values())
    return by_worker


def test_a_line_has_the_session(journal):
    """Who, how, how long, how much; the record's fields; no other record of a session."""
    daemon = journal.daemon(configuration(service("echo", **ONE), **FORM))
    with daemon.connect("echo") as client:
        client.sendall(b"Linux China")
        assert harness.read_exactly(client, 11) == b"Linux China"
        peer = harness.peer_name(client)
        worker = daemon.worker_serving(client)
    line, = wait_lines(journal, 1)
    assert (line["peer"], line["result"], line["slow"]) == (peer, "ok", None)
    assert (line["bytes_in"], line["bytes_out"]) == ("11", "11")
    assert line["id"] == f"{worker}.1" and line["wait"] == "0.000s"
    record = journal.wait(MESSAGE_ID=LINES)
    assert record["TCPD_SERVICE"] == "echo" and record["PRIORITY"] == "6"
    assert record["TCPD_LISTENER"] == f"127.0.0.1:{daemon.ports['echo']}"
    assert record["TCPD_FIRST_USEC"] == record["TCPD_LAST_USEC"]
    assert record["SYSLOG_IDENTIFIER"] == "tcpd"
    with daemon.connect("echo") as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        harness.reset(client)
    line = wait_lines(journal, 2)[1]
    assert (line["result"], line["id"]) == ("reset_by_peer", f"{worker}.2")
    assert journal.records.items[-1]["PRIORITY"] == "5"
    assert not any("connection from" in record["MESSAGE"] for record in journal.records.items)


@pytest.mark.parametrize("addresses, wanted", [("masked", "127.0.0.0:0"), ("none", "-")])
def test_addresses(journal, addresses, wanted):
    """log_addresses; and the worker that is killed has its lines written by the same rule."""
    daemon = journal.daemon(configuration(service("echo", **ONE), log_addresses=addresses, **FORM))
    ping(daemon)
    os.kill(daemon.workers()[0], signal.SIGKILL)
    journal.wait(MESSAGE="killed by signal 9")
    ping(daemon)
    assert {line["peer"] for line in wait_lines(journal, 2)} == {wanted}


def test_through_a_proxy(journal):
    """The client that it has announced, and the proxy."""
    conf = configuration(service("echo", proxy_protocol="required", proxy_trusted=["127.0.0.1"], **ONE),
                         **FORM)
    daemon = journal.daemon(conf)
    with daemon.connect("echo") as client:
        client.sendall(b"PROXY TCP4 192.0.2.77 198.51.100.2 40000 443\r\nx")
        assert client.recv(1) == b"x"
        proxy = harness.peer_name(client)
    line, = wait_lines(journal, 1)
    assert (line["peer"], line["through"], line["bytes_in"]) == ("192.0.2.77:40000", proxy, "1")


def test_many_are_one_record(journal):
    """A worker that has no rest writes a record for 32 sessions; the others come within a second."""
    daemon = journal.daemon(configuration(service("echo", **ONE), **FORM))
    for _ in range(100):
        ping(daemon)
    found = wait_lines(journal, 100)
    assert len(check_numbers(found)) == 1
    sizes = [int(r["TCPD_SESSIONS"]) for r in journal.records.items if r.get("MESSAGE_ID") == LINES]
    assert len(sizes) < 50, sizes


def test_none_is_missing_when_workers_come_and_go(journal):
    """Workers that retire after seven sessions, reloads between them, a stop at the end."""
    conf = configuration(service("echo", max_sessions_per_worker=7), **FORM)
    daemon = journal.daemon(conf)
    for _ in range(5):
        for _ in range(40):
            ping(daemon)
        daemon.reload()
    ping(daemon)
    assert daemon.stop() == 0
    journal.wait(MESSAGE="^stopped$")
    found = wait_lines(journal, 201)
    assert len(check_numbers(found)) > 201 // 7
    assert losses(journal, "lost") == 0


def test_a_killed_worker_loses_nothing(journal):
    """Its page has what it had yet to write; the master writes that."""
    daemon = journal.daemon(configuration(service("echo", **ONE), **FORM))
    for n in (1, 5, 40):
        before = len(lines(journal))
        for _ in range(n):
            ping(daemon)
        worker, = daemon.workers()
        os.kill(worker, signal.SIGKILL)
        journal.wait(MESSAGE=rf"worker {worker} killed by signal 9")
        found = wait_lines(journal, before + n)
        assert {line["id"] for line in found[before:]} == {f"{worker}.{i + 1}" for i in range(n)}
        daemon.wait_workers(lambda pids, gone=worker: pids and gone not in pids)
    assert losses(journal, "lost") == 0


def test_workers_killed_under_load(journal):
    """N sessions are N lines, but for those that were cut. A worker that is killed as it writes may have
    a batch written twice, by the same numbers."""
    daemon = journal.daemon(configuration(service("echo", min_workers=4), **FORM))
    done = []
    over = threading.Event()

    def clients():
        while not over.is_set():
            with contextlib.suppress(OSError):
                done.append(daemon.exchange("echo", b"ping") == b"ping")

    threads = [threading.Thread(target=clients) for _ in range(4)]
    for thread in threads:
        thread.start()
    killed = 0
    for _ in range(6):
        goal = len(done) + 60
        wait_for(lambda goal=goal: len(done) >= goal, what="sessions")
        with contextlib.suppress(ProcessLookupError):
            os.kill(daemon.workers()[0], signal.SIGKILL)
            killed += 1
    over.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert daemon.stop() == 0
    journal.wait(MESSAGE="^stopped$")
    goal = sum(done) - killed
    wait_for(lambda: len({line["id"] for line in lines(journal)}) >= goal, what=f"{goal} lines")
    ids = [line["id"] for line in lines(journal)]
    assert goal <= len(set(ids)) <= len(done) + killed
    assert len(ids) - len(set(ids)) <= 32 * killed
    assert losses(journal, "lost") == 0


def test_a_stalled_journal(journal):
    """Sessions go on; each line is there once it reads again, or counted."""
    daemon = journal.daemon(configuration(service("echo", **ONE), **FORM))
    journal.wait(MESSAGE="^ready: ")
    journal.stall()
    room = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
    n = 32 * (room + 8)  # what the queue takes, what the worker keeps, and more
    for _ in range(min(n, 3000)):
        ping(daemon)
    journal.resume()
    assert daemon.stop() == 0
    journal.wait(MESSAGE="^stopped$")
    lost = losses(journal, "lost: the journal does not read fast enough")
    assert len(lines(journal)) + lost == min(n, 3000)
    assert n > 3000 or lost > 0


def test_a_journal_that_is_started_anew(journal):
    """Its socket is away for a while, and another one then: what was kept is written there."""
    daemon = journal.daemon(configuration(service("echo", **ONE), **FORM))
    ping(daemon)
    before = wait_lines(journal, 1)
    journal.close()
    (Path(journal.directory) / "socket").unlink()
    for _ in range(70):
        ping(daemon)
    later = Journal(journal.directory)
    try:
        ping(daemon)
        assert daemon.stop() == 0
        later.wait(MESSAGE="^stopped$")
        found = before + wait_lines(later, 71)
        assert list(check_numbers(found).values()) == [list(range(1, 73))]
        assert losses(later, "lost") == 0
    finally:
        later.close()


def text_lines(daemon):
    return [LINE.fullmatch(match["line"]) for match in daemon.log_matches(
        rf"^tcpd: echo 127\.0\.0\.1:{daemon.ports['echo']}: (?P<line>\d{{4}}-.*)$")]


def test_text(tcpd):
    """On standard error each line stands by itself; those of a killed worker as well."""
    with tcpd(configuration(service("echo", **ONE), **FORM)) as daemon:
        for n in (3, 40, 1):
            before = len(text_lines(daemon))
            for _ in range(n):
                ping(daemon)
            worker, = daemon.workers()
            if n == 40:
                os.kill(worker, signal.SIGKILL)
            wait_for(lambda n=before + n: len(text_lines(daemon)) >= n, what=f"{before + n} lines")
            its = text_lines(daemon)[before:]
            assert [line["id"] for line in its][-1].startswith(f"{worker}.") and len(its) == n
            daemon.wait_workers(lambda pids, gone=n == 40 and worker: pids and gone not in pids)
        assert not daemon.log_matches("connection from")
        ping(daemon)
        assert daemon.stop() == 0
        assert len(text_lines(daemon)) == 45


def test_text_in_a_file(tmp_path):
    """The same where standard error is a file."""
    path = tmp_path / "log"
    prefix = ("sh", "-c", 'exec "$@" 2>"$0"', str(path))
    with harness.start(configuration(service("echo", **ONE), **FORM), prefix=prefix) as daemon:
        port = daemon.ports["echo"]
        for _ in range(50):
            ping(daemon)
        assert daemon.stop() == 0
    texts = [text for text in path.read_text().splitlines() if "Z 127.0.0.1:" in text]
    head = f"tcpd: echo 127.0.0.1:{port}: "
    assert len(texts) == 50
    assert all(text.startswith(head) and LINE.fullmatch(text.removeprefix(head)) for text in texts)


def test_without_a_timer(tcpd):
    """A user may have too many timers (RLIMIT_SIGPENDING): then nothing waits for one."""
    conf = configuration(service("echo", **ONE), **FORM)
    with tcpd(conf, prefix=harness.injected("timer_create:error=EAGAIN", follow=True)) as daemon:
        for n in range(1, 4):
            ping(daemon)
            wait_for(lambda n=n: len(text_lines(daemon)) == n, what=f"{n} lines")
        assert daemon.stop() == 0


def test_a_reader_of_text_that_stalls():
    """Sessions go on, and every line is there in the end, or counted."""
    with Unread(configuration(service("echo", **ONE), **FORM)) as daemon:
        n = daemon.room // 20
        for _ in range(n):
            ping(daemon)
        daemon.read()
        assert daemon.stop() == 0
        lost = daemon.wait_log(r"(\d+) session records? lost: the reader of this log")
        assert len(text_lines(daemon)) + int(lost[1]) == n


@pytest.mark.parametrize("sessions", ["errors", "all"])
def test_slow_sessions(journal, tmp_path, sessions):
    """slow_session: logged with "errors" as well, with priority notice, and counted. Nothing ends it."""
    control = tmp_path / "control.socket"
    conf = configuration(service("echo", slow_session="200ms", **ONE), control=f"unix:{control}",
                         **FORM | {"log_sessions": sessions})
    daemon = journal.daemon(conf)
    ping(daemon)
    with daemon.connect("echo") as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        with pytest.raises(TimeoutError):
            client.settimeout(0.3)  # the time itself is meant
            client.recv(1)
        client.settimeout(PATIENCE)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    if sessions == "all":
        assert [line["slow"] for line in wait_lines(journal, 2)] == [None, " slow"]
        assert journal.wait(MESSAGE="slow$")["PRIORITY"] == "5"
    else:
        record = journal.wait(MESSAGE=r"closed: ok \(slow_session = 200ms\), 1 byte in")
        assert (record["TCPD_SLOW"], record["PRIORITY"]) == ("yes", "5")
        assert sum("closed: ok" in r["MESSAGE"] for r in journal.records.items) == 1

    def slow():
        shown = subprocess.run([BUILD / "tcpdctl", "-s", control, "metrics"], capture_output=True,
                               text=True, timeout=PATIENCE).stdout
        return re.findall(r"^tcpd_sessions_slow_total\{.*\} (\d+)$", shown, re.M)

    wait_for(lambda: slow() == ["1"], what="its count")


def test_runs_have_records(journal):
    """Of a program that takes its clients itself there is more to say than a line has."""
    conf = configuration(
        service("program", program=["/bin/true"], program_mode="wait"), **FORM)
    daemon = journal.daemon(conf)
    with contextlib.suppress(OSError):
        daemon.connect("program").close()
    record = journal.wait(MESSAGE="run of its program")
    assert record["TCPD_EXIT_CODE"] == "exited"
