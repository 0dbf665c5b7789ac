# SPDX-License-Identifier: MIT
"""The section "tls": TLS beside the barest server that speaks it with the same library, beside
itself with sessions resumed, and beside those who do the same for others."""

import functools
import tempfile
from pathlib import Path
from statistics import median

import loads
import results
from packages import Missing
from pairs import OURS, Row, echo_options, head, verdict
from programs import Configured, fixed
from servers import WORKERS, BenchError, Reference, Tcpd, process_tree, pss_kib
from tls_peers import (KINDS, Certificate, Haproxy, Hitch, Nginx, Proxy, ReferenceTls, SServer,
                       Stunnel)

SECTION = "tls"
OTHER_PAIRS = 5
SECONDS = 0.4  # a thousand handshakes take nearly a second
CONNECT = echo_options("connect", 16)
RESUMED = 1000
MOST_IDLE_MORE, MOST_USED, MOST_PLAIN_MORE = 12, 320, 12  # KiB
MEMORY_RUNS = 5
NO_TICKETS = {"tls_tickets": "no"}


def row(name, options, least=0.0, cpu=0.0, peer="ref_tls", **more):
    return Row(SECTION, f"TLS, {name}", options, least, cpu, peer, **{"seconds": SECONDS, **more})


def full(kind, peer, *targets, options=CONNECT):
    return row(f"full handshake, {kind}: {peer}", options, *targets, peer)


REFERENCE_ROWS = (
    ("P-256", full("P-256", "ref_tls", 0.95, 1.05)),
    ("RSA-2048", full("RSA-2048", "ref_tls", 0.95, 1.05)),
    ("P-256", row("64 B x 8", echo_options("message", 8), 0.95)),
    ("P-256", row("bulk", ("--mode", "bulk"), 0.95)),
)
TICKET_ROW = row("P-256, a ticket: none", CONNECT, peer="tcpd")
RESUMED_ROWS = (("P-256", row("P-256, resumed: full", CONNECT, 0, 0.95, "tcpd")),
                ("RSA-2048", row("RSA-2048, resumed: full", CONNECT, 0, 0.5, "tcpd")))
RESUMED_ROW = f"TLS, {RESUMED} sessions resumed by any worker"
PEER_ROWS = (
    (Hitch, {}, full("P-256", "hitch", 1, 0.9)),  # which cannot do without tickets
    (Nginx, NO_TICKETS, full("P-256", "nginx", 1, 0.9)),
    (Haproxy, NO_TICKETS, full("P-256", "HAProxy", 1, 0.9)),
    (Stunnel, NO_TICKETS, full("P-256", "stunnel", 1, 0.9)),
    (SServer, NO_TICKETS, full("P-256", "s_server, 1 in flight", 0, 1, options=(
        *echo_options("connect", 1), "--palindromes"))),
)
# The floor: what a prefork server can reach that has nothing but OpenSSL.
FLOOR_RESUMED_ROWS = (("P-256", row("the floor: P-256, resumed: full", CONNECT)),
                      ("RSA-2048", row("the floor: RSA-2048, resumed: full", CONNECT)))
FLOOR_ROW = row("full handshake, P-256: the floor, nginx", CONNECT, peer="nginx")
MEMORY_ROW = "TLS, memory"


class TlsTcpd(Configured):
    """tcpd with echo behind TLS. is_resumed: for a client that resumes. beside: more services."""

    def __init__(self, build, certificate, is_resumed=False, beside="", **settings):
        super().__init__(build, WORKERS, "tcpd tls:", handler='"echo"', **fixed(WORKERS),
                         listen='{"tls:127.0.0.1:0"}', certificates='{"bench"}', **settings)
        self.certificate = certificate
        self.beside = beside
        self.load_options = (*certificate.load_options(), *(["--resume"] if is_resumed else []))

    def configuration(self):
        return self.certificate.section() + super().configuration() + self.beside


def pss_of(server, service=""):
    """Mean KiB of a worker, or of those of one service."""
    server.wait_until_quiet()
    title = f"tcpd: {service}".encode()
    sizes = [pss_kib(pid) for pid in server.workers()
             if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(title)]
    if len(sizes) != WORKERS:
        raise BenchError(f"{len(sizes)} of {WORKERS} workers of {service or 'tcpd'}")
    return sum(sizes) / len(sizes)


