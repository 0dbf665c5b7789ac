# SPDX-License-Identifier: MIT
"""System calls that fail once, now and then or always: what the master wants is done all the same."""

import contextlib
import os
import resource
import signal
import tempfile
import time
from pathlib import Path

import pytest

from harness import (EX_OK, EX_OSERR, Tcpd, Text, Timeout, can_become_others, configuration, injected,
                     proc_cpu_seconds, proc_state, read_all, read_exactly, reset, service, wait_for)
from programs import ACCEPTS, listener, program, write_python

ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
NO_LEAKS = {"LSAN_OPTIONS": "detect_leaks=0"}  # it does not work where strace is at work


@pytest.mark.parametrize("when", ["1", "1..3"])
def test_term_that_could_not_be_sent(tcpd, when):
    """Issue 12: kill() fails for the TERM of a reload: it is sent again, until it was sent."""
    prefix = injected(f"kill:error=EPERM:when={when}")
    with tcpd(configuration(service("echo", **ONE)), prefix=prefix) as daemon:
        [old] = daemon.workers()
        daemon.reload()
        wait_for(lambda: proc_state(old) is None, what="end of the old worker")
        assert daemon.stop() == EX_OK


def test_term_for_a_program_that_could_not_be_sent(tcpd, tmp_path):
    """Issue 12: the same for a program in a worker's place, which gets TERM once only."""
    path = tmp_path / "accepts.py"
    write_python(path, ACCEPTS)
    prefix = injected("kill:error=EPERM:when=1..2")
    with tcpd(configuration(listener([str(path)], min_workers=1)), prefix=prefix) as daemon:
        wait_for(lambda: daemon.exchange("program"), what="an answer")
        [old] = daemon.workers()
        daemon.reload()
        wait_for(lambda: proc_state(old) is None, what="end of the old copy")


@pytest.mark.parametrize("error", ["EINTR", "EINVAL", "ENOMEM"])
def test_dead_workers_that_could_not_be_reaped(tcpd, error):
    """Issue 12: only ECHILD says that there is no child: no zombies, and a stop that ends."""
    prefix = injected(f"waitid:error={error}:when=1..3")
    with tcpd(configuration(service("echo", **ONE)), prefix=prefix) as daemon:
        [old] = daemon.workers()
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: proc_state(old) is None, what="no zombie")
        assert daemon.is_serving()
    with tcpd(configuration(service("echo")), prefix=prefix) as daemon:
        assert daemon.stop() == EX_OK


@pytest.mark.parametrize("error", ["EOPNOTSUPP", "ENOSYS", "EPERM", "ENOMEM", "EINVAL"])
def test_wake_that_could_not_be_read_without_waiting(tcpd, error):
    """A filter of system calls: it stays unread, and the master sleeps until the next one."""
    with tcpd(configuration(service("echo")), prefix=injected(f"preadv2:error={error}")) as daemon:
        assert daemon.is_serving()
        daemon.reload()
        assert daemon.is_serving()
        before = proc_cpu_seconds(daemon.pid)
        with pytest.raises(Timeout):
            daemon.wait_exit(1)
        assert proc_cpu_seconds(daemon.pid) - before < 0.5
        assert daemon.stop() == EX_OK


def test_what_the_masters_is_could_not_be_closed():
    """Issue 12: a worker that keeps the master's descriptors does not serve."""
    prefix = injected("close_range:error=ENOSYS", follow=True)
    with Tcpd(configuration(service("echo")), prefix=prefix) as daemon:
        assert daemon.wait_exit() == EX_OSERR
        daemon.wait_log("cannot be set up: Function not implemented")


def test_time_to_stop_ends_with_the_last_kill(tcpd):
    """Issue 12: who outlives KILL is systemd's: no more EXTEND_TIMEOUT_USEC."""
    prefix = injected("kill:error=EPERM", "rt_sigqueueinfo:error=EPERM")
    conf = configuration(service("echo"), stop_timeout="1s", stop_idle_timeout=0)
    with tcpd(conf, prefix=prefix) as daemon, daemon.connect("echo") as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        daemon.signal(signal.SIGTERM)
        daemon.wait_log(Text.not_in_time)
        begin = time.monotonic()
        counts = {}
        while time.monotonic() - begin < 4:  # STATUS= comes, or nothing does
            n = sum("EXTEND_TIMEOUT_USEC" in m for m in daemon.notifications.items)
            counts.setdefault(n, time.monotonic() - begin)
            with contextlib.suppress(AssertionError):
                daemon.wait_notify(lambda m: "EXTEND_TIMEOUT_USEC" in m, 0.5,
                                   since=len(daemon.notifications.items))
        assert max(counts.values()) < 1, counts
        assert daemon.process.poll() is None


def test_manager_is_told_without_a_descriptor(tcpd):
    """A master that is out of descriptors feeds the watchdog, and says that it has reloaded."""
    with tcpd(configuration(service("echo", **ONE)), watchdog_usec=1_000_000) as daemon:
        limit = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (0, limit[1]))
        since = len(daemon.notifications.items)
        for _ in range(2):
            daemon.wait_notify(lambda m: m.get("WATCHDOG") == "1", since=since)
            since = len(daemon.notifications.items)
        daemon.reload()  # which is refused
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limit)
        assert daemon.is_serving()


