"""Write one HTML file about one or several systems: conclusions, curves, distributions, noise."""

from __future__ import annotations

import argparse

from micro.commands._paths import file
from micro.commands.table import add_inputs, comparison
from micro.reports import say
from micro.reports.exports.files import check, write_text
from micro.reports.web.page import report

EXAMPLES = (
    "micro report session.json -o report.html",
    "micro report linux.json gvisor.json -o report.html",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_inputs(parser)
    parser.add_argument(
        "-o", "--output", type=file, required=True, metavar="FILE", help="such as report.html"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the report."""
    check(arguments.output)
    write_text(arguments.output, report(comparison(arguments)))
    say(f"report in {arguments.output}")
    return 0
