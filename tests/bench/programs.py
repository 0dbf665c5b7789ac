# SPDX-License-Identifier: MIT
"""The section "programs": users' own programs and modules under tcpd, beside those who start
programs, beside the barest way to do it, and beside themselves alone.

A program that prints seven bytes and ends shows what its start costs.
"""

import functools
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

import container
import peers
import results
from packages import Missing
from pairs import LINE, OURS, Row, echo_options, head, text, verdict
from servers import (PATIENCE, WORKERS, BenchError, Reference, Server, Tcpd,
                     die_with_parent, process_tree, tree_cpu)

HERE = Path(__file__).resolve().parent
SECTION = "programs"
SEVEN = "seven.\n"
LAUNCHERS = 16
COPIES = 4
OTHER_PAIRS = {False: 5, True: 3}  # quick or not
MOST_PAIRS = {False: 14, True: 5}  # of longer runs, so fewer
SECONDS = 0.3
HELLO = ("/usr/bin/python3", "-c", 'print("hello")')
FIRST_BYTES = 30
TIMES_SOONER = 10
CONTAINER_PORT = 7104


def quoted(words):
    """Words as a list of tcpd.conf."""
    escaped = (str(word).replace("\\", "\\\\").replace('"', '\\"') for word in words)
    return "{" + ", ".join(f'"{word}"' for word in escaped) + "}"


class Configured(Tcpd):
    """tcpd with one service of other settings than a built-in handler's."""

    def __init__(self, build, n_workers, name, **settings):
        super().__init__(build, settings["handler"].strip('"'), n_workers)
        self.name = name
        self.settings = {"listen": '{"127.0.0.1:0"}', "backlog": peers.BACKLOG,
                         "min_workers": n_workers, **settings}

    def configuration(self):
        lines = (f"    {setting} = {value}\n" for setting, value in self.settings.items())
        return f'service "bench" {{\n{"".join(lines)}}}\n'


def fixed(n_workers):
    return {"max_workers": n_workers, "spare_workers": min(n_workers, 4)}


def program(build, mode, n_workers, *words):
    """Where programs accept by themselves there are as many as workers."""
    return Configured(build, n_workers, f"tcpd {mode} {Path(words[0]).name}", handler='"program"',
                      program=quoted(words), program_mode=f'"{mode}"',
                      **({} if mode == "listener" else fixed(n_workers)))


def module(build):
    path = build / "tests/modules/echo.so"
    return Configured(build, WORKERS, "tcpd module", handler='"module"', module=f'"{path}"',
                      **fixed(WORKERS))


class Launching(Reference):
    """The reference that starts a program for each connection."""

    def __init__(self, build, path):
        super().__init__(build, "program", LAUNCHERS)
        self.text = str(path)


class Copies(Server):
    """Copies of a program that accept by themselves on one listener, with nobody above them."""

    name = "alone"
    become = 'export LISTEN_PID=$$; exec "$@" 3<&0 </dev/null'

    def __init__(self, n_copies, *words):
        super().__init__("echo", n_copies)
        self.words = words
        self.copies = []

    def start(self):
        with socket.create_server(("127.0.0.1", 0), backlog=peers.BACKLOG) as listener:
            self.port = listener.getsockname()[1]
            for _ in range(self.n_workers):
                self.copies.append(subprocess.Popen(
                    ["sh", "-c", self.become, "sh", *self.words], stdin=listener,
                    env={"PATH": "/usr/bin:/bin", "LISTEN_FDS": "1"}, preexec_fn=die_with_parent))

    def wait_for_workers(self):
        if any(copy.poll() is not None for copy in self.copies):
            raise BenchError(f"{self.name}: a copy has ended")

    def workers(self):
        return [pid for copy in self.copies for pid in process_tree(copy.pid)]

    def cpu(self):
        return {key: value for copy in self.copies for key, value in tree_cpu(copy.pid).items()}

    def __exit__(self, *_):
        for copy in self.copies:
            copy.kill()
        for copy in self.copies:
            copy.wait()


def seven(peer, n, least=0.0, cpu=0.0, patience=1, label=None):
    options = ("--mode", "greeting", "--in-flight", str(n), "--expect", SEVEN)
    return Row(SECTION, f"program x {n}: {label or peer}", options, least, cpu, peer,
               patience, {"in_flight": n}, SECONDS, True)


BARE = "vfork, exec, wait"
REFERENCE_ROWS = (seven("ref", 1, 0.95, label=BARE), seven("ref", 8, 0.95, label=BARE))
PEER_ROWS = (
    (peers.Tcpserver, seven("tcpserver", 1, 1.2, 0.85)),
    (peers.Tcpserver, seven("tcpserver", 8, 1.1, 0.85)),
    (peers.XinetdLauncher, seven("xinetd", 1)), (peers.XinetdLauncher, seven("xinetd", 8)),
    (peers.Socat, seven("socat", 1)), (peers.Socat, seven("socat", 8)),
)
ACCEPT_ROWS = (seven("systemd Accept=yes", 1, 4, patience=2),
               seven("systemd Accept=yes", 8, 4, patience=2))
BULK = ("--mode", "bulk")
CAT_ROW = Row(SECTION, "program, bulk through cat: tcpserver", BULK, 0.95, peer="tcpserver")
PRESTART_ROW = Row(SECTION, "prestart, bulk: connection mode", BULK, 0.5, peer="tcpd")
LISTENER_ROW = Row(SECTION, f"listener, {COPIES} x Python: alone", echo_options("connect", 16),
                   0.95, peer="alone")
