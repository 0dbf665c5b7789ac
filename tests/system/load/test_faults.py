# SPDX-License-Identifier: MIT
"""Workers that crash, hang or starve, clients that reset, a master that is killed."""

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import (EX_OSERR, PATIENCE, SANITIZED, Tcpd, Text, can_become_others, configuration,
                     injected, peer_name, proc_cpu_seconds, proc_fds, proc_signals, proc_state,
                     proc_title, read_all, read_exactly, reset, run, service, tcp_far_end, wait_for)

SIGNALS = [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT]
ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
root = pytest.mark.skipif(not can_become_others(), reason="needs root, to become somebody else")


def death(pid, number):
    if SANITIZED and number in (signal.SIGSEGV, signal.SIGABRT):
        return Text.death(pid, "")  # the sanitizer's handler turns SEGV into an exit
    return Text.death(pid, Text.by_signal(number, number.name[3:]))


def no_sanitizer_report(daemon):
    """Forgets the report of a crash that the test itself has caused."""
    daemon.log.items[:] = [line for line in daemon.log.items if "Sanitizer" not in line]


# --- Deaths of workers -------------------------------------------------------------------------

@pytest.mark.parametrize("number", SIGNALS)
def test_idle_worker_dies(tcpd, number):
    """Issue 2: killed while it waits in accept(): logged with pid and signal, replaced."""
    with tcpd(configuration(service("echo"))) as daemon:
        victim = daemon.workers()[0]
        os.kill(victim, number)
        daemon.wait_log(death(victim, number))
        daemon.wait_workers(lambda pids: len(pids) >= 4 and victim not in pids)
        for _ in range(8):
            assert daemon.is_serving()
        no_sanitizer_report(daemon)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("unread", [False, True])
def test_serving_worker_dies(tcpd, number, unread):
    """W22, P26, B21: the client sees the end when nothing was unread, a reset otherwise; the log
    tells whom it was serving; the other sessions go on."""
    name = "hello" if unread else "echo"
    options = {"delay": "10s"} if unread else {}  # it sleeps, and what comes stays unread
    with tcpd(configuration(service(name, **options))) as daemon:
        with daemon.connect(name) as sock, daemon.connect(name) as other:
            if unread:
                assert read_exactly(sock, 8) == read_exactly(other, 8) == b"Welcome!"
                sock.sendall(b"Michael")
            else:
                for each in (sock, other):
                    each.sendall(b"x")
                    assert read_exactly(each, 1) == b"x"
            victim = daemon.worker_serving(sock)
            if unread:
                wait_for(lambda: unread_bytes(sock) == 0, what="message read by the worker")
                sock.sendall(b"Tracy")
                wait_for(lambda: unread_bytes(sock) == 5, what="bytes waiting in the worker")
            os.kill(victim, number)
            if unread:
                with pytest.raises(ConnectionResetError):
                    sock.recv(1)
            else:
                assert sock.recv(1) == b""
            line = daemon.wait_log(death(victim, number))
            assert peer_name(sock) in line.string
            if not unread:
                other.sendall(b"y")
                assert read_exactly(other, 1) == b"y"
        daemon.wait_workers(lambda pids: len(pids) >= 4 and victim not in pids)
        no_sanitizer_report(daemon)


def unread_bytes(sock):
    """How many bytes wait unread at the far end."""
    return tcp_far_end(sock)[1]


def test_all_workers_die_at_once(tcpd):
    """B29: SIGCHLD coalesces; every death is reaped and replaced."""
    with tcpd(configuration(service("echo", min_workers=20, spare_workers=0))) as daemon:
        victims = daemon.workers()
        assert len(victims) == 20
        kill_together(daemon, victims)
        daemon.wait_workers(lambda pids: len(pids) == 20 and not set(pids) & set(victims))
        # That is one failure, not twenty in a row.
        assert not daemon.log_matches(Text.throttled)
        assert all(proc_state(pid) is None for pid in victims)  # no zombies
        assert daemon.is_serving()


