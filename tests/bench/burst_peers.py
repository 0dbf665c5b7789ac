# SPDX-License-Identifier: MIT
"""The bursts again, with the servers of others. Theirs are long: one run each, that tells enough.

What they lose is told beside their row, and is no loss of ours.
"""

import functools

import table
from crowd import CrowdTcpd
from packages import Missing, Packages
from peers import Apache, Tcpserver, Xinetd
from servers import BenchError

POOL, MOST = 8, 1100  # as in burst.py
TIMES_FASTER = 100
TIMES_SLOWER = 1.5
LARGEST = 1000


def row(burst, name, make, n_clients, ours, target=None):
    """One run of a peer beside tcpd's median; with a target, it must be that many times slower."""
    limit = 60 if target else 15
    counted = burst.n_lost, burst.n_retransmitted, list(burst.problems)
    msec = burst.once(make, n_clients, "--limit", limit)
    lost = burst.n_lost - counted[0]
    burst.n_lost, burst.n_retransmitted, burst.problems[:] = counted
    if lost == n_clients:
        raise BenchError(f"{name} answered none of {n_clients}: it is not set up as it should be")
    faster = (msec or limit * 1000) / ours  # who was not answered waited for at least that long
    note = f"{target} times faster" if target else ""
    table.row("burst", f"{n_clients} clients, {name}" + (f", {lost} unanswered" if lost else ""),
              ours, "ms", msec, msec and ours / msec, target=note,
              good=faster >= target if target else None, clients=n_clients, server=name,
              unanswered=lost, times_faster=faster)


def rows_of_curve(burst, name, make, sizes, ours, target=None):
    for n_clients in sizes:
        row(burst, name, make, n_clients, ours[n_clients], target)


def row_of_prestarted(burst, packages, n_pairs):
    apache = functools.partial(Apache, packages, MOST)
    tcpd = functools.partial(CrowdTcpd, burst.build, MOST)
    pairs = burst.pairs((tcpd, apache), LARGEST, n_pairs)
    burst.row_of_pairs(f"{LARGEST} clients, {MOST} prestarted, and Apache's", pairs, "Apache",
                       TIMES_SLOWER)


def fetch(build):
    """Has the packages in place: the network of the measurement leads nowhere."""
    packages = Packages(build / "bench/peers")
    for peer in (Apache, Tcpserver, Xinetd):
        try:
            packages.need(peer.package)
        except Missing as error:
            print(f"{peer.package}: {error}")


def run(burst, ours, quick):
    """`ours`: tcpd's milliseconds for each number of clients."""
    packages = Packages(burst.build / "bench/peers")
    sizes = (LARGEST,) if quick else tuple(ours)
    grown = functools.partial(Apache, packages, POOL, MOST)
    for measure in (
        lambda: row_of_prestarted(burst, packages, 3 if quick else 5),
        lambda: rows_of_curve(burst, Apache.name, grown, sizes, ours, TIMES_FASTER),
        lambda: rows_of_curve(burst, Tcpserver.name, functools.partial(Tcpserver, packages), sizes,
                              ours),
        lambda: rows_of_curve(burst, Xinetd.name, functools.partial(Xinetd, packages), sizes, ours),
    ):
        try:
            measure()
        except (Missing, BenchError) as error:
            print(f"    left out: {error}", flush=True)
