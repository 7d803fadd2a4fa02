"""Measure every probe and print a table."""

from __future__ import annotations

import argparse

from micro import measure
from micro.cli import UsageError
from micro.probe import all_probes, matches, select

HELP = "measure every probe and print a table"
ORDER = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    measure.add_arguments(parser)
    parser.add_argument(
        "--only", nargs="+", metavar="GLOB", help="only these probes or families, such as 'fd.*'"
    )
    parser.add_argument("--exclude", nargs="+", metavar="GLOB", default=[], help="not these")


def run(arguments: argparse.Namespace) -> int:
    """Measure."""
    probes = select(arguments.only) if arguments.only else list(all_probes())
    if arguments.exclude:
        select(arguments.exclude)  # an unknown name is a mistake here, too
    probes = [p for p in probes if not any(matches(p, glob) for glob in arguments.exclude)]
    if not probes:
        raise UsageError("--only and --exclude together leave no probe")
    return measure.run([probe.job(quick=arguments.quick) for probe in probes], arguments)
