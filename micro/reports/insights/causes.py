"""What may have made a system slower: functions that gained time, facts in which it differs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from micro import units
from micro.app.explaining import Sides
from runners.explain.change import Change, changes
from runners.explain.costs import Cost, costs
from runners.machine.kernel import OPTIONS
from runners.model.benchmark import Benchmark, Scalar
from runners.model.profile import REST, Profile

#: Functions that are named beside a figure that became slower.
_MOST_NAMED = 3
#: Of what the operation gained: of sixty functions one or two seem to gain by chance, by little.
_LEAST_SHARE = 0.05
#: Facts that explain a difference of two systems, beside those that every comparison tells.
KERNEL_FACTS = (
    "kernel_parameters",
    *OPTIONS,
    "mitigations",
    "thp",
    "thp_defrag",
    "preemption",
    "security_modules",
    "seccomp",
    "cgroup_depth",
    "sched_features",
    "sched_settings",
    "clock_source",
)
_FACTS = ("os_release", "cpu_model", "virtualization", *KERNEL_FACTS)


def nanoseconds(value_ns: float) -> str:
    """A duration with its sign."""
    return ("-" if value_ns < 0 else "") + units.duration(abs(value_ns) * 1e-9)


def slower_words(sides: Sides, benchmark: Benchmark) -> str:
    """Which functions made a benchmark slower, in words; empty where nothing is known of it."""
    before, after = sides.before.get(benchmark), sides.after.get(benchmark)
    if after is None:
        return ""
    if before is None:
        return f"now mostly in {', '.join(_share(cost) for cost in _largest(after))}"
    named = [
        f"{change.symbol.label} +{nanoseconds(change.gained_ns)} "
        f"({' to '.join(map(nanoseconds, change.ci95_ns))})"
        for change in most_gained(before, after)
    ]
    return f"gained most: {', '.join(named) or 'no single function for sure'}"


def _largest(profile: Profile) -> list[Cost]:
    return [cost for cost in costs(profile) if cost.symbol != REST][:_MOST_NAMED]


def _share(cost: Cost) -> str:
    return f"{cost.symbol.label} {cost.share:.0%}"


def hint(sides: Sides, names: tuple[str, str]) -> str:
    """What it takes to name the functions; empty where both sides have profiles."""
    if sides.refused is not None:
        return f"No profiles of what has regressed: {sides.refused}."
    lacking = [
        name for name, side in zip(names, (sides.before, sides.after), strict=True) if not side
    ]
    if not lacking:
        return ""
    return (
        f"No profiles in {' and '.join(lacking)}: measured with --explain, both sides tell which "
        "functions became slower."
    )


def most_gained(before: Profile, after: Profile) -> list[Change]:
    """The named functions that surely gained, and enough to matter; the largest gains first."""
    least_ns = _LEAST_SHARE * (after.op_ns - before.op_ns)
    found = [
        change
        for change in changes(before, after)
        if change.kind in ("gained", "new")
        and change.symbol != REST
        and change.gained_ns >= least_ns
    ]
    return found[:_MOST_NAMED]


def by_change(
    before: Mapping[Benchmark, Profile], after: Mapping[Benchmark, Profile]
) -> list[tuple[Profile, Profile]]:
    """The profiles that both sides have, those first whose operation changed most."""
    pairs = [(before[name], after[name]) for name in before if name in after]
    return sorted(pairs, key=lambda pair: -abs(math.log(pair[1].op_ns / pair[0].op_ns)))


def environment_differences(
    before: Mapping[str, Scalar], after: Mapping[str, Scalar], names: Sequence[str] = _FACTS
) -> list[str]:
    """Facts of two systems that differ, where both are known: ``thp: always → madvise``."""
    found = []
    for name in names:
        if name in before and name in after and before[name] != after[name]:
            gone, come = _words_apart(str(before[name]), str(after[name]))
            found.append(f"{name}: {gone} → {come}")
    return found


def _words_apart(old: str, new: str) -> tuple[str, str]:
    """Of lists only the members that differ."""
    for separator in (";", " ", ","):
        if separator in old or separator in new:
            olds, news = old.split(separator), new.split(separator)
            gone = [word for word in olds if word not in news]
            come = [word for word in news if word not in olds]
            return " ".join(gone) or "nothing", " ".join(come) or "nothing"
    return old, new
