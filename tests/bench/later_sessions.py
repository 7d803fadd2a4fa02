"""What the gate says of sessions that were recorded later in the same boot, on the stored sessions.

Each session is judged against those of its boot that began at least half an hour before it, of the
same compiled code, if they are five or more. The machine was used meanwhile: for other sessions,
and for the tests of micro. Prints the share of each verdict, and which curves and single figures
were called regressed or improved; before that, how far stable figures moved between occasions:
sessions that follow each other within 20 minutes are of one. ``python
tests/bench/later_sessions.py [DIRECTORY]``.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from boots import SHIPPED, by_boot

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from micro.app.comparing import place_of
from runners.archive.baselines import Summary, summarize, when
from runners.gate.evidence import Sample
from runners.gate.judge import judge

LATER, LEAST = timedelta(minutes=30), 5
SAME_OCCASION = timedelta(minutes=20)


def occasions(began: Mapping[Path, datetime]) -> list[list[Path]]:
    """The sessions, the oldest first, by occasion."""
    found: list[list[Path]] = []
    last = None
    for path, start in sorted(began.items(), key=lambda item: item[1]):
        if last is None or start - last > SAME_OCCASION:
            found.append([])
        found[-1].append(path)
        last = start
    return found


def drift(began: Mapping[Path, datetime]) -> str:
    """The standard deviation of figures within occasions and between, in words."""
    values: dict[object, list[list[float]]] = defaultdict(list)
    for paths in occasions(began):
        here: dict[object, list[float]] = defaultdict(list)
        for path in paths:
            for name, figure in summarize(path).sample.figures.items():
                if figure.doubt is None:
                    here[name, figure.code].append(figure.log_s)
        for key, found in here.items():
            if len(found) >= 2:
                values[key].append(found)
    within, between = [], []
    for groups in values.values():
        if len(groups) >= 2:
            variance = np.average(
                [np.var(g, ddof=1) for g in groups], weights=[len(g) - 1 for g in groups]
            )
            each = np.mean([len(group) for group in groups])
            within.append(variance)
            between.append(max(0.0, np.var([np.mean(g) for g in groups], ddof=1) - variance / each))
    if not between:
        return "one occasion"
    moved = np.sqrt(between)
    return (
        f"{len(moved)} figures: within an occasion {np.sqrt(np.median(within)):.2%} (median), "
        f"between {np.median(moved):.2%} (median), {np.sqrt(np.mean(between)):.2%} (mean square), "
        f"{np.percentile(moved, 98):.1%} (one in fifty more)"
    )


def of_the_code(earlier: Summary, sample: Sample) -> Sample:
    """What a session has of the code that measured this sample, as if in the same boot."""
    figures = {
        name: replace(figure, counts=())
        for name, figure in earlier.sample.figures.items()
        if name in sample.figures and sample.figures[name].code == figure.code
    }
    return Sample(figures, {}, sample.boot)


def main(directory: Path) -> None:
    """Print a line for each session that has such a baseline, and what was called changed."""
    for boot, paths in by_boot(directory).items():
        began: dict[Path, datetime] = {path: found for path in paths if (found := when(path))}
        print(f"{boot}, {drift(began)}")
        changed: Counter[str] = Counter()
        for path, start in began.items():
            current = summarize(path).sample
            sample = Sample(
                {n: replace(f, counts=()) for n, f in current.figures.items()}, {}, boot
            )
            earlier = [p for p, other in began.items() if start - other >= LATER]
            if len(earlier) < LEAST:
                continue
            rest = [of_the_code(summarize(p), sample) for p in earlier]
            judged = [j for j in judge(rest, sample, place_of=place_of) if j.kind == "point"]
            counts = Counter(j.verdict for j in judged if j.verdict != "new")
            told = ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common())
            print(f"{boot}, {path.name[:15]} against {len(earlier)}: {told}", flush=True)
            changed.update(
                {
                    f"{j.verdict} {j.benchmark.curve.label}"
                    for j in judged
                    if j.verdict in ("regressed", "improved")
                }
            )
        for label, count in changed.most_common():
            print(f"  {label}: in {count} sessions")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
