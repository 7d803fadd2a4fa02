"""From how many watched descriptors on one way of waiting is cheaper than another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runners.analyse.crossing import ALIKE, Crossing, CurvePair, Point, compare
from runners.model.session import CUT_SHORT, Curve, Session

#: Ways that remember what they watch, and those that are handed all of it at every wait.
_REMEMBERING = ("event.epoll", "event.kqueue", "event.io_uring")
_HANDED_ALL = ("event.poll", "event.select")
#: Told only once, so the arrival is part of their operation: it is one of the others', too, where
#: one ready socket rotates, and only there they can be compared.
_TOLD_ONCE = ("event.epoll_et", "event.sigio")
_SAME_WORK = ("1", "rotating")
#: What is ready, by the parameters ready and rotation.
_READY = {
    ("1", "fixed"): "one ready descriptor",
    ("1", "rotating"): "one ready descriptor, another one each time",
    ("10%", "fixed"): "a tenth of the descriptors ready",
    ("10%", "rotating"): "a tenth of the descriptors ready, others each time",
}
#: A wider interval than this is no point any more.
_WIDE = 2.0
_ALIKE, _WATCHED = f"alike within {100 * ALIKE:.0f} %", "watched descriptors"


@dataclass(frozen=True)
class WaysOfWaiting:
    """Two mechanisms that did the same work, and how they compare."""

    one: Curve
    other: Curve
    pair: CurvePair

    @property
    def names(self) -> tuple[str, str]:
        """What the two are called."""
        return (_short(self.one), _short(self.other))

    @property
    def words(self) -> list[str]:
        """Each of their crossings."""
        return [_crossing(crossing, self.names) for crossing in self.pair.crossings]


def crossings(session: Session) -> list[str]:
    """A sentence for each two ways of waiting between which the session tells a difference."""
    found = []
    for ways in pairs(session):
        told = sentence(ways.pair, ways.names)
        if told is not None:
            params = ways.one.params
            ready = _READY[str(params["ready"]), str(params["rotation"])]
            found.append(f"With {ready}: {told}.")
    return found


def pairs(session: Session) -> list[WaysOfWaiting]:
    """Each two ways of waiting of which one is handed all descriptors at every wait."""
    if CUT_SHORT in session.settings:
        return []
    curves = {
        (curve.name, curve.params.get("ready"), curve.params.get("rotation")): curve
        for curve in session.curves
        if curve.axis == "watched" and "as" not in curve.params
    }
    found = []
    for ready in ("1", "10%"):
        for rotation in ("fixed", "rotating"):
            others = _REMEMBERING + (_TOLD_ONCE if (ready, rotation) == _SAME_WORK else ())
            for name in others:
                for handed_all in _HANDED_ALL:
                    one = curves.get((name, ready, rotation))
                    other = curves.get((handed_all, ready, rotation))
                    if one is None or other is None:
                        continue
                    pair = compare(_points(session, one), _points(session, other))
                    if pair is not None:
                        found.append(WaysOfWaiting(one, other, pair))
    return found


def _short(curve: Curve) -> str:
    return curve.name.partition(".")[2]


def _points(session: Session, curve: Curve) -> list[Point]:
    """The stable ones: nothing is concluded from the others."""
    points = {}
    for result in session.points(curve):
        if result.status != "ok":
            continue
        y, x, ci = result.value_s, result.x, result.ci95_s
        if y and x and x > 0 and ci and 0 < ci[0] <= y <= ci[1] < float("inf"):
            points[x] = Point(x, y, *ci)
    return [points[x] for x in sorted(points)]


def sentence(pair: CurvePair, names: Sequence[str]) -> str | None:
    """What a pair says, without an end; None where nothing can be told."""
    ends = f"{_number(pair.first)} to {_number(pair.last)}"
    if pair.crossings:
        said = "; ".join(_crossing(crossing, names) for crossing in pair.crossings)
        return f"{said} (measured: {ends})"
    if pair.cheaper_first is None:
        if not pair.rest_alike:
            return None
        return f"{names[0]} and {names[1]} are {_ALIKE} at every level from {ends} {_WATCHED}"
    cheaper = _is_cheaper(pair.cheaper_first, names)
    if pair.all_told:
        return f"{cheaper} at every level from {ends} {_WATCHED}"
    assert pair.first_told is not None
    assert pair.last_told is not None
    at = f"from {_number(pair.first_told)} to {_number(pair.last_told)}"
    if pair.first_told == pair.last_told:
        at = f"at {_number(pair.first_told)}"
    rest = f"they are {_ALIKE}" if pair.rest_alike else "neither is surely cheaper"
    return f"{cheaper} {at} {_WATCHED}; at other levels from {ends} {rest}"


def _is_cheaper(cheaper: int, names: Sequence[str]) -> str:
    return f"{names[cheaper]} is cheaper than {names[1 - cheaper]}"


def _crossing(crossing: Crossing, names: Sequence[str]) -> str:
    who = _is_cheaper(crossing.cheaper, names)
    low, x, high = map(_number, (crossing.low, crossing.x, crossing.high))
    if crossing.high > _WIDE * crossing.low:
        return f"{who} from somewhere between {low} and {high} {_WATCHED} on"
    between = f" ({low} to {high})" if low != high else ""
    return f"{who} from {x} {_WATCHED} on{between}"


def _number(x: float) -> str:
    """Levels as they are, and what lies between them to two digits, never below it.

    What crosses between 1 and 2 is not cheaper at 1.
    """
    if x == int(x):
        return f"{x:,.0f}"
    unit = 10 ** max(0, math.floor(math.log10(x)) - 1)
    return f"{math.ceil(x / unit * (1 - 1e-9)) * unit:,.0f}"
