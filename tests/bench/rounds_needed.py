"""How many rounds a figure takes to be stable, drawn from the sessions stored with micro.

The visits of all sessions of one boot are pooled, in order of time. From each half a session of so
many rounds is made: a stretch of consecutive visits that begins at random (what disturbs a round
disturbs the next one, too), and then more, as the scheduler does, until the figure is stable or has
had its most visits.
Prints the share of figures that are stable, before and after the additional visits, how many that
takes, and the share of pairs of stable figures, one from each half, that lie more than 3 % apart:
``python tests/bench/rounds_needed.py [DIRECTORY]``. A half has a few dozen visits; they repeat
where more are asked for. Judges nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from boots import SHIPPED, by_boot, visits_of

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from runners.analyse.estimate import find_doubt
from runners.archive.reader import read
from runners.measure.turns import rounds_needed
from runners.model.session import Visit

#: Rounds, and the most visits to a point.
CASES = ((6, 6), (10, 10), (10, 30), (8, 64), (10, 80), (12, 96), (20, 80))
DRAWS = 4
APART = 0.03


class Drawn(NamedTuple):
    """What became of one figure: its median, and why it is unstable, if it is."""

    median_s: float
    first: str | None
    last: str | None
    visits: int


def judged(visits: list[Visit]) -> tuple[float, str | None]:
    """The median of these visits, and the doubt that `runners.measure.point` would find."""
    good = [visit.value_s for visit in visits if visit.doubt is None]
    if len(good) < 3 or 3 * len(good) < len(visits):
        return 0.0, "disturbed"
    return float(np.median(good)), find_doubt(good)


def draw(visits: list[Visit], rounds: int, most: int, rng: np.random.Generator) -> Drawn:
    """Visit as the scheduler does."""
    begin = int(rng.integers(len(visits)))
    endless = [visits[(begin + i) % len(visits)] for i in range(most)]
    used = rounds
    _, first = judged(endless[:rounds])
    while used < most:
        good = [visit.value_s for visit in endless[:used] if visit.doubt is None]
        missing = rounds_needed(good, rounds, most) - len(good)
        if missing <= 0:
            break
        used = min(used + missing, most)
    median_s, last = judged(endless[:used])
    return Drawn(median_s, first, last, used)


def pair(
    visits: list[Visit], rounds: int, most: int, rng: np.random.Generator
) -> tuple[Drawn, Drawn]:
    """A figure from each half of the visits."""
    half = len(visits) // 2
    return draw(visits[:half], rounds, most, rng), draw(visits[half:], rounds, most, rng)


def apart(one: Drawn, other: Drawn) -> bool:
    """Whether two figures differ by more than 3 %."""
    return bool(abs(np.log(one.median_s / other.median_s)) > np.log1p(APART))


def kind(why: str) -> str:
    """The doubt without its numbers."""
    return why.partition(":")[0].rstrip("0123456789% apt")


def main(directory: Path) -> None:
    """Print a line for each boot's sessions, number of rounds and most visits."""
    for boot, paths in by_boot(directory).items():
        results = [result for path in paths for result in read(path).results]
        figures = visits_of(result for result in results if result.value_s is not None)
        print(f"{boot}: {sum(map(len, figures.values()))} visits of {len(figures)} figures")
        for rounds, most in CASES:
            rng = np.random.default_rng(rounds)
            pairs = [
                pair(visits, rounds, most, rng)
                for visits in figures.values()
                if len(visits) >= 10
                for _ in range(DRAWS)
            ]
            drawn = [one for both in pairs for one in both]
            first = np.mean([one.first is None for one in drawn])
            last = np.mean([one.last is None for one in drawn])
            used = np.mean([one.visits for one in drawn])
            both = [two for two in pairs if two[0].last is None and two[1].last is None]
            far = np.mean([apart(*two) for two in both]) if both else float("nan")
            reasons = Counter(kind(one.last) for one in drawn if one.last is not None)
            rest = ", ".join(f"{n / len(drawn):.1%} {why}" for why, n in reasons.most_common(3))
            print(
                f"  {rounds:2} rounds, at most {most:3} visits: {first:5.1%} stable, then "
                f"{last:5.1%} after {used:4.1f} visits; {far:4.1%} of pairs apart (rest: {rest})",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
