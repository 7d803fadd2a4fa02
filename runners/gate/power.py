"""How often the gate cries wolf and what it finds, counted over sessions that were judged.

The slow-downs here are arithmetic: they are added to stored figures, no code runs slower.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from runners.gate.evidence import Sample
from runners.gate.judge import Judgement
from runners.model.benchmark import Benchmark


@dataclass
class Alarms:
    """What the gate said of sessions in which nothing had changed."""

    sessions: int = 0
    #: Sessions with at least one such verdict, and benchmarks with it over all sessions.
    with_verdict: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    #: Of each session the benchmarks that were said to have moved.
    moved: list[list[Judgement]] = field(default_factory=list)
    #: Benchmarks at p < 0.05 in either direction: as many, where the rule is symmetric.
    slower: int = 0
    faster: int = 0


def false_alarms(sessions: Iterable[Sequence[Judgement]]) -> Alarms:
    """Count over judged sessions in which nothing had changed."""
    alarms = Alarms()
    for judged in sessions:
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
    samples: Sequence[Sample],
    judged: Callable[[int, Sample], Sequence[Judgement]],
    benchmarks: set[Benchmark],
    size: float,
) -> Detection:
    """Slow one curve or single benchmark after the other in every sample, by ``size``.

    ``size`` is a ratio less 1; only ``benchmarks`` are slowed and counted. ``judged`` says what the
    gate makes of a sample that takes the place of the one with this number.
    """
    found = Detection()
    for number, sample in enumerate(samples):
        groups: dict[Benchmark, list[Benchmark]] = {}
        for name, figure in sample.figures.items():
            if name in benchmarks and figure.doubt is None:
                groups.setdefault(name.curve, []).append(name)
        for names in groups.values():
            slowed = dict(sample.figures)
            for name in names:
                slowed[name] = replace(slowed[name], log_s=slowed[name].log_s + math.log1p(size))
            for judgement in judged(number, replace(sample, figures=slowed)):
                if judgement.kind == "point" and judgement.benchmark in names:
                    found.slowed += 1
                    found.regressed += judgement.verdict == "regressed"
                    found.suspect += judgement.verdict == "suspect"
    return found


def deviations(samples: Sequence[Sample]) -> dict[Benchmark, float]:
    """The standard deviation of each benchmark between sessions, as a log; of three and more."""
    values: dict[Benchmark, list[float]] = {}
    for sample in samples:
        for name, figure in sample.figures.items():
            if figure.doubt is None:
                values.setdefault(name, []).append(figure.log_s)
    return {name: _sd(known) for name, known in values.items() if len(known) >= 3}


def _sd(values: Sequence[float]) -> float:
    middle = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))
