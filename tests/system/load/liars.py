# SPDX-License-Identifier: MIT
"""Servers for the load generator, which lie or not, and how it is run."""

import contextlib
import json
import os
import socket
import struct
import subprocess
import threading
from pathlib import Path

BUILD = Path(os.environ.get("TCPD_BUILD", "build")).resolve()
PROGRAMS = BUILD / "tests/bench"


class Reset(Exception):
    """Ends a connection with RST."""


class Cut(Exception):
    """Ends what is sent with FIN, and reads on, so that no RST follows."""


class Silence(Exception):
    """Keeps the connection open and does nothing more."""


class Server:
    """Accepts on a port of the kernel's choice; each has a thread in serve(connection, n)."""

    def __init__(self, serve):
        self.serve = serve
        self.over = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept_all, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() alone does not
        self.listener.close()

    def accept_all(self):
        n = 0
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.run, args=(connection, n), daemon=True).start()
                n += 1

    def run(self, connection, n):
        with connection, contextlib.suppress(OSError):
            try:
                self.serve(connection, n)
            except Reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except Cut:
                connection.shutdown(socket.SHUT_WR)
                discard(connection, n)
            except Silence:
                self.over.wait(60)


def discard(connection, _n):
    while connection.recv(1 << 20):
        pass


def run_load(port, *options):
    """(exit status, what it reported, its errors that are not 0)"""
    command = [PROGRAMS / "load", "--json", "--address", f"127.0.0.1:{port}", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    errors = {kind: n for kind, n in report["errors"].items() if n}
    assert report["error_count"] == sum(errors.values())
    return done.returncode, report, errors
