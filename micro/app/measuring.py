"""From jobs to a stored session."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from micro.app.explaining import (
    SESSION_PROFILE_S,
    SESSION_SAMPLED_NS,
    figures_explained,
    figures_of,
    jobs_measured,
    named_kernel,
    sample,
)
from micro.app.installation import require_workloads
from micro.app.interruption import Interrupted, interruptible
from micro.app.workbench import Workbench, workbench
from micro.app.writing import cannot_write, writing
from micro.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE, UsageError
from micro.probes.declaration import Effort
from runners.archive import history, writer
from runners.archive.whole_file import check_writable
from runners.counts.passes import Counted, count
from runners.doctor.cpus import cpus as cpu_findings
from runners.doctor.finding import Finding
from runners.doctor.limits import limits
from runners.doctor.settings import settings as setting_findings
from runners.explain.sampling import PROCESSES, CannotSample
from runners.explain.symbols import KernelSymbols
from runners.machine import environment
from runners.machine.limits import explain
from runners.measure.allocator import BadAllocator, checked
from runners.measure.launch import inherited_environment
from runners.measure.schedule import Progress, Settings
from runners.measure.survey import Surveyed
from runners.model.job import Job
from runners.model.session import BEGAN, Result, Session

DEFAULT = Settings()
QUICK = Settings(rounds=6, budget_s=27.0)
RIGOROUS = Settings(rounds=20, most_visits=4, budget_s=3600.0, trace=1000)
#: The share of the budget after which no more is counted before the rounds.
_COUNTING_SHARE = 0.05
#: What a visit takes a point at least: its slices, and its share of the worker's start and growth.
_POINT_S = 0.045


@dataclass(frozen=True)
class Options:
    """How much to measure, with which allocator, and where the session goes.

    ``budget_s`` replaces the effort's budget. ``trace`` times single operations of all probes.
    ``explain`` takes profiles of the figures after them; None: of a rigorous run, where it can be.
    """

    effort: Effort = "usual"
    budget_s: float | None = None
    trace: bool = False
    output: Path | None = None
    allocator: Path | None = None
    explain: bool | None = None

    @property
    def settings(self) -> Settings:
        """The scheduler's settings."""
        preset = {"quick": QUICK, "usual": DEFAULT, "rigorous": RIGOROUS}[self.effort]
        return replace(
            preset,
            budget_s=self.budget_s or preset.budget_s,
            trace=1000 if self.trace else preset.trace,
            trace_all=self.trace,
        )

    @property
    def wants_profiles(self) -> bool:
        """Whether profiles are taken where this system lets us."""
        return self.effort == "rigorous" if self.explain is None else self.explain

    def plan(self, jobs: Sequence[Job]) -> list[str]:
        """What takes minutes, in words: before an hour of somebody's time is spent."""
        points = sum(len(job.points) for job in jobs)
        lines = [self._plan_of_rounds(points)] if self.effort == "rigorous" else []
        if self.wants_profiles:
            profiles_s = points * SESSION_PROFILE_S
            lines.append(
                f"after the figures come their profiles: about {_minutes(profiles_s)} more"
            )
        return lines

    def _plan_of_rounds(self, points: int) -> str:
        settings = self.settings
        round_s = points * _POINT_S
        fitting = int(settings.budget_s / round_s)
        if fitting < settings.rounds:
            return (
                f"{points:,} figures: --budget {settings.budget_s:g} is enough for at most "
                f"{fitting} of {settings.rounds} rounds, of at least {_minutes(round_s)} each"
            )
        return (
            f"{points:,} figures in {settings.rounds} rounds: at least "
            f"{_minutes(settings.rounds * round_s)}, and up to {_minutes(settings.budget_s)} in "
            "all for figures that are not stable by then"
        )


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


@dataclass
class Storage:
    """The file of a session, written again and again as it grows.

    ``path`` is None where the user's state directory cannot be written and no file was named;
    ``trouble`` then says why. Else it says why the newest rounds are not in the file, which holds
    the first ``rounds``: it is ``refused`` if the system does not let us write it. ``taken`` is the
    wanted file where another run has made that meanwhile.
    """

    path: Path | None
    wanted: bool
    trouble: str | None = None
    rounds: int = 0
    refused: bool = False
    taken: Path | None = None
    _ours: bool = False

    def keep(self, session: Session) -> None:
        """Replace the file by this session, if that is possible."""
        if self.path is None:
            return
        try:
            stored = self._write(session, self.path)
        except OSError as error:
            self.trouble, self.refused = cannot_write(self.path, error), True
        else:
            self.refused = False
            self.trouble = None if stored else "nothing has a value"
            self.rounds = max((v.round for r in session.results for v in r.visits), default=0)

    def _write(self, session: Session, path: Path) -> bool:
        """Write it where no other run did."""
        try:
            self._ours |= (stored := writer.write(session, path, none_there=not self._ours))
        except FileExistsError:
            self.taken, self.path = self.taken or path, _free_name(self.taken or path)
            return self._write(session, self.path)
        return stored


@dataclass(frozen=True)
class Measured:
    """A session and what became of it.

    ``interrupted`` is the signal that ended it early; further ones are ignored as long as it is
    kept. ``disagreements`` say where the session contradicts what earlier ones remembered,
    ``unexplained`` why there are no profiles of a probe, where they were taken.
    """

    session: Session
    storage: Storage
    interrupted: Interrupted | None
    disagreements: Sequence[str] = ()
    unexplained: Sequence[str] = ()

    @property
    def failed(self) -> list[Result]:
        """Results of probes that failed."""
        return [result for result in self.session.results if result.status == "failed"]

    @property
    def exit_code(self) -> int:
        """That of the signal, 2 if the wanted file cannot be written, 1 if a probe failed."""
        lost = self.storage.wanted and self.storage.trouble is not None
        if self.interrupted is not None:
            return self.interrupted.exit_code
        if lost and self.storage.refused:
            return EXIT_USAGE
        return EXIT_FAILED if lost or self.failed else EXIT_OK


