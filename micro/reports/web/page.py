"""The report: one HTML file without script or network, readable on paper and by ear."""

from __future__ import annotations

import base64
import hashlib
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.resources import files

from micro import units
from micro.probes.catalogue import all_probes
from micro.probes.declaration import Probe
from micro.reports.insights.classes import class_words, exponent_words, scaling_words
from micro.reports.insights.comparison import Cell, Comparison, group_of, ratio_text
from micro.reports.insights.conclusions import headlines, remarks
from micro.reports.insights.systems import CurveSummary, System
from micro.reports.pictures import svg
from micro.reports.pictures.chart import Series, SpreadChart, curve_chart, spread_chart
from micro.reports.pictures.svg import escape
from runners.model.benchmark import Benchmark

#: How many conclusions are seen at once.
_HEADLINES = 8
#: Ratios from which on a cell is tinted, and more so at each.
_TINTS = (1.1, 1.5, 3.0, 10.0)


def report(shown: Comparison) -> str:
    """The whole page."""
    style = (
        files("micro.reports.web").joinpath("page.css").read_text(encoding="utf-8") + svg.style()
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    names = ", ".join(system.label for system in shown.systems)
    several = len(shown.systems) > 1
    sections = [
        ("conclusions", "Conclusions", _conclusions(headlines(shown))),
        ("overview", "Ratios" if several else "Figures", _heat(shown)),
        *_groups(shown),
        ("environment", "Environment", _environment(shown.systems)),
        ("noise", "Noise and contamination", _noise(shown.systems)),
        ("remarks", "Remarks", _said(remarks(shown))),
    ]
    there = [(anchor, title, body) for anchor, title, body in sections if body]
    links = "".join(f'<li><a href="#{a}">{escape(title)}</a></li>' for a, title, _ in there)
    body = "".join(
        f'<section id="{anchor}"><h2>{escape(title)}</h2>{text}</section>'
        for anchor, title, text in there
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>micro: {escape(names)}</title><style>{style}</style></head><body>"
        '<a class="skip" href="#conclusions">Skip to the conclusions</a>'
        f"<header><h1>What the system charges</h1>"
        '<p class="soft">Seconds per operation, how they grow with load, and how sure they are.</p>'
        f'{_systems(shown.systems)}<nav aria-label="Sections"><ul>{links}</ul></nav></header>'
        f"<main>{body}</main>"
        "<footer><p>Bands and ± are 95 % intervals of the median over rounds. Open marks are "
        "unstable figures. The wide pale line is the fitted class; a bar at the end of a curve is "
        "the limit that ended it.</p><p>Made by micro.</p></footer></body></html>\n"
    )


def _systems(systems: Sequence[System]) -> str:
    items = []
    for i, system in enumerate(systems):
        facts = system.environment
        known = [str(facts[k]) for k in ("cpu_model", "virtualization", "libc") if k in facts]
        sessions = f"{len(system.sessions)} session{'s' if len(system.sessions) > 1 else ''}"
        told = " · ".join([*known, sessions])
        items.append(
            f"<li>{svg.key_svg(i)}"
            f'<span><strong>{escape(system.label)}</strong> <span class="soft">{escape(told)}'
            "</span></span></li>"
        )
    return f'<ul class="systems">{"".join(items)}</ul>'


def _said(texts: Sequence[str]) -> str:
    return (
        f'<ul class="said">{"".join(f"<li>{escape(t)}</li>" for t in texts)}</ul>' if texts else ""
    )


def _conclusions(texts: Sequence[str]) -> str:
    """The weightiest sentences, and the others within reach."""
    rest = _said(texts[_HEADLINES:])
    more = len(texts) - _HEADLINES
    folded = f"<details><summary>{more} more</summary>{rest}</details>" if rest else ""
    return _said(texts[:_HEADLINES]) + folded


def _heat(shown: Comparison) -> str:
    """A row a figure: time, ratio and its tint."""
    heads = "".join(f'<th scope="col">{escape(system.label)}</th>' for system in shown.systems)
    rows = []
    for title, members in shown.grouped():
        span = len(shown.systems) + 1
        rows.append(
            f'<tr><th class="group" scope="rowgroup" colspan="{span}">{escape(title)}</th></tr>'
        )
        for row in members:
            cells = "".join(
                _heat_cell(cell, i == shown.reference, row.reasons.get(i, ""))
                for i, cell in enumerate(row.cells)
            )
            link = f'<a href="#{_anchor(row.place)}">{escape(row.label)}</a>'
            rows.append(f'<tr><th scope="row">{link}</th>{cells}</tr>')
    base = escape(shown.systems[shown.reference].label)
    key = (
        f'<p class="soft">× is time over that of {base}. Bold: best, its interval apart from all '
        "others. ~ unstable.</p>"
        '<p class="key" aria-hidden="true"><span class="fast3">faster</span>'
        '<span class="fast1">a little</span><span>alike</span><span class="slow1">a little</span>'
        '<span class="slow2">×1.5</span><span class="slow3">×3</span>'
        '<span class="slow4">×10 slower</span></p>'
        if len(shown.systems) > 1
        else '<p class="soft">~ unstable.</p>'
    )
    table = f"<thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return key + _scrolling("Figures of all systems", table)


def _heat_cell(cell: Cell | None, reference: bool, reason: str) -> str:
    if cell is None:
        return f'<td><span class="soft" title="{escape(reason)}">–</span></td>'
    time = units.duration(cell.figure.value_s) + ("~" if cell.figure.status == "unstable" else "")
    text = f"<strong>{escape(time)}</strong>" if cell.best else escape(time)
    if reference or cell.ratio is None:
        return f"<td>{text}</td>"
    tint = _tint(cell.ratio) if cell.apart else ""
    return f"<td{tint}>{text} <small>{escape(ratio_text(cell.ratio))}</small></td>"


def _tint(ratio: float) -> str:
    side, factor = ("slow", ratio) if ratio >= 1 else ("fast", 1 / max(ratio, 1e-12))
    strength = sum(factor >= step for step in _TINTS)
    return f' class="{side}{strength}"' if strength else ""


def _scrolling(name: str, table: str, kind: str = "") -> str:
    """A table that may be wider than the page, within reach of the keyboard."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(name)}">'
        f"<table{kind}>{table}</table></div>"
    )


def _groups(shown: Comparison) -> list[tuple[str, str, str]]:
    """A section a group of probes: anchor, title, body."""
    declared = {probe.name: probe for probe in all_probes()}
    groups: dict[str, list[str]] = {}
    places = dict.fromkeys(row.place.curve for row in shown.rows)
    for place in places:
        # What a probe does is told once, for the first of its parameters.
        body = _probe(shown, place, declared.pop(place.probe, None))
        groups.setdefault(group_of(place), []).append(body)
    return [(f"g{i}", title, "".join(parts)) for i, (title, parts) in enumerate(groups.items())]


def _anchor(place: Benchmark) -> str:
    return f"p-{hashlib.sha256(place.label.encode()).hexdigest()[:12]}"


def _probe(shown: Comparison, place: Benchmark, declared: Probe | None) -> str:
    anchor = _anchor(place)
    parts = [f'<h3 id="{anchor}"><code>{escape(place.label)}</code></h3>']
    if declared is not None:
        parts.append(f'<p class="soft">{escape(declared.method)}</p>')
    curves = shown.curves.get(place, ())
    if any(curve is not None and curve.levels for curve in curves):
        chart = curve_chart(shown, place)
        if chart.series:
            title = f"{chart.y_label.capitalize().rstrip(', ×')} over {chart.x_label}"
            picture = svg.curve_svg(chart, f"{anchor}-c")
            parts.append(_figure(title, picture, _curve_table(shown, place), chart.series))
            parts.append(_absent(shown, place))
    else:
        parts.append(_single(shown, place))
    if (spread := spread_chart(shown, _traced_place(shown, place))) is not None:
        level = spread.title.removeprefix(place.label).strip()
        title = f"Single operations{f' at {level}' if level else ''}"
        picture = svg.spread_svg(spread, f"{anchor}-s")
        parts.append(_figure(title, picture, _spread_table(spread)))
    return "".join(parts)


def _absent(shown: Comparison, place: Benchmark) -> str:
    """Why a system has no part in a picture."""
    reasons = {
        system.label: next((r for p, r in system.missing.items() if p.curve == place), "")
        for system, curve in zip(shown.systems, shown.curves[place], strict=True)
        if curve is None
    }
    return "".join(
        f'<p class="soft">{escape(label)}: {escape(reason or "not measured")}</p>'
        for label, reason in reasons.items()
    )


def _figure(title: str, picture: str, table: str, series: Sequence[Series] = ()) -> str:
    """A picture, its figures, and what stands beside the lines where there is no room for it."""
    names = "".join(
        f"<li>{svg.key_svg(one.index)}<span>{escape(one.label)} "
        f'<span class="soft">{escape(one.note)}</span></span></li>'
        for one in series
    )
    legend = f'<ul class="systems legend" aria-hidden="true">{names}</ul>' if series else ""
    return (
        f'<figure class="{"curve" if series else "spread"}">'
        f'<figcaption>{escape(title)}</figcaption><div class="picture">{picture}</div>{legend}'
        f"<details><summary>The figures as a table</summary>{table}</details></figure>"
    )


def _single(shown: Comparison, place: Benchmark) -> str:
    """Figures of a probe without an axis, a line a system."""
    figures = [system.figures.get(place) for system in shown.systems]
    rated = any(figure is not None and figure.bytes_per_op for figure in figures)
    counted = any(figure is not None and figure.counts for figure in figures)
    rows = []
    for system, figure in zip(shown.systems, figures, strict=True):
        if figure is None:
            cells = ["<td>–</td>"] * (2 + rated + counted)
            state = system.missing.get(place, "not measured")
        else:
            low, high = (units.duration(value) for value in figure.ci95_s)
            texts = [units.duration(figure.value_s), f"{low} – {high}"]
            if rated:
                bytes_per_op = figure.bytes_per_op or 0
                texts.append(units.rate(bytes_per_op, figure.value_s) if bytes_per_op else "–")
            if counted:
                texts.append(", ".join(map(str, figure.counts)) or "–")
            cells = [f"<td>{escape(text)}</td>" for text in texts]
            state = figure.status + (f": {figure.reason}" if figure.reason else "")
        rows.append(_line(system.label, [*cells, f'<td class="words">{escape(state)}</td>']))
    head = _head(
        ["time per operation", "95 % interval", *["rate"] * rated, *["counts"] * counted, ""]
    )
    return _scrolling(place.label, f"{head}<tbody>{''.join(rows)}</tbody>")


def _line(label: str, cells: Iterable[str]) -> str:
    return f'<tr><th scope="row">{escape(label)}</th>{"".join(cells)}</tr>'


def _head(names: Iterable[str]) -> str:
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return f"<thead><tr><td></td>{cells}</tr></thead>"


def _curve_table(shown: Comparison, place: Benchmark) -> str:
    """Every level of every system, and below them what the curve is."""
    curves = shown.curves[place]
    axis = next(curve.axis for curve in curves if curve is not None)
    columns = [dict(zip(c.levels, c.figures, strict=True)) if c else {} for c in curves]
    rows = []
    for level in sorted({level for column in columns for level in column}):
        cells = []
        for column in columns:
            figure = column.get(level)
            if figure is None:
                cells.append("<td>–</td>")
                continue
            half = (figure.ci95_s[1] - figure.ci95_s[0]) / 2 / (figure.value_s or 1.0)
            mark = "~" if figure.status == "unstable" else ""
            time = f"{units.duration(figure.value_s)}{mark}"
            small = ", ".join([f"±{half:.1%}", *map(str, figure.counts)])
            cells.append(f"<td>{escape(time)} <small>{escape(small)}</small></td>")
        rows.append(_line(units.level_text(place.kind, level), cells))
    for name, texts in _curve_words(curves):
        words = [f'<td class="words">{escape(text)}</td>' for text in texts]
        rows.append(_line(name, words))
    head = _head(system.label for system in shown.systems)
    return _scrolling(f"{place.label} by {axis}", f"{head}<tbody>{''.join(rows)}</tbody>")


def _curve_words(curves: Sequence[CurveSummary | None]) -> list[tuple[str, list[str]]]:
    lines: dict[str, list[str]] = {}
    for curve in curves:
        growth, scaling = (curve.growth, curve.scaling) if curve else (None, None)
        axis, moves = (curve.axis, curve.moves_bytes) if curve else ("", False)
        kind = curve.kind if curve else "load"
        told = {
            "class": class_words(growth, kind) if growth and not moves else "–",
            "exponent at the end": exponent_words(growth) if growth and not moves else "–",
            "throughput": scaling_words(scaling, axis) if scaling else "–",
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


def _spread_table(chart: SpreadChart) -> str:
    names = list(dict.fromkeys(name for s in chart.spreads for name, _ in s.percentiles_s))
    rows = []
    for spread in chart.spreads:
        times = dict(spread.percentiles_s)
        texts = [units.duration(times[name]) if name in times else "–" for name in names]
        rows.append(_line(spread.label, [f"<td>{escape(text)}</td>" for text in texts]))
    return _scrolling(chart.title, f"{_head(names)}<tbody>{''.join(rows)}</tbody>")


def _environment(systems: Sequence[System]) -> str:
    """Facts side by side; those that differ come first, in bold."""
    names = list(dict.fromkeys(name for system in systems for name in system.environment))
    texts = {name: [str(s.environment.get(name, "–")) for s in systems] for name in names}
    differing = [name for name in names if len(set(texts[name])) > 1]
    rows = []
    for name in [*differing, *(name for name in names if name not in differing)]:
        cells = "".join(f"<td>{escape(_fact(name, text))}</td>" for text in texts[name])
        kind = ' class="differs"' if name in differing else ""
        rows.append(f'<tr{kind}><th scope="row">{escape(name)}</th>{cells}</tr>')
    note = '<p class="soft">What differs stands first, in bold.</p>' if differing else ""
    head = _head(system.label for system in systems)
    table = f"{head}<tbody>{''.join(rows)}</tbody>"
    return note + _scrolling("Environment", table, ' class="facts"')


def _fact(name: str, text: str) -> str:
    if name == "memory_bytes" and text.isdigit():
        return f"{int(text) / (1 << 30):.1f} GiB"
    return text.replace("=", ": ").replace(";", "; ") if name == "mitigations" else text


def _noise(systems: Sequence[System]) -> str:
    """How much of what was measured counted, how wide intervals are, and what disturbed."""
    lines: dict[str, list[str]] = {}
    for system in systems:
        for name, text in _noise_of(system).items():
            lines.setdefault(name, []).append(text)
    rows = [
        _line(name, [f'<td class="words">{escape(text)}</td>' for text in texts])
        for name, texts in lines.items()
    ]
    head = _head(system.label for system in systems)
    return _scrolling("Noise", f"{head}<tbody>{''.join(rows)}</tbody>", ' class="facts"')


def _noise_of(system: System) -> dict[str, str]:
    results = [result for session in system.sessions for result in session.results]
    states = Counter(result.status for result in results)
    visits = [visit for result in results for visit in result.visits]
    slices = sum(visit.slices for visit in visits)
    clean = sum(visit.clean for visit in visits)
    doubts = Counter(visit.doubt for visit in visits if visit.doubt is not None)
    figures = system.figures.values()
    widths = [(f.ci95_s[1] - f.ci95_s[0]) / 2 / f.value_s for f in figures if f.value_s > 0]
    ratio = system.sessions[-1].settings.get("clean_ratio")
    told = [f"{count} × {doubt}" for doubt, count in doubts.most_common(4)]
    return {
        "figures": ", ".join(f"{count} {status}" for status, count in states.items()) or "–",
        "median ±": f"{statistics.median(widths):.1%}" if widths else "–",
        "clean slices": f"{clean / slices:.0%} of {slices:,}" if slices else "–",
        "clean level": f"{ratio}" if ratio is not None else "none: plain medians",
        "visits that did not count": f"{sum(doubts.values())} of {len(visits)}" if visits else "–",
        "because of": "; ".join(told) or "–",
    }
