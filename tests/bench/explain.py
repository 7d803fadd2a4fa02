"""What `micro explain` is worth here: its cost, its sums, poll at three levels, a planted spin."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from micro.app.explaining import explain
from micro.probes.catalogue import jobs_with, select
from runners.explain.change import steepest, step
from runners.explain.costs import costs
from runners.machine.environment import usable_cpus
from runners.measure.launch import Launcher
from runners.model.profile import Profile

SPIN = 0.3
SHOWN = 6


def profiles(name: str, slowdown: float = 0.0, **given: str) -> list[Profile]:
    (probe,) = select([name])
    job = replace(jobs_with(probe, given, "quick")[0], slowdown=slowdown)
    with tempfile.TemporaryDirectory() as scratch:
        (found,) = explain([job], Launcher(Path(scratch), 600.0), usable_cpus(), lambda _: None)
    if not found.profiles:
        sys.exit(f"{name}: {found.reason}")
    return found.profiles


def show(profile: Profile) -> None:
    print(
        f"{profile.benchmark}: {profile.op_ns:,.0f} ns, {profile.slowdown:.2f} times that sampled; "
        f"samples are {profile.covered:.2%} of the measured time; lost {profile.lost}; "
        f"other tasks {profile.others:.1%}"
    )
    for cost in costs(profile)[:SHOWN]:
        low, high = cost.ci95_ns
        print(f"    {cost.ns:10,.0f} ns ({low:,.0f} to {high:,.0f})  {cost.symbol.label}")


def main() -> None:
    curve = profiles("event.poll", watched="256,1024,4096")
    for profile in curve:
        show(profile)
    if steep := steepest(curve):
        print(step(*steep).sentence)
    (plain,) = profiles("fd.open_close")
    show(plain)
    show(profiles("process.fork_exit")[0])
    (spun,) = profiles("fd.open_close", SPIN)
    (found,) = [cost for cost in costs(spun) if cost.symbol.name.endswith("slowed_batch")]
    low, high = found.ci95_share
    print(
        f"the planted spin takes {spun.op_ns - plain.op_ns:,.0f} ns by the clock of two runs; "
        f"found {found.ns:,.0f} ns ({found.ci95_ns[0]:,.0f} to {found.ci95_ns[1]:,.0f})"
    )
    print(
        f"planted spin of {SPIN:.0%} of an operation: {SPIN / (1 + SPIN):.1%} of the slowed one; "
        f"found {found.share:.1%} ({low:.1%} to {high:.1%}) in {found.symbol.label}"
    )


if __name__ == "__main__":
    main()
