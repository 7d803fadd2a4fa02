"""Charts as SVG: shapes with classes, coloured by the page's style sheet or by their own.

No text reaches the output unescaped, no element has a style or a handler.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from importlib.resources import files

from micro import units
from micro.reports.pictures.chart import Chart, Mark, Series, SpreadChart, names_with_room
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


def escape(text: str) -> str:
    """For element content and attributes in double quotes."""
    printable = "".join(char if char.isprintable() else "?" for char in text)
    return html.escape(printable, quote=True)


def curve_svg(chart: Chart, identity: str, alone: bool = False) -> str:
    """A chart's SVG element; ``identity`` makes its ids unique in a page."""
    area = _Area(chart.x, chart.y)
    parts = [_grid(area, chart)]
    if chart.ideal:
        parts.append(f'<polyline class="ideal" points="{area.line(chart.ideal)}"/>')
        (x, y) = area.at(*chart.ideal[-1])
        parts.append(
            f'<text class="tick" x="{x - 6:.1f}" y="{y - 6:.1f}" text-anchor="end">perfect</text>'
        )
    for series in chart.series:
        parts.append(_series(area, series))
    parts.append(_labels(area, chart.series))
    return _frame(identity, chart.title, chart.description, (WIDTH, HEIGHT), parts, alone)


def key_svg(index: int) -> str:
    """The mark of a system, for a legend."""
    mark = _shape(index, 6.0, 6.0, ' class="mark"', "")
    return (
        '<svg class="chart" viewBox="0 0 12 12" aria-hidden="true">'
        f'<g class="s{index % COLOURS}">{mark}</g></svg>'
    )


