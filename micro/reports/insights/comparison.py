"""Systems side by side: rows of figures with ratios, the best marked, and classes of curves."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from micro import units
from micro.reports.insights.growth_words import growth_words, scaling_words
from micro.reports.insights.systems import CurveSummary, Figure, System
from runners.model.benchmark import Benchmark

Sort = Literal["group", "name", "ratio"]
#: However sure, a smaller difference makes no system better than another.
LEAST_DIFFERENCE = 0.01

#: Families by the headings of lmbench's summary, in their order.
GROUPS = (
    ("Processes", ("process", "thread")),
    ("System calls", ("syscall",)),
    ("Signals", ("signal",)),
    ("Context switches and scheduling", ("switch", "sched")),
    ("Messages between two tasks", ("ipc",)),
    ("Locks", ("lock",)),
    ("Timers", ("timer",)),
    ("Files", ("fd", "file")),
    ("Network", ("port", "net", "socket")),
    ("Memory mapping", ("mmap",)),
    ("Allocation", ("malloc",)),
    ("Memory", ("memory",)),
    ("Events", ("event",)),
    ("Servers", ("server", "container")),
    ("Processor", ("cpu", "hardware")),
)


def group_of(place: Benchmark) -> str:
    """The heading for a probe; the family's own name where there is none."""
    family = place.family
    return next((title for title, names in GROUPS if family in names), family.capitalize())


def group_rank(family: str) -> int:
    """Where a family stands among the groups; at the end where none has it."""
    ranks = (rank for rank, (_, names) in enumerate(GROUPS) if family in names)
    return next(ranks, len(GROUPS))


@dataclass(frozen=True)
class Cell:
    """One system's figure in a row."""

    figure: Figure
    #: Time over the reference's, None where that has none.
    ratio: float | None
    #: Whether this and the reference's interval are apart.
    apart: bool
    #: The only lowest: its interval lies below all others.
    best: bool


@dataclass(frozen=True)
class Row:
    """One place, a cell a system; None where a system has no figure there."""

    place: Benchmark
    cells: tuple[Cell | None, ...]
    #: Why a system has none, by its index.
    reasons: Mapping[int, str]

    @property
    def group(self) -> str:
        """The heading it stands under."""
        return group_of(self.place)

    @property
    def label(self) -> str:
        """Its name in a table."""
        return f"{self.place.label} {units.level_of(self.place)}".rstrip()

    @property
    def spread(self) -> float:
        """The ratio farthest from 1, as a factor of at least 1."""
        ratios = [cell.ratio for cell in self.cells if cell is not None and cell.ratio]
        return max((max(r, 1 / r) for r in ratios), default=1.0)


@dataclass(frozen=True)
class Comparison:
    """All that a table shows."""

    systems: tuple[System, ...]
    #: Index of the system that ratios refer to.
    reference: int
    rows: tuple[Row, ...]
    #: Every curve by its place, an entry a system.
    curves: Mapping[Benchmark, tuple[CurveSummary | None, ...]]

    def grouped(self) -> Iterator[tuple[str, list[Row]]]:
        """Rows by heading, in their order."""
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(row.group, []).append(row)
        yield from groups.items()


def compare(
    systems: Sequence[System],
    reference: int = 0,
    only: Sequence[str] = (),
    sort: Sort = "group",
    every_level: bool = False,
) -> Comparison:
    """Rows for all places of the systems; of curves the ends, unless ``every_level``.

    A curve is compared at the lowest and the highest level that all its systems have.
    """
    places = dict.fromkeys(
        place
        for system in systems
        for place in (*system.figures, *system.missing)
        if not only or any(_matches(place, glob) for glob in only)
    )
    curves = {
        curve: tuple(system.curves.get(curve) for system in systems)
        for curve in dict.fromkeys(place.curve for place in places)
        if any(curve in system.curves for system in systems)
    }
    chosen = [p for p in places if every_level or p.curve not in curves or _is_end(p, curves)]
    rows = [_row(place, systems, reference) for place in chosen if _is_shown(place, curves)]
    return Comparison(tuple(systems), reference, _sorted(rows, sort), curves)