class Tls:
    def __init__(self, bench):
        self.bench = bench
        self.runner = bench.runner
        self.build = bench.build
        self.certificates = {}

    def tcpd(self, kind, **settings):
        return functools.partial(TlsTcpd, self.build, self.certificates[kind], **settings)

    def wants(self, name):
        return self.bench.wants(name, SECTION)

    def row(self, row, make_subject, make_peer, n_pairs=None):
        if not self.wants(row.name):
            return
        try:
            self.runner.measure(row, make_subject, make_peer, n_pairs)
        except (Missing, BenchError, OSError) as error:
            if row.peer in OURS:
                raise
            self.bench.skip(row.name, error)

    def beside_reference(self):
        for kind, row in REFERENCE_ROWS:
            self.row(row, self.tcpd(kind, **NO_TICKETS), functools.partial(
                ReferenceTls, self.build, self.certificates[kind]))

    def beside_itself(self):
        self.row(TICKET_ROW, self.tcpd("P-256"), self.tcpd("P-256", **NO_TICKETS))
        for kind, row in RESUMED_ROWS:
            self.row(row, self.tcpd(kind, is_resumed=True), self.tcpd(kind))

    def beside_others(self):
        certificate = self.certificates["P-256"]
        for kind, settings, row in PEER_ROWS:
            words = (self.build, certificate) if issubclass(kind, Proxy) else (certificate,)
            self.row(row, self.tcpd("P-256", **settings),
                     functools.partial(kind, *words, self.bench.packages), OTHER_PAIRS)

    def floors(self):
        for kind, row in FLOOR_RESUMED_ROWS:
            make = functools.partial(ReferenceTls, self.build, self.certificates[kind])
            self.row(row, functools.partial(make, is_resumed=True), make)
        certificate = self.certificates["P-256"]
        self.row(FLOOR_ROW, functools.partial(ReferenceTls, self.build, certificate),
                 functools.partial(Nginx, self.build, certificate, self.bench.packages), OTHER_PAIRS)

    def resumed(self):
        """The load generator counts a handshake in full as an error."""
        if not self.wants(RESUMED_ROW):
            return
        with self.tcpd("P-256", is_resumed=True)() as tcpd:
            n = self.runner.load(tcpd, *CONNECT, "--count", str(RESUMED))["resumed"]
        results.add(SECTION, RESUMED_ROW, n, "sessions", target=f"= {RESUMED}", good=n == RESUMED)
        print(f"\n{RESUMED_ROW}: {n}; target = {RESUMED}: {verdict(n == RESUMED)}", flush=True)

    @staticmethod
    def keep_memory(name, value, most, unit="KiB", ref=None):
        name, good = f"{MEMORY_ROW}: {name}", value <= most
        results.add(SECTION, name, value, unit, ref, target=f"<= {most}", good=good)
        other = f", ref_tls {ref:.1f}" if ref is not None else ""
        print(f"{name}: {value:.1f} {unit}{other}; target <= {most}: {verdict(good)}", flush=True)

    def memory(self):
        """PSS with 64 workers each. Where a stack begins is chance, and may cost a page: so several
        servers are asked."""
        if not self.wants(MEMORY_ROW):
            return
        n_runs = 1 if self.bench.options.quick else MEMORY_RUNS
        figures = [self.some_memory() for _ in range(n_runs)]
        idle, used, ref_idle, ref_used, plain, n_maps = map(median, zip(*figures))
        self.keep_memory("an idle worker, to a plain one's", idle, MOST_IDLE_MORE, "KiB more", ref_idle)
        self.keep_memory("a worker after a session", used, MOST_USED, ref=ref_used)
        self.keep_memory("a plain worker beside TLS", plain, MOST_PLAIN_MORE, "KiB more")
        self.keep_memory("plain processes that map OpenSSL", n_maps, 0, "processes")

    def some_memory(self):
        beside = Configured(self.build, WORKERS, "", handler='"echo"', **fixed(WORKERS))
        beside = beside.configuration().replace('"bench"', '"beside"')
        with Tcpd(self.build) as plain, self.tcpd("P-256")() as tls:
            alone = pss_of(plain)
            idle = pss_of(tls) - alone
            used = self.used(tls)
            pids = process_tree(plain.root())
            n_maps = sum("libssl" in text or "libcrypto" in text for text in (
                Path(f"/proc/{pid}/maps").read_text() for pid in pids))
        with ReferenceTls(self.build, self.certificates["P-256"]) as reference, \
                Reference(self.build) as bare:
            reference.wait_until_quiet()
            bare.wait_until_quiet()
            ref_idle = reference.memory() - bare.memory()
            ref_used = self.used(reference)
        with Tcpd(self.build) as plain, self.tcpd("P-256", beside=beside)() as both:
            return idle, used, ref_idle, ref_used, pss_of(both, "beside") - pss_of(plain), n_maps

    def used(self, server):
        """Of a worker, when each has had a session."""
        if loads.burst(self.build, server, WORKERS)["error_count"]:
            raise BenchError(f"not every worker of {server.name} has had a session")
        server.wait_until_quiet()
        return server.memory()

    def is_wanted(self):
        rows = (*(row for _, row in REFERENCE_ROWS), TICKET_ROW, *(row for _, row in RESUMED_ROWS),
                *(row for *_, row in PEER_ROWS), *(row for _, row in FLOOR_RESUMED_ROWS), FLOOR_ROW)
        return any(map(self.wants, (*(row.name for row in rows), RESUMED_ROW, MEMORY_ROW)))

    def run(self):
        if not self.is_wanted():
            return
        with tempfile.TemporaryDirectory(prefix="tcpd-bench-") as folder:
            try:
                self.certificates = {kind: Certificate(folder, kind) for kind in KINDS}
            except (BenchError, OSError) as error:
                self.bench.skip(SECTION, error)
                return
            print()
            head("tcpd", "other")
            for measure in (self.beside_reference, self.beside_itself, self.beside_others,
                            self.floors, self.resumed, self.memory):
                measure()
