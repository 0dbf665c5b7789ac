# SPDX-License-Identifier: MIT
"""Two servers under the same load, in pairs of runs.

Only a ratio within a pair of back-to-back runs means anything on a shared machine, and many short
pairs tell more than a few long ones. So every row is measured in sets of pairs whose order
alternates, each set with fresh processes and a warm-up, and the median of the ratios is held
against the target. A row that is short is measured once more, and all its pairs count.
"""

import contextlib
import json
import os
import resource
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import results
from servers import BenchError, cpu_between

PAIRS_PER_SET = 7
OURS = "ref", "ref_tls", "tcpd", "alone"  # where an error is no failing of somebody else's
LINE = "{:36} {:>8} {:>8} {:4} {:>7} {:>12} {:>5} {:>9} {:>9} {:5} {:>6}  {:21} {}"


def echo_options(mode, in_flight, size=64):
    return ("--mode", mode, "--size", str(size), "--in-flight", str(in_flight))


@dataclass(frozen=True)
class Row:
    section: str
    name: str
    options: tuple  # of load
    least_ratio: float = 0.0  # of the rates; 0 is no target
    most_cpu: float = 0.0  # ratio of processor time per operation; 0 is no target
    peer: str = "ref"
    patience: float = 1.0  # a run of the peer is so many times as long
    more: dict = field(default_factory=dict)  # for the results
    seconds: float = 0.0  # length of a run, where it must be another than usual
    starts_programs: bool = False  # processor time is counted by set, see whole_life()

    def target(self):
        parts = [f">= {self.least_ratio:.2f}" if self.least_ratio else "",
                 f"CPU <= {self.most_cpu:.2f}" if self.most_cpu else ""]
        return ", ".join(filter(None, parts))


@dataclass
class Result:
    """The pairs of one row: the rates of (subject, peer), and the processor time of each; with
    more servers in a set, of all of them."""

    rates: list = field(default_factory=list)
    costs: list = field(default_factory=list)
    unit: str = ""

    def rate(self):
        return median(a / b for a, b in self.rates)

    def cost(self):
        return median(a / max(b, 1e-9) for a, b in self.costs)

    def medians(self):
        return [median(rates) for rates in zip(*self.rates)]

    def median_costs(self):
        return [median(costs) for costs in zip(*self.costs)]

    def middle_half(self):
        low, _, high = quantiles((a / b for a, b in self.rates), n=4)
        return low, high

    def meets(self, row):
        good_cost = row.most_cpu == 0 or self.cost() <= row.most_cpu
        return self.rate() >= row.least_ratio and good_cost


