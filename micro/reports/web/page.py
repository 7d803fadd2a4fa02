"""The report: one HTML file without script or network, readable on paper and by ear."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from xml.etree.ElementTree import Element

from micro import units
from micro.reports import printable
from micro.reports.insights.comparison import Comparison
from micro.reports.insights.conclusions import headlines, remarks
from micro.reports.insights.digest import (
    Digest,
    digest,
    figure_text,
)
from micro.reports.insights.growth_words import marked_growth_words
from micro.reports.insights.systems import CurveSummary, System, base_name
from micro.reports.markup import element, html, style
from micro.reports.pictures import svg
from micro.reports.web.probes import groups
from micro.reports.web.servers import servers
from micro.reports.web.tables import cell, environment, head, heat, line, noise, scrolling, soft
from runners.model.amount import amount

#: How many conclusions are seen at once, and how many curves that grow.
_HEADLINES, _MOST_GROWING = 8, 8
_FOOTER = (
    "Bands and ± are 95 % intervals of the median over rounds. Open marks are unstable figures. "
    "The wide pale line is the fitted class; a bar at the end of a curve is the limit that ended "
    "it; a ring is where two lines cross.",
    "Made by micro.",
)


def report(shown: Comparison) -> str:
    """The whole page."""
    sheet = files("micro.reports.web").joinpath("page.css").read_text(encoding="utf-8")
    sheet += svg.style_sheet()
    several = len(shown.systems) > 1
    sections = [
        ("answer", "In short", _answer(shown)),
        ("conclusions", "Conclusions", _conclusions(headlines(shown))),
        ("overview", "Ratios" if several else "Figures", heat(shown)),
        ("servers", "Servers compared", servers(shown)),
        *groups(shown),
        ("environment", "Environment", environment(shown.systems)),
        ("noise", "Noise and contamination", noise(shown.systems)),
        ("remarks", "Remarks", _said(remarks(shown))),
    ]
    there = [(anchor, title, body) for anchor, title, body in sections if body]
    links = [
        element("li", {}, element("a", {"href": f"#{anchor}"}, title)) for anchor, title, _ in there
    ]
    main = [
        element("section", {"id": anchor}, element("h2", {}, title), *body)
        for anchor, title, body in there
    ]
    body = element(
        "body",
        {},
        element("a", {"class": "skip", "href": f"#{there[0][0]}"}, "Skip to the figures"),
        element(
            "header",
            {},
            element("h1", {}, _title(shown.systems)),
            soft("Time per operation, how it grows with load, and how certain it is."),
            _systems(shown.systems),
            element("nav", {"aria-label": "Sections"}, element("ul", {}, *links)),
        ),
        element("main", {}, *main),
        element("footer", {}, *(element("p", {}, text) for text in _FOOTER)),
    )
    page = element("html", {"lang": "en"}, _head(_title(shown.systems), sheet), body)
    return f"<!doctype html>\n{html([page])}\n"


def _head(title: str, sheet: str) -> Element:
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return element(
        "head",
        {},
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("title", {}, title),
        style(sheet),
    )


def _title(systems: Sequence[System]) -> str:
    """``Operating-system costs: Linux 6.18, AMD EPYC, 2 CPUs``."""
    parts = [system.label for system in systems]
    if len(systems) == 1:
        facts = systems[0].environment
        parts = [printable(base_name(facts))]
        parts += [str(facts["cpu_model"])] if "cpu_model" in facts else []
        parts += [amount(str(facts["cpu_count"]), "CPUs")] if "cpu_count" in facts else []
    return f"Operating-system costs: {', '.join(parts)}"


def _systems(systems: Sequence[System]) -> Element:
    items = []
    for i, system in enumerate(systems):
        facts = system.environment
        known = [str(facts[k]) for k in ("cpu_model", "virtualization", "libc") if k in facts]
        sessions = amount(len(system.sessions), "sessions")
        told = element("span", {"class": "soft"}, " · ".join([*known, sessions]))
        name = element("span", {}, element("strong", {}, system.label), " ", told)
        items.append(element("li", {}, svg.key_svg(i), name))
    return element("ul", {"class": "systems"}, *items)


def _answer(shown: Comparison) -> list[Element]:
    """A box with the figures and curves that the declarations of probes call headlines."""
    digests = [digest(system) for system in shown.systems]
    places = {
        group: dict.fromkeys(label for one in digests for label, _ in one.figures.get(group, ()))
        for group in dict.fromkeys(group for one in digests for group in one.figures)
    }
    rows = []
    for group, labels in places.items():
        for number, label in enumerate(labels):
            texts = [dict(one.figures.get(group, ())).get(label) for one in digests]
            name = element("span", {"class": "soft"}, f"{group} " if number == 0 else "")
            cells = [cell("–" if text is None else figure_text(text)) for text in texts]
            rows.append(line(element("span", {}, name, label), cells))
    parts = []
    if rows:
        heading = head(system.label for system in shown.systems)
        parts.append(scrolling("Figures in short", heading, rows))
    if len(digests) == 1:
        parts += _growth(digests[0])
    return [element("div", {"class": "answer"}, *parts)] if parts else []


def _growth(shown: Digest) -> list[Element]:
    """Which curves grow, and which stay flat."""
    parts = []
    if shown.growing:
        rows = [
            line(label, [cell(_ends(curve)), cell(marked_growth_words(curve), "words")])
            for label, curve in shown.growing[:_MOST_GROWING]
        ]
        heading = head(["from – to", "growth"])
        parts.append(scrolling("Grows with load", heading, rows))
    if shown.flat:
        labels = " · ".join(label + "~" * curve.is_shaky for label, curve in shown.flat)
        parts.append(element("p", {}, f"Stays flat: {labels}."))
    return parts


def _ends(curve: CurveSummary) -> str:
    ends = ((curve.levels[i], curve.figures[i]) for i in (0, -1))
    told = [f"{figure_text(figure)} ({units.level(x, curve.kind)})" for x, figure in ends]
    return " → ".join(told)


def _said(texts: Sequence[str]) -> list[Element]:
    items = [element("li", {}, text) for text in texts]
    return [element("ul", {"class": "said"}, *items)] if items else []


def _conclusions(texts: Sequence[str]) -> list[Element]:
    """The weightiest sentences, and the others within reach."""
    rest = _said(texts[_HEADLINES:])
    summary = element("summary", {}, f"{len(texts) - _HEADLINES} more")
    folded = [element("details", {}, summary, *rest)] if rest else []
    return [*_said(texts[:_HEADLINES]), *folded]
