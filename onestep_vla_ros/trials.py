# SPDX-License-Identifier: Apache-2.0
"""What a number of trials says: intervals of rates, and comparisons of paired trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z_95 = 1.959964
"""Two-sided 95 % quantile of the standard normal distribution."""


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Return the Wilson score interval of a success rate, 95 % by default.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", JASA 22 (1927).

    Raises:
        ValueError: `trials` is not positive or `successes` lies outside 0..trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(
            f"need 0 <= successes <= trials and trials >= 1, got {successes}/{trials}"
        )
    p = successes / trials
    centre = p + z * z / (2 * trials)
    half = z * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == trials else (centre + half) / scale
    return low, high


def mcnemar(gained: int, lost: int) -> float:
    """Return the exact two-sided p of McNemar's test: 2 P(X <= min), X ~ Binomial(n, 1/2).

    Only pairs that differ count; equal counts and no such pair at all give 1.

    Args:
        gained: Pairs in which the second trial alone succeeded.
        lost: Pairs in which the first alone did.

    Raises:
        ValueError: A count is negative.
    """
    if gained < 0 or lost < 0:
        raise ValueError(f"need counts >= 0, got {gained} and {lost}")
    pairs = gained + lost
    tail = sum(math.comb(pairs, k) for k in range(min(gained, lost) + 1))
    p: float = 2 * tail / 2**pairs
    return min(1.0, p)


@dataclass(frozen=True, slots=True)
class Paired:
    """The same trials under two conditions, the reference first.

    Attributes:
        both: Trials that succeeded under both.
        gained: Those that succeeded under the second alone.
        lost: Those that succeeded under the reference alone.
        neither: Those that failed under both.
    """

    both: int
    gained: int
    lost: int
    neither: int

    @staticmethod
    def count(reference: Sequence[bool], other: Sequence[bool]) -> Paired:
        """Count pairs; entry i of both sequences is the same trial, at least one."""
        pairs = list(zip(reference, other, strict=True))
        if not pairs:
            raise ValueError("need at least one pair")
        return Paired(*(pairs.count(kind) for kind in _KINDS))

    @property
    def trials(self) -> int:
        """Number of pairs."""
        return self.both + self.gained + self.lost + self.neither

    @property
    def difference(self) -> float:
        """Success rate of the second less that of the reference."""
        return (self.gained - self.lost) / self.trials

    @property
    def p(self) -> float:
        """Exact two-sided p of McNemar's test."""
        return mcnemar(self.gained, self.lost)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of `difference` from both Wilson intervals and their correlation.

        Source: R. G. Newcombe, "Improved confidence intervals for the difference between
        binomial proportions based on paired data", Statistics in Medicine 17 (1998), method
        10: a positive correlation is taken half a pair smaller, so that pairs that all agree
        do not make it certain.
        """
        first, second = self.both + self.lost, self.both + self.gained
        p1, p2 = first / self.trials, second / self.trials
        low1, high1 = wilson(first, self.trials)
        low2, high2 = wilson(second, self.trials)
        margins = first * (self.trials - first) * second * (self.trials - second)
        phi, covariance = 0.0, 0.0
        if margins:
            covariance = self.both * self.neither - self.gained * self.lost
            if covariance > 0:
                covariance = max(covariance - self.trials / 2, 0.0)
            phi = covariance / math.sqrt(margins)
        return (
            self.difference - _root(p2 - low2, high1 - p1, phi),
            self.difference + _root(high2 - p2, p1 - low1, phi),
        )


_KINDS = ((True, True), (False, True), (True, False), (False, False))


def _root(a: float, b: float, phi: float) -> float:
    return math.sqrt(max(a * a - 2.0 * phi * a * b + b * b, 0.0))
