# SPDX-License-Identifier: MIT
"""The section "doors": one service through WebSocket, datagrams and packets, beside itself through
TCP, beside the barest server for datagrams, and beside those who do the same."""

import functools
import socket
import sys
import time
from statistics import median, quantiles

import memory
import results
from doors_peers import (DatagramInetd, DatagramXinetd, NodeWs, Websocketd, read_exactly,
                         shake_hands)
from packages import Missing
from pairs import LINE, OURS, Row, echo_options, head, text, verdict
from programs import BARE, Configured, Launching, fixed, quoted
from servers import PATIENCE, WORKERS, BenchError, Reference, Tcpd

SECTION = "doors"
TEXT, BINARY = (("--websocket", kind) for kind in ("text", "binary"))
DATAGRAM, PACKET = (("--socket", kind) for kind in ("datagram", "seqpacket"))
SLOW_MSEC = 10
CAT = "/bin/cat"
LAUNCHERS = 16
OTHER_PAIRS = 5
SECONDS = 0.4  # where programs are started
HELLO = (sys.executable, "-c", 'print("hello")')
FIRST_MESSAGES = 30
TIMES_SOONER = 10
FIRST_ROW = "WebSocket, first message: websocketd"
MOST_KIB = {"idle": 1, "in a session": 16}
MEMORY_RUNS = 9
MEMORY_ROW = "memory of a worker behind ws:"


def row(name, options, least=0.0, cpu=0.0, peer="tcpd", **more):
    return Row(SECTION, f"{name}: {'plain' if peer == 'tcpd' else peer}", options, least, cpu,
               peer, **more)


def messages(n, size=64):
    return echo_options("message", n, size)


CONNECT = echo_options("connect", 16)
SELF_ROWS = (  # of echo behind a listener with this prefix, beside one with that
    ("ws:", TEXT, "", row("WebSocket, 64 B x 8", messages(8), 0.85, 1.25)),
    ("ws:", BINARY, "", row("WebSocket, 64 KiB x 8", messages(8, 65536), 0.6)),
    ("ws:", TEXT, "", row("WebSocket, 64 KiB of text x 8", messages(8, 65536), 0.6)),
    ("unix-seqpacket:", PACKET, "unix:", row("packets, 64 B x 8", messages(8), 0.95)),
)
WEBSOCKETD_ROW = row("WebSocket, connect x 16, cat", CONNECT, 2, 0.5, "websocketd",
                     seconds=SECONDS, starts_programs=True)
BARE_ROW = row("WebSocket, connect x 16, cat", CONNECT, peer=BARE, seconds=SECONDS,
               starts_programs=True)  # by TCP: nobody can be faster
NODE_ROWS = (row("WebSocket, connect x 16", CONNECT, 0, 0.5, "ws on node", seconds=SECONDS),
             row("WebSocket, 64 B x 8", messages(8), peer="ws on node"))
REFERENCE_ROWS = tuple(row(f"datagrams, 64 B, {n} clients", messages(n), 0.95, 1.1, "ref")
                       for n in (1, 64))
INETD_ROWS = ((DatagramInetd, row("datagrams, 64 clients", messages(64), 1, 0, "openbsd-inetd")),
              (DatagramXinetd, row("datagrams, 64 clients", messages(64), 1, 0, "xinetd")))
SLOW_ROW = row(f"datagrams after {SLOW_MSEC} ms, 64 clients", messages(64), 20, 0, "one process",
               seconds=1)


class Behind(Configured):
    """tcpd with one service behind a listener with that prefix."""

    def __init__(self, build, prefix, load_options, n_workers=WORKERS, **settings):
        settings = {"handler": '"echo"', **fixed(n_workers), **settings}
        super().__init__(build, n_workers, f"tcpd {prefix}", **settings)
        self.prefix = prefix
        self.load_options = load_options

    def start(self):
        if self.has_path():
            self.port = -1  # nobody's
        super().start()

    def has_path(self):
        return self.prefix.startswith("unix")

    def address(self):
        return f"{self.home.name}/socket" if self.has_path() else super().address()

    def configuration(self):
        place = f"{self.home.name}/socket" if self.has_path() else "127.0.0.1:0"
        if self.prefix == "udp:":
            self.settings.pop("backlog")
        self.settings["listen"] = f'{{"{self.prefix}{place}"}}'
        return super().configuration()


class DatagramReference(Reference):
    load_options = DATAGRAM

    def __init__(self, build, n_workers=WORKERS, msec=0):
        super().__init__(build, "echo", n_workers)
        self.msec = msec

    def command(self):
        return [self.program, "--udp", str(self.msec), *super().command()[1:]]


def first_message_usec(server):
    """From connect() to the first message of a program that greets."""
    server.wait_until_quiet()
    began = time.perf_counter_ns()
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock:
        shake_hands(sock)
        answer = read_exactly(sock, 7)
        usec = (time.perf_counter_ns() - began) / 1000
    if answer != b"\x81\x05hello":
        raise BenchError(f"{server.name} answered {answer}")
    return usec


