"""Settings that move figures, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from runners.doctor.finding import Finding
from runners.machine import environment
from runners.model.amount import amount
from runners.model.benchmark import Scalar

GOOD_CLOCKS = {"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"}
TUNE = "python -m pyperf system tune"


def settings(facts: Mapping[str, Scalar], root: Path = environment.ROOT) -> Iterator[Finding]:
    """What settings tell; ``facts`` are those of `runners.machine.environment.describe`."""
    yield from _clock(facts)
    yield from _frequency(facts)
    yield from _pages(facts)
    yield from _mitigations(facts)
    yield from _missing(root)


def _clock(facts: Mapping[str, Scalar]) -> Iterator[Finding]:
    source = str(facts.get("clock_source", ""))
    if not source:
        return
    if source in GOOD_CLOCKS:
        yield Finding("clock source", "good", source)
        return
    yield Finding(
        "clock source",
        "warning",
        f"{source}: reading the clock is a system call of a microsecond or more",
        "boot with clocksource=tsc, if the kernel's log does not call the TSC unstable",
        f"slow clock {source}",
    )


def _frequency(facts: Mapping[str, Scalar]) -> Iterator[Finding]:
    governor = str(facts.get("governor", ""))
    if governor and governor != "performance":
        yield Finding(
            "governor",
            "warning",
            f"{governor}: the clock follows the load",
            f"{TUNE} (root), undone by `system reset`",
            f"governor {governor}",
        )
    elif governor:
        yield Finding("governor", "good", governor)
    if facts.get("turbo") == "on":
        yield Finding(
            "turbo",
            "note",
            "on: the clock depends on heat and on how many cores are busy; slices are scaled to "
            "the best clock seen",
            f"{TUNE} (root) switches it off",
        )


def _pages(facts: Mapping[str, Scalar]) -> Iterator[Finding]:
    thp = str(facts.get("thp", ""))
    if thp == "never":
        yield Finding(
            "huge pages",
            "note",
            "never: memory and fault figures are those of small pages",
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (root)",
        )
    elif thp:
        yield Finding("huge pages", "good", thp)


def _mitigations(facts: Mapping[str, Scalar]) -> Iterator[Finding]:
    if facts.get("mitigations_off"):
        yield Finding(
            "mitigations",
            "note",
            "switched off at boot: system calls are cheaper than where they are on",
            "compare only with machines that have them off, or boot without mitigations=off",
        )
    elif facts.get("mitigations"):
        flaws = str(facts["mitigations"]).split(";")
        vulnerable = sum(flaw.endswith("=vulnerable") for flaw in flaws)
        seen = f"on; {amount(vulnerable, 'known flaws')} left open" if vulnerable else "on"
        yield Finding("mitigations", "good", seen)


def _missing(root: Path) -> Iterator[Finding]:
    if not environment.read("proc/self/schedstat", root):
        yield Finding(
            "scheduler's counts",
            "note",
            "no /proc/self/schedstat: other programs on our CPU show only through the sentinel",
        )
    scope = environment.number(environment.read("proc/sys/kernel/yama/ptrace_scope", root))
    if scope is not None and scope >= 2:
        yield Finding(
            "tracing",
            "note",
            f"kernel.yama.ptrace_scope {scope}: `micro verify` cannot count system calls",
            "sysctl kernel.yama.ptrace_scope=1 (root)",
        )
    state = environment.number(environment.read("proc/sys/kernel/io_uring_disabled", root))
    if state:
        yield Finding(
            "io_uring",
            "note",
            f"kernel.io_uring_disabled {state}: its probes are skipped",
            "sysctl kernel.io_uring_disabled=0 (root)",
        )
