# SPDX-License-Identifier: MIT
"""What is refused of a program, at `tcpd -t` and at the start alike: file, line, the setting at
fault, and what is allowed. Line 4 of each section is what the table has."""

import os
import re

import pytest

from harness import (EX_CONFIG, EX_OK, can_become_others, configuration, run)
from programs import listener, program, write_script

root = pytest.mark.skipif(not can_become_others(), reason="needs root, to become somebody else")
CAT = 'program = {"/bin/cat"}'
PRESTART, WAIT, LISTENER = (f'program_mode = "{mode}"' for mode in ("prestart", "wait", "listener"))
BYTES_UNSEEN = "the program has the socket"
NO_SESSIONS = "the program accepts its clients by itself"
COPIES = "min_workers copies"
TAKES_ITSELF = "the program takes its clients by itself"
IS_ONE = "one worker waits at each listener"
FIXED = "before there is a client"


def section(*lines):
    return ('service "x" {\n    handler = "program"\n    listen = {"127.0.0.1:0"}\n'
            + "".join(f"    {line}\n" for line in lines) + "}\n")


# name: the lines, words that must stand in the message
WRONG = {
    "not there": (['program = {"/no/such"}'], ["program", "/no/such", "No such file"]),
    "not a directory above": (['program = {"/bin/cat/x"}'], ["program", "Not a directory"]),
    "a directory": (['program = {"/tmp"}'], ["program", "/tmp", "is a directory"]),
    "a device": (['program = {"/dev/null"}'], ["program", "/dev/null", "not a regular file"]),
    "not executable": (['program = {"/etc/passwd"}'], ["program", "/etc/passwd", "executed"]),
    "relative": (['program = {"cat"}'], ["program", "cat", "absolute path"]),
    "relative folder": (['program = {"./cat"}'], ["program", "./cat", "absolute path"]),
    "empty name": (['program = {""}'], ["program", "absolute path"]),
    "unknown mode": (['program_mode = "fork"', CAT],
                     ["program_mode", "fork", "connection", "prestart", "wait", "listener"]),
    "directory is not there": (['working_directory = "/no/such"', CAT],
                               ["working_directory", "/no/such", "No such file"]),
    "directory is a file": (['working_directory = "/bin/cat"', CAT],
                            ["working_directory", "not a directory"]),
    "directory is relative": (['working_directory = "tmp"', CAT],
                              ["working_directory", "absolute path"]),
    "umask": (['umask = "0888"', CAT], ["umask", "0888"]),
    "umask out of range": (['umask = "01777"', CAT], ["umask", "01777"]),
    "nice": (['nice = "20"', CAT], ["nice", "20", "19"]),
    "nice, too low": (['nice = "-21"', CAT], ["nice", "-21"]),
    "limit_nofile": (['limit_nofile = "2"', CAT], ["limit_nofile", "2", "3"]),
    "limit_as": (['limit_as = "1k"', CAT], ["limit_as", "1k", "4"]),
    "limit_nproc": (['limit_nproc = "0"', CAT], ["limit_nproc", "0", "1"]),
    "limit_cpu": (['limit_cpu = "soon"', CAT], ["limit_cpu", "soon"]),
    "limit_core": (['limit_core = "-1"', CAT], ["limit_core", "-1"]),
    "program_timeout": (['program_timeout = "-1s"', CAT], ["program_timeout", "-1s"]),
    "kill_mode": (['kill_mode = "process"', CAT], ["kill_mode", "group", "program", "none"]),
    "kill_grace": (['kill_grace = "1 year"', CAT], ["kill_grace"]),
    "entry without =": (['environment = {"A"}', CAT], ["environment", '"A"', "NAME=VALUE"]),
    "entry without name": (['environment = {"=b"}', CAT], ["environment", "NAME=VALUE"]),
    "entry with digit": (['environment = {"1A=b"}', CAT], ["environment", "1A=b", "NAME=VALUE"]),
    "entry with space": (['environment = {"A B=c"}', CAT], ["environment", "NAME=VALUE"]),
    "entry, one of many": (['environment = {"A=b", "C"}', CAT], ["environment", '"C"']),
    "no such user": (['user = "no-such-user"', CAT], ["user", "no-such-user", "no such user"]),
    "no such uid": (['user = "54321"', CAT], ["user", "54321", "no user has that number"]),
    "no such group": (['group = "no-such-group"', CAT],
                      ["group", "no-such-group", "no such group"]),
}
WRONG |= {f"entry {name}": ([f'environment = {{"{name}=x"}}', CAT],
                            ["environment", name, "only tcpd"])
          for name in ("PROTO", "TCPREMOTEIP", "TCPLOCALPORT", "TCPREMOTEHOST", "UNIXREMOTEEUID",
                       "REMOTE_ADDR", "REMOTE_PORT", "SO_COOKIE", "LISTEN_FDS", "LISTEN_PID",
                       "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                       "JOURNAL_STREAM")}
WRONG |= {f"connection, {name}": ([f"{name} = 5s", CAT], [name, "connection", BYTES_UNSEEN])
          for name in ("first_byte_timeout", "idle_timeout")}
WRONG |= {f"listener, {name}": ([f"{name} = {value}", CAT, LISTENER], [name, "listener", reason])
          for name, value, reason in [
              ("first_byte_timeout", "5s", NO_SESSIONS), ("idle_timeout", "5s", NO_SESSIONS),
              ("send_timeout", "5s", NO_SESSIONS), ("session_timeout", "5s", NO_SESSIONS),
              ("program_timeout", "5s", NO_SESSIONS), ("kill_grace", "5s", "stop_timeout"),
              ("kill_mode", "none", "ended as one"),
              ("max_sessions_per_worker", "5", NO_SESSIONS), ("max_workers", "9", COPIES),
              ("spare_workers", "2", COPIES)]}
WRONG |= {f"wait, {name}": ([f"{name} = {value}", CAT, WAIT], [name, "wait", reason])
          for name, value, reason in [
              ("first_byte_timeout", "5s", TAKES_ITSELF), ("idle_timeout", "5s", TAKES_ITSELF),
              ("send_timeout", "5s", TAKES_ITSELF), ("session_timeout", "5s", TAKES_ITSELF),
              ("min_workers", "1", IS_ONE), ("max_workers", "9", IS_ONE),
              ("spare_workers", "2", IS_ONE)]}
for _mode, _reason in ((PRESTART, FIXED), (WAIT, TAKES_ITSELF), (LISTENER, NO_SESSIONS)):
    WRONG |= {
        f"{_mode}, entry of a peer": (['environment = {"TCPREMOTEIP=x"}', CAT, _mode],
                                      ["environment", "TCPREMOTEIP", _reason]),
        f"{_mode}, argument asks for a peer": (
            ['program = {"/bin/sh", "-c", "echo $TCPREMOTEIP"}', _mode],
            ["program", "$TCPREMOTEIP", _reason]),
        f"{_mode}, argument asks in braces": (
            ["program = {'/bin/sh', '-c', 'echo ${REMOTE_ADDR}'}", _mode],
            ["program", "REMOTE_ADDR", _reason]),
    }


def check_refused(status, log, words, line=4):
    """One line, FILE:LINE first, with all words."""
    assert status == EX_CONFIG, log
    [message] = [text for text in log.splitlines() if re.search(rf"tcpd\.conf:{line}: ", text)]
    for word in words:
        assert word in message, message


@pytest.mark.parametrize("args", [["-t"], []], ids=["check", "start"])
@pytest.mark.parametrize("name", WRONG)
def test_wrong(name, args):
    lines, words = WRONG[name]
    status, _, log = run(*args, conf=section(*lines))
    check_refused(status, log, words)
    assert "ready" not in log


def test_missing_program():
    """At the end of the section, where it is missed."""
    status, _, log = run("-t", conf=section())
    assert status == EX_CONFIG
    assert re.search(r"tcpd\.conf:\d+: .*\"x\".*program = ", log)


def test_all_that_is_wrong_at_once():
    status, _, log = run("-t", conf=section(
        'program = {"/no/such"}', 'working_directory = "/none"', 'environment = {"A"}',
        "idle_timeout = 5s"))
    assert status == EX_CONFIG
    assert [int(number) for number in re.findall(r"tcpd\.conf:(\d+): ", log)] == [4, 5, 6, 7]


def test_programs_settings_for_others():
    """They are of programs alone."""
    text = section('environment = {"A=b"}').replace('"program"', '"echo"')
    status, _, log = run("-t", conf=text)
    check_refused(status, log, ["environment", "program", "echo"])


@root
@pytest.mark.parametrize("lines, words", [
    (['user = "games"', CAT], ["user", "games", "not run as root", "User="]),
    (['user = "root"', CAT], ["user", "root", "not run as root"]),
    (['group = "games"', CAT], ["group", "games", "not run as root", "Group="]),
    (['nice = "-5"', CAT], ["nice", "only root"]),
    (['limit_nofile = "1000000"', CAT], ["limit_nofile", "hard limit", "only root"]),
    (['limit_core = "infinity"', CAT], ["limit_core", "hard limit"])])
def test_what_only_root_may(lines, words):
    """Refused for another user, with what to do instead; taken for root."""
    nobody = ["prlimit", "--nofile=1024:2048", "--core=0:0", "setpriv", "--reuid=65534",
              "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    status, _, log = run("-t", conf=section(*lines), prefix=nobody)
    check_refused(status, log, words)
    status, _, log = run("-t", conf=section(*lines))
    assert status == EX_OK, log


@root
def test_own_user_is_allowed_to_everybody(tcpd, mark):
    """user = whom tcpd runs as changes nothing, so anybody may write it."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    conf = configuration(program("/bin/cat", mark, user="nobody"))
    with tcpd(conf, prefix=nobody) as daemon:
        assert daemon.exchange("program", b"x") == b"x"


def test_good_ones_are_described(tmp_path):
    """-t tells the program, whatever its mode; a copy per worker and no more in listener mode."""
    script = write_script(tmp_path / "thing", "cat")
    conf = configuration(program([script, "a"]), listener(script, name="other", min_workers=3))
    status, out, log = run("-t", conf=conf)
    assert status == EX_OK, log
    lines = out.splitlines()
    assert 'service "program": handler program' in lines[0] and script in lines[0]
    assert 'service "other": handler program' in lines[1] and "3 to 3 workers, 0 spare" in lines[1]


def test_reload_refuses_and_keeps(tcpd, mark, tmp_path):
    """A program that is not there any more: the reload fails with file and line, the old one
    serves on."""
    script = write_script(tmp_path / "thing", "echo old")
    conf = configuration(program(script, mark, kill_grace="4s"))
    with tcpd(conf) as daemon:
        daemon.reload(conf.replace(script, f"{script}-not-there"))
        daemon.wait_log(rf"tcpd\.conf:\d+: program = .*{re.escape(script)}-not-there.*No such file")
        assert daemon.exchange("program") == b"old\n"
        assert os.path.exists(script)
