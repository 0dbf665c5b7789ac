# SPDX-License-Identifier: MIT
"""A node: a tcpd whose service manager keeps what it stores over a restart, as systemd does."""

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

from harness import BUILD, PATIENCE, Tcpd, parse_notify, read_all, wait_for

TCPDCTL = BUILD / "tcpdctl"
STATE = "@node-state"


class Kept(NamedTuple):
    """A descriptor, as harness.Tcpd hands it over."""
    fd: int

    def fileno(self):
        return self.fd


class Store:
    """The manager's store: names to descriptors, in the order in which they came."""

    def __init__(self):
        self.kept = []
        self.lock = threading.Lock()

    def take(self, message, fds):
        name = message.get("FDNAME")
        with self.lock:
            if message.get("FDSTOREREMOVE") == "1":
                for fd in [fd for its, fd in self.kept if its == name]:
                    os.close(fd)
                self.kept = [(its, fd) for its, fd in self.kept if its != name]
            elif message.get("FDSTORE") == "1":
                self.kept += [(name, fd) for fd in fds]
                return
        for fd in fds:
            os.close(fd)

    def forget(self):
        """As a stop by systemctl does."""
        with self.lock:
            for _, fd in self.kept:
                os.close(fd)
            self.kept = []

    def text(self):
        """What is kept of the node's state, '' if nothing."""
        with self.lock:
            for name, fd in self.kept:
                if name == STATE:
                    return os.pread(fd, 1 << 20, 0).decode()
        return ""


class NodeTcpd(Tcpd):
    """The daemon of one start."""

    def __init__(self, conf, store, **options):
        self.store = store
        super().__init__(conf, **options)

    def _read_notify(self):
        while True:
            datagram, fds, _, _ = socket.recv_fds(self.notify_socket, 65536, 16)
            if not datagram:
                return
            message = parse_notify(datagram)
            self.store.take(message, fds)
            self.notifications.append(message)


class Node:
    """Starts over and over with the same configuration, in a network namespace if there is one.
    held: listening sockets that the manager has opened, by the service's name."""

    def __init__(self, conf, namespace=None, held=(), keeps=True, agent=None):
        self.conf = conf
        self.namespace = namespace
        self.held = list(held)
        self.keeps = keeps
        self.agent = agent  # (host, port); else that of the service "agent"
        self.store = Store()
        self.daemon = None
        self.path = str(Path(tempfile.mkdtemp(prefix="node-")) / "control")

    def start(self):
        """Starts it; returns when it is ready."""
        self.start_unready()
        self.daemon.wait_ready()
        return self

    def start_unready(self):
        """The same, but a service of it may never be ready."""
        with self.store.lock:
            kept = [(name, Kept(fd)) for name, fd in self.store.kept]
        handed = [*self.held, *kept]
        options = {"sockets": [sock for _, sock in handed], "names": [name for name, _ in handed]}
        if not handed:
            options = {}
        env = {"FDSTORE": "512"} if self.keeps else {}
        call = self.namespace.call if self.namespace else (lambda function, *args, **its:
                                                           function(*args, **its))
        self.daemon = call(self._make, env=env, **options)
        return self

    def _make(self, **options):
        return NodeTcpd(self.conf, self.store, args=["-C", self.path], **options)

    def restart(self, **options):
        """TERM, and anew when it has ended."""
        assert self.stop(**options) == 0
        return self.start()

    def stop(self, deadline=PATIENCE):
        status = self.daemon.stop(deadline)
        self.daemon.cleanup()
        return status

    def crash(self):
        """Of the master; its workers see that and go."""
        self.daemon.kill()
        self.daemon.wait_exit()
        self.daemon.cleanup()

    def ask(self, line=None, end=True):
        """What the agent says."""
        address = self.agent or self.daemon.address("agent")
        connect = self.namespace.connect if self.namespace else None
        sock = connect(address[1], address[0]) if connect else socket.create_connection(address)
        with sock:
            sock.settimeout(PATIENCE)
            if line is not None:
                sock.sendall(line.encode())
            with contextlib.suppress(OSError):
                if end:
                    sock.shutdown(socket.SHUT_WR)
            return read_all(sock).decode()

    def wait_says(self, want, line=None):
        """Waits until the agent says that."""
        heard = []
        wait_for(lambda: heard.append(self.ask(line)) or heard[-1] == want,
                 what=lambda: f"{want!r} instead of {heard[-1]!r}")

    def control(self, *args, timeout=PATIENCE):
        """tcpdctl: (exit status, standard output, standard error)."""
        done = subprocess.run([TCPDCTL, "-s", self.path, *args], capture_output=True, text=True,
                              timeout=timeout)
        return done.returncode, done.stdout, done.stderr

    def must(self, *args, **options):
        """tcpdctl, which succeeds; its output."""
        status, out, err = self.control(*args, **options)
        assert (status, err) == (0, ""), (args, err)
        return out

    def pool(self, service):
        return next(pool for pool in json.loads(self.must("status", "--json"))["pools"]
                    if pool["service"] == service)
