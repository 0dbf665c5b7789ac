# SPDX-License-Identifier: MIT
"""The section "access": tcpd with rules, limits and headers of proxies beside itself without, and
honest clients while somebody else is refused as fast as he comes."""

import contextlib
import functools
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import loads
import results
from pairs import Row, echo_options, head, verdict
from programs import Configured, fixed
from servers import WORKERS, Reference

SECTION = "access"
CONNECT = echo_options("connect", 16)
MOST_MORE_USEC = {"1,000 rules and all limits": 2, "65,536 rules": 0.3}
PROXY = {"proxy_protocol": "required", "proxy_trusted": '{"127.0.0.0/8"}'}
LIMITS = {"source_connections": 30000, "source_rate": "1000000/s", "source_burst": 65535,
          "penalty_crash": "90s", "penalty_protocol": "1s", "penalty_timeout": "1s",
          "penalty_refused": "1s"}
FLOOD_RATE = 20000
FLOODER = "127.9.9.9"
LEAST_HONEST = 0.8
PAIRS = 9
SECONDS = 0.4


def row(name, peer, least=0.0, cpu=0.0):
    return Row(SECTION, f"connections 64 B, 16 in flight, {name}: {peer}", CONNECT, least, cpu,
               "tcpd")


RULES_ROW = row("1,000 rules and all limits", "none", 0.97)
MANY_ROW = row("65,536 rules", "10")
PROXY_ROWS = (("v2", row("PROXY v2", "none", 0.93)), ("v1", row("PROXY v1", "none", 0.92)))
FLOOD_ROW = f"honest clients, {FLOOD_RATE}/s refused"


def write_list(folder, n):
    """A file of n prefixes, that of loopback among them."""
    path = Path(folder) / f"{n}"
    path.write_text("127.0.0.0/8\n" + "".join(
        f"10.{i >> 8}.{i & 255}.0/24\n" if i < 65536 else f"11.0.{i & 255}.0/24\n" for i in range(n - 1)))
    return f'{{"file:{path}"}}'


class Access:
    def __init__(self, bench):
        self.bench = bench
        self.runner = bench.runner
        self.build = bench.build

    def wants(self, name):
        return self.bench.wants(name, SECTION)

    def tcpd(self, load_options=(), **settings):
        server = Configured(self.build, WORKERS, "tcpd", handler='"echo"', **fixed(WORKERS),
                            **settings)
        server.load_options = load_options
        return server

    def row(self, row, make_subject, make_peer):
        return self.runner.measure(row, make_subject, make_peer) if self.wants(row.name) else None

    def keep_cost(self, name, result):
        """What a connection costs more; the middle half beside it, as that is near the noise."""
        if result is None:
            return
        more = [a - b for a, b in result.costs]
        low, value, high = quantiles(more, n=4)
        most = MOST_MORE_USEC[name]
        results.add(SECTION, f"processor time of {name}, a connection", value, "us more",
                    spread=(low, high), target=f"<= {most}", good=value <= most)
        print(f"{name}: {value:.2f} us of processor time more a connection ({low:.2f}..{high:.2f});"
              f" target <= {most}: {verdict(value <= most)}", flush=True)

    def rules(self, folder):
        plain = self.tcpd
        self.keep_cost("1,000 rules and all limits", self.row(
            RULES_ROW, functools.partial(self.tcpd, allow=write_list(folder, 1000), **LIMITS), plain))
        self.keep_cost("65,536 rules", self.row(
            MANY_ROW, functools.partial(self.tcpd, allow=write_list(folder, 65536)),
            functools.partial(self.tcpd, allow=write_list(folder, 10))))

    def headers(self):
        for version, row in PROXY_ROWS:
            self.row(row, functools.partial(self.tcpd, ("--proxy", version), **PROXY), self.tcpd)

    def honest(self, server):
        return self.runner.load(server, *CONNECT, "--seconds", f"{SECONDS:g}")["rate"]

    @contextlib.contextmanager
    def flooded(self, server, rates):
        """Resets of that server are asked for, at that rate, before and behind what is measured."""
        with loads.Running(self.build, server, "--mode", "refused", "--source", FLOODER, "--rate",
                           FLOOD_RATE, "--in-flight", 64, "--seconds", 3 * SECONDS) as flood:
            time.sleep(SECONDS / 4)
            yield
            result = flood.result()
        rates.append(result["rate"])
        self.runner.n_errors += result["error_count"]

    def flood(self):
        """Two clients cost each other processor time, whatever a server does: so what tcpd loses by
        refusing is seen beside a flood that somebody else refuses, as barely as can be."""
        if not self.wants(FLOOD_ROW):
            return
        alone, own, other, reached = [], [], [], []
        with self.tcpd(deny=f'{{"{FLOODER}"}}') as tcpd, \
                Reference(self.build, "refuse") as bare:
            self.honest(tcpd)
            for _ in range(PAIRS):
                alone.append(self.honest(tcpd))
                with self.flooded(tcpd, reached):
                    own.append(self.honest(tcpd))
                with self.flooded(bare, []):
                    other.append(self.honest(tcpd))
        for peer, rates, least in (("alone", alone, None), ("a bare server refuses", other, LEAST_HONEST)):
            ratios = [a / b for a, b in zip(own, rates)]
            low, value, high = quantiles(ratios, n=4)
            good = value >= least if least else None
            target = f">= {least}" if least else ""
            results.add(SECTION, f"{FLOOD_ROW}: {peer}", median(own), "/s", median(rates), value,
                        (low, high), target, good, refused=median(reached))
            print(f"{FLOOD_ROW}: {peer}: {median(own):.0f}/s, {median(rates):.0f}/s, {value:.3f}"
                  f" ({low:.3f}..{high:.3f}), {median(reached):.0f}/s were refused"
                  f"{'; target ' + target + ': ' + verdict(good) if target else ''}", flush=True)

    def run(self):
        names = RULES_ROW.name, MANY_ROW.name, FLOOD_ROW, *(row.name for _, row in PROXY_ROWS)
        if not any(map(self.wants, names)):
            return
        print()
        head("tcpd", "tcpd")
        with tempfile.TemporaryDirectory(prefix="tcpd-bench-") as folder:
            Path(folder).chmod(0o755)
            self.rules(folder)
        self.headers()
        self.flood()
