# SPDX-License-Identifier: MIT
"""No datagram is lost that tcpd has to answer: workers stopped, pools reloaded, tcpd restarted, under
clients that want an answer to each. What is sent is answered, or was dropped by the kernel, which had
no room. With TCPD_SOAK=full it is 200 stops and 300 reloads.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

from clients import HANG, rounds, strike
from harness import (BUILD, EX_OK, PATIENCE, SOAK, activated, configuration, free_port, service,
                     wait_for)


class Clients:
    """Threads with a socket each, which send a datagram, want it back, and then send the next. Each
    has `window` of them on the way."""

    def __init__(self, address, threads=8, window=2):
        self.address, self.window = address, window
        self.sent = self.answered = 0
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(threads)]

    def run(self, index):
        family = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        number, owed = 0, set()
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            if family == socket.AF_UNIX:
                sock.bind("")
            sock.settimeout(HANG)
            sock.connect(self.address)
            while owed or not self.stopping.is_set():
                while len(owed) < self.window and not self.stopping.is_set():
                    number += 1
                    message = b"%d/%d" % (index, number)
                    sock.send(message)
                    owed.add(message)
                try:
                    owed.discard(sock.recv(100))
                except TimeoutError:
                    break
                with self.lock:
                    self.answered += 1
        with self.lock:
            self.sent += number

    def n_served(self):
        return self.answered

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.finish()

    def finish(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(HANG + PATIENCE)


def n_dropped(control):
    done = subprocess.run([BUILD / "tcpdctl", "-s", control, "status", "--json"],
                          capture_output=True, timeout=PATIENCE, check=True)
    return sum(pool["dropped"] for pool in json.loads(done.stdout)["pools"])


@pytest.fixture(params=["udp", "unix-dgram"])
def listen(request, tmp_path):
    return "udp:127.0.0.1:0" if request.param == "udp" else f"unix-dgram:{tmp_path}/s"


@contextlib.contextmanager
def controlled(conf, tmp_path, sockets=(), names=()):
    path = str(tmp_path / "control")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as control:
        control.bind(path)
        control.listen()
        with activated(conf, [control, *sockets], ["@control", *names]) as daemon:
            daemon.control = path
            yield daemon


def judge(clients, dropped, record_property, what):
    door = "unix-dgram" if isinstance(clients.address, str) else "udp"
    record_property("soak", f"{door}, {what}: {clients.sent} datagrams sent, {clients.answered} "
                            f"answered, {dropped} dropped by the kernel")
    assert clients.sent > 100 and clients.sent == clients.answered + dropped


def test_soak_stop_one_worker(tmp_path, listen, record_property):
    """TRANSPORT.md, DG3: TERM to one worker after the other."""
    conf = configuration(service("echo", listen=listen, min_workers=8))
    with controlled(conf, tmp_path) as daemon, Clients(daemon.address("echo")) as clients:
        for stopped in rounds(clients, 200, 5, least=20):
            strike(daemon, signal.SIGTERM)
        clients.finish()
        judge(clients, n_dropped(daemon.control), record_property, f"{stopped} workers stopped")
        assert not daemon.log_matches("killed by signal|: failed")
        assert daemon.stop() == EX_OK


def test_soak_reload(tmp_path, listen, record_property):
    """DG3: whole pools exchanged."""
    conf = configuration(service("echo", listen=listen, min_workers=8))
    with controlled(conf, tmp_path) as daemon, Clients(daemon.address("echo")) as clients:
        for reloads in rounds(clients, 300, 5, least=5):
            before = daemon.workers()
            daemon.reload()
            wait_for(lambda: not set(before) & set(daemon.workers()), HANG, "the old have left")
        clients.finish()
        judge(clients, n_dropped(daemon.control), record_property, f"{reloads} reloads")
        assert not daemon.log_matches("killed by signal|: failed")
        assert daemon.stop() == EX_OK


def test_soak_restart(tmp_path, record_property):
    """DG3: systemd's socket keeps what comes while there is no tcpd."""
    port = free_port()
    conf = configuration(service("echo", listen=f"udp:127.0.0.1:{port}", min_workers=8))
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))
        with Clients(("127.0.0.1", port)) as clients:
            for starts in range(1, 51 if SOAK else 6):
                with controlled(conf, tmp_path, [sock], ["echo"]) as daemon:
                    served = clients.n_served()
                    wait_for(lambda: clients.n_served() > served + 100, HANG, "service")
                    assert daemon.stop() == EX_OK
                    assert not daemon.log_matches("killed")
            with controlled(conf, tmp_path, [sock], ["echo"]) as daemon:
                clients.finish()
                judge(clients, n_dropped(daemon.control), record_property, f"{starts} restarts")
