"""Regimes: values that keep to a few levels, and jump from one to another."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

#: Neighbouring values this far apart, as a ratio, belong to two regimes.
GAP = 1.3
#: The share of the values without which a regime is none: its values belong to the nearest one.
LEAST_SHARE = 0.05


@dataclass(frozen=True)
class Regime:
    """A level that a share of all values keeps to."""

    middle: float
    share: float


def regimes(values: Sequence[float]) -> tuple[Regime, ...]:
    """The regimes of some positive values, lowest first; none without values."""
    ordered = sorted(values)
    if not ordered:
        return ()
    groups = [[ordered[0]]]
    for value in ordered[1:]:
        if value >= GAP * groups[-1][-1]:
            groups.append([])
        groups[-1].append(value)
    least = LEAST_SHARE * len(ordered)
    kept = [group for group in groups if len(group) >= least] or [ordered]
    middles = [statistics.median(group) for group in kept]
    counts = [0] * len(kept)
    for value in ordered:
        ratios = [max(value / middle, middle / value) for middle in middles]
        counts[ratios.index(min(ratios))] += 1
    return tuple(
        Regime(middle, count / len(ordered)) for middle, count in zip(middles, counts, strict=True)
    )
