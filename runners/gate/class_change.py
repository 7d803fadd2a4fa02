"""Has the shape of a curve's growth risen or fallen since its baseline?

A shape is that of the curve, not its speed, so that it survives a change of machine. The baseline's
is that of its sessions, each taken as one round. Today's is that of one session's points, which may
all lie as far from the truth as sessions differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runners.analyse.growth import SHAPES, Floats, Growth, find_growth, growth_of_points
from runners.gate.evidence import Change, points_of


def class_change(growth: Change, rows: Sequence[Change]) -> str | None:
    """A curve's shape now and before, in words: ``now about linear, was flat on [1, 64]``.

    None unless they lie apart in the direction of its growth: all that it may be now above (or
    below) all that it may have been, and not by the doing of a single point.
    """
    points = list({row.level: row for row in points_of(growth.curve, rows) if row.level}.values())
    if not points:
        return None
    furthest = max(points, key=lambda point: point.effect * growth.effect)
    before, now = _ranks_before(points), _ranks_now(points)
    for found in (now, _ranks_now([point for point in points if point is not furthest])):
        lower, higher = (before, found) if growth.effect > 0 else (found, before)
        if not lower or not higher or max(lower) >= min(higher):
            return None
    return f"now {_words(now)}, was {_words(before)} on [{points[0].level}, {points[-1].level}]"


def _ranks_before(points: Sequence[Change]) -> tuple[int, ...]:
    sessions_s = np.exp([point.expected + point.deviations for point in points]).T
    return _ranks(find_growth(_levels(points), sessions_s, np.random.default_rng(1)))


def _ranks_now(points: Sequence[Change]) -> tuple[int, ...]:
    today_s = np.exp([point.expected + point.effect for point in points])
    errors = np.fmax([point.sd for point in points], np.sqrt([point.error2 for point in points]))
    return _ranks(growth_of_points(_levels(points), today_s, errors, np.random.default_rng(1)))


def _levels(points: Sequence[Change]) -> Floats:
    return np.array([point.level for point in points], dtype=np.float64)


def _ranks(growth: Growth | None) -> tuple[int, ...]:
    return () if growth is None else growth.ranks


def _words(ranks: Sequence[int]) -> str:
    return " or ".join(SHAPES[rank] for rank in ranks)
