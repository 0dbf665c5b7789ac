# SPDX-License-Identifier: MIT
"""Where a program's variables come from: its user, tcpd's own environment, files, the configuration."""

import os
import pwd
import re

import pytest

from harness import EX_CONFIG, EX_OK, can_become_others, configuration, peer_name, run, start
from programs import ended, listener, login, program, write_script

root = pytest.mark.skipif(not can_become_others(), reason="needs root, to become somebody else")
LIST = ["/usr/bin/env", "-0"]
LOGIN = ("HOME", "LOGNAME", "SHELL", "USER")


def variables(daemon, name="program"):
    text = daemon.exchange(name).decode()
    return dict(entry.partition("=")[::2] for entry in text.split("\0") if entry)


def of_login(found):
    return {name: found[name] for name in LOGIN if name in found}


CALLERS = {"DB_URL": "postgres://db", "HOME": "/somewhere", "LC_ALL": "C.UTF-8", "EMPTY": ""}
SYSTEMDS = {"INVOCATION_ID": "1", "JOURNAL_STREAM": "1:2", "WATCHDOG_PID": "1", "LISTEN_FDNAMES": "x",
            "MEMORY_PRESSURE_WATCH": "/x", "SYSTEMD_EXEC_PID": "1"}


@pytest.mark.parametrize("mode", [[], ["--prestart"]])
def test_run_hands_on(mode):
    """`tcpd run` hands on what its caller has, as tcpserver, socat and ncat do; but nothing that
    systemd gave tcpd for itself, or that tells of another peer."""
    daemon = start(None, args=["run", *mode, *LIST],
                   env=CALLERS | SYSTEMDS | {"TCPREMOTEIP": "192.0.2.1", "PROTO": "SSL"})
    found = variables(daemon, "env")
    assert CALLERS.items() <= found.items()
    assert not SYSTEMDS.keys() & found.keys()
    assert found.get("TCPREMOTEIP") == (None if mode else "127.0.0.1")
    assert found.get("PROTO") == (None if mode else "TCP")


@pytest.mark.parametrize("options, has", [
    (["environment=clean"], False), (["environment=clean", "environment=inherit"], True),
    (["environment=inherit", "environment=clean"], False), (["environment=DB_URL=mine"], True)])
def test_run_chooses(options, has):
    """-o environment=clean for the other; the last word counts, and variables win over all."""
    daemon = start(None, args=["run", *(f"-o{option}" for option in options), *LIST], env=CALLERS)
    found = variables(daemon, "env")
    assert ("LC_ALL" in found) == has
    assert found.get("DB_URL") == ("mine" if "mine" in options[-1] else
                                   CALLERS["DB_URL"] if has else None)
    assert of_login(found) == (login(os.geteuid()) | ({"HOME": "/somewhere"} if has else {}))


@pytest.mark.parametrize("words, names", [([], set()), (["inherit"], set(CALLERS)),
                                          (["inherit", "clean"], set())])
def test_configuration_chooses(tcpd, mark, words, names):
    """In tcpd.conf it is little by default; both words are there as well."""
    conf = configuration(program(LIST, mark, environment=[*words, "A=b"]))
    with tcpd(conf, env=CALLERS) as daemon:
        found = variables(daemon)
        assert found["A"] == "b" and "PATH" in found
        assert {name for name in CALLERS if name in found} - {"HOME"} == names - {"HOME"}
        assert found["HOME"] == ("/somewhere" if names else login(os.geteuid())["HOME"])


@root
@pytest.mark.parametrize("words", [[], ["inherit"]])
def test_user(tcpd, mark, words):
    """With user= it is that user's HOME and so on, whatever tcpd has; environment wins."""
    games = login(pwd.getpwnam("games").pw_uid)
    conf = configuration(program(LIST, mark, user="games", environment=words),
                         program(LIST, mark, "other", user="games",
                                 environment=[*words, "HOME=/mine"]))
    with tcpd(conf, env=CALLERS | {"SHELL": "/bin/other", "USER": "other"}) as daemon:
        found = variables(daemon)
        assert {name: found.get(name) for name in ("HOME", "USER", "LOGNAME")} == games
        assert variables(daemon, "other")["HOME"] == "/mine"


