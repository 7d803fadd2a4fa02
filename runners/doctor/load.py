"""Where the CPUs' time went while we looked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runners.doctor.finding import Finding
from runners.machine import environment
from runners.machine.cpu_stat import throttled_us
from runners.machine.limits import cpu_stats

#: Shares of the time from which on loss, or the work of others, is worth a word.
LOST, BUSY = 0.01, 0.05


@dataclass(frozen=True)
class Counts:
    """What the kernel has counted of some CPUs, in seconds of their time, and when it was read."""

    at_s: float
    busy_s: float
    stolen_s: float
    throttled_s: float
    own_s: float


class Watch:
    """What goes on between its making and `findings`: loss of CPU time, and others' work."""

    def __init__(self, root: Path = environment.ROOT) -> None:
        self._root = root
        self._cpus = environment.usable_cpus(root)
        self._start = read_counts(self._cpus, root)

    def findings(self) -> Iterator[Finding]:
        """What happened since."""
        yield from between(self._start, read_counts(self._cpus, self._root), len(self._cpus))


def read_counts(cpus: Sequence[int], root: Path = environment.ROOT) -> Counts:
    """The counts of these CPUs by now; zero where the system has none."""
    lines = [line.split() for line in environment.read("proc/stat", root).split("\n")]
    names = {f"cpu{cpu}" for cpu in cpus}
    ticks = [0] * 8
    for _, *words in (line for line in lines if line and line[0] in names):
        for i, word in enumerate(words[: len(ticks)]):
            ticks[i] += environment.number(word) or 0
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    throttled = [throttled_us(environment.read(file).encode()) for file in cpu_stats(root)]
    used = os.times()
    return Counts(
        time.monotonic(),
        busy_s=(sum(ticks[:3]) + sum(ticks[5:7])) * tick_s,
        stolen_s=ticks[7] * tick_s,
        throttled_s=sum(us or 0 for us in throttled) * 1e-6,
        own_s=used.user + used.system + used.children_user + used.children_system,
    )


def between(before: Counts, after: Counts, cpus: int) -> Iterator[Finding]:
    """Shares of the time between two readings, on ``cpus`` CPUs."""
    wall_s = max(after.at_s - before.at_s, 1e-3)
    stolen = (after.stolen_s - before.stolen_s) / wall_s / cpus
    throttled = (after.throttled_s - before.throttled_s) / wall_s / cpus
    others = after.busy_s - before.busy_s - (after.own_s - before.own_s)
    busy = max(0.0, others / wall_s / cpus)
    yield Finding(
        "steal",
        "warning" if stolen > LOST else "good",
        f"{stolen:.1%} of the time went to other guests of this host",
        "another time, or a host that is not overcommitted" if stolen > LOST else "",
        f"steal {stolen:.0%}",
    )
    if throttled > LOST:
        yield Finding(
            "throttling",
            "warning",
            f"stopped by the cgroup's CPU quota for {throttled:.1%} of the time",
            "raise or remove the quota (cpu.max, --cpus= of a container)",
            f"throttled {throttled:.0%}",
        )
    yield Finding(
        "other load",
        "warning" if busy > BUSY else "good",
        f"other programs used {busy:.0%} of the CPUs' time",
        "end them, or measure on CPUs of your own: taskset -c, isolcpus=" if busy > BUSY else "",
        f"other load {busy:.0%}",
    )
