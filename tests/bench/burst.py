# SPDX-License-Identifier: MIT
"""Bursts: K clients connect at once to a pool of 8, send a message and wait until all were answered.

What counts is the time from the first connect to the last answer. Each run meets a fresh server;
tcpd and the reference that forks on demand take turns, and the ratio is that within a pair.
"""

import threading
import time
from statistics import median

import table
import world
from crowd import CrowdReference, CrowdTcpd
from loads import burst
from servers import BenchError

POOL = 8
MOST = 1100
SIZES = (64, 256, 1000)
TARGET_RATIO = 1.5
TARGET_SIGNAL_MSEC = 50
APACHE_RATIO = 100
SETTLE = 0.05


class Burst:
    def __init__(self, build, quick, peers=()):
        self.build = build
        self.n_pairs = 7 if quick else 11
        self.peers = peers
        self.n_lost = self.n_retransmitted = 0
        self.problems = []

    def tcpd(self):
        return CrowdTcpd(self.build, POOL, MOST, spare=POOL)

    def reference(self):
        return CrowdReference(self.build, POOL, grow=MOST)

    def once(self, make, n_clients, *options):
        """Milliseconds until the last answer of a fresh server, None when one was missing."""
        with make() as server:
            time.sleep(SETTLE)  # until its workers, which are counted as soon as they are born, wait
            before = world.netstat("TCPSynRetrans")
            result = burst(self.build, server, n_clients, *options)
            self.n_retransmitted += world.netstat("TCPSynRetrans") - before
        self.n_lost += result["unanswered"]
        if result["problem"]:
            self.problems.append(f"{server.name}, {n_clients} clients: {result['problem']}")
        return None if result["unanswered"] else result["answer_seconds"] * 1000

    def pairs(self, n_clients):
        """[(tcpd, ref)] in milliseconds."""
        makers = (self.tcpd, self.reference)
        pairs = []
        for i in range(self.n_pairs):
            order = makers if i % 2 == 0 else makers[::-1]
            times = {make: self.once(make, n_clients) for make in order}
            pairs.append(tuple(times[make] for make in makers))
        return pairs

    def row_of_pairs(self, n_clients):
        pairs = [pair for pair in self.pairs(n_clients) if None not in pair]
        if len(pairs) < self.n_pairs:
            self.problems.append(f"{n_clients} clients: {self.n_pairs - len(pairs)} pairs are no good")
        if not pairs:
            raise BenchError(f"no burst of {n_clients} was answered")
        ratio, spread = table.middle([a / b for a, b in pairs])
        tcpd, ref = (median(times) for times in zip(*pairs))
        table.row("burst", f"{n_clients} clients, from {POOL} workers", tcpd, "ms", ref, ratio,
                  spread, f"<= {TARGET_RATIO} x ref", ratio <= TARGET_RATIO, clients=n_clients,
                  server="tcpd", pairs=len(pairs))
        return tcpd

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

    def rows_of_peers(self, ours):
        """`ours`: tcpd's milliseconds for each number of clients."""
        for peer in self.peers:
            for n_clients in peer.sizes:
                self.row_of_peer(peer, n_clients, ours)

    def row_of_peer(self, peer, n_clients, ours):
        lost = self.n_lost, self.n_retransmitted  # its losses are not ours
        msec = self.once(peer.make, n_clients, "--limit", "60")
        lost_here = self.n_lost - lost[0]
        self.n_lost, self.n_retransmitted = lost
        ratio = msec and msec / ours[n_clients]
        target, good = peer.judge(ratio)
        table.row("burst", f"{n_clients} clients, {peer.title}", ours[n_clients], "ms", msec,
                  ratio, target=target, good=good, clients=n_clients, server=peer.title,
                  unanswered=lost_here)


def run(build, quick):
    """Prints and keeps the rows; a list of what went wrong."""
    table.head("burst, time to the last answer", other="other")
    measured = Burst(build, quick)
    ours = {n_clients: measured.row_of_pairs(n_clients) for n_clients in SIZES}
    measured.row_of_losses()
    measured.row_of_signals()
    measured.rows_of_peers(ours)
    return measured.problems
