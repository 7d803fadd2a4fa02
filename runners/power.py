"""What the gate would have said: of each stored session against the others, as it is or slowed.

The slow-down here is arithmetic: it is added to stored figures, no code runs slower.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from runners.evidence import Sample
from runners.judge import Judgement, judge


@dataclass
class Alarms:
    """Sessions in which nothing had changed, and what the gate said of them."""

    sessions: int = 0
    #: Sessions with at least one regression, improvement, suspect.
    with_verdict: Counter[str] = field(default_factory=Counter)
    #: Benchmarks with that verdict, over all sessions.
    verdicts: Counter[str] = field(default_factory=Counter)
    #: Benchmarks that were said to have moved: by session, for a look at them.
    moved: list[list[Judgement]] = field(default_factory=list)
    slower: int = 0
    faster: int = 0


def left_out(samples: Sequence[Sample]) -> Iterator[tuple[list[Sample], Sample]]:
    """Each session, and all others as its baseline."""
    for i, sample in enumerate(samples):
        yield [*samples[:i], *samples[i + 1 :]], sample


def false_alarms(samples: Sequence[Sample]) -> Alarms:
    """Put every session through the gate, with the others as its baseline."""
    alarms = Alarms()
    for baseline, sample in left_out(samples):
        judged = judge(baseline, sample)
        found = Counter(judgement.verdict for judgement in judged)
        alarms.sessions += 1
        alarms.verdicts.update(found)
        alarms.with_verdict.update(found.keys())
        alarms.moved.append([j for j in judged if j.verdict in ("regressed", "improved")])
        rare = [j for j in judged if j.p is not None and j.p < 0.05 and j.kind == "point"]
        alarms.slower += sum((j.effect or 0) > 0 for j in rare)
        alarms.faster += sum((j.effect or 0) < 0 for j in rare)
    return alarms


@dataclass
class Detection:
    """Benchmarks that were slowed, and how many of them the gate found."""

    slowed: int = 0
    regressed: int = 0
    suspect: int = 0


def detections(
    samples: Sequence[Sample], size: float, most_sd: float
) -> tuple[Detection, int, int]:
    """Slow one probe's figures after the other in every session, by ``size`` (a ratio less 1).

    Counts benchmarks whose deviation between sessions is at most ``most_sd``; returns the count,
    how many benchmarks those are, and how many there are in all.
    """
    quiet, total = _quiet(samples, most_sd)
    found = Detection()
    for baseline, sample in left_out(samples):
        groups: dict[str, list[str]] = {}
        for name, figure in sample.figures.items():
            if name in quiet and figure.doubt is None:
                groups.setdefault(figure.curve or name, []).append(name)
        for names in groups.values():
            slowed = dict(sample.figures)
            for name in names:
                figure = slowed[name]
                slowed[name] = replace(figure, log_s=figure.log_s + math.log1p(size))
            for judgement in judge(baseline, replace(sample, figures=slowed)):
                if judgement.kind == "point" and judgement.benchmark in names:
                    found.slowed += 1
                    found.regressed += judgement.verdict == "regressed"
                    found.suspect += judgement.verdict == "suspect"
    return found, len(quiet), total


def _quiet(samples: Sequence[Sample], most_sd: float) -> tuple[set[str], int]:
    """Benchmarks that differ by no more than ``most_sd``, and how many there are in all."""
    values: dict[str, list[float]] = {}
    for sample in samples:
        for name, figure in sample.figures.items():
            if figure.doubt is None:
                values.setdefault(name, []).append(figure.log_s)
    known = {name: each for name, each in values.items() if len(each) >= 3}
    return {name for name, each in known.items() if _sd(each) <= most_sd}, len(known)


def _sd(values: Sequence[float]) -> float:
    middle = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))