def measure(
    jobs: Sequence[Job],
    options: Options,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_findings: Callable[[Sequence[Finding]], None] = lambda _: None,
    on_profile: Callable[[str, float], None] = lambda _, __: None,
) -> Measured:
    """Measure the jobs and store the session; a signal ends it early with what was measured.

    ``on_findings`` gets what makes figures noisy here, before the first round; ``on_profile`` the
    name of each job that is sampled, and the share that is done. Raises `UsageError`.
    """
    require_workloads()
    kernel = _symbols(options)
    began = datetime.now(UTC)
    facts = environment.describe()
    allocator = _allocator(options.allocator)
    if allocator is not None:
        facts["allocator"] = environment.clean(allocator.name)
    storage = _storage(options.output, environment.key(facts))
    interrupted = None
    with workbench(max(60.0, options.settings.budget_s / 2), allocator, facts) as bench:
        scheduler = bench.scheduler(jobs, options.settings)
        counted = Counted()

        def complete(session: Session) -> Session:
            session.environment = facts
            session.settings = {BEGAN: f"{began:%Y-%m-%dT%H:%M:%SZ}", **session.settings}
            counted.into(session)
            return session

        def keep(session: Session) -> None:
            storage.keep(complete(session))

        def surveyed(found: Surveyed) -> None:
            on_findings([*cpu_findings(found), *setting_findings(facts), *limits()])

        try:
            with interruptible():
                longest_s = options.settings.budget_s * _COUNTING_SHARE
                counted = count(jobs, bench.launcher, bench.cpus, longest_s)
                scheduler.run(on_progress, keep, surveyed)
        except Interrupted as stop:
            interrupted = stop.with_traceback(None)  # which would keep it for longer than we do
        session = complete(scheduler.session(facts))
        unexplained: Sequence[str] = ()
        if kernel is not None and interrupted is None:
            try:
                with interruptible():
                    unexplained = _take_profiles(session, jobs, bench, kernel, on_profile)
            except Interrupted as stop:
                interrupted = stop.with_traceback(None)
    storage.keep(session)
    history.remember(facts, scheduler.agreed)
    return Measured(session, storage, interrupted, scheduler.agreed.disagreements, unexplained)


def _symbols(options: Options) -> KernelSymbols | None:
    """The names that profiles take; None where there are to be none, or cannot and need not be."""
    if options.wants_profiles:
        try:
            return named_kernel()
        except UsageError:
            if options.explain:
                raise
    return None


def _take_profiles(
    session: Session,
    jobs: Sequence[Job],
    bench: Workbench,
    kernel: KernelSymbols,
    on_profile: Callable[[str, float], None],
) -> list[str]:
    """Add profiles of its figures to a session; returns why some have none."""
    began_s = time.monotonic()
    measured = jobs_measured(jobs, session.results)
    steps = PROCESSES * len(measured)
    begun = itertools.count()
    try:
        found = sample(
            measured,
            bench.launcher,
            bench.cpus,
            lambda name: on_profile(name, next(begun) / steps),
            kernel,
            SESSION_SAMPLED_NS,
        )
    except CannotSample as refused:
        return [f"no profiles: {refused}"]
    session.profiles = figures_explained(found, figures_of(session.results))
    session.settings = {
        **session.settings,
        "explaining_s": round(time.monotonic() - began_s, 3),
    }
    return [f"no profile of {e.job.at(None)}: {e.reason}" for e in found if not e.profiles]


def _allocator(wanted: Path | None) -> Path | None:
    if wanted is None:
        return None
    try:
        return checked(wanted, inherited_environment())
    except BadAllocator as error:
        raise UsageError(f"--allocator {error}") from None


def _storage(wanted: Path | None, key: str) -> Storage:
    """Where the session goes; checked before an hour of measuring would be lost."""
    if wanted is not None:
        _check_new_file(wanted)
        return Storage(wanted, wanted=True)
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = history.state_directory() / "sessions" / key / f"{name}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        check_writable(path.parent)
    except OSError as error:
        return Storage(None, wanted=False, trouble=f"{path.parent}: {explain(error)}")
    return Storage(path, wanted=False)


def _free_name(path: Path) -> Path:
    """The file's name with the first number that no other file has: ``session-2.json``."""
    stem, dot, rest = path.name.partition(".")
    return next(
        other
        for number in itertools.count(2)
        if not (other := path.with_name(f"{stem}-{number}{dot}{rest}")).exists()
    )


def _check_new_file(wanted: Path) -> None:
    folder = wanted.absolute().parent
    with writing(wanted):
        if wanted.is_dir():
            raise UsageError(f"{wanted} is a directory: give -o a file's name in it")
        if wanted.exists() and not wanted.is_file():
            raise UsageError(f"{wanted} is not a regular file: give -o the name of a new file")
        if wanted.exists() or wanted.is_symlink():
            raise UsageError(f"{wanted} exists already: give -o another name")
        if not folder.is_dir():
            raise UsageError(f"{wanted}: directory {folder} does not exist")
        check_writable(folder, wanted.name)
