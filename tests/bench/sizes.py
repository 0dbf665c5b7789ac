# SPDX-License-Identifier: MIT
"""What the number of workers costs: start, status, reload and stop at several sizes of the pool.

Each is told for each worker, so that a straight line is a constant; `exponent` is that of the
growth from the smallest pool to the largest, 1 for a straight line, 2 for a quadratic one.
"""

import math
import time
from statistics import median

import results
import table
from crowd import CrowdReference, CrowdTcpd

SIZES = (1000, 2000, 5000, 10000)
MOST = 12000
STATUS_ASKED = 10
IDLE_SECONDS = 3
TARGET_SECONDS = 1.5  # of a stop, of a reload, at the largest size
TARGETS = {"reload": TARGET_SECONDS, "stop": TARGET_SECONDS}
LINE = "{:28} {:>5}" + " {:>17}" * len(SIZES) + " {:>9}"


def measure_tcpd(build, n):
    """Milliseconds of each thing, by name; None: it did not come to its end."""
    server = CrowdTcpd(build, n, MOST)
    with server:
        found = {"start": server.start_seconds * 1000, "master's CPU: start": server.master_msec()}
        before = server.master_msec()
        time.sleep(IDLE_SECONDS)
        found["master's CPU: a second idle"] = (server.master_msec() - before) / IDLE_SECONDS
        before = server.master_msec()
        delays = [server.ask_status() for _ in range(STATUS_ASKED)]
        found["master's CPU: a status"] = (server.master_msec() - before) / STATUS_ASKED
        found["status, until its line"] = None if None in delays else median(delays) * 1000
        before = server.master_msec()
        seconds = server.reload()
        found["reload"] = seconds and seconds * 1000
        found["master's CPU: reload"] = seconds and server.master_msec() - before
        seconds = server.stop()
        found["stop"] = seconds and seconds * 1000
    return found


def measure_reference(build, n):
    with CrowdReference(build, n) as server:
        found = {"start": server.start_seconds * 1000}
        found["stop"] = server.stop() * 1000
    return found


def exponent(sizes, values):
    """Of the growth from the first value to the last; None where one is missing or nothing."""
    if not values[0] or not values[-1] or len(sizes) < 2:
        return None
    return math.log(values[-1] / values[0]) / math.log(sizes[-1] / sizes[0])


def print_line(name, server, sizes, found):
    values = [found[n].get(name) for n in sizes]
    cells = ["-" if value is None else f"{value:.4g} ({value / n * 1000:.3g})"
             for n, value in zip(sizes, values)]
    print(LINE.format(name, server, *cells, table.text(exponent(sizes, values))), flush=True)
    return exponent(sizes, values)


def keep(name, sizes, ours, theirs, growth):
    """A row for each size; those of the largest may have a target."""
    for n in sizes:
        value, ref = ours[n].get(name), theirs[n].get(name)
        limit = TARGETS.get(name) if n == sizes[-1] else None
        if limit is None:
            results.add("scale", f"{name}, {n} workers", value, "ms", ref, workers=n,
                        exponent=growth)
            continue
        table.row("scale", f"{name}, {n} workers", value and value / 1000, "s", ref and ref / 1000,
                  target=f"<= {limit} s", good=table.at_most(limit * 1000, value), workers=n,
                  exponent=growth)


def run(build, quick):
    sizes = tuple(n // 10 for n in SIZES) if quick else SIZES
    ours = {n: measure_tcpd(build, n) for n in sizes}
    theirs = {n: measure_reference(build, n) for n in sizes}
    print("\n" + LINE.format("ms in all (us a worker)", "", *sizes, "exponent"))
    growth = {}
    for name in ours[sizes[0]]:
        growth[name] = print_line(name, "tcpd", sizes, ours)
        if name in theirs[sizes[0]]:
            print_line(name, "ref", sizes, theirs)
    table.head(f"{sizes[-1]} workers")
    for name in growth:
        keep(name, sizes, ours, theirs, growth[name])
    missing = [f"{name}, {n} workers: did not come to its end" for n in sizes for name in ours[n]
               if ours[n][name] is None and "CPU" not in name]
    return missing