@root
def test_user_of_no_database(mark):
    """Who is in no database has no such variables, and no mistake is made of that."""
    daemon = start(None, args=["run", "-oenvironment=clean", *LIST],
                   prefix=["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"])
    assert of_login(variables(daemon, "env")) == {}


def test_file(tcpd, mark, tmp_path):
    """environment_file is read with the configuration, at a reload again; what stands in
    environment wins. A relative path begins where the configuration is."""
    def write(text):
        (tmp_path / "variables").write_text(text)

    write('# my database\nDB_URL="postgres://db"\nA=of the file\nB=b\n')
    conf = configuration(program(LIST, mark, environment=["A=a"],
                                 environment_file=[tmp_path / "variables", "-/no/such"]))
    with tcpd(conf) as daemon:
        found = variables(daemon)
        assert [found[name] for name in ("DB_URL", "A", "B")] == ["postgres://db", "a", "b"]
        write("B=new\n")
        daemon.reload()
        found = variables(daemon)
        assert found["B"] == "new" and "DB_URL" not in found
        write("B=b\n\nC = 'd\n")
        daemon.reload()
        daemon.wait_log(re.escape(f'{tmp_path}/variables:3: "C": the quote does not end'))
        assert variables(daemon)["B"] == "new"


def test_wrong_files(tmp_path):
    """Each mistake has the line of its file."""
    path = tmp_path / "variables"
    path.write_text("A=b\nexport B=c\n\nTCPREMOTEIP=x\nD\n1E=x\n")
    status, _, log = run("-t", conf=configuration(
        program("/bin/cat", environment_file=[path, tmp_path / "none"])))
    assert status == EX_CONFIG
    assert [re.search(r"(\w+):(\d+): (.*)", line).groups() for line in log.splitlines()
            if "variables:" in line] == [
        ("variables", "2", '"export B": write NAME=VALUE, the name of letters, digits and \'_\''),
        ("variables", "4", '"TCPREMOTEIP": only tcpd sets this variable'),
        ("variables", "5", '"D": write NAME=VALUE'),
        ("variables", "6", '"1E": write NAME=VALUE, the name of letters, digits and \'_\'')]
    assert f'environment_file = "{tmp_path}/none"' in log and "No such file" in log


# --- What execve(2) refuses --------------------------------------------------------------------

def test_too_much(tmp_path):
    """More than the kernel takes is refused, for one text and in all; just as much is taken."""
    page = os.sysconf("SC_PAGESIZE")
    for size, words in ((32 * page - 1, None), (32 * page, "131072 bytes")):
        status, _, log = run("-t", conf=configuration(program(["/bin/echo", "x" * size])))
        assert status == (EX_CONFIG if words else EX_OK), log
        assert not words or words in log and "execve(2)" in log
    path = tmp_path / "variables"
    path.write_text("".join(f"V{i}={'x' * 1000}\n" for i in range(250)))
    limited = ["prlimit", f"--stack={1 << 20}:{1 << 20}"]  # a quarter of it is too little
    status, _, log = run("-t", conf=configuration(program("/bin/cat", environment_file=[path])),
                         prefix=limited)
    assert status == EX_OK, log
    path.write_text("".join(f"V{i}={'x' * 1000}\n" for i in range(265)))
    status, _, log = run("-t", conf=configuration(program("/bin/cat", environment_file=[path])),
                         prefix=limited)
    assert status == EX_CONFIG and "its arguments and variables take" in log and "262144" in log


def test_carriage_returns(tmp_path):
    """The end of a line of DOS belongs to the interpreter's name."""
    path = tmp_path / "service.sh"
    path.write_bytes(b"#!/bin/sh\r\necho hello\r\n")
    path.chmod(0o755)
    status, _, log = run("-t", conf=configuration(program(path)))
    assert status == EX_CONFIG and r'its interpreter is "/bin/sh\r"' in log


