#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bench.py BUILD: tcpd beside a bare prefork server and beside the servers of others, in pairs.

How pairs are run and judged: pairs.py. The others: peers.py, container.py. One that cannot be had
is a line that says why. The rows are kept in BUILD/bench/bench.json; report.py makes a page.
Exit status: 0 every target met and every byte right, 1 not, 2 nothing could be measured.
"""

import argparse
import functools
import signal
import subprocess
import sys
import time
from pathlib import Path

import access
import container
import doors
import memory
import peers
import programs
import report
import results
import tls
from packages import Missing, Packages
from pairs import PAIRS_PER_SET, Row, Runner, echo_options, head, verdict
from servers import GREETING, TEXTS, WORKERS, BenchError, Reference, Tcpd, cpu_nsec

STALL_MSEC = 40  # what a delayed ACK costs
STALL_SIZES = (1, 2, 3, 7, 64, 536, 1448, 1460, 4096, 8192, 16384, 32768,
               65535, 65536, 65537, 131072, 262144, 1048576)
MASTER_SHARE = 0.01
MOST_FOREIGN = 0.1  # of the processors, beyond which figures flatter or wrong somebody
OTHER_PAIRS = 5  # where a factor counts, not a percentage
CONTAINER_PORTS = 7101, 7102, 7103


def connect(n, least=0.95):
    return Row("connections", f"connections 64 B, {n} in flight", echo_options("connect", n),
               least, 1.15, more={"in_flight": n})


def message(size, text, least):
    return Row("messages", f"messages {text} x 8", echo_options("message", 8, size), least)


REFERENCE_ROWS = (
    ("echo", connect(1)), ("echo", connect(16)), ("echo", connect(64)),
    ("echo", message(64, "64 B", 0.95)), ("echo", message(16384, "16 KiB", 1.0)),
    ("echo", Row("messages", "bulk", ("--mode", "bulk"), 0.95)),
    ("discard", Row("messages", "discard", ("--mode", "discard"), 0.95)),
    ("chargen", Row("messages", "chargen", ("--mode", "chargen"), 0.95)),
)

# What speaks last, beside the bare server that closes in one of the ways of ref_close.c: at once,
# with one socket kept aside as tcpd does, or by a process that is handed the sockets. "walled" is
# behind the list of system calls that tcpd's workers have; a bare server that has both is the floor
# for whoever loses no answer and holds its workers.
SAYING = {
    "greeting": ("--expect", GREETING),
    "hello": ("--expect", TEXTS["hello"], "--half-close"),
    "daytime": ("--size", str(len(time.strftime("%A, %B %d, %Y %H:%M:%S-%Z\r\n")))),
    "time": ("--size", "4"),
}


def last_word(handler, close="plain", least=0.88, cpu=1.2):
    name = f"{handler}, 16 in flight" + (f": {close}" if close else "")
    options = ("--mode", "greeting", "--in-flight", "16", *SAYING[handler])
    return handler, Row("last word", name, options, least, cpu)


WALLED = {"close": "aside", "walled": True}
FLOOR_ROW = last_word("greeting", "the floor", 0.0, 0.0)[1]
LAST_WORD_ROWS = (
    *((last_word(handler, ""), {}) for handler in SAYING),
    *((last_word(handler, "aside", 0.96, 0.0), {"close": "aside"}) for handler in SAYING),
    *((last_word(handler, "aside, walled", 0.96, 1.05), WALLED) for handler in SAYING),
    (last_word("greeting", "wait", 0.0, 0.0), {"close": "wait"}),
    (last_word("greeting", "closer", 0.0, 0.0), {"close": "closer"}),
)


def against(peer, n, least=0.0, cpu=0.0, patience=2.5):
    """Apache echoes whole lines only, so these servers all get lines."""
    return Row("peers", f"{n} in flight: {peer}", (*echo_options("connect", n), "--lines"),
               least, cpu, peer, patience, {"in_flight": n})


PEER_ROWS = (
    (peers.Apache, against(peers.Apache.name, 16, 1.0, 0.85, 1)),
    (peers.Apache, against(peers.Apache.name, 64, 1.1, 0.85, 1)),
    (peers.NetServer, against(peers.NetServer.name, 16, 3.5)),
    (peers.Xinetd, against(peers.Xinetd.name, 16, 8)),
    (peers.Inetd, against(peers.Inetd.name, 16)),
    (peers.Tcpserver, against(peers.Tcpserver.name, 16, 11)),
    (peers.Socat, against(peers.Socat.name, 16)),
    (peers.Ncat, against(peers.Ncat.name, 16)),
)
ACCEPT_ROW = against(container.AcceptYes.name, 16, 55)
LOGS = echo_options("connect", 16)
TEXT_ROW = Row("log", "log_sessions: all as text / none", LOGS, 0.95, peer="tcpd")
# So long that the records which the rate lets through at once, after a pause, do not decide.
JOURNAL_ROW = Row("log", "log_sessions: all in journal / none", LOGS, 0.9, peer="tcpd", seconds=2)
LINES_TEXT_ROW = Row("log", "log_sessions: lines as text / none", LOGS, 0.97, peer="tcpd")
LINES_JOURNAL_ROW = Row("log", "log_sessions: lines in journal / none", LOGS, 0.95, peer="tcpd", seconds=2)


class Bench:
    def __init__(self, options):
        self.build = Path(options.build).resolve()
        self.options = options
        self.runner = Runner(self.build, options.pairs, options.seconds)
        self.packages = Packages(self.build / "bench/peers")
        self.reference = functools.partial(Reference, self.build)
        self.subject = self.reference if options.self else functools.partial(Tcpd, self.build)
        self.n_missing = 0
        self.programs = programs.Programs(self)
        self.doors = doors.Doors(self)
        self.tls = tls.Tls(self)
        self.access = access.Access(self)

    def wants(self, name, section=None):
        return self.options.only in name or self.options.only == section

    def skip(self, name, reason):
        self.n_missing += 1
        print(f"{name}: not measured: {reason}", flush=True)

    def against_reference(self):
        head(self.subject.func.name, "ref")
        for handler, row in REFERENCE_ROWS:
            if self.wants(row.name):
                self.runner.measure(row, functools.partial(self.subject, handler),
                                    functools.partial(self.reference, handler))

    def last_words(self):
        print()
        head(self.subject.func.name, "ref")
        for (handler, row), how in LAST_WORD_ROWS:
            if self.wants(row.name, row.section):
                self.runner.measure(row, functools.partial(self.subject, handler),
                                    functools.partial(self.reference, handler, **how))
        if self.wants(FLOOR_ROW.name, FLOOR_ROW.section):
            self.runner.measure(FLOOR_ROW, functools.partial(self.reference, "greeting", **WALLED),
                                functools.partial(self.reference, "greeting"))

    def against_peers(self):
        print()
        head(self.subject.func.name, "peer")
        for kind, row in PEER_ROWS:
            if not self.wants(row.name):
                continue
            n_pairs = self.options.pairs if row.most_cpu else OTHER_PAIRS
            try:
                self.runner.measure(row, self.subject, functools.partial(kind, self.packages),
                                    n_pairs)
            except (Missing, BenchError, OSError) as error:
                self.skip(row.name, error)

    def in_container(self):
        rows = ACCEPT_ROW, JOURNAL_ROW, LINES_JOURNAL_ROW, *programs.ACCEPT_ROWS
        if not any(self.wants(row.name, row.section) for row in rows):
            return
        try:
            with container.booted(self.build) as machine:
                if self.wants(ACCEPT_ROW.name):
                    self.runner.measure(ACCEPT_ROW, self.subject, functools.partial(
                        container.AcceptYes, machine, CONTAINER_PORTS[0]), OTHER_PAIRS)
                self.journal(machine)
                self.programs.in_container(machine)
        except (BenchError, OSError, subprocess.SubprocessError) as error:
            self.skip("in a container", error)

    def journal(self, machine):
        make = functools.partial(container.JournalTcpd, machine)
        for row, form in ((JOURNAL_ROW, "all"), (LINES_JOURNAL_ROW, "lines")):
            if self.wants(row.name):
                self.runner.measure(row, functools.partial(make, CONTAINER_PORTS[1], form),
                                    functools.partial(make, CONTAINER_PORTS[2], "none"), OTHER_PAIRS)

    def text(self):
        make = functools.partial(Tcpd, self.build, "echo", WORKERS)
        for row, form in ((TEXT_ROW, "all"), (LINES_TEXT_ROW, "lines")):
            if self.wants(row.name):
                self.runner.measure(row, functools.partial(make, form),
                                    functools.partial(make, "none"))

    def master(self):
        """The master's part of a core while connections come and the pool keeps its size."""
        options = (*echo_options("connect", 16), "--seconds", f"{10 * self.options.seconds:g}")
        with Tcpd(self.build) as tcpd:
            before = cpu_nsec(tcpd.process.pid)
            result = self.runner.load(tcpd, *options)
            share = (cpu_nsec(tcpd.process.pid) - before) / 1e9 / result["seconds"]
        good = share < MASTER_SHARE
        results.add("master", "master's processor time under load", share * 100, "% of a core",
                    target=f"< {MASTER_SHARE:.0%}", good=good, rate=result["rate"])
        print(f"\nthe master used {share:.3%} of a core at {result['rate']:.0f} connections/s;"
              f" target < {MASTER_SHARE:.0%}: {verdict(good)}")

    def memory(self):
        makers = {"tcpd": lambda n: Tcpd(self.build, "echo", n),
                  "ref": lambda n: Reference(self.build, "echo", n)}
        for kind in (peers.Apache, peers.NetServer):
            makers[kind.name] = functools.partial(kind, self.packages)
        memory.print_rows(makers, 1 if self.options.quick else 3, self.skip)

    def stalls(self):
        count = "100" if self.options.quick else "200"
        with self.subject("echo") as subject:
            p99 = {size: self.runner.load(subject, "--mode", "message", "--size", str(size),
                                          "--count", count)["latency_usec"]["p99"] / 1000
                   for size in STALL_SIZES}
        worst = max(p99, key=p99.get)
        stalled = [size for size in p99 if p99[size] >= STALL_MSEC]
        results.add("stalls", "worst p99 of round trips, 1 B to 1 MiB", p99[worst], "ms",
                    target=f"< {STALL_MSEC}", good=not stalled, size=worst)
        print(f"\nstalls: p99 of {count} round trips at {len(p99)} sizes from 1 B to 1 MiB: at most"
              f" {p99[worst]:.2f} ms, at {worst} B; target < {STALL_MSEC} ms:"
              f" {verdict(not stalled)}")
        for size in stalled:
            print(f"    stalls at {size} B: {p99[size]:.1f} ms")

    def run(self):
        self.against_reference()
        self.last_words()
        self.against_peers()
        self.in_container()
        self.text()
        self.programs.run()
        self.doors.run()
        self.tls.run()
        self.access.run()
        for name in ("master", "memory", "stalls"):
            if self.wants(name):
                getattr(self, name)()
        foreign = self.runner.foreign_share()
        n_targets = sum(row["good"] is not None for row in results.rows)
        print(f"\n{n_targets} targets: {n_targets - results.n_short()} met, {results.n_short()}"
              f" short; {self.runner.n_errors} errors; {self.n_missing} not measured; other"
              f" processes used {foreign:.0%} of the processors meanwhile")
        if foreign > MOST_FOREIGN:
            print("The machine was busy: servers that start processes lose most by that, so these"
                  " figures prove nothing.")
        if not results.rows:
            raise BenchError("nothing could be measured")
        results.add("noise", "processors used by other processes", foreign * 100, "%")
        return 1 if results.n_short() or self.runner.n_errors else 0


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", metavar="BUILD", help="directory of the build")
    parser.add_argument("--quick", action="store_true", help="about a minute, and coarser")
    parser.add_argument("--only", metavar="NAME", default="",
                        help="rows whose name contains NAME; programs, doors, tls, access: that section")
    parser.add_argument("--pairs", metavar="N", type=int, help="pairs for each row, 5 or more")
    parser.add_argument("--seconds", metavar="S", type=float, help="length of one run")
    parser.add_argument("--self", action="store_true",
                        help="the reference against itself: the noise of the measurement")
    options = parser.parse_args()
    options.seconds = options.seconds or (0.1 if options.quick else 0.2)
    options.pairs = max(options.pairs or PAIRS_PER_SET * (1 if options.quick else 3), 5)
    return options


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of every clean-up
    options = parse_options()
    began = time.monotonic()
    print(f"{results.head()}\n"
          f"servers: {WORKERS} workers each, where they can; every byte is verified; a run is"
          f" {options.seconds:g} s, longer for slow servers\n")
    try:
        status = Bench(options).run()
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print(f"took {time.monotonic() - began:.0f} s")
    if not (options.only or options.self):
        folder = Path(options.build) / "bench"
        results.save(folder / "bench.json")
        print(f"report: {report.write(folder)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
