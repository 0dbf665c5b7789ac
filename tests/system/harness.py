# SPDX-License-Identifier: MIT
"""The real daemon under test: start it, talk to it, look at its processes, always clean up.

Nothing sleeps blindly: whatever must happen is waited for with a deadline, in wait_for() or on a
condition. Every daemon has a directory of its own and ports that the kernel chose, so tests run
side by side. What the daemon says in words is matched by the patterns in Text, and nowhere else.
"""

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("TCPD_BUILD", Path(__file__).parents[2] / "build")).resolve()
TCPD = BUILD / "tcpd"
SANITIZED = b"__asan_init" in TCPD.read_bytes() if TCPD.exists() else False
STAGED = (BUILD / "tests/stage/plain.o").exists()  # see tests/stage/plain.c
SOAK = os.environ.get("TCPD_SOAK") == "full"
# A deadline for what should be a matter of milliseconds, on a machine under load.
PATIENCE = 60.0 if SANITIZED else 30.0
GRACE = 3.0  # for an end that may be as well without it

EX_OK, EX_USAGE, EX_NOHOST, EX_UNAVAILABLE = 0, 64, 68, 69
EX_OSERR, EX_NOPERM, EX_CONFIG = 71, 77, 78


class Text:
    """The wording of the daemon's log and status."""

    address = (r"(?P<name>[\w.-]+) (?P<address>(?:ws:)?unix[a-z-]*:/[^\s,;]+|"
               r"(?:(?:udp|tls|wss?):)?(?:\[[^\]\s]+\]|\*|[\w.]+):\d+)")
    # "echo 127.0.0.1:40123: listening, backlog 4096", "echo 127.0.0.1:40123: no longer listening"
    listener = re.compile(address + r": (?:listening,|(?P<ends>no longer) )")
    title = re.compile(rf"tcpd: {address} worker")
    counts = re.compile(
        r"(?P<workers>\d+) workers?: (?P<idle>\d+) idle, (?P<busy>\d+) busy, "
        r"(?P<draining>\d+) draining"
    )
    throttled = r"died early; the next one starts in|throttled"
    throttled_for = r"throttled for (\d+) ms"
    more_deaths = r"more workers? died"
    at_maximum = r"at its maximum|at maximum"
    fork_failed = r"cannot start a worker"
    stopped = r"\bstopped$"
    reload_failed = r"reload failed"
    nonblock = r"O_NONBLOCK"
    unclaimed = r"no service has that name"
    not_listening = r"neither a listening socket nor one for datagrams"
    not_in_time = r"stop_timeout is over"
    sanitizer = r"ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer"

    @staticmethod
    def death(pid, how):
        """The record of a worker's death: how is 'killed by signal 9 (KILL)' and the like."""
        return rf"worker {pid}\b.*{how}"

    @staticmethod
    def by_signal(number, name):
        return rf"(?:killed|dumped core) by signal {number} \({name}\)"

    out_of_files = r"exited with status \d+ \(out of files\)"

    @staticmethod
    def opened(service, peer):
        return rf"{service}: connection from {re.escape(peer)}$"

    @staticmethod
    def closed(service, peer, result=r"[\w ]+"):
        """The second line of a session; groups: result, the setting that has ended it, bytes in
        and out, seconds."""
        return (
            rf"{service}: connection from {re.escape(peer)} closed: (?P<result>{result})"
            r"(?: \((?P<setting>[a-z_]+ = [\w ]+)\))?, "
            r"(?P<bytes_in>\d+) bytes? in, (?P<bytes_out>\d+) bytes? out, (?P<seconds>[\d.]+) s"
        )

    @staticmethod
    def closed_why(result):
        """The same line of a session that a stage has ended; group: why."""
        return rf"closed: {result} \((?P<why>[^)]*)\), "


class Timeout(AssertionError):
    """Something did not happen before its deadline."""


