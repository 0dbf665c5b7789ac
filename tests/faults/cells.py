# SPDX-License-Identifier: MIT
"""The cells of the matrix: a scenario, a call, an error, and when it comes."""

import collections
from typing import NamedTuple

from daemon import Daemon, Setup
from errnos import NEVER, WAITS, errnos_of
from scenarios import LIMITED, LIMITS, SCENARIOS, START_LIMITS, Scenario
from strace import CALL, Trace


class Cell(NamedTuple):
    scenario: Scenario
    call: str
    error: str
    when: str
    offset: int = 0  # how many calls of the loader come before

    def __str__(self):
        where = f"{self.scenario.where}:{self.scenario.what}"
        return f"{where} {self.call}={self.error} when={self.when}"


# --- Which calls are made -----------------------------------------------------------------------

def survey_start(scenario):
    """Up to READY=1. The first thing that tcpd does is to open /dev/null."""
    trace = Trace()
    daemon = Daemon(scenario.setup, trace.prefix())
    try:
        if not daemon.is_ready(10):
            raise RuntimeError(f"{scenario.what} does not start: {daemon.last_lines()}")
    finally:
        daemon.cleanup()
    before, after, is_tcpd = collections.Counter(), collections.Counter(), False
    for line in trace.lines():
        match = CALL.match(line)
        is_tcpd = is_tcpd or '"/dev/null"' in line
        if match and match[1] not in NEVER:
            (after if is_tcpd else before)[match[1]] += 1
        if "READY=1" in line:
            break
    trace.remove()
    return after, before


def survey_running(scenario):
    """While it is done what the scenario does."""
    daemon, trace = Daemon(scenario.setup), Trace()
    try:
        if not daemon.is_ready(10):
            raise RuntimeError(f"{scenario.what} does not start: {daemon.last_lines()}")
        pids = daemon.workers()[:1] if scenario.where == "worker" else [daemon.pid]
        trace.attach(pids, follow=scenario.follow)
        scenario.do(daemon)
        trace.detach()
        return trace.calls(daemon.pid if scenario.where == "birth" else None), {}
    finally:
        daemon.cleanup()
        trace.remove()


def survey(scenario):
    """({call: how often}, {call: how often before})"""
    counts, before = (survey_start if scenario.where == "start" else survey_running)(scenario)
    if scenario.calls:
        counts = {call: n for call, n in counts.items() if call in scenario.calls}
    return counts, before


# --- Cells --------------------------------------------------------------------------------------

def times_of(where, call, error, count):
    """When it is worth a cell."""
    yield "1"
    if count >= 2 and where == "start" and call in ("sendmsg", "socket"):
        yield "2"  # READY=1 is the second message
    if count >= 3:
        yield "3"
    if not (error in ("EINTR", "EAGAIN") and call in WAITS):
        yield "always"


def is_in_quick(cell):
    return cell.when == "always" or (cell.when != "3" and
                                     cell.scenario.where in ("start", "master", "worker"))


def cells_of_calls(found, options):
    """In the quick form those of a call in one scenario are left out of the others."""
    cells, seen = [], set()
    for scenario, (counts, before) in found:
        for call, count in sorted(counts.items()):
            for error in errnos_of(call, options.quick, options.all_errnos):
                for when in times_of(scenario.where, call, error, count):
                    cell = Cell(scenario, call, error, when, before.get(call, 0))
                    key = (scenario.where, call, error, when)
                    if not options.quick or (key not in seen and is_in_quick(cell)):
                        cells.append(cell)
                    seen.add(key)
    return cells


def cells_of_limits(options):
    cells = []
    for what, do in LIMITED.items():
        scenario = Scenario("limit", what, Setup(control=what == "control"), do)
        for name, amounts in LIMITS.items():
            amounts = amounts[:1] if options.quick else amounts
            cells += [Cell(scenario, name, str(amount), "always") for amount in amounts]
    for name, amounts in START_LIMITS.items():
        amounts = amounts[::3] if options.quick else amounts
        cells += [Cell(Scenario("limit-start", "plain"), name, str(amount), "always")
                  for amount in amounts]
    return cells


def scenarios_of(options):
    """Those that are possible here."""
    return [scenario for scenario in SCENARIOS if options.journal or not scenario.setup.journal]
