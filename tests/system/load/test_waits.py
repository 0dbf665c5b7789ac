# SPDX-License-Identifier: MIT
"""Nothing makes the master wait: who reads its messages, the service manager, whoever talks to it.
Each of them stalls here, and the master starts, grows, reloads, replaces the dead and stops."""

import contextlib
import fcntl
import os
import pty
import re
import resource
import signal
import socket
import termios
import threading
from pathlib import Path

import pytest

import harness
from harness import PATIENCE, Tcpd, configuration, service, wait_for
from test_syscalls import UNTRACEABLE, needs_strace

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


# --- Standard error ----------------------------------------------------------------------------

class Reader:
    """The far end of a standard error, which reads nothing until it is told to."""

    def __init__(self, kind):
        if kind == "socket":
            near, far = socket.socketpair()
            self.far, self.near = far.detach(), near.detach()
        elif kind == "pipe":
            self.far, self.near = os.pipe()
        else:
            self.far, self.near = pty.openpty()
        self.text = b""

    def fill(self, leave):
        """Until there is room for about so many bytes."""
        other = os.open(f"/proc/self/fd/{self.near}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY) \
            if not self.is_socket() else None
        with contextlib.suppress(BlockingIOError):
            while True:
                if other is None:
                    socket.socket(fileno=os.dup(self.near)).send(b"\n" * 64, socket.MSG_DONTWAIT)
                else:
                    os.write(other, b"\n" * 64)
        if other is not None:
            os.close(other)
        while leave > 0:
            leave -= len(os.read(self.far, leave))

    def is_socket(self):
        return os.readlink(f"/proc/self/fd/{self.near}").startswith("socket:")

    def start(self):
        """Reads from now on."""
        def read():
            with contextlib.suppress(OSError):
                while chunk := os.read(self.far, 65536):
                    self.text += chunk

        self.thread = threading.Thread(target=read, daemon=True)
        self.thread.start()

    def lines(self):
        return [line for line in self.text.decode().splitlines() if line]

    def close(self):
        with contextlib.suppress(OSError):
            os.close(self.near)
        if hasattr(self, "thread"):
            self.thread.join(PATIENCE)
        os.close(self.far)



def takes_signals(daemon):
    """True when the master has taken all signals that it was sent."""
    text = Path(f"/proc/{daemon.pid}/status").read_text()
    return int(re.search(r"^ShdPnd:\s+(\w+)", text, re.M)[1], 16) == 0


READERS = [("terminal", None), ("terminal", NOBODY), ("pipe", None), ("pipe", NOBODY), ("socket", None),
           ("socket", NOBODY)]


@pytest.mark.parametrize(("kind", "prefix"), READERS,
                         ids=[f"{kind}{'-of-others' if p else ''}" for kind, p in READERS])
def test_reader_of_text_that_stalls(kind, prefix):
    """B58: a terminal, a pipe, a socket that has some room left, or is of another user and cannot be
    opened anew: nobody waits; what was lost is counted, and the count is a line of its own."""
    if prefix and not harness.can_become_others():
        pytest.skip("needs root, to become somebody else")
    reader = Reader(kind)
    flags = fcntl.fcntl(reader.near, fcntl.F_GETFL)
    conf = configuration(service("echo", min_workers=2, spare_workers=0), log_sessions="all")
    try:
        daemon = Tcpd(conf, prefix=prefix or (), preexec=lambda: os.dup2(reader.near, 2))
        daemon.wait_ready()
        reader.fill(leave=4096 + 700 if kind == "pipe" else 700)
        for _ in range(60):
            daemon.signal(signal.SIGUSR1)
            wait_for(lambda: takes_signals(daemon), what="the master's next turn")
        worker = daemon.workers()[0]
        os.kill(worker, signal.SIGKILL)
        daemon.wait_workers(lambda pids: len(pids) == 2 and worker not in pids)
        assert daemon.is_serving()
        daemon.reload()
        reader.start()
        wait_for(lambda: (daemon.signal(signal.SIGUSR1) or any(
            re.fullmatch(r"tcpd: [1-9]\d* log records? dropped", line)
            for line in reader.lines())), what="count of lost records")
        assert fcntl.fcntl(reader.near, fcntl.F_GETFL) == flags, "the description is everybody's"
        assert daemon.stop() == 0
        wait_for(lambda: "tcpd: stopped" in reader.lines(), what="last words")
    finally:
        reader.close()


# --- A file that takes no more, a disk that is full ---------------------------------------------

def test_log_file_at_its_limit(tmp_path):
    """RLIMIT_FSIZE: the file is full and SIGXFSZ ends nobody; once there is room again, the count of
    what was lost is a line of its own."""
    limit = 300 << 20
    path = tmp_path / "log"
    path.touch()
    os.truncate(path, limit - 700)
    log = os.open(path, os.O_WRONLY | os.O_APPEND)
    conf = configuration(service("echo", min_workers=2, spare_workers=0), log_sessions="all")
    try:
        daemon = Tcpd(conf, prefix=["prlimit", f"--fsize={limit}"], preexec=lambda: os.dup2(log, 2))
        daemon.wait_ready()
        workers = daemon.workers()
        for _ in range(12):
            assert daemon.is_serving()
            daemon.signal(signal.SIGUSR1)
            wait_for(lambda: takes_signals(daemon), what="the master's next turn")
        wait_for(lambda: path.stat().st_size == limit, what="a full file")
        assert daemon.workers() == workers
        daemon.reload()
        os.truncate(path, 0)
        wait_for(lambda: (daemon.signal(signal.SIGUSR1) or re.search(
            r"^tcpd: [1-9]\d* log records? dropped$", path.read_text(), re.M)), what="the count")
        assert daemon.stop() == 0
    finally:
        os.close(log)


def test_log_on_a_full_disk():
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with Tcpd(configuration(service("echo"), log_sessions="all"),
                  preexec=lambda: os.dup2(full, 2)) as daemon:
            daemon.wait_ready()
            assert daemon.is_serving()
            daemon.reload()
            assert daemon.stop() == 0
    finally:
        os.close(full)


# --- A terminal that is closed ------------------------------------------------------------------

def on_terminal(conf, prefix=()):
    """A daemon that has a controlling terminal, as its session's leader unless the prefix is."""
    far, near = pty.openpty()

    def prepare():
        os.setsid()
        fcntl.ioctl(near, termios.TIOCSCTTY, 0)
        os.dup2(near, 0)
        os.dup2(near, 2)

    daemon = Tcpd(conf, prefix=prefix, preexec=prepare).wait_ready()
    os.close(near)
    return daemon, far


SHELLS = [[], ["sh", "-c", '"$@"; exit', "sh"], ["bash", "-ic", '"$@"; exit', "bash"]]


@pytest.mark.parametrize("prefix", SHELLS, ids=["leader", "sh", "bash"])
def test_terminal_is_closed(prefix):
    """The session in progress ends as it should, and nobody new is served; kill -HUP is a reload."""
    daemon, far = on_terminal(configuration(service("echo")), prefix)
    with daemon, daemon.connect("echo") as client:
        master = next(pid for pid in harness.process_tree(daemon.pid)
                      if os.path.samefile(f"/proc/{pid}/exe", harness.TCPD))
        daemon.known.update(harness.process_tree(master))
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        since = len(daemon.notifications.items)
        os.kill(master, signal.SIGHUP)
        daemon.wait_notify(lambda m: "READY" in m, since=since)
        os.close(far)
        daemon.wait_notify(lambda m: "STOPPING" in m, since=since)
        client.sendall(b"y")
        assert client.recv(1) == b"y"
        client.close()
        wait_for(lambda: harness.proc_state(master) in (None, "Z"), what="the master's exit")


def test_reload_by_the_shell_without_descriptors():
    """A terminal that cannot be looked at is not one that has gone: a shell's HUP is a reload, which
    fails, and not a stop."""
    shell = ["sh", "-c", '"$@" & trap "kill -HUP $!" USR1; wait; wait', "sh"]
    daemon, far = on_terminal(configuration(service("echo")), shell)
    with daemon:
        master, = harness.proc_children(daemon.pid)
        before = resource.prlimit(master, resource.RLIMIT_NOFILE)
        resource.prlimit(master, resource.RLIMIT_NOFILE, (3, before[1]))
        os.kill(daemon.pid, signal.SIGUSR1)
        wait_for(lambda: b"reload failed" in os.read(far, 4096), what="a reload that fails")
        resource.prlimit(master, resource.RLIMIT_NOFILE, before)
        assert daemon.is_serving()
    os.close(far)


def test_terminal_is_closed_after_nohup():
    """It stays, and kill -HUP goes on being a reload."""
    daemon, far = on_terminal(configuration(service("echo")),
                              ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"])
    with daemon:
        os.close(far)
        wait_for(lambda: takes_signals(daemon), what="the hang-up is seen")
        daemon.reload()
        assert daemon.is_serving()
        assert daemon.stop() == 0


# --- The service manager -----------------------------------------------------------------------

class Unheard(Tcpd):
    """A daemon whose messages to the service manager find no room, until they are read."""

    def __init__(self, conf, **options):
        self.reading = threading.Event()
        super().__init__(conf, **options)

    def _open_notify(self):
        path = super()._open_notify()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, \
                contextlib.suppress(BlockingIOError):
            while True:
                sender.sendto(b"X_FULL=1", socket.MSG_DONTWAIT, path)
        return path

    def _read_notify(self):
        self.reading.wait()
        super()._read_notify()

    def read(self):
        self.reading.set()

    def steps(self):
        """The messages but those that the clock repeats, as lists of names."""
        return [[name for name in message if name not in ("STATUS", "MONOTONIC_USEC")]
                for message in self.notifications.items
                if not {"X_FULL", "WATCHDOG", "EXTEND_TIMEOUT_USEC"} & set(message)]

    def cleanup(self):
        self.read()
        super().cleanup()


def hang_up(daemon, times):
    """Reloads, seen in the log."""
    for _ in range(times):
        n = len(daemon.log_matches("^tcpd: reloaded$"))
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: len(daemon.log_matches("^tcpd: reloaded$")) > n, what="reload")


def lone_idle_worker(daemon, n):
    """Of n workers the one without a connection; None: there is none, or one is still being set up."""
    n_fds = {pid: len(harness.proc_fds(pid)) for pid in daemon.workers()}
    idle = [pid for pid, fds in n_fds.items() if fds == min(n_fds.values())]
    return idle[0] if len(n_fds) == n and len(idle) == 1 else None


def test_manager_that_does_not_read():
    """The master starts, reloads, grows and replaces a dead worker meanwhile. Then the manager hears
    of the last reload, that it is over, and the newest status."""
    with Unheard(configuration(service("echo", min_workers=2, spare_workers=1))) as daemon:
        port = int(daemon.wait_log(r"echo 127\.0\.0\.1:(\d+): listening")[1])
        daemon.wait_log("ready: ")
        hang_up(daemon, 6)
        with contextlib.ExitStack() as stack:
            for n in range(1, 6):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
                client.sendall(b"x")
                assert client.recv(1) == b"x"
                daemon.wait_workers(lambda pids: len(pids) > n)
            idle = wait_for(lambda: lone_idle_worker(daemon, 6))
            os.kill(idle, signal.SIGKILL)
            daemon.wait_workers(lambda pids: idle not in pids and len(pids) > 5)
            daemon.read()
            daemon.wait_notify(lambda m: " 5 busy" in m.get("STATUS", ""))
            daemon.wait_notify(lambda m: "READY" in m)
            assert daemon.steps()[:2] == [["RELOADING"], ["READY"]]
            assert sum("READY" in step for step in daemon.steps()) == 1
        assert daemon.stop() == 0


def test_manager_that_does_not_read_until_the_end():
    """TERM ends it all the same; of what is owed the manager hears what there is room for then."""
    with Unheard(configuration(service("echo"))) as daemon:
        port = int(daemon.wait_log(r"echo 127\.0\.0\.1:(\d+): listening")[1])
        daemon.wait_log("ready: ")
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
            daemon.signal(signal.SIGTERM)
            daemon.wait_log("stopping: draining")
            daemon.read()
            daemon.wait_notify(lambda m: "STOPPING" in m)
            assert daemon.steps()[:2] == [["READY"], ["STOPPING"]]
        assert daemon.wait_exit() == 0
    with Unheard(configuration(service("echo"))) as daemon:
        daemon.wait_log("ready: ")
        assert daemon.stop() == 0


def test_manager_that_does_not_read_is_given_the_listeners():
    """FDSTORE=1 of forty listeners, of which ten go while nobody reads: what is stored in the end is
    the thirty."""
    ports = [harness.free_port() for _ in range(40)]

    def conf(n):
        return configuration(service("echo", listen=[f"127.0.0.1:{port}" for port in ports[:n]],
                                     min_workers=1, spare_workers=0))

    def stored():
        names = set()
        for message in daemon.notifications.items:
            if "FDSTORE" in message:
                names.add(message["FDNAME"])
            if "FDSTOREREMOVE" in message:
                names.discard(message["FDNAME"])
        return names

    with Unheard(conf(40), env={"FDSTORE": "100"}) as daemon:
        daemon.wait_log("ready: ")
        daemon.path.write_text(conf(30))
        hang_up(daemon, 1)
        wait_for(lambda: not harness.has_tcp("127.0.0.1", ports[39]), what="the last one is closed")
        daemon.read()
        wait_for(lambda: len(stored()) == 30, what="thirty stored listeners")
        assert not any(str(port) in name for name in stored() for port in ports[30:])
        assert daemon.stop() == 0


# --- A worker ----------------------------------------------------------------------------------

LATE = ["strace", "-D", "-qq", "-o", "/dev/null", "-e", "trace=epoll_wait,preadv2",
        "-e", "inject=epoll_wait:delay_exit=200000"]


@needs_strace
@pytest.mark.parametrize("more", [[], ["-e", "inject=preadv2:error=EPERM"]],
                         ids=["read", "unread"])
def test_worker_that_reads_what_wakes_the_master(more):
    """HOSTILE: the eventfd is everybody's: O_NONBLOCK is cleared, and what the master was woken for
    is gone when it comes to read it, be it that a filter keeps it from reading without a wait."""
    with harness.start(configuration(service("echo")), prefix=[*LATE, *more],
                       env=UNTRACEABLE) as daemon:
        worker = daemon.workers()[0]
        number = next(n for n, to in harness.proc_fds(worker).items() if "[eventfd]" in to)
        fd = harness.taken_fd(worker, number)
        try:
            os.set_blocking(fd, True)
            for _ in range(5):
                os.eventfd_write(fd, 1)
                wait_for(lambda: harness.proc_state(daemon.pid) == "t", what="the master wakes")
                with contextlib.suppress(BlockingIOError):
                    os.preadv(fd, [bytearray(8)], -1, os.RWF_NOWAIT)
            daemon.reload()
            assert daemon.is_serving()
            assert daemon.stop() == 0
        finally:
            os.close(fd)
