"""From the values of rounds to one figure: median, exact interval, percentiles, and doubts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runners.model.amount import amount
from runners.model.count import Count, CountEstimate

Floats = npt.NDArray[np.float64]

#: Rounds below which no figure is stable.
LEAST_ROUNDS = 4
#: Rounds below which no pair of order statistics covers the median with 95 %.
INTERVAL_ROUNDS = 6
#: Rounds in each half of a session without which no drift is told.
LEAST_HALF = 3
PERCENTILES = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9), ("max", 100.0))


def order_statistic_ranks(n: int, coverage: float = 0.95) -> tuple[int, int]:
    """Ranks (from 0) of the narrowest symmetric interval for the median of ``n`` values.

    P(x[k] <= median <= x[n-1-k]) = 1 - 2 P(Binomial(n, 1/2) <= k), whatever the distribution. Where
    even the extremes do not reach ``coverage`` (n < 6 at 95 %) they are what is returned.
    """
    if n < 1:
        raise ValueError("no values, no interval")
    best = 0
    tail = 0
    for k in range((n + 1) // 2):
        tail += math.comb(n, k)
        if tail / 2 ** (n - 1) > 1 - coverage:
            break
        best = k
    return best, n - 1 - best


def median_interval(values: Sequence[float] | Floats) -> tuple[float, tuple[float, float]]:
    """Median and its 95 % order-statistic interval. Raises `ValueError` on no values."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    low, high = order_statistic_ranks(len(ordered))
    return float(np.median(ordered)), (float(ordered[low]), float(ordered[high]))


def estimate_counts(
    counts: Sequence[Count], rounds: Sequence[Mapping[str, float]]
) -> tuple[CountEstimate, ...]:
    """Each count from what rounds counted, by name; a count that no round knows is left out."""
    found = []
    for count in counts:
        values = [each[count.name] for each in rounds if count.name in each]
        if values:
            middle, interval = median_interval(values)
            seen = (min(values), max(values)) if count.exact else interval
            found.append(CountEstimate(count, middle, seen, len(values)))
    return tuple(found)


def percentiles(times: Floats) -> dict[str, float]:
    """Those percentiles of single operations that so many can tell: p99 takes 100, p99.9 1,000."""
    enough = {"p50": 1, "p90": 10, "p99": 100, "p99.9": 1000, "max": 1}
    return {
        name: float(np.percentile(times, share, method="higher"))
        for name, share in PERCENTILES
        if len(times) >= enough[name]
    }


@dataclass(frozen=True)
class Doubts:
    """Limits beyond which a figure is called unstable. Shares of the median.

    `tests/bench/stability.py` shows what they let pass and what they cost on stored sessions.
    """

    #: Standard error of the median, from the faster half of the rounds.
    error: float = 0.01
    #: Interval, high minus low, from which on two modes matter.
    modes: float = 0.04
    #: Distance between the two halves of a session, in order of time.
    drift: float = 0.05


def one_sided_error(values: Sequence[float] | Floats) -> float:
    """The standard error of the median as a share of it, from the faster half of the values alone.

    A disturbance makes a round slower, never faster, so the lower quartile tells how well the
    undisturbed rounds repeat. For a normal distribution the quartile lies 0.6745 standard
    deviations below the median, whose standard error is 1.2533 standard deviations over √n.
    """
    lower, middle = np.percentile(values, (25, 50))
    return float((middle - lower) / 0.6745 * 1.2533 / math.sqrt(len(values)) / middle)


def find_doubt(values: Sequence[float], doubts: Doubts = Doubts()) -> str | None:
    """Why a figure from these rounds (in order of time) is not to be trusted, or None.

    Checked: too few rounds, a large standard error, two separate modes, a drift through the
    session.
    """
    if len(values) < LEAST_ROUNDS:
        return f"only {amount(len(values), 'undisturbed rounds')}, {LEAST_ROUNDS} are needed"
    middle, (low, high) = median_interval(values)
    if middle <= 0:
        return "no time measured"
    series = np.asarray(values, dtype=np.float64)
    if (gap := mode_gap(series)) is not None and (high - low) > doubts.modes * middle:
        return f"two modes {gap:.0%} apart"
    if (error := one_sided_error(series)) > doubts.error:
        return f"rounds differ: standard error {error:.1%}"
    half = len(series) // 2
    if half >= LEAST_HALF:
        first, second = series[:half], series[-half:]
        separate = first.max() < second.min() or second.max() < first.min()
        step = abs(float(np.median(second) - np.median(first))) / middle
        if separate and step > doubts.drift:
            return f"drifted by {step:.0%}"
    return None


def mode_gap(values: Floats) -> float | None:
    """The empty stretch between two modes as a share of the median, or None where there is one.

    Two modes: cut at the widest gap, at least a quarter of the values (rounded down, two at least)
    lies on either side, and the gap is wider than four times the spread inside each side.
    """
    ordered = np.sort(values)
    quarter = max(2, len(ordered) // 4)
    if len(ordered) < 2 * quarter:
        return None
    gaps = np.diff(ordered)
    inner = gaps[quarter - 1 : len(gaps) - quarter + 1]
    cut = quarter - 1 + int(np.argmax(inner))
    gap = float(gaps[cut])
    spread = max(float(ordered[cut] - ordered[0]), float(ordered[-1] - ordered[cut + 1]))
    middle = float(np.median(ordered))
    if middle <= 0 or gap <= 4 * spread or gap < 0.02 * middle:
        return None
    return gap / middle


#: A team's members start and end within tens of microseconds. A batch of fewer operations that is
#: no longer than this shows that, and not what the operations take.
LEAST_TEAM_BATCH, LEAST_TEAM_BATCH_S = 100, 1e-3


def too_small_a_batch(batch: int, value_s: float) -> str | None:
    """Why a team's batch tells of its members' start, and not of the operation; else None."""
    if batch >= LEAST_TEAM_BATCH or batch * value_s >= LEAST_TEAM_BATCH_S:
        return None
    return f"a batch holds only {amount(batch, 'operations')}: this would measure scheduling"
