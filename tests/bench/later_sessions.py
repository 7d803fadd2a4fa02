"""What the gate says of sessions that were recorded later in the same boot, on the stored sessions.

Each session is judged against those of its boot that began at least half an hour before it, of the
same compiled code, if they are five or more. The machine was used meanwhile: for other sessions,
and for the tests of micro. Prints the share of each verdict, and which curves and single figures
were called regressed or improved: ``python tests/bench/later_sessions.py [DIRECTORY]``.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from boots import SHIPPED, by_boot

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from micro.app.comparing import place_of
from runners.archive.baselines import Summary, summarize, when
from runners.gate.evidence import Sample
from runners.gate.judge import judge

LATER, LEAST = timedelta(minutes=30), 5


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
