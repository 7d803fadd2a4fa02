"""What sessions whose time is short make of it, drawn from the visits stored with micro.

The visits of all sessions of one boot are pooled, in order of time. From each half sessions are
made: each point's visits begin at random and go on from there, in the turns of
`runners.measure.schedule` or, as before, all alike, until the time of a usual session is used up.
A visit to a point takes as long as in the stored sessions, on average. Only points of today's usual
grid count; with ``--all`` all that are stored. Points that not all sessions have get a share of the
time that is theirs.

Prints the share of stable figures, and that of pairs of stable figures, one from each half, that
lie more than 3 % apart: ``python tests/bench/short_sessions.py [--all] [DIRECTORY]``. Judges
nothing. A half of a boot with three sessions has nine visits a point; they repeat.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from boots import SHIPPED, by_boot, visits_of
from rounds_needed import judged

from micro.probes.catalogue import all_probes
from runners.archive.reader import read
from runners.measure.schedule import MOST_VISITS, Settings
from runners.measure.turns import rounds_needed, turn
from runners.model.benchmark import Benchmark
from runners.model.session import Session, Visit

ROUNDS, MOST = Settings.rounds, MOST_VISITS * Settings.rounds
DRAWS, APART = 3, 0.03
Turn = Callable[[Sequence[float], int, int], int]
Pool = Mapping[Benchmark, list[Visit]]


def alike(values: Sequence[float], visits: int, rounds: int) -> int:
    """All figures have the same turn."""
    return 0


def usual() -> set[Benchmark]:
    """The points of today's usual grid."""
    probes = [probe for probe in all_probes() if probe.measured_at("usual")]
    return {job.at(x) for p in probes for job in p.jobs("usual") for x in job.points}


def pooled(sessions: Sequence[Session], grid: set[Benchmark] | None) -> tuple[Pool, Pool, int]:
    """The visits of each half of the sessions, and how many of them a session has time for."""
    results = [r for session in sessions for r in session.results if r.value_s is not None]
    stored = {
        benchmark: visits
        for benchmark, visits in visits_of(results).items()
        if len(visits) >= 8 and (grid is None or benchmark in grid)
    }
    measuring_s = [float(session.settings["measuring_s"]) for session in sessions]
    visit_s = sum(measuring_s) / sum(len(result.visits) for result in results)
    points = len(results) / len(sessions) if grid is None else len(grid)
    count = np.mean(measuring_s) / visit_s * len(stored) / points
    return (
        {benchmark: visits[: len(visits) // 2] for benchmark, visits in stored.items()},
        {benchmark: visits[len(visits) // 2 :] for benchmark, visits in stored.items()},
        round(float(count)),
    )


def drawn(
    pool: Pool, visits: int, of: Turn, rng: np.random.Generator
) -> dict[Benchmark, list[Visit]]:
    """A session of so many visits in all."""
    begin = {benchmark: int(rng.integers(len(stored))) for benchmark, stored in pool.items()}
    had: dict[Benchmark, list[Visit]] = {benchmark: [] for benchmark in pool}
    while visits > 0:
        turns: dict[int, list[Benchmark]] = defaultdict(list)
        for benchmark, own in had.items():
            good = [visit.value_s for visit in own if visit.doubt is None]
            if len(own) < MOST and len(good) < rounds_needed(good, ROUNDS, MOST):
                turns[of(good, len(own), ROUNDS)].append(benchmark)
        if not turns:
            break
        todo = turns[min(turns)]
        for i in rng.permutation(len(todo))[:visits]:
            stored = pool[todo[i]]
            had[todo[i]].append(stored[(begin[todo[i]] + len(had[todo[i]])) % len(stored)])
        visits -= len(todo)
    return had


def main() -> None:
    """Print a line for each boot's sessions and order of visits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="all points, not only today's usual")
    parser.add_argument("folder", nargs="?", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    for boot, paths in by_boot(arguments.folder).items():
        sessions = [read(path) for path in paths]
        first, second, visits = pooled(sessions, None if arguments.all else usual())
        for name, of in (("alike", alike), ("in turns", turn)):
            rng = np.random.default_rng(1)
            stable, far = [], []
            for _ in range(DRAWS):
                one, other = (
                    {b: judged(v) for b, v in drawn(pool, visits, of, rng).items()}
                    for pool in (first, second)
                )
                stable += [doubt is None for _, doubt in (*one.values(), *other.values())]
                far += [
                    abs(np.log(one[b][0] / other[b][0])) > np.log1p(APART)
                    for b in one
                    if one[b][1] is None and other[b][1] is None
                ]
            print(
                f"{boot}: {len(first)} figures, {visits} visits {name}: {np.mean(stable):.0%} "
                f"stable, {np.mean(far):.1%} of {len(far)} pairs apart",
                flush=True,
            )


if __name__ == "__main__":
    main()
