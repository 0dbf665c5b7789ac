# SPDX-License-Identifier: MIT
"""Whom the master obeys: not its workers, nor what they have started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import (BUILD, EX_OK, TCPD, Text, configuration, proc_state, read_all, service,
                     wait_for)
from module_files import module, said

TCPDCTL = BUILD / "tcpdctl"
SIGNALS = ["TERM", "HUP", "USR1", "TTIN", "TTOU", "INT", "QUIT"]
ONE = {"min_workers": 1, "max_workers": 2, "spare_workers": 0}
# What a client says is run by a shell, a grandchild of the master, or by one further down.
NEAR = ["/bin/sh", "-c", 'read -r line; eval "$line"; echo "$?"']
FAR = ["/bin/sh", "-c", "read -r line; (:; (:; setsid -w sh -c \"$line\"; :); :); echo $?"]


def program(run):
    """Without its sandbox, in which the kernel refuses first."""
    return service("shell", "program", program=run, sandbox="off", **ONE)


def order(daemon, line):
    with daemon.connect("shell") as sock:
        sock.sendall(line.encode() + b"\n")
        return read_all(sock).decode()


def is_obeying(daemon):
    """Still there, with its configuration and its workers, and for others it does as it is told."""
    assert daemon.process.poll() is None
    assert not daemon.log_matches(rf"{Text.stopped}|reloaded|at least \d+ workers")
    daemon.reload()
    assert daemon.stop() == EX_OK


@pytest.mark.parametrize("run", [NEAR, FAR], ids=["near", "far"])
@pytest.mark.parametrize("name", SIGNALS)
def test_signal_of_a_program(tcpd, name, run):
    with tcpd(configuration(program(run))) as daemon:
        daemon.wait_log("ready: ")
        since = len(daemon.log.items)
        with daemon.connect("shell") as sock:  # the sender stays until it was looked at
            sock.sendall(f"kill -s {name} {daemon.pid}; read -r _\n".encode())
            daemon.wait_log(r"shell 127.*process \d+, started by a worker, sends "
                            rf"{name}: refused")
            sock.sendall(b"\n")
            assert read_all(sock) == b"0\n"
        assert not [line for line in daemon.log.items[since:] if Text.counts.search(line)]
        is_obeying(daemon)


@pytest.mark.parametrize("word", ["reload", "forge"])
def test_signal_of_a_worker(tcpd, tmp_path, word):
    """Also one that says it is another's: a signal with a value may come from anybody."""
    with tcpd(configuration(module(tmp_path, "faulty", sandbox="off", **ONE))) as daemon:
        with daemon.connect("faulty") as sock:
            assert said(sock, "a") == "a"
            worker = daemon.worker_serving(sock)
            assert said(sock, word) == word
            who = f"process {worker}, a worker," if word == "reload" else "process 1"
            daemon.wait_log(rf"{who} sends HUP: refused")
        is_obeying(daemon)


def test_log_is_limited(tcpd, tmp_path):
    """Ten are named, and then they are counted."""
    with tcpd(configuration(module(tmp_path, "faulty", sandbox="off", **ONE))) as daemon:
        with daemon.connect("faulty") as sock:
            for n in range(30):
                assert said(sock, "reload") == "reload"
                wait_for(lambda n=n: len(daemon.log_matches("sends HUP: refused")) > min(n, 9))
        daemon.wait_log(r"\d+ more signals and requests from within were refused", deadline=15)
        assert len(daemon.log_matches("sends HUP: refused")) <= 20


@pytest.mark.parametrize("word", ["reload", "check", "stop"])
def test_request_of_a_program(tcpd, tmp_path, word):
    """It may ask for the status, as others of its user may."""
    path = tmp_path / "control"
    tmp_path.chmod(0o755)
    ctl = f"{TCPDCTL} -s {path}"
    with tcpd(configuration(program(NEAR), control=f"unix:{path}")) as daemon:
        assert order(daemon, f"{ctl} status >/dev/null") == "0\n"
        assert order(daemon, f"{ctl} {word}") == "77\n"
        verb = {"reload": "a reload", "check": "a check", "stop": "a stop"}[word]
        daemon.wait_log(rf"shell 127.*, started by a worker, requests {verb}: refused")
        assert subprocess.run([TCPDCTL, "-s", path, "reload"], check=False).returncode == EX_OK
        assert daemon.stop() == EX_OK


def test_child_from_before_is_obeyed(tmp_path):
    """A script that watches something in the background and becomes tcpd, as in containers."""
    conf = tmp_path / "conf"
    conf.write_text(configuration(program(NEAR)))
    script = 'sh -c \'while [ ! -e go ]; do sleep 0.01; done; kill -s TERM $PPID\' & exec "$@"'
    with subprocess.Popen(["sh", "-c", script, "sh", TCPD, "-c", conf], cwd=tmp_path,
                          stderr=subprocess.PIPE, text=True) as daemon:
        while "ready" not in daemon.stderr.readline():
            assert daemon.poll() is None
        (tmp_path / "go").touch()
        assert daemon.wait(20) == EX_OK


# As systemd's system manager starts it: by process 1, with its own number in the environment.
MANAGER = """
import os, signal, subprocess, sys, time
def nobody():
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    os.environ["SYSTEMD_EXEC_PID"] = str(os.getpid())
log = open("log", "w")
child = os.fork()
if child == 0:
    nobody()
    os.dup2(log.fileno(), 2)
    os.execv(sys.argv[1], sys.argv[1:])
while "ready" not in open("log").read():
    time.sleep(0.01)
subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "kill", "-s", "TERM", str(child)])
while "refused" not in open("log").read():
    time.sleep(0.01)
os.kill(child, signal.SIGTERM)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_own_user_is_not_obeyed_under_systemd(tmp_path):
    conf = tmp_path / "conf"
    conf.write_text(configuration(service("echo")))
    for place in (tmp_path, *tmp_path.parents[:-2]):
        place.chmod(0o755)
    done = subprocess.run(["unshare", "-p", "-f", "--kill-child", "--mount-proc", sys.executable,
                           "-c", MANAGER, TCPD, "-c", conf], cwd=tmp_path, timeout=30)
    log = (tmp_path / "log").read_text()
    assert done.returncode == EX_OK, log
    assert "sends TERM: refused" in log


# --- Stopped workers ---------------------------------------------------------------------------

def test_stopped_worker_is_continued(tcpd):
    """Somebody's STOP, which nobody takes back: after ten seconds the master does."""
    with tcpd(configuration(service("echo", min_workers=3, spare_workers=0))) as daemon:
        [victim, other, _] = daemon.workers()
        os.kill(victim, signal.SIGSTOP)
        os.kill(other, signal.SIGSTOP)
        wait_for(lambda: proc_state(other) == "T", what="a stopped worker")
        os.kill(other, signal.SIGCONT)
        began = time.monotonic()
        daemon.wait_log(rf"someone stopped 1 worker, worker {victim} for one, 10 s ago; continued")
        assert 8 < time.monotonic() - began < 14
        wait_for(lambda: proc_state(victim) == "S", what="it goes on")
        assert set(daemon.workers()) >= {victim, other}
