# SPDX-License-Identifier: MIT
"""Ten thousand sessions at once, a process each: answered, held, used again, and nothing lost.

Memory is what the machine has less while they are held, so it includes the sockets of both ends.
"""

import time

import table
import world
from crowd import CrowdReference, CrowdTcpd
from loads import Held, Running

SESSIONS = 10000
MOST = 12000
POOL = 8
TARGET_GIB = 1.6
TARGET_PRESTARTED = 1.0
TARGET_GROWN = 4.0
TARGET_SECONDS = 1.5
IN_FLIGHT = 64
SETTLE = 0.5
GIB = 1024 * 1024  # of KiB


class Holding:
    def __init__(self, build, quick):
        self.build = build
        self.n = SESSIONS // 10 if quick else SESSIONS
        self.problems = []

    def check(self, what, result, allowed=()):
        """Notes what was lost in a run."""
        errors = {kind: n for kind, n in result["errors"].items() if n and kind not in allowed}
        if errors:
            self.problems.append(f"{what}: {errors}")
        for lack in ("unanswered", "answered_again"):
            expected = self.n if lack == "answered_again" else 0
            if result.get(lack, expected) != expected:
                self.problems.append(f"{what}: {lack} {result[lack]} of {self.n}")
        return not errors

    def hold(self, server, meanwhile=None):
        """{seconds, gib} of a burst that is held, and what `meanwhile()` returned."""
        before = world.available_kib()
        retransmitted = world.netstat("TCPSynRetrans")
        with server:
            time.sleep(SETTLE)
            with Held(self.build, server, self.n, "--limit", 30) as held:
                time.sleep(SETTLE)
                gib = (before - world.available_kib()) / GIB
                done = meanwhile(server) if meanwhile else None
                result = held.result()
            self.check(f"{server.name}, {self.n} held from {server.least} workers", result)
        return {"seconds": result["answer_seconds"], "gib": gib, "done": done,
                "syn": world.netstat("TCPSynRetrans") - retransmitted,
                "p99": result["latency_usec"]["p99"] / 1e6}

    def row(self, name, key, unit, ours, theirs, limit):
        table.row("scale", name, ours[key], unit, theirs[key], ours[key] / theirs[key],
                  target=f"<= {limit} {unit}", good=ours[key] <= limit, sessions=self.n,
                  p99_seconds=ours["p99"], syn_sent_again=ours["syn"])

    def row_of_reload(self, name, seconds):
        table.row("scale", name, seconds, "s", target=f"<= {TARGET_SECONDS} s",
                  good=table.at_most(TARGET_SECONDS, seconds), sessions=self.n)

    def rows_of_sessions(self):
        ref = self.hold(CrowdReference(self.build, self.n))
        tcpd = self.hold(CrowdTcpd(self.build, self.n, MOST))
        self.row(f"{self.n} answered, prestarted", "seconds", "s", tcpd, ref, TARGET_PRESTARTED)
        self.row(f"memory of {self.n} held", "gib", "GiB", tcpd, ref, TARGET_GIB)
        ref = self.hold(CrowdReference(self.build, POOL, grow=MOST))
        tcpd = self.hold(CrowdTcpd(self.build, POOL, MOST, spare=POOL), CrowdTcpd.reload)
        self.row(f"{self.n} answered, grown from {POOL}", "seconds", "s", tcpd, ref, TARGET_GROWN)
        self.row_of_reload(f"reload while {self.n} are held", tcpd["done"])
        for name, found in (("ref", ref), ("tcpd", tcpd)):
            if found["syn"]:
                print(f"    {name}, grown: {found['syn']} SYN were sent again, a second later, as"
                      " the queue was full")

    def under_load(self, change):
        """What `change(server)` returned with idle workers and new clients all the time."""
        with CrowdTcpd(self.build, self.n, MOST) as server:
            options = ("--mode", "connect", "--in-flight", IN_FLIGHT, "--seconds", 30)
            with Running(self.build, server, *options) as load:
                time.sleep(SETTLE)
                done = change(server)
                is_early = load.is_over()
                server.stop() if server.process.poll() is None else None
                result = load.result()
        if is_early and change is CrowdTcpd.reload:
            self.problems.append("reload under load: the load ended first")
        # Refused is who came after the end; whoever got in must have been served.
        self.check(f"{change.__name__} under load", result, allowed=("refused",))
        return done

    def rows_of_changes(self):
        for change in (CrowdTcpd.reload, CrowdTcpd.stop):
            self.row_of_reload(f"{change.__name__} of {self.n}, under load of new clients",
                               self.under_load(change))


def run(build, quick):
    holding = Holding(build, quick)
    table.head(f"{holding.n} sessions")
    holding.rows_of_sessions()
    holding.rows_of_changes()
    return holding.problems
