# SPDX-License-Identifier: MIT
"""What an idle worker takes of memory: its own (PSS), and what the kernel keeps for it.

The kernel's share, page tables, stacks and slab, is the difference in /proc/meminfo that a whole
server makes. With 64 workers that drowns in what else happens on a machine, so it is taken with
1,000, and the median of some runs counts. PSS is taken with 64: shared pages weigh more there.
"""

import contextlib
import re
import time
from pathlib import Path
from statistics import median

import results
from packages import Missing
from pairs import verdict
from servers import WORKERS, BenchError

MOST_PSS = 60
MOST_IN_ALL = 125
MANY = 1000
FEW = 400  # in a hurry
SETTLE = 1.1  # seconds: the kernel gathers its processors' counts once a second
KERNEL = ("PageTables", "SecPageTables", "KernelStack", "Slab")


def meminfo():
    text = Path("/proc/meminfo").read_text()
    return {name: int(kib) for name, kib in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}


def gather():
    """Has the counts of all processors added up, as root at once."""
    try:
        Path("/proc/sys/vm/stat_refresh").read_text()
    except OSError:
        time.sleep(SETTLE)


def kernel_kib():
    gather()
    found = meminfo()
    return {name: found.get(name, 0) for name in KERNEL}


def kernel_share(make, n_workers):
    """KiB of the kernel's memory, by kind, for each worker that a server adds, once."""
    before = kernel_kib()
    with make(n_workers) as server:
        n_processes = max(len(server.workers()), 1)
        after = kernel_kib()
    return {name: (after[name] - before[name]) / n_processes for name in KERNEL}


def own_shares(makers):
    """PSS in KiB of a worker that has served nothing, the mean of all, for each server. All are
    there at once: a library's pages count less where others have them, too."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(make(WORKERS)) for make in makers]
        for server in servers:
            server.wait_until_quiet()
        return [server.memory() for server in servers]


def measure(make, n_runs, n_workers):
    """(PSS, the kernel's shares in all, their parts)"""
    shares = [kernel_share(make, n_workers) for _ in range(n_runs)]
    parts = {name: median(share[name] for share in shares) for name in KERNEL}
    return *own_shares([make]), [sum(share.values()) for share in shares], parts


def print_rows(makers, n_runs, skip):
    """makers: name to a callable that makes a server of so many workers. The first is held against
    the targets. skip(name, reason) is told of those that cannot be measured."""
    n_workers = MANY if n_runs > 1 else FEW
    print(f"\nmemory of an idle worker: PSS with {WORKERS} workers, the kernel's with {n_workers}"
          f" ({n_runs} runs)")
    for name, make in makers.items():
        try:
            print_server(name, *measure(make, n_runs, n_workers), name == next(iter(makers)))
        except (Missing, BenchError, OSError) as error:
            skip(f"memory of {name}", error)


def print_server(name, pss, shares, parts, has_targets):
    kernel, spread = median(shares), (min(shares), max(shares))
    total = pss + kernel
    good = (pss <= MOST_PSS, total <= MOST_IN_ALL) if has_targets else (None, None)
    target = (f"<= {MOST_PSS}", f"<= {MOST_IN_ALL}") if has_targets else ("", "")
    results.add("memory", f"PSS, {name}", pss, "KiB", server=name, target=target[0], good=good[0])
    results.add("memory", f"with the kernel's share, {name}", total, "KiB", server=name,
                kernel=kernel, parts=parts, spread=[pss + share for share in spread],
                target=target[1], good=good[1])
    told = "; targets {}: {}, {}: {}".format(
        target[0], verdict(good[0]), target[1], verdict(good[1])) if has_targets else ""
    kinds = ", ".join(f"{kind} {kib:.0f}" for kind, kib in parts.items() if kib >= 0.5)
    print(f"    {name:24} {pss:6.1f} KiB + {kernel:5.1f} ({spread[0]:.1f}..{spread[1]:.1f}:"
          f" {kinds}) = {total:6.1f} KiB{told}", flush=True)
