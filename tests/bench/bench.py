#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bench.py BUILD: tcpd beside a bare prefork server, in pairs.

Only a ratio within a pair of back-to-back runs means anything on a shared machine, and many short
pairs tell more than a few long ones. So every row is measured in sets of pairs whose order
alternates, each set with fresh processes, and the median of the ratios is held against the target.
A row that is short is measured once more, and all its pairs count.
Exit status: 0 every target met and every byte right, 1 not, 2 nothing could be measured.
"""

import argparse
import functools
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from servers import GREETING, WORKERS, BenchError, Reference, Tcpd, cpu_between

MEMORY_KIB = 60
PAIRS_PER_SET = 7
STALL_MSEC = 40  # what a delayed ACK costs
STALL_SIZES = (1, 2, 3, 7, 64, 536, 1448, 1460, 4096, 8192, 16384, 32768,
               65535, 65536, 65537, 131072, 262144, 1048576)


LINE = "{:30} {:>8} {:>8} {:4} {:>6} {:>11} {:>12} {:>5} {:>9} {:>8} {:5} {:>6}  {:20} {}"


@dataclass(frozen=True)
class Row:
    name: str
    handler: str
    options: tuple
    least_ratio: float
    most_cpu: float = 0.0  # ratio of processor time per operation; 0 is no target


@dataclass
class Result:
    """The pairs of one row: what load told of (tcpd, ref), and the processor time of each."""

    rates: list = field(default_factory=list)
    costs: list = field(default_factory=list)
    unit: str = ""

    def rate(self):
        return median(a / b for a, b in self.rates)

    def cost(self):
        return median(a / b for a, b in self.costs)

    def spread(self):
        """The middle half of the paired ratios, and all of them."""
        ratios = sorted(a / b for a, b in self.rates)
        low, _, high = quantiles(ratios, n=4)
        return f"{low:.2f}..{high:.2f}", f"{ratios[0]:.2f}..{ratios[-1]:.2f}"


def connect(n, least=0.95):
    return Row(f"connections 64 B, {n} in flight", "echo",
               ("--mode", "connect", "--size", "64", "--in-flight", str(n)), least, 1.15)


def message(size, text, least):
    return Row(f"messages {text} x 8", "echo",
               ("--mode", "message", "--size", str(size), "--in-flight", "8"), least)


ROWS = (
    connect(1), connect(16), connect(64),
    message(64, "64 B", 0.92), message(16384, "16 KiB", 0.97),
    Row("bulk", "echo", ("--mode", "bulk"), 0.95),
    Row("greeting, 16 in flight", "greeting",
        ("--mode", "greeting", "--in-flight", "16", "--expect", GREETING), 0.95),
    Row("discard", "discard", ("--mode", "discard"), 0.95),
    Row("chargen", "chargen", ("--mode", "chargen"), 0.95),
)


class Bench:
    def __init__(self, options):
        build = Path(options.build).resolve()
        self.load_program = build / "tests/bench/load"
        self.reference = functools.partial(Reference, build)
        self.subject = self.reference if options.self else functools.partial(Tcpd, build)
        self.pairs = options.pairs
        self.seconds = options.seconds
        self.round_trips = 100 if options.quick else 200
        self.n_errors = 0
        self.n_short = 0
        self.run_seconds = 0.0
        self.foreign_seconds = 0.0

    def load(self, server, *options):
        command = [self.load_program, "--json", "--address", f"127.0.0.1:{server.port}", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode not in (0, 1):
            raise BenchError(f"load: {done.stderr or done.returncode}")
        result = json.loads(done.stdout)
        if result["error_count"]:
            self.n_errors += result["error_count"]
            kinds = {kind: n for kind, n in result["errors"].items() if n}
            print(f"{server.name} {shlex.join(options)}: {kinds} {done.stderr.strip()}")
        return result

    def run_once(self, server, row):
        """(rate, usec of the server's processor time per operation or MB, unit)"""
        before, busy = server.cpu(), busy_seconds()
        result = self.load(server, *row.options, "--seconds", str(self.seconds))
        cpu, busy = cpu_between(before, server.cpu()), busy_seconds() - busy
        self.run_seconds += result["seconds"]
        self.foreign_seconds += busy - cpu - result["cpu_seconds"]
        is_stream = result["unit"] == "MB/s"
        amount = result["bytes"] / 1e6 if is_stream else result["operations"]
        rate = max(result["rate"], 1e-9)  # nothing at all was done: a ratio of 0, not a crash
        return rate, cpu * 1e6 / max(amount, 1e-9), "MB/s" if is_stream else "/s"

    def run_set(self, row, n_pairs, result):
        with self.subject(row.handler) as subject, self.reference(row.handler) as reference:
            for server in (subject, reference):
                self.load(server, *row.options, "--seconds", str(self.seconds))  # warm-up
            for i in range(n_pairs):
                order = (subject, reference) if i % 2 == 0 else (reference, subject)
                runs = {server: self.run_once(server, row) for server in order}
                rates, costs, (result.unit, _) = zip(runs[subject], runs[reference])
                result.rates.append(rates)
                result.costs.append(costs)

    @staticmethod
    def is_good(row, result):
        good_cost = row.most_cpu == 0 or result.cost() <= row.most_cpu
        return result.rate() >= row.least_ratio and good_cost

    def measure(self, row):
        result = Result()
        for _ in range(2):
            for done in range(0, self.pairs, PAIRS_PER_SET):
                self.run_set(row, min(PAIRS_PER_SET, self.pairs - done), result)
            if self.is_good(row, result):
                break
        return result

    def verdict(self, is_good):
        self.n_short += not is_good
        return "ok" if is_good else "SHORT"

    def print_row(self, row):
        result = self.measure(row)
        target = f">= {row.least_ratio:.2f}"
        if row.most_cpu:
            target += f", CPU <= {row.most_cpu:.2f}"
        print(LINE.format(
            row.name, *(f"{median(rates):.0f}" for rates in zip(*result.rates)), result.unit,
            f"{result.rate():.3f}", *result.spread(), len(result.rates),
            *(f"{median(costs):.1f}" for costs in zip(*result.costs)),
            "us/MB" if result.unit == "MB/s" else "us", f"{result.cost():.3f}", target,
            self.verdict(self.is_good(row, result))), flush=True)

    def print_memory(self):
        connections = ("--mode", "connect", "--in-flight", str(WORKERS), "--count", "5000")
        with self.subject("echo") as subject, self.reference("echo") as reference:
            fresh = [server.memory() for server in (subject, reference)]
            for server in (subject, reference):
                self.load(server, *connections)
            served = [server.memory() for server in (subject, reference)]
        good = self.verdict(fresh[0] <= MEMORY_KIB)
        print(f"\nmemory of an idle worker (PSS): {fresh[0]:.1f} KiB, ref {fresh[1]:.1f};"
              f" target <= {MEMORY_KIB} KiB: {good}\n"
              f"    after serving connections of 64 B: {served[0]:.1f} KiB, ref {served[1]:.1f}",
              flush=True)

    def print_stalls(self):
        count = str(self.round_trips)
        with self.subject("echo") as subject:
            p99 = {size: self.load(subject, "--mode", "message", "--size", str(size), "--count",
                                   count)["latency_usec"]["p99"] / 1000 for size in STALL_SIZES}
        worst = max(p99, key=p99.get)
        stalled = [size for size in p99 if p99[size] >= STALL_MSEC]
        print(f"\nstalls: p99 of {count} round trips at {len(p99)} sizes from 1 B to 1 MiB: at most"
              f" {p99[worst]:.2f} ms, at {worst} B; target < {STALL_MSEC} ms:"
              f" {self.verdict(not stalled)}")
        for size in stalled:
            print(f"    stalls at {size} B: {p99[size]:.1f} ms")

    def run(self, only):
        name = self.subject.func.name
        print(LINE.format("row", name, "ref", "", "ratio", "middle half", "min..max", "pairs",
                          "CPU " + name, "CPU ref", "", "ratio", "target", ""))
        for row in ROWS:
            if only in row.name:
                self.print_row(row)
        if only in "memory":
            self.print_memory()
        if only in "stalls":
            self.print_stalls()
        foreign = self.foreign_seconds / max(self.run_seconds * os.cpu_count(), 1e-9)
        print(f"\n{self.n_short} short, {self.n_errors} errors; other processes used"
              f" {max(foreign, 0):.0%} of the processors meanwhile")
        return 1 if self.n_short or self.n_errors else 0


def busy_seconds():
    """What all processes of the machine have used of all processors so far."""
    with open("/proc/stat") as lines:
        user, nice, system, _idle, _iowait, *more = map(int, lines.readline().split()[1:9])
    return (user + nice + system + sum(more)) / os.sysconf("SC_CLK_TCK")


def machine():
    models = [line.partition(":")[2].strip() for line in open("/proc/cpuinfo")
              if line.startswith("model name")]
    return f"{os.cpu_count()} x {models[0] if models else platform.machine()}"


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", metavar="BUILD", help="directory of the build")
    parser.add_argument("--quick", action="store_true", help="under a minute, and coarser")
    parser.add_argument("--only", metavar="NAME", default="", help="rows whose name contains NAME")
    parser.add_argument("--pairs", metavar="N", type=int, help="pairs for each row, 7 or more")
    parser.add_argument("--seconds", metavar="S", type=float, help="length of one run")
    parser.add_argument("--self", action="store_true",
                        help="the reference against itself: the noise of the measurement")
    options = parser.parse_args()
    options.seconds = options.seconds or (0.1 if options.quick else 0.2)
    options.pairs = max(options.pairs or (14 if options.quick else 35), PAIRS_PER_SET)
    return options


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of every clean-up
    options = parse_options()
    began = time.monotonic()
    print(f"machine: {machine()}, {platform.system()} {platform.release()}; load average"
          f" {os.getloadavg()[0]:.2f}\ndate:    {time.strftime('%Y-%m-%d %H:%M:%S %z')}\n"
          f"command: {shlex.join(sys.argv)}\nservers: {WORKERS} workers each; every byte is verified;"
          f" a run is {options.seconds:g} s\n")
    try:
        status = Bench(options).run(options.only)
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print(f"took {time.monotonic() - began:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
