# SPDX-License-Identifier: MIT
"""tcpdctl check and config: what the daemon would read, in its own place or as whoever asks, and that
nothing changes by it; the configuration with all of its values, which is the same when it is read."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness import (BUILD, EX_CONFIG, EX_NOPERM, EX_OK, EX_UNAVAILABLE, EX_USAGE, PATIENCE, TCPD,
                     configuration, free_port, proc_children, service, wait_for)
from test_tcpdctl import BROKEN, NOBODY, ONE, OTHERS, TCPDCTL, Control, is_closed, message

TOP = Path(__file__).resolve().parents[3]
MODULES = BUILD / "tests" / "modules"
HANGS = {"module_options": ["open=sleep"], **ONE}


def tcpdctl(*args, **options):
    done = subprocess.run([TCPDCTL, *args], capture_output=True, text=True, timeout=PATIENCE,
                          **options)
    return done.returncode, done.stdout, done.stderr


def hanging(directory, **more):
    """A configuration whose check does not end by itself."""
    at = directory / "faulty.so"
    shutil.copyfile(MODULES / "faulty.so", at)
    at.chmod(0o755)
    return configuration(service("echo", **ONE), service("faulty", "module", module=at, **HANGS),
                         **more)


def children_but_workers(control):
    return set(proc_children(control.daemon.pid)) - set(control.daemon.workers("echo"))


# --- The daemon's own ----------------------------------------------------------------------------

def test_right():
    """One line and status 0, warnings before it; files are read anew; nothing changes."""
    with Control(configuration(service("echo", **ONE))) as control:
        path = control.daemon.path
        assert control.run("check") == (EX_OK, f"{path}: configuration is right: 1 service\n", "")
        udp = service("hello", listen="udp:127.0.0.1:0", amplification=0)
        path.write_text(control.conf + udp)
        code, out, err = control.run("check")
        assert (code, out) == (EX_OK, f"{path}: configuration is right: 2 services\n")
        assert re.match(re.escape(f"{path}:") + r"\d+: amplification = 0 of service \"hello\"", err)
        daemon = control.status()["daemon"]
        assert (daemon["generation"], daemon["state"]) == (1, "running")
        assert daemon["reload_problem"] == "" and len(control.status()["pools"]) == 1
        assert control.run("reload")[0] == EX_OK
        assert control.status()["daemon"]["generation"] == 2


def test_wrong():
    """Status 78 and every mistake with its place; the daemon serves and reloads as before."""
    with Control(configuration(service("echo", **ONE))) as control:
        control.daemon.path.write_text(control.conf + BROKEN)
        n = control.conf.count("\n")
        code, out, err = control.run("check")
        assert (code, out) == (EX_CONFIG, "")
        lines = err.splitlines()
        for line, (at, name) in zip(lines, ((n + 1, "nonsense"), (n + 2, "other"))):
            assert line.startswith(f"{control.daemon.path}:{at}: ") and name in line
        assert lines[2:] == ["tcpdctl: the configuration is wrong; nothing has changed"]
        assert control.status()["daemon"]["reload_problem"] == ""
        assert control.is_well()
        control.daemon.path.write_text(control.conf)
        assert control.run("check")[0] == control.run("reload")[0] == EX_OK


def test_address_in_use_by_another_service():
    """What only shows when addresses are looked at; those that are served already are no mistake."""
    port = free_port()
    with Control(configuration(service("echo", listen=f"127.0.0.1:{port}", **ONE))) as control:
        code, _, err = control.run("check")
        assert (code, err) == (EX_OK, "")
        control.daemon.path.write_text(configuration(
            service("echo", listen=f"127.0.0.1:{port}", **ONE),
            service("hello", listen=f"*:{port}", **ONE)))
        code, _, err = control.run("check")
        assert code == EX_CONFIG and f"*:{port}" in err
        assert control.is_well()


@OTHERS
def test_who_may_ask():
    """It takes a process of the daemon's: who may not reload may not have one made."""
    with Control(configuration(service("echo", **ONE))) as control:
        code, out, err = control.run("check", prefix=NOBODY)
        assert (code, out) == (EX_NOPERM, "") and "may do that" in err
        assert control.run("status", prefix=NOBODY)[0] == EX_OK


