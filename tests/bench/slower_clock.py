"""What the gate says of a session that saw only a slower one of the processor's clocks.

Each stored session is judged against the others of its boot and code, if they are five or more:
as it is; as if its clock had been slower by 3.3 %, with and without restating the stored figures at
that clock; and so slowed with one probe's figures 5 or 10 % longer. The sentinel's time is also
told wrongly by up to 0.5 %, in either direction. Prints the sessions with a verdict of each kind,
and the share of the longer figures that were found: ``python tests/bench/slower_clock.py
[DIRECTORY]``. Seeded.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from boots import SHIPPED, by_boot
from later_sessions import LEAST, of_the_code

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from micro.app.comparing import at_clock, place_of
from runners.archive.baselines import CLOCK, Summary, summarize
from runners.gate.evidence import Sample
from runners.gate.judge import Judgement, judge

SLOWER, WRONG = 1.033, 0.005
LONGER = (0.05, 0.10)
PROBES = 12
BAD = ("regressed", "suspect")


def at_slower_clock(session: Summary, wrong: float) -> Summary:
    """The session as a slower clock would have made it; that clock is told wrongly by a share."""
    own_ns = float(session.settings[CLOCK])
    slowed = at_clock(session, own_ns * SLOWER)
    settings = {**session.settings, CLOCK: own_ns * SLOWER * (1 + wrong)}
    return replace(session, sample=slowed, settings=settings)


def judged(now: Summary, stored: Sequence[Summary], restated: bool) -> list[Judgement]:
    """The gate's judgements of a session's times, with or without the rule for clocks."""
    sample = Sample({n: replace(f, counts=()) for n, f in now.sample.figures.items()}, {}, "now")
    rest = []
    for session in stored:
        figures = at_clock(session, now.settings[CLOCK]) if restated else session.sample
        rest.append(of_the_code(replace(session, sample=figures), sample))
    return [j for j in judge(rest, sample, place_of=place_of) if j.kind == "point"]


def longer(session: Summary, probe: str, share: float) -> Summary:
    """The same with all figures of one probe longer by a share."""
    figures = {
        name: replace(f, log_s=f.log_s + math.log1p(share)) if name.probe == probe else f
        for name, f in session.sample.figures.items()
    }
    return replace(session, sample=replace(session.sample, figures=figures))


def told(cases: Sequence[list[Judgement]]) -> str:
    """In how many sessions a figure has each verdict that matters, and how many figures."""
    parts = []
    for verdict in ("regressed", "suspect", "improved"):
        counts = [sum(j.verdict == verdict for j in case) for case in cases]
        parts.append(f"{verdict} in {sum(map(bool, counts))} ({sum(counts)} figures)")
    return f"of {len(cases)} sessions " + ", ".join(parts)


def found(cases: Sequence[tuple[Summary, list[Summary]]], restated: bool, share: float) -> str:
    """The share of longer figures that are regressed, or suspect, over some probes of each."""
    counts: Counter[str] = Counter()
    for number, (now, stored) in enumerate(cases):
        probes = sorted({name.probe for name, f in now.sample.figures.items() if f.doubt is None})
        rng = np.random.default_rng([7, number])
        for probe in rng.choice(probes, min(PROBES, len(probes)), replace=False):
            for j in judged(longer(now, str(probe), share), stored, restated):
                if j.benchmark.probe == probe and j.verdict != "new":
                    counts[j.verdict] += 1
    total = max(1, counts.total())
    regressed, either = counts["regressed"], sum(counts[verdict] for verdict in BAD)
    return f"{share:+.0%}: {regressed / total:.0%} ({either / total:.0%}) of {total}"


def main(directory: Path) -> None:
    """Print the lines of each boot that has sessions enough."""
    for boot, paths in by_boot(directory).items():
        sessions = [summarize(path) for path in paths]
        if len(sessions) <= LEAST:
            continue
        rng = np.random.default_rng(7)
        plain = [(now, [s for s in sessions if s is not now]) for now in sessions]
        slowed = [(at_slower_clock(now, rng.uniform(-WRONG, WRONG)), rest) for now, rest in plain]
        print(f"{boot}, as they are: {told([judged(*c, restated=True) for c in plain])}")
        for restated in (False, True):
            how = "restated" if restated else "not restated"
            verdicts = told([judged(*case, restated=restated) for case in slowed])
            print(f"{boot}, clock 3.3 % slower, {how}: {verdicts}", flush=True)
        for share in LONGER:
            for name, cases in (("as they are", plain), ("clock slower", slowed)):
                print(f"{boot}, {name}, longer by {found(cases, True, share)}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
