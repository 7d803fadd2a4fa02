"""The one place that wires what measuring needs: this machine's facts, CPUs, clock and workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cyext.core.cgroups import remove_abandoned
from runners.archive import history
from runners.machine import environment
from runners.measure.launch import Launcher
from runners.measure.schedule import Scheduler, Settings
from runners.measure.scratch import memory_directory, scratch_directory
from runners.measure.sentinel import Clean
from runners.measure.survey import Surveyed, survey
from runners.model.benchmark import Scalar
from runners.model.job import Job
from runners.model.session import Session


@dataclass(frozen=True)
class Workbench:
    """This machine, ready to measure. ``known`` is the clean level that earlier sessions found."""

    facts: dict[str, Scalar]
    cpus: tuple[int, ...]
    known: Clean | None
    launcher: Launcher

    def scheduler(self, jobs: Sequence[Job], settings: Settings) -> Scheduler:
        """A scheduler of these jobs, which has not begun."""
        return Scheduler(jobs, self.launcher, settings, self.cpus, self.known)

    def measure(
        self, jobs: Sequence[Job], settings: Settings, surveyed: Surveyed | None = None
    ) -> Session:
        """Measure these jobs to the end, on CPUs that were ``surveyed`` before, if they were."""
        scheduler = self.scheduler(jobs, settings)
        scheduler.run(surveyed=surveyed)
        return scheduler.session(self.facts)

    def survey(self, sentinels: int = 500) -> Surveyed:
        """Look at the CPUs with the sentinel, so many times each."""
        return survey(self.launcher, self.cpus, self.known, sentinels)


@contextmanager
def workbench(
    time_limit_s: float = 60.0,
    allocator: Path | None = None,
    facts: dict[str, Scalar] | None = None,
) -> Iterator[Workbench]:
    """A workbench, with scratch directories that are removed at the end.

    ``time_limit_s`` bounds a worker; ``facts`` describe this machine where that is already known.
    Raises `OSError` where no scratch directory can be made.
    """
    facts = environment.describe() if facts is None else facts
    with scratch_directory() as scratch, memory_directory() as memory_scratch:
        try:
            yield Workbench(
                facts,
                tuple(environment.usable_cpus()),
                history.known_clean(facts),
                Launcher(scratch, time_limit_s, allocator, memory_scratch),
            )
        finally:
            remove_abandoned()  # control groups of workers that were killed
