# SPDX-License-Identifier: MIT
"""A daemon that is to survive faults: one service of a kind, and what can be seen of its health."""

import contextlib
import os
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from harness import (BUILD, TCPD, Tcpd, Timeout, configuration, free_port, proc_cpu_seconds,
                     proc_stat, service, wait_for)
from services import KINDS, SIZES, Wrong, connect, install

MIN, SPARE, MAX = 2, 1, 8

# $JOURNAL_STREAM names what standard error is.
JOURNAL = ["sh", "-c", 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); export JOURNAL_STREAM; '
           'exec "$@"', "sh"]


def happens(predicate, seconds):
    """Its value once it is true; False: it was not within so many seconds."""
    with contextlib.suppress(Timeout):
        return wait_for(predicate, seconds)
    return False


def is_alive(pid):
    stat = proc_stat(pid)
    return bool(stat) and stat[0] not in "ZX"


def children_of(pid):
    """Pids of all children, zombies among them."""
    with contextlib.suppress(OSError):
        return [int(child) for child in
                Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class Setup(NamedTuple):
    """What a daemon is started with."""
    kind: str = "echo"
    one: bool = False  # a pool of one worker
    all: bool = False  # each session is logged
    journal: bool = False
    control: bool = False
    handed: bool = False  # its socket is handed over, as systemd does
    taken: bool = False  # another service, whose address somebody else has


class Daemon(Tcpd):
    """One of a Setup; prefix: a command that runs it. Close it with cleanup()."""

    files = None  # of services, once for a process

    def __init__(self, setup, prefix=()):
        if Daemon.files is None:
            Daemon.files = install(tempfile.mkdtemp(prefix="faults-"))
        self.setup, self.kind = setup, KINDS[setup.kind]
        self.minimum = 1 if setup.one else MIN
        self.holders = []
        self.own = tempfile.mkdtemp(prefix="faults-")
        handed = self._place()
        arguments = ["-C", self._socket()] if setup.control else []
        super().__init__(self._configuration(), args=arguments, sockets=handed,
                         prefix=[*(JOURNAL if setup.journal else []), *prefix],
                         names=["s"] if handed else None)
        for sock in handed:
            sock.close()

    def _socket(self):
        return os.path.join(self.own, "control")

    def _place(self):
        """Where it listens; the sockets that are handed over."""
        path, port = os.path.join(self.own, "s"), free_port()
        self.at = path if "{path}" in self.kind.listen else ("127.0.0.1", port)
        self.listen = self.kind.listen.format(path=path, port=port)
        if not self.setup.handed:
            return []
        sock = socket.create_server(self.at)
        return [sock]

    def _configuration(self):
        def filled(value):
            return [filled(one) for one in value] if isinstance(value, list) \
                else value.format(**Daemon.files)

        sizes = dict(zip(SIZES, (1, 0, 1) if self.setup.one else (MIN, SPARE, MAX)))
        options = {name: filled(value) for name, value in self.kind.options.items()}
        options.update({name: sizes[name] for name in self.kind.sizes})
        handler = options.pop("handler")
        services = [service("s", handler, listen=self.listen, **options)]
        if self.setup.taken:
            self.holders.append(socket.create_server(("127.0.0.1", 0)))
            port = self.holders[0].getsockname()[1]
            services.append(service("taken", "echo", listen=f"127.0.0.1:{port}"))
        return configuration(*services, stop_timeout="3s",
                             log_sessions="all" if self.setup.all else "errors")

    def cleanup(self):
        super().cleanup()
        for sock in self.holders:
            sock.close()
        subprocess.run(["rm", "-rf", self.own], check=True)

    # What can be seen of it

    def gone(self):
        return self.process.poll() is not None

    def n_ready(self):
        """How often it has said READY=1."""
        return sum(message.get("READY") == "1" for message in self.notifications.items)

    def is_ready(self, seconds):
        """Whether it says READY=1 in time and lives."""
        happens(lambda: self.n_ready() or self.gone(), seconds)
        return self.n_ready() > 0 and not self.gone()

    def workers(self, name=None):
        """As Tcpd has them, and what is in their places."""
        pids = [pid for pid in children_of(self.pid) if is_alive(pid)]
        self.known.update(pids)
        return pids

    def zombies(self):
        return [pid for pid in children_of(self.pid) if (proc_stat(pid) or "?")[0] == "Z"]

    def cpu(self):
        return proc_cpu_seconds(self.pid)

    def n_lines(self):
        """Of its log; programs write there as well."""
        return sum(line.startswith("tcpd") for line in list(self.log.items))

    def last_lines(self):
        return " / ".join(self.log.items[-3:])

    # What is done to it

    def talk(self, timeout=8.0):
        """One client. None, or what went wrong."""
        try:
            with connect(self.kind, self.at, timeout) as sock:
                self.kind.ask(sock)
            return None
        except (OSError, Wrong, AssertionError) as error:
            return f"{type(error).__name__}: {error}"

    def ctl(self, *words):
        """tcpdctl, whose end is not what is looked at."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([BUILD / "tcpdctl", "-s", self._socket(), *words], timeout=4,
                           check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Clients:
    """Several at the same time."""

    def __init__(self, daemon, n):
        self.wrong = []
        self.threads = [threading.Thread(target=self._talk, args=(daemon,)) for _ in range(n)]
        for thread in self.threads:
            thread.start()

    def _talk(self, daemon):
        wrong = daemon.talk()
        if wrong:
            self.wrong.append(wrong)

    def join(self):
        """What went wrong, when all are through."""
        for thread in self.threads:
            thread.join()
        return self.wrong