def kill_together(daemon, pids):
    """All are dead before the master can look at the first."""
    daemon.signal(signal.SIGSTOP)
    wait_for(lambda: proc_state(daemon.pid) == "T")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: all(proc_state(pid) == "Z" for pid in pids), what="their deaths")
    daemon.signal(signal.SIGCONT)


def test_zombies_do_not_stay(tcpd):
    """B34."""
    with tcpd(configuration(service("echo"))) as daemon:
        for pid in daemon.workers():
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: proc_state(pid) is None, what=f"{pid} reaped")


def test_stopped_worker_while_idle(tcpd):
    """Issue 2, B38: SIGSTOP: the others serve on, and the stop deadline ends it."""
    with tcpd(configuration(service("echo", min_workers=2), stop_timeout="1s")) as daemon:
        victim = daemon.workers()[0]
        os.kill(victim, signal.SIGSTOP)
        wait_for(lambda: proc_state(victim) == "T")
        # accept() wakes first in, first out: at most one connection is given to the one stopped.
        answered = 0
        for _ in range(20):
            with daemon.connect("echo", timeout=5) as sock, contextlib.suppress(TimeoutError):
                sock.sendall(b"x")
                answered += sock.recv(1) == b"x"
        assert answered >= 19
        begin = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - begin >= 0.9
        daemon.wait_log(Text.not_in_time)
        assert proc_state(victim) is None


def test_stopped_worker_that_goes_on(tcpd):
    """SIGSTOP in a session, SIGCONT: the session goes on as if nothing was (EINTR, B15)."""
    with tcpd(configuration(service("echo"))) as daemon, daemon.connect("echo") as sock:
        worker = daemon.worker_serving(sock)
        for _ in range(5):
            os.kill(worker, signal.SIGSTOP)
            wait_for(lambda: proc_state(worker) == "T")
            sock.sendall(b"x" * 1000)
            os.kill(worker, signal.SIGCONT)
            assert read_exactly(sock, 1000) == b"x" * 1000


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1,
                                    signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE, signal.SIGXFSZ])
def test_worker_ignores_the_masters_signals(tcpd, number):
    """DESIGN.md, Signals: HUP and the rest mean nothing to a worker, idle or serving."""
    with tcpd(configuration(service("echo", **ONE))) as daemon:
        [worker] = daemon.workers()
        os.kill(worker, number)
        with daemon.connect("echo") as sock:
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
            os.kill(worker, number)
            sock.sendall(b"y")
            assert read_exactly(sock, 1) == b"y"
        assert daemon.workers() == [worker]


def throttle(daemon):
    """Milliseconds for which the master starts no worker, as it tells when asked by USR1."""
    since = len(daemon.log.items)
    daemon.signal(signal.SIGUSR1)
    line = daemon.wait_log(Text.counts.pattern, since=since, deadline=5)
    told = re.search(Text.throttled_for, line.string)
    return int(told[1]) if told else 0


def test_crash_loop_is_throttled(tcpd):
    """B32: workers that die early are replaced ever more slowly, and the log stays small; the
    master answers meanwhile, and recovers by itself."""
    with tcpd(configuration(service("echo", min_workers=2, spare_workers=0))) as daemon:
        stop, killed = threading.Event(), []

        def kill_all():
            while not stop.wait(0.002):
                for pid in daemon.workers():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        killed.append(pid)

        killer = threading.Thread(target=kill_all)
        killer.start()
        try:
            daemon.wait_log(Text.throttled)
            wait_for(lambda: throttle(daemon) >= 1000, what="a throttle of a second")
        finally:
            stop.set()
            killer.join()
        assert len(set(killed)) < 60
        assert len([line for line in daemon.log.items if "died" in line or "killed" in line]) < 40
        # One that was killed while it waited can still take a connection, and takes it along.
        wait_for(lambda: not set(killed) & set(daemon.workers()), what="the end of the last killed")
        wait_for(daemon.is_serving, what="service after the crash loop")
        daemon.wait_workers(2)