def test_one_at_a_time(tmp_path):
    """A second one is told so; the daemon serves meanwhile; the first ends at reload_timeout and says
    what it waited for."""
    with Control(configuration(service("echo", **ONE), reload_timeout="4s")) as control:
        control.daemon.path.write_text(hanging(tmp_path))
        first = control.start("check")
        wait_for(lambda: children_but_workers(control), what="the check")
        code, _, err = control.run("check")
        assert (code, err) == (1, "tcpdctl: another check is under way; try again when it has ended\n")
        assert control.is_well()
        out, err = first.communicate(timeout=PATIENCE)
        assert (first.returncode, out) == (1, "")
        assert re.search(r"the check has not ended after 4s \(reload_timeout\): it waits for the "
                         r"module .*faulty\.so", err)
        wait_for(lambda: not children_but_workers(control), what="its end")
        control.daemon.path.write_text(control.conf)
        assert control.run("check")[0] == EX_OK


def test_beside_a_reload(tmp_path):
    """A check while a reload reads is refused; a reload that begins during a check has its own."""
    with Control(configuration(service("echo", **ONE), reload_timeout=0)) as control:
        control.daemon.path.write_text(hanging(tmp_path))
        control.daemon.signal(signal.SIGHUP)
        wait_for(lambda: control.status()["daemon"]["state"] == "reloading", what="a reload")
        code, _, err = control.run("check")
        assert code == 1 and "reloading or stopping; try again afterwards" in err
    with Control(configuration(service("echo", **ONE), reload_timeout=0)) as control:
        control.daemon.path.write_text(hanging(tmp_path))
        check = control.start("check")
        wait_for(lambda: [proc_children(pid) for pid in children_but_workers(control)] > [[]],
                 what="the module's process of the check, which has read the file by then")
        control.daemon.path.write_text(control.conf)
        assert control.run("reload") == (EX_OK, "", "")
        assert check.poll() is None and control.status()["daemon"]["generation"] == 2
        check.kill()
        check.communicate()


def test_nobody_waits_for_it(tmp_path):
    """Whoever asked has left: the check ends at once, and the next one may begin."""
    with Control(configuration(service("echo", **ONE), reload_timeout=0)) as control:
        control.daemon.path.write_text(hanging(tmp_path))
        code, _, err = control.run("--timeout", "1s", "check")
        assert code == EX_UNAVAILABLE and "does not answer in time" in err
        wait_for(lambda: not children_but_workers(control), what="the end of the check")
        control.daemon.path.write_text(control.conf)
        assert control.run("check")[0] == EX_OK
        # Also for one that calls and reads nothing.
        control.daemon.path.write_text(hanging(tmp_path))
        with control.greet() as sock:
            sock.sendall(message("Check"))
            wait_for(lambda: children_but_workers(control), what="the check")
        wait_for(lambda: not children_but_workers(control), what="the end of the check")
        assert control.is_well()


def test_stop_during_a_check(tmp_path):
    """The daemon ends, and tells whoever waits."""
    with Control(configuration(service("echo", **ONE), reload_timeout=0)) as control:
        control.daemon.path.write_text(hanging(tmp_path))
        check = control.start("check")
        child = wait_for(lambda: children_but_workers(control), what="the check").pop()
        control.daemon.signal(signal.SIGTERM)
        assert "tcpd is stopping" in check.communicate(timeout=PATIENCE)[1]
        assert control.daemon.wait_exit() == EX_OK
        wait_for(lambda: not Path(f"/proc/{child}").exists(), what="the child's end")


def test_child_that_is_killed(tmp_path):
    """No verdict is no mistake of the configuration: status 1."""
    with Control(configuration(service("echo", **ONE), reload_timeout=0)) as control:
        control.daemon.path.write_text(hanging(tmp_path))
        check = control.start("check")
        os.kill(wait_for(lambda: children_but_workers(control), what="the check").pop(),
                signal.SIGKILL)
        err = check.communicate(timeout=PATIENCE)[1]
        assert check.returncode == 1 and "the check was killed by signal 9 (KILL)" in err
        assert control.is_well()


def test_many_checks():
    """Nothing of them stays."""
    with Control(configuration(service("echo", **ONE))) as control:
        files = len(os.listdir(f"/proc/{control.daemon.pid}/fd"))
        for _ in range(20):
            assert control.run("check")[0] == EX_OK
        wait_for(lambda: len(os.listdir(f"/proc/{control.daemon.pid}/fd")) <= files, what="no more")
        assert not children_but_workers(control)


