# SPDX-License-Identifier: MIT
"""`tcpdctl resize`, and `drain --worker`: other limits until the next reload, one worker that is
replaced; nobody is cut."""

import contextlib
import os
import re
import signal
import subprocess

import pytest

from clients import Clients
from harness import (EX_OK, EX_UNAVAILABLE, EX_USAGE, PATIENCE, Text, configuration, read_all,
                     read_exactly, service, wait_for)
from json_form import checked
from programs import ACCEPTS, listener, program, write_python
from test_pause import ctl, pools
from test_sessions import BUSCTL, TCPDCTL, begun, control, tcpdctl  # noqa: F401 (a fixture)

SMALL = {"min_workers": 1, "max_workers": 2, "spare_workers": 1}


def limits(control):
    return [(pool["min"], pool["spare"], pool["max"], pool["resized"]) for pool in pools(control)]


def test_up(tcpd, control):
    """More than the configuration allows, at once; a reload has the configuration's again."""
    conf = configuration(service("echo", **SMALL), control=f"unix:{control}")
    with tcpd(conf) as daemon, begun(daemon), begun(daemon):
        with daemon.connect("echo") as third:
            third.sendall(b"third")
            daemon.wait_log(Text.at_maximum)
            assert ctl(control, "resize", "echo", "max=5", "spare=2") == (
                f"echo 127.0.0.1:{daemon.ports['echo']}: max 2 -> 5, spare 1 -> 2, until the next "
                "reload\n")
            assert read_exactly(third, 5) == b"third"
            daemon.wait_workers(5)
            assert limits(control) == [(1, 2, 5, True)]
            assert re.search(r"^echo .*  resized$", ctl(control, "status"), re.M)
            assert re.search(r"^tcpd_pool_resized\{.*\} 1$", ctl(control, "metrics"), re.M)
            assert "tcpd_workers_maximum{service=\"echo\"" in ctl(control, "metrics")
            daemon.wait_log(rf"resized by process \d+ of user {os.geteuid()}: min 1, spare 2, max "
                            "5, until the next reload")
            daemon.reload()
            daemon.wait_log("its limits are those of the configuration again")
            assert limits(control) == [(1, 1, 2, False)]
            third.sendall(b"on")
            assert read_exactly(third, 2) == b"on"


def test_refused_reload_keeps_it(tcpd, control):
    conf = configuration(service("echo", **SMALL), control=f"unix:{control}")
    with tcpd(conf) as daemon:
        ctl(control, "resize", "echo", "max=5")
        daemon.reload(conf + "nonsense")
        daemon.wait_log(Text.reload_failed)
        assert limits(control) == [(1, 1, 5, True)]
        assert not daemon.log_matches("those of the configuration again")


def test_down(tcpd, control):
    """Below what is busy: these have their sessions to the end, and are not replaced."""
    conf = configuration(service("echo", min_workers=2, max_workers=8, spare_workers=1),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(begun(daemon)) for _ in range(6)]
        out = ctl(control, "resize", "echo", "max=1")
        assert ": max 8 -> 1, min 2 -> 1, until the next reload\n" in out
        wait_for(lambda: pools(control)[0]["draining"] >= 5, what="those beyond it drain")
        assert pools(control)[0]["busy"] == 6
        with daemon.connect("echo") as late:
            late.sendall(b"late")
            for sock in socks:
                sock.sendall(b"still there?")
                assert read_exactly(sock, 12) == b"still there?"
            stack.close()
            assert read_exactly(late, 4) == b"late"
        daemon.wait_workers(1)
        assert daemon.is_serving()
        assert ctl(control, "resize", "echo", "reset").endswith(
            ": max 1 -> 8, min 1 -> 2, as configured\n")
        daemon.wait_workers(lambda pids: len(pids) >= 2)
        assert limits(control) == [(2, 1, 8, False)]
        assert ctl(control, "resize", "echo", "reset").endswith(
            ": min 2, spare 1, max 8, as before, as configured\n")


