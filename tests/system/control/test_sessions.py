# SPDX-License-Identifier: MIT
"""`tcpdctl sessions`: whom each worker serves, since when, what it does, how far that is."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from harness import (BUILD, EX_OK, EX_USAGE, PATIENCE, STAGED, activated, can_become_others, configuration, peer_name,
                     read_exactly, service, wait_for)
from json_form import checked
from module_files import module
from programs import ONE, listener, program

TCPDCTL = BUILD / "tcpdctl"
BUSCTL = pytest.mark.skipif(not shutil.which("busctl"), reason="no busctl")
OTHERS = pytest.mark.skipif(not can_become_others(), reason="cannot become another user")


@pytest.fixture
def control(tmp_path):
    """The path of a control socket."""
    return tmp_path / "control"


def tcpdctl(control, *args, prefix=()):
    done = subprocess.run([*prefix, TCPDCTL, "-s", control, *args], capture_output=True, text=True,
                          timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def sessions(control, *args):
    code, out, err = tcpdctl(control, "--json", "sessions", *args)
    assert (code, err) == (EX_OK, "")
    return checked("sessions", out)["sessions"]


def wait_sessions(control, n, *args):
    def look():
        rows = sessions(control, *args)
        return (rows,) if len(rows) == n else None

    return wait_for(look, what=f"{n} sessions")[0]


def open_to_all(control):
    """Whoever has an account may ask the daemon."""
    control.chmod(0o777)
    for parent in control.parents[:4]:
        parent.chmod(0o755)


def begun(daemon, name="echo", data=b"hello"):
    """A connection that is being served."""
    sock = daemon.connect(name)
    sock.sendall(data)
    assert read_exactly(sock, len(data)) == data
    return sock


def test_a_session(tcpd, control):
    """All that is told of one, and that it is gone when it is over; the next one has the next
    number."""
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon:
        assert sessions(control) == []
        for number in 1, 2:
            before = time.time()
            with begun(daemon) as sock:
                row, = wait_sessions(control, 1)
                worker, = daemon.workers()
                assert row["id"] == f"{worker}.{number}" and row["pid"] == worker
                assert row["peer"] == peer_name(sock) and row["through"] == ""
                assert row["service"] == "echo"
                assert row["listener"] == f"127.0.0.1:{daemon.ports['echo']}"
                assert (row["bytes_in"], row["bytes_out"], row["peer_ended"]) == (5, 5, False)
                wait_for(lambda: sessions(control)[0]["doing"] == "reading", what="it reads")
                assert before - 1 < row["since"] / 1e6 <= time.time() + 1
                assert row["age_usec"] < (time.time() - before + 1) * 1e6
                turns = sessions(control)[0]["turns"]
                sock.sendall(b"more")
                assert read_exactly(sock, 4) == b"more"
                assert sessions(control)[0]["turns"] > turns
                assert sessions(control)[0]["bytes_in"] == 9
            wait_sessions(control, 0)


def test_table(tcpd, control):
    """Columns are as wide as what they hold; the oldest comes first, or who has most bytes."""
    conf = configuration(service("echo"), service("other", "echo"), control=f"unix:{control}")
    with tcpd(conf) as daemon, begun(daemon, data=b"x") as first, begun(daemon, data=b"x" * 1500), \
            begun(daemon, "other", b"xx"):
        wait_sessions(control, 3)
        code, out, err = tcpdctl(control, "sessions")
        lines = out.splitlines()
        assert (code, err, len(lines)) == (EX_OK, "", 5)
        assert lines[0].split() == ["ID", "SERVICE", "LISTENER", "CLIENT", "SINCE", "AGE", "DOING",
                                    "IN", "OUT"]
        assert lines[4] == "3 sessions"
        assert peer_name(first) in lines[1] and " other " in lines[3]
        assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\d:\d\d +[\d.]+s  reading +1.5K +1.5K$", lines[2])
        assert len({line.index("127.0.0.1") for line in lines[1:4]}) == 1
        assert len({len(line) for line in lines[:4]}) == 1
        rows = sessions(control, "--sort", "in")
        assert [row["bytes_in"] for row in rows] == [1500, 2, 1]
        assert [row["bytes_in"] for row in sessions(control, "--sort", "age")] == [1, 1500, 2]
        assert len(sessions(control, "--limit", "2")) == 2
        assert tcpdctl(control, "sessions", "--limit", "1")[1].endswith("\n1 of 3 sessions\n")
        assert len(sessions(control, "other")) == 1 and len(sessions(control, "echo")) == 2


def test_doing(tcpd, control, tmp_path):
    """Reading, writing, working; a client that has ended its output."""
    conf = configuration(service("echo", **ONE), service("chargen", **ONE),
                         service("hello", delay="1h", **ONE), program("/bin/cat", **ONE),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        want = {"echo": "reading", "chargen": "writing", "hello": "working", "program": "working"}
        for name in want:
            sock = stack.enter_context(daemon.connect(name))
            if name in ("hello", "echo"):
                sock.sendall(b"x" * 1024)
        wait_for(lambda: {row["service"]: row["doing"] for row in sessions(control)} == want,
                 what=lambda: f"{want}, but {sessions(control)}")
        for name, doing in want.items():
            assert [row["service"] for row in sessions(control, "--doing", doing, name)] == [name]
            assert sessions(control, "--doing", "closing", name) == []


def test_filters(tcpd, control):
    """By address and by age."""
    conf = configuration(service("echo", listen=["127.0.0.1:0", "[::1]:0"]),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon, begun(daemon) as old, \
            daemon.connect("echo", family=socket.AF_INET6) as six:
        wait_sessions(control, 2)
        for prefix, want in {"127.0.0.0/8": [old], "127.0.0.1": [old], "::1": [six],
                             "::/0": [six], "any": [old, six], "192.0.2.0/24": []}.items():
            found = {row["peer"] for row in sessions(control, "--peer", prefix)}
            assert found == {peer_name(sock) for sock in want}, prefix
        assert sessions(control, "--older", "1h") == []
        wait_for(lambda: len(sessions(control, "--older", "500ms")) == 2, what="both are old")
        with begun(daemon) as new:
            assert peer_name(new) not in {row["peer"] for row in sessions(control, "--older", "30s")}


def test_many(tcpd, control):
    """More than a page has: each comes once."""
    n = 600
    conf = configuration(service("echo", min_workers=n, max_workers=n, spare_workers=0,
                                 backlog=1024), control=f"unix:{control}")
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(daemon.connect("echo")) for _ in range(n)]
        rows = wait_sessions(control, n)
        assert {row["peer"] for row in rows} == {peer_name(sock) for sock in socks}
        assert len({row["id"] for row in rows}) == n
        ages = [row["age_usec"] for row in rows]
        assert ages == sorted(ages, reverse=True)


def test_programs(tcpd, control):
    """A program that takes its clients by itself has sessions that nobody knows; one that is
    started for those who wait has runs, without a client."""
    wait = program(["/bin/sh", "-c", "exec sleep 1000"], name="wait", program_mode="wait")
    conf = configuration(service("echo", **ONE), listener(["/bin/sleep", "1000"], name="own", min_workers=1), wait,
                         control=f"unix:{control}")
    with tcpd(conf) as daemon, daemon.connect("own"), daemon.connect("wait"):
        row, = wait_sessions(control, 1)
        assert (row["service"], row["peer"]) == ("wait", "")
        code, _, err = tcpdctl(control, "kick", row["id"])
        assert code == 1 and "takes clients by itself" in err
        assert row == {**sessions(control)[0], "age_usec": row["age_usec"]}
        assert {sessions(control)[0]["since"] for _ in range(20)} == {row["since"]}


def test_a_proxy(tcpd, control):
    """Before its header has come a session has no name; then it is its client's, through a proxy."""
    conf = configuration(service("echo", proxy_protocol="required", proxy_trusted=["localhost"],
                                 proxy_timeout="60s", **ONE), control=f"unix:{control}")
    with tcpd(conf) as daemon, daemon.connect("echo") as sock:
        row, = wait_sessions(control, 1)
        assert (row["id"], row["doing"], row["peer"]) == (None, "opening", peer_name(sock))
        assert "\n- " in tcpdctl(control, "sessions")[1]
        assert tcpdctl(control, "kick", f"{row['pid']}.0")[0] == EX_USAGE
        sock.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 7\r\nx")
        assert read_exactly(sock, 1) == b"x"
        row, = sessions(control)
        assert row["id"].endswith(".1")
        assert (row["peer"], row["through"]) == ("192.0.2.7:40000", peer_name(sock))
        assert f"192.0.2.7:40000 through {peer_name(sock)} " in tcpdctl(control, "sessions")[1]
        assert len(sessions(control, "--peer", "192.0.2.0/24")) == 1


