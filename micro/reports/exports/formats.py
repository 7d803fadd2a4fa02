"""A comparison as a terminal table, Markdown, HTML, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from micro import units
from micro.reports import printable
from micro.reports.exports.document import count_fields, growth_fields
from micro.reports.insights.comparison import Cell, Comparison, Row, curve_text, ratio_text
from micro.reports.insights.conclusions import conclusions, remarks
from micro.reports.insights.systems import CurveSummary
from micro.reports.markup import element, html, markdown_text
from runners.model.benchmark import Benchmark

BEST = "*"
LEGEND = f"{BEST} best, its interval apart from all others; ~ unstable; ×: time over that of"
_LEAST_WIDTH = 14


def cell_text(cell: Cell | None, with_ratio: bool) -> str:
    """``3.87 µs* ×1.32``; a dash where there is no figure."""
    if cell is None:
        return "–"
    text = units.duration(cell.figure.value_s)
    text += "~" if cell.figure.status == "unstable" else ""
    text += BEST if cell.best else ""
    return f"{text} {ratio_text(cell.ratio)}" if with_ratio and cell.ratio else text


@dataclass(frozen=True)
class _Line:
    """A row of any table: its label, and a text a system."""

    label: str
    texts: tuple[str, ...]
    #: A curve's class, of which levels follow; such texts may be long.
    is_curve: bool = False


def _lines(shown: Comparison) -> list[tuple[str, list[_Line]]]:
    """By heading; a curve's class comes before its levels, which are set in."""
    found = []
    for title, rows in shown.grouped():
        lines: list[_Line] = []
        curve: Benchmark | None = None
        for row in rows:
            texts = tuple(
                cell_text(cell, with_ratio=i != shown.reference) for i, cell in enumerate(row.cells)
            )
            if row.place.curve not in shown.curves or row.place.level is None:
                lines += [_Line(row.label, texts), *_count_lines(row, row.place.label)]
                continue
            if row.place.curve != curve:
                curve = row.place.curve
                classes = tuple(map(curve_text, shown.curves[curve]))
                lines.append(_Line(row.place.label, classes, is_curve=True))
            level = units.level_of(row.place)
            lines += [_Line(f"  {level}", texts), *_count_lines(row, f"  {level}")]
        found.append((title, lines))
    return found


def _count_lines(row: Row, label: str) -> list[_Line]:
    """A line for each count of a row's figures: ``0.49`` of its unit."""
    by_system = [
        {each.count.unit: each.number for each in cell.figure.counts} if cell is not None else {}
        for cell in row.cells
    ]
    units_seen = dict.fromkeys(unit for counts in by_system for unit in counts)
    return [
        _Line(f"{label}, {printable(unit)}", tuple(c.get(unit, "–") for c in by_system))
        for unit in units_seen
    ]


def print_rich(out: Console, shown: Comparison) -> None:
    """The table for a terminal, in as many blocks of systems as its width asks for."""
    _print_around(out, shown, lambda: _print_by_probe(out, shown))


def print_rich_by_system(out: Console, shown: Comparison) -> None:
    """As lmbench prints it: a table a heading, a row a system, figures in columns."""
    _print_around(out, shown, lambda: _print_by_system(out, shown))


def _print_around(out: Console, shown: Comparison, tables: Callable[[], None]) -> None:
    for sentence in conclusions(shown):
        out.print(Text(sentence))
    tables()
    out.print(Text(f"{LEGEND} {shown.systems[shown.reference].label}."))
    for remark in remarks(shown):
        out.print(Text(remark))


