# SPDX-License-Identifier: MIT
"""The master's signals: reload, stop, resize, status; its words to systemd; the size of pools."""

import contextlib
import os
import re
import select
import signal
import socket
import time

import pytest

from harness import (EX_OK, EX_USAGE, PATIENCE, Tcpd, Text, configuration, free_port, has_tcp,
                     proc_fds, proc_state, read_all, read_exactly, run, service, wait_for)

ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}


def ping(sock):
    sock.sendall(b"ping")
    assert read_exactly(sock, 4) == b"ping"


# --- Start and stop ----------------------------------------------------------------------------

def test_ready_when_all_pools_wait_in_accept(tcpd):
    """Issue 2, 4: at READY=1 every pool has its minimum; STATUS= comes with it."""
    conf = configuration(service("echo", listen=["127.0.0.1:0", "[::1]:0"], min_workers=3,
                                 spare_workers=0),
                         service("hello", min_workers=2, spare_workers=0))
    with tcpd(conf) as daemon:
        ready = daemon.wait_notify(lambda m: m.get("READY") == "1")
        match = Text.counts.search(ready["STATUS"])
        assert match["workers"] == match["idle"] == "8" and match["busy"] == "0"
        assert len(daemon.workers()) >= 8
        daemon.wait_log("ready")


def test_status_is_live(tcpd):
    """Issue 2, 4: STATUS= follows what the workers do."""
    with tcpd(configuration(service("echo"))) as daemon:
        with daemon.connect("echo") as sock:
            ping(sock)
            wait_for(lambda: daemon.counts()["busy"] == 1, what="busy in STATUS=")
        wait_for(lambda: daemon.counts()["busy"] == 0, what="idle in STATUS=")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_stop_when_idle(tcpd, number):
    """Exit 0, STOPPING=1, no process left."""
    with tcpd(configuration(service("echo"))) as daemon:
        workers = daemon.workers()
        daemon.signal(number)
        assert daemon.wait_exit() == EX_OK
        daemon.wait_notify(lambda m: m.get("STOPPING") == "1")
        daemon.wait_log(Text.stopped)
        assert all(proc_state(pid) is None for pid in workers)


def test_term_drains_the_session_in_hand(tcpd):
    """DESIGN.md, drain: the session goes on to its own end; EXTEND_TIMEOUT_USEC meanwhile (B41); then
    exit 0."""
    with tcpd(configuration(service("echo"), stop_timeout="60s")) as daemon:
        with daemon.connect("echo") as sock:
            ping(sock)
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify(lambda m: m.get("STOPPING") == "1")
            daemon.wait_workers(1)
            for _ in range(3):
                ping(sock)
            daemon.wait_notify(lambda m: int(m.get("EXTEND_TIMEOUT_USEC", 0)) > 1_000_000)
            wait_for(lambda: daemon.counts()["draining"] == 1, what="draining in STATUS=")
            ping(sock)
            assert daemon.process.poll() is None
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
        assert daemon.wait_exit() == EX_OK


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_second_signal_stops_at_once(tcpd, second):
    """DESIGN.md, Signals: a second TERM, or INT or QUIT, does not wait for the session."""
    with tcpd(configuration(service("echo"), stop_timeout="60s")) as daemon:
        with daemon.connect("echo") as sock:
            ping(sock)
            serving = daemon.worker_serving(sock)
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify(lambda m: m.get("STOPPING") == "1")
            if second == signal.SIGTERM:
                daemon.stop_again()
            else:
                daemon.signal(second)
            assert daemon.wait_exit() == EX_OK
            assert proc_state(serving) is None
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""


def test_one_request_that_comes_twice(tcpd):
    """timeout(1) sends TERM to the process and to its group: the session goes on."""
    with tcpd(configuration(service("echo"), stop_timeout="60s")) as daemon:
        with daemon.connect("echo") as sock:
            ping(sock)
            daemon.signal(signal.SIGTERM)
            daemon.wait_notify(lambda m: m.get("STOPPING") == "1")
            daemon.signal(signal.SIGTERM)
            daemon.wait_workers(1)
            ping(sock)
        assert daemon.wait_exit() == EX_OK
        assert not daemon.log_matches("at once")


def test_int_alone_stops_at_once(tcpd):
    """Ctrl-C."""
    with tcpd(configuration(service("echo"), stop_timeout="60s")) as daemon:
        with daemon.connect("echo") as sock:
            ping(sock)
            daemon.signal(signal.SIGINT)
            assert daemon.wait_exit() == EX_OK


