"""Figures of pairs of CPUs as a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from micro.probes.catalogue import pairs_of
from micro.reports.insights.systems import Figure
from runners.model.benchmark import Benchmark

#: With fewer CPUs there is a single pair, and nothing to compare.
LEAST_CPUS = 3
#: Multiples of another figure from which on a cell is tinted, and more so at each.
TINTS = (1.1, 1.5, 3.0, 10.0)

Pair = tuple[int, int]


@dataclass(frozen=True)
class Matrix:
    """A system's figures of one measurement between CPUs, by pair; the lower CPU stands first."""

    figures: Mapping[Pair, Figure]

    @property
    def cpus(self) -> list[int]:
        """All CPUs that are in a pair, ascending."""
        return sorted({cpu for pair in self.figures for cpu in pair})

    def at(self, one: int, other: int) -> Figure | None:
        """The figure of two CPUs; None where it was not measured."""
        return self.figures.get((min(one, other), max(one, other)))

    def tint(self, figure: Figure) -> int:
        """How far a figure is above the least: from 0, where they are alike, to 4."""
        least_s = min(one.value_s for one in self.figures.values())
        return sum(figure.value_s >= step * least_s for step in TINTS)


def pair_of(place: Benchmark) -> tuple[Benchmark, Pair] | None:
    """The place without its pair of CPUs, and the pair; None where it has none."""
    name = pairs_of(place.probe)
    params = dict(place.params)
    first, _, second = str(params.pop(name, "")).partition("-") if name else ("", "", "")
    if not (first.isdecimal() and second.isdecimal() and len(first + second) < 10):
        return None
    low, high = sorted((int(first), int(second)))
    return replace(place, params=tuple(params.items())), (low, high)


def matrices(figures: Mapping[Benchmark, Figure]) -> dict[Benchmark, Matrix]:
    """The matrices among a system's figures, by their place without a pair."""
    found: dict[Benchmark, dict[Pair, Figure]] = {}
    for place, figure in figures.items():
        if (paired := pair_of(place)) is not None:
            whole, pair = paired
            found.setdefault(whole, {})[pair] = figure
    all_of_them = {whole: Matrix(pairs) for whole, pairs in found.items()}
    return {whole: one for whole, one in all_of_them.items() if len(one.cpus) >= LEAST_CPUS}
