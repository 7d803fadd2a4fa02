"""The report's sections: for each probe its picture, and the same figures as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from xml.etree.ElementTree import Element

from micro import units
from micro.probes.catalogue import all_probes
from micro.probes.declaration import Probe
from micro.reports.insights.causes import nanoseconds
from micro.reports.insights.comparison import Comparison, group_of
from micro.reports.insights.digest import compared_curves
from micro.reports.insights.growth_words import exponent_words, scaling_words, words_on_range
from micro.reports.insights.pairs import Matrix, matrices, pair_of
from micro.reports.insights.stacks import stacks_of
from micro.reports.insights.systems import CurveSummary, Figure
from micro.reports.markup import element
from micro.reports.pictures import svg
from micro.reports.pictures.chart import (
    Chart,
    Series,
    SpreadChart,
    curve_chart,
    overlay_chart,
    spread_chart,
)
from micro.reports.pictures.flame import flame_svg
from micro.reports.web.tables import anchor, cell, head, line, scrolling, soft
from runners.explain.costs import costs
from runners.model.benchmark import Benchmark
from runners.model.profile import Profile

#: Functions in the table below a flame graph.
_MOST_FUNCTIONS = 10


def groups(shown: Comparison) -> list[tuple[str, str, list[Element]]]:
    """A section a group of probes: anchor, title, body."""
    declared = {probe.name: probe for probe in all_probes()}
    found: dict[str, list[Element]] = {}
    for name, curves in compared_curves(shown.curves).items():
        members = found.setdefault(group_of(next(iter(curves.values()))), [])
        members += _overlaid(shown, name, curves)
    places = dict.fromkeys(row.place.curve for row in shown.rows)
    order = dict.fromkeys(map(group_of, places))
    squares = [matrices(system.figures) for system in shown.systems]
    subjects: dict[Benchmark, list[Benchmark]] = {}
    for place in places:
        whole, _ = pair_of(place) or (place, None)
        subject = whole if any(whole in square for square in squares) else place
        subjects.setdefault(subject, []).append(place)
    for subject, parts in subjects.items():
        # What a probe does is told once, for the first of its parameters.
        method = declared.pop(subject.probe, None)
        if parts == [subject]:
            body = _probe(shown, subject, method)
        else:
            body = _matrices(shown, [square.get(subject) for square in squares], parts, method)
        found.setdefault(group_of(subject), []).extend(body)
    return [(f"g{i}", title, found[title]) for i, title in enumerate(order)]


def _overlaid(shown: Comparison, name: str, curves: dict[str, Benchmark]) -> list[Element]:
    """Curves that are compared with each other, in one picture a system."""
    parts = []
    for column, system in enumerate(shown.systems):
        there = {
            label: place
            for label, place in curves.items()
            if (curve := shown.curves[place][column]) is not None and len(curve.levels) > 1
        }
        if len(there) < 2:
            continue
        places, names = list(there.values()), list(there)
        title = f"{name}: {system.label}" if len(shown.systems) > 1 else name
        chart = overlay_chart(shown, places, title, names, [column])
        identity = f"{anchor(places[0])}-o{column}"
        picture = svg.curve_svg(chart, identity)
        title = f"{title}: time per operation over {chart.x_label}; rings mark crossing points"
        parts.append(figure_of(title, picture, chart_table(chart), chart.series))
    return parts


def chart_table(chart: Chart, told: Callable[[float], str] = units.duration) -> Element:
    """The points of a picture of several curves, each told by its height."""
    columns = [{point.x: point for point in series.points} for series in chart.series]
    rows = []
    for x in sorted({x for column in columns for x in column}):
        points = [column.get(x) for column in columns]
        texts = ["–" if p is None else told(p.y) + "~" * p.unstable for p in points]
        rows.append(line(f"{x:,.0f}", [cell(text) for text in texts]))
    heading = head(series.label for series in chart.series)
    return scrolling(f"{chart.title} by {chart.x_label}", heading, rows)


def _probe(shown: Comparison, place: Benchmark, declared: Probe | None) -> list[Element]:
    identity = anchor(place)
    parts = [element("h3", {"id": identity}, element("code", {}, place.label))]
    if declared is not None:
        parts.append(soft(declared.method))
    curves = shown.curves.get(place, ())
    if any(curve is not None and curve.levels for curve in curves):
        chart = curve_chart(shown, place)
        if chart.series:
            title = f"{chart.y_label.capitalize().rstrip(', ×')} over {chart.x_label}"
            picture = svg.curve_svg(chart, f"{identity}-c")
            parts.append(figure_of(title, picture, _curve_table(shown, place), chart.series))
            parts += _absent(shown, place)
    else:
        parts.append(_single(shown, place))
    if (spread := spread_chart(shown, _traced_place(shown, place))) is not None:
        level = spread.title.removeprefix(place.label).strip()
        title = f"Single operations{f' at {level}' if level else ''}"
        picture = svg.spread_svg(spread, f"{identity}-s")
        parts.append(figure_of(title, picture, _spread_table(spread)))
    return parts + _flames(shown, place)


def _flames(shown: Comparison, place: Benchmark) -> list[Element]:
    """Where each system's time goes at the highest level that has a profile with stacks."""
    found = []
    for column, system in enumerate(shown.systems):
        curve = [
            profile
            for session in reversed(system.sessions)
            for profile in session.profiles
            if profile.stacks and profile.benchmark.curve == place
        ]
        if not curve:
            continue
        profile = max(curve, key=lambda profile: profile.benchmark.level or 0)
        whose = f" of {system.label}" if len(shown.systems) > 1 else ""
        title = f"Where the time{whose} goes: {profile.benchmark}"
        picture = flame_svg(stacks_of([profile]), f"{anchor(place)}-f{column}", title)
        found.append(
            element(
                "figure",
                {"class": "flame"},
                element(
                    "details",
                    {},
                    element("summary", {}, title),
                    element("div", {"class": "picture"}, picture),
                    _functions_table(profile, title),
                ),
            )
        )
    return found