def wait_for(predicate, deadline=PATIENCE, what=None):
    """Polls predicate until it is true and returns its value; Timeout after `deadline` seconds."""
    end = time.monotonic() + deadline
    pause = 0.001
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= end:
            said = what() if callable(what) else what or predicate
            raise Timeout(f"{said} did not happen within {deadline} s")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


# --- Processes ---------------------------------------------------------------------------------


def proc_stat(pid):
    """The fields of /proc/PID/stat after the name, from the state on; None: no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def wait_process(process, deadline):
    """Popen.wait() with a deadline, which pauses for up to 50 ms between its looks, without them."""
    end = time.monotonic() + deadline
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            fd = os.pidfd_open(process.pid)
            try:
                ended = select.poll()
                ended.register(fd, select.POLLIN)
                ended.poll(deadline * 1000)
            finally:
                os.close(fd)
    return process.wait(max(0, end - time.monotonic()))  # a tracer may not have let go of it yet


def system_call(pid):
    """The number of the system call that the process is blocked in, None when it runs or is gone."""
    with contextlib.suppress(OSError, ValueError):
        return int(Path(f"/proc/{pid}/syscall").read_text().split()[0])
    return None


def proc_state(pid):
    """'R', 'S', 'T', 'Z' ..., None when the process is gone."""
    stat = proc_stat(pid)
    return stat[0] if stat else None


def proc_cpu_seconds(pid):
    stat = proc_stat(pid)
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK") if stat else 0.0


def proc_families():
    """Parent → children that are alive (zombies are not), of all processes."""
    families = {}
    for entry in os.listdir("/proc"):
        stat = proc_stat(entry) if entry.isdigit() else None
        if stat and stat[0] not in "ZX":
            families.setdefault(int(stat[1]), []).append(int(entry))
    return families


def proc_children(pid):
    """Pids of the children that are alive."""
    return sorted(proc_families().get(pid, []))


def process_tree(pid):
    """The process and all below it, parents first."""
    families = proc_families()
    tree = [pid] if proc_state(pid) else []
    for parent in tree:
        tree += families.get(parent, [])
    return tree


def proc_title(pid):
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return line.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")


def proc_fds(pid):
    """Number to target of every open descriptor: {0: '/dev/null', 3: 'socket:[123]'}."""
    fds = {}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                fds[int(number)] = os.readlink(f"/proc/{pid}/fd/{number}")
    return fds


def proc_signals(pid):
    """The signal masks of /proc/PID/status: {'SigBlk': 0, 'SigIgn': ..., 'SigCgt': ...}."""
    text = Path(f"/proc/{pid}/status").read_text()
    masks = re.findall(r"^(Sig\w+):\s+([0-9a-f]+)$", text, re.M)
    return {name: int(mask, 16) for name, mask in masks}


TCP_STATES = {1: "ESTABLISHED", 4: "FIN_WAIT1", 5: "FIN_WAIT2", 6: "TIME_WAIT", 8: "CLOSE_WAIT",
              10: "LISTEN"}


def tcp_sockets():
    """What /proc/net/tcp and tcp6 tell: dicts with local and remote port, state, inode."""
    found = []
    for name in ("tcp", "tcp6"):
        with open(f"/proc/net/{name}") as table:
            for line in table.readlines()[1:]:
                fields = line.split()
                found.append({
                    "local": int(fields[1].rpartition(":")[2], 16),
                    "remote": int(fields[2].rpartition(":")[2], 16),
                    "state": TCP_STATES.get(int(fields[3], 16), fields[3]),
                    "inode": int(fields[9]),
                })
    return found


def tcp_far_end(sock):
    """(inode, bytes that wait unread) of the far end of a connection within this machine, None when
    there is none. Asks the kernel for that one socket, sock_diag(7): under load /proc/net/tcp has
    tens of thousands of lines."""
    (near_host, near), (far_host, far) = sock.getsockname()[:2], sock.getpeername()[:2]
    family = sock.family
    ends = struct.pack("!HH", far, near)
    for host in (far_host, near_host):
        ends += socket.inet_pton(family, host).ljust(16, b"\0")
    body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + ends + \
        struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as diag:  # NETLINK_SOCK_DIAG
        diag.send(struct.pack("=IHHII", 16 + len(body), 20, 1, 0, 0) + body)
        answer = diag.recv(4096)
    if struct.unpack_from("=H", answer, 4)[0] != 20 or TCP_STATES.get(answer[17]) == "LISTEN":
        return None
    unread, _, _, inode = struct.unpack_from("=IIII", answer, 16 + 4 + 48 + 4)
    return inode, unread


# --- Sockets -----------------------------------------------------------------------------------


def read_exactly(sock, size):
    """Exactly size bytes; what came so far when the peer ends before."""
    data = bytearray()
    while len(data) < size:
        chunk = sock.recv(min(size - len(data), 1 << 20))
        if not chunk:
            break
        data += chunk
    return bytes(data)


def read_all(sock):
    """Everything up to the peer's end."""
    data = bytearray()
    while chunk := sock.recv(1 << 20):
        data += chunk
    return bytes(data)