def spread_svg(chart: SpreadChart, identity: str, alone: bool = False) -> str:
    """Percentiles of single operations: a line from p50 to the maximum under a system's name."""
    height = 46 + _ROW * len(chart.spreads)
    left, right = 34.0, NARROW - 34.0
    parts = []
    bottom = height - 30

    def at(value: float) -> float:
        return left + chart.x.share(value) * (right - left)

    for value, text in chart.x.ticks:
        x = at(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="12" y2="{bottom}"/>')
        parts.append(_text(x, bottom + 18, text, "tick", "middle"))
    for row, spread in enumerate(chart.spreads):
        y = 12 + _ROW * (row + 1) - 10
        xs = [at(value) for _, value in spread.percentiles_s]
        parts.append(f'<g class="s{spread.index % COLOURS}">')
        name = _clipped(spread.label, _LABEL_CHARS)
        parts.append(_text(left - 20, y - 26, name, "name", "start"))
        parts.append(f'<line class="line" x1="{xs[0]:.1f}" x2="{xs[-1]:.1f}" y1="{y}" y2="{y}"/>')
        labelled = names_with_room(xs, [name for name, _ in spread.percentiles_s])
        for x, (name, value) in zip(xs, spread.percentiles_s, strict=True):
            said = escape(f"{spread.label} {name}: {units.duration(value)}")
            kind = "mark" if name == "p50" else "mark open"
            parts.append(
                f'<circle class="{kind}" cx="{x:.1f}" cy="{y}" r="4"><title>{said}</title></circle>'
            )
            if name in labelled:
                parts.append(_text(x, y - 8, name, "tick", "middle"))
        parts.append("</g>")
    return _frame(identity, chart.title, chart.description, (NARROW, height), parts, alone)


def _frame(
    identity: str,
    title: str,
    description: str,
    size: tuple[int, int],
    parts: Sequence[str],
    alone: bool,
) -> str:
    width, height = size
    body, measures = "".join(parts), ""
    if alone:  # it brings its style and its title with it
        height += _TITLE
        measures = f'width="{width}" height="{height}" '
        body = (
            f'<style>{style()}</style><rect class="back" width="{width}" height="{height}"/>'
            f"{_text(16, 24, title, 'title', 'start')}"
            f'<g transform="translate(0 {_TITLE})">{body}</g>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {measures}'
        f'viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="{identity}-t {identity}-d">'
        f'<title id="{identity}-t">{escape(title)}</title>'
        f'<desc id="{identity}-d">{escape(description)}</desc>{body}</svg>'
    )


def style() -> str:
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


def _grid(area: _Area, chart: Chart) -> str:
    parts = []
    for value, text in chart.y.ticks:
        y = area.y(value)
        parts.append(
            f'<line class="grid" x1="{area.left}" x2="{area.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_text(area.left - 8, y + 4, text, "tick", "end"))
    for value, text in chart.x.ticks:
        x = area.x(value)
        parts.append(
            f'<line class="grid faint" x1="{x:.1f}" x2="{x:.1f}" y1="{area.top}" '
            f'y2="{area.bottom}"/>'
        )
        parts.append(_text(x, area.bottom + 18, text, "tick", "middle"))
    middle = (area.left + area.right) / 2
    parts.append(_text(middle, HEIGHT - 10, chart.x_label, "axis", "middle"))
    parts.append(_text(area.left - 68, area.top - 12, chart.y_label, "axis", "start"))
    return "".join(parts)


def _series(area: _Area, series: Series) -> str:
    points = series.points
    upper = [(point.x, point.high) for point in points]
    lower = [(point.x, point.low) for point in reversed(points)]
    parts = [f'<g class="s{series.index % COLOURS}">']
    parts.append(f'<polygon class="band" points="{area.line([*upper, *lower])}"/>')
    parts += [f'<polyline class="fit" points="{area.line(fit)}"/>' for fit in series.fits]
    line = area.line([(point.x, point.y) for point in points])
    parts.append(f'<polyline class="line" points="{line}"/>')
    parts += [_mark(area, series, point) for point in points]
    if series.ended is not None and points:
        x, y = area.at(points[-1].x, points[-1].y)
        said = escape(f"{series.label} ends here: {series.ended}")
        parts.append(
            f'<path class="limit" d="M{x + 8:.1f} {y - 9:.1f}v18"><title>{said}</title></path>'
        )
    return "".join([*parts, "</g>"])


def _mark(area: _Area, series: Series, point: Mark) -> str:
    unstable = " (unstable)" if point.unstable else ""
    said = escape(f"{point.text}{unstable}")
    kind = ' class="mark open"' if point.unstable else ' class="mark"'
    return _shape(series.index, *area.at(point.x, point.y), kind, f"<title>{said}</title>")


def _shape(index: int, x: float, y: float, attributes: str, inside: str) -> str:
    """A shape for each system, so that colour is not all that tells them apart."""
    shapes = (
        f'<circle{{}} cx="{x:.1f}" cy="{y:.1f}" r="3.6">{{}}</circle>',
        f'<rect{{}} x="{x - 3.3:.1f}" y="{y - 3.3:.1f}" width="6.6" height="6.6">{{}}</rect>',
        f'<path{{}} d="M{x:.1f} {y - 4.6:.1f}l4.6 8h-9.2z">{{}}</path>',
        f'<path{{}} d="M{x:.1f} {y - 4.8:.1f}l4.8 4.8l-4.8 4.8l-4.8 -4.8z">{{}}</path>',
        f'<path{{}} d="M{x:.1f} {y + 4.6:.1f}l4.6 -8h-9.2z">{{}}</path>',
    )
    return shapes[index % len(shapes)].format(attributes, inside)


def _labels(area: _Area, series: Sequence[Series]) -> str:
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
        parts.append(f'<g class="s{one.index % COLOURS}">')
        parts.append(f'<path class="lead" d="M{x + 12:.1f} {y:.1f}L{start - 4} {at:.1f}"/>')
        parts.append(_text(start, at + 4, _clipped(one.label, _NAME_CHARS), "name", "start"))
        for i, line in enumerate(lines, 1):
            parts.append(_text(start, at + 4 + _LINE * i, line, "note", "start"))
        parts.append("</g>")
    return "".join(parts)


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


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )
