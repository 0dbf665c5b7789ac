# SPDX-License-Identifier: MIT
"""`tcpdctl kick`: ends the session that was meant, whatever its worker is at, and never another."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from certificates import Authority
from harness import (EX_NOPERM, EX_OK, EX_USAGE, PATIENCE, SANITIZED, Text, activated,
                     can_become_others, configuration, peer_name, proc_children, proc_title,
                     read_all, read_exactly, service, tcp_far_end, wait_for)
from json_form import checked
from module_files import module
from programs import ONE, program
from test_sessions import (  # noqa: F401 (control is a fixture)
    TCPDCTL, begun, control, open_to_all, sessions, tcpdctl, wait_sessions)
from tls_peer import behind

SOON = 3 if SANITIZED else 1  # seconds; what is meant is 0.1, on a machine that has nothing else to do
OTHERS = pytest.mark.skipif(not can_become_others(), reason="cannot become another user")


def kick(control, *args):
    """tcpdctl kick, and how long it took."""
    began = time.monotonic()
    code, out, err = tcpdctl(control, "kick", *args)
    return code, out, err, time.monotonic() - began


def wait_cut(sock):
    """Until the connection has ended; whether that was by a reset."""
    try:
        while sock.recv(1 << 16):
            pass
        return False
    except ConnectionResetError:
        return True


def check_kicked(daemon, control, sock, *args, name="echo"):
    """Ends the one session that there is."""
    row, = wait_sessions(control, 1)
    code, out, err, took = kick(control, *args, row["id"])
    assert (code, err) == (EX_OK, "")
    assert out.startswith(f"{row['id']}: ended ({name}, {peer_name(sock)}, ")
    assert took < SOON
    wait_cut(sock)
    assert sessions(control) == []


def test_kick(tcpd, control):
    """It ends, is logged and counted, and the worker serves the next one; the same id ends nobody."""
    conf = configuration(service("echo", **ONE), control=f"unix:{control}")
    with tcpd(conf) as daemon:
        worker, = daemon.workers()
        with begun(daemon) as sock:
            check_kicked(daemon, control, sock)
            daemon.wait_log(Text.closed("echo", peer_name(sock), "kicked"))
        daemon.wait_log(rf"process \d+ of user {os.geteuid()} ends session {worker}\.1 \(close\)")
        assert daemon.workers() == [worker]
        with begun(daemon) as sock:
            wait_sessions(control, 1)
            code, out, err, _ = kick(control, f"{worker}.1")
            assert (code, out) == (1, "")
            assert err == f"tcpdctl: {worker}.1: that session is over\n"
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
        metrics = tcpdctl(control, "metrics")[1]
        assert f'result="kicked"}} 1\n' in metrics


def test_json(tcpd, control):
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon, \
            begun(daemon) as sock:
        row, = wait_sessions(control, 1)
        code, out, err = tcpdctl(control, "--json", "kick", row["id"], f"{row['pid']}.9")
        assert code == 1 and err == f"tcpdctl: {row['pid']}.9: that session is over\n"
        ended, = checked("kick", out)["ended"]
        assert (ended["id"], ended["outcome"], ended["service"], ended["peer"]) == (
            row["id"], "ended", "echo", peer_name(sock))
        assert (ended["bytes_in"], ended["bytes_out"]) == (5, 5) and ended["age_usec"] > 0


def test_reset(tcpd, control):
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon, \
            begun(daemon) as sock:
        row, = wait_sessions(control, 1)
        assert kick(control, "--reset", row["id"])[0] == EX_OK
        assert wait_cut(sock)
        daemon.wait_log(Text.closed("echo", peer_name(sock), "kicked"))


def test_kill(tcpd, control):
    """The worker goes with it, and is replaced."""
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon, \
            begun(daemon) as sock:
        row, = wait_sessions(control, 1)
        code, out, _, took = kick(control, "--kill", row["id"])
        assert code == EX_OK and "ended with its worker (echo, " in out and took < SOON
        wait_cut(sock)
        daemon.wait_log(Text.death(row["pid"], Text.by_signal(9, "KILL")))
        daemon.wait_workers(lambda pids: pids and row["pid"] not in pids)


SERVICES = {
    "reads": service("reads", "echo", **ONE),
    "splices": service("splices", "echo", transfer="splice", **ONE),
    "writes": service("writes", "chargen", **ONE),
    "pauses": service("pauses", "hello", delay="1h", **ONE),
    "discards": service("discards", "discard", **ONE),
    "a unix socket": service("unix", "echo", **ONE),
    "program": program("/bin/cat", **ONE),
    "program that ignores its client": program(["/bin/sleep", "1000"], **ONE),
    "program that is started before": program("/bin/cat", program_mode="prestart", **ONE),
    "the same, and ignores its client": program(["/bin/sleep", "1000"], program_mode="prestart", **ONE),
    "program whose children have it": program(["/bin/sh", "-c", "sleep 1000 & cat"], **ONE),
}


@pytest.mark.parametrize("what", SERVICES)
def test_whatever_it_does(tcpd, control, what, tmp_path):
    """Each is over at once; nothing of a program is left, and the next client is served."""
    section = SERVICES[what]
    name = section.split('"')[1]
    if name == "unix":
        section = service("unix", "echo", listen=f"unix:{tmp_path}/socket", **ONE)
    with tcpd(configuration(section, control=f"unix:{control}")) as daemon:
        for _ in range(2):
            with daemon.connect(name) as sock:
                if name not in ("writes", "program"):
                    sock.sendall(b"x" * (200000 if name == "splices" else 1))
                row, = wait_sessions(control, 1)
                code, out, err, took = kick(control, row["id"])
                assert (code, err) == (EX_OK, "") and took < SOON, (out, took)
                wait_cut(sock)
            daemon.wait_log(rf"{name}: connection from \S+ closed: kicked, ")
        assert daemon.workers() == [row["pid"]]
        if name == "program" and "prestart" not in section:
            wait_for(lambda: not proc_children(row["pid"]), what="nothing is left")


@contextlib.contextmanager
def flood(sock):
    """Sends as fast as it can, until that fails."""
    def send():
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(b"x" * 65536)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    yield
    # On a slow machine it may seem to have paused, before it is cut: then it is heard for 30 s more.
    thread.join(2 * PATIENCE)
    assert not thread.is_alive()


def test_a_client_that_floods(tcpd, control):
    """There is always something to read, and it is over all the same."""
    with tcpd(configuration(service("discard", **ONE), control=f"unix:{control}")) as daemon:
        with daemon.connect("discard") as sock, flood(sock):
            row, = wait_sessions(control, 1)
            wait_for(lambda: sessions(control)[0]["bytes_in"] > 1 << 20, what="a MiB")
            code, _, err, took = kick(control, row["id"])
            assert (code, err) == (EX_OK, "") and took < SOON
        assert sessions(control) == []


def test_closing(control):
    """The session is over, but its client goes on sending, and the worker hears it out."""
    conf = configuration(service("daytime", listen=None, **ONE), control=f"unix:{control}")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        with activated(conf, [listening], ["daytime"]) as daemon:
            worker, = daemon.workers()
            for _ in range(2):
                os.kill(worker, signal.SIGSTOP)
                sock = socket.create_connection(listening.getsockname(), timeout=PATIENCE)
                with sock, flood(sock):
                    wait_for(lambda: tcp_far_end(sock)[1] > 100000, what="much that is unread")
                    os.kill(worker, signal.SIGCONT)
                    row, = wait_sessions(control, 1, "--doing", "closing")
                    code, _, err, took = kick(control, row["id"])
                    assert (code, err) == (EX_OK, "") and took < SOON
            assert sessions(control) == [] and daemon.workers() == [worker]


KEPT = 32  # clients that a worker keeps aside until they have closed


def test_closing_without_room(tcpd, control):
    """The worker waits for room among those that have their answer and do not go: who is kicked then
    is cut at once, and the worker goes on with the next."""
    conf = configuration(service("daytime", **ONE), control=f"unix:{control}")
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        worker, = daemon.workers()
        held, is_over = [], threading.Event()

        def drip():  # or they would be taken for silent
            while not is_over.wait(0.2):
                for sock in held:
                    with contextlib.suppress(OSError):
                        sock.sendall(b"x")

        dripping = threading.Thread(target=drip, daemon=True)
        stack.callback(dripping.join)
        stack.callback(is_over.set)
        dripping.start()
        for _ in range(KEPT):
            held.append(stack.enter_context(daemon.connect("daytime")))
            assert read_all(held[-1])
        for args in [], ["--reset"]:
            sock = stack.enter_context(daemon.connect("daytime"))
            assert read_all(sock)
            held.append(sock)
            row, = wait_sessions(control, 1, "--doing", "closing")
            code, out, err, took = kick(control, *args, row["id"])
            assert (code, err) == (EX_OK, "") and took < SOON
            assert f"{row['id']}: ended (daytime, {peer_name(sock)}, " in out
        assert sessions(control) == [] and daemon.workers() == [worker]
        held.pop(0).close()
        assert daemon.exchange("daytime") and daemon.workers() == [worker]


@pytest.mark.parametrize("listen", ["tls:127.0.0.1:0", "ws:127.0.0.1:0"])
def test_stages(tcpd, control, tmp_path, listen):
    """In its handshake, too, which never comes."""
    section = behind("echo", listen=listen, **ONE) if "tls" in listen else \
        service("echo", listen=listen, **ONE)
    certificate = Authority(tmp_path).leaf("www").section() if "tls" in listen else ""
    conf = certificate + configuration(section, control=f"unix:{control}")
    with tcpd(conf) as daemon, daemon.connect("echo") as sock:
        row, = wait_sessions(control, 1)
        assert row["doing"] == "opening" and row["id"]
        check_kicked(daemon, control, sock)
        daemon.wait_log(rf"echo: connection from {peer_name(sock)} closed: kicked")


def test_a_module_that_hangs(tcpd, control, tmp_path):
    """The worker is killed after 5 seconds; with --kill at once."""
    conf = configuration(module(tmp_path, "faulty", hang_timeout="0", **ONE),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon:
        for args, least, most in (["--kill"], 0, SOON), ([], 4.9, 6 + SOON):
            with daemon.connect("faulty") as sock:
                sock.sendall(b"loop\n")
                row, = wait_sessions(control, 1, "--doing", "working")
                code, out, err, took = kick(control, *args, row["id"])
                assert (code, err) == (EX_OK, "") and "ended with its worker" in out
                assert least < took < most
                wait_cut(sock)
            daemon.wait_workers(lambda pids: pids and row["pid"] not in pids)
        daemon.wait_log(rf"worker {row['pid']} did not end its session 1: killed")


def test_a_program_that_ignores_it(tcpd, control):
    """It has all of its kill_grace, and its worker stays."""
    stubborn = program(["/bin/sh", "-c", "trap '' TERM; exec sleep 1000"], kill_grace="6s", **ONE)
    with tcpd(configuration(stubborn, control=f"unix:{control}")) as daemon, \
            daemon.connect("program") as sock:
        row, = wait_sessions(control, 1)
        wait_for(lambda: [pid for pid in proc_children(row["pid"]) if "sleep" in proc_title(pid)],
                 what="its program")
        code, out, err, took = kick(control, row["id"])
        assert (code, err) == (EX_OK, "") and ": ended (program, " in out
        assert 5.9 < took < 7 + SOON
        wait_cut(sock)
        assert daemon.workers() == [row["pid"]] and not proc_children(row["pid"])


def test_choices(tcpd, control):
    """All of an address, of a service, or that are old; nobody else, and none without --yes."""
    conf = configuration(service("echo"), service("other", "echo"), control=f"unix:{control}")
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        near = [stack.enter_context(daemon.connect("echo", source=("127.0.0.7", 0)))
                for _ in range(3)]
        far = stack.enter_context(begun(daemon))
        other = stack.enter_context(begun(daemon, "other"))
        wait_sessions(control, 5)
        code, out, err, _ = kick(control, "--peer", "0.0.0.0/0")
        assert (code, out) == (EX_USAGE, "") and "--yes" in err
        assert len(sessions(control)) == 5
        code, out, err, _ = kick(control, "--peer", "127.0.0.7", "--yes")
        assert (code, err) == (EX_OK, "") and out.endswith("\n3 sessions ended\n")
        for sock in near:
            wait_cut(sock)
        assert {row["peer"] for row in sessions(control)} == {peer_name(far), peer_name(other)}
        assert kick(control, "--older", "1h", "--yes")[:3] == (EX_OK, "0 sessions ended\n", "")
        code, out, _, _ = kick(control, "--service", "other", "--yes")
        assert code == EX_OK and out.endswith("\n1 session ended\n")
        wait_cut(other)
        row, = sessions(control)
        assert row["peer"] == peer_name(far)
        assert kick(control, "--service", "nobody", "--yes")[:3] == (
            1, "", 'tcpdctl: there is no service "nobody"\n')


def test_bad_command_lines(tcpd, control):
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon, \
            begun(daemon):
        row, = wait_sessions(control, 1)
        pid = row["pid"]
        for args in ([], ["--yes"], ["--kill"], [f"{pid}"], [f"{pid}."], [".1"], ["-1.5"], [f"{pid}.0"],
                     [f"{pid}.{2 ** 64}"], [f"{2 ** 64}.1"], [f"{pid}.1", "x"],
                     [f"{pid}.1", "--peer", "any", "--yes"], [f"{pid}.1", "--limit", "1"],
                     ["--peer", "127.0.0.0/33", "--yes"], ["--reset", "--kill", f"{pid}.1"]):
            code, out, err, _ = kick(control, *args)
            assert (code, out) == (EX_USAGE, "") and err, args
        assert len(sessions(control)) == 1


def test_no_such_worker(tcpd, control):
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon:
        for pid in 1, daemon.pid, os.getpid(), 2 ** 31 - 1:
            code, out, err, _ = kick(control, f"{pid}.1")
            assert (code, out) == (1, "") and err == f"tcpdctl: {pid}.1: there is no such worker\n"


@OTHERS
def test_permission(tcpd, control):
    """Who may look may not end."""
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon, \
            begun(daemon) as sock:
        row, = wait_sessions(control, 1)
        open_to_all(control)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        code, out, err = tcpdctl(control, "kick", row["id"], prefix=nobody)
        assert (code, out) == (EX_NOPERM, "") and "only root" in err
        code, out, err = tcpdctl(control, "kick", "--peer", "any", "--yes", prefix=nobody)
        assert (code, out, err.count("\n")) == (EX_NOPERM, "", 1)
        code, out, err = tcpdctl(control, "kick", "--older", "1h", "--yes", prefix=nobody)
        assert (code, out) == (EX_NOPERM, "") and "only root" in err, "though none is that old"
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"


def test_a_stopped_worker(tcpd, control):
    """It does not hear of it, and is killed."""
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon, \
            begun(daemon) as sock:
        row, = wait_sessions(control, 1)
        os.kill(row["pid"], signal.SIGSTOP)
        code, out, _, took = kick(control, row["id"])
        assert code == EX_OK and "ended with its worker" in out and 4.9 < took < 6 + SOON
        wait_cut(sock)


class Late(threading.Thread):
    """Talks to a daemon's control socket, and orders the end of sessions that are one behind."""

    def __init__(self, control, n):
        super().__init__(daemon=True)
        self.control, self.n, self.ended, self.over = control, n, 0, 0

    def run(self):
        while self.over + self.ended < self.n:
            rows = sessions(self.control)
            ids = [f"{row['pid']}.{int(row['id'].split('.')[1]) - 1}" for row in rows
                   if row["id"] and not row["id"].endswith(".1")]
            if not ids:
                continue
            done = subprocess.run([TCPDCTL, "-s", self.control, "kick", *ids * 20],
                                  capture_output=True, text=True, timeout=PATIENCE)
            self.ended += done.stdout.count(": ended")
            self.over += done.stderr.count("that session is over")
            assert done.returncode == 1


