# SPDX-License-Identifier: MIT
"""Bursts: K clients connect at once to a pool of 8, send a line and wait until all were answered.

What counts is the time from the first connect to the last answer. Each run meets a fresh server;
tcpd and the reference that forks on demand take turns, and the ratio is that within a pair.
"""

import functools
import threading
import time
from statistics import median

import burst_peers
import table
import world
from crowd import CrowdReference, CrowdTcpd
from loads import burst
from pairs import in_turn
from servers import BenchError

POOL = 8
MOST = 1100
SIZES = (64, 256, 1000)
TARGET_RATIO = 1.5
TARGET_SIGNAL_MSEC = 50
SETTLE = 0.05


class Burst:
    def __init__(self, build, quick):
        self.build = build
        self.n_pairs = 7 if quick else 11
        self.n_lost = self.n_retransmitted = 0
        self.problems = []

    def tcpd(self):
        return CrowdTcpd(self.build, POOL, MOST, spare=POOL)

    def reference(self):
        return CrowdReference(self.build, POOL, grow=MOST)

    def once(self, make, n_clients, *options):
        """Milliseconds until the last answer of a fresh server, None when one was missing."""
        with make() as server:
            time.sleep(SETTLE)  # workers are counted as soon as they are born: let them wait
            before = world.netstat("TCPSynRetrans")
            result = burst(self.build, server, n_clients, "--lines", *options)
            self.n_retransmitted += world.netstat("TCPSynRetrans") - before
        self.n_lost += result["unanswered"]
        if result["problem"]:
            self.problems.append(f"{server.name}, {n_clients} clients: {result['problem']}")
        return None if result["unanswered"] else result["answer_seconds"] * 1000

    def pairs(self, makers, n_clients, n_pairs):
        """[(first, second, ...)] in milliseconds, of rounds that were answered in full."""
        pairs = []
        for i in range(n_pairs):
            times = {make: self.once(make, n_clients) for make in in_turn(makers, i)}
            if None not in times.values():
                pairs.append(tuple(times[make] for make in makers))
        if len(pairs) < n_pairs:
            self.problems.append(f"{n_clients} clients: {n_pairs - len(pairs)} pairs are no good")
        if not pairs:
            raise BenchError(f"no burst of {n_clients} was answered")
        return pairs

    def row_of_pairs(self, name, pairs, other, target=TARGET_RATIO, **more):
        """A row of times within pairs; tcpd's median."""
        ratio, spread = table.middle([a / b for a, b in pairs])
        tcpd, ref = (median(times) for times in zip(*pairs))
        table.row("burst", name, tcpd, "ms", ref, ratio, spread, f"<= {target} x {other}",
                  ratio <= target, pairs=len(pairs), **more)
        return tcpd

    def row_of_growth(self, n_clients):
        pairs = self.pairs((self.tcpd, self.reference), n_clients, self.n_pairs)
        return self.row_of_pairs(f"{n_clients} clients, from {POOL} workers", pairs, "ref",
                                 clients=n_clients, server="tcpd")

    def row_of_floor(self, n_clients):
        """What entering the list of system calls costs a worker's start, whoever does it."""
        walled = functools.partial(CrowdReference, self.build, POOL, grow=MOST, walled=True)
        pairs = self.pairs((walled, self.reference), n_clients, self.n_pairs)
        ratio, spread = table.middle([a / b for a, b in pairs])
        floor, ref = (median(times) for times in zip(*pairs))
        more = median(a - b for a, b in pairs) * 1000 / (n_clients + POOL)
        table.row("burst", f"{n_clients} clients, the floor: ref behind walls", floor, "ms", ref, ratio,
                  spread, pairs=len(pairs), usec_a_worker=more)
        print(f"    entering them takes {more:.0f} us of each worker's start")

    def row_of_signals(self):
        delays = []
        for _ in range(3):
            delays += self.signals_during_growth()
        worst = max(delays) * 1000
        table.row("burst", f"signal answered while growing, worst of {len(delays)}", worst, "ms",
                  target=f"<= {TARGET_SIGNAL_MSEC}", good=worst <= TARGET_SIGNAL_MSEC,
                  median=median(delays) * 1000)

    def signals_during_growth(self):
        """Seconds from USR1 to the status line, over and over while a burst makes the pool grow."""
        delays = []
        with self.tcpd() as server:
            thread = threading.Thread(target=burst, args=(self.build, server, max(SIZES)))
            thread.start()
            while thread.is_alive() or not delays:
                delay = server.ask_status()
                if delay is None:
                    raise BenchError("tcpd did not answer SIGUSR1")
                delays.append(delay)
            thread.join()
        return delays

    def row_of_losses(self):
        n = self.n_lost + self.n_retransmitted
        table.row("burst", f"unanswered {self.n_lost}, SYN sent again {self.n_retransmitted}", n,
                  "", target="0", good=n == 0)


def run(build, quick):
    """Prints and keeps the rows; a list of what went wrong."""
    table.head("burst, time to the last answer", other="other")
    measured = Burst(build, quick)
    ours = {n_clients: measured.row_of_growth(n_clients) for n_clients in SIZES}
    measured.row_of_floor(max(SIZES))
    measured.row_of_losses()
    measured.row_of_signals()
    burst_peers.run(measured, ours, quick)
    return measured.problems