@OTHERS
def test_masked_addresses(tcpd, control):
    """With log_addresses = masked only root sees them in full, and may ask for one."""
    conf = configuration(service("echo", **ONE), control=f"unix:{control}", log_addresses="masked")
    with tcpd(conf) as daemon, begun(daemon) as sock:
        assert [row["peer"] for row in wait_sessions(control, 1)] == [peer_name(sock)]
        assert len(sessions(control, "--peer", "127.0.0.1")) == 1
        open_to_all(control)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        code, out, _ = tcpdctl(control, "--json", "sessions", prefix=nobody)
        assert code == EX_OK and checked("sessions", out)["sessions"][0]["peer"] == "127.0.0.0:0"
        code, _, err = tcpdctl(control, "sessions", "--peer", "127.0.0.1", prefix=nobody)
        assert code == os.EX_NOPERM and "log_addresses" in err


def test_bad_command_lines(tcpd, control):
    """One line that says what is wrong; nothing is asked."""
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")):
        for args in (["--peer", "300.0.0.0/8"], ["--peer", "127.0.0.1/8"], ["--peer", ""],
                     ["--older", "soon"], ["--doing", "nothing"], ["--sort", "name"],
                     ["--limit", "0"], ["--limit", "-1"], ["--limit", str(2 ** 64)], ["a", "b"],
                     ["--yes"], ["--kill"], ["--service", "echo"]):
            code, out, err = tcpdctl(control, "sessions", *args)
            assert (code, out, err.count("\n")) == (EX_USAGE, "", 1), args
        assert tcpdctl(control, "sessions", 'ec"ho\n') == (
            1, "", 'tcpdctl: there is no service "ec"ho\\x0a"\n')


