"""Prove that probes measure what they say: system calls counted and made to fail, plain C loops."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from micro.app.installation import require_workloads
from micro.errors import EXIT_FAILED, EXIT_OK, UsageError
from micro.probes.catalogue import all_probes, select
from micro.probes.declaration import Probe
from micro.reports import console, say
from micro.reports.terminal.checks import check_table, summary
from micro.reports.terminal.progress import steps
from runners.archive import history
from runners.machine.environment import describe, usable_cpus
from runners.measure.launch import Launcher
from runners.measure.scratch import scratch_directory
from runners.measure.survey import survey
from runners.model.job import Job
from runners.verify.agreement import REFERENCES, agreement, matching, no_reference, reference
from runners.verify.check import Bench, Check, Kind
from runners.verify.faults import faults
from runners.verify.linearity import linearity
from runners.verify.receipts import receipts
from runners.verify.side_by_side import Task, side_by_side

HELP = "prove that probes measure what they say"
ORDER = 6

KINDS: tuple[Kind, ...] = ("receipts", "faults", "linearity", "agreement")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("names", nargs="*", metavar="NAME|GLOB", help="probes or families; or all")
    parser.add_argument(
        "--only", nargs="+", choices=KINDS, metavar="KIND", help=f"of {', '.join(KINDS)}"
    )
    parser.add_argument(
        "--short", action="store_true", help="receipts and some faults: nothing that takes timing"
    )
    parser.add_argument(
        "--references",
        type=Path,
        default=REFERENCES,
        metavar="DIR",
        help="folder of the plain C loops to compare with (default: those of this installation)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Do the checks; exit code 1 on a defect."""
    require_workloads()
    probes = select(arguments.names) if arguments.names else list(all_probes())
    if arguments.references != REFERENCES and not arguments.references.is_dir():
        raise UsageError(f"--references {arguments.references}: not a directory")
    kinds = arguments.only or (KINDS[:2] if arguments.short else KINDS)
    with scratch_directory() as scratch:
        bench = _bench(Launcher(scratch), timed=not {"linearity", "agreement"}.isdisjoint(kinds))
        untimed = [task for probe in probes for task in _untimed(probe, kinds, arguments.short)]
        timed = [task for probe in probes for task in _timed(probe, kinds, arguments.references)]
        found: list[Check] = []
        with steps(len(untimed) + len(timed)) as step:
            for check in side_by_side(bench, untimed):
                found.append(check)
                step(str(check.benchmark))
            for task in timed:
                step(task.job.name)
                found.append(task.done(bench))
    place = {probe.name: number for number, probe in enumerate(probes)}
    found.sort(key=lambda check: place[check.benchmark.probe])
    if arguments.json:
        checks = [asdict(check) | {"benchmark": str(check.benchmark)} for check in found]
        print(json.dumps({"schema": 1, "checks": checks}))
    else:
        out = console(stderr=False)
        out.print(check_table(found))
        out.print(summary(found))
    defects = [check for check in found if check.verdict == "defect"]
    for check in defects:
        say(f"micro: defect: {check.benchmark}: {check.kind}: {check.detail}")
    return EXIT_FAILED if defects else EXIT_OK


def _bench(launcher: Launcher, timed: bool) -> Bench:
    """The place for the checks; where time matters, with a clean level from a survey."""
    cpus = usable_cpus()
    known = history.known_clean(describe()) if timed else None
    clean = survey(launcher, cpus, known).clean if timed else None
    return Bench(launcher, tuple(cpus), clean)


def _untimed(probe: Probe, kinds: Sequence[Kind], short: bool) -> Iterator[Task]:
    every = probe.jobs("rigorous")
    some = probe.jobs(probe.least_effort)
    if short:
        every, some = some, some[:1]
    level = level_for(probe)
    for job in every if "receipts" in kinds else ():
        yield Task(receipts, job, level, (probe.promised(job.params, level),))
    for job in some if "faults" in kinds else ():
        yield Task(faults, job, level, (probe.promised(job.params, level), short))


def _timed(probe: Probe, kinds: Sequence[Kind], references: Path) -> Iterator[Task]:
    if "linearity" in kinds:
        for job in probe.jobs(probe.least_effort):
            yield Task(linearity, job, level_for(probe))
    if "agreement" in kinds:
        yield from _agreement(probe, references)


def _agreement(probe: Probe, folder: Path) -> Iterator[Task]:
    try:
        wanted = reference(folder, probe.name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if wanted is None:
        yield Task(no_reference, Job(probe.name, probe.workload), None)
        return
    match = matching(probe.jobs("rigorous"), wanted)
    if match is None:
        raise UsageError(f"{wanted.source.name}: {probe.name} has no such parameters")
    job, level = match
    yield Task(agreement, job, level, (wanted,))


def level_for(probe: Probe) -> int | None:
    """A level that is quickly reached and yet not the smallest."""
    if probe.axis is None:
        return None
    levels = probe.axis.quick
    return levels[min(1, len(levels) - 1)]