def test_path_that_could_not_be_bound_anew(tcpd, tmp_path):
    """The reload is done without it, and it comes back as soon as it can."""
    path = tmp_path / "s"
    prefix = injected("flock:error=ENOLCK:when=2..3")
    with tcpd(configuration(service("echo", listen=f"unix:{path}")), prefix=prefix) as daemon:
        path.unlink()
        daemon.reload()
        daemon.wait_log("nobody can connect: No locks available")
        daemon.wait_log("its path has gone or is another's; listening again")
        assert daemon.is_serving()
        daemon.reload()
        assert daemon.is_serving()


def test_address_that_the_kernel_does_not_tell(tcpd, tmp_path):
    """It is as asked for, and a unix socket is one."""
    path = tmp_path / "s"
    prefix = injected("getsockname:error=ENOBUFS")
    with tcpd(configuration(service("echo", listen=f"unix:{path}")), prefix=prefix) as daemon:
        assert daemon.is_serving()
        path.unlink()
        daemon.reload()
        daemon.wait_log("it is bound anew")
        assert daemon.is_serving()


@pytest.fixture
def anyones():
    """A directory that others may write to, and enter."""
    with tempfile.TemporaryDirectory(prefix="anyones-") as directory:
        path = Path(directory)
        path.chmod(0o777)
        yield path


@pytest.mark.skipif(not can_become_others(), reason="needs root")
def test_path_that_could_not_be_opened(anyones):
    """A start that fails between bind() and the socket's mode leaves nothing that would keep an
    ordinary user from the next one."""
    conf = configuration(service("echo", listen=f"unix:{anyones}/s"))
    user = ["setpriv", "--reuid=65534", "--clear-groups"]
    own = ["-P", anyones, "-P", f"{anyones}/s"]  # of no other path: their number varies
    fails = injected("openat:error=EMFILE:when=3", only=own)  # its folder, its lock, the socket
    with Tcpd(conf, prefix=[*fails, *user], env=NO_LEAKS) as daemon:
        assert daemon.wait_exit() == EX_OSERR
    with Tcpd(conf, prefix=user) as daemon:
        assert daemon.wait_ready().is_serving()


def test_path_that_comes_back_by_itself(tcpd, tmp_path):
    """Nothing is bound anew, and nothing is said to be wrong, once it leads to the listener again."""
    path = tmp_path / "s"
    prefix = injected("flock:error=ENOLCK:when=2+")
    with tcpd(configuration(service("echo", listen=f"unix:{path}")), prefix=prefix) as daemon:
        path.rename(tmp_path / "elsewhere")
        daemon.reload()
        daemon.wait_log("cannot listen again: No locks available")
        (tmp_path / "elsewhere").rename(path)
        n = len(daemon.log.items)
        assert daemon.is_serving()
        daemon.reload()
        assert daemon.is_serving()
        assert not any("path" in line for line in daemon.log.items[n:])


# --- Programs ----------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", ["connection", "prestart"])
@pytest.mark.parametrize("error", ["EAGAIN", "ENOMEM"])
def test_program_for_which_there_is_no_process(tcpd, mode, error):
    """Issue 12: no process for a program: its client is served a moment later, nobody is dropped,
    and it is no failure of the worker."""
    prefix = injected(f"vfork:error={error}:when=1..3", follow=True)
    conf = configuration(program(["/bin/echo", "hi"], program_mode=mode, **ONE))
    with tcpd(conf, prefix=prefix) as daemon:
        [worker] = daemon.workers()
        for _ in range(3):
            assert daemon.exchange("program") == b"hi\n"
        assert daemon.workers() == [worker]
        assert not daemon.log_matches(Text.throttled)
        assert len(daemon.log_matches("cannot be executed")) == 1


@pytest.mark.parametrize("mode", ["connection", "prestart"])
def test_client_that_does_not_wait_for_a_process(tcpd, mode):
    """Issue 12: the worker is free as soon as the client is gone, or its time is over."""
    prefix = injected("vfork:error=EAGAIN", follow=True)
    conf = configuration(program(["/bin/echo", "hi"], program_mode=mode, session_timeout="2s", **ONE))
    with tcpd(conf, prefix=prefix) as daemon:
        with daemon.connect("program") as sock:
            daemon.wait_log("cannot be executed")
            reset(sock)
        daemon.wait_log("closed: reset by peer")
        with daemon.connect("program") as sock:
            assert read_all(sock) == b""
        daemon.wait_log("closed: session timeout")
        assert not daemon.log_matches(Text.throttled)


def test_bytes_that_the_program_cannot_be_given(tcpd):
    """Issue 12: only EPIPE and ECONNRESET say that it reads no more: the session fails, and why."""
    prefix = injected("sendto:error=ENOBUFS:when=1", follow=True)
    conf = configuration(program(["/bin/cat"], program_mode="prestart", **ONE))
    with tcpd(conf, prefix=prefix) as daemon:
        with daemon.connect("program") as sock:
            sock.sendall(b"lost?")
            assert read_all(sock) == b""
        daemon.wait_log("the program's socket failed: No buffer space available")
        daemon.wait_log("closed: failed")


def test_end_of_a_program_that_could_not_be_seen(tcpd):
    """Issue 12: wait4() fails once its SIGCHLD has come and gone: asked again."""
    prefix = injected("wait4:error=ENOMEM:when=1..4", follow=True)
    conf = configuration(program(["/bin/echo", "hi"], **ONE))
    with tcpd(conf, prefix=prefix) as daemon, daemon.connect("program", timeout=10) as sock:
        assert read_all(sock) == b"hi\n"