@BUSCTL
def test_bad_calls(tcpd, control):
    """Whatever a peer asks for: an error, or an answer of a size that is bounded."""
    def call(method, *args):
        done = subprocess.run(["busctl", f"--address=unix:path={control}", "--json=short", "call",
                               "tcpd.Manager", "/tcpd", "tcpd.Manager", method, *args],
                              capture_output=True, text=True, timeout=PATIENCE)
        return done.returncode, done.stdout, done.stderr

    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon, \
            begun(daemon):
        wait_sessions(control, 1)
        for after, limit in (0, 0), (0, 1), (0, 2 ** 32 - 1):
            code, out, _ = call("ListSessions", "stua{sv}", "", str(after), str(limit), "0")
            rows, following = json.loads(out)["data"]
            assert code == 0 and len(rows) == 1 and following == 0
        for after in 65536, 2 ** 32, 2 ** 64 - 1:  # behind all
            code, out, _ = call("ListSessions", "stua{sv}", "", str(after), "5", "0")
            assert code == 0 and json.loads(out)["data"] == [[], 0]
        code, out, _ = call("ListWorkers", "stu", "echo", "0", "0")
        (row,), following = json.loads(out)["data"]
        assert row[0] == daemon.workers()[0] and row[4] == "busy" and following == 0
        for args in (["", "0", "5", "1", "peer", "t", "5"], ["", "0", "5", "1", "older_usec", "s", "5"],
                     ["", "0", "5", "1", "colour", "s", "red"], ["", "0", "5", "1", "doing", "s", ""],
                     ["", "0", "5", "1", "addresses", "s", "all"],
                     ["", "0", "5", "1", "peer", "s", "::/129"], ["nobody", "0", "5", "0"],
                     ['e"cho\n', "0", "5", "0"]):
            assert call("ListSessions", "stua{sv}", *args)[0] != 0, args
        assert call("ListSessions", "s", "")[0] != 0
        for args in (["0", "1", "close"], ["4294967295", "1", "close"], ["1", "1", "close"],
                     [str(daemon.pid), "1", "close"], [str(row[0]), "0", "close"],
                     [str(row[0]), "1", "politely"], [str(row[0]), str(2 ** 64 - 1), "close"],
                     [str(row[0]), "2", "kill"]):
            assert call("EndSession", "uts", *args)[0] != 0, args
        assert len(sessions(control)) == 1