def test_log_of_deaths_is_limited(tcpd):
    """B32: CVE-2015-9253 filled the disk; after ten records there is a count."""
    with tcpd(configuration(service("echo", min_workers=50, spare_workers=0))) as daemon:
        kill_together(daemon, daemon.workers())
        told = daemon.wait_log(rf"(\d+) {Text.more_deaths}")
        lines = len(daemon.log_matches(r"worker \d+ killed by signal 9"))
        assert lines <= 12 and int(told[1]) + lines == 50


# --- Starved of resources ----------------------------------------------------------------------

def test_worker_without_descriptors(tcpd):
    """B4, X5: accept() fails at once with EMFILE; the worker says so and leaves, it does not spin;
    the connection stays queued and is served by its successor."""
    with tcpd(configuration(service("echo", **ONE))) as daemon:
        [victim] = daemon.workers()
        lowest = min(set(range(64)) - set(proc_fds(victim)))
        resource.prlimit(victim, resource.RLIMIT_NOFILE, (lowest, lowest))
        # The first connection may already have its number reserved by the accept() in progress.
        for _ in range(3):
            with daemon.connect("echo") as sock:
                sock.sendall(b"x")
                assert read_exactly(sock, 1) == b"x"
        daemon.wait_log(Text.death(victim, Text.out_of_files))
        assert proc_cpu_seconds(daemon.pid) < 2


def test_no_descriptors_for_anyone(tcpd):
    """B4, B32: replacements inherit the limit and starve as well: throttled, no flood of records;
    the master lives, and all is well when the limit is lifted."""
    with tcpd(configuration(service("echo", min_workers=2, spare_workers=0))) as daemon:
        before = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        victims = daemon.workers()
        lowest = min(set(range(64)) - set(proc_fds(victims[0])))
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (lowest, before[1]))
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        daemon.wait_log("Too many open files")  # in accept(), or before
        daemon.wait_log(Text.throttled)
        wait_for(lambda: throttle(daemon) >= 800, what="a throttle of most of a second")
        assert proc_cpu_seconds(daemon.pid) < 2
        assert len([line for line in daemon.log.items if "accept" in line or "died" in line]) < 60
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, before)
        wait_for(daemon.is_serving, what="service with descriptors again")


# A uid of its own for each test: RLIMIT_NPROC counts by uid, whatever the namespace.
def as_user(uid):
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all",
            "--bounding-set=-all"]


def limit_processes(pid, uid, number):
    """As that user, who may do it to his own processes."""
    subprocess.run([*as_user(uid), "prlimit", f"--pid={pid}", f"--nproc={number}:100"], check=True)


@root
def test_fork_fails_while_running(tcpd):
    """B31: EAGAIN of fork(): one line, no sleep, tried again until it works."""
    uid = 50_000 + os.getpid() % 10_000
    conf = configuration(service("echo", min_workers=2, spare_workers=2, max_workers=20))
    with tcpd(conf, prefix=as_user(uid)) as daemon:
        daemon.wait_workers(2)
        limit_processes(daemon.pid, uid, 3)
        socks = [daemon.connect("echo") for _ in range(3)]  # more are wanted now
        daemon.wait_log(Text.fork_failed)
        for sock in socks[:2]:
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
        since = len(daemon.log.items)
        daemon.signal(signal.SIGUSR1)  # the master does not sleep
        daemon.wait_log("idle", since=since, deadline=5)
        limit_processes(daemon.pid, uid, 100)
        socks[2].sendall(b"x")
        assert read_exactly(socks[2], 1) == b"x"
        assert len(daemon.log_matches(Text.fork_failed)) <= 2
        for sock in socks:
            sock.close()


@root
def test_fork_fails_at_start():
    """B31: before READY=1 a failed fork is fatal: 71, and the log names the setting."""
    uid = 60_000 + os.getpid() % 5_000
    conf = configuration(service("echo", min_workers=30))
    status, _, log = run(conf=conf, prefix=["prlimit", "--nproc=10:10", *as_user(uid)])
    assert status == EX_OSERR
    assert "min_workers" in log


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_standard_descriptors(tcpd, closed):
    """B60: no listener and no client gets 0, 1 or 2, so nothing is printed at a client."""
    conf = configuration(service("echo", **ONE), log_sessions="all")
    with tcpd(conf, closed_fds=closed) as daemon:
        with daemon.connect("echo") as sock:
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
            worker = daemon.worker_serving(sock)
            for pid in (daemon.pid, worker):
                fds = proc_fds(pid)
                assert all(fds[number] == "/dev/null" for number in closed)
                assert not any(fds[number].startswith("socket:") for number in (0, 1, 2))
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
        assert daemon.stop() == 0