def test_late_kicks(tcpd, control):
    """A5: a thousand kicks that come one session late end nobody, while sessions come and go as fast
    as they can: each client gets all that it is owed."""
    n = 1000
    conf = configuration(service("echo", min_workers=4, max_workers=4, spare_workers=0),
                         control=f"unix:{control}")
    with tcpd(conf) as daemon:
        late = Late(control, n)
        wrong, served = [], [0]

        def converse():
            while late.is_alive():
                try:
                    with daemon.connect("echo") as sock:
                        sock.sendall(b"hello")
                        assert read_exactly(sock, 5) == b"hello"
                        served[0] += 1
                except (OSError, AssertionError) as error:
                    wrong.append(error)

        clients = [threading.Thread(target=converse, daemon=True) for _ in range(4)]
        late.start()
        for client in clients:
            client.start()
        late.join(10 * PATIENCE)
        for client in clients:
            client.join(PATIENCE)
        assert late.over >= n and late.ended == 0, (late.over, late.ended)
        assert not wrong and served[0] > 0
        assert not daemon.log_matches("kicked")


def test_signals_that_are_late(tcpd, control):
    """The same without the master's look at the page: the worker itself compares. A thousand signals
    with the number of the session before, and a thousand that come between two, end nobody; the one
    with the right number does."""
    with tcpd(configuration(service("echo", **ONE), control=f"unix:{control}")) as daemon:
        worker, = daemon.workers()
        queue = sigqueue()
        for number in range(1, 1001):
            with daemon.connect("echo") as sock:
                queue(worker, max(0, number - 2))  # the worker may still be about to close the one before
                sock.sendall(b"x")
                assert read_exactly(sock, 1) == b"x"
                queue(worker, number - 1)
                sock.sendall(b"y")
                assert read_exactly(sock, 1) == b"y"
        assert not daemon.log_matches("kicked")
        with begun(daemon) as sock:
            queue(worker, 1001)
            assert not wait_cut(sock)
        daemon.wait_log(r"echo: connection from \S+ closed: kicked, 5 bytes in, ")


def sigqueue():
    """sigqueue(3): to a process, with SIGRTMIN and a number."""
    libc = ctypes.CDLL(None, use_errno=True)

    def queue(pid, value):
        number = ctypes.c_void_p(value)  # as which the union is passed
        assert libc.sigqueue(pid, int(signal.SIGRTMIN), number) == 0

    return queue
