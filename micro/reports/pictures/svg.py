"""Charts as SVG: shapes with classes, coloured by the page's style sheet or by their own.

No element has a style or a handler.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from xml.etree.ElementTree import Element

from micro import units
from micro.reports.markup import Node, element, style
from micro.reports.pictures.chart import (
    Chart,
    Crossed,
    Mark,
    Series,
    SpreadChart,
    names_with_room,
)
from micro.reports.pictures.scales import Scale

#: Colours that the style sheet knows.
COLOURS = 7
WIDTH, HEIGHT = 720, 400
#: A phone shows so much of a curve's picture, without the column of names (see page.css), and all
#: of a picture of single operations.
NARROW = 552
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 190, 30, 50
#: Height of a line of a label, and how many characters of what its column holds.
_LINE, _NAME_CHARS, _NOTE_CHARS = 14, 21, 27
_LABEL_CHARS = 50
_ROW = 54
_TITLE = 36


def curve_svg(chart: Chart, identity: str, alone: bool = False) -> Element:
    """A chart's SVG element; ``identity`` makes its ids unique in a page."""
    area = _Area(chart.x, chart.y)
    parts = [*_grid(area, chart)]
    if chart.ideal:
        x, y = area.at(*chart.ideal[-1])
        parts.append(element("polyline", {"class": "ideal", "points": area.line(chart.ideal)}))
        parts.append(_text(x - 6, y - 6, "perfect", "tick", "end"))
    parts += [_series(area, series) for series in chart.series]
    parts += [_crossed(area, crossed) for crossed in chart.crossings]
    parts += _labels(area, chart.series)
    return framed(identity, chart.title, chart.description, (WIDTH, HEIGHT), parts, alone)


def key_svg(index: int) -> Element:
    """The mark of a series, for a legend."""
    mark = _shape(index, 6.0, 6.0, "mark")
    group = element("g", {"class": f"s{index % COLOURS}"}, mark)
    attributes = {"class": "chart", "viewBox": "0 0 12 12", "aria-hidden": "true"}
    return element("svg", attributes, group)


def spread_svg(chart: SpreadChart, identity: str, alone: bool = False) -> Element:
    """Percentiles of single operations: a line from p50 to the maximum under a system's name."""
    height = 46 + _ROW * len(chart.spreads)
    left, right = 34.0, NARROW - 34.0
    parts: list[Element] = []
    bottom = height - 30

    def at(value: float) -> float:
        return left + chart.x.share(value) * (right - left)

    for value, text in chart.x.ticks:
        x = at(value)
        parts.append(_line("grid", (x, 12), (x, bottom)))
        parts.append(_text(x, bottom + 18, text, "tick", "middle"))
    for row, spread in enumerate(chart.spreads):
        y = 12 + _ROW * (row + 1) - 10
        xs = [at(value) for _, value in spread.percentiles_s]
        group = [
            _text(left - 20, y - 26, _clipped(spread.label, _LABEL_CHARS), "name", "start"),
            _line("line", (xs[0], y), (xs[-1], y)),
        ]
        labelled = names_with_room(xs, [name for name, _ in spread.percentiles_s])
        for x, (name, value) in zip(xs, spread.percentiles_s, strict=True):
            said = f"{spread.label} {name}: {units.duration(value)}"
            group.append(_circle("mark" if name == "p50" else "mark open", x, y, 4, said))
            if name in labelled:
                group.append(_text(x, y - 8, name, "tick", "middle"))
        parts.append(element("g", {"class": f"s{spread.index % COLOURS}"}, *group))
    return framed(identity, chart.title, chart.description, (NARROW, height), parts, alone)


def framed(
    identity: str,
    title: str,
    description: str,
    size: tuple[int, int],
    parts: Iterable[Element],
    alone: bool,
) -> Element:
    """A picture of these parts; ``alone`` it brings its style sheet and shows its title."""
    width, height = size
    body: list[Node] = [*parts]
    if alone:  # it brings its style and its title with it
        height += _TITLE
        body = [
            style(style_sheet()),
            element("rect", {"class": "back", "width": width, "height": height}),
            _text(16, 24, title, "title", "start"),
            element("g", {"transform": f"translate(0 {_TITLE})"}, *body),
        ]
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "class": "chart",
        "width": width if alone else None,
        "height": height if alone else None,
        "viewBox": f"0 0 {width} {height}",
        "role": "img",
        "aria-labelledby": f"{identity}-t {identity}-d",
    }
    return element(
        "svg",
        attributes,
        element("title", {"id": f"{identity}-t"}, title),
        element("desc", {"id": f"{identity}-d"}, description),
        *body,
    )


def style_sheet() -> str:
    """The style sheet of charts, for a picture that stands alone."""
    return files("micro.reports.pictures").joinpath("chart.css").read_text(encoding="utf-8")


class _Area:
    """Where values lie in the picture."""

    left, right, top, bottom = _LEFT, WIDTH - _RIGHT, _TOP, HEIGHT - _BOTTOM

    def __init__(self, x: Scale, y: Scale) -> None:
        self.x_scale, self.y_scale = x, y

    def x(self, value: float) -> float:
        return self.left + 10 + self.x_scale.share(value) * (self.right - self.left - 20)

    def y(self, value: float) -> float:
        return self.bottom - self.y_scale.share(value) * (self.bottom - self.top)

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.x(x), self.y(y)

    def line(self, points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)


