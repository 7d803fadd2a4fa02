"""Charts in the terminal: dots of braille, eight to a character."""

from __future__ import annotations

import itertools

from rich.console import Console
from rich.text import Text

from micro.reports.insights.comparison import compare
from micro.reports.insights.digest import compared_curves
from micro.reports.insights.systems import of_session
from micro.reports.pictures.chart import Chart, Series, curve_chart, overlay_chart
from runners.model.session import Session

#: Bits of a braille character by column and row of its dots.
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BLANK = 0x2800
_STYLES = ("blue", "red", "green", "magenta", "yellow", "cyan", "default")
_TICK_WIDTH = 9
_MOST_WIDTH = 100


def print_curves(out: Console, session: Session) -> None:
    """Draw every curve of a session, one below the other; first those compared with each other."""
    shown = compare([of_session(session)])
    overlays = [
        overlay_chart(shown, list(places.values()), name, list(places))
        for name, places in compared_curves(shown.curves).items()
        if len(places) > 1
    ]
    for chart in [*overlays, *(curve_chart(shown, place) for place in shown.curves)]:
        if any(len(series.points) > 1 for series in chart.series):
            out.print(draw(chart, min(out.width, _MOST_WIDTH)), soft_wrap=True)
            out.print()


def draw(chart: Chart, width: int = 80, height: int = 12) -> Text:
    """The chart in ``width`` × about ``height`` characters, with its scales and a legend."""
    columns = max(16, width - _TICK_WIDTH - 2)
    rows: list[list[int]] = [[_BLANK] * columns for _ in range(height)]
    styles = [[""] * columns for _ in range(height)]
    for series in chart.series:
        for x, y in _dots(chart, series, 2 * columns, 4 * height):
            rows[y // 4][x // 2] |= _BITS[x % 2][y % 4]
            styles[y // 4][x // 2] = _STYLES[series.index % len(_STYLES)]
    text = Text(chart.title, "bold")
    names = {height - 1 - round(chart.y.share(v) * (height - 1)): name for v, name in chart.y.ticks}
    for i, row in enumerate(rows):
        text.append(f"\n{names.get(i, ''):>{_TICK_WIDTH}} {'┤' if i in names else '│'}")
        for (style, code), same in itertools.groupby(zip(styles[i], row, strict=True)):
            text.append((chr(code) if code != _BLANK else " ") * len(list(same)), style)
    text.append(f"\n{' ' * _TICK_WIDTH} └{_below(chart, columns)}")
    return text


def _dots(chart: Chart, series: Series, width: int, height: int) -> set[tuple[int, int]]:
    """The dots of a line through the points."""
    at = [
        (chart.x.share(p.x) * (width - 1), (1 - chart.y.share(p.y)) * (height - 1))
        for p in series.points
    ]
    dots = {(round(x), round(y)) for x, y in at}
    for (x0, y0), (x1, y1) in itertools.pairwise(at):
        steps = max(1, round(max(abs(x1 - x0), abs(y1 - y0))))
        for i in range(steps):
            dots.add((round(x0 + (x1 - x0) * i / steps), round(y0 + (y1 - y0) * i / steps)))
    return dots


def _below(chart: Chart, columns: int) -> str:
    """The axis with its ticks, their names, its own name, and what each series is."""
    line, names = ["─"] * columns, [" "] * columns
    free = 0
    for value, name in chart.x.ticks:
        at = round(chart.x.share(value) * (columns - 1))
        start = min(max(at - len(name) // 2, 0), columns - len(name))
        if start >= free:
            line[at] = "┬"
            names[start : start + len(name)] = name
            free = start + len(name) + 1
    indent = " " * (_TICK_WIDTH + 2)
    told = [f"{one.label}: {one.note}" if one.note else one.label for one in chart.series]
    tail = "".join(f"\n{indent}{text}" for text in [chart.x_label, *told])
    return f"{''.join(line)}\n{indent}{''.join(names).rstrip()}{tail}"
