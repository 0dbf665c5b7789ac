# SPDX-License-Identifier: MIT
"""`tcpdctl log`, and lines of sessions in a real journal: found by client, result and time, complete
while journald and workers come and go."""

import json
import re

import pytest

from harness import configuration, service, wait_for
from json_form import checked
from units import ECHO, GREETING, configure, echoes, fail_session, install

pytestmark = pytest.mark.in_turn(first="trixie")

FORM = {"log_sessions": "all", "log_sessions_form": "lines"}
LINES = "63cf710b007e4d75b2604de8a4de0dbd"
EX_NOINPUT = 66


@pytest.fixture
def tcpd(shared_tcpd_machine):
    """A machine for tests that begin with configure()."""
    return shared_tcpd_machine


def listed(machine, *options):
    done = machine.run("tcpdctl", "log", *options)
    assert done.stderr == ""
    return done.stdout.splitlines()


def now(machine):
    return machine.run("date", "-u", "+%Y-%m-%dT%H:%M:%S.%6NZ").stdout.strip()


def wait_listed(machine, n, *options):
    wait_for(lambda: len(listed(machine, *options)) >= n,
             what=lambda: f"{n} sessions: {listed(machine, *options)}")
    found = listed(machine, *options)
    assert len(found) == n
    return found


def serve_some(machine):
    """Three good sessions, and a bad one of somebody else; one of another service."""
    for _ in range(3):
        assert echoes(machine)
    fail_session(machine, "127.0.0.2")
    assert machine.exchange(1234) == b"hi"


@pytest.mark.parametrize("form", ["lines", "entries"])
def test_lists_sessions(tcpd, form):
    """In both forms: all, by service, client, result, duration; as JSON; from another directory."""
    configure(tcpd, ECHO, GREETING, **FORM | {"log_sessions_form": form})
    since = ["--since", now(tcpd)]
    serve_some(tcpd)
    found = wait_listed(tcpd, 5, *since)
    shape = r"(echo|greeting): \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z 127\.0\.0\.[12]:\d+ " \
        r"(ok|reset_by_peer) \d+\.\d{6}s \d+B in \d+B out wait (-|\d+\.\d{3}s) \d+\.\d+"
    assert all(re.fullmatch(shape, line) for line in found), found
    assert len(listed(tcpd, *since, "greeting")) == 1
    assert len(listed(tcpd, *since, "echo")) == 4
    assert len(listed(tcpd, *since, "--result", "ok")) == 4
    assert listed(tcpd, *since, "--peer", "127.0.0.2") == \
        listed(tcpd, *since, "--result", "reset by peer") != []
    assert len(listed(tcpd, *since, "--peer", "127.0.0.0/8")) == 5
    assert listed(tcpd, *since, "--peer", "::1") == listed(tcpd, *since, "--longer", "1h") == []
    assert listed(tcpd, "--since", "@4000000000") == []
    objects = [checked("log", line) for line in listed(tcpd, *since, "--json")]
    bad, = (each for each in objects if each["result"].startswith("reset"))
    assert (bad["service"], bad["received"], bad["sent"], bad["slow"]) == ("echo", 1, 1, False)
    assert bad["peer"].startswith("127.0.0.2:") and bad["duration_usec"] > 0
    assert listed(tcpd, *since, "--directory", "/var/log/journal") == found
    assert listed(tcpd, *since, "-i", "other") == []


def test_what_somebody_else_writes(tcpd):
    """No line is too long, and no byte reaches the terminal that tcpd would not have written."""
    since = ["-s", "/any", "--since", now(tcpd)]  # of whatever unit
    numbers = f"{(2 ** 64 - 1) // 10 ** 6}.551615s {2 ** 64 - 1}B in {2 ** 64 - 1}B out wait 4294.000s " \
        f"{2 ** 64 - 1}.{2 ** 64 - 1} slow"
    word = "x" * 120
    long = f"9999-12-31T23:59:59.999999Z {word} through {word} {word} {numbers}"
    good = "2036-11-25T14:03:22.118432Z 192.0.2.7:48764 ok 0.000412s 64B in 64B out wait 0.000s 48211.317"
    for service_name, line in (("echo", long), ("echo", good), ("e\x1b[31m", good), ("e\x7fcho", good),
                               ("echo", good.replace("ok", "o\x1b[2Jk")),
                               ("echo", good.replace("ok", "o\xc2\x9bk")),
                               ("echo", good.replace("7:48764", "7:4\x07"))):
        entry = f"MESSAGE_ID={LINES}\nTCPD_SERVICE={service_name}\nMESSAGE=head\nMESSAGE={line}\n"
        tcpd.run("sh", "-c", 'printf %s "$1" | logger --journald', "sh", entry)
    assert wait_listed(tcpd, 2, *since) == [f"echo: {long}", f"echo: {good}"]


def test_lines_are_whole_in_the_journal(tcpd):
    """One entry of a worker's sessions; readers that leave long fields out have the message; it explains
    itself."""
    one = service("echo", listen=["127.0.0.1:7007"], min_workers=1, max_workers=1, spare_workers=0)
    configure(tcpd, one, **FORM)
    cursor = tcpd.cursor()
    since = now(tcpd)
    for _ in range(100):
        assert echoes(tcpd)
    wait_listed(tcpd, 100, "--since", since)
    records = tcpd.journal("-u", "tcpd", f"MESSAGE_ID={LINES}", since=cursor)
    assert sum(int(record["TCPD_SESSIONS"]) for record in records) == 100 and len(records) < 50
    assert all(record["TCPD_LISTENER"] == "127.0.0.1:7007" for record in records)
    shown = tcpd.run("journalctl", "-q", "-u", "tcpd", "-o", "json", f"MESSAGE_ID={LINES}").stdout
    messages = [json.loads(line)["MESSAGE"] for line in shown.splitlines()]
    assert all(re.match(r"\w+ [\d.:]+: \d+ sessions?\n2", message) for message in messages)
    told = tcpd.run("journalctl", "-x", "--no-pager", "-u", "tcpd", f"MESSAGE_ID={LINES}").stdout
    assert "sessions of service echo have ended" in told and "@TCPD_" not in told


def test_goes_on(tcpd):
    """--follow shows those to come as well."""
    configure(tcpd, ECHO, **FORM)
    since = now(tcpd)
    for _ in range(2):
        assert echoes(tcpd)
    wait_listed(tcpd, 2, "--since", since)
    following = tcpd.start("tcpdctl", "log", "--follow", "--since", since, "--result", "reset_by_peer")
    for source in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
        fail_session(tcpd, source)
        assert re.match(rf"echo: \S+ {re.escape(source)}:\d+ reset_by_peer ",
                        following.stdout.readline())
    following.kill()
    following.wait()


def test_goes_on_without_a_reader(tcpd):
    """As in tcpdctl log --follow | head -1: it ends while nothing comes."""
    configure(tcpd, ECHO, **FORM)
    since = now(tcpd)
    assert echoes(tcpd)
    wait_listed(tcpd, 1, "--since", since)
    done = tcpd.run("bash", "-c", f"tcpdctl log --follow --since '{since}' | head -1; "
                    "echo ${PIPESTATUS[*]}", timeout=20)
    line, statuses = done.stdout.splitlines()
    assert line.startswith("echo: ") and statuses == "141 0" and done.stderr == ""


def test_who_may_not_read_the_journal(tcpd):
    done = tcpd.run("setpriv", "--reuid=nobody", "--clear-groups", "tcpdctl", "log", check=False)
    assert done.returncode == EX_NOINPUT and done.stdout == ""
    assert done.stderr == "tcpdctl: there is no journal that may be read here; members of the groups " \
        "systemd-journal and adm may read the system's\n"


def test_none_is_missing(tcpd):
    """Workers retire, one is killed, journald is restarted: N sessions are N lines, by their numbers."""
    conf = configuration(
        service("echo", listen=["127.0.0.1:7007"], max_sessions_per_worker=60), **FORM)
    install(tcpd, conf)
    cursor = tcpd.cursor()
    since = now(tcpd)
    n = 0
    for step in range(4):
        for _ in range(150):
            assert echoes(tcpd)
            n += 1
        if step == 1:
            tcpd.systemctl("restart", "systemd-journald")
        if step == 2:
            worker = next(p for p, title in tcpd.processes().items() if "7007 worker" in title)
            tcpd.run(f"kill -KILL {worker}")
            # Before it is dead it may still take a client.
            tcpd.wait_journal(rf"worker {worker} killed by signal 9", since=cursor)
    tcpd.systemctl("stop", "tcpd.service")

    def told():
        ids = [line.split()[-1] for line in listed(tcpd, "--since", since)]
        lost = [re.search(r": (\d+) session records? lost", r["MESSAGE"])
                for r in tcpd.journal("SYSLOG_IDENTIFIER=tcpd", since=cursor)
                if isinstance(r.get("MESSAGE"), str)]
        return len(set(ids)), sum(int(match[1]) for match in lost if match)

    wait_for(lambda: sum(told()) >= n, what=lambda: f"{n} lines, {told()}")
    assert sum(told()) == n
    assert told()[1] == 0