def _sorted(rows: Sequence[Row], sort: Sort) -> tuple[Row, ...]:
    """Rows in order; the levels of a curve stay together, ascending."""
    titles = [title for title, _ in GROUPS]
    curves: dict[Benchmark, list[Row]] = {}
    for row in rows:
        curves.setdefault(row.place.curve, []).append(row)
    keys: dict[Sort, Callable[[Sequence[Row]], tuple[object, ...]]] = {
        "group": lambda curve: (
            titles.index(curve[0].group) if curve[0].group in titles else len(titles),
            curve[0].group,
        ),
        "name": lambda curve: (curve[0].place.label,),
        "ratio": lambda curve: (-max(row.spread for row in curve),),
    }
    ordered = sorted(curves.values(), key=keys[sort])
    return tuple(row for curve in ordered for row in sorted(curve, key=_level))


def _level(row: Row) -> int:
    return row.place.level or 0


def _matches(place: Benchmark, glob: str) -> bool:
    return fnmatch.fnmatchcase(place.probe, glob) or place.family == glob


def _is_shown(place: Benchmark, curves: Mapping[Benchmark, object]) -> bool:
    """A curve that a system lacks has no level to be missing at: its cells say why."""
    return place.level is not None or place.curve not in curves


def _is_end(place: Benchmark, curves: Mapping[Benchmark, Sequence[CurveSummary | None]]) -> bool:
    levels = [set(curve.levels) for curve in curves[place.curve] if curve is not None]
    common = set.intersection(*levels) or set.union(*levels)
    return place.level in (min(common, default=None), max(common, default=None))


def _row(place: Benchmark, systems: Sequence[System], reference: int) -> Row:
    figures = [system.figures.get(place) for system in systems]
    base = figures[reference]
    best = _ahead(figures)
    reasons = {
        i: system.missing.get(place) or system.missing.get(place.curve) or "not measured"
        for i, system in enumerate(systems)
        if figures[i] is None
    }
    cells = [
        None
        if figure is None
        else Cell(
            figure,
            ratio=_ratio(figure, base),
            apart=base is not None and are_apart(figure, base),
            best=figure is best,
        )
        for figure in figures
    ]
    return Row(place, tuple(cells), reasons)


def _ratio(figure: Figure, base: Figure | None) -> float | None:
    if base is None or not base.value_s:
        return None
    ratio = figure.value_s / base.value_s
    return ratio if 0 < ratio < math.inf else None


def are_apart(one: Figure, other: Figure) -> bool:
    """Whether their intervals do not touch, and the figures differ by what is worth telling."""
    if one.value_s > other.value_s:
        one, other = other, one
    worth_it = other.value_s >= one.value_s * (1 + LEAST_DIFFERENCE)
    return worth_it and one.ci95_s[1] < other.ci95_s[0]


def _ahead(figures: Sequence[Figure | None]) -> Figure | None:
    """The figure that is below all others and apart from them, if there is one and others are."""
    known = sorted((f for f in figures if f is not None), key=lambda figure: figure.value_s)
    if len(known) < 2 or not all(are_apart(known[0], other) for other in known[1:]):
        return None
    return known[0]


def curve_text(curve: CurveSummary | None) -> str:
    """What a system's curve does, in a cell."""
    if curve is None:
        return "–"
    if curve.scaling is not None:
        return scaling_words(curve.scaling, curve.axis)
    if curve.kind == "members" or curve.moves_bytes:
        return ""
    return growth_words(curve) or "too few points"


def ratio_text(ratio: float) -> str:
    """A ratio: ``×1.32``, ``×18``; a small one in words: ``1,600 times faster``."""
    if 0 < ratio < 0.095:
        return units.change(ratio)
    return f"×{ratio:.2f}" if ratio < 9.995 else f"×{ratio:,.0f}"
