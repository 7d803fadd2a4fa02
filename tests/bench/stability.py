"""What the rule for a stable figure costs and what it lets pass, on the sessions stored with micro.

For the sessions of each boot: the share of figures that are stable, and the share of pairs
of stable figures that lie more than 3 % apart, by the rule in use and by others. Then the pairs of
all figures and of stable ones that lie apart by other estimates than the median. Prints; judges
nothing: ``python tests/bench/stability.py [DIRECTORY]``.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from boots import SHIPPED, by_boot

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from runners.analyse.estimate import LEAST_ROUNDS, find_doubt, median_interval, one_sided_error
from runners.archive.reader import read
from runners.model.benchmark import Benchmark
from runners.model.session import Result

APART = 0.03
Values = list[float]


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


def apart(sessions: list[dict[Benchmark, Values]], estimate: Callable[[Values], float]) -> str:
    """The share of pairs of figures that lie more than 3 % apart."""
    pairs = [
        abs(np.log(estimate(first[b]) / estimate(second[b])))
        for first, second in itertools.combinations(sessions, 2)
        for b in first.keys() & second.keys()
    ]
    share = np.mean(np.array(pairs) > np.log(1 + APART)) if pairs else float("nan")
    return f"{share:5.1%} of {len(pairs)} pairs apart"


def main(directory: Path) -> None:
    """Print a line a rule for the sessions of each boot."""
    for boot, paths in by_boot(directory).items():
        sessions = [
            {r.benchmark: used(r) for r in read(path).results if r.value_s is not None}
            for path in paths
        ]
        print(f"{boot}: {len(sessions)} sessions")
        for name, rule in RULES.items():
            stable = [{b: v for b, v in session.items() if v and rule(v)} for session in sessions]
            share = sum(map(len, stable)) / sum(map(len, sessions))
            print(f"  {name:30} {share:6.1%} stable, {apart(stable, ESTIMATES['median'])}")
        told = [{b: v for b, v in each.items() if len(v) >= LEAST_ROUNDS} for each in sessions]
        stable = [{b: v for b, v in s.items() if find_doubt(v) is None} for s in told]
        for name, estimate in ESTIMATES.items():
            print(f"  {name:30} all: {apart(told, estimate)}; stable: {apart(stable, estimate)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
