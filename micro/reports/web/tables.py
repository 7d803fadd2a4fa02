"""Tables of the report: figures of all systems, environments, noise."""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element

from micro import units
from micro.reports.insights.comparison import Cell, Comparison, ratio_text
from micro.reports.insights.pairs import TINTS
from micro.reports.insights.systems import System
from micro.reports.markup import Node, element
from runners.model.benchmark import Benchmark


def anchor(place: Benchmark) -> str:
    """The id of a probe's heading."""
    return f"p-{hashlib.sha256(place.label.encode()).hexdigest()[:12]}"


def soft(*texts: Node) -> Element:
    """A paragraph that explains."""
    return element("p", {"class": "soft"}, *texts)


def cell(text: str, kind: str | None = None) -> Element:
    """A cell of a table's body."""
    return element("td", {"class": kind}, text)


def line(label: Node, cells: Iterable[Element]) -> Element:
    """A row of a table's body."""
    return element("tr", {}, element("th", {"scope": "row"}, label), *cells)


def head(names: Iterable[str]) -> Element:
    """The head of a table whose rows have names."""
    cells = [element("th", {"scope": "col"}, name) for name in names]
    return element("thead", {}, element("tr", {}, element("td"), *cells))


def scrolling(
    name: str, heading: Element, rows: Iterable[Element], kind: str | None = None
) -> Element:
    """A table that may be wider than the page, within reach of the keyboard."""
    table = element("table", {"class": kind}, heading, element("tbody", {}, *rows))
    attributes = {"class": "scroll", "role": "region", "tabindex": 0, "aria-label": name}
    return element("div", attributes, table)


def heat(shown: Comparison) -> list[Element]:
    """A row a figure: time, ratio and its tint."""
    rows = []
    for title, members in shown.grouped():
        span = len(shown.systems) + 1
        group = {"class": "group", "scope": "rowgroup", "colspan": span}
        rows.append(element("tr", {}, element("th", group, title)))
        for row in members:
            cells = [
                _heat_cell(cell, i == shown.reference, row.reasons.get(i, ""))
                for i, cell in enumerate(row.cells)
            ]
            rows.append(line(element("a", {"href": f"#{anchor(row.place)}"}, row.label), cells))
    heading = head(system.label for system in shown.systems)
    return [*_key(shown), scrolling("Figures of all systems", heading, rows)]


def _key(shown: Comparison) -> list[Element]:
    if len(shown.systems) == 1:
        return [soft("~ unstable.")]
    base = shown.systems[shown.reference].label
    tints = (
        ("fast3", "faster"),
        ("fast1", "a little"),
        (None, "alike"),
        ("slow1", "a little"),
        ("slow2", "×1.5"),
        ("slow3", "×3"),
        ("slow4", "×10 slower"),
    )
    spans = [element("span", {"class": kind}, text) for kind, text in tints]
    told = f"× is time over that of {base}. Bold: best, its interval apart from all others. "
    return [
        soft(f"{told}~ unstable."),
        element("p", {"class": "key", "aria-hidden": "true"}, *spans),
    ]


def _heat_cell(cell: Cell | None, reference: bool, reason: str) -> Element:
    if cell is None:
        return element("td", {}, element("span", {"class": "soft", "title": reason}, "–"))
    text = units.duration(cell.figure.value_s) + ("~" if cell.figure.status == "unstable" else "")
    time = element("strong", {}, text) if cell.best else text
    if reference or cell.ratio is None:
        return element("td", {}, time)
    tint = _tint(cell.ratio) if cell.apart else None
    ratio = element("small", {}, ratio_text(cell.ratio))
    return element("td", {"class": tint}, time, " ", ratio)


def _tint(ratio: float) -> str | None:
    side, factor = ("slow", ratio) if ratio >= 1 else ("fast", 1 / max(ratio, 1e-12))
    strength = sum(factor >= step for step in TINTS)
    return f"{side}{strength}" if strength else None


def environment(systems: Sequence[System]) -> list[Element]:
    """Facts side by side; those that differ come first, in bold."""
    names = list(dict.fromkeys(name for system in systems for name in system.environment))
    texts = {name: [str(s.environment.get(name, "–")) for s in systems] for name in names}
    differing = [name for name in names if len(set(texts[name])) > 1]
    rows = []
    for name in [*differing, *(name for name in names if name not in differing)]:
        kind = {"class": "differs" if name in differing else None}
        cells = [cell(_fact(name, text)) for text in texts[name]]
        rows.append(element("tr", kind, element("th", {"scope": "row"}, name), *cells))
    note = [soft("What differs stands first, in bold.")] if differing else []
    return [*note, scrolling("Environment", head(s.label for s in systems), rows, "facts")]


def _fact(name: str, text: str) -> str:
    if name == "memory_bytes" and text.isdigit():
        return f"{int(text) / (1 << 30):.1f} GiB"
    return text.replace("=", ": ").replace(";", "; ") if name == "mitigations" else text


def noise(systems: Sequence[System]) -> list[Element]:
    """How much of what was measured counted, how wide intervals are, and what disturbed."""
    lines: dict[str, list[str]] = {}
    for system in systems:
        for name, text in _noise_of(system).items():
            lines.setdefault(name, []).append(text)
    rows = [line(name, [cell(text, "words") for text in texts]) for name, texts in lines.items()]
    return [scrolling("Noise", head(system.label for system in systems), rows, "facts")]


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
