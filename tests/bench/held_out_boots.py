"""How far figures moved between the stored boots, and what the gate says of each boot held out.

Micro's own code changed between these boots, so they would not be pooled: here the hashes of the
code are ignored, and only benchmarks that all boots have are used. What is told is therefore an
upper bound of what boots differ by: changes of micro, of the machine and of its clock are in it.
Prints; judges nothing: ``python tests/bench/held_out_boots.py [DIRECTORY]``.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from micro.app.comparing import place_of
from runners.archive.baselines import CLOCK, Summary, load
from runners.gate.boots import PLACES
from runners.gate.evidence import Sample
from runners.gate.judge import Judgement, judge
from runners.gate.pooling import pool
from runners.model.benchmark import Benchmark


def sample_of(session: Summary, day: str, shared: set[Benchmark]) -> Sample:
    """The session's shared figures as if one code had measured them all, in a boot of that day."""
    figures = {
        name: replace(figure, code=None, counts=())
        for name, figure in session.sample.figures.items()
        if name in shared
    }
    return Sample(figures, {}, day)


def clock_ns(sessions: list[Summary]) -> float:
    """The sentinel's time at the best clock."""
    return float(np.median([float(session.settings[CLOCK]) for session in sessions]))


def at_clock(sample: Sample, log: float) -> Sample:
    """The same, at a clock that is slower by this much."""
    figures = {n: replace(f, log_s=f.log_s - log) for n, f in sample.figures.items()}
    return replace(sample, figures=figures)


def verdicts(judged: list[Judgement]) -> str:
    """The share of each verdict among the points."""
    points = [judgement for judgement in judged if judgement.kind == "point"]
    counts = Counter(judgement.verdict for judgement in points)
    told = ", ".join(f"{n / len(points):.1%} {verdict}" for verdict, n in counts.most_common())
    return f"{len(points)} points: {told}"


def main(directory: Path) -> None:
    """Print a line for each pair of boots, and for each boot held out."""
    days: dict[str, list[Summary]] = defaultdict(list)
    for session in load(directory).sessions:
        days[session.path.name[:8]].append(session)
    shared = set.intersection(
        *({n for s in sessions for n in s.sample.figures} for sessions in days.values())
    )
    print(f"{len(shared)} benchmarks in all {len(days)} boots; hashes of micro's code are ignored")
    clocks = {day: np.log(clock_ns(sessions)) for day, sessions in days.items()}
    samples = {
        day: [at_clock(sample_of(s, day, shared), clocks[day]) for s in sessions]
        for day, sessions in days.items()
    }
    pooled = {day: pool(sessions).figures for day, sessions in samples.items()}
    for one, other in itertools.combinations(days, 2):
        print(
            f"{one} to {other}: clock {np.expm1(clocks[other] - clocks[one]):+.1%}; at one clock:"
        )
        for place in PLACES:
            moved = [
                pooled[other][name].log_s - pooled[one][name].log_s
                for name in shared
                if place_of(name) == place
                and pooled[one][name].doubt is None
                and pooled[other][name].doubt is None
            ]
            if moved:
                q = np.expm1(np.percentile(moved, (10, 50, 90)))
                far = np.mean(np.abs(moved) > np.log(1.03))
                print(
                    f"  {place:10} {len(moved):3} figures: median {q[1]:+.1%}, 80 % within "
                    f"{q[0]:+.1%} to {q[2]:+.1%}; {far:.0%} moved by more than 3 %"
                )
    for day in days:
        rest = [s for other in days if other != day for s in samples[other]]
        print(f"{day} held out, judged against {len(days) - 1} boots ({len(rest)} sessions):")
        for number, sample in enumerate(samples[day], 1):
            print(f"  session {number}, {verdicts(judge(rest, sample, place_of=place_of))}")
        print(f"  all as one, {verdicts(judge(rest, pool(samples[day]), place_of=place_of))}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "baselines/linux-x86_64-2cpu"))
