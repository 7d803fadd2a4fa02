"""How the throughput of a team grows with its members."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runners.analyse.estimate import median_interval
from runners.analyse.growth import measured

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """Speed-up of a team by its members: T(1)·n / T(n), n where perfect."""

    members: tuple[int, ...]
    speedup: tuple[float, ...]
    ci95: tuple[tuple[float, float], ...]

    @property
    def most(self) -> float:
        """The highest speed-up."""
        return max(self.speedup)

    @property
    def saturated_at(self) -> int | None:
        """The fewest members that reach nine tenths of it; None if only the largest team does."""
        pairs = zip(self.members, self.speedup, strict=True)
        enough = next(n for n, speedup in pairs if speedup >= 0.9 * self.most)
        return None if enough == self.members[-1] else enough


def find_scaling(levels: Floats, values: Floats) -> Scaling | None:
    """Speed-up of teams of ``levels`` members from rounds × levels of seconds per operation.

    An operation's time is that of one in *every* member: constant where scaling is perfect. None
    without a team of one or without a second.
    """
    if len(levels) < 2 or levels[0] != 1:
        return None
    members, medians, intervals = [], [], []
    values = np.where(measured(values), values, np.nan)
    for n, column in zip(levels, values.T, strict=True):
        # Both ends of a ratio from one round share its noise.
        ratios = values[:, 0] * n / column
        ratios = ratios[np.isfinite(ratios)]
        if not len(ratios):
            continue
        middle, interval = median_interval(ratios)
        members.append(int(n))
        medians.append(middle)
        intervals.append(interval)
    if len(members) < 2:
        return None
    return Scaling(tuple(members), tuple(medians), tuple(intervals))