def test_stop_timeout(tcpd):
    """DESIGN.md, stop_timeout: a session that does not end is ended, and that is logged."""
    with tcpd(configuration(service("echo"), stop_timeout="1500ms")) as daemon:
        with daemon.connect("echo") as sock:
            ping(sock)
            begin = time.monotonic()
            assert daemon.stop() == EX_OK
            assert time.monotonic() - begin > 1.4
            daemon.wait_log(Text.not_in_time)


def test_stop_during_start():
    """TERM before READY=1: ends cleanly all the same."""
    for _ in range(10):
        with Tcpd(configuration(service("echo", min_workers=50))) as daemon:
            wait_for(lambda: daemon.workers() or daemon.process.poll() is not None)
            daemon.signal(signal.SIGTERM)
            assert daemon.wait_exit() == EX_OK
            assert not daemon.workers()


def test_usage():
    """Exit 64 and a word about it."""
    for args in (["--no-such-option"], ["stray"], ["-c"]):
        status, _, log = run(*args)
        assert status == EX_USAGE and log


# --- Reload ------------------------------------------------------------------------------------

def test_reload_replaces_workers(tcpd):
    """B55: RELOADING=1 with MONOTONIC_USEC, then READY=1; the new configuration is in force, the
    session in hand goes on under the old one."""
    old = configuration(service("greeting", message="old"), service("echo"))
    with tcpd(old) as daemon:
        before = daemon.workers()
        ports = daemon.ports
        with daemon.connect("echo") as sock:
            ping(sock)
            now = time.monotonic_ns() // 1000
            messages = daemon.reload(old.replace("old", "new"))
            begun = next(m for m in messages if m.get("RELOADING") == "1")
            assert now <= int(begun["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
            assert daemon.ports == ports
            # A worker of the old generation may take one connection more on its way out.
            wait_for(lambda: daemon.exchange("greeting") == b"new", what="new message")
            ping(sock)
            serving = daemon.worker_serving(sock)
            assert serving in before
        daemon.wait_workers(lambda pids: len(pids) >= 8 and not set(pids) & set(before))
        assert all(daemon.exchange("greeting") == b"new" for _ in range(20))
        daemon.wait_log("reloaded")


def test_reload_never_refuses(tcpd):
    """DESIGN.md, HUP: the listener that stays is the same socket: connects, answers, all the time."""
    with tcpd(configuration(service("echo"))) as daemon:
        address = daemon.address("echo")
        for i in range(20):
            daemon.signal(signal.SIGHUP)
            for _ in range(20):
                with socket.create_connection(address, timeout=PATIENCE) as sock:
                    ping(sock)
        wait_for(lambda: "draining" in daemon.status() and daemon.counts()["draining"] == 0)


def test_reload_opens_and_removes_listeners(tcpd):
    """B55, B8: a new one is there at READY=1, a removed one is closed after its sessions."""
    keep, new, old = (service(name, "echo", listen=f"127.0.0.1:{free_port()}")
                      for name in ("keep", "new", "old"))
    with tcpd(configuration(keep, old)) as daemon:
        ports = dict(daemon.ports)
        with daemon.connect("old") as sock, daemon.connect("keep") as kept:
            ping(sock)
            ping(kept)
            daemon.reload(configuration(keep, new))
            assert daemon.ports["keep"] == ports["keep"]
            assert daemon.is_serving("new") and daemon.is_serving("keep")
            ping(sock)
            ping(kept)
        wait_for(lambda: not has_tcp("127.0.0.1", ports["old"]), what="old port closed")
        wait_for(lambda: set(daemon.addresses) == {"keep", "new"}, what="STATUS= without old")
        assert not daemon.workers("old")
        assert daemon.stop() == EX_OK


def test_reload_to_a_port_0_that_was_there(tcpd):
    """P3: an entry with port 0 that stays keeps the port it was given."""
    with tcpd(configuration(service("echo"))) as daemon:
        ports = daemon.ports
        daemon.reload(configuration(service("echo", min_workers=2)))
        assert daemon.ports == ports


def test_reload_brings_a_removed_listener_back(tcpd):
    """B55: removed, and wanted again while it is drained or after."""
    echo = service("echo", listen=f"127.0.0.1:{free_port()}")
    hello = service("hello", listen=f"127.0.0.1:{free_port()}")
    with tcpd(configuration(echo, hello)) as daemon:
        port = daemon.ports["hello"]
        for _ in range(3):
            daemon.reload(configuration(echo))
            wait_for(lambda: not has_tcp("127.0.0.1", port), what="hello closed")
            daemon.reload(configuration(echo, hello))
            assert daemon.exchange("hello") == b"Welcome!"


BROKEN = [
    (service("echo", colour="red"), 4, "colour"),
    (service("echo", "ecko"), 2, "ecko"),
    ('service "echo" {\n', None, ""),
    ("", None, "service"),
]


@pytest.mark.parametrize("text, line, word", BROKEN)
def test_broken_reload_keeps_the_old(tcpd, text, line, word):
    """B55, PLATFORM.md 0.4: says FILE:LINE, READY=1 again, and all serves on as before."""
    with tcpd(configuration(service("echo"))) as daemon:
        before, ports = daemon.workers(), daemon.ports
        with daemon.connect("echo") as sock:
            ping(sock)
            messages = daemon.reload(text)
            assert messages[-1].get("READY") or any(m.get("READY") for m in messages)
            ping(sock)
        place = rf"tcpd\.conf:{line if line else ''}"
        daemon.wait_log(rf"{place}.*{word}")
        daemon.wait_log(Text.reload_failed)
        daemon.wait_notify(lambda m: tells_of_failure(m, place), what="failure in STATUS=")
        assert set(before) <= set(daemon.workers()) and daemon.ports == ports
        assert daemon.is_serving()
        daemon.reload(configuration(service("echo", "discard")))  # repaired
        wait_for(lambda: daemon.exchange("echo", b"x") == b"", what="repaired configuration")


def tells_of_failure(message, place):
    return re.search(rf"{Text.reload_failed}.*{place}", message.get("STATUS", ""))


def test_reload_with_a_listener_that_cannot_be(tcpd):
    """B55: an address in use is a failed reload, never the end of the daemon."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        echo = service("echo")
        with tcpd(configuration(echo)) as daemon:
            ports = daemon.ports
            fresh = free_port()
            daemon.reload(configuration(echo, service("hello", listen=f"127.0.0.1:{fresh}"),
                                        service("time", listen=f"127.0.0.1:{taken}")))
            daemon.wait_log(f"127.0.0.1:{taken}")
            daemon.wait_log(Text.reload_failed)
            assert daemon.ports == ports and daemon.is_serving()
            assert not has_tcp("127.0.0.1", fresh)  # what was opened on the way is closed again


def test_reload_many_times_quickly(tcpd):
    """HUP while a reload is under way: coalesces, ends ready, with the newest configuration."""
    with tcpd(configuration(service("greeting", message="0"))) as daemon:
        for i in range(1, 51):
            daemon.path.write_text(configuration(service("greeting", message=i)))
            daemon.signal(signal.SIGHUP)
        wait_for(lambda: daemon.exchange("greeting") == b"50", what="newest configuration")
        daemon.wait_workers(4)
        assert daemon.stop() == EX_OK


def test_descriptors_of_the_master_after_reloads(tcpd):
    """B55: 30 reloads that open and remove listeners leak nothing."""
    echo = service("echo")
    with tcpd(configuration(echo)) as daemon:
        before = len(proc_fds(daemon.pid))
        for _ in range(30):
            daemon.reload(configuration(echo, service("hello")))
            daemon.reload(configuration(echo))
        wait_for(lambda: len(proc_fds(daemon.pid)) == before, what="descriptors as before")
        wait_for(lambda: set(daemon.addresses) == {"echo"})


# --- Watchdog, status, size --------------------------------------------------------------------

def test_watchdog(tcpd):
    """Issue 2, 4: WATCHDOG=1 at half the interval, while the loop turns."""
    with tcpd(configuration(service("echo")), watchdog_usec=3_000_000) as daemon:
        times = [time.monotonic()]
        while len(times) < 4:
            since = len(daemon.notifications.items)
            daemon.wait_notify(lambda m: m.get("WATCHDOG") == "1", since=since)
            times.append(time.monotonic())
        gaps = [b - a for a, b in zip(times, times[1:])]
        assert max(gaps) < 3.0 and min(gaps) < 2.0, gaps


def test_watchdog_for_another_pid(tcpd):
    """sd_watchdog_enabled(3): WATCHDOG_PID of somebody else is not for us."""
    env = {"WATCHDOG_PID": "1"}
    with tcpd(configuration(service("echo")), watchdog_usec=200_000, env=env) as daemon:
        with pytest.raises(AssertionError):
            daemon.wait_notify(lambda m: "WATCHDOG" in m, deadline=1.5)


def test_usr1_logs_the_status(tcpd):
    """DESIGN.md, Signals: the figures of every pool."""
    conf = configuration(service("echo"), service("hello", min_workers=2, spare_workers=1))
    with tcpd(conf) as daemon, daemon.connect("hello") as sock:
        assert read_exactly(sock, 8) == b"Welcome!"
        wait_for(lambda: daemon.counts().get("busy") == 1)
        since = len(daemon.log.items)
        daemon.signal(signal.SIGUSR1)
        for name, busy in (("echo", "0"), ("hello", "1")):
            line = daemon.wait_log(
                rf"{name} 127\.0\.0\.1:{daemon.ports[name]}: {Text.counts.pattern}", since=since)
            assert line["busy"] == busy


def test_ttin_and_ttou(tcpd):
    """DESIGN.md, Signals: one worker more, one fewer, in each pool; never below 1."""
    conf = configuration(service("echo", min_workers=2, spare_workers=0),
                         service("hello", min_workers=2, spare_workers=0))
    with tcpd(conf) as daemon:
        daemon.wait_workers(4)
        for want in (6, 8):
            daemon.signal(signal.SIGTTIN)
            daemon.wait_workers(want)
        daemon.wait_workers(4, name="echo")
        daemon.wait_workers(4, name="hello")
        for want in (6, 4, 2):
            daemon.signal(signal.SIGTTOU)
            daemon.wait_workers(want)
        since = len(daemon.log.items)
        daemon.signal(signal.SIGTTOU)
        for name in ("echo", "hello"):
            daemon.wait_log(f"{name} .*between 1 and", since=since)
        assert len(daemon.workers()) == 2
        assert daemon.is_serving()
        daemon.reload()  # until the next reload
        daemon.wait_workers(4)


def test_ttin_stops_at_max(tcpd):
    conf = configuration(service("echo", min_workers=2, max_workers=3, spare_workers=0))
    with tcpd(conf) as daemon:
        for _ in range(4):
            since = len(daemon.log.items)
            daemon.signal(signal.SIGTTIN)
            daemon.wait_log("workers", since=since)
        daemon.wait_workers(3)


def test_pool_grows_to_max_and_shrinks(tcpd):
    """DESIGN.md, Sizing: under load at once up to max_workers, never above; at max a warning and
    STATUS= says so; the queue holds the rest; slowly back to the minimum."""
    conf = configuration(service("echo", min_workers=2, max_workers=12, spare_workers=2))
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(daemon.connect("echo")) for _ in range(12)]
        for sock in socks:
            ping(sock)
        assert len(daemon.workers()) == 12
        with daemon.connect("echo") as queued:
            queued.sendall(b"ping")
            daemon.wait_log(Text.at_maximum)
            wait_for(lambda: "maximum" in daemon.status(), what="STATUS= at maximum")
            assert not select.select([queued], [], [], 0.2)[0]
            assert len(daemon.workers()) == 12
            socks[0].close()
            assert read_exactly(queued, 4) == b"ping"
        for sock in socks:
            sock.close()
        least = daemon.wait_workers(lambda pids: len(pids) <= 4, 60)
        assert len(least) >= 2
        assert daemon.is_serving()


def test_growth_is_immediate(tcpd):
    """DESIGN.md, Sizing: 100 clients at once are served at once, not one with each tick."""
    conf = configuration(service("hello", min_workers=2, max_workers=200, spare_workers=4))
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        begin = time.monotonic()
        socks = [stack.enter_context(daemon.connect("hello")) for _ in range(100)]
        for sock in socks:
            assert read_exactly(sock, 8) == b"Welcome!"
        assert time.monotonic() - begin < PATIENCE
        daemon.wait_workers(lambda pids: 104 <= len(pids) <= 200)


def test_spare_workers_are_kept(tcpd):
    """DESIGN.md, Sizing: spare_workers are idle while others serve."""
    conf = configuration(service("echo", min_workers=1, max_workers=20, spare_workers=3))
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        for n in range(1, 6):
            ping(stack.enter_context(daemon.connect("echo")))
            daemon.wait_workers(lambda pids: len(pids) >= n + 3)


def test_recycling_by_sessions(tcpd):
    """Issue 2, 4: after about max_sessions_per_worker sessions a worker retires and is replaced;
    nobody notices."""
    conf = configuration(service("echo", max_sessions_per_worker=10, **ONE))
    with tcpd(conf) as daemon:
        seen = set()
        for _ in range(60):
            with daemon.connect("echo") as sock:
                ping(sock)
                seen.add(daemon.worker_serving(sock))
        assert 6 <= len(seen) <= 9
        assert not daemon.log_matches(Text.throttled)


def test_recycling_by_age(tcpd):
    """Issue 2, 4, 12: max_worker_age: an idle worker is replaced at once, one with a session after
    it, and nobody is served beside it meanwhile."""
    with tcpd(configuration(service("echo", max_worker_age="2s", **ONE))) as daemon:
        [first] = daemon.workers()
        daemon.wait_workers(lambda pids: first not in pids and len(pids) == 1)
        with daemon.connect("echo") as sock, daemon.connect("echo") as other:
            ping(sock)
            old = daemon.worker_serving(sock)
            other.sendall(b"ping")
            other.settimeout(3)
            with pytest.raises(TimeoutError):
                other.recv(4)  # more than its age: it serves on, alone
            assert daemon.workers() == [old]
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
            other.settimeout(PATIENCE)
            assert read_exactly(other, 4) == b"ping"
            assert daemon.worker_serving(other) != old
        assert not daemon.log_matches(Text.throttled)


def test_draining_does_not_count_against_max(tcpd):
    """DESIGN.md, Sizing: a worker told to leave is replaced at once, though max_workers = 1."""
    with tcpd(configuration(service("echo", **ONE))) as daemon, daemon.connect("echo") as sock:
        ping(sock)
        old = daemon.worker_serving(sock)
        daemon.reload()
        assert daemon.is_serving()
        assert old in daemon.workers()
        ping(sock)


def test_term_to_one_worker_from_outside(tcpd):
    """DESIGN.md, Signals: TERM from outside drains one worker; it is replaced, not mourned."""
    with tcpd(configuration(service("echo", **ONE))) as daemon, daemon.connect("echo") as sock:
        ping(sock)
        old = daemon.worker_serving(sock)
        os.kill(old, signal.SIGTERM)
        ping(sock)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
        daemon.wait_workers(lambda pids: len(pids) == 1 and old not in pids)
        assert daemon.is_serving()
        assert not daemon.log_matches(rf"worker {old}")


def test_growth_keeps_to_its_rate(tcpd):
    """Issue 4, 1: spawn_burst at once, then spawn_rate a second; min_workers come all the same, and
    the clients that wait are served in the end."""
    conf = configuration(service("hello", min_workers=10, max_workers=200, spare_workers=0,
                                 spawn_burst=5, spawn_rate=10))
    with tcpd(conf) as daemon, contextlib.ExitStack() as stack:
        assert len(daemon.workers()) >= 10  # ready: at once
        begin = time.monotonic()
        socks = [stack.enter_context(daemon.connect("hello")) for _ in range(40)]
        for sock in socks:
            assert read_exactly(sock, 8) == b"Welcome!"
        # 30 more: 15 may have been saved up by now, the others are earned
        assert time.monotonic() - begin > 1.2
        assert len(daemon.workers()) <= 10 + 5 + 10 * (time.monotonic() - begin) + 1
        daemon.reload()
        assert daemon.counts()["idle"] >= 10


def test_reload_in_which_all_old_workers_die(tcpd):
    """What a reload keeps up for the old workers' sake ends with them, however they end: the pool
    comes down to its new size."""
    conf = configuration(service("echo", min_workers=60, max_workers=80, spare_workers=2))
    small = configuration(service("echo", min_workers=2, max_workers=80, spare_workers=2))
    with tcpd(conf) as daemon:
        daemon.wait_workers(60)
        daemon.path.write_text(small)
        daemon.signal(signal.SIGSTOP)
        daemon.signal(signal.SIGHUP)
        for pid in daemon.workers():
            os.kill(pid, signal.SIGKILL)
        daemon.signal(signal.SIGCONT)
        daemon.wait_log(r"\breloaded$")
        daemon.signal(signal.SIGUSR1)
        daemon.wait_log(r"min 2, spare 2, max 80")
