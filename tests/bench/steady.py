# SPDX-License-Identifier: MIT
"""Pools of a size that stays: the price of idle workers, the share of each, their replacement."""

import os
import signal
import socket
import time
from statistics import median

import table
from crowd import CrowdReference, CrowdTcpd, wait_until
from loads import load
from pairs import in_turn
from servers import BenchError, cpu_nsec

MANY, FEW = 10000, 64
TARGET_RATE = 0.65
TARGET_MSEC = 5
SPACING = 0.02
N_CONNECTIONS = 4  # between two kills, so that each worker has served before its turn
SETTLE = 0.5


def rates(build, make, many, n_pairs):
    """Ratios of connections a second, with many idle workers to few, run by run."""
    options = ("--mode", "connect", "--in-flight", 64, "--seconds", 1)
    ratios, absolute = [], []
    with make(build, many) as crowd, make(build, FEW) as few:
        time.sleep(SETTLE)
        for server in (crowd, few):
            load(build, server, *options)  # warm-up
        for i in range(n_pairs):
            found = {server: load(build, server, *options) for server in in_turn((crowd, few), i)}
            problems = [result["problem"] for result in found.values() if result["problem"]]
            if problems:
                raise BenchError(f"connections: {problems}")
            ratios.append(found[crowd]["rate"] / found[few]["rate"])
            absolute.append(found[crowd]["rate"])
    return ratios, median(absolute)


def row_of_rates(build, quick):
    many, n_pairs = (MANY // 10, 3) if quick else (MANY, 5)
    ours, per_second = rates(build, CrowdTcpd, many, n_pairs)
    theirs, _ = rates(build, CrowdReference, many, n_pairs)
    ratio, spread = table.middle(ours)
    table.row("scale", f"connections/s, {many} idle workers to {FEW}", ratio, "", median(theirs),
              ratio / median(theirs), spread, f">= {TARGET_RATE}", ratio >= TARGET_RATE,
              per_second=per_second)


def shares(build, server, seconds):
    """Processor time of each worker in a run, as a ratio to the mean: a share of the sessions."""
    with server:
        time.sleep(SETTLE)
        before = {pid: cpu_nsec(pid) for pid in server.workers()}
        result = load(build, server, "--mode", "connect", "--in-flight", 8, "--seconds", seconds)
        used = [cpu_nsec(pid) - nsec for pid, nsec in before.items()]
    if result["problem"]:
        raise BenchError(f"{server.name}: {result['problem']}")
    mean = sum(used) / len(used)
    return min(used) / mean, max(used) / mean


def rows_of_shares(build, quick):
    """The same measure for servers of every kind: no server is asked to count."""
    seconds = 1 if quick else 3
    for server in (CrowdTcpd(build, FEW), CrowdReference(build, FEW),
                   CrowdReference(build, FEW, epoll=True)):
        least, most = shares(build, server, seconds)
        table.row("scale", f"{server.name}: most busy of {FEW} workers, 8 in flight", most, "mean",
                  spread=(least, most), server=server.name)


def visit(server, n):
    for _ in range(n):
        with socket.create_connection(("127.0.0.1", server.port), 5) as client:
            client.sendall(b"visit")
            if client.recv(16) != b"visit":
                raise BenchError("a visit was not answered")
            client.shutdown(socket.SHUT_WR)
            client.recv(1)


def replace_one(server):
    """Seconds from the kill of the oldest worker, which is idle, until a new one is there."""
    before = server.workers()
    began = time.monotonic()
    os.kill(before[0], signal.SIGKILL)
    if wait_until(lambda: not set(server.workers()) <= set(before), 5, poll=0) is None:
        raise BenchError("a killed worker was not replaced in 5 s")
    return time.monotonic() - began


def replacements(server, n_kills):
    """Milliseconds of each replacement; also that the pool has its size at the end."""
    times = []
    with server:
        visit(server, 4 * FEW)
        time.sleep(1)  # a worker that dies within its first second counts as one that cannot start
        for _ in range(n_kills):
            visit(server, N_CONNECTIONS)
            time.sleep(SPACING)
            times.append(replace_one(server) * 1000)
        n_workers = len(server.workers())
    return times, n_workers == FEW


def row_of_replacement(build, quick):
    n_kills = 60 if quick else 300
    theirs, _ = replacements(CrowdReference(build, FEW), n_kills)
    ours, is_whole = replacements(CrowdTcpd(build, FEW), n_kills)
    p99, ref = table.percentile(ours, 99), table.percentile(theirs, 99)
    table.row("scale", f"killed worker replaced, p99 of {n_kills}", p99, "ms", ref, p99 / ref,
              (min(ours), max(ours)), f"<= {TARGET_MSEC} ms", p99 <= TARGET_MSEC,
              median=median(ours), ref_median=median(theirs))
    print(f"    medians: {median(ours):.2f} ms, ref {median(theirs):.2f} ms")
    return [] if is_whole else ["the pool has not its size after workers were replaced"]


def run(build, quick):
    table.head("a pool that stays")
    row_of_rates(build, quick)
    rows_of_shares(build, quick)
    return row_of_replacement(build, quick)
