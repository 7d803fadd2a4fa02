"""What a picture shows, whatever draws it: series of points with intervals, fits and scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from micro import units
from micro.reports.insights.comparison import Comparison, curve_text
from micro.reports.insights.events import pairs
from micro.reports.insights.systems import CurveSummary
from micro.reports.pictures.scales import (
    Scale,
    binary_scale,
    count_text,
    duration_text,
    linear_scale,
    log_scale,
    rate_text,
)
from runners.model.benchmark import Benchmark

#: A flat curve should look flat: the least factor that the axis of times spans.
_LEAST_SPAN = 10.0
_FIT_STEPS = 16


@dataclass(frozen=True)
class Mark:
    """A value with its interval, and all of it in words."""

    x: float
    y: float
    low: float
    high: float
    text: str
    unstable: bool = False


@dataclass(frozen=True)
class Series:
    """A system's points. ``index`` is its column, by which it has its colour in every picture."""

    label: str
    index: int
    points: tuple[Mark, ...]
    #: What is said beside the label: the class.
    note: str = ""
    #: Lines through the fit of each piece, as (x, y).
    fits: tuple[tuple[tuple[float, float], ...], ...] = ()
    #: Why it ends at its last point, or None.
    ended: str | None = None
    #: Whether a line joins the points.
    joined: bool = True


