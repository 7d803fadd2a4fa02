"""From how many watched descriptors on one way of waiting is cheaper than another."""

from __future__ import annotations

from collections.abc import Sequence

from runners.analyse.crossing import Crossing, CurvePair, Point, compare
from runners.model.session import Curve, Session

#: Ways that remember what they watch, and those that are handed all of it at every wait.
_REMEMBERING = ("event.epoll", "event.kqueue", "event.io_uring")
_HANDED_ALL = ("event.poll", "event.select")
#: Told only once, so the arrival is part of their operation: it is one of the others', too, where
#: one ready socket rotates, and only there they can be compared.
_TOLD_ONCE = ("event.epoll_et", "event.sigio")
_SAME_WORK = ("1", "rotating")
#: A wider interval than this is no point any more.
_WIDE = 2.0


def crossings(session: Session) -> list[str]:
    """A sentence for each two ways of waiting between which the session tells a difference."""
    curves = {
        (curve.name, curve.params.get("ready"), curve.params.get("rotation")): curve
        for curve in session.curves
        if curve.axis == "watched"
    }
    found = []
    for ready in ("1", "10%"):
        for rotation in ("fixed", "rotating"):
            others = _REMEMBERING + (_TOLD_ONCE if (ready, rotation) == _SAME_WORK else ())
            for name in others:
                for handed_all in _HANDED_ALL:
                    pair = [curves.get((one, ready, rotation)) for one in (name, handed_all)]
                    told = _told(session, *pair)
                    if told is not None:
                        found.append(f"With ready={ready}, rotation={rotation}: {told}.")
    return found


def _told(session: Session, one: Curve | None, other: Curve | None) -> str | None:
    if one is None or other is None:
        return None
    pair = compare(_points(session, one), _points(session, other))
    if pair is None:
        return None
    return sentence(pair, (_short(one), _short(other)), "watched")


def _short(curve: Curve) -> str:
    return curve.name.partition(".")[2]


def _points(session: Session, curve: Curve) -> list[Point]:
    points = {}
    for result in session.points(curve):
        y, x, ci = result.value_s, result.x, result.ci95_s
        if y and x and x > 0 and ci and 0 < ci[0] <= y <= ci[1] < float("inf"):
            points[x] = Point(x, y, *ci)
    return [points[x] for x in sorted(points)]


def sentence(pair: CurvePair, names: Sequence[str], axis: str) -> str | None:
    """What a pair says, without an end; None where nothing can be told."""
    ends = f"[{_number(pair.first)}, {_number(pair.last)}]"
    if pair.crossings:
        first, *more = (_crossing(crossing, names, axis) for crossing in pair.crossings)
        return "; ".join([f"{first} on {ends}" if not more else first, *more])
    if pair.cheaper_first is None:
        return None
    cheaper = _is_cheaper(pair.cheaper_first, names)
    if pair.all_told:
        return f"{cheaper} everywhere on {axis} {ends}"
    assert pair.first_told is not None
    assert pair.last_told is not None
    at = f"from {axis} = {_number(pair.first_told)} to {_number(pair.last_told)}"
    if pair.first_told == pair.last_told:
        at = f"at {axis} = {_number(pair.first_told)}"
    return f"{cheaper} {at}; elsewhere on {ends} they cannot always be told apart"


def _is_cheaper(cheaper: int, names: Sequence[str]) -> str:
    return f"{names[cheaper]} is cheaper than {names[1 - cheaper]}"


def _crossing(crossing: Crossing, names: Sequence[str], axis: str) -> str:
    who = _is_cheaper(crossing.cheaper, names)
    low, x, high = map(_number, (crossing.low, crossing.x, crossing.high))
    if crossing.high > _WIDE * crossing.low:
        return f"{who} from {axis} = {low} … {high}"
    return f"{who} from {axis} = {x}" + (f" ({low} … {high})" if low != high else "")


def _number(x: float) -> str:
    """Levels as they are, and what lies between them to two digits."""
    return f"{x:,.0f}" if x == int(x) else f"{float(f'{x:.2g}'):,.0f}"
