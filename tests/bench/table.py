# SPDX-License-Identifier: MIT
"""Rows as people read them, each also kept in results."""

from statistics import median

import results

LINE = "{:46} {:>10} {:>10} {:6} {:>7} {:>13}  {:22} {}"


def head(title, name="tcpd", other="ref"):
    print(f"\n{LINE.format(title, name, other, '', 'ratio', 'spread', 'target', '')}", flush=True)


def text(value):
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def row(section, name, value, unit, ref=None, ratio=None, spread=None, target="", good=None,
        **more):
    """Prints a row and keeps it. A value of None is what could not be measured: never good."""
    if value is None and target:
        good = False
    results.add(section, name, value, unit, ref=ref, ratio=ratio, spread=spread, target=target,
                good=good, **more)
    verdict = {True: "ok", False: "SHORT", None: ""}[good]
    between = f"{spread[0]:.3g}..{spread[1]:.3g}" if spread else ""
    print(LINE.format(name, text(value), text(ref), unit, text(ratio) if ratio else "", between,
                      target, verdict).rstrip(), flush=True)


def at_most(limit, value):
    return value is not None and value <= limit


def percentile(values, percent):
    """The value that `percent` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * percent // 100) - 1))]


def middle(values):
    """Their median, least and greatest."""
    return median(values), (min(values), max(values))
