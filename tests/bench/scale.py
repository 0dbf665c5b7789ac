#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scale.py BUILD [--part burst|scale|all]: bursts, and ten thousand workers.

Every figure stands beside that of a bare server that does the same and nothing else. Exit status:
0 every target met and nothing lost or left behind, 1 not, 2 nothing could be measured.
"""

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

import burst
import burst_peers
import crowd
import held
import results
import sizes
import steady
import world
from servers import BenchError


def measure_scale(build, quick):
    """All that needs ten thousand workers, as far as they fit."""
    n = held.SESSIONS // 10 if quick else held.SESSIONS
    reasons = world.obstacles(2 * n + 1000, n)  # a reload has two generations
    if reasons:
        raise BenchError("; ".join(reasons))
    return sizes.run(build, quick) + held.run(build, quick) + steady.run(build, quick)


PARTS = {"burst": burst.run, "scale": measure_scale}


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", metavar="BUILD", type=Path, help="directory of the build")
    parser.add_argument("--part", choices=(*PARTS, "all"), default="all")
    parser.add_argument("--quick", action="store_true", help="fewer runs, a tenth of the workers")
    return parser.parse_args()


def run_part(name, build, quick):
    """Measures one part and saves its rows. The number of things that are not good."""
    results.rows.clear()
    crowd.left_behind.clear()
    problems = PARTS[name](build, quick) + crowd.left_behind
    for problem in problems:
        print(f"problem: {problem}")
    results.save(build / f"bench/{name}.json")
    print(f"\n{name}: {results.n_short()} short, {len(problems)} problems", flush=True)
    return results.n_short() + len(problems)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of every clean-up
    options = parse_options()
    began = time.monotonic()
    names = PARTS if options.part == "all" else (options.part,)
    build = options.build.resolve()
    if "burst" in names:
        burst_peers.fetch(build)
    reason = world.enter_own_network()
    print(results.head())
    if reason:
        print(f"network: shared with others, as a new one is refused: {reason}")
    try:
        n_bad = sum(run_part(name, build, options.quick) for name in names)
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        print(f"scale: {error}", file=sys.stderr)
        return 2
    print(f"took {time.monotonic() - began:.0f} s")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
