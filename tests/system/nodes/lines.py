# SPDX-License-Identifier: MIT
"""Clients with addresses of their own: each connects, sends a line, wants that line back and the end,
over and over. Run as a program, lines.py HOST PORT PREFIX FIRST N [SECONDS], it goes on until its
standard input ends, and then prints what became of all requests as JSON. A tenth of a second of each
session may be spent holding it (SECONDS: how long)."""

import collections
import json
import os
import random
import select
import socket
import sys
import threading
import time

HANG = 20.0


class Clients:
    def __init__(self, target, sources, hold):
        self.target = target
        self.hold = hold
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.done = 0
        self.failed = []
        self.slowest = 0.0
        self.counts = collections.Counter()
        self.threads = [threading.Thread(target=self.run, args=(source,), daemon=True)
                        for source in sources]

    def run(self, source):
        rng = random.Random(f"{source} {os.getpid()}")
        done, slowest = 0, 0.0
        while not self.stopping.is_set():
            begin = time.monotonic()
            at, why = self.one(source, rng)
            now = time.monotonic()
            slowest = max(slowest, now - begin)
            if not why:
                done += 1
                if done % 16 == 0:
                    self.add(16)
                continue
            with self.lock:
                self.failed.append((round(time.time(), 3), source, at, why))
        with self.lock:
            self.done += done % 16
            self.slowest = max(self.slowest, slowest)

    def add(self, n):
        with self.lock:
            self.done += n

    def one(self, source, rng):
        """(where, what) has failed; '' if nothing has."""
        line = b"%d from %s\n" % (rng.getrandbits(64), source.encode())
        at = "connect"
        try:
            with socket.socket() as sock:
                sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
                sock.bind((source, 0))
                sock.settimeout(HANG)
                sock.connect(self.target)
                at = "send"
                sock.sendall(line)
                if self.hold:
                    time.sleep(self.hold)  # a session that lasts
                sock.shutdown(socket.SHUT_WR)
                at = "receive"
                back = b""
                while len(back) <= len(line) and (chunk := sock.recv(4096)):
                    back += chunk
                if back != line:
                    return at, f"{len(back)} bytes instead of {len(line)}"
        except OSError as error:
            return at, f"{type(error).__name__} {error}"
        return at, ""

    def report(self):
        with self.lock:
            return {"done": self.done, "failed": len(self.failed), "reasons": self.failed[:50],
                    "slowest": round(self.slowest, 3)}


def main(host, port, prefix, first, n, hold="0"):
    sources = [f"{prefix}{first + i}" for first in [int(first)] for i in range(int(n))]
    clients = Clients((host, int(port)), sources, float(hold))
    for thread in clients.threads:
        thread.start()
    while select.select([sys.stdin], [], [], 0.1)[0] == [] or os.read(0, 100):
        print(json.dumps(clients.report()), flush=True)
    clients.stopping.set()
    end = time.monotonic() + HANG + 10
    for thread in clients.threads:
        thread.join(max(0, end - time.monotonic()))
    print(json.dumps({**clients.report(), "ended": True,
                      "hung": sum(thread.is_alive() for thread in clients.threads)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
