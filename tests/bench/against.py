#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""against.py BUILD REV [--quick]: today's tcpd beside that of commit REV, row by row.

"ratio" is the median of today's value to REV's: of the speed, where more is better, and of the
processor time per unit of work, where less is better; of memory it is the difference in KiB.
"again" is the same for today's build and a copy of it, where nothing but noise differs; "noise" is
the far end of its 95 % confidence interval. A row beyond its limit is WORSE, or "within noise"
where the noise reaches as far: then only a quieter machine can tell.

The three servers take turns in each round. A sweep over the rows starts new servers for each, and
sweeps go on until the time is up: five minutes in all with the build of REV, or half of that with
--quick. BUILD/against keeps what was built, BUILD/bench/against.json the rows.
Exit status: 0 no row is worse, 1 one is or today's tcpd failed, 2 nothing could be measured, or in
fewer sweeps than it takes to know the noise.
"""

import argparse
import functools
import operator
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

import memory
import programs
import results
import revision
import world
from bench import LAST_WORD_ROWS, MOST_FOREIGN, REFERENCE_ROWS
from burst import MOST, POOL, Burst
from crowd import CrowdTcpd, left_behind
from judge import FEWEST, Figure, verdict
from pairs import Result, Runner, whole_life
from servers import BenchError, Tcpd

SECONDS = 290  # of which building REV takes at most half
RUN_SECONDS = 0.1
ROUNDS = 3  # of a set: each server has each place once
BURST = 256
BURST_ROUNDS = 3
NOT_PLAIN = "discard", "chargen"
LEAST_SPEED, MOST_CPU, MOST_KIB = 0.97, 1.01, 1
# All of one length: the length of its path moves the stack of a process.
TODAY, OTHER, AGAIN = NAMES = "today", "other", "again"
LINE = "{:30} {:>8} {:>8} {:5}{:>6} {:>6} {:>6}  {:>8} {:>8} {:6}{:>6} {:>6} {:>6}  {}"


def speed_and_cost(sets):
    unit = sets[0].unit
    return (Figure("speed", unit, [result.rates for result in sets], LEAST_SPEED),
            Figure("CPU", "us/MB" if unit == "MB/s" else "us", [result.costs for result in sets],
                   MOST_CPU))


def size(sets):
    return Figure("memory", "KiB", [result.rates for result in sets], MOST_KIB, operator.sub),


@dataclass
class Row:
    name: str
    make: callable  # a server of a build
    measure: callable  # (makers of servers, result): adds a set of rounds
    figures: callable = speed_and_cost  # of the sets
    sets: list = field(default_factory=list)


def measure_burst(burst, makers, result):
    spent = [{} for _ in makers]
    lives = [functools.partial(lambda make, seconds: whole_life(make(), seconds), *both)
             for both in zip(makers, spent)]
    result.unit = "/s"
    result.rates += [[BURST / msec * 1000 for msec in times]
                     for times in burst.pairs(lives, BURST, BURST_ROUNDS)]
    result.costs.append([mean(seconds.values()) * 1e6 / BURST for seconds in spent])


def measure_memory(makers, result):
    result.rates.append(memory.own_shares(makers))


def one_line(error):
    return " ".join(str(error).split())


class Against:
    """`folders` hold today's tcpd, that of the commit `rev`, and a copy of today's."""

    def __init__(self, build, rev, folders):
        self.rev = rev
        self.folders = dict(zip(NAMES, folders))
        self.runner = Runner(build, ROUNDS, RUN_SECONDS)
        self.burst = Burst(build, quick=True)
        self.problems = []
        self.rows = list(self.all_rows(build))

    def all_rows(self, build):
        for handler, row in REFERENCE_ROWS:
            if row.name not in NOT_PLAIN:
                yield self.load_row(row, functools.partial(Tcpd, mode=handler))
        (handler, row), _ = LAST_WORD_ROWS[0]
        yield self.load_row(row, functools.partial(Tcpd, mode=handler))
        words = "connection", programs.LAUNCHERS, build / "tests/bench/seven"
        yield self.load_row(programs.seven(self.rev, 8, label="7 bytes each"),
                            lambda folder: programs.program(folder, *words))
        yield Row(f"burst of {BURST}, from {POOL} workers",
                  lambda folder: CrowdTcpd(folder, POOL, MOST, spare=POOL),
                  functools.partial(measure_burst, self.burst))
        yield Row("PSS of an idle worker", lambda folder, n_workers: Tcpd(folder, "echo", n_workers),
                  measure_memory, size)

    def load_row(self, row, make):
        row = replace(row, peer=self.rev, seconds=RUN_SECONDS)
        return Row(row.name, make, lambda makers, result: self.runner.run_set(
            row, makers, ROUNDS, result))

    def server(self, row, name, *options):
        server = row.make(self.folders[name], *options)
        server.name = name
        return server

    def sweep(self):
        """Measures a set of every row. A row that fails is dropped."""
        for row in list(self.rows):
            result = Result()
            try:
                row.measure([functools.partial(self.server, row, name) for name in NAMES], result)
                row.sets.append(result)
            except (BenchError, OSError, subprocess.SubprocessError) as error:
                self.problems.append(f"{one_line(error)} ({row.name}: not measured)")
                self.rows.remove(row)

    def measure(self, seconds):
        """Sweeps as long as there is time for one more; returns how many."""
        began = time.monotonic()
        n_sweeps = spent = longest = 0
        while self.rows and spent + longest <= seconds:
            self.sweep()
            n_sweeps += 1
            before, spent = spent, time.monotonic() - began
            longest = max(longest, spent - before)
        return n_sweeps

    def keep(self, row):
        """Prints a row and adds it to the results."""
        figures = row.figures(row.sets)
        found = verdict(figures)
        first, *more = figures
        results.add("against", row.name, first.medians[0], first.unit, first.medians[1],
                    first.value, (min(first.values), max(first.values)), f"{first.limit}",
                    "WORSE" not in found,
                    peer=self.rev, verdict=found, **{"cpu_ratio": cost.value for cost in more},
                    figures={figure.name: figure.kept() for figure in figures})
        cells = [cell for figure in figures for cell in figure.cells()]
        print(LINE.format(row.name, *cells, *[""] * (12 - len(cells)), found), flush=True)

    def faults(self):
        """Prints what went wrong; returns how many faults are today's."""
        problems = list(dict.fromkeys(self.problems + self.burst.problems + left_behind))
        for problem in problems:
            print(f"problem: {problem}")
        return self.runner.n_errors + sum(not problem.startswith((OTHER, f"{BURST} clients"))
                                          for problem in problems)

    def run(self, seconds):
        n_sweeps = self.measure(seconds)
        if not self.rows:
            raise BenchError(f"nothing could be measured: {self.problems[0]}")
        columns = "ratio", "again", "noise"
        print(LINE.format("row", TODAY, self.rev[:8], "", *columns, "CPU", self.rev[:8], "",
                          *columns, "").rstrip())
        for row in self.rows:
            self.keep(row)
        n_faults, foreign = self.faults(), self.runner.foreign_share()
        print(f"\n{len(self.rows)} rows: {results.n_short()} worse; {n_faults} faults of today's;"
              f" {n_sweeps} sweeps; other processes used {foreign:.0%} of the processors meanwhile")
        if foreign > MOST_FOREIGN:
            print("The machine was busy: look at the noise before you believe a row.")
        if n_sweeps < FEWEST:
            print(f"Fewer than {FEWEST} sweeps: the noise is unknown, so no row can be judged.")
        if results.n_short() or n_faults:
            return 1
        return 2 if n_sweeps < FEWEST else 0


