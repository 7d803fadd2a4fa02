"""A session in short: the figures and curves that the declarations of probes call headlines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from micro import units
from micro.probes.catalogue import all_probes
from micro.reports.insights.comparison import group_rank
from micro.reports.insights.systems import CurveSummary, Figure, System
from runners.model.benchmark import Benchmark

#: What several reasons for doubt have in common, in words; the first that matches.
_CAUSES = (
    ("rounds were disturbed", "too few undisturbed rounds"),
    ("undisturbed rounds", "too few undisturbed rounds"),
    ("neighbour", "other programs on the CPU's core"),
    ("two modes", "two modes"),
    ("rounds differ", "rounds differ"),
    ("drifted", "drift during the session"),
)


@dataclass(frozen=True)
class Digest:
    """Headlines by their place on the page: labels, each with its figure or curve."""

    counts: Counter[str]
    #: Why figures are unstable, and how many each reason concerns.
    causes: Counter[str]
    #: Limits that ended curves.
    ends: Counter[str]
    #: Probes that cannot be measured here.
    absent: tuple[str, ...] = ()
    figures: dict[str, list[tuple[str, Figure]]] = field(default_factory=dict)
    #: Curves that are compared with each other.
    compared: dict[str, list[tuple[str, CurveSummary]]] = field(default_factory=dict)
    #: Curves that grow, the steepest first.
    growing: list[tuple[str, CurveSummary]] = field(default_factory=list)
    flat: list[tuple[str, CurveSummary]] = field(default_factory=list)


def digest(system: System) -> Digest:
    """The headlines of a system's newest session and its pooled figures."""
    results = system.sessions[-1].results
    found = Digest(
        Counter(result.status for result in results),
        Counter(_cause(r.reason or "") for r in results if r.status == "unstable"),
        Counter(curve.stopped_by for curve in system.curves.values() if curve.stopped_by),
        tuple(dict.fromkeys(r.benchmark.label for r in results if r.status == "skipped")),
    )
    figures = {_key(place): figure for place, figure in system.figures.items()}
    curves = {_key(place): curve for place, curve in system.curves.items()}
    # In the order of groups, as everywhere.
    for probe in sorted(all_probes(), key=lambda probe: group_rank(probe.family)):
        for headline in probe.headlines:
            key = _key(probe.place(headline))
            if probe.axis is None or headline.level is not None:
                if key in figures:
                    found.figures.setdefault(headline.group, []).append(
                        (headline.label, figures[key])
                    )
            elif (curve := curves.get(key)) is not None and len(curve.levels) > 1:
                _add(found, headline.group, headline.label, curve)
    found.growing.sort(key=lambda pair: -pair[1].rise)
    return found


def _add(found: Digest, group: str, label: str, curve: CurveSummary) -> None:
    if group:
        found.compared.setdefault(group, []).append((label, curve))
    elif curve.flat:
        found.flat.append((label, curve))
    elif curve.growth is not None or curve.walks_caches:
        found.growing.append((label, curve))


def _key(place: Benchmark) -> tuple[object, ...]:
    """What identifies a place, in whatever order a file has its parameters."""
    return (place.probe, frozenset(place.params), place.axis, place.level)


def compared_curves(curves: Collection[Benchmark]) -> dict[str, dict[str, Benchmark]]:
    """Of these curves those that belong into one picture: by group, by label."""
    known = {_key(place): place for place in curves}
    found: dict[str, dict[str, Benchmark]] = {}
    for probe in all_probes():
        for headline in probe.headlines:
            place = known.get(_key(probe.place(headline)))
            if headline.group and place is not None:
                found.setdefault(headline.group, {})[headline.label] = place
    return found


def figure_text(figure: Figure) -> str:
    """A duration, or where bytes are moved a rate; with a mark if it is unstable.

    A message of one byte is no stream.
    """
    moved = figure.bytes_per_op or 0
    text = units.rate(moved, figure.value_s) if moved > 1 else units.duration(figure.value_s)
    return text + "~" * (figure.status == "unstable")


def common_levels(curves: Sequence[CurveSummary]) -> tuple[int, ...]:
    """Levels that all these curves have, ascending."""
    return tuple(sorted(set.intersection(*(set(curve.levels) for curve in curves))))


def at_level(curve: CurveSummary, level: int) -> Figure | None:
    """The figure of a curve at a level."""
    by_level: Mapping[int, Figure] = dict(zip(curve.levels, curve.figures, strict=True))
    return by_level.get(level)


def _cause(reason: str) -> str:
    for part, words in _CAUSES:
        if part in reason:
            return words
    return re.sub(r"\s*\(.*", "", reason) or "unknown"