class Runner:
    """Runs the load, counts what went wrong, prints and keeps the rows."""

    def __init__(self, build, n_pairs, seconds):
        self.load_program = Path(build) / "tests/bench/load"
        self.n_pairs = n_pairs
        self.seconds = seconds
        self.n_errors = 0  # of tcpd and the reference
        self.run_seconds = 0.0
        self.foreign_seconds = 0.0

    def load(self, server, *options, is_ours=True):
        command = [self.load_program, "--json", "--address", server.address(), *options,
                   *server.load_options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode not in (0, 1):
            raise BenchError(f"load: {done.stderr or done.returncode}")
        result = json.loads(done.stdout)
        if result["error_count"]:
            self.n_errors += is_ours and result["error_count"]
            kinds = {kind: n for kind, n in result["errors"].items() if n}
            print(f"{server.name} {shlex.join(options)}: {kinds} {done.stderr.strip()}")
            if not is_ours and result["error_count"] >= result["operations"]:
                raise BenchError(f"{server.name} has answered {result['operations']} times,"
                                 f" and failed {result['error_count']} times")
        return result

    def run_once(self, server, row, seconds, is_ours):
        """(rate, usec of the server's processor time per operation or MB, unit, how many)"""
        before, busy = server.cpu(), busy_seconds()
        result = self.load(server, *row.options, "--seconds", f"{seconds:g}", is_ours=is_ours)
        cpu, busy = cpu_between(before, server.cpu()), busy_seconds() - busy
        self.run_seconds += result["seconds"]
        self.foreign_seconds += busy - cpu - result["cpu_seconds"]
        is_stream = result["unit"] == "MB/s"
        amount = result["bytes"] / 1e6 if is_stream else result["operations"]
        rate = max(result["rate"], 1e-9)  # nothing at all was done: a ratio of 0, not a crash
        return rate, cpu * 1e6 / max(amount, 1e-9), "MB/s" if is_stream else "/s", amount

    def run_set(self, row, makers, n_rounds, result):
        """Adds rounds, each a run of every server; all are new and warm. The first is the subject."""
        cpu = {}
        seconds = row.seconds or self.seconds
        with contextlib.ExitStack() as stack:
            servers = [stack.enter_context(whole_life(make(), cpu)) for make in makers]

            def run(server):
                if server is servers[0]:
                    return self.run_once(server, row, seconds, True)
                return self.run_once(server, row, seconds * row.patience, row.peer in OURS)

            amounts = [run(server)[-1] for server in servers]
            for i in range(n_rounds):
                runs = {server: run(server) for server in in_turn(servers, i)}
                rates, costs, (result.unit, *_), done = zip(*(runs[server] for server in servers))
                result.rates.append(rates)
                if not row.starts_programs:
                    result.costs.append(costs)
                amounts = [sum(both) for both in zip(amounts, done)]
        if row.starts_programs:
            result.costs.append([cpu[server] * 1e6 / max(amount, 1e-9)
                                 for server, amount in zip(servers, amounts)])

    def measure(self, row, make_subject, make_peer, n_pairs=None):
        n_pairs = n_pairs or self.n_pairs
        result = Result()
        for _ in range(2):
            for done in range(0, n_pairs, PAIRS_PER_SET):
                self.run_set(row, (make_subject, make_peer), min(PAIRS_PER_SET, n_pairs - done),
                             result)
            if result.meets(row):
                break
        return self.keep(row, result)

    @staticmethod
    def keep(row, result):
        target = row.target()
        good = result.meets(row) if target else None
        subject, peer = result.medians()
        low, high = result.middle_half()
        unit = "us/MB" if result.unit == "MB/s" else "us"
        results.add(row.section, row.name, subject, result.unit, peer, result.rate(), (low, high),
                    target, good, peer=row.peer, cpu=result.median_costs(), cpu_unit=unit,
                    cpu_ratio=result.cost(), pairs=len(result.rates), **row.more)
        print(LINE.format(
            row.name, f"{subject:.0f}", f"{peer:.0f}", result.unit, text(result.rate()),
            f"{text(low)}..{text(high)}", len(result.rates),
            *(f"{cost:.1f}" for cost in result.median_costs()), unit, f"{result.cost():.3f}",
            target, verdict(good)).rstrip(), flush=True)
        return result

    def foreign_share(self):
        """What other processes have used of the processors during the runs."""
        return max(self.foreign_seconds / max(self.run_seconds * os.cpu_count(), 1e-9), 0)


def in_turn(items, i):
    """The items in the order of round i: each has each place equally often."""
    first = i % len(items)
    return [*items[first:], *items[:first]]


def reaped_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def whole_life(server, seconds):
    """Puts the processor time of a server's whole life into `seconds`.

    While it lives /proc tells of the children that it has waited for in clock ticks, for each of
    its workers: that is nothing at all for programs that take less. Its own end tells exactly. One
    that is not ours to wait for counts from here on."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(server)
        before = server.cpu()
        yield server
        seconds[server] = cpu_between(before, server.cpu())
        reaped = reaped_seconds()
        stack.close()
        if server.process is not None:
            seconds[server] = reaped_seconds() - reaped


def head(name, peer):
    print(LINE.format("row", name, peer, "", "ratio", "middle half", "pairs", "CPU " + name,
                      "CPU " + peer, "", "ratio", "target", "").rstrip())


def text(ratio):
    return f"{ratio:.3f}" if ratio < 2 else f"{ratio:.1f}"


def verdict(good):
    return {True: "ok", False: "SHORT", None: ""}[good]


def busy_seconds():
    """What all processes of the machine have used of all processors so far."""
    with open("/proc/stat") as lines:
        user, nice, system, _idle, _iowait, *more = map(int, lines.readline().split()[1:9])
    return (user + nice + system + sum(more)) / os.sysconf("SC_CLK_TCK")