def test_signals_go_on_from_there(tcpd, control):
    """TTIN and TTOU stay within what is in force."""
    conf = configuration(service("echo", min_workers=1, max_workers=8, spare_workers=0),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon:
        daemon.signal(signal.SIGTTIN)
        daemon.wait_log("at least 2 workers")
        ctl(control, "resize", "echo", "min=3", "max=4")
        daemon.wait_workers(3)
        daemon.signal(signal.SIGTTIN)
        daemon.wait_workers(4)
        daemon.signal(signal.SIGTTIN)
        daemon.wait_log("stays between 1 and 4 workers")
        assert limits(control)[0][:3] == (4, 0, 4)


def test_json(tcpd, control):
    conf = configuration(service("echo", **SMALL), control=f"unix:{control}")
    with tcpd(conf) as daemon:
        row, = checked("resize", ctl(control, "--json", "resize", "echo", "max=9"))["resized"]
        assert row == {"service": "echo", "listener": f"127.0.0.1:{daemon.ports['echo']}", "min": 1,
                       "min_before": 1, "spare": 1, "spare_before": 1, "max": 9, "max_before": 2}


def test_under_load(tcpd, control):
    """Up and down, and every client is served."""
    conf = configuration(service("echo", min_workers=2, max_workers=32, spare_workers=2),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon, Clients(daemon.address("echo")) as clients:
        for size in 16, 1, 8, 2, 32, 1, 4, 64:
            ctl(control, "resize", "echo", f"max={size}", f"min={min(size, 2)}")
            served = clients.n_served()
            wait_for(lambda: clients.n_served() > served + 20, what="clients are served")
        total = clients.finish()
        assert total["done"] > 100, total
        assert total["refused"] + total["hung"] + total["lost"] == 0, total
        assert daemon.stop() == EX_OK


WRONG = {
    "max=0": "max = 0 is not allowed; 1 to 30000",
    "min=0": "min = 0 is not allowed; 1 to 30000",
    "max=30001": "max = 30001 is not allowed; 1 to 30000",
    "spare=999999999": "spare = 999999999 is not allowed; 0 to 30000",
    "min=3": "min = 3 is above max = 2",
    "spare=3": "spare = 3 is above max = 2",
    "min=5 max=4": "min = 5 is above max = 4",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_limits(tcpd, control, words):
    """One line, and nothing has changed."""
    conf = configuration(service("echo", **SMALL), control=f"unix:{control}")
    with tcpd(conf):
        assert tcpdctl(control, "resize", "echo", *words.split()) == (
            EX_USAGE, "", f"tcpdctl: {WRONG[words]}\n")
        assert limits(control) == [(1, 1, 2, False)]


@pytest.mark.parametrize("words", ["", "echo", "echo max", "echo max=", "echo max=-1", "echo max=1x",
                                   "echo max=4294967297", "echo maximum=1", "echo max=1 max=2",
                                   "echo reset max=1", "echo max=1 reset", "echo =1"])
def test_usage(control, words):
    code, out, err = tcpdctl(control, "resize", *words.split())
    assert (code, out) == (EX_USAGE, "") and len(err.splitlines()) == 1


# What a program of somebody's may send, and what the error says.
CALLS = {
    "Resize sa{sv} echo 1 max s 5": "each a number",
    "Resize sa{sv} echo 1 max t 5": "each a number",
    "Resize sa{sv} echo 1 many u 5": "each a number",
    "Resize sa{sv} echo 1 max u 4294967295": "max = 4294967295 is not allowed; 1 to 30000",
    "Resize s echo": "arguments",
    "Resize sa{ss} echo 0": "arguments",
    'Pause s a"b': 'there is no service "a"b"',
    "Pause u 5": "arguments",
    "Resume ss echo 127.0.0.1": "arguments",
    "DrainWorker u 4294967295": "there is no worker 4294967295",
    "DrainWorker u 0": "there is no worker 0",
    "DrainWorker i 5": "arguments",
    "Subscribe asu 1 nothing 5": 'no kind of event "nothing"; there are ',
    "Subscribe as 0": "arguments",
}


@BUSCTL
@pytest.mark.parametrize("call", CALLS)
def test_bad_calls(tcpd, control, call):
    """Each is refused, and nothing has changed."""
    with tcpd(configuration(service("echo", **SMALL), control=f"unix:{control}")) as daemon:
        done = subprocess.run(["busctl", f"--address=unix:path={control}", "call", "tcpd.Manager",
                               "/tcpd", "tcpd.Manager", *call.split(" ")], text=True,
                              capture_output=True, timeout=PATIENCE)
        assert done.returncode == 1 and CALLS[call] in done.stderr, done.stderr
        assert limits(control) == [(1, 1, 2, False)] and daemon.is_serving()


def test_no_such_service(tcpd, control):
    with tcpd(configuration(service("echo", **SMALL), control=f"unix:{control}")):
        assert tcpdctl(control, "resize", "ech", "max=1") == (
            1, "", 'tcpdctl: there is no service "ech"\n')
        assert tcpdctl(control, "resize", "", "max=1") == (
            EX_USAGE, "", "tcpdctl: one service is resized at a time\n")


def test_program_that_accepts(tcpd, control, tmp_path):
    """There are min copies of it."""
    script = write_python(tmp_path / "accepts", ACCEPTS)
    conf = configuration(listener(script, min_workers=1), control=f"unix:{control}")
    with tcpd(conf) as daemon:
        daemon.wait_workers(1)
        assert ctl(control, "resize", "program", "min=3").endswith(
            ": max 1 -> 3, min 1 -> 3, until the next reload\n")
        daemon.wait_workers(3)
        code, out, err = tcpdctl(control, "resize", "program", "max=3")
        assert (code, out) == (1, "") and "there are min copies of it" in err
        ctl(control, "resize", "program", "min=1")
        daemon.wait_workers(1)
        with daemon.connect("program") as sock:
            assert int(read_all(sock)) in daemon.workers()


def test_program_that_is_run_once_at_a_time(tcpd, control):
    conf = configuration(program("/bin/cat", program_mode="wait"), control=f"unix:{control}")
    with tcpd(conf):
        code, out, err = tcpdctl(control, "resize", "program", "max=3")
        assert (code, out) == (1, "") and "run once at a time" in err


# --- One worker ---------------------------------------------------------------------------------

def test_drain_idle_worker(tcpd, control):
    """It exits, and another one takes its place."""
    conf = configuration(service("echo", min_workers=1, max_workers=1, spare_workers=0),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon:
        worker, = daemon.workers()
        assert ctl(control, "drain", "--wait", "--worker", str(worker)) == (
            f"{worker}: exits now (echo 127.0.0.1:{daemon.ports['echo']})\n")
        daemon.wait_workers(lambda pids: len(pids) == 1 and pids != [worker])
        assert daemon.log_matches(rf"worker {worker} is drained by process \d+ of user \d+$")
        assert tcpdctl(control, "drain", "--worker", str(worker)) == (
            1, "", f"tcpdctl: there is no worker {worker}\n")
        assert daemon.is_serving()


def test_drain_busy_worker(tcpd, control):
    """Its session goes on; its place is another one's at once, at the maximum too."""
    conf = configuration(service("echo", min_workers=1, max_workers=1, spare_workers=0),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon, begun(daemon) as sock:
        worker = daemon.worker_serving(sock)
        out = ctl(control, "--json", "drain", "--worker", str(worker))
        row, = checked("drain", out)["drained"]
        assert row["service"] == "echo" and row["busy"] is True
        assert daemon.is_serving()
        code, _, err = tcpdctl(control, "--wait", "--timeout", "300ms", "drain", "--worker",
                               str(worker))
        assert (code, err) == (
            EX_UNAVAILABLE, f"tcpdctl: time is over: worker {worker} has its session still\n")
        waits = subprocess.Popen([TCPDCTL, "-s", control, "--wait", "drain", "--worker",
                                  str(worker)], text=True, stdout=subprocess.PIPE)
        assert waits.stdout.readline().startswith(f"{worker}: exits after its session (echo ")
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        sock.close()
        assert waits.wait(PATIENCE) == EX_OK
        assert worker not in daemon.workers()


@pytest.mark.parametrize("words", [["drain", "echo", "--worker", "5"], ["drain", "--worker", "0"],
                                   ["drain", "--worker", "x"], ["drain", "--worker", "-5"],
                                   ["drain", "--worker", "99999999999"],
                                   ["status", "--worker", "5"], ["drain", "--json"]],
                         ids=" ".join)
def test_usage_of_drain(control, words):
    code, out, err = tcpdctl(control, *words)
    assert (code, out) == (EX_USAGE, "") and len(err.splitlines()) == 1


def test_workers_of_others(tcpd, control):
    """A process that is none of tcpd's workers is not touched."""
    with tcpd(configuration(service("echo", **SMALL), control=f"unix:{control}")) as daemon:
        for pid in os.getpid(), daemon.pid, 1:
            assert tcpdctl(control, "drain", "--worker", str(pid))[0] == 1
        assert daemon.process.poll() is None and daemon.is_serving()