MODULE_ROWS = tuple(Row(SECTION, f"module, {name}: built in", options, 0.97, peer="tcpd")
                    for name, options in (("connections x 16", echo_options("connect", 16)),
                                          ("messages x 8", echo_options("message", 8))))
FIRST_ROW = "prestart, first byte: tcpserver"


class WrongAnswer(BenchError):
    """A server's fault, and no obstacle."""


def first_byte_usec(server, expected):
    """From connect() to the first byte of a greeting; then it is read to its end and compared."""
    server.wait_until_quiet()
    began = time.perf_counter_ns()
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock:
        answer = sock.recv(1)
        usec = (time.perf_counter_ns() - began) / 1000
        while block := sock.recv(4096):
            answer += block
    if answer != expected:
        raise WrongAnswer(f"{server.name} answered {answer}")
    return usec


class Programs:
    def __init__(self, bench):
        self.bench = bench
        self.build = bench.build
        self.runner = bench.runner
        self.is_quick = bench.options.quick
        self.n_pairs = min(bench.options.pairs, MOST_PAIRS[self.is_quick])
        self.n_others = OTHER_PAIRS[self.is_quick]
        self.seven = self.build / "tests/bench/seven"
        self.tcpd = functools.partial(program, self.build)
        self.launching = functools.partial(Launching, self.build, self.seven)
        self.subject = self.launching if bench.options.self else functools.partial(
            self.tcpd, "connection", LAUNCHERS, self.seven)
        self.cat = functools.partial(self.tcpd, "connection", COPIES, peers.Launcher.cat)

    def row(self, row, make_subject, make_peer, n_pairs=None):
        if not self.bench.wants(row.name, SECTION):
            return
        if self.is_quick:
            row = replace(row, seconds=row.seconds / 2)
        try:
            self.runner.measure(row, make_subject, make_peer, n_pairs)
        except (Missing, BenchError, OSError, subprocess.SubprocessError) as error:
            if row.peer in OURS:
                raise
            self.bench.skip(row.name, error)

    def peer(self, kind, *words):
        return functools.partial(kind, self.bench.packages, words)

    def per_connection(self):
        for row in REFERENCE_ROWS:
            self.row(row, self.subject, self.launching, self.n_pairs)
        for kind, row in PEER_ROWS:
            self.row(row, self.subject, self.peer(kind, self.seven),
                     self.n_pairs if row.most_cpu else self.n_others)

    def in_container(self, machine):
        for row in ACCEPT_ROWS:
            self.row(row, self.subject, functools.partial(container.AcceptYesSeven, machine,
                                                          CONTAINER_PORT), self.n_others)

    def bulk(self):
        self.row(CAT_ROW, self.cat, self.peer(peers.Tcpserver), self.n_pairs)
        prestart = functools.partial(self.tcpd, "prestart", COPIES, peers.Launcher.cat)
        self.row(PRESTART_ROW, prestart, self.cat, self.n_others)

    def listener(self):
        words = sys.executable, HERE / "listener.py"
        self.row(LISTENER_ROW, functools.partial(self.tcpd, "listener", COPIES, *words),
                 functools.partial(Copies, COPIES, *words))

    def modules(self):
        for row in MODULE_ROWS:
            self.row(row, functools.partial(module, self.build),
                     functools.partial(Tcpd, self.build, "echo"))

    def first_bytes(self):
        """Pairs of (tcpd's, tcpserver's) times, in turn."""
        with self.tcpd("prestart", COPIES, *HELLO) as tcpd, \
                self.peer(peers.Tcpserver, *HELLO)() as tcpserver:
            for server in (tcpd, tcpserver):  # warm-up
                first_byte_usec(server, b"hello\n")
            return [tuple(first_byte_usec(server, b"hello\n") for server in (tcpd, tcpserver))
                    for _ in range(FIRST_BYTES)]

    def first_byte(self):
        if not self.bench.wants(FIRST_ROW, SECTION):
            return
        try:
            self.keep_first_bytes(self.first_bytes())
        except WrongAnswer as error:
            self.runner.n_errors += 1
            self.bench.skip(FIRST_ROW, error)
        except (Missing, BenchError, OSError) as error:
            self.bench.skip(FIRST_ROW, error)

    @staticmethod
    def keep_first_bytes(pairs):
        ours, theirs = (median(usec) for usec in zip(*pairs))
        ratio = theirs / ours
        low, _, high = quantiles((b / a for a, b in pairs), n=4)
        target, good = f">= {TIMES_SOONER:.2f}", ratio >= TIMES_SOONER
        results.add(SECTION, FIRST_ROW, ours, "us", theirs, ratio, (low, high), target, good,
                    peer="tcpserver", pairs=len(pairs))
        print(LINE.format(FIRST_ROW, f"{ours:.0f}", f"{theirs:.0f}", "us", text(ratio),
                          f"{text(low)}..{text(high)}", len(pairs), "", "", "", "", target,
                          verdict(good)), flush=True)

    def run(self):
        print()
        head("tcpd", "other")
        for measure in (self.per_connection, self.first_byte, self.bulk, self.listener,
                        self.modules):
            measure()
