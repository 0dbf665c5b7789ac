# SPDX-License-Identifier: MIT
"""`tcpdctl sessions --recent`: the last sessions of each worker that runs, the last one first."""

import os
import re
import signal
import time

from harness import EX_OK, EX_USAGE, configuration, peer_name, proc_state, service, wait_for
from json_form import checked
from module_files import module
from programs import ONE
from test_sessions import begun, control, tcpdctl  # noqa: F401 (control is a fixture)


def recent(control, *args):
    code, out, err = tcpdctl(control, "--json", "sessions", "--recent", *args)
    assert (code, err) == (EX_OK, "")
    return checked("recent", out)["recent"]


def wait_recent(control, n, *args):
    def look():
        rows = recent(control, *args)
        return (rows,) if len(rows) == n else None

    return wait_for(look, what=f"{n} sessions")[0]


def test_the_last_ones(tcpd, control):
    """All that is told of them; and who has said nothing until first_byte_timeout."""
    conf = configuration(service("echo", first_byte_timeout="300ms", **ONE),
                         service("other", "echo", **ONE), control=f"unix:{control}")
    with tcpd(conf) as daemon:
        assert recent(control) == []
        begin = time.time()
        with begun(daemon) as first:
            name = peer_name(first)
        wait_recent(control, 1)
        with daemon.connect("echo") as silent:
            assert silent.recv(1) == b""
        last, before = wait_recent(control, 2)
        worker, = daemon.workers("echo")
        assert (before["id"], last["id"]) == (f"{worker}.1", f"{worker}.2")
        assert (before["peer"], before["service"], before["result"]) == (name, "echo", "ok")
        assert (before["bytes_in"], before["bytes_out"]) == (5, 5)
        assert 0 <= before["reply_usec"] <= before["duration_usec"] < 30e6
        assert begin - 1 < before["end"] / 1e6 <= last["end"] / 1e6 <= time.time() + 1
        assert (last["result"], last["reply_usec"]) == ("first byte timeout", None)
        assert last["duration_usec"] > 250000
        assert recent(control, "other") == [] and len(recent(control, "echo")) == 2
        assert [row["id"] for row in recent(control, "--limit", "1")] == [last["id"]]
        lines = tcpdctl(control, "sessions", "--recent")[1].splitlines()
        assert lines[0].split() == ["END", "ID", "SERVICE", "LISTENER", "CLIENT", "TIME", "WAIT",
                                    "REPLY", "IN", "OUT", "RESULT"]
        assert re.match(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{{3}}  {worker}\.2  echo ", lines[1])
        assert re.search(r" [\d.]+m?s +0\.0ms +- +0 +0  first byte timeout$", lines[1])
        assert lines[3] == "2 sessions"


def test_who_has_not_waited(tcpd, control):
    """Where another worker is idle it is known, but for a worker's first session; else the kernel is
    asked, which counts how long the worker waited for a processor, too: not each time."""
    two = {"min_workers": 2, "max_workers": 2, "spare_workers": 0}
    conf = configuration(service("echo", **ONE), service("other", "echo", **two),
                         control=f"unix:{control}")

    def met_the_last_one():
        assert daemon.exchange("echo", b"x") == b"x"
        return any(row["wait_usec"] == 0 for row in recent(control, "echo"))

    with tcpd(conf) as daemon:
        for n in range(3):
            assert daemon.exchange("other", b"x") == b"x"
            rows = wait_recent(control, n + 1, "other")
            wait_for(lambda: {proc_state(pid) for pid in daemon.workers()} == {"S"}, what="idle workers")
        assert {row["wait_usec"] for row in rows if not row["id"].endswith(".1")} == {0}
        wait_for(met_the_last_one, what="one that has not waited")


def test_of_many_workers(tcpd, control):
    """32 of each; those of a worker that has gone are gone; more than a page has."""
    n = 12
    conf = configuration(service("echo", min_workers=n, max_workers=n, spare_workers=0),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon:
        def is_full():
            for _ in range(10 * n):
                assert daemon.exchange("echo", b"x") == b"x"
            return len(recent(control)) == 32 * n

        wait_for(is_full, what="32 of each worker")
        rows = recent(control)
        assert len({row["id"] for row in rows}) == 32 * n
        assert [row["end"] for row in rows] == sorted((row["end"] for row in rows), reverse=True)
        gone = rows[0]["pid"]
        os.kill(gone, signal.SIGKILL)
        daemon.wait_workers(lambda pids: len(pids) == n and gone not in pids)
        assert {row["pid"] for row in recent(control)} == {row["pid"] for row in rows} - {gone}


def test_garbage(tcpd, control, tmp_path):
    """Whatever a worker has written there."""
    conf = configuration(module(tmp_path, "hostile", **ONE), service("echo", **ONE),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon:
        with begun(daemon):
            pass
        wait_recent(control, 1, "echo")
        with daemon.connect("hostile") as attacker:
            attacker.sendall(b"scribble 0 0 none\n")
            assert attacker.recv(1)
            for row in recent(control, "hostile"):
                assert re.fullmatch(r"\d+\.\d+", row["id"])
            assert tcpdctl(control, "sessions", "--recent")[0] == EX_OK
        assert len(recent(control, "echo")) == 1


def test_bad_command_lines(tcpd, control):
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")):
        for args in ["--peer", "any"], ["--older", "1h"], ["--kernel"], ["--sort", "in"]:
            code, out, err = tcpdctl(control, "sessions", "--recent", *args)
            assert (code, out, err.count("\n")) == (EX_USAGE, "", 1), args
