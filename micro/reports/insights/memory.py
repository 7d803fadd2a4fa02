"""What the memory probes of one run say together: where caches end, and how good a copy is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from micro import units
from runners.model.session import Result, Session

#: Latency's growth over a doubling of the size: from this on it steps, and below that it is flat
#: again. Between them is what is left of a step, and noise of a few per cent reaches neither.
STEPS, FLAT = 1.3, 1.2
#: A step starts where a single point lies so far above the one before.
FOOT = 1.16


def cache_levels(session: Session) -> list[int]:
    """The sizes in bytes after which the latency curve steps, ascending; of huge pages, if any.

    They are sizes that were measured: a cache ends there, or before the next size. A curve that
    leaves out more than a doubling tells nothing.
    """
    points = min(_latency_curves(session), key=_small_pages, default=[])
    sizes = [point.x or 0 for point in points]
    times_s = [point.value_s or 0.0 for point in points]
    if not all(times_s) or any(larger > 2 * size for size, larger in pairwise(sizes)):
        return []
    found = []
    rising = False
    for i in range(len(sizes) - 1):
        growth = times_s[_doubled(sizes, i)] / times_s[i]
        if not rising and growth >= STEPS:
            found.append(sizes[_foot(times_s, i)])
        rising = growth >= (FLAT if rising else STEPS)
    return found


def _latency_curves(session: Session) -> list[list[Result]]:
    curves = [c for c in session.curves if c.name == "memory.latency" and "as" not in c.params]
    return [points for curve in curves if (points := session.points(curve))]


def _small_pages(points: Sequence[Result]) -> bool:
    return points[0].params.get("pages") != "huge"


def _doubled(sizes: Sequence[int], i: int) -> int:
    """The first size at least twice as large, or the last."""
    larger = (j for j in range(i + 1, len(sizes)) if sizes[j] >= 2 * sizes[i])
    return next(larger, len(sizes) - 1)


def _foot(times_s: Sequence[float], i: int) -> int:
    """The last point from ``i`` on that is not yet far below the next."""
    while i + 1 < len(times_s) and times_s[i + 1] <= FOOT * times_s[i]:
        i += 1
    return i


def cache_sentence(session: Session) -> str | None:
    """The steps of the latency curve in words; None without any."""
    sizes = [units.size(size) for size in cache_levels(session)]
    if not sizes:
        return None
    listed = " and ".join(filter(None, [", ".join(sizes[:-1]), sizes[-1]]))
    return f"Memory latency steps after {listed}: caches end there, or before the next size."


def copy_sentence(session: Session) -> str | None:
    """The fastest copy, at the largest size at which one, a read and a write were measured, as a
    share of what the fastest read and write allow: a copy moves each byte twice.

    None where one of them is lacking.
    """
    found = _best_at_largest(session)
    if found is None:
        return None
    size, best_s = found
    share = (best_s["read"] + best_s["write"]) / best_s["copy"]
    return (
        f"The best copy of {units.size(size)} reaches {share:.0%} of what the best read and "
        "the best write of this run allow together."
    )


#: Probes of one thread by what they do: `set` writes as well.
_MOVES = {
    "memory.copy": "copy",
    "memory.read": "read",
    "memory.write": "write",
    "memory.set": "write",
}


def _best_at_largest(session: Session) -> tuple[int, Mapping[str, float]] | None:
    """The largest size at which all three were measured, and seconds of the fastest of each."""
    best: dict[int, dict[str, float]] = {}
    for result in session.results:
        move = _MOVES.get(result.name)
        if move and result.x and result.value_s and "as" not in result.params:
            at_size = best.setdefault(result.x, {})
            at_size[move] = min(at_size.get(move, result.value_s), result.value_s)
    whole = [size for size, moves in best.items() if len(moves) == len(set(_MOVES.values()))]
    return (max(whole), best[max(whole)]) if whole else None