# --- Clients that reset ------------------------------------------------------------------------

def reset_in_queue(daemon, name):
    """Before accept: all workers are stopped meanwhile."""
    for pid in daemon.workers():
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: proc_state(pid) == "T")
    sock = daemon.connect(name)
    sock.sendall(b"data of a client that has gone\n")
    reset(sock)
    for pid in daemon.workers():
        os.kill(pid, signal.SIGCONT)


def reset_at_once(daemon, name):
    reset(daemon.connect(name))


def reset_after_first_read(daemon, name):
    sock = daemon.connect(name)
    if name not in ("echo", "discard"):
        sock.recv(1)
    reset(sock)


def reset_after_data(daemon, name):
    sock = daemon.connect(name)
    with contextlib.suppress(ConnectionError):
        sock.sendall(b"x" * 100_000)
    reset(sock)


def reset_after_half_close(daemon, name):
    sock = daemon.connect(name)
    sock.sendall(b"x" * 5000)
    sock.shutdown(socket.SHUT_WR)
    reset(sock)


MOMENTS = [reset_in_queue, reset_at_once, reset_after_first_read, reset_after_data,
           reset_after_half_close]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name, options", [
    ("echo", {}), ("discard", {}), ("chargen", {}), ("hello", {"framing": "line"}),
    ("greeting", {"message": "x" * 3000}), ("daytime", {}), ("time", {})])
def test_client_resets(tcpd, name, options, moment):
    """B2, B3, X13: at every moment of every service: its session ends, the same worker serves the
    next; accept's own address is what the log tells."""
    conf = configuration(service(name, **ONE, **options), log_sessions="all")
    with tcpd(conf) as daemon:
        [worker] = daemon.workers()
        for _ in range(5):
            moment(daemon, name)
        with daemon.connect(name) as sock:
            peer = peer_name(sock)
            sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                read_all(sock)
        daemon.wait_log(Text.closed(name, peer))
        assert daemon.workers() == [worker]
        opened = daemon.log_matches(rf"{name}: connection from ([\d.:]+)$")
        closed = daemon.log_matches(rf"{name}: connection from ([\d.:]+) closed")
        assert [m[1] for m in opened] == [m[1] for m in closed]
        assert len(opened) == 6


@pytest.mark.parametrize("transfer", ["copy", "splice"])
def test_oob_byte_is_harmless(tcpd, transfer):
    """B23: an urgent byte is left out of the stream; SIGURG is ignored."""
    conf = configuration(service("echo", transfer=transfer, **ONE))
    with tcpd(conf) as daemon, daemon.connect("echo") as sock:
        sock.sendall(b"a")
        assert read_exactly(sock, 1) == b"a"
        sock.send(b"!", socket.MSG_OOB)
        sock.sendall(b"b")
        assert read_exactly(sock, 1) == b"b"
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""


# --- The master --------------------------------------------------------------------------------

@pytest.mark.parametrize("busy", [False, True])
def test_master_killed(tcpd, busy):
    """B35: KILL leaves it no time; its workers leave by themselves, after the session in hand."""
    daemon = tcpd(configuration(service("echo"), stop_timeout="20s"))
    workers = daemon.workers()
    with contextlib.ExitStack() as stack:
        if busy:
            sock = stack.enter_context(daemon.connect("echo"))
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
            serving = daemon.worker_serving(sock)
        daemon.kill()
        daemon.wait_exit()
        gone = [pid for pid in workers if not busy or pid != serving]
        wait_for(lambda: all(proc_state(pid) in (None, "Z") for pid in gone), what="no orphans")
        if busy:
            sock.sendall(b"still served")
            assert read_exactly(sock, 12) == b"still served"
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
            wait_for(lambda: proc_state(serving) in (None, "Z"), what="the last one has left")


