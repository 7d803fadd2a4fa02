"""Variances of few sessions, steadied by those of all benchmarks (empirical Bayes).

Smyth (2004), "Linear models and empirical Bayes methods for assessing differential expression", as
the R package limma does it: true variances are taken to scatter like s0² d0 / chi²(d0), and d0 and
s0² are found by matching mean and variance of the logarithms of the observed ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runners.gate.distributions import digamma, trigamma, trigamma_inverse

Floats = npt.NDArray[np.float64]

_LEAST_SHARE = 1e-4
_LEAST_ROWS_A_HINT = 8


@dataclass(frozen=True)
class Prior:
    """What all benchmarks say of each one's variance before its own sessions do.

    ``variances`` has one for each benchmark; ``dof`` is how many sessions that is worth.
    """

    variances: Floats
    dof: float

    def moderate(self, observed: Floats, dof: Floats) -> tuple[Floats, Floats]:
        """The moderated variances and their degrees of freedom."""
        if math.isinf(self.dof):
            return self.variances, np.full_like(dof, math.inf)
        total = self.dof + dof
        return (self.dof * self.variances + dof * observed) / total, total

    def no_stronger(self, most_dof: float) -> Prior:
        """The same, worth no more than so many sessions."""
        return Prior(self.variances, min(self.dof, most_dof))


def fit(variances: Floats, dof: Floats, hints: Floats | None = None) -> Prior:
    """The prior of variances, each of ``dof`` > 0 degrees of freedom.

    ``hints`` (a row a variance) may tell large ones from small ones beforehand, as limma's trend
    does: the logarithms of variances are expected to follow them linearly.
    """
    # A variance of zero (few sessions, few digits) has no logarithm: no figure is that exact.
    least = max(_LEAST_SHARE * float(np.median(variances)), 1e-16)
    variances = np.maximum(variances, least)
    if len(variances) < 3:
        return Prior(variances, 0.0)
    halves = dof / 2
    logs = np.log(variances) - np.array([digamma(h) for h in halves]) + np.log(halves)
    known = np.ones((len(logs), 1))
    if hints is not None and len(logs) >= _LEAST_ROWS_A_HINT * hints.shape[1]:
        known = np.column_stack([known, hints - hints.mean(axis=0)])
    slopes = np.linalg.lstsq(known, logs, rcond=None)[0]
    expected = known @ slopes
    scatter = float(((logs - expected) ** 2).sum()) / (len(logs) - known.shape[1])
    beyond_chance = scatter - float(np.mean([trigamma(h) for h in halves]))
    if beyond_chance <= 1e-6:
        return Prior(np.exp(expected), math.inf)
    half = trigamma_inverse(beyond_chance)
    return Prior(np.exp(expected + digamma(half) - math.log(half)), 2 * half)


def most_dof(deviations: Floats) -> float:
    """How many degrees of freedom all benchmarks of these sessions together are worth at most.

    ``deviations`` has a row a benchmark and a column a session. Where whole sessions are slower or
    faster, a hundred benchmarks know no more of the next session than one does: with r² the mean
    squared correlation between benchmarks it is (K - 1) / r², which limma leaves out.
    """
    sessions = deviations.shape[1]
    sizes = np.sqrt((deviations**2).sum(axis=1))
    rows = deviations[sizes > 0] / sizes[sizes > 0, None]
    if sessions < 3 or len(rows) < 2:
        return float(max(1, sessions - 1))
    # mean of (ZZ')² over pairs of benchmarks = sum of (Z'Z)² over pairs of sessions
    seen = float(((rows.T @ rows / len(rows)) ** 2).sum())
    by_chance = 1 / (sessions - 1)
    squared = (seen - by_chance) / (1 - by_chance)
    return (sessions - 1) / squared if squared > 1e-6 else math.inf