def reset(sock):
    """Closes with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def peer_name(sock):
    """How the daemon's log names the near end of a connection: '127.0.0.1:40123'."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def has_tcp(host, port):
    """True when something accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=5).close()
        return True
    except OSError:
        return False


# --- Configuration -----------------------------------------------------------------------------


def quoted(text):
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def setting(name, value):
    if isinstance(value, (list, tuple)):
        return f"{name} = {{" + ", ".join(quoted(item) for item in value) + "}"
    return f"{name} = {quoted(value)}"


def service(name, handler=None, listen=("127.0.0.1:0",), **options):
    """One section. The handler is the service's name unless given; listen=None leaves it out."""
    lines = [setting("handler", handler or name)]
    if listen is not None:
        lines.append(setting("listen", [listen] if isinstance(listen, str) else listen))
    lines += [setting(*option) for option in options.items()]
    return f'service "{name}" {{\n' + "".join(f"    {line}\n" for line in lines) + "}\n"


def configuration(*services, **options):
    """A whole file: global options, then sections."""
    return "".join(f"{setting(*option)}\n" for option in options.items()) + "".join(services)


# --- The daemon --------------------------------------------------------------------------------


class Listed:
    """Items that threads append and others wait for."""

    def __init__(self):
        self.items = []
        self.changed = threading.Condition()

    def append(self, item):
        with self.changed:
            self.items.append(item)
            self.changed.notify_all()

    def find(self, predicate, deadline, what, since=0):
        """The first item from index `since` on that predicate takes, waiting for it."""
        end = time.monotonic() + deadline
        with self.changed:
            at = since
            while True:
                for item in self.items[at:]:
                    if predicate(item):
                        return item
                at = max(since, len(self.items))
                left = end - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    if len(self.items) == at:
                        raise Timeout(f"{what} did not come within {deadline} s")


def parse_notify(datagram):
    return dict(line.partition("=")[::2] for line in datagram.decode().splitlines() if "=" in line)


# systemd's protocol wants the pid of the program itself.
ACTIVATE = 'LISTEN_PID=$$; export LISTEN_PID; exec "$@"'


