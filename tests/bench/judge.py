# SPDX-License-Identifier: MIT
"""Whether today's build is worse than another, or differs from it no more than from itself.

The values come in sets of rounds. A round has a value of today's build, of the other, and of a copy
of today's: how far that is from today's is noise. What the rounds of a set have in common, such as
where the processes lie in memory, is noise as well, so each set counts once, by its median.
"""

import operator
from math import inf, isfinite, sqrt
from statistics import median

FEWEST = 5  # sets; with fewer, nothing is known about the noise


def interval(values):
    """The ends of the 95 % confidence interval of the median."""
    if len(values) < FEWEST:
        return -inf, inf
    ordered = sorted(values)
    rank = max(int((len(ordered) - 1.96 * sqrt(len(ordered))) / 2), 0)
    return ordered[rank], ordered[-1 - rank]


class Figure:
    """One figure of a row: `value` compares today's build with the other, `again` with its copy;
    `noise` is how far from equal `again` may be by chance, and `limit` bounds `value`."""

    def __init__(self, name, unit, sets, limit, compare=operator.truediv):
        self.name, self.unit, self.limit = name, unit, limit
        self.equal = compare(1, 1)
        self.medians = [median(column) for column in zip(*(r for rounds in sets for r in rounds))]
        self.values, controls = (
            [median(compare(r[0], r[peer]) for r in rounds) for rounds in sets] for peer in (1, 2))
        self.value, self.again = median(self.values), median(controls)
        self.noise = max(abs(end - self.equal) for end in interval(controls))

    def verdict(self):
        """A limit below the value of equals is a least one, a limit above it a most."""
        direction = 1 if self.limit > self.equal else -1
        loss = direction * (self.value - self.equal)
        if loss <= abs(self.limit - self.equal):
            return "ok"
        return "within noise" if loss <= self.noise else "WORSE"

    def kept(self):
        """For the results."""
        return {"today": self.medians[0], "other": self.medians[1], "unit": self.unit,
                "value": self.value, "again": self.again,
                "noise": self.noise if isfinite(self.noise) else None, "limit": self.limit,
                "sets": len(self.values), "verdict": self.verdict()}

    def cells(self):
        """For a line."""
        today, other, _ = (f"{value:.{value < 1000:d}f}" for value in self.medians)
        digits = 3 if self.equal else 1
        return (today, other, self.unit,
                *(f"{value:.{digits}f}" for value in (self.value, self.again, self.noise)))


def verdict(figures):
    """The worst verdict of a row, with the figures that have it."""
    for word in ("WORSE", "within noise"):
        names = [figure.name for figure in figures if figure.verdict() == word]
        if names:
            return f"{word}: {', '.join(names)}"
    return "ok"
