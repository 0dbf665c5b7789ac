# SPDX-License-Identifier: MIT
"""`tcpdctl pause` and `resume`: nobody is refused, nobody in service is cut, whoever comes waits."""

import contextlib
import os
import re
import socket
import subprocess
import time

import pytest

from clients import Clients
from harness import (EX_NOPERM, EX_OK, EX_UNAVAILABLE, EX_USAGE, PATIENCE, activated,
                     can_become_others, configuration, free_port, read_all, read_exactly, service,
                     wait_for)
from json_form import checked
from programs import ACCEPTS, ONE, listener, program, write_python
from test_sessions import TCPDCTL, begun, control, tcpdctl  # noqa: F401 (a fixture)
from test_steering import NEAR, order
from test_steering import program as shell

TWO = {"min_workers": 2, "max_workers": 4, "spare_workers": 1}


def ctl(control, *args):
    """What it prints when it has done that."""
    code, out, err = tcpdctl(control, *args)
    assert (code, err) == (EX_OK, ""), (code, out, err)
    return out


def pools(control):
    return checked("status", ctl(control, "--json", "status"))["pools"]


def wait_queue(control, n, name="echo"):
    wait_for(lambda: [p["queue"] for p in pools(control) if p["service"] == name] == [n],
             what=f"{n} in the queue")


def waiting(daemon, data, name="echo"):
    """A client that has come and said something, and waits."""
    sock = daemon.connect(name)
    sock.sendall(data)
    return sock


def test_pause_and_resume(tcpd, control):
    """The session in hand goes on; a client waits and is served afterwards; all of it is said."""
    conf = configuration(service("echo", **TWO), control=f"unix:{control}")
    with tcpd(conf) as daemon, begun(daemon) as served:
        assert re.fullmatch(r"echo 127\.0\.0\.1:\d+: paused, 1 session left, the oldest for "
                            r"[\d.]+s\n", ctl(control, "pause", "echo"))
        worker = daemon.worker_serving(served)
        daemon.wait_workers(lambda pids: pids == [worker])
        with waiting(daemon, b"later") as sock:
            wait_queue(control, 1)
            served.sendall(b"still there?")
            assert read_exactly(served, 12) == b"still there?"
            pool, = pools(control)
            assert pool["paused"] and pool["paused_usec"] > 0 and not pool["resized"]
            assert (pool["min"], pool["spare"], pool["max"]) == (2, 1, 4)
            assert re.search(r"^echo .* paused for [\d.]+s$", ctl(control, "status"), re.M)
            assert "; echo paused" in daemon.status()
            assert re.search(r"^tcpd_pool_paused\{service=\"echo\",.*\} 1$",
                             ctl(control, "metrics"), re.M)
            assert daemon.workers() == [worker]
            assert "; 1 client has waited\n" in ctl(control, "resume", "echo")
            assert read_exactly(sock, 5) == b"later"
        daemon.wait_log(rf"paused by process \d+ of user {os.geteuid()}: who comes waits in the "
                        "queue, 1 session goes on$")
        daemon.wait_log(r"resumed by process \d+ of user \d+; 1 in the queue$")
        assert not pools(control)[0]["paused"]
        daemon.wait_workers(lambda pids: len(pids) >= 3)  # its two, and one that drains
        wait_for(lambda: "paused" not in daemon.status())
        served.sendall(b"x")
        assert read_exactly(served, 1) == b"x"
        assert daemon.stop() == EX_OK


