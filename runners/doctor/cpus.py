"""Who else is on our cores."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from runners.doctor.finding import Finding
from runners.machine import environment
from runners.measure.survey import Surveyed

#: Clean shares below which a CPU is called disturbed, and too disturbed for a useful run. In the
#: stored sessions with less than half of the slices clean most figures were unstable.
CLEAN_WELL, CLEAN_HARDLY = 0.8, 0.5


def cpus(surveyed: Surveyed, root: Path = environment.ROOT) -> Iterator[Finding]:
    """What the sentinel saw of each CPU."""
    for disagreement in surveyed.disagreements:
        yield Finding(
            "remembered level",
            "warning",
            disagreement,
            "run `micro all`: it remembers what it finds",
            "the remembered level is not borne out",
        )
    if surveyed.error is not None:
        yield Finding(
            "survey",
            "warning",
            f"the CPUs were not looked at to the end: {surveyed.error}",
            short="the survey of the CPUs failed",
        )
    if surveyed.clean is None and surveyed.error is None:
        yield Finding(
            "neighbours",
            "warning",
            "the sentinel has no sharp level here (an emulator, or a core that is never ours): "
            "neighbours cannot be told apart, figures are plain medians with wider intervals",
            "measure on the hardware itself, or at a quieter time",
            "no sharp sentinel level: neighbours cannot be told apart",
        )
    for cpu, share in sorted(surveyed.clean_share.items()):
        seen = f"CPU {cpu}: the core was ours {share:.0%} of the time"
        short = f"CPU {cpu} ours {share:.0%}"
        if share >= CLEAN_WELL:
            yield Finding("neighbours", "good", seen, short=short)
            continue
        hardly = share < CLEAN_HARDLY
        yield Finding(
            "neighbours",
            "warning" if hardly else "note",
            f"{seen}: "
            + ("most" if hardly else "a run takes longer, and some")
            + " figures will be unstable",
            "end other programs; on a shared host, another time, or an instance with whole cores",
            short,
        )
    for first, second in surveyed.shared_cores:
        known = second in _siblings(first, root)
        yield Finding(
            "shared core",
            "note" if known else "warning",
            f"CPUs {first} and {second} slow each other"
            + (" (hyper-threads)" if known else ", though the topology says they share no core"),
            "read figures of several threads as those of one core",
            f"CPUs {first}+{second} share a core",
        )


def _siblings(cpu: int, root: Path) -> set[int]:
    """CPUs that the kernel believes to be on the same core."""
    path = f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
    found: set[int] = set()
    for part in environment.read(path, root).strip().split(","):
        span = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part)
        if span:
            found |= set(range(int(span[1]), int(span[2] or span[1]) + 1))
    return found - {cpu}