def test_closes_others_that_wait():
    """A call of Reload() on the same connection is answered by itself."""
    with Control(configuration(service("echo", **ONE))) as control:
        with control.greet() as sock:
            sock.sendall(message("Check", 1) + message("Reload", 2))
            wait_for(lambda: (control.status()["daemon"]["generation"],
                              control.status()["daemon"]["state"]) == (2, "running"),
                     what="the end of a reload")
            sock.shutdown(1)
            assert is_closed(sock)
        assert control.run("check")[0] == EX_OK


# --- Without it ----------------------------------------------------------------------------------

def test_file_of_nobody(tmp_path):
    """The daemon's program checks, and one line says that it did."""
    conf = tmp_path / "mine.conf"
    conf.write_text(configuration(service("echo"), service("hello")))
    here = f"tcpdctl: no unit reads {conf}; it is checked here, outside of the daemon's sandbox\n"
    code, out, err = tcpdctl("check", str(conf))
    assert (code, err) == (EX_OK, here)
    assert out.splitlines()[-1] == f"{conf}: configuration is right: 2 services"
    conf.write_text(BROKEN)
    code, out, err = tcpdctl("check", "mine.conf", cwd=tmp_path)  # .conf says that it is a file
    assert (code, out) == (EX_CONFIG, "")
    assert "mine.conf:1: " in err and "mine.conf:2: " in err
    code, out, _ = tcpdctl("check", "-", input=configuration(service("echo")))
    assert (code, out.splitlines()[-1]) == (EX_OK, "standard input: configuration is right: 1 service")


def test_instance_that_does_not_run():
    """Its file is looked at; for other commands what to do without systemd is said."""
    name = f"none-{os.getpid()}"
    for args in (("check", name), ("-i", name, "check"), ("check", f"/etc/tcpd/{name}.conf")):
        code, out, err = tcpdctl(*args)
        assert (code, out) == (EX_CONFIG, "")
        assert f"/etc/tcpd/{name}.conf: cannot be read: No such file" in err
    for command in ("status", "reload", "stop"):
        code, out, err = tcpdctl("--instance", name, command)
        assert (code, out) == (EX_UNAVAILABLE, "")
        assert f"cannot connect to /run/tcpd/{name}.control" in err
        assert "start tcpd with --control PATH, and try: tcpdctl -s PATH" in err


def test_usage():
    for args, words in (
            (("-i", "", "status"), "and not empty"), (("-i", "a/b", "status"), "and not a/b"),
            (("-i", "..", "reload"), "and not .."), (("-i", "a" * 201, "stop"), "and not a"),
            (("check", "a.conf", "b"), "check takes one FILE or INSTANCE"),
            (("status", "a"), "status takes no argument"), (("check", ""), "and not empty"),
            (("-i", "a", "check", "b"), "--instance names a daemon already"),
            (("-i", "a", "-s", "b", "status"), "--socket names a daemon already"),
            (("-s", "/b", "check", "/c"), "--socket names a daemon already"),
            (("--json", "check"), "--json is for status, explain, sources, sessions, kick, log, pause, ")):
        code, out, err = tcpdctl(*args)
        assert (code, out) == (EX_USAGE, "") and words in err, (args, err)
    code, _, err = tcpdctl("-s", "/nowhere/control", "check")
    assert code == EX_UNAVAILABLE and "cannot connect to /nowhere/control" in err


# --- Printing it ---------------------------------------------------------------------------------

def values(text):
    """What counts of a configuration."""
    return [re.sub(r"\s*# [^\"}]*$", "", line) for line in text.splitlines()]


def printed(*args, **options):
    code, out, err = tcpdctl("config", *args, **options)
    assert (code, err) == (EX_OK, ""), err
    return out


