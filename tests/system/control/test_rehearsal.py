# SPDX-License-Identifier: MIT
"""A configuration is read and checked in a child, which may wait, crash or run out of memory: the
master serves on, stops when it is asked to, and refuses what the child could not finish."""

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

import pytest

from harness import (BUILD, EX_CONFIG, EX_OK, Tcpd, configuration, free_port, injected,
                     proc_children, proc_state, run, service, steal_listener, wait_for)

MODULE = BUILD / "tests" / "modules" / "faulty.so"
ECHO = service("echo", min_workers=2, max_workers=2, spare_workers=0)


def trying(directory, *options, **more):
    """A configuration whose module does that in open()."""
    at = directory / "faulty.so"
    if not at.exists():
        shutil.copyfile(MODULE, at)
        at.chmod(0o755)
    return configuration(ECHO, service("faulty", "module", module=at, min_workers=1,
                                       module_options=list(options)), **more)


def children_but(daemon, workers):
    """What the master has started besides its workers."""
    return set(proc_children(daemon.pid)) - set(workers)


def begin(daemon, conf):
    """A reload whose check has begun; the process that checks."""
    workers = daemon.workers()
    daemon.path.write_text(conf)
    daemon.signal(signal.SIGHUP)
    daemon.wait_notify(lambda m: m.get("RELOADING") == "1")
    return wait_for(lambda: children_but(daemon, workers), what="the check").pop()


def test_check_that_hangs(tcpd, tmp_path):
    """The master replaces workers, serves and pings meanwhile; at reload_timeout it refuses, names
    what was waited for, and leaves no process behind."""
    with tcpd(configuration(ECHO, reload_timeout="3s"), watchdog_usec=1000000) as daemon:
        begin(daemon, trying(tmp_path, "open=sleep"))
        begun = time.monotonic()
        [victim, _] = daemon.workers()[:2]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: victim not in daemon.workers("echo") and len(daemon.workers("echo")) == 2,
                 what="another worker")
        assert daemon.is_serving()
        since = len(daemon.notifications.items)
        daemon.wait_notify(lambda m: m.get("WATCHDOG") == "1", since=since)
        daemon.wait_log(r"has not ended after 3s \(reload_timeout\): it waits for the module .*"
                        r"faulty\.so")
        daemon.wait_log("reload failed; the old configuration stays in force")
        assert time.monotonic() - begun >= 2.5
        wait_for(lambda: not children_but(daemon, daemon.workers()), what="the check's end")
        assert daemon.is_serving()
        daemon.reload(configuration(ECHO))
        daemon.wait_log(": reloaded$")


def test_signals_to_all_processes_during_a_check(tcpd, tmp_path):
    """systemctl kill -s HUP, pkill -USR1: they are for the master alone."""
    with tcpd(configuration(ECHO, reload_timeout="1500ms")) as daemon:
        child = begin(daemon, trying(tmp_path, "open=sleep"))
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN, signal.SIGINT):
            os.kill(child, number)
        daemon.wait_log(r"the check has not ended after 1s 500ms \(reload_timeout\)")


def test_late_check_without_descriptors(tcpd, tmp_path):
    """It is ended all the same."""
    with tcpd(configuration(ECHO, reload_timeout="2s")) as daemon:
        child = begin(daemon, trying(tmp_path, "open=sleep"))
        before = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        daemon.wait_log("has not ended after 2s")
        wait_for(lambda: proc_state(child) in (None, "Z"), what="the check's end")
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, before)
        assert daemon.is_serving()


def test_listener_shut_down_during_a_check(tcpd, tmp_path):
    """It listens again within a second or two, whatever the check waits for."""
    with tcpd(configuration(ECHO, reload_timeout="60s")) as daemon:
        begin(daemon, trying(tmp_path, "open=sleep"))
        with steal_listener(daemon) as holder:
            holder.shutdown(socket.SHUT_RDWR)
        daemon.wait_log("shut the listener down; listening again")
        assert daemon.is_serving()
        assert not daemon.log_matches("reload failed")


def test_stop_during_a_check(tcpd, tmp_path):
    with tcpd(configuration(ECHO)) as daemon:
        begin(daemon, trying(tmp_path, "open=sleep"))
        began = time.monotonic()
        assert daemon.stop() == EX_OK
        assert time.monotonic() - began < 8, "it has waited for the check"


def test_stop_as_a_module_begins(tcpd, tmp_path):
    """The process that tries it learns of the end of its parent, though that came first."""
    late = injected("prctl:delay_enter=500000", follow=True)
    with tcpd(configuration(ECHO), prefix=late) as daemon:
        def trial():
            return [pid for child in proc_children(daemon.pid) for pid in proc_children(child)]

        begin(daemon, trying(tmp_path, "open=sleep"))
        [process] = wait_for(trial, what="the process that tries the module")
        daemon.signal(signal.SIGTERM)
        try:
            wait_for(lambda: proc_state(process) in (None, "Z"), what="its end")
        finally:
            if proc_state(process):
                os.kill(process, signal.SIGKILL)
        assert daemon.wait_exit() == EX_OK


def test_reload_during_a_check(tcpd, tmp_path):
    """Whoever asks while files are being read gets another reading."""
    with tcpd(configuration(ECHO, reload_timeout="1s")) as daemon:
        child = begin(daemon, trying(tmp_path, "open=sleep"))
        wait_for(lambda: proc_children(child), what="the trial, so all was read")
        daemon.path.write_text(configuration(ECHO, service("late", "echo")))
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("reload failed")
        daemon.wait_log(": reloaded$")
        assert daemon.is_serving("late")