class Tcpd:
    """One tcpd process with its configuration, log and notifications."""

    alive = []  # for the fixture that reports and cleans up
    leftovers = None  # ends what has the daemon's output open and is no tcpd

    def __init__(self, conf, *, binary=None, args=(), env=None, prefix=(), sockets=(), names=None,
                 notify=True, preexec=None, closed_fds=(), watchdog_usec=None):
        """conf: text of the configuration, or None for none. prefix: a command that runs the
        daemon (setpriv ...). sockets: listening sockets to hand over, as systemd does, names: their
        LISTEN_FDNAMES. closed_fds: standard descriptors closed at start."""
        self.directory = Path(tempfile.mkdtemp(prefix="tcpd-"))
        self.directory.chmod(0o777)
        self.path = self.directory / "tcpd.conf"
        self.log = Listed()
        self.notifications = Listed()
        self.exit_status = None
        self.threads = []
        self.known = set()
        command = [*prefix, str(binary or TCPD)]
        if conf is not None:
            self.path.write_text(conf)
            command += ["-c", str(self.path)]
        command += args
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LISTEN_")}
        if notify:
            environment["NOTIFY_SOCKET"] = self._open_notify()
        if watchdog_usec:
            environment["WATCHDOG_USEC"] = str(watchdog_usec)  # no WATCHDOG_PID: for any pid
        environment.update(env or {})
        if sockets:
            environment["LISTEN_FDS"] = str(len(sockets))
            if names is not None:
                environment["LISTEN_FDNAMES"] = ":".join(names)
            command = ["sh", "-c", ACTIVATE, "sh", *command]
        self._start(command, environment, sockets, preexec, closed_fds)

    def _start(self, command, environment, sockets, preexec, closed_fds):
        def prepare():
            # Descriptors go above the range first: their numbers may overlap with 3 and up.
            high = [fd_above(sock.fileno(), 100) for sock in sockets]
            for number, fd in enumerate(high, 3):
                os.dup2(fd, number, inheritable=True)
                os.close(fd)
            for fd in closed_fds:
                os.close(fd)
            if preexec:
                preexec()

        pass_fds = tuple(range(3, 3 + len(sockets)))
        with contextlib.ExitStack() as stack:
            for number in pass_fds:  # reserved, so that subprocess' own pipe does not sit there
                with contextlib.suppress(OSError):
                    os.fstat(number)
                    continue
                fd = os.open("/dev/null", os.O_RDONLY)
                if fd != number:
                    os.dup2(fd, number)
                    os.close(fd)
                stack.callback(os.close, number)
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=environment, pass_fds=pass_fds,  # without a function it need not copy itself
                preexec_fn=prepare if sockets or closed_fds or preexec else None)
        self.pid = self.process.pid
        Tcpd.alive.append(self)
        self.out = Listed()
        self.readers = [self._spawn_thread(self._read_lines, self.process.stderr, self.log),
                        self._spawn_thread(self._read_lines, self.process.stdout, self.out)]

    def _open_notify(self):
        self.notify_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = str(self.directory / "notify")
        self.notify_socket.bind(path)
        os.chmod(path, 0o777)
        self._spawn_thread(self._read_notify)
        return path

    def _spawn_thread(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        self.threads.append(thread)
        return thread

    def _read_notify(self):
        while datagram := self.notify_socket.recv(65536):
            self.notifications.append(parse_notify(datagram))

    @staticmethod
    def _read_lines(stream, into):
        for line in stream:
            into.append(line.decode(errors="backslashreplace").rstrip("\n"))

    # Life

    def wait_ready(self, deadline=PATIENCE):
        """Waits for READY=1; a daemon that exits instead is an error at once."""
        def ready():
            if any(message.get("READY") == "1" for message in self.notifications.items):
                return True
            if self.process.poll() is not None:
                raise AssertionError(f"exit status {self.process.returncode} before READY=1; "
                                     f"log:\n{self.log_text()}")
            return False

        try:
            wait_for(ready, deadline, "READY=1")
        except Timeout as late:
            raise Timeout(f"{late}; log:\n{self.log_text()}") from None
        return self

    def wait_exit(self, deadline=PATIENCE):
        """Waits for the end; the exit status, or minus the signal."""
        try:
            wait_process(self.process, deadline)
        except subprocess.TimeoutExpired:
            raise Timeout(f"tcpd did not exit within {deadline} s; processes "
                          f"{[(p, proc_state(p), proc_title(p)) for p in process_tree(self.pid)]};"
                          f" log:\n{self.log_text()}") from None
        for reader in self.readers:
            reader.join(1)  # what it said last; a program that outlives it may hold the pipe
        self.exit_status = self.process.returncode
        return self.exit_status

    def stop(self, deadline=PATIENCE):
        """TERM, and the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait_exit(deadline)

    def signal(self, number):
        self.process.send_signal(number)

    def stop_again(self):
        """A second TERM that is one: what comes within a second of the first is the same."""
        time.sleep(1.05)  # the time itself is meant
        self.signal(signal.SIGTERM)

    def kill(self):
        self.process.kill()

    def reload(self, conf=None, deadline=PATIENCE):
        """HUP, with a new text in the file if given. Returns the messages from RELOADING=1 to
        READY=1."""
        if conf is not None:
            self.path.write_text(conf)
        since = len(self.notifications.items)
        self.signal(signal.SIGHUP)
        self.wait_notify(lambda m: m.get("RELOADING") == "1", deadline, since=since)
        self.wait_notify(lambda m: m.get("READY") == "1", deadline, since=since)
        return self.notifications.items[since:]

    def cleanup(self):
        """Ends the daemon and every process below it, whatever state they are in. Where programs run
        it may end them itself first: what a program has started aside dies with nobody."""
        if Tcpd.leftovers and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                wait_process(self.process, GRACE)
        self.known.update(process_tree(self.pid))
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        killed = {pid for pid in self.known - {self.pid} if "tcpd" in proc_title(pid)}
        for pid in killed:  # which have no title while they exit
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(p in killed or "tcpd" in proc_title(p) for p in self.known
                                 if proc_state(p) not in (None, "Z", "X")), what="end of processes")
        if hasattr(self, "notify_socket"):
            with contextlib.suppress(OSError):
                self.notify_socket.shutdown(socket.SHUT_RD)
        for thread in self.threads:
            thread.join(PATIENCE / 6 if Tcpd.leftovers else PATIENCE)
            if thread.is_alive() and Tcpd.leftovers:
                Tcpd.leftovers()
                thread.join(PATIENCE)
        if hasattr(self, "notify_socket"):
            self.notify_socket.close()
        self.process.stdout.close()
        self.process.stderr.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        if self in Tcpd.alive:
            Tcpd.alive.remove(self)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if value is not None and not isinstance(value, (KeyboardInterrupt, pytest.skip.Exception)):
            value.add_note(self.describe())
        self.cleanup()

    # Log and status

    def log_text(self):
        return "\n".join(self.log.items)

    def describe(self):
        state = proc_state(self.pid)
        return (f"tcpd {self.pid} state {state} exit {self.process.returncode}, "
                f"last status: {self.status() or '-'}\n--- configuration\n"
                f"{self.path.read_text() if self.path.exists() else '-'}--- log\n"
                f"{self.log_text()}\n---")

    def wait_log(self, pattern, deadline=PATIENCE, since=0):
        """The match of a log line from line `since` on; tells the log when there is none."""
        regex = re.compile(pattern)
        try:
            line = self.log.find(regex.search, deadline, f"log line /{pattern}/", since)
        except Timeout as late:
            raise Timeout(f"{late}; log:\n{self.log_text()}") from None
        return regex.search(line)

    def log_matches(self, pattern):
        return [match for line in list(self.log.items) if (match := re.search(pattern, line))]

    def wait_notify(self, predicate, deadline=PATIENCE, since=0, what="notification"):
        return self.notifications.find(predicate, deadline, what, since)

    def status(self):
        """The text of the newest STATUS=, '' when there was none."""
        for message in reversed(self.notifications.items):
            if "STATUS" in message:
                return message["STATUS"]
        return ""

    def counts(self):
        """{'workers': 4, 'idle': 4, 'busy': 0, 'draining': 0} of the newest STATUS=."""
        match = Text.counts.search(self.status())
        return {k: int(v) for k, v in match.groupdict().items()} if match else {}

    # Where it listens

    @property
    def addresses(self):
        """Service name to its addresses, in a list each, as the log tells them; where that goes
        elsewhere, as the titles of the workers do."""
        found = {}
        for line in list(self.log.items):
            if match := Text.listener.search(line):
                its = found.setdefault(match["name"], [])
                if match["address"] in its:
                    its.remove(match["address"])
                if not match["ends"]:
                    its.append(match["address"])
        for pid in [] if found else sorted(process_tree(self.pid)):
            if match := Text.title.match(proc_title(pid)):
                its = found.setdefault(match["name"], [])
                if match["address"] not in its:
                    its.append(match["address"])
        return {name: its for name, its in found.items() if its}

    def address(self, name, family=None):
        """The first address of a service: (host, port), or the path of a unix socket. Its line of
        the log may be a moment behind."""
        texts = []
        with contextlib.suppress(Timeout):  # at once: titles come and go with their workers
            texts = wait_for(lambda: self.addresses.get(name), 5)
        for text in texts:
            if "unix" in text:
                address, its = text[text.index(":/") + 1:], socket.AF_UNIX
            else:
                host, _, port = re.sub(r"^(?:udp|tls|wss?):", "", text).rpartition(":")
                address = (host.strip("[]").replace("*", "::"), int(port))
                its = socket.AF_INET6 if ":" in host else socket.AF_INET
            if family in (None, its):
                return address
        raise KeyError(f"no address of {name}; log:\n{self.log_text()}")

    @property
    def ports(self):
        """Service name to the port of its first TCP address."""
        return {name: int(list_[0].rpartition(":")[2]) for name, list_ in self.addresses.items()
                if "unix" not in list_[0]}

    def connect(self, name, *, timeout=PATIENCE, family=None, rcvbuf=None, source=None):
        """A new connection to a service."""
        address = self.address(name, family)
        unix = isinstance(address, str)
        kind = socket.AF_UNIX if unix else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        messages = unix and f"unix-seqpacket:{address}" in self.addresses[name]
        sock = socket.socket(kind, socket.SOCK_SEQPACKET if messages else socket.SOCK_STREAM)
        sock.settimeout(timeout)
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if source:
            sock.bind(source)
        try:
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock

    def exchange(self, name, data=b"", **options):
        """Sends data, ends sending, returns all that comes back."""
        with self.connect(name, **options) as sock:
            if data:
                sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            return read_all(sock)

    def is_serving(self, name="echo"):
        """True when an echo service answers on a fresh connection."""
        return self.exchange(name, b"still there?\n") == b"still there?\n"

    # Its processes

    def workers(self, name=None):
        """Pids of the live workers, of one service if named."""
        pids = [pid for pid in proc_children(self.pid)
                if name is None or f" {name} " in f"{proc_title(pid)} "]
        self.known.update(pids)
        return pids

    def wait_workers(self, want, deadline=PATIENCE, name=None):
        """Waits until so many workers live, or until the predicate on their list is true."""
        test = want if callable(want) else lambda pids: len(pids) == want

        def look():
            pids = self.workers(name)
            return (pids,) if test(pids) else None  # a tuple: no workers may be what is wanted

        try:
            return wait_for(look, deadline, f"workers: {want}")[0]
        except Timeout as late:
            raise Timeout(f"{late}; now {self.workers(name)}; log:\n{self.log_text()}") from None

    def worker_serving(self, sock):
        """The worker that holds the far end of a TCP connection, waiting until one does."""
        def find():
            end = tcp_far_end(sock)
            if end and end[0]:  # none while it is in the queue
                link = f"socket:[{end[0]}]"
                for pid in self.workers():
                    if link in proc_fds(pid).values():
                        return pid
            return None

        return wait_for(find, what="worker serving a connection")


def fd_above(fd, lowest):
    return fcntl.fcntl(fd, fcntl.F_DUPFD, lowest)


def start(conf, **options):
    """A daemon that is ready."""
    daemon = Tcpd(conf, **options)
    try:
        return daemon.wait_ready()
    except BaseException:
        daemon.cleanup()
        raise


def activated(conf, sockets, names=None, **options):
    """A daemon with listening sockets handed over; ready."""
    return start(conf, sockets=sockets, names=names, **options)


def run(*args, conf=None, timeout=PATIENCE, **options):
    """Runs tcpd to its end; (exit status, standard output, standard error)."""
    with Tcpd(conf, args=args, **options) as daemon:
        status = daemon.wait_exit(timeout)
        for thread in daemon.threads[-2:]:
            thread.join(PATIENCE)
        return status, "\n".join(daemon.out.items), daemon.log_text()


@functools.cache
def can_become_others():
    """True when the tests may start the daemon as another user."""
    return os.geteuid() == 0 and subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", "true"], capture_output=True).returncode == 0


SYS_PIDFD_GETFD = 438


@functools.cache
def can_trace():
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(["strace", "-o", "/dev/null", "true"], timeout=PATIENCE,
                              check=False).returncode == 0
    return False


def injected(*rules, follow=False, only=()):
    """The prefix of a daemon whose system calls fail by these rules ('kill:error=EPERM:when=1'); it
    keeps its pid. follow: in its children, too, each with counts of its own. only: strace's options
    for the calls that are counted."""
    if not can_trace():
        if os.environ.get("CI") == "1":
            pytest.fail("strace is missing or may not trace")
        pytest.skip("strace is missing or may not trace")
    calls = ",".join(rule.split(":")[0] for rule in rules) or "none"
    return ["env", "LSAN_OPTIONS=detect_leaks=0", "strace", "-D", "-qq", "-o", "/dev/null",
            *(["-f"] if follow else []), *only, "-e", f"trace={calls}",
            *(part for rule in rules for part in ("-e", f"inject={rule}"))]


def taken_fd(pid, fd):
    """A duplicate of a process's file descriptor; the test is skipped where nobody may take any."""
    libc = ctypes.CDLL(None, use_errno=True)

    def take(of, number):
        pidfd = os.pidfd_open(of)
        try:
            duplicate = libc.syscall(SYS_PIDFD_GETFD, pidfd, number, 0)
            if duplicate == -1:
                raise OSError(error := ctypes.get_errno(), f"pidfd_getfd: {os.strerror(error)}")
            return duplicate
        finally:
            os.close(pidfd)

    try:
        with open(os.devnull) as own:  # what is refused here is refused by a filter, not by the process
            os.close(take(os.getpid(), own.fileno()))
    except OSError as error:
        pytest.skip(f"no descriptor may be taken from a process here: {error}")
    return take(pid, fd)


def steal_listener(daemon):
    """A duplicate of the listening socket that the daemon opened last: of TCP or at a path."""
    inodes = {f"socket:[{entry['inode']}]" for entry in tcp_sockets()
              if entry["local"] == daemon.ports.get("echo") and entry["state"] == "LISTEN"}
    path = daemon.address("echo")
    if isinstance(path, str):
        lines = Path("/proc/net/unix").read_text().splitlines()
        inodes = {f"socket:[{line.split()[6]}]" for line in lines if line.endswith(f" {path}")}
    for number, target in reversed(proc_fds(daemon.pid).items()):
        if target in inodes:
            return socket.socket(fileno=taken_fd(daemon.pid, number))
    raise LookupError("no listener in the master")


def free_port(family=socket.AF_INET, host="127.0.0.1"):
    """A port that was free a moment ago and that no ephemeral connection takes: below their range.
    Each caller gets another one; xdist workers draw from ranges of their own."""
    lane = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 20
    first = 12000 + lane * 1000
    for _ in range(1000):
        free_port.next = (getattr(free_port, "next", -1) + 1) % 1000
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            try:
                sock.bind((host, first + free_port.next))
                return first + free_port.next
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
    raise AssertionError("no free port")