class Doors:
    def __init__(self, bench):
        self.bench = bench
        self.runner = bench.runner
        self.behind = functools.partial(Behind, bench.build)

    def row(self, row, make_subject, make_peer, n_pairs=None):
        if not self.bench.wants(row.name, SECTION):
            return
        try:
            self.runner.measure(row, make_subject, make_peer, n_pairs)
        except (Missing, BenchError, OSError) as error:
            if row.peer in OURS:
                raise
            self.bench.skip(row.name, error)

    def peer(self, kind, *words):
        return functools.partial(kind, self.bench.packages, *words)

    def beside_itself(self):
        for prefix, options, other, row in SELF_ROWS:
            self.row(row, functools.partial(self.behind, prefix, options),
                     functools.partial(self.behind, other, ()))

    def beside_others(self):
        cat = functools.partial(self.behind, "ws:", TEXT, LAUNCHERS, handler='"program"',
                                program=quoted([CAT]))
        self.row(WEBSOCKETD_ROW, cat, self.peer(Websocketd), OTHER_PAIRS)
        self.row(BARE_ROW, cat, functools.partial(Launching, self.bench.build, CAT), OTHER_PAIRS)
        for row in NODE_ROWS:
            self.row(row, functools.partial(self.behind, "ws:", TEXT), self.peer(NodeWs),
                     OTHER_PAIRS)

    def datagrams(self):
        echo = functools.partial(self.behind, "udp:", DATAGRAM)
        reference = functools.partial(DatagramReference, self.bench.build)
        for row in REFERENCE_ROWS:
            self.row(row, echo, reference)
        for kind, row in INETD_ROWS:
            self.row(row, echo, self.peer(kind), OTHER_PAIRS)
        module = self.bench.build / "tests/modules/slow.so"
        self.row(SLOW_ROW, functools.partial(echo, handler='"module"', module=f'"{module}"'),
                 functools.partial(reference, 1, SLOW_MSEC), OTHER_PAIRS)

    def first_messages(self):
        prestarted = functools.partial(self.behind, "ws:", (), 4, handler='"program"',
                                       program=quoted(HELLO), program_mode='"prestart"')
        with prestarted() as tcpd, self.peer(Websocketd, HELLO)() as other:
            for server in (tcpd, other):  # warm-up
                first_message_usec(server)
            return [tuple(first_message_usec(server) for server in (tcpd, other))
                    for _ in range(FIRST_MESSAGES)]

    def first_message(self):
        if not self.bench.wants(FIRST_ROW, SECTION):
            return
        try:
            pairs = self.first_messages()
        except (Missing, BenchError, OSError) as error:
            self.bench.skip(FIRST_ROW, error)
            return
        ours, theirs = (median(usec) for usec in zip(*pairs))
        low, _, high = quantiles((b / a for a, b in pairs), n=4)
        target, good = f">= {TIMES_SOONER:.2f}", theirs / ours >= TIMES_SOONER
        results.add(SECTION, FIRST_ROW, ours, "us", theirs, theirs / ours, (low, high), target,
                    good, peer="websocketd", pairs=len(pairs))
        print(LINE.format(FIRST_ROW, f"{ours:.0f}", f"{theirs:.0f}", "us", text(theirs / ours),
                          f"{text(low)}..{text(high)}", len(pairs), "", "", "", "", target,
                          verdict(good)), flush=True)

    def memory(self):
        """PSS of a worker behind ws: and of one behind TCP: idle, and each in a session."""
        if not self.bench.wants(MEMORY_ROW, SECTION):
            return
        for when, has_sessions in (("idle", False), ("in a session", True)):
            more = median(self.more_memory(has_sessions) for _ in range(MEMORY_RUNS))
            good = more <= MOST_KIB[when]
            results.add(SECTION, f"{MEMORY_ROW}, {when}", more, "KiB more", good=good,
                        target=f"<= {MOST_KIB[when]}")
            print(f"{MEMORY_ROW}, {when}: {more:+.1f} KiB to one behind TCP;"
                  f" target <= {MOST_KIB[when]}: {verdict(good)}", flush=True)

    def more_memory(self, has_sessions):
        """Where a stack begins is chance, and may cost a page: so several servers are asked."""
        with self.behind("ws:", TEXT) as ours, self.behind("", ()) as plain:
            held = [self.open_sessions(server) for server in (ours, plain) if has_sessions]
            for server in (ours, plain):
                server.wait_until_quiet()
            more = ours.memory() - plain.memory()
            for sock in sum(held, []):
                sock.close()
        return more

    @staticmethod
    def open_sessions(server):
        socks = [socket.create_connection(("127.0.0.1", server.port), PATIENCE)
                 for _ in range(WORKERS)]
        for sock in socks:
            if server.load_options:
                shake_hands(sock)
                sock.sendall(b"\x81\x81\0\0\0\0?")
            else:
                sock.sendall(b"?")
            sock.recv(1)
        return socks

    def run(self):
        print()
        head("tcpd", "other")
        for measure in (self.beside_itself, self.beside_others, self.first_message, self.datagrams,
                        self.memory):
            measure()