def _functions_table(profile: Profile, title: str) -> Element:
    """The most expensive functions of a profile."""
    rows = [
        line(
            cost.symbol.label,
            map(cell, (nanoseconds(cost.ns), _range(cost.ci95_ns), f"{cost.share:.1%}")),
        )
        for cost in costs(profile)[:_MOST_FUNCTIONS]
    ]
    return scrolling(title, head(["per operation", "95 % interval", "share"]), rows)


def _range(interval_ns: tuple[float, float]) -> str:
    return " – ".join(map(nanoseconds, interval_ns))


def _matrices(
    shown: Comparison,
    squares: Sequence[Matrix | None],
    places: Sequence[Benchmark],
    declared: Probe | None,
) -> list[Element]:
    """A probe of pairs of CPUs: a heat table a system, and below it each pair with its interval."""
    label = places[0].probe
    parts = [element("h3", {}, element("code", {}, label))]
    if declared is not None:
        parts.append(soft(declared.method))
    for system, square in zip(shown.systems, squares, strict=True):
        if square is not None:
            title = f"Time between two CPUs: {system.label}"
            parts.append(element("p", {}, title))
            rows = [
                line(f"CPU {row}", [_heat_cell(square, row, column) for column in square.cpus])
                for row in square.cpus
            ]
            heading = head(f"CPU {column}" for column in square.cpus)
            parts.append(scrolling(title, heading, rows, "matrix"))
    parts.append(soft("The tint tells how far a pair is above the fastest: ×1.1, ×1.5, ×3, ×10."))
    rows = [
        element(
            "tr",
            {},
            element("th", {"scope": "row", "id": anchor(place)}, place.label),
            *(_level_cell(system.figures.get(place)) for system in shown.systems),
        )
        for place in places
    ]
    table = scrolling(f"{label} by pair", head(system.label for system in shown.systems), rows)
    parts.append(
        element("details", {}, element("summary", {}, "The figures with their intervals"), table)
    )
    return parts


def _heat_cell(square: Matrix, row: int, column: int) -> Element:
    figure = square.at(row, column)
    if figure is None:
        return cell("–", "soft")
    tint = square.tint(figure)
    time = units.duration(figure.value_s) + "~" * (figure.status == "unstable")
    return cell(time, f"slow{tint}" if tint else None)


def _absent(shown: Comparison, place: Benchmark) -> list[Element]:
    """Why a system has no part in a picture."""
    reasons = {
        system.label: next((r for p, r in system.missing.items() if p.curve == place), "")
        for system, curve in zip(shown.systems, shown.curves[place], strict=True)
        if curve is None
    }
    return [soft(f"{label}: {reason or 'not measured'}") for label, reason in reasons.items()]


