"""How far figures moved between the stored boots, and what the gate says of each boot held out.

Micro's own code changed between these boots, so they would not be pooled: here the hashes of the
code are ignored, and only benchmarks that all boots have are used. A boot is judged against those
of its kind of machine: with a CPU of the same name and, as in the gate, a clock that differs by at
most 5 %; clock-bound figures are restated at one clock, as there. What is told of these is an upper
bound of what boots differ by, as changes of micro are in it.
Prints; judges nothing: ``python tests/bench/held_out_boots.py [DIRECTORY]``.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from boots import SHIPPED, by_boot

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from micro.app.comparing import at_clock, place_of
from runners.archive.baselines import CLOCK, Summary, summarize
from runners.gate.boots import PLACES
from runners.gate.evidence import Sample
from runners.gate.judge import Judgement, judge
from runners.gate.pooling import pool
from runners.model.benchmark import Benchmark

SAME_CLOCK = np.log(1.05)


def sample_of(session: Summary, boot: str, shared: set[Benchmark], clock_ns: float) -> Sample:
    """The session's shared figures as if one code had measured them all, in the boot so named.

    They are stated at the clock with which the sentinel takes so many nanoseconds.
    """
    figures = {
        name: replace(figure, code=None, counts=())
        for name, figure in at_clock(session, clock_ns).figures.items()
        if name in shared
    }
    return Sample(figures, {}, boot)


def median_clock_ns(sessions: list[Summary]) -> float:
    """The sentinel's time at the best clock."""
    return float(np.median([float(session.settings[CLOCK]) for session in sessions]))


def one_kind(one: list[Summary], other: list[Summary]) -> bool:
    """Whether two boots are of one kind of machine."""
    models = {session.environment.get("cpu_model") for session in (*one, *other)}
    return (
        len(models) == 1
        and abs(np.log(median_clock_ns(one) / median_clock_ns(other))) <= SAME_CLOCK
    )


def verdicts(judged: list[Judgement]) -> str:
    """The share of each verdict among the points."""
    points = [judgement for judgement in judged if judgement.kind == "point"]
    counts = Counter(judgement.verdict for judgement in points)
    told = ", ".join(f"{n / len(points):.1%} {verdict}" for verdict, n in counts.most_common())
    return f"{len(points)} points: {told}"


def main(directory: Path) -> None:
    """Print a line for each pair of boots, and for each boot held out."""
    boots = {
        boot: [summarize(path) for path in paths] for boot, paths in by_boot(directory).items()
    }
    shared = set.intersection(
        *({n for s in sessions for n in s.sample.figures} for sessions in boots.values())
    )
    print(f"{len(shared)} benchmarks in all {len(boots)} boots; hashes of micro's code are ignored")
    clocks = {boot: median_clock_ns(sessions) for boot, sessions in boots.items()}

    def samples(boot: str, clock_of: str) -> list[Sample]:
        return [sample_of(s, boot, shared, clocks[clock_of]) for s in boots[boot]]

    for one, other in itertools.combinations(boots, 2):
        kind = "one kind" if one_kind(boots[one], boots[other]) else "other machines"
        clock = f"{clocks[other] / clocks[one] - 1:+.1%}"
        pooled = {boot: pool(samples(boot, one)).figures for boot in (one, other)}
        print(f"{one} to {other} ({kind}): clock {clock}; at one clock:")
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
    for boot, sessions in boots.items():
        others = [o for o in boots if o != boot and one_kind(sessions, boots[o])]
        rest = [sample for other in others for sample in samples(other, boot)]
        if not rest:
            print(f"{boot}: no other boot is of its kind")
            continue
        print(f"{boot} held out, judged against {', '.join(others)} ({len(rest)} sessions):")
        own = samples(boot, boot)
        for number, sample in enumerate(own, 1):
            print(f"  session {number}, {verdicts(judge(rest, sample, place_of=place_of))}")
        print(f"  all as one, {verdicts(judge(rest, pool(own), place_of=place_of))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