def every_kind(directory):
    """Each kind of handler, with values of each kind that are not the default."""
    words = ["a b", "it's", 'say \\"x\\"', "c:\\\\d", "\\${HOME}", "$5", "tab\\there", "\\xff\\x7f",
             "größe", "#no", "}"]
    shell = ["/bin/sh", "-c", "exec cat"]
    (directory / "texts").write_text("one\ntwo\n")
    (directory / "variables").write_text("SECRET=s3cret\n")
    shutil.copyfile(MODULES / "echo.so", directory / "upper.so")
    (directory / "upper.so").chmod(0o755)
    return configuration(
        service("echo", transfer="splice", listen=["127.0.0.1:0", f"unix:{directory}/e"],
                socket_mode="0640", max_worker_age="1d 2h", receive_buffer="3M"),
        service("hello", framing="line", delay="1500ms", max_workers=2),
        service("daytime", format="iso8601"), service("discard"), service("chargen"),
        service("time"), service("greeting", file="texts", end="crlf"),
        service("words", "greeting", message="a\\n#b\\tc"),
        service("module", module="upper.so", module_options=["a=1", "b=\\\\"]),
        service("connection", "program", program=[*shell, *words], nice=5, umask="077",
                limit_nofile=64, limit_core="infinity", environment=["A=b", "inherit"],
                environment_file=["variables", "-none"], success_status=["3", "TERM"],
                kill_mode="program"),
        service("web", "program", program=shell, listen="ws:127.0.0.1:0",
                idle_timeout="1min 30s", ws_origins=["https://example.org"], ws_page="yes"),
        service("prestart", "program", program=shell, program_mode="prestart"),
        service("wait", "program", program=shell, program_mode="wait", program_timeout="1h"),
        service("listener", "program", program=shell, program_mode="listener", min_workers=3,
                ready_time=0),
        log_sessions="all", stop_timeout="1min", exit_idle_time=0)


def test_round_trip(tmp_path):
    """What is printed is read as the same: of each handler and mode, of the file that is shipped, and
    of those of the examples. A file elsewhere has no other meaning."""
    made = tmp_path / "all.conf"
    made.write_text(every_kind(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in (made, TOP / "etc/tcpd.conf"):
        first = printed(str(path))
        done = subprocess.run([TCPD, "-c", "-", "-t"], input=first, capture_output=True, text=True,
                              cwd=elsewhere, timeout=PATIENCE)
        assert done.returncode == EX_OK, done.stderr
        again = printed("-", input=first, cwd=elsewhere)
        assert values(again) == values(first)
        assert re.search(r"^ {4}(\w+) = .* # standard input:\d+$", again, re.M)
        described = [tcpdctl("check", *args, **more)[1].splitlines()[:-1] for args, more in (
            ([str(path)], {}), (["-"], {"input": first, "cwd": elsewhere}))]
        assert described[0] == described[1]


def test_what_is_printed(tmp_path):
    """Values with where they come from, defaults as such, what cannot be given in a comment; not what
    an environment's file holds."""
    conf = tmp_path / "all.conf"
    conf.write_text(every_kind(tmp_path))
    drop_in = tmp_path / "all.conf.d" / "more.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("stop_timeout = 7s\n")
    out = printed(str(conf))
    lines = [re.sub(r" +", " ", line) for line in out.splitlines()]
    number = {line.split(" =")[0].strip(): n for n, line in
              enumerate(conf.read_text().splitlines(), 1)}
    assert f"stop_timeout = 7s # {drop_in}:1" in lines
    assert f"log_sessions = all # {conf}:{number['log_sessions']}" in lines
    assert "reload_timeout = 20s # default" in lines
    assert f" delay = \"1s 500ms\" # {conf}:{number['delay']}" in lines
    assert " spare_workers = 2 # default" in lines  # as max_workers = 2 bounds it
    assert " # max_workers = 3 # does not apply" in lines  # of program_mode = listener
    assert " # socket_user = # not given" in lines
    assert f' file = "{tmp_path}/texts" # {conf}:{number["file"]}' in lines
    assert f'"{tmp_path}/variables", "-{tmp_path}/none"' in out
    assert "s3cret" not in out


def test_print_of_what_is_wrong(tmp_path):
    (tmp_path / "a.conf").write_text(BROKEN)
    code, out, err = tcpdctl("config", str(tmp_path / "a.conf"))
    assert (code, out) == (EX_CONFIG, "") and "a.conf:2: " in err
    done = subprocess.run([TCPD, "-T", "-c", tmp_path / "a.conf"], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == EX_CONFIG
    with open("/dev/full", "w", encoding="ascii") as full:
        assert subprocess.run([TCPDCTL, "config", TOP / "etc/tcpd.conf"], stdout=full,
                              timeout=PATIENCE).returncode == 74