def figure_of(
    title: str, picture: Element, table: Element, series: Sequence[Series] = ()
) -> Element:
    """A picture, its figures, and what stands beside the lines where there is no room for it."""
    names = [
        element(
            "li",
            {},
            svg.key_svg(one.index),
            element("span", {}, f"{one.label} ", element("span", {"class": "soft"}, one.note)),
        )
        for one in series
    ]
    attributes = {"class": "systems legend", "aria-hidden": "true"}
    return element(
        "figure",
        {"class": "curve" if series else "spread"},
        element("figcaption", {}, title),
        element("div", {"class": "picture"}, picture),
        element("ul", attributes, *names) if series else None,
        element("details", {}, element("summary", {}, "The figures as a table"), table),
    )


def _single(shown: Comparison, place: Benchmark) -> Element:
    """Figures of a probe without an axis, a line a system."""
    figures = [system.figures.get(place) for system in shown.systems]
    rated = any(figure is not None and figure.bytes_per_op for figure in figures)
    counted = any(figure is not None and figure.counts for figure in figures)
    rows = []
    for system, figure in zip(shown.systems, figures, strict=True):
        if figure is None:
            texts = ["–"] * (2 + rated + counted)
            state = system.missing.get(place, "not measured")
        else:
            texts = _texts(figure, rated, counted)
            state = figure.status + (f": {figure.reason}" if figure.reason else "")
        rows.append(line(system.label, [*map(cell, texts), cell(state, "words")]))
    names = ["time per operation", "95 % interval", *["rate"] * rated, *["counts"] * counted, ""]
    return scrolling(place.label, head(names), rows)


def _texts(figure: Figure, rated: bool, counted: bool) -> list[str]:
    low, high = (units.duration(value) for value in figure.ci95_s)
    texts = [units.duration(figure.value_s), f"{low} – {high}"]
    if rated:
        moved = figure.bytes_per_op or 0
        texts.append(units.rate(moved, figure.value_s) if moved else "–")
    if counted:
        texts.append(", ".join(map(str, figure.counts)) or "–")
    return texts


def _curve_table(shown: Comparison, place: Benchmark) -> Element:
    """Every level of every system, and below them what the curve is."""
    curves = shown.curves[place]
    axis = next(curve.axis for curve in curves if curve is not None)
    columns = [dict(zip(c.levels, c.figures, strict=True)) if c else {} for c in curves]
    rows = []
    for level in sorted({level for column in columns for level in column}):
        cells = [_level_cell(column.get(level)) for column in columns]
        rows.append(line(units.level_text(place.kind, level), cells))
    for name, texts in _curve_words(shown, curves):
        rows.append(line(name, [cell(text, "words") for text in texts]))
    heading = head(system.label for system in shown.systems)
    return scrolling(f"{place.label} by {axis}", heading, rows)


def _level_cell(figure: Figure | None) -> Element:
    if figure is None:
        return cell("–")
    width = units.half_width(figure.value_s, figure.ci95_s)
    time = units.duration(figure.value_s) + "~" * (figure.status == "unstable")
    small = ", ".join([width, *map(str, figure.counts)])
    return element("td", {}, f"{time} ", element("small", {}, small))


def _curve_words(
    shown: Comparison, curves: Sequence[CurveSummary | None]
) -> list[tuple[str, list[str]]]:
    lines: dict[str, list[str]] = {}
    for system, curve in zip(shown.systems, curves, strict=True):
        cpus = system.environment.get("cpu_count", 0)
        growth, scaling = (curve.growth, curve.scaling) if curve else (None, None)
        axis, moves = (curve.axis, curve.moves_bytes) if curve else ("", False)
        told = {
            "growth": (words_on_range(curve) if curve and not moves else "") or "–",
            "exponent at the end": exponent_words(growth) if growth and not moves else "–",
            "throughput": scaling_words(scaling, axis, cpus) if scaling else "–",
            "ended by": (curve.stopped_by if curve else None) or "–",
        }
        for name, text in told.items():
            lines.setdefault(name, []).append(text)
    return [(name, texts) for name, texts in lines.items() if set(texts) != {"–"}]


def _traced_place(shown: Comparison, place: Benchmark) -> Benchmark:
    """Where single operations are compared: a curve's highest level that all systems have."""
    levels = [set(c.levels) for c in shown.curves.get(place, ()) if c is not None and c.levels]
    if not levels:
        return place
    common = set.intersection(*levels) or set.union(*levels)
    return replace(place, level=max(common))


def _spread_table(chart: SpreadChart) -> Element:
    names = list(dict.fromkeys(name for s in chart.spreads for name, _ in s.percentiles_s))
    rows = []
    for spread in chart.spreads:
        times = dict(spread.percentiles_s)
        texts = [units.duration(times[name]) if name in times else "–" for name in names]
        rows.append(line(spread.label, map(cell, texts)))
    return scrolling(chart.title, head(names), rows)
