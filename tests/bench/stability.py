"""What the rule for a stable figure costs and what it lets pass, on the sessions stored with micro.

For the sessions of each boot: the share of figures that are stable, and the share of pairs
of stable figures that lie more than 3 % apart, by the rule in use and by others. A pair is of the
same compiled code. Then the pairs of sessions in a row and of those that were recorded later, and
the pairs of all figures and of stable ones that lie apart by other estimates than the median.
Prints; judges nothing: ``python tests/bench/stability.py [DIRECTORY]``.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from boots import SHIPPED, by_boot

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from runners.analyse.estimate import LEAST_ROUNDS, find_doubt, median_interval, one_sided_error
from runners.archive.reader import read
from runners.model.benchmark import Benchmark
from runners.model.session import Result

APART = 0.03
#: The starts of two sessions in a row lie no farther apart.
IN_A_ROW = timedelta(minutes=10)
Values = list[float]
#: What was measured, and a hash of the code that measured it.
Figure = tuple[Benchmark, str | None]
#: When it began, and its figures.
Session = tuple[datetime, dict[Figure, Values]]


def used(result: Result) -> Values:
    """The rounds that a figure rests on; none where too many were disturbed."""
    good = [visit.value_s for visit in result.visits if visit.doubt is None]
    return good if len(good) >= 3 and 3 * len(good) >= len(result.visits) else []


def range_rule(values: Values) -> bool:
    """The rule before: an interval of at most 8 % from six rounds on."""
    if len(values) < 6:
        return False
    middle, (low, high) = median_interval(values)
    return high - low <= 0.08 * middle


RULES: dict[str, Callable[[Values], bool]] = {
    "in use": lambda values: find_doubt(values) is None,
    "interval of 8 % from 6 rounds": range_rule,
    **{
        f"error of {limit:.2%} from 4 rounds": (
            lambda values, limit=limit: len(values) >= 4 and one_sided_error(values) <= limit  # type: ignore[misc]
        )
        for limit in (0.0075, 0.01, 0.015)
    },
}


ESTIMATES: dict[str, Callable[[Values], float]] = {
    "median": lambda values: float(np.median(values)),
    "lower quartile": lambda values: float(np.percentile(values, 25)),
    "minimum": min,
}


def session_of(path: Path) -> Session:
    """A stored session; its file is named by its beginning."""
    began = datetime.strptime(path.name[:15], "%Y%m%dT%H%M%S")
    results = [result for result in read(path).results if result.value_s is not None]
    return began, {(result.benchmark, result.code): used(result) for result in results}


def those(sessions: list[Session], holds: Callable[[Values], bool]) -> list[Session]:
    """The sessions with those of their figures for which this holds."""
    return [(began, {f: v for f, v in found.items() if holds(v)}) for began, found in sessions]


def apart(
    sessions: list[Session],
    estimate: Callable[[Values], float] = ESTIMATES["median"],
    counts: Callable[[timedelta], bool] = lambda between: True,
) -> str:
    """The share of pairs of figures that lie more than 3 % apart, of sessions that count."""
    pairs = [
        abs(np.log(estimate(first[f]) / estimate(second[f])))
        for (earlier, first), (later, second) in itertools.combinations(sessions, 2)
        if counts(later - earlier)
        for f in first.keys() & second.keys()
    ]
    share = np.mean(np.array(pairs) > np.log(1 + APART)) if pairs else float("nan")
    return f"{share:5.1%} of {len(pairs)} pairs apart"


def main(directory: Path) -> None:
    """Print a line a rule for the sessions of each boot."""
    for boot, paths in by_boot(directory).items():
        sessions = [session_of(path) for path in paths]
        print(f"{boot}: {len(sessions)} sessions")
        for name, rule in RULES.items():
            stable = those(sessions, lambda values, rule=rule: bool(values) and rule(values))  # type: ignore[misc]
            share = sum(len(found) for _, found in stable) / sum(len(f) for _, f in sessions)
            print(f"  {name:30} {share:6.1%} stable, {apart(stable)}")
        told = those(sessions, lambda values: len(values) >= LEAST_ROUNDS)
        stable = those(told, lambda values: find_doubt(values) is None)
        print(f"  {'sessions in a row':30} {apart(stable, counts=lambda gap: gap <= IN_A_ROW)}")
        print(f"  {'others':30} {apart(stable, counts=lambda gap: gap > IN_A_ROW)}")
        for name, estimate in ESTIMATES.items():
            print(f"  {name:30} all: {apart(told, estimate)}; stable: {apart(stable, estimate)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