def measure(build, commit, folder, seconds):
    """Measures copies of the programs, made below `folder`; returns the exit status."""
    folders = [folder / name for name in NAMES]
    for to, source in zip(folders, (build, folder.parent / commit / "build", build)):
        to.mkdir()
        shutil.copy2(source / "tcpd", to)
    print(f"{results.head()}\ntoday:   {revision.today()}\nother:   {revision.describe(commit)}\n",
          flush=True)
    status = Against(build, commit, folders).run(seconds)
    results.save(build / "bench/against.json")
    return status


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", metavar="BUILD", type=Path, help="directory of the build")
    parser.add_argument("rev", metavar="REV", help="the commit to compare with")
    parser.add_argument("--quick", action="store_true", help="half the time, and coarser")
    return parser.parse_args()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of every clean-up
    began = time.monotonic()
    options = parse_options()
    build = options.build.resolve()
    seconds = SECONDS / 2 if options.quick else SECONDS
    try:
        commit = revision.find(options.rev)
        revision.build(commit, build / "against")
        reason = world.enter_own_network()
        if reason:
            print(f"network: shared with others, as a new one is refused: {reason}")
        seconds -= min(time.monotonic() - began, seconds / 2)
        with tempfile.TemporaryDirectory(prefix="run-", dir=build / "against") as folder:
            status = measure(build, commit, Path(folder), seconds)
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        print(f"bench-against: {one_line(error)}", file=sys.stderr)
        return 2
    print(f"took {time.monotonic() - began:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
