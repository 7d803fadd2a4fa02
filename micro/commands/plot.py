"""Draw one probe's curve for one or several systems, as SVG or PNG."""

from __future__ import annotations

import argparse
from xml.etree.ElementTree import Element

from micro.commands._session import file
from micro.commands.table import add_inputs, comparison
from micro.errors import UsageError
from micro.probes.catalogue import all_probes
from micro.reports import printable, say
from micro.reports.exports.files import write_bytes
from micro.reports.insights.comparison import Comparison
from micro.reports.markup import xml
from micro.reports.pictures import png
from micro.reports.pictures.chart import curve_chart, spread_chart
from micro.reports.pictures.svg import curve_svg, spread_svg
from runners.model.benchmark import Benchmark

EXAMPLES = (
    "micro plot 'event.*' session.json -o event.svg",
    "micro plot event.poll linux.json gvisor.json -o poll.png",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "name", metavar="NAME", help="a probe, with parameters if it has several curves: 'NAME k=v'"
    )
    add_inputs(parser)
    parser.add_argument(
        "-o", "--output", type=file, required=True, metavar="FILE", help="x.svg or x.png"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the picture."""
    kind = arguments.output.suffix.lower()
    if kind not in (".svg", ".png"):
        name = printable(str(arguments.output))
        raise UsageError(f"-o {name}: the name must end in .svg or .png")
    shown = comparison(arguments)
    place = find_place(shown, arguments.name)
    try:
        picture = _picture(shown, place, as_png=kind == ".png")
    except ImportError:
        raise UsageError(png.MISSING) from None
    write_bytes(arguments.output, picture)
    say(f"picture in {arguments.output}")
    return 0


def _picture(shown: Comparison, place: Benchmark, as_png: bool) -> bytes:
    """The curve, or where there is none how single operations spread."""
    titles = {probe.name: probe.title for probe in all_probes()}
    title = f"{place.label}: {titles[place.probe]}" if place.probe in titles else place.label
    if any(curve is not None and curve.levels for curve in shown.curves.get(place, ())):
        curve = curve_chart(shown, place, title)
        return png.curve_png(curve) if as_png else _svg(curve_svg(curve, "micro", alone=True))
    spread = spread_chart(shown, place, title)
    if spread is None:
        raise UsageError(
            f"{place.label} has neither a curve nor traced operations to draw: see micro table"
        )
    return png.spread_png(spread) if as_png else _svg(spread_svg(spread, "micro", alone=True))


def _svg(picture: Element) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml(picture)}\n'.encode()


def find_place(shown: Comparison, name: str) -> Benchmark:
    """The probe of that name; its parameters must be named where it was measured with several."""
    places = list(dict.fromkeys(row.place.curve for row in shown.rows))
    exact = [place for place in places if name == place.label]
    chosen = exact or [place for place in places if name == place.probe]
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        known = ", ".join(repr(place.label) for place in chosen)
        raise UsageError(
            f"{printable(name)} was measured with several parameters; name one: {known}"
        )
    known = ", ".join(dict.fromkeys(place.probe for place in places))
    raise UsageError(f"no {printable(name)!r} in these files; they hold {known}")
