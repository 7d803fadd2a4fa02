"""Measure some probes, with parameters of your choice."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from micro.commands import _session
from micro.errors import UsageError
from micro.probes.catalogue import BadParameter, CannotBeTeam, jobs_with, select
from micro.probes.declaration import Effort
from micro.reports import say
from runners.model.job import TEAM_PARAMETERS, Job

EXAMPLES = ("micro run fd.open_close", "micro run memory.copy -p size=64k,1MiB --full")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("names", nargs="+", metavar="NAME|GLOB", help="probes or families")
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set a parameter, or the points of a curve: -p size=4k -p threads=1,2,4; "
        "-p members=1,2,4 -p as=processes runs any probe that is one task as a team of several",
    )
    _session.add_arguments(parser)
    parser.add_argument(
        "--trace", action="store_true", help="time single operations, even very short ones"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure."""
    jobs = chosen_jobs(arguments.names, arguments.parameter, _session.effort(arguments))
    return _session.run(jobs, arguments)


def chosen_jobs(names: Sequence[str], parameters: Sequence[str], effort: Effort) -> list[Job]:
    """The jobs of the probes that names or globs mean, with ``KEY=VALUE`` parameters as typed."""
    given = {}
    for text in parameters:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise UsageError(f"-p {text}: expected KEY=VALUE, such as -p size=4096")
        given[key] = value
    probes = select(names)
    known = {key for probe in probes for key in probe.parameters}
    for key in given:
        if key not in known and key not in TEAM_PARAMETERS:
            has = ", ".join(sorted(known)) or "none"
            raise BadParameter(f"-p {key}: no probe chosen has it; parameters here: {has}")
    jobs: list[Job] = []
    left_out = []
    for probe in probes:
        keys = {*probe.parameters, *TEAM_PARAMETERS}
        own = {key: text for key, text in given.items() if key in keys}
        try:
            jobs.extend(jobs_with(probe, own, effort))
        except CannotBeTeam as reason:
            left_out.append(reason)
    if not jobs:
        raise left_out[0]
    for each in left_out:
        say(f"micro: left out: {each}")
    return jobs