@dataclass(frozen=True)
class Crossed:
    """Where two series cross, and in words which one is cheaper from there on."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    """One picture. The table of its points is ``rows`` under ``columns``."""

    title: str
    description: str
    x_label: str
    y_label: str
    x: Scale
    y: Scale
    series: tuple[Series, ...]
    #: A line to compare with, such as perfect scaling.
    ideal: tuple[tuple[float, float], ...] = ()
    crossings: tuple[Crossed, ...] = ()


def curve_chart(shown: Comparison, place: Benchmark, title: str = "") -> Chart:
    """Time per operation over the load, of every system, on log-log axes; teams by throughput."""
    curves = shown.curves[place]
    known = [curve for curve in curves if curve is not None]
    if any(curve.scaling is not None for curve in known):
        return _scaling_chart(shown, place, title)
    series = tuple(
        (_rates if curve.moves_bytes else _series)(shown.systems[i].label, i, curve)
        for i, curve in enumerate(curves)
        if curve is not None and curve.levels
    )
    rated = all(curve.moves_bytes for curve in known)
    return _log_chart(title or place.label, place, series, rated)


def overlay_chart(
    shown: Comparison,
    places: Sequence[Benchmark],
    title: str,
    names: Sequence[str] = (),
    columns: Sequence[int] = (0,),
) -> Chart:
    """Several probes' curves over the same axis, of the systems in these columns, in one picture.

    ``names`` are the places' in the picture. Where ways of waiting cross is marked. Each series has
    a colour of its own.
    """
    series: list[Series] = []
    for place, name in zip(places, names or _short_names(places), strict=True):
        for column in columns:
            curve = shown.curves[place][column]
            if curve is not None and curve.levels:
                system = f", {shown.systems[column].label}" if len(columns) > 1 else ""
                found = _series(f"{name}{system}", len(series), curve)
                series.append(replace(found, fits=(), note=""))
    chart = _log_chart(title, places[0], tuple(series), rated=False)
    if len(columns) > 1:
        return chart
    session = shown.systems[columns[0]].sessions[-1]
    curves = {place: shown.curves[place][columns[0]] for place in places}
    crossings = tuple(
        Crossed(crossing.x, _height(curve, crossing.x), f"{said}.")
        for found in pairs(session)
        if {found.one.benchmark, found.other.benchmark} <= curves.keys()
        for crossing, said in zip(found.pair.crossings, found.words, strict=True)
        if (curve := curves[found.one.benchmark]) is not None
    )
    return replace(chart, crossings=crossings)


def count_chart(
    shown: Comparison,
    places: Sequence[Benchmark],
    title: str,
    names: Sequence[str],
    column: int,
    count: str,
) -> Chart | None:
    """What several curves of a system counted under this name; None where nothing was counted."""
    series: list[Series] = []
    unit = ""
    for place, name in zip(places, names, strict=True):
        curve = shown.curves[place][column]
        points = []
        for level, figure in zip(curve.levels, curve.figures, strict=True) if curve else ():
            for each in figure.counts:
                if each.count.name == count and each.value > 0:
                    unit = each.count.unit
                    text = f"{units.level_text(place.kind, level)}: {each}"
                    points.append(Mark(level, each.value, *each.interval, text))
        if points:
            series.append(Series(name, len(series), tuple(points)))
    if not series:
        return None
    ends = [end for one in series for point in one.points for end in (point.low, point.high)]
    return replace(
        _log_chart(title, places[0], tuple(series), rated=False),
        description=_describe(f"{unit} per operation".capitalize(), places[0].axis or "", series),
        y_label=f"{unit} per operation",
        y=log_scale(ends, count_text, _LEAST_SPAN),
    )


def _height(curve: CurveSummary, x: float) -> float:
    """The curve at ``x``, between its points along straight lines on logarithmic axes."""
    times = [max(figure.value_s, 1e-18) for figure in curve.figures]
    return float(np.exp(np.interp(np.log(x), np.log(curve.levels), np.log(times))))


def _short_names(places: Sequence[Benchmark]) -> list[str]:
    """Their labels without the family and the parameters that all of them share."""
    families = {place.family for place in places}
    shared = set.intersection(*(set(place.params) for place in places))
    return [
        " ".join(
            [
                place.probe.partition(".")[2] if len(families) == 1 else place.probe,
                *(f"{key}={value}" for key, value in place.params if (key, value) not in shared),
            ]
        )
        for place in places
    ]


def _log_chart(title: str, place: Benchmark, series: tuple[Series, ...], rated: bool) -> Chart:
    axis = place.axis or ""
    points = [point for one in series for point in one.points]
    levels = [point.x for point in points]
    return Chart(
        title=title,
        description=_describe("Bytes a second" if rated else "Time per operation", axis, series),
        x_label=axis,
        y_label="bytes a second" if rated else "time per operation",
        x=binary_scale(levels) if place.kind == "bytes" else log_scale(levels, count_text),
        y=log_scale(
            [end for point in points for end in (point.low, point.high)],
            rate_text if rated else duration_text,
            _LEAST_SPAN,
        ),
        series=series,
    )


def _range(values: Sequence[float]) -> str:
    return f"{units.duration(min(values))} to {units.duration(max(values))}"


def visits_chart(shown: Comparison, place: Benchmark) -> Chart | None:
    """A figure as each visit of all systems measured it, in their order: with and without sentinel.

    None where no visit is stored.
    """
    visits = [
        visit
        for system in shown.systems
        for session in system.sessions
        for result in session.results
        if result.benchmark == place
        for visit in result.visits
    ]
    if not visits:
        return None
    unit = units.duration(min(visit.plain_s for visit in visits)).rpartition(" ")[2]
    scale = {"s": 1.0, "ms": 1e3, "µs": 1e6, "ns": 1e9}[unit]
    kept = [(n, v.value_s) for n, v in enumerate(visits, 1) if v.doubt is None]
    plain = [(n, v.plain_s) for n, v in enumerate(visits, 1)]
    series = tuple(
        Series(
            name,
            index,
            tuple(
                Mark(n, y * scale, y * scale, y * scale, f"visit {n}: {units.duration(y)}")
                for n, y in values
            ),
            note=_range([y for _, y in values]),
            joined=False,
        )
        # What the sentinel kept is drawn last, above the others.
        for index, name, values in ((1, "without", plain), (0, "with the sentinel", kept))
        if values
    )
    ys = [point.y for one in series for point in one.points]
    label = f"{place.label} {units.level_of(place)}".rstrip()
    return Chart(
        title=f"{label}, {len(visits)} visits, each by a new process",
        description=_describe(f"{unit} per operation", "visits", series),
        x_label="visit",
        y_label=f"{unit} per operation",
        x=linear_scale([len(visits)]),
        y=linear_scale(ys),
        series=series,
    )


def _series(label: str, index: int, curve: CurveSummary) -> Series:
    points = tuple(
        Mark(
            x,
            figure.value_s,
            *figure.ci95_s,
            text=f"{units.level_text(curve.kind, x)}: {units.duration(figure.value_s)} "
            f"({units.duration(figure.ci95_s[0])} – {units.duration(figure.ci95_s[1])})",
            unstable=figure.status == "unstable",
        )
        for x, figure in zip(curve.levels, curve.figures, strict=True)
    )
    fits = [
        tuple(zip(xs.tolist(), fit.at(xs).tolist(), strict=True))
        for first, last, fit in (curve.growth.parts() if curve.growth is not None else ())
        for xs in [np.geomspace(first, last, _FIT_STEPS)]
    ]
    note = curve_text(curve) if curve.growth is not None else ""
    return Series(label, index, points, note, tuple(fits), curve.stopped_by)


def _rates(label: str, index: int, curve: CurveSummary) -> Series:
    """What an operation moves in a second: the more the better."""
    points = []
    for size, figure in zip(curve.levels, curve.figures, strict=True):
        value, high, low = (size / max(t, 1e-99) for t in (figure.value_s, *figure.ci95_s))
        text = f"{units.level_text(curve.kind, size)}: {units.rate(size, figure.value_s)}"
        points.append(Mark(size, value, low, high, text, figure.status == "unstable"))
    return Series(label, index, tuple(points), ended=curve.stopped_by)


def _scaling_chart(shown: Comparison, place: Benchmark, title: str) -> Chart:
    series, axis = [], ""
    for i, curve in enumerate(shown.curves[place]):
        if curve is None or curve.scaling is None:
            continue
        axis, scaling = curve.axis, curve.scaling
        points = tuple(
            Mark(n, speedup, low, high, f"{n} {axis}: ×{speedup:.2f}, 95 % {low:.2f} to {high:.2f}")
            for n, speedup, (low, high) in zip(
                scaling.members, scaling.speedup, scaling.ci95, strict=True
            )
        )
        where = scaling.saturated_at
        note = f"×{scaling.most:.2g}" + (f", saturated at {where}" if where else "")
        series.append(Series(shown.systems[i].label, i, points, note, ended=curve.stopped_by))
    members = [point.x for one in series for point in one.points]
    highs = [point.high for one in series for point in one.points]
    cpus = max(int(system.environment.get("cpu_count", 1)) for system in shown.systems)
    y = linear_scale([*highs, min(cpus, max(members))])
    end = min(max(members), y.high)
    return Chart(
        title=title or place.label,
        description=_describe("Throughput over that of one member", axis, series),
        x_label=axis,
        y_label="throughput, ×",
        x=linear_scale(members),
        y=y,
        series=tuple(series),
        ideal=((0.0, 0.0), (end, end)),
    )


def _describe(what: str, axis: str, series: Sequence[Series]) -> str:
    """For those who cannot see it."""
    told = []
    for one in series:
        first, last = one.points[0], one.points[-1]
        note = f" ({one.note})" if one.note else ""
        told.append(f"{one.label}{note}: from {first.text}; to {last.text}")
    return f"{what} over {axis}. " + ". ".join(told) + "."


@dataclass(frozen=True)
class Spread:
    """A system's single operations: percentiles in seconds, ascending."""

    label: str
    index: int
    percentiles_s: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class SpreadChart:
    """How single operations spread, a line a system."""

    title: str
    description: str
    x: Scale
    spreads: tuple[Spread, ...]


