"""Profiles of probes, by themselves or of a session's figures: typed options in, profiles out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from statistics import median

from micro.errors import UsageError
from runners.archive.reader import read_profiles
from runners.explain.refusal import cannot_explain
from runners.explain.sampling import PROCESSES, CannotSample, Explained, Explaining
from runners.explain.symbols import KernelSymbols, NoSymbols, kernel_symbols
from runners.measure.launch import Launcher
from runners.model.benchmark import Benchmark
from runners.model.job import Job
from runners.model.profile import Profile
from runners.model.session import Result

#: Sampled time of each level in each process: 20,000 samples over five processes.
SAMPLED_NS = 400_000_000
#: The same for a figure of a session: 3,000 samples.
SESSION_SAMPLED_NS = 60_000_000
#: What a figure's profile costs, about: the sampled time, half of it for the time without sampling,
#: and its share of the worker's start and growth, in five processes.
SESSION_PROFILE_S = 1.2
#: Of a side with several sessions, the profiles of so many are put together.
_MOST_SESSIONS = 3


def named_kernel() -> KernelSymbols:
    """The kernel's symbols. Raises `UsageError` with the reason where nothing can be sampled.

    A setting that forbids sampling hides the symbols, too: it is the reason to tell.
    """
    if reason := cannot_explain():
        raise UsageError(f"cannot explain here: {reason}")
    try:
        return kernel_symbols()
    except NoSymbols as hidden:
        raise UsageError(f"cannot explain here: {hidden}") from None


def explain(
    jobs: Sequence[Job],
    launcher: Launcher,
    cpus: Sequence[int],
    step: Callable[[str], None],
    sampled_ns: int = SAMPLED_NS,
) -> list[Explained]:
    """Sample every job in five processes each; ``step`` is told the name of each that starts.

    The processes of all jobs take turns, so that a slow phase of the machine hits them alike.
    Raises `UsageError` where this system does not let us sample.
    """
    try:
        return sample(jobs, launcher, cpus, step, named_kernel(), sampled_ns)
    except CannotSample as refused:
        raise UsageError(f"cannot explain here: {refused}") from None


def sample(
    jobs: Sequence[Job],
    launcher: Launcher,
    cpus: Sequence[int],
    step: Callable[[str], None],
    kernel: KernelSymbols,
    sampled_ns: int,
) -> list[Explained]:
    """The same with the kernel's symbols at hand. Raises `CannotSample`."""
    collected = [(job, Explaining(job, kernel, sampled_ns)) for job in jobs]
    for _ in range(PROCESSES):
        for job, explaining in collected:
            step(job.name)
            explaining.process(launcher, cpus)
    return [explaining.explained() for _, explaining in collected]


#: Value and ends of the interval, in nanoseconds.
FigureNs = tuple[float, float, float]


def figures_explained(
    found: Sequence[Explained], figures: Mapping[Benchmark, FigureNs]
) -> list[Profile]:
    """The profiles of figures: shares are of samples, nanoseconds are of the figures."""
    return [
        replace(profile, figure_ns=figures.get(profile.benchmark))
        for each in found
        for profile in each.profiles
    ]


def figures_of(results: Sequence[Result]) -> dict[Benchmark, FigureNs]:
    """The figures of results, as far as they have an interval above zero."""
    return {
        result.benchmark: (result.value_s * 1e9, result.ci95_s[0] * 1e9, result.ci95_s[1] * 1e9)
        for result in results
        if result.value_s and result.ci95_s and result.ci95_s[0]
    }


@dataclass(frozen=True)
class Sides:
    """The profiles of the two sides of a comparison; ``refused`` says why there are no new ones."""

    before: Mapping[Benchmark, Profile] = field(default_factory=dict)
    after: Mapping[Benchmark, Profile] = field(default_factory=dict)
    refused: str | None = None


def stored_profiles(files: Sequence[Path]) -> dict[Benchmark, Profile]:
    """The profiles in these files, of the last that have any. Raises `BadFile`."""
    return together(read_profiles(file)[0] for file in reversed(files))


def together(sessions: Iterable[Sequence[Profile]]) -> dict[Benchmark, Profile]:
    """The profiles of the first sessions that have any, of each benchmark one of more processes."""
    gathered: dict[Benchmark, list[Profile]] = {}
    for profiles in islice(filter(None, sessions), _MOST_SESSIONS):
        for profile in profiles:
            gathered.setdefault(profile.benchmark, []).append(profile)
    return {benchmark: _pooled(profiles) for benchmark, profiles in gathered.items()}


def _pooled(profiles: Sequence[Profile]) -> Profile:
    """One profile of several, without their stacks."""
    if len(profiles) == 1:
        return profiles[0]
    first = profiles[0]
    figures = [profile.figure_ns for profile in profiles if profile.figure_ns is not None]
    middles, lows, highs = zip(*figures, strict=True) if figures else ((), (), ())
    return Profile(
        first.benchmark,
        first.period_ns,
        [run for profile in profiles for run in profile.runs],
        figure_ns=(median(middles), min(lows), max(highs)) if figures else None,
    )


def jobs_measured(jobs: Sequence[Job], results: Sequence[Result]) -> list[Job]:
    """Those jobs that have figures, with the levels that have one."""
    levels: dict[Benchmark, set[int]] = {}
    for result in results:
        if result.value_s is not None:
            found = levels.setdefault(result.benchmark.curve, set())
            found |= set() if result.x is None else {result.x}
    return [
        replace(job, levels=tuple(sorted(levels[job.at(None)])))
        for job in jobs
        if job.at(None) in levels
    ]