def test_again(tcpd, control):
    """What is so already is no mistake; a service that there is not is one."""
    conf = configuration(service("echo", **TWO), service("other", "echo", **TWO),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon:
        assert ctl(control, "resume", "echo") == "echo was not paused\n"
        for _ in range(2):
            assert ": paused, no session is left\n" in ctl(control, "pause", "echo")
        assert len(daemon.log_matches("paused by process")) == 1
        assert daemon.is_serving("other")
        for verb in "pause", "resume":
            assert tcpdctl(control, verb, "ech") == (
                1, "", 'tcpdctl: there is no service "ech"\n')
        assert len(ctl(control, "pause").splitlines()) == 2
        wait_for(lambda: "; 2 services paused" in daemon.status())
        assert len(ctl(control, "resume").splitlines()) == 2
        assert daemon.is_serving() and daemon.is_serving("other")


@pytest.mark.parametrize("verb", ["pause", "resume", "sessions", "top", "sources", "log"])
def test_an_empty_name(control, verb):
    """An unset variable of a script does not mean all services."""
    assert tcpdctl(control, verb, "") == (
        EX_USAGE, "", f"tcpdctl: {verb} takes the name of a service, and not an empty one; "
        "see tcpdctl --help\n")


def test_json(tcpd, control):
    with tcpd(configuration(service("echo", **TWO), control=f"unix:{control}")) as daemon, \
            begun(daemon):
        answer = checked("pause", ctl(control, "--json", "pause", "echo"))
        row, = answer["paused"]
        assert row["oldest_usec"] > 0
        assert (row["service"], row["sessions"]) == ("echo", 1)
        assert row["listener"] == f"127.0.0.1:{daemon.ports['echo']}"
        row, = checked("resume", ctl(control, "--json", "resume"))["resumed"]
        assert row["service"] == "echo" and row["waiting"] == 0 and row["paused_usec"] > 0


def test_wait(tcpd, control):
    """It returns when the last session is over, and not before; or says how many are left."""
    with tcpd(configuration(service("echo", **TWO), control=f"unix:{control}")) as daemon:
        with begun(daemon), begun(daemon):
            code, out, err = tcpdctl(control, "--wait", "--timeout", "300ms", "pause", "echo")
            assert code == EX_UNAVAILABLE and "2 sessions left, the oldest for" in out
            assert err == "tcpdctl: time is over: 2 sessions left; it stays paused\n"
            assert pools(control)[0]["paused"]
            waits = subprocess.Popen([TCPDCTL, "-s", control, "--wait", "pause"], text=True,
                                     stdout=subprocess.PIPE)
            assert "2 sessions left" in waits.stdout.readline()
        ended = time.monotonic()
        assert waits.stdout.read() == "nobody is served there any more\n"
        assert waits.wait(PATIENCE) == EX_OK
        assert time.monotonic() - ended < 5  # 0.5 is meant, on a machine with nothing else to do
        assert daemon.workers() == []


def test_resumed_meanwhile(tcpd, control):
    """Who waits for the end is told."""
    with tcpd(configuration(service("echo", **TWO), control=f"unix:{control}")) as daemon, \
            begun(daemon):
        waits = subprocess.Popen([TCPDCTL, "-s", control, "--wait", "pause", "echo"], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert "1 session left" in waits.stdout.readline()
        ctl(control, "resume", "echo")
        _, err = waits.communicate(timeout=PATIENCE)
        assert (waits.returncode, err) == (1, "tcpdctl: echo was resumed meanwhile\n")


def test_outlives_a_reload(tcpd, control):
    """A new address of the service is paused as well; one that goes away has its clients served."""
    ports = free_port(), free_port()

    def conf(*listens):
        return configuration(service("echo", listen=[f"127.0.0.1:{port}" for port in listens], **TWO),
                             service("other", "echo", **TWO), control=f"unix:{control}")

    with tcpd(conf(ports[0])) as daemon:
        ctl(control, "--wait", "pause", "echo")
        with waiting(daemon, b"early") as early:
            wait_queue(control, 1)
            daemon.reload(conf(*ports))
            assert [pool["paused"] for pool in pools(control)] == [True, False, True]
            assert daemon.workers("echo") == []
            with socket.create_connection(("127.0.0.1", ports[1]), PATIENCE) as late:
                late.sendall(b"late")
                wait_for(lambda: [p["queue"] for p in pools(control)] == [1, 0, 1])
                daemon.reload(conf(ports[1]))
                assert read_exactly(early, 5) == b"early"
                assert [pool["paused"] for pool in pools(control)
                        if pool["listener"].endswith(str(ports[1]))] == [True]
                early.close()
                wait_for(lambda: len(pools(control)) == 2, what="the old address is gone")
                daemon.reload(conf(*ports))
                ctl(control, "resume")
                assert read_exactly(late, 4) == b"late"
        assert daemon.is_serving()


def test_returns_with_the_listener(tcpd, control):
    """An address that is dropped while it is paused, and is back while clients are in its queue,
    serves."""
    ports = free_port(), free_port()

    def conf(*listens):
        return configuration(service("echo", listen=[f"127.0.0.1:{port}" for port in listens], **ONE),
                             control=f"unix:{control}")

    with tcpd(conf(*ports)) as daemon, begun(daemon), contextlib.ExitStack() as stack:
        ctl(control, "pause", "echo")
        early, late = [stack.enter_context(waiting(daemon, b"later")) for _ in range(2)]
        daemon.reload(conf(ports[1]))
        assert read_exactly(early, 5) == b"later"  # and its worker is the only one that there may be
        ctl(control, "resume", "echo")
        daemon.reload(conf(*ports))
        assert [pool["paused"] for pool in pools(control)] == [False, False]
        early.close()
        assert read_exactly(late, 5) == b"later"


def test_stop_serves_the_queue(tcpd, control):
    """Who waits in a queue that goes away is not lost, and nobody waits for the stop's end."""
    conf = configuration(service("echo", **TWO), control=f"unix:{control}", stop_timeout="20s")
    with tcpd(conf) as daemon:
        ctl(control, "--wait", "pause")
        socks = [waiting(daemon, b"later") for _ in range(20)]
        wait_queue(control, 20)
        begin = time.monotonic()
        assert subprocess.run([TCPDCTL, "-s", control, "--no-wait", "stop"]).returncode == EX_OK
        for sock in socks:
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b"later"
            sock.close()
        assert daemon.wait_exit() == EX_OK
        assert time.monotonic() - begin < 15
        assert not daemon.log_matches("stop_timeout is over")


def test_paused_and_stopped(tcpd, control):
    """Without anybody in the queue no worker is started for it."""
    with tcpd(configuration(service("echo", **TWO), control=f"unix:{control}")) as daemon:
        ctl(control, "--wait", "pause")
        starts = re.search(r"^tcpd_worker_starts_total\{.*\} (\d+)$", ctl(control, "metrics"), re.M)
        assert int(starts[1]) == 2
        daemon.log.items.clear()
        assert daemon.stop() == EX_OK
        assert not daemon.log_matches("worker")


def test_no_idle_exit(tcpd, control):
    """exit_idle_time would end the pause: the next client starts tcpd again."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        conf = configuration(service("echo", listen=None, **TWO), control=f"unix:{control}",
                             exit_idle_time="3s")
        with activated(conf, [sock], ["echo"]) as daemon:
            ctl(control, "pause", "echo")
            time.sleep(4.1)  # the time itself is meant
            assert daemon.process.poll() is None
            ctl(control, "resume", "echo")
            assert daemon.wait_exit() == EX_OK


def test_not_full(tcpd, control):
    """A queue that grows while nobody may serve is no maximum that was reached."""
    conf = configuration(service("echo", **ONE), control=f"unix:{control}")
    with tcpd(conf) as daemon, begun(daemon), contextlib.ExitStack() as stack:
        ctl(control, "pause", "echo")
        ctl(control, "resume", "echo")
        stack.enter_context(begun(daemon))
        ctl(control, "pause", "echo")  # both drain: there is no room for further ones
        for _ in range(3):
            stack.enter_context(waiting(daemon, b"later"))
        wait_for(lambda: "; 3 queued" in daemon.status())
        assert "at maximum" not in daemon.status()
        assert not daemon.log_matches("at its maximum")


def test_under_load(tcpd, control):
    """Pauses and resumptions, one after the other, and every client is served."""
    conf = configuration(service("echo", min_workers=4, max_workers=32, spare_workers=4),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon, Clients(daemon.address("echo")) as clients:
        for _ in range(10):
            served = clients.n_served()
            wait_for(lambda: clients.n_served() > served + 20, what="clients are served")
            ctl(control, "--wait", "pause", "echo")
            assert daemon.workers() == []
            ctl(control, "resume", "echo")
        total = clients.finish()
        assert total["done"] > 200, total
        assert total["refused"] + total["hung"] + total["lost"] == 0, total
        assert daemon.stop() == EX_OK


MODES = {"connection": {}, "prestart": {"program_mode": "prestart"}}


@pytest.mark.parametrize("mode", MODES)
def test_programs(tcpd, control, mode):
    conf = configuration(program("/bin/cat", min_workers=1, max_workers=2, **MODES[mode]),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon, begun(daemon, "program") as served:
        ctl(control, "pause", "program")
        worker = daemon.worker_serving(served)
        daemon.wait_workers(lambda pids: pids == [worker])
        with waiting(daemon, b"later", "program") as sock:
            wait_queue(control, 1, "program")
            served.sendall(b"on")
            assert read_exactly(served, 2) == b"on"
            ctl(control, "resume")
            assert read_exactly(sock, 5) == b"later"


def test_program_that_accepts(tcpd, control, tmp_path):
    """Its copies end; who comes meanwhile waits for the next ones."""
    script = write_python(tmp_path / "accepts", ACCEPTS)
    conf = configuration(listener(script, min_workers=2), control=f"unix:{control}")
    with tcpd(conf) as daemon:
        before = set(daemon.wait_workers(2))
        ctl(control, "--wait", "pause", "program")
        assert daemon.workers() == []
        with daemon.connect("program") as sock:
            wait_queue(control, 1, "program")
            ctl(control, "resume", "program")
            assert int(read_all(sock)) not in before
        daemon.wait_workers(2)


def test_healthy(tcpd, control):
    """The watchdog is content with a pool that has no workers because nobody wants any."""
    conf = configuration(service("echo", **TWO), control=f"unix:{control}")
    with tcpd(conf, watchdog_usec=1000000) as daemon:
        ctl(control, "--wait", "pause")
        time.sleep(10.5)  # after 10 s without workers a pool is not healthy
        since = len(daemon.notifications.items)
        daemon.wait_notify(lambda m: m.get("WATCHDOG") == "1", since=since)


REFUSED = {"pause": "a pause", "resume": "a resumption", "resize shell max=1": "another size"}


@pytest.mark.parametrize("words", REFUSED)
def test_own_requests(tcpd, tmp_path, words):
    """Neither a worker nor what it has started may do it."""
    path = tmp_path / "control"
    tmp_path.chmod(0o755)
    with tcpd(configuration(shell(NEAR), control=f"unix:{path}")) as daemon:
        assert order(daemon, f"{TCPDCTL} -s {path} {words}") == "77\n"
        daemon.wait_log(rf"started by a worker, requests {REFUSED[words]}: refused")
        assert order(daemon, "true") == "0\n"


@pytest.mark.skipif(not can_become_others(), reason="cannot become another user")
def test_others(tcpd, control):
    """Whoever may connect sees, and does not steer."""
    with tcpd(configuration(service("echo", **TWO), control=f"unix:{control}")) as daemon:
        control.chmod(0o666)
        for path in list(control.parents)[:-2]:
            path.chmod(0o755)  # not more: modules want directories that are nobody's
        for words in (["pause"], ["resume", "echo"], ["resize", "echo", "max=1"],
                      ["drain", "--worker", str(daemon.workers()[0])]):
            code, out, err = tcpdctl(control, *words, prefix=[
                "setpriv", "--reuid=65534", "--clear-groups"])
            assert (code, out) == (EX_NOPERM, "") and "only root" in err
        assert daemon.is_serving() and len(daemon.workers()) == 2


BAD = [["pause", "a", "b"], ["resume", "a", "b"], ["resume", "--wait"], ["status", "--wait"],
       ["pause", "--reason", "x"]]


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_usage(control, words):
    code, out, err = tcpdctl(control, *words)
    assert (code, out) == (EX_USAGE, "") and len(err.splitlines()) == 1
