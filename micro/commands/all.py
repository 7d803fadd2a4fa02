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
    effort = measure.effort(arguments)
    if arguments.only:
        probes = select(arguments.only)
    else:
        probes = [p for p in all_probes() if effort == "rigorous" or not p.rigorous_only]
    if arguments.exclude:
        select(arguments.exclude)  # an unknown name is a mistake here, too
    probes = [p for p in probes if not any(matches(p, glob) for glob in arguments.exclude)]
    if not probes:
        raise UsageError("--only and --exclude together leave no probe")
    return measure.run([job for probe in probes for job in probe.jobs(effort)], arguments)
