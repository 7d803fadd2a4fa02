"""Two systems, a session or a few each: which differences are told, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from micro import units
from micro.reports.insights.comparison import Cell, Comparison, Row
from micro.reports.insights.systems import Figure
from runners.model.benchmark import Benchmark

#: What two sessions can differ by without a reason: another boot moves a figure by up to 5 %, and
#: nothing in one session of each says by how much. Of unstable figures only a multiple is told, and
#: only where even the nearest of all their rounds differ by as much as firm figures must.
LEAST_FIRM, LEAST_UNSTABLE = 1.10, 2.0


@dataclass(frozen=True)
class Entry:
    """A probe with its parameters, and those of its levels that share a verdict.

    ``slower`` is None where nothing is told.
    """

    place: Benchmark
    slower: bool | None
    #: Before, and after with its ratio; levels ascending.
    cells: tuple[tuple[Row, Cell, Cell], ...]

    @property
    def largest(self) -> tuple[Row, Cell, Cell]:
        """The level at which they differ most."""
        return max(self.cells, key=lambda level: _distance(level[2]))

    @property
    def range_words(self) -> str:
        """``2.3 to 51 times slower``, over the levels."""
        ratios = sorted(
            (cell.ratio or 1.0 for _, _, cell in self.cells), key=lambda r: max(r, 1 / r)
        )
        first, last = units.change(ratios[0]), units.change(ratios[-1])
        if first == last:
            return last
        unit = " times" if first.endswith(last[last.rindex(" ") :]) and " times" in first else ""
        return f"{first.partition(unit)[0] if unit else first} to {last}"


def entries(shown: Comparison) -> list[Entry]:
    """What changed from the first system to the second, the largest changes first."""
    found: dict[tuple[Benchmark, bool | None], list[tuple[Row, Cell, Cell]]] = {}
    for row in shown.rows:
        before, after = row.cells[0], row.cells[1]
        if before is not None and after is not None and after.ratio is not None:
            verdict = _slower(before, after)
            found.setdefault((row.place.curve, verdict), []).append((row, before, after))
    told = [
        Entry(place, slower, tuple(sorted(cells, key=lambda level: level[0].place.level or 0)))
        for (place, slower), cells in found.items()
    ]
    return sorted(told, key=lambda entry: -_distance(entry.largest[2]))


def _distance(cell: Cell) -> float:
    ratio = cell.ratio or 1.0
    return max(ratio, 1 / ratio)


def _slower(before: Cell, after: Cell) -> bool | None:
    """Whether it is slower; None where two figures cannot tell."""
    unstable = "unstable" in (before.figure.status, after.figure.status)
    least = LEAST_UNSTABLE if unstable else LEAST_FIRM
    if after.ratio is None or not after.apart or _distance(after) < least:
        return None
    if unstable and _nearest_rounds(before.figure, after.figure) < LEAST_FIRM:
        return None
    return after.ratio > 1


def _nearest_rounds(first: Figure, second: Figure) -> float:
    """The ratio of the nearest rounds of two figures; below 1 where they overlap."""
    (low, high), (other_low, other_high) = first.rounds_s, second.rounds_s
    return max(other_low / high if high else 0.0, low / other_high if other_high else 0.0)


def count(found: Sequence[Entry], slower: bool | None) -> int:
    """How many figures have this verdict."""
    return sum(len(entry.cells) for entry in found if entry.slower is slower)


def of_other_code(found: Sequence[Entry]) -> int:
    """How many figures the two systems' micro measured by different code."""
    return sum(
        None not in (codes := {before.figure.code, after.figure.code}) and len(codes) == 2
        for entry in found
        for _, before, after in entry.cells
    )