def test_master_killed_with_a_session_that_never_ends(tcpd):
    """B35: orphans are bounded by stop_timeout."""
    off = {"first_byte_timeout": 0, "idle_timeout": 0}
    daemon = tcpd(configuration(service("echo", **off), stop_timeout="1s"))
    with daemon.connect("echo") as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        serving = daemon.worker_serving(sock)
        daemon.kill()
        daemon.wait_exit()
        wait_for(lambda: proc_state(serving) in (None, "Z"), what="orphan's end")


@pytest.mark.parametrize("limit, seconds", [("0", 30), ("1500ms", 2), ("3d", 3600)])
def test_orphans_are_always_bounded(tcpd, tmp_path, limit, seconds):
    """tcpd.service(8), Master and workers: 30 s where stop_timeout is off, an hour at most."""
    trace = tmp_path / "trace"
    prefix = [*injected(), "-f", "-e", "trace=alarm", "-o", str(trace)]
    daemon = tcpd(configuration(service("echo"), stop_timeout=limit), prefix=prefix)
    with daemon.connect("echo") as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        serving = daemon.worker_serving(sock)
        daemon.kill()
        daemon.wait_exit()
    wait_for(lambda: proc_state(serving) in (None, "Z"), what="orphan's end")
    wait_for(lambda: re.search(rf"^{serving} +alarm\({seconds}\b", trace.read_text(), re.M),
             what="its alarm")


def test_workers_set_up(tcpd):
    """B27, B28, DESIGN.md 'long-lived fork': what a worker has and has not: nothing blocked,
    nothing of the master's but listener, dead socket, wake and the log; a title of its own."""
    with tcpd(configuration(service("echo", listen=["127.0.0.1:0", "[::1]:0"]))) as daemon:
        addresses = daemon.addresses["echo"]
        for pid in daemon.workers():
            masks = proc_signals(pid)
            assert masks["SigBlk"] == 0
            assert masks["SigCgt"] & 1 << signal.SIGTERM - 1
            fds = proc_fds(pid)
            above = sorted(target.partition(":")[0] for number, target in fds.items() if number > 2)
            assert above == ["anon_inode", "pipe", "socket", "socket"], fds
            assert "eventfd" in "".join(fds.values())
            assert proc_title(pid) in {f"tcpd: echo {address} worker" for address in addresses}


def test_log_reader_that_stalls(tcpd):
    """B58: nobody reads standard error: the master and the workers are not held up."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write_end, bytes(65536))
    os.set_blocking(write_end, True)
    conf = configuration(service("echo"), log_sessions="all")
    daemon = Tcpd(conf, preexec=lambda: os.dup2(write_end, 2))
    os.close(write_end)
    try:
        daemon.wait_ready()
        for _ in range(50):
            assert daemon.is_serving()
        assert daemon.stop() == 0
    finally:
        os.close(read_end)


def test_notify_socket_that_nobody_reads(tcpd):
    """B58: a service manager that stalls: the master lives on."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = f"/tmp/tcpd-manager-{os.getpid()}-{time.monotonic_ns()}"
    manager.bind(path)
    try:
        conf = configuration(service("echo"))
        with Tcpd(conf, notify=False, env={"NOTIFY_SOCKET": path}) as daemon:
            daemon.wait_log("ready")
            port = int(daemon.wait_log(r"echo 127\.0\.0\.1:(\d+)")[1])
            for _ in range(50):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(daemon.workers()[0], signal.SIGUSR1)
                with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
                    sock.sendall(b"x")
                    assert sock.recv(1) == b"x"
            daemon.signal(signal.SIGTERM)
            assert daemon.wait_exit() == 0
    finally:
        manager.close()
        os.unlink(path)


def test_without_notify_socket(tcpd):
    """Outside systemd: serves all the same."""
    with Tcpd(configuration(service("echo")), notify=False) as daemon:
        port = int(daemon.wait_log(r"echo 127\.0\.0\.1:(\d+)")[1])
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
        assert daemon.stop() == 0