def test_argument_within():
    """The hint for who writes a command line into one entry, in both places."""
    status, _, log = run("-t", conf=configuration(program("/bin/cat -n")))
    assert status == EX_CONFIG
    assert 'each argument is an entry of its own: {"/bin/cat", "-n"}' in log
    status, _, log = run("-t", conf=configuration(program("/bin/cat  -n -e ")))
    assert status == EX_CONFIG and 'entry of its own: {"/bin/cat", "-n", "-e"}' in log
    status, _, log = run("run", "cat -n")
    assert status == EX_CONFIG and "each argument is a word of its own" in log


@root
@pytest.mark.parametrize("mode, path, words", [
    (0o700, "closed/in/script", "the directory {}/closed is closed to the user that it runs as"),
    (0o711, "closed/in/script", None),
    (0o711, "closed/unread", "may not be read by the user that it runs as, so its interpreter"),
    (0o711, "closed/link", "the directory {}/closed/link2 is closed")])
def test_closed_to_the_user(tmp_path, mode, path, words):
    """What the program's user may not enter or read is found with that user's rights, by folder."""
    for parent in (tmp_path, *tmp_path.parents[:3]):
        os.chmod(parent, 0o755)
    (tmp_path / "closed/in").mkdir(parents=True)
    (tmp_path / "private").mkdir(mode=0o700)
    write_script(tmp_path / "closed/in/script", "echo hello")
    write_script(tmp_path / "private/script", "echo hello")
    os.chmod(write_script(tmp_path / "closed/unread", "echo hello"), 0o711)
    (tmp_path / "closed/link2").symlink_to(tmp_path / "private")
    (tmp_path / "closed/link").symlink_to(tmp_path / "closed/link2/script")
    os.chmod(tmp_path / "closed", mode)
    if path == "closed/link":
        path = "closed/link2/script"
    status, _, log = run("-t", conf=configuration(program(tmp_path / path, user="games")))
    assert status == (EX_CONFIG if words else EX_OK), log
    assert not words or words.format(tmp_path) in log


@root
def test_access_lists_count(tcpd, mark, tmp_path):
    """Not the mode alone: what an access list opens to the user is open."""
    for parent in (tmp_path, *tmp_path.parents[:3]):
        os.chmod(parent, 0o755)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    script = write_script(home / "script", "echo hello")
    games = pwd.getpwnam("games").pw_uid
    # user::rwx user:games:--x group::--- mask::--x other::---
    entries = [(1, 7, 0xFFFFFFFF), (2, 1, games), (4, 0, 0xFFFFFFFF), (16, 1, 0xFFFFFFFF),
               (32, 0, 0xFFFFFFFF)]
    value = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + perm.to_bytes(2, "little") + who.to_bytes(4, "little")
        for tag, perm, who in entries)
    try:
        os.setxattr(home, "system.posix_acl_access", value)
    except OSError as error:
        pytest.skip(f"no access lists here: {error}")
    with tcpd(configuration(program(script, mark, user="games"))) as daemon:
        assert daemon.exchange("program") == b"hello\n"


# --- Ends that are none to complain of ---------------------------------------------------------

@pytest.mark.at_once
@pytest.mark.parametrize("mode", ["connection", "prestart"])
@pytest.mark.parametrize("end, how, fine", [
    ("exit 255", r"exited with status 255", True), ("exit 5", "exited with status 5", True),
    ("exit 6", "exited with status 6", False), ("kill -HUP $$", r"killed by signal 1 \(HUP\)", True),
    ("kill -TERM $$", r"killed by signal 15 \(TERM\)", False)])
def test_success_status(tcpd, mark, mode, end, how, fine):
    """success_status, as SuccessExitStatus=: such an end is no failure, others still are."""
    conf = configuration(program(["/bin/sh", "-c", f"echo hello; {end}"], mark, program_mode=mode,
                                 success_status=["255", "5", "SIGHUP"]), log_sessions="all")
    with tcpd(conf) as daemon:
        with daemon.connect("program") as sock:
            peer = peer_name(sock)
            assert sock.recv(100) == b"hello\n"
        daemon.wait_log(ended(peer, how, "ok" if fine else "program failed"))


def test_success_status_of_a_listener():
    """Of a program that accepts by itself tcpd sees no session."""
    status, _, log = run("-t", conf=configuration(listener("/bin/cat", success_status=["1"])))
    assert status == EX_CONFIG and "success_status" in log and "sees no session" in log