def _print_by_probe(out: Console, shown: Comparison) -> None:
    groups = _lines(shown)
    every = [line for _, lines in groups for line in lines]
    figures = [text for line in every if not line.is_curve for text in line.texts]
    width = max(_LEAST_WIDTH, *map(len, figures))
    name_width = min(max(len(line.label) for line in every) + 2, max(16, out.width // 2))
    a_block = max(1, (out.width - name_width) // (width + 2))
    for start in range(0, len(shown.systems), a_block):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        table.add_column("", overflow="fold", width=name_width)
        block = slice(start, start + a_block)
        for system in shown.systems[block]:
            table.add_column(Text(system.label), justify="right", width=width)
        for title, lines in groups:
            table.add_row(Text(title, "bold"))
            for line in lines:
                cells = [Text(t, "bold green" if BEST in t else "") for t in line.texts[block]]
                table.add_row(Text(f"  {line.label}"), *cells)
            table.add_section()
        out.print(table)


def _print_by_system(out: Console, shown: Comparison) -> None:
    for title, lines in _lines(shown):
        width = max(_LEAST_WIDTH, *(len(text) for line in lines for text in line.texts))
        width = min(width, 2 * _LEAST_WIDTH)
        name_width = min(max(len(system.label) for system in shown.systems), out.width // 3)
        a_block = max(1, (out.width - name_width) // (width + 2))
        curve = ""
        for start in range(0, len(lines), a_block):
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
            table.title, table.title_justify = Text(title, "bold"), "left"
            table.add_column("", overflow="fold", width=name_width)
            for line in lines[start : start + a_block]:
                curve = line.label if line.is_curve else curve
                inside = line.label.startswith(" ")
                head = f"{curve} {line.label.strip()}" if inside else line.label
                table.add_column(Text(head), justify="right", overflow="fold", width=width)
            for i, system in enumerate(shown.systems):
                texts = [Text(line.texts[i]) for line in lines[start : start + a_block]]
                table.add_row(Text(system.label), *texts)
            out.print(table)


def markdown(shown: Comparison) -> str:
    """A table in GitHub's Markdown, with the conclusions above and the remarks below it."""
    lines = [f"- {markdown_text(sentence)}" for sentence in conclusions(shown)] + [""]
    labels = [markdown_text(system.label) for system in shown.systems]
    lines.append(f"| | {' | '.join(labels)} |")
    lines.append(f"|---|{'---:|' * len(shown.systems)}")
    for title, rows in _lines(shown):
        lines.append(f"| **{markdown_text(title)}** |{' |' * len(shown.systems)}")
        for line in rows:
            cells = [
                f"**{markdown_text(text.replace(BEST, ''))}**"
                if BEST in text
                else markdown_text(text)
                for text in line.texts
            ]
            indent = "\u00a0\u00a0" if line.label.startswith(" ") else ""
            lines.append(f"| {indent}{markdown_text(line.label.strip())} | {' | '.join(cells)} |")
    base = labels[shown.reference]
    lines += [
        "",
        f"Bold: best, its interval apart from all others; ~ unstable; ×: time over {base}.",
    ]
    lines += ["", *(f"- {markdown_text(remark)}" for remark in remarks(shown))]
    return "\n".join(lines).rstrip() + "\n"


def html_table(shown: Comparison) -> str:
    """The table alone as an HTML fragment, with the conclusions above and the remarks below it."""
    names = [element("th", {"scope": "col"}, system.label) for system in shown.systems]
    rows = []
    for title, lines in _lines(shown):
        group = {"scope": "rowgroup", "colspan": len(shown.systems) + 1}
        rows.append(element("tr", {}, element("th", group, title)))
        for line in lines:
            cells = [
                element("td", {}, element("strong", {}, text.replace(BEST, "")))
                if BEST in text
                else element("td", {}, text)
                for text in line.texts
            ]
            rows.append(element("tr", {}, element("th", {"scope": "row"}, line.label), *cells))
    head = element("thead", {}, element("tr", {}, element("td"), *names))
    table = element("table", {}, head, element("tbody", {}, *rows))
    parts = [*_html_list(conclusions(shown)), table, *_html_list(remarks(shown))]
    return f"{html(parts)}\n"


def _html_list(texts: Sequence[str]) -> list[Element]:
    return [element("ul", {}, *(element("li", {}, text) for text in texts))] if texts else []


_CSV_COLUMNS = ("group", "benchmark", "system", "seconds_per_op", "ci95_low", "ci95_high")


def csv_text(shown: Comparison) -> str:
    """A line a figure; seconds, ratios and the state it is in."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_CSV_COLUMNS, "ratio", "best", "status", "sessions", "reason", "counts"])
    for row in shown.rows:
        for i, (system, cell) in enumerate(zip(shown.systems, row.cells, strict=True)):
            start = [_csv(row.group), _csv(str(row.place)), _csv(system.label)]
            if cell is None:
                writer.writerow(
                    [*start, "", "", "", "", 0, "missing", "", _csv(row.reasons[i]), ""]
                )
                continue
            figure = cell.figure
            times = [figure.value_s, *figure.ci95_s, "" if cell.ratio is None else cell.ratio]
            state = [int(cell.best), figure.status, figure.sessions, _csv(figure.reason or "")]
            counts = "; ".join(map(str, figure.counts))
            writer.writerow([*start, *times, *state, _csv(counts)])
    return out.getvalue()


def _csv(text: str) -> str:
    """Spreadsheets take a text that begins so for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def json_text(shown: Comparison) -> str:
    """One document: systems, rows, curves, conclusions and remarks."""
    return json.dumps(
        {
            "schema": 1,
            "systems": [
                {
                    "name": system.label,
                    "environment": dict(system.environment),
                    "sessions": len(system.sessions),
                }
                for system in shown.systems
            ],
            "reference": shown.systems[shown.reference].label,
            "rows": [_json_row(row) for row in shown.rows],
            "curves": [_json_curves(place, curves) for place, curves in shown.curves.items()],
            "conclusions": conclusions(shown),
            "remarks": remarks(shown),
        },
        allow_nan=False,
    )


def _json_row(row: Row) -> dict[str, Any]:
    return {
        "group": row.group,
        "benchmark": str(row.place),
        "name": row.place.probe,
        "params": dict(row.place.params),
        "axis": row.place.axis,
        "x": row.place.level,
        "cells": [
            {"reason": row.reasons[i]}
            if cell is None
            else {
                "value": cell.figure.value_s,
                "ci95": list(cell.figure.ci95_s),
                "ratio": cell.ratio,
                "best": cell.best,
                "status": cell.figure.status,
                "reason": cell.figure.reason,
                "counts": [count_fields(each) for each in cell.figure.counts],
            }
            for i, cell in enumerate(row.cells)
        ],
    }


def _json_curves(place: Benchmark, curves: Sequence[CurveSummary | None]) -> dict[str, Any]:
    return {
        "name": place.probe,
        "params": dict(place.params),
        "systems": [
            None
            if curve is None
            else {
                "axis": curve.axis,
                "reached": curve.reached,
                "stopped_by": curve.stopped_by,
                **growth_fields(curve),
            }
            for curve in curves
        ],
    }


#: What is written as text to stdout, by the name of its format.
TEXTS: dict[str, Callable[[Comparison], str]] = {
    "md": markdown,
    "html": html_table,
    "csv": csv_text,
    "json": json_text,
}
