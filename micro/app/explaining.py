"""Profiles of probes: typed options in, profiles out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from micro.errors import UsageError
from runners.explain.refusal import cannot_explain
from runners.explain.sampling import PROCESSES, CannotSample, Explained, Explaining
from runners.explain.symbols import KernelSymbols, NoSymbols, kernel_symbols
from runners.measure.launch import Launcher
from runners.model.job import Job

#: Sampled time of each level in each process: 20,000 samples over five processes.
SAMPLED_NS = 400_000_000


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
    kernel = named_kernel()
    collected = [(job, Explaining(job, kernel, sampled_ns)) for job in jobs]
    try:
        for _ in range(PROCESSES):
            for job, explaining in collected:
                step(job.name)
                explaining.process(launcher, cpus)
    except CannotSample as refused:
        raise UsageError(f"cannot explain here: {refused}") from None
    return [explaining.explained() for _, explaining in collected]
