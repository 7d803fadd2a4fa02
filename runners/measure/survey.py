"""A first look at the CPUs: the clean level, who is clean how often, who shares a core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from runners.measure import sentinel
from runners.measure.clean_level import agree
from runners.measure.launch import Answer
from runners.measure.sentinel import Clean, Slices

#: Clean slices of two CPUs at once under this share, while each alone has more than that one.
SHARED_AT_MOST = 0.02
ALONE_AT_LEAST = 0.3
#: Sentinels of all CPUs together, some two seconds, and of each at least.
MOST_SENSES, LEAST_SENSES = 20_000, 100


class Survey(Protocol):
    """What the survey needs of `runners.measure.launch.Launcher`."""

    def survey(  # noqa: D102
        self, cpus: Sequence[int], pairs: Sequence[tuple[int, int]], senses: int
    ) -> Answer: ...


@dataclass(frozen=True)
class Surveyed:
    """What the sentinel saw of each CPU; without a sharp level, shares are empty."""

    clean: Clean | None
    #: The share of a CPU's sentinels that were clean, by CPU.
    clean_share: Mapping[int, float]
    #: Pairs of our own CPUs that slow each other.
    shared_cores: tuple[tuple[int, int], ...]
    #: Nanoseconds of a polled hand-over between two CPUs, by pair.
    handovers_ns: Mapping[tuple[int, int], float]
    #: All sentinels: rows of chain and width.
    senses_ns: tuple[sentinel.Floats, ...]
    #: What earlier sessions remembered and this survey does not bear out, in words.
    disagreements: tuple[str, ...] = ()
    #: Why the survey ended early, or saw nothing.
    error: str | None = None


def survey(launch: Survey, cpus: Sequence[int], known: Clean | None, senses: int = 500) -> Surveyed:
    """Run the sentinel on every CPU alone and on likely siblings at once.

    ``senses`` sentinels a CPU, 0.1 ms apart, fewer on many CPUs; ``known`` is what earlier sessions
    found, and counts as far as this survey bears it out.
    """
    each = min(senses, max(LEAST_SENSES, MOST_SENSES // max(1, len(cpus))))
    answer = launch.survey(cpus, neighbours(cpus), each)
    alone = {
        line["cpu"]: np.asarray(line["senses"], dtype=np.float64).reshape(-1, 2)
        for line in answer.lines
        if "senses" in line
    }
    every = tuple(alone.values())
    agreed = agree(np.concatenate((np.empty((0, 2)), *every)), known)
    clean = agreed.clean
    handovers_ns = {
        (line["pair"][0], line["pair"][1]): line["handover_ns"]
        for line in answer.lines
        if "handover_ns" in line
    }
    if clean is None:
        return Surveyed(None, {}, (), handovers_ns, every, agreed.disagreements, answer.error)
    share = {cpu: _near(senses_ns, clean) for cpu, senses_ns in alone.items()}
    shared = []
    for line in answer.lines:
        if "pair" in line and "slices" in line:
            first, second = line["pair"]
            together = float(Slices.from_table(line["slices"]).clean(clean).mean())
            apart = min(share.get(first, 0.0), share.get(second, 0.0))
            if together < SHARED_AT_MOST and apart > ALONE_AT_LEAST:
                shared.append((first, second))
    return Surveyed(
        clean, share, tuple(shared), handovers_ns, every, agreed.disagreements, answer.error
    )


def neighbours(cpus: Sequence[int], most: int = 8) -> list[tuple[int, int]]:
    """Pairs of CPUs that are likely siblings: next to each other, or half the machine apart."""
    half = len(cpus) // 2
    pairs = {(cpus[i], cpus[i + 1]) for i in range(0, len(cpus) - 1, 2)}
    pairs |= {(cpus[i], cpus[i + half]) for i in range(half)} if half else set()
    return sorted(pairs)[:most]


def _near(senses_ns: sentinel.Floats, clean: Clean) -> float:
    ratios = senses_ns[:, 1] / np.maximum(senses_ns[:, 0], 1.0)
    return float((np.abs(ratios / clean.ratio - 1) <= sentinel.TOLERANCE).mean())