def spread_chart(shown: Comparison, place: Benchmark, title: str = "") -> SpreadChart | None:
    """Percentiles of single operations at a place, from p50 to max; None where none was traced."""
    spreads = tuple(
        Spread(system.label, i, tuple(figure.percentiles_s.items()))
        for i, system in enumerate(shown.systems)
        if (figure := system.figures.get(place)) is not None and figure.percentiles_s
    )
    if not spreads:
        return None
    times = [value for spread in spreads for _, value in spread.percentiles_s]
    level = units.level_of(place)
    told = ". ".join(
        f"{s.label}: " + ", ".join(f"{name} {units.duration(v)}" for name, v in s.percentiles_s)
        for s in spreads
    )
    return SpreadChart(
        title=title or f"{place.label} {level}".rstrip(),
        description=f"Times of single operations. {told}.",
        x=log_scale(times, duration_text, 5.0),
        spreads=spreads,
    )


def names_with_room(xs: Sequence[float], names: Sequence[str], room: float = 34.0) -> set[str]:
    """Percentiles whose names fit above their marks at ``xs``, the weightiest first."""
    at = dict(zip(names, xs, strict=True))
    chosen: set[str] = set()
    for name in ("p50", "max", "p99", "p90", "p99.9"):
        if name in at and all(abs(at[name] - at[other]) > room for other in chosen):
            chosen.add(name)
    return chosen