def _grid(area: _Area, chart: Chart) -> list[Element]:
    parts = []
    for value, text in chart.y.ticks:
        y = area.y(value)
        parts.append(_line("grid", (area.left, y), (area.right, y)))
        parts.append(_text(area.left - 8, y + 4, text, "tick", "end"))
    for value, text in chart.x.ticks:
        x = area.x(value)
        parts.append(_line("grid faint", (x, area.top), (x, area.bottom)))
        parts.append(_text(x, area.bottom + 18, text, "tick", "middle"))
    middle = (area.left + area.right) / 2
    parts.append(_text(middle, HEIGHT - 10, chart.x_label, "axis", "middle"))
    parts.append(_text(area.left - 68, area.top - 12, chart.y_label, "axis", "start"))
    return parts


def _series(area: _Area, series: Series) -> Element:
    points = series.points
    upper = [(point.x, point.high) for point in points]
    lower = [(point.x, point.low) for point in reversed(points)]
    line = area.line([(point.x, point.y) for point in points])
    parts = [element("polygon", {"class": "band", "points": area.line([*upper, *lower])})]
    parts += [element("polyline", {"class": "fit", "points": area.line(f)}) for f in series.fits]
    if series.joined:
        parts.append(element("polyline", {"class": "line", "points": line}))
    parts += [_mark(area, series, point) for point in points]
    if series.ended is not None and points:
        x, y = area.at(points[-1].x, points[-1].y)
        said = element("title", {}, f"{series.label} ends here: {series.ended}")
        path = {"class": "limit", "d": f"M{x + 8:.1f} {y - 9:.1f}v18"}
        parts.append(element("path", path, said))
    return element("g", {"class": f"s{series.index % COLOURS}"}, *parts)


def _mark(area: _Area, series: Series, point: Mark) -> Element:
    said = f"{point.text}{' (unstable)' if point.unstable else ''}"
    kind = "mark open" if point.unstable else "mark"
    return _shape(series.index, *area.at(point.x, point.y), kind, said)


def _crossed(area: _Area, crossed: Crossed) -> Element:
    """A ring where two lines cross, and from where on the one is cheaper."""
    x, y = area.at(crossed.x, crossed.y)
    return element("g", {}, _circle("ring", x, y, 8, crossed.text))


def _shape(index: int, x: float, y: float, kind: str, said: str = "") -> Element:
    """A shape for each series, so that colour is not all that tells them apart."""
    paths = (
        f"M{x:.1f} {y - 4.6:.1f}l4.6 8h-9.2z",
        f"M{x:.1f} {y - 4.8:.1f}l4.8 4.8l-4.8 4.8l-4.8 -4.8z",
        f"M{x:.1f} {y + 4.6:.1f}l4.6 -8h-9.2z",
    )
    title = element("title", {}, said) if said else None
    which = index % (2 + len(paths))
    if which == 0:
        return _circle(kind, x, y, 3.6, said)
    if which == 1:
        corner = {"x": x - 3.3, "y": y - 3.3, "width": 6.6, "height": 6.6}
        return element("rect", {"class": kind, **corner}, title)
    return element("path", {"class": kind, "d": paths[which - 2]}, title)


def _circle(kind: str, x: float, y: float, radius: float, said: str = "") -> Element:
    title = element("title", {}, said) if said else None
    at = {"cx": float(x), "cy": float(y), "r": float(radius)}
    return element("circle", {"class": kind, **at}, title)


def _line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> Element:
    (x1, y1), (x2, y2) = start, end
    ends = {"x1": float(x1), "y1": float(y1), "x2": float(x2), "y2": float(y2)}
    return element("line", {"class": kind, **ends})


def _labels(area: _Area, series: Sequence[Series]) -> list[Element]:
    """Names at the ends of the lines, moved apart where they would overlap."""
    with_points = [one for one in series if one.points]
    ends = [(*area.at(one.points[-1].x, one.points[-1].y), one) for one in with_points]
    ends.sort(key=lambda end: end[1])
    notes = [_wrapped(one.note, _NOTE_CHARS)[:2] for _, _, one in ends]
    heights = [_LINE * (1 + len(lines)) + 4 for lines in notes]
    placed = _apart([y for _, y, _ in ends], heights, area.top + 6, area.bottom)
    parts = []
    for (x, y, one), lines, at in zip(ends, notes, placed, strict=True):
        start = area.right + 16
        lead = {"class": "lead", "d": f"M{x + 12:.1f} {y:.1f}L{start - 4} {at:.1f}"}
        name = _text(start, at + 4, _clipped(one.label, _NAME_CHARS), "name", "start")
        below = [
            _text(start, at + 4 + _LINE * i, line, "note", "start")
            for i, line in enumerate(lines, 1)
        ]
        kind = {"class": f"s{one.index % COLOURS}"}
        parts.append(element("g", kind, element("path", lead), name, *below))
    return parts


def _apart(
    wanted: Sequence[float], heights: Sequence[float], top: float, bottom: float
) -> list[float]:
    """Ascending positions near those wanted, each its height from the next."""
    placed: list[float] = []
    least = top
    for y, height in zip(wanted, heights, strict=True):
        placed.append(max(y, least))
        least = placed[-1] + height
    limit = bottom
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], limit - heights[i] * (i + 1 == len(placed)) / 2)
        limit = placed[i] - (heights[i - 1] if i else 0)
    return placed


def _clipped(text: str, chars: int) -> str:
    """As much of a name as its place has room for; the title and the table have all of it."""
    return text if len(text) <= chars else f"{text[: chars - 1]}…"


def _wrapped(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + len(word) < width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> Element:
    at = {"x": float(x), "y": float(y), "text-anchor": anchor}
    return element("text", {"class": kind, **at}, text)
