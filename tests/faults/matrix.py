# SPDX-License-Identifier: MIT
"""The fault matrix: every system call that tcpd's master and workers make, failing. CONTRIBUTING.md
says what it is; scenarios.py has the situations, errnos.py the errors, checks.py what must hold.

Prints a line for each cell that fails, and totals; exit status 1 when there is one."""

import argparse
import collections
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parents[1] / "system"))

from cells import cells_of_calls, cells_of_limits, scenarios_of, survey  # noqa: E402
from checks import Lane, judge  # noqa: E402
from errnos import LEFT_OUT  # noqa: E402
from harness import can_trace  # noqa: E402

PIECE = 12  # so many cells are a lane's at a time, so that lanes end together


def open_journal():
    """A journal that takes everything, where /run is ours; False: it is not."""
    if os.environ.get("TCPD_SANDBOX") not in ("root", "user"):
        return False
    if subprocess.run(["mount", "-t", "tmpfs", "faults", "/run"], check=False).returncode:
        return False
    os.makedirs("/run/systemd/journal")
    sink = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sink.bind("/run/systemd/journal/socket")

    def drink():
        while True:
            sink.recvmsg(65536, 1024)

    threading.Thread(target=drink, daemon=True).start()
    return True


# --- In the processes of the pool ---------------------------------------------------------------

def begin_lane(numbers):
    """Each has ports of its own, see free_port()."""
    os.environ["PYTEST_XDIST_WORKER"] = f"gw{numbers.get()}"


def survey_one(scenario):
    try:
        return scenario, survey(scenario), None
    except Exception as error:
        return scenario, None, f"{type(error).__name__}: {error}"


def run_piece(cells):
    """[(cell, what is wrong, what was wrong only at the first try, whether the call was made,
    seconds)]. A call from which strace detaches fails with ENOSYS, so each has two tries."""
    lane, results = Lane(), []
    for cell in cells:
        began = time.monotonic()
        wrong, made = judge(lane, cell)
        once = wrong
        if wrong:
            wrong, made = judge(lane, cell)
        results.append((cell, wrong, once if not wrong else None, made, time.monotonic() - began))
    lane.drop()
    return results


# --- All of it ----------------------------------------------------------------------------------

def pieces_of(cells):
    groups = collections.defaultdict(list)
    for cell in cells:
        groups[cell.scenario.where, cell.scenario.what].append(cell)
    return [group[i:i + PIECE] for group in groups.values() for i in range(0, len(group), PIECE)]


class Totals:
    def __init__(self, is_verbose):
        self.table = collections.defaultdict(lambda: [0, 0, 0.0])
        self.n_cells = self.n_failed = self.n_once = self.n_unmade = 0
        self.is_verbose = is_verbose

    def add(self, cell, wrong, once, made, lasted):
        row = self.table[cell.scenario.where, cell.scenario.what]
        for i, n in enumerate((1, bool(wrong), lasted)):
            row[i] += n
        self.n_cells += 1
        self.n_failed += bool(wrong)
        self.n_once += bool(once)
        self.n_unmade += not made
        if wrong:
            print(f"FAILED {cell}: {wrong}", flush=True)
        if once:
            print(f"held at a second try: {cell}: {once}", flush=True)
        if self.is_verbose and not made:
            print(f"its call was not made: {cell}", flush=True)

    def show(self):
        for (where, what), (n, n_failed, lasted) in sorted(self.table.items()):
            print(f"{where + ':' + what:22} {n:4} cells, {n_failed} failed, "
                  f"{lasted / n:.2f} s each")


def find_cells(pool, options):
    """(cells, number of scenarios that cannot be surveyed)"""
    found, n_failed = [], 0
    for scenario, calls, wrong in pool.imap(survey_one, scenarios_of(options)):
        if wrong:
            print(f"FAILED {scenario.where}:{scenario.what}, without any fault: {wrong}")
            n_failed += 1
        else:
            found.append((scenario, calls))
    cells = [cell for cell in cells_of_calls(found, options) + cells_of_limits(options)
             if not options.only or re.search(options.only, str(cell))]
    for name, why in LEFT_OUT:
        left_out = [str(cell) for cell in cells if re.search(name, str(cell))]
        if left_out:
            print(f"left out: {', '.join(left_out)}: {why}")
        cells = [cell for cell in cells if str(cell) not in left_out]
    return cells, n_failed


def parse():
    parser = argparse.ArgumentParser(prog="check-faults", description="makes each system call fail")
    parser.add_argument("--quick", action="store_true", help="within two minutes, and coarser")
    parser.add_argument("--only", metavar="REGEX", help="cells whose name has it")
    parser.add_argument("--list", action="store_true", help="print the cells and end")
    parser.add_argument("--verbose", action="store_true", help="name the cells whose call was not made")
    parser.add_argument("--all-errnos", action="store_true",
                        help="also errors that the kernel does not give")
    parser.add_argument("--lanes", type=int, default=6, help="daemons at the same time")
    return parser.parse_args()


def main():
    options = parse()
    if not can_trace():
        print("faults: skipped, as strace is missing or may not trace here")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    began = time.monotonic()
    context = multiprocessing.get_context("fork")
    numbers = context.Queue()
    for number in range(options.lanes):
        numbers.put(number)
    with tempfile.TemporaryDirectory(prefix="faults-") as directory:
        os.chmod(directory, 0o755)
        tempfile.tempdir = directory
        with context.Pool(options.lanes, begin_lane, (numbers,)) as pool:
            options.journal = open_journal()
            cells, n_unsurveyed = find_cells(pool, options)
            if options.list:
                print(*cells, f"{len(cells)} cells", sep="\n")
                return 0
            totals = Totals(options.verbose)
            for results in pool.imap_unordered(run_piece, pieces_of(cells)):
                for result in results:
                    totals.add(*result)
    totals.show()
    print(f"faults: {totals.n_cells} cells, {totals.n_once} held at a second try, "
          f"{totals.n_unmade} whose call was not made, "
          f"{'with' if options.journal else 'without'} a journal, {time.monotonic() - began:.0f} s")
    n_failed = totals.n_failed + n_unsurveyed
    print(f"{totals.n_cells - totals.n_failed} passed, {n_failed} failed, 0 skipped")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
