"""Measure every probe and show the answer on one screen."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from micro.app import comparing
from micro.commands import _session, compare
from micro.commands._gate import folder
from micro.errors import UsageError
from micro.probes.catalogue import all_probes, matches, select
from runners.archive.baselines import of_session
from runners.machine import environment
from runners.model.session import Session

EXAMPLES = ("micro all", "micro all --only 'fd.*' event --quick -o today.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    _session.add_arguments(parser)
    parser.add_argument(
        "--only", nargs="+", metavar="GLOB", help="only these probes or families, such as 'fd.*'"
    )
    parser.add_argument(
        "--exclude",
        nargs="+",
        metavar="GLOB",
        default=[],
        help="leave out these probes or families",
    )
    parser.add_argument(
        "--compare",
        type=_baseline,
        metavar="auto|shipped|DIR|FILE",
        help="judge the session against its baseline, as `micro compare` does; the options "
        "below are for this",
    )
    compare.add_gate_arguments(parser)


def _baseline(text: str) -> Path | str:
    return text if text == "auto" else folder(text)


def run(arguments: argparse.Namespace) -> int:
    """Measure."""
    effort = _session.effort(arguments)
    if effort == "rigorous" and not arguments.only:
        effort = "usual"  # the grid: of all probes, fewer doubts are worth more than more points
    if arguments.only:
        probes = select(arguments.only)
    else:
        probes = [probe for probe in all_probes() if probe.measured_at(effort)]
    if arguments.exclude:
        select(arguments.exclude)  # an unknown name is a mistake here, too
    probes = [p for p in probes if not any(matches(p, glob) for glob in arguments.exclude)]
    if not probes:
        raise UsageError("--only and --exclude together leave no probe")
    jobs = [job for probe in probes for job in probe.jobs(effort)]
    # Of a few probes every figure fits on a screen.
    return _session.run(jobs, arguments, _judge(arguments), short=not arguments.only)


def _judge(arguments: argparse.Namespace) -> Callable[[Session], int] | None:
    if arguments.compare is None:
        compare.require_no_gate_options(arguments)
        return None
    where = None if arguments.compare == "auto" else arguments.compare
    compare.check_written(arguments)
    key = environment.key(environment.describe())
    comparing.of_key(key, comparing.find(where, key))  # mistakes show before measuring
    return lambda session: compare.judged(of_session(session), where, arguments)