def test_the_kernels_view(tcpd, control):
    """What the kernel knows of a connection: bytes that a client does not read, and those that a
    program has moved by itself."""
    conf = configuration(service("chargen", **ONE), program("/bin/cat", **ONE),
                         service("unix", "echo", listen=f"unix:{control}.echo", **ONE),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon, daemon.connect("chargen"), \
            begun(daemon, "program", b"x" * 1234), daemon.connect("unix"):
        wait_sessions(control, 3)
        wait_for(lambda: all_of(control)["chargen"]["kernel"]["send_q"] > 10000, what="it is full")
        rows = all_of(control)
        assert rows["chargen"]["kernel"]["rtt_usec"] > 0
        kernel = rows["program"]["kernel"]
        assert kernel["bytes_received"] == kernel["bytes_acknowledged"] == 1234
        # With a stage in between the worker moves them.
        assert rows["program"]["bytes_in"] == (1234 if STAGED else 0)
        assert rows["unix"]["kernel"] is None
        _, out, _ = tcpdctl(control, "sessions", "--kernel", "program")
        head, line, _ = out.splitlines()
        assert head.split()[-4:] == ["RTT", "RETR", "RECV-Q", "SEND-Q"]
        assert re.search(r" 1\.2K +1\.2K +[\d.]+ms +0 +0 +0$", line)


def all_of(control):
    """Those with the kernel's view, by their service."""
    code, out, err = tcpdctl(control, "--json", "sessions", "--kernel")
    assert (code, err) == (EX_OK, "")
    return {row["service"]: row for row in checked("sessions", out)["sessions"]}


def test_who_waits(tcpd, control):
    """Clients in the queue, whom the daemon does not know yet: how long, and what they have sent."""
    conf = configuration(service("echo", **ONE), service("other", "echo", **ONE),
                         control=f"unix:{control}")

    def waiting(*args):
        code, out, err = tcpdctl(control, "--json", "sessions", "--waiting", *args)
        assert (code, err) == (EX_OK, "")
        return checked("sessions", out)["waiting"]

    with tcpd(conf) as daemon, begun(daemon):
        assert waiting() == []
        assert tcpdctl(control, "sessions", "--waiting")[1].endswith("\n1 session, 0 clients wait\n")
        with daemon.connect("echo") as first:
            first.sendall(b"x" * 64)
            wait_for(lambda: [row["waiting_usec"] > 300000 for row in waiting()] == [True],
                     what="it waits for a while")
            with daemon.connect("echo", source=("127.0.0.7", 0)) as second:
                assert [row["peer"] for row in waiting()] == [peer_name(first), peer_name(second)]
                assert [row["kernel"]["recv_q"] for row in waiting()] == [64, 0]
                assert {row["listener"] for row in waiting()} == {
                    f"127.0.0.1:{daemon.ports['echo']}"}
                assert waiting("other") == [] and len(waiting("echo")) == 2
                assert [row["peer"] for row in waiting("--peer", "127.0.0.7")] == [peer_name(second)]
                assert [row["peer"] for row in waiting("--older", "300ms")][:1] == [peer_name(first)]
                lines = tcpdctl(control, "sessions", "--kernel", "--waiting")[1].splitlines()
                assert lines[-1] == "1 session, 2 clients wait"
                assert re.match(rf"- +echo +\S+ +{peer_name(first)} +- +[\d.]+s +waiting +- +- ", lines[2])


def test_who_waits_and_is_asked_whether_it_lives(control):
    """Keepalive of the listener's hears of a client again and again; its age goes on."""
    listening = socket.create_server(("127.0.0.1", 0))
    conf = configuration(service("echo", listen=None, **ONE), control=f"unix:{control}")

    def is_old():
        row, = checked("sessions", tcpdctl(control, "--json", "sessions", "--waiting", "echo")[1])["waiting"]
        return row["waiting_usec"] > row["kernel"]["quiet_usec"] + 500000

    with listening, activated(conf, [listening], ["echo"]), \
            socket.create_connection(listening.getsockname()) as busy:
        busy.sendall(b"x")
        assert read_exactly(busy, 1) == b"x"
        for option in socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL:  # the daemon's are too long for a test
            listening.setsockopt(socket.IPPROTO_TCP, option, 1)
        with socket.create_connection(listening.getsockname()):
            wait_for(is_old, what="an answer to a probe")
            assert "1 client waits" in tcpdctl(control, "sessions", "--waiting", "--older", "1s")[1]


def test_stopped_worker(tcpd, control):
    """One that cannot write to its page is shown as it was."""
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon, \
            begun(daemon) as sock:
        worker, = daemon.workers()
        os.kill(worker, signal.SIGSTOP)
        row, = sessions(control)
        assert row["peer"] == peer_name(sock)
        os.kill(worker, signal.SIGCONT)


def test_a_page_of_garbage(tcpd, control, tmp_path):
    """A module that writes over its worker's page: what is told of it is wrong, and all else is right."""
    conf = configuration(module(tmp_path, "hostile", min_workers=2, max_workers=4, spare_workers=0),
                         service("echo", **ONE), control=f"unix:{control}")
    with tcpd(conf) as daemon, begun(daemon) as sock:
        for _ in range(20):
            with daemon.connect("hostile") as attacker:
                attacker.sendall(b"scribble 0 0 none\n")
                assert attacker.recv(1)
                rows = sessions(control)
                assert [row["peer"] for row in rows if row["service"] == "echo"] == [peer_name(sock)]
                for args in ([], ["--kernel", "--waiting"], ["--doing", "reading"]):
                    assert tcpdctl(control, "sessions", *args)[0] == EX_OK
                for row in rows:
                    if row["service"] == "hostile" and row["id"]:
                        assert re.fullmatch(r"\d+\.\d+", row["id"])
        assert len([row for row in sessions(control) if row["service"] == "echo"]) == 1
