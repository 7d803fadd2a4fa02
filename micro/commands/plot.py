"""Draw curves as SVG or PNG: one probe of several systems, or several probes in one picture."""

from __future__ import annotations

import argparse
import fnmatch
from xml.etree.ElementTree import Element

from micro.commands._paths import file
from micro.commands.table import add_inputs, comparison
from micro.errors import UsageError
from micro.probes.catalogue import all_probes
from micro.reports import printable, say
from micro.reports.exports.files import check, write_bytes
from micro.reports.insights.comparison import Comparison
from micro.reports.markup import xml
from micro.reports.pictures import png
from micro.reports.pictures.chart import (
    Chart,
    curve_chart,
    overlay_chart,
    spread_chart,
    visits_chart,
)
from micro.reports.pictures.svg import curve_svg, spread_svg
from runners.model.benchmark import Benchmark

EXAMPLES = (
    "micro plot event.select,event.poll,event.epoll session.json -o event.svg",
    "micro plot event.poll linux.json gvisor.json -o poll.png",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "name",
        metavar="NAME|GLOB",
        help="a probe, with parameters if it has several curves ('NAME k=v'); several, by a glob "
        "or with commas between them, are drawn in one picture",
    )
    add_inputs(parser)
    parser.add_argument(
        "--systems",
        action="store_true",
        help="with several probes: draw all systems, not only the first",
    )
    parser.add_argument(
        "--visits",
        action="store_true",
        help="draw a point for each visit, with and without the sentinel, instead of a curve",
    )
    parser.add_argument(
        "-o", "--output", type=file, required=True, metavar="FILE", help="x.svg or x.png"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the picture."""
    kind = arguments.output.suffix.lower()
    if kind not in (".svg", ".png"):
        name = printable(str(arguments.output))
        raise UsageError(f"-o {name}: the name must end in .svg or .png")
    check(arguments.output)
    shown = comparison(arguments)
    try:
        picture = _picture(shown, arguments, as_png=kind == ".png")
    except ImportError:
        raise UsageError(png.MISSING) from None
    write_bytes(arguments.output, picture)
    say(f"picture in {arguments.output}")
    return 0


def _picture(shown: Comparison, arguments: argparse.Namespace, as_png: bool) -> bytes:
    """Several curves, one, or where there is none how single operations spread."""
    if not arguments.visits and ("," in arguments.name or _is_glob(arguments.name)):
        return _drawn(_overlay(shown, arguments), as_png)
    named = {str(place): place for system in shown.systems for place in system.figures}
    place = named.get(arguments.name) if arguments.visits else None
    place = place or find_place(shown, arguments.name)
    if arguments.visits:
        chart = visits_chart(shown, place)
        if chart is None:
            raise UsageError(f"{place.label}: no visit of it is stored in these files")
        return _drawn(chart, as_png)
    titles = {probe.name: probe.title for probe in all_probes()}
    title = f"{place.label}: {titles[place.probe]}" if place.probe in titles else place.label
    if any(curve is not None and curve.levels for curve in shown.curves.get(place, ())):
        return _drawn(curve_chart(shown, place, title), as_png)
    spread = spread_chart(shown, place, title)
    if spread is None:
        raise UsageError(
            f"{place.label} has neither a curve nor traced operations to draw: see micro table"
        )
    return png.spread_png(spread) if as_png else _svg(spread_svg(spread, "micro", alone=True))


def _drawn(chart: Chart, as_png: bool) -> bytes:
    return png.curve_png(chart) if as_png else _svg(curve_svg(chart, "micro", alone=True))


def _is_glob(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def _overlay(shown: Comparison, arguments: argparse.Namespace) -> Chart:
    """The curves of all probes that the name means, over their common axis."""
    places: list[Benchmark] = []
    for pattern in arguments.name.split(","):
        matched = [
            place
            for place, curves in shown.curves.items()
            if fnmatch.fnmatchcase(place.probe, pattern) or place.label == pattern
            if any(curve is not None and len(curve.levels) > 1 for curve in curves)
            if place.kind != "members"
        ]
        if not matched:
            raise UsageError(f"{printable(pattern)}: no such curve in these files: see micro table")
        places += [place for place in matched if place not in places]
    axes = list(dict.fromkeys(str(place.axis) for place in places))
    if len(axes) > 1:
        named = "; ".join(
            f"{axis}: {', '.join(dict.fromkeys(p.probe for p in places if p.axis == axis))}"
            for axis in axes
        )
        raise UsageError(f"these curves have different axes ({printable(named)}): name some of one")
    columns = range(len(shown.systems)) if arguments.systems else [shown.reference]
    labels = ", ".join(shown.systems[column].label for column in columns)
    return overlay_chart(
        shown, places, f"Time per operation over {axes[0]}: {labels}", columns=columns
    )


def _svg(picture: Element) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml(picture)}\n'.encode()


def find_place(shown: Comparison, name: str) -> Benchmark:
    """The probe of that name; its parameters must be named where it was measured with several."""
    places = list(dict.fromkeys(row.place.curve for row in shown.rows))
    exact = [place for place in places if name == place.label]
    chosen = exact or [place for place in places if name == place.probe]
    if len(chosen) > 1:  # what this system lacks has no points
        chosen = [place for place in chosen if _has_points(shown, place)] or chosen
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        known = ", ".join(repr(place.label) for place in chosen)
        raise UsageError(
            f"{printable(name)} was measured with several parameters; name one: {known}"
        )
    known = ", ".join(dict.fromkeys(place.probe for place in places))
    raise UsageError(f"no {printable(name)!r} in these files; they hold {known}")


def _has_points(shown: Comparison, place: Benchmark) -> bool:
    curves = shown.curves.get(place, ())
    return any(curve is not None and curve.levels for curve in curves) or any(
        place in system.figures for system in shown.systems
    )
