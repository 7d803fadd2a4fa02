"""Charts as PNG, by matplotlib: an extra, for those who need pixels."""

from __future__ import annotations

import importlib
import io
from typing import Any

from micro.reports.pictures.chart import Chart, SpreadChart, names_with_room
from micro.reports.pictures.scales import Scale

#: As in chart.css, by the index of a system.
_COLOURS = ("#0b62a8", "#c2410c", "#0a7a5c", "#8d3b97", "#8a6100", "#0f7c99", "#5b6570")
_MARKS = "os^Dv"
MISSING = "PNG needs matplotlib: run `python -m pip install 'osmicro[plot]'`, or write .svg"


def curve_png(chart: Chart) -> bytes:
    """A chart's PNG. Raises `ImportError` where matplotlib is missing."""
    figure, axes = _figure(chart.title, 5.0)
    for one in chart.series:
        colour = _COLOURS[one.index % len(_COLOURS)]
        xs = [point.x for point in one.points]
        lows, highs = [p.low for p in one.points], [p.high for p in one.points]
        axes.fill_between(xs, lows, highs, color=colour, alpha=0.15, linewidth=0)
        for fit in one.fits:
            axes.plot(*zip(*fit, strict=True), color=colour, alpha=0.28, linewidth=4)
        label = f"{one.label}  {one.note}".strip()
        ys = [point.y for point in one.points]
        axes.plot(
            xs, ys, color=colour, marker=_MARKS[one.index % len(_MARKS)], markersize=4,
            linewidth=1.5 * one.joined, label=label.replace("$", r"\$"),
        )  # fmt: skip
        if one.ended is not None:
            axes.plot(xs[-1:], ys[-1:], color=colour, marker="|", markersize=16, markeredgewidth=2)
    if chart.ideal:
        axes.plot(*zip(*chart.ideal, strict=True), color="grey", linestyle=":", label="perfect")
    _scale(axes, "x", chart.x)
    _scale(axes, "y", chart.y)
    axes.set_xlabel(chart.x_label.replace("$", r"\$"))
    axes.set_ylabel(chart.y_label)
    axes.legend(frameon=False, fontsize=9)
    return _bytes(figure)


def spread_png(chart: SpreadChart) -> bytes:
    """Percentiles of single operations as PNG. Raises `ImportError` where matplotlib is missing."""
    figure, axes = _figure(chart.title, 1.0 + 0.5 * len(chart.spreads))
    for row, spread in enumerate(chart.spreads):
        colour = _COLOURS[spread.index % len(_COLOURS)]
        xs = [value for _, value in spread.percentiles_s]
        axes.plot(xs, [row] * len(xs), color=colour, marker="o", markersize=5)
        shares = [chart.x.share(x) for x in xs]
        named = names_with_room(shares, [name for name, _ in spread.percentiles_s], 0.06)
        for name, value in spread.percentiles_s:
            if name in named:
                axes.annotate(
                    name, (value, row), (0, 7), textcoords="offset points", ha="center",
                    fontsize=8, color="dimgrey",
                )  # fmt: skip
    names = [spread.label.replace("$", r"\$") for spread in chart.spreads]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(y=0.3)
    _scale(axes, "x", chart.x)
    return _bytes(figure)


def _figure(title: str, height: float) -> Any:  # matplotlib is not always there, nor typed
    figures = importlib.import_module("matplotlib.figure")
    canvases = importlib.import_module("matplotlib.backends.backend_agg")
    figure = figures.Figure(figsize=(8, height), dpi=150, layout="constrained")
    canvases.FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title.replace("$", r"\$"), loc="left", fontweight="bold")
    axes.grid(visible=True, color="#dfe3e8")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _scale(axes: Any, which: str, scale: Scale) -> None:
    getattr(axes, f"set_{which}scale")("log" if scale.logarithmic else "linear")
    room = (scale.high / scale.low) ** 0.02 if scale.logarithmic else 1.02
    low = scale.low / room if scale.logarithmic else scale.low
    getattr(axes, f"set_{which}lim")(low, scale.high * room)
    values, names = zip(*scale.ticks, strict=True) if scale.ticks else ((), ())
    getattr(axes, f"set_{which}ticks")(values, names)
    getattr(axes, f"{which}axis").minorticks_off()


def _bytes(figure: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": "micro"})
    return out.getvalue()
