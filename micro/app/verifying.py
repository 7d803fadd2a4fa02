"""The checks that probes measure what they say: which ones, and in what order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from micro.app.installation import require_workloads
from micro.app.interruption import Interrupted, interruptible
from micro.app.workbench import Workbench, workbench
from micro.errors import EXIT_FAILED, EXIT_OK, UsageError
from micro.probes.declaration import Probe
from runners.model.job import Job, Promise
from runners.verify.agreement import (
    REFERENCES,
    agreement,
    family_references,
    matching,
    no_reference,
    reference,
)
from runners.verify.check import Bench, Check, Kind
from runners.verify.faults import faults
from runners.verify.linearity import linearity
from runners.verify.looks import confirmed
from runners.verify.receipts import receipts
from runners.verify.side_by_side import Task, side_by_side

KINDS: tuple[Kind, ...] = ("receipts", "faults", "linearity", "agreement")


@dataclass(frozen=True)
class Options:
    """Which kinds of checks; a ``short`` run makes fewer of them. ``references`` holds C loops."""

    kinds: Sequence[Kind] = KINDS
    short: bool = False
    references: Path = REFERENCES


@dataclass(frozen=True)
class Verified:
    """The checks that were done. ``interrupted`` is the exit code of the signal, or 0."""

    checks: Sequence[Check]
    interrupted: int

    @property
    def defects(self) -> list[Check]:
        """Those that found one."""
        return [check for check in self.checks if check.verdict == "defect"]

    @property
    def exit_code(self) -> int:
        """That of the signal, else 1 on a defect."""
        return self.interrupted or (EXIT_FAILED if self.defects else EXIT_OK)


class Plan:
    """All checks of some probes; raises `UsageError` for a reference that fits no probe."""

    def __init__(self, probes: Sequence[Probe], options: Options) -> None:
        require_workloads()
        if options.references != REFERENCES and not options.references.is_dir():
            raise UsageError(f"--references {options.references}: not a directory")
        self._place = {probe.name: number for number, probe in enumerate(probes)}
        self._needs_clock = not {"linearity", "agreement"}.isdisjoint(options.kinds)
        self._untimed = [task for probe in probes for task in _untimed(probe, options)]
        self._timed = [task for probe in probes for task in _timed(probe, options)]

    def __len__(self) -> int:
        return len(self._untimed) + len(self._timed)

    def carry_out(self, on_step: Callable[[str], None] = lambda _: None) -> Verified:
        """Do the checks, in the probes' order at the end; ``on_step`` gets a name for each."""
        found: list[Check] = []
        interrupted = 0
        try:
            with interruptible(), workbench() as bench:
                self._check(bench, found, on_step)
        except Interrupted as stop:
            interrupted = stop.exit_code
        found.sort(key=lambda check: self._place[check.benchmark.probe])
        return Verified(found, interrupted)

    def _check(self, bench: Workbench, found: list[Check], on_step: Callable[[str], None]) -> None:
        # Only where time matters, a survey finds the clean level.
        clean = bench.survey().clean if self._needs_clock else None
        place = Bench(bench.launcher, bench.cpus, clean)
        for check in side_by_side(place, self._untimed):
            found.append(check)
            on_step(str(check.benchmark))
        # Alone, where a check beside it may have kept it from ending in time.
        for number, task in enumerate(self._untimed):
            if found[number].timed_out:
                found[number] = task.done(place)
        for task in self._timed:
            on_step(task.job.name)
            found.append(confirmed(partial(task.done, place)))


def _untimed(probe: Probe, options: Options) -> Iterator[Task]:
    every = probe.jobs("rigorous")
    some = probe.jobs(probe.least_effort)
    if options.short:
        every, some = some, some[:1]
    level = level_for(probe)
    if "receipts" in options.kinds:
        ends = () if options.short else _ends_promised(probe)
        for job, at in (*((job, level) for job in every), *itertools.product(some, ends)):
            yield Task(receipts, job, at, (probe.promised(job.params, at),))
    for job in some if "faults" in options.kinds else ():
        yield Task(faults, job, level, (probe.promised(job.params, level), options.short))


def _ends_promised(probe: Probe) -> tuple[int, ...]:
    """The ends of the usual levels, where the promise may depend on the level."""
    if probe.axis is None or isinstance(probe.promise, Promise):
        return ()
    ends = dict.fromkeys((probe.axis.levels[0], probe.axis.levels[-1]))
    return tuple(level for level in ends if level != level_for(probe))


def _timed(probe: Probe, options: Options) -> Iterator[Task]:
    if "linearity" in options.kinds:
        for job in probe.jobs(probe.least_effort):
            yield Task(linearity, job, level_for(probe))
    if "agreement" in options.kinds:
        yield from _agreement(probe, options.references)


def _agreement(probe: Probe, folder: Path) -> Iterator[Task]:
    try:
        wanted = reference(folder, probe.name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if wanted is None:
        yield Task(
            no_reference, Job(probe.name, probe.workload), None, (_unreferenced(probe, folder),)
        )
        return
    match = matching(probe.jobs("rigorous"), wanted)
    if match is None:
        raise UsageError(f"{wanted.source.name}: {probe.name} has no such parameters")
    job, level = match
    yield Task(agreement, job, level, (wanted,))


def _unreferenced(probe: Probe, folder: Path) -> str:
    """Why there is nothing to hold a probe against, and what of its family there is."""
    if probe.needs_no_reference:
        return f"needs no reference program: {probe.needs_no_reference}"
    others = ", ".join(family_references(folder, probe.family))
    return "no reference program" + (f"; its family has {others}" if others else "")


def level_for(probe: Probe) -> int | None:
    """A level that is quickly reached and yet not the smallest."""
    if probe.axis is None:
        return None
    levels = probe.axis.quick
    return levels[min(1, len(levels) - 1)]
