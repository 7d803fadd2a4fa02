"""Where one curve becomes cheaper than another, as far as their intervals let it be told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

#: Another boot may move one curve against another so far: what differs by less is alike.
ALIKE = 0.03


class Point(NamedTuple):
    """A point of a curve: its value ``y`` at ``x``, and the interval that holds it. All above 0."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Crossing:
    """From ``x`` on curve ``cheaper`` (0 or 1) is the cheaper one; somewhere in [low, high]."""

    cheaper: int
    x: float
    low: float
    high: float


@dataclass(frozen=True)
class CurvePair:
    """Two curves over the range of x, first to last, that both cover.

    A curve is cheaper where the intervals do not overlap and the values differ by more than boots
    do (`ALIKE`).
    ``first_told`` and ``last_told`` are the outermost x at which one is cheaper beyond doubt, and
    ``cheaper_first`` which one; all are None where the intervals overlap throughout. ``all_told``
    says that there is no doubt at any measured x, ``rest_alike`` that at each x that is in doubt
    the values differ by no more than boots do.
    """

    first: float
    last: float
    first_told: float | None
    last_told: float | None
    cheaper_first: int | None
    all_told: bool
    rest_alike: bool
    crossings: tuple[Crossing, ...]


class _Gap(NamedTuple):
    """How far curve 1 lies above curve 0 at ``u``, all as logarithms; the interval has a margin."""

    u: float
    middle: float
    low: float
    high: float

    @property
    def cheaper(self) -> int | None:
        return 0 if self.low > 0 else 1 if self.high < 0 else None


def compare(
    curve0: Sequence[Point], curve1: Sequence[Point], alike: float = ALIKE
) -> CurvePair | None:
    """Compare two curves where both were measured; None where they share no stretch of x.

    Values that differ by no more than the share ``alike`` count as equal.
    Between points both follow straight lines on logarithmic axes; nothing is said beyond the range
    that both cover. Raises `ValueError` unless x ascends and 0 < low <= y <= high throughout.
    """
    _check(curve0)
    _check(curve1)
    if not curve0 or not curve1:
        return None
    first = max(curve0[0].x, curve1[0].x)
    last = min(curve0[-1].x, curve1[-1].x)
    if first >= last:
        return None
    xs = sorted({point.x for point in (*curve0, *curve1) if first <= point.x <= last})
    margin = math.log1p(alike)
    gaps = [_gap(curve0, curve1, x, margin) for x in xs]
    told = [at for at, gap in enumerate(gaps) if gap.cheaper is not None]
    return CurvePair(
        first=first,
        last=last,
        first_told=xs[told[0]] if told else None,
        last_told=xs[told[-1]] if told else None,
        cheaper_first=gaps[told[0]].cheaper if told else None,
        all_told=len(told) == len(xs),
        rest_alike=all(abs(gap.middle) <= margin for gap in gaps if gap.cheaper is None),
        crossings=tuple(
            _crossing(gaps[before : after + 1])
            for before, after in pairwise(told)
            if gaps[before].cheaper != gaps[after].cheaper
        ),
    )


def _check(curve: Sequence[Point]) -> None:
    for before, after in pairwise(curve):
        if before.x >= after.x:
            raise ValueError(f"x must ascend, but {after.x:g} follows {before.x:g}")
    for point in curve:
        if not (0 < point.low <= point.y <= point.high < math.inf and 0 < point.x < math.inf):
            raise ValueError(f"{point} is not above 0 and within its interval")


def _gap(curve0: Sequence[Point], curve1: Sequence[Point], x: float, margin: float) -> _Gap:
    one, other = _at(curve0, x), _at(curve1, x)
    middle = other[0] - one[0]
    low, high = other[1] - one[2], other[2] - one[1]
    return _Gap(math.log(x), middle, min(low, middle - margin), max(high, middle + margin))


def _at(curve: Sequence[Point], x: float) -> tuple[float, float, float]:
    """Logarithms of y, low and high at ``x``, which the curve covers."""
    after = next(at for at, point in enumerate(curve) if point.x >= x)
    right = curve[after]
    if right.x == x:
        return math.log(right.y), math.log(right.low), math.log(right.high)
    left = curve[after - 1]
    share = math.log(x / left.x) / math.log(right.x / left.x)

    def between(a: float, b: float) -> float:
        return math.log(a) + share * math.log(b / a)

    return between(left.y, right.y), between(left.low, right.low), between(left.high, right.high)


def _crossing(gaps: Sequence[_Gap]) -> Crossing:
    """The crossing between the first and the last of these, of which only the ends are certain."""
    cheaper = gaps[-1].cheaper
    assert cheaper is not None
    # Leaving: the certainty of the one ends; arriving: that of the other begins.
    leaving = [gap.high if cheaper == 0 else gap.low for gap in gaps]
    arriving = [gap.low if cheaper == 0 else gap.high for gap in gaps]
    us = [gap.u for gap in gaps]
    middles = _zeros(us, [gap.middle for gap in gaps])
    return Crossing(
        cheaper,
        x=math.exp((middles[0] + middles[-1]) / 2),
        low=math.exp(_zeros(us, leaving)[0]),
        high=math.exp(_zeros(us, arriving)[-1]),
    )


def _zeros(us: Sequence[float], values: Sequence[float]) -> list[float]:
    """Where straight lines through these points change their sign, ascending."""
    found = []
    for (u0, v0), (u1, v1) in pairwise(zip(us, values, strict=True)):
        if v0 * v1 < 0:
            found.append(u0 + (u1 - u0) * v0 / (v0 - v1))
        elif v1 == 0:
            found.append(u1)
    return found
