"""The report's section on servers: the ways to build one, each a line, in one picture."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from micro import units
from micro.reports.insights.comparison import Comparison
from micro.reports.markup import element
from micro.reports.pictures import svg
from micro.reports.pictures.chart import count_chart, overlay_chart
from micro.reports.web.probes import chart_table, figure_of
from micro.reports.web.tables import soft
from runners.model.benchmark import Benchmark, Scalar


@dataclass(frozen=True)
class Contrast:
    """Curves that differ in one parameter; of the others the first values are shown."""

    title: str
    probes: tuple[str, ...]
    parameter: str
    #: What is also drawn over the load, by the name of the count and a title.
    counted: tuple[str, str] | None = None


_CONTRASTS = (
    Contrast("From connect() to the first reply of a server", ("server.first_reply",), "model"),
    Contrast("A request beside idle connections", ("server.active",), "model"),
    Contrast("Requests and responses over many connections", ("server.request_response",), "cpu"),
    Contrast(
        "A message heard in a chat room",
        ("server.chat",),
        "model",
        ("voluntary_switches", "Context switches per message heard"),
    ),
    Contrast(
        "A connection, until all waiting acceptors have settled",
        ("net.accept_herd",),
        "wait",
        ("wakeups", "Acceptors that a connection wakes"),
    ),
    Contrast(
        "An event for one of many waiting threads",
        ("event.spread",),
        "epoll",
        ("wakeups", "Threads that an event wakes"),
    ),
    Contrast("A time-out put off, of one of many connections", ("timer.put_off",), "by"),
    Contrast("All ready sockets, heard of one by one or together", ("event.dequeue",), "events"),
    Contrast(
        "A file sent to a peer",
        ("net.send_file", "net.send_zero_copy"),
        "how",
        ("copies_per_byte", "Copies of each byte sent"),
    ),
)


def servers(shown: Comparison) -> list[Element]:
    """The pictures of all contrasts of which a system has two curves."""
    return [
        part
        for contrast in _CONTRASTS
        for column in range(len(shown.systems))
        for part in _pictures(shown, contrast, column)
    ]


def _pictures(shown: Comparison, contrast: Contrast, column: int) -> list[Element]:
    curves = _curves(shown, contrast, column)
    if len(curves) < 2:
        return []
    names, places = list(curves), list(curves.values())
    several = len(shown.systems) > 1
    whose = f": {shown.systems[column].label}" if several else ""
    probes = " and ".join(contrast.probes)
    identity = f"servers-{contrast.probes[0].replace('.', '-')}-{column}"
    chart = overlay_chart(shown, places, contrast.title + whose, names, [column])
    parts = [
        element("h3", {}, chart.title),
        soft(f"{probes} by {contrast.parameter}."),
        figure_of(
            f"Time per operation over {chart.x_label}",
            svg.curve_svg(chart, identity),
            chart_table(chart),
            chart.series,
        ),
    ]
    if contrast.counted is not None:
        count, title = contrast.counted
        counted = count_chart(shown, places, title + whose, names, column, count)
        if counted is not None:
            parts.append(
                figure_of(
                    f"{title} over {counted.x_label}",
                    svg.curve_svg(counted, f"{identity}-{count}"),
                    chart_table(counted, units.three_digits),
                    counted.series,
                )
            )
    return parts


def _curves(shown: Comparison, contrast: Contrast, column: int) -> dict[str, Benchmark]:
    """The system's curves, by the value of the parameter."""
    found: dict[str, Benchmark] = {}
    others: dict[str, Scalar] | None = None
    for place, curves in shown.curves.items():
        curve = curves[column]
        if place.probe not in contrast.probes or curve is None or len(curve.levels) < 2:
            continue
        rest = {key: value for key, value in place.params if key != contrast.parameter}
        others = rest if others is None else others
        if rest == others:
            found[str(dict(place.params)[contrast.parameter])] = place
    return found