def test_check_that_crashes(tcpd, tmp_path):
    with tcpd(configuration(ECHO)) as daemon:
        daemon.reload(trying(tmp_path, "open=parent"))
        daemon.wait_log(r"cannot be checked: .*(SEGV|status 1\b)")  # a sanitizer exits
        assert daemon.is_serving()


def test_same_bytes(tcpd, tmp_path):
    """What was checked is what is served: files that change meanwhile are not read again."""
    with tcpd(configuration(ECHO)) as daemon:
        daemon.reload(trying(tmp_path, f"spoil={daemon.path}"))
        daemon.wait_log(": reloaded$")
        assert daemon.path.stat().st_size == 1
        assert daemon.is_serving("faulty")


def test_reload_without_memory(tcpd):
    with tcpd(configuration(ECHO)) as daemon:
        if "asan" in open(f"/proc/{daemon.pid}/maps").read():
            pytest.skip("ASan takes terabytes of address space")
        status = open(f"/proc/{daemon.pid}/status").read()
        size = int(re.search(r"VmSize:\s+(\d+)", status)[1]) * 1024
        for spare in (0, 64 * 1024, 256 * 1024, 700 * 1024, 1 << 20):
            bound = size + spare
            resource.prlimit(daemon.pid, resource.RLIMIT_AS, (bound, resource.RLIM_INFINITY))
            daemon.reload()
            assert daemon.is_serving()
        daemon.wait_log("cannot be (checked|read): .*([Oo]ut of memory|Cannot allocate)")
        resource.prlimit(daemon.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        since = len(daemon.log.items)
        daemon.reload()
        daemon.wait_log(": reloaded$", since=since)


def test_stop_during_the_start(tmp_path):
    """TERM while the first check is under way ends tcpd at once, with 0."""
    with Tcpd(trying(tmp_path, "open=sleep")) as daemon:
        wait_for(lambda: proc_children(daemon.pid), what="the check")
        began = time.monotonic()
        assert daemon.stop() == EX_OK
        assert time.monotonic() - began < 5


def test_reload_during_the_start(tmp_path):
    """HUP while the first check is under way is a reload after it."""
    with Tcpd(trying(tmp_path, f"until={tmp_path}/released")) as daemon:
        wait_for(lambda: proc_children(daemon.pid), what="the check")
        daemon.signal(signal.SIGHUP)
        (tmp_path / "released").touch()
        daemon.wait_ready()
        daemon.wait_log(": reloaded$")


def test_module_that_does_not_open(tmp_path):
    """The start, a reload and -t say the same."""
    conf = trying(tmp_path, "open=fail")
    path = tmp_path / "tcpd.conf"
    path.write_text(conf)
    wrong = r"tcpd\.conf:\d+: module \".*faulty\.so\" of service \"faulty\": its open\(\) returned"
    status, _, log = run("-c", str(path), "-t")
    assert status == EX_CONFIG
    assert re.search(wrong, log)
    with Tcpd(conf) as daemon:
        daemon.wait_ready()
        daemon.wait_log(f"{wrong}.*; the service is left out")
    with Tcpd(configuration(ECHO)) as daemon:
        daemon.wait_ready()
        daemon.reload(conf)
        daemon.wait_log(wrong)
        daemon.wait_log("reload failed; the old configuration stays in force")


@pytest.mark.at_once
@pytest.mark.skipif(subprocess.run(["unshare", "-rnm", "true"], check=False).returncode != 0,
                    reason="no namespaces: unshare -rnm is refused")
def test_silent_name_server(tmp_path):
    """Name servers that do not answer hold up nobody but the check."""
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.53\noptions timeout:30 attempts:5\n")
    setup = ("ip link set lo up && mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"")
    prefix = ["unshare", "-nm", "sh", "-ec", setup, str(resolv)]
    if os.geteuid() != 0:
        prefix.insert(1, "-r")
    # Somebody takes the question, and is silent: else the kernel refuses it.
    silent = ("import socket, sys, os; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
              "s.bind(('127.0.0.53', 53)); os.set_inheritable(s.fileno(), True);"
              "os.execvp(sys.argv[1], sys.argv[1:])")
    path = str(tmp_path / "echo.sock")
    conf = configuration(service("echo", listen=(f"unix:{path}",)), reload_timeout="2s")
    with Tcpd(conf, prefix=[*prefix, "python3", "-c", silent]) as daemon:
        daemon.wait_ready()
        port = free_port()
        begin(daemon, configuration(service("echo", listen=(f"unix:{path}",
                                                            f"backend.example.org:{port}"))))
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(path)
            sock.sendall(b"here?")
            assert sock.recv(16) == b"here?"
        daemon.wait_log(rf"it waits for an address to listen on, backend\.example\.org:{port}")
        daemon.wait_log("reload failed")
        assert daemon.stop() == EX_OK


def test_what_was_read_is_taken_at_once():
    """Nothing waits for the master's next look of its own, which is a second away: thirty reloads,
    one after the other, are done in a fraction of that for each."""
    with Tcpd(configuration(service("echo", min_workers=2))) as daemon:
        daemon.wait_ready()
        begun = time.monotonic()
        for _ in range(30):
            daemon.reload()
        assert time.monotonic() - begun < 15
        assert daemon.stop() == EX_OK
