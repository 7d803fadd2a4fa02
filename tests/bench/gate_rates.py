"""False alarms and power of the gate on simulated sessions: ``python tests/bench/gate_rates.py``.

200 benchmarks, session noise of 1 to 5 % (log-uniform, half of it common to a curve), with and
without whole sessions moving; then +5 % and +10 % on one curve and on one single benchmark whose
noise is under 1.5 %. Seeded. Prints a line a case.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "runners"))

from simulated import Machine

from runners.distributions import binomial_bounds
from runners.judge import judge


def shown(hits: int, trials: int) -> str:
    low, high = binomial_bounds(hits, trials)
    return f"{hits / trials:6.1%} ({low:.1%} to {high:.1%})"


def false_alarms(sessions: int, common_sd: float, trials: int) -> str:
    """Share of A/A sessions with any regression, and with any suspect."""
    counts: Counter[str] = Counter()
    for trial in range(trials):
        machine = Machine(np.random.default_rng([1, sessions, trial]), common_sd=common_sd)
        baseline = [machine.session() for _ in range(sessions)]
        seen = Counter(j.verdict for j in judge(baseline, machine.session()))
        counts.update(dict.fromkeys(seen, 1))
        counts["suspects"] += seen["suspect"]
    return (
        f"regressed {shown(counts['regressed'], trials)} improved {counts['improved'] / trials:.1%}"
        f"  suspect {counts['suspect'] / trials:.1%}, {counts['suspects'] / trials:.2f} a session"
    )


def power(sessions: int, sd: tuple[float, float], size: float, trials: int) -> str:
    """Share of slowed benchmarks found: a curve's points, and a single one."""
    tally = {kind: Counter[str]() for kind in ("curve", "single")}
    for trial in range(trials):
        machine = Machine(np.random.default_rng([2, sessions, trial]))
        slowed = [name for name, curve, _ in machine.names if curve == "c0"] + ["s0"]
        low, high = map(math.log, sd)
        for group in ("c0", "s0"):
            drawn = math.exp(machine.rng.uniform(low, high))
            mine = [group in (n, c) for n, c, _ in machine.names]
            machine.errors[np.array(mine)] *= drawn / machine.sds[np.array(mine)]
            machine.sds[np.array(mine)] = drawn
        baseline = [machine.session() for _ in range(sessions)]
        for group, kind in (("c0", "curve"), ("s0", "single")):
            shift = dict.fromkeys(
                [name for name in slowed if name.startswith(group)], math.log1p(size)
            )
            for j in judge(baseline, machine.session(shift)):
                if j.benchmark in shift:
                    tally[kind][j.verdict] += 1
    parts = []
    for kind, counts in tally.items():
        total = counts.total()
        found = counts["regressed"]
        parts.append(
            f"{kind}: regressed {found / total:6.1%}, "
            f"or suspect {(found + counts['suspect']) / total:6.1%}"
        )
    return "  ".join(parts)


def main() -> None:
    """Print all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--sessions", type=int, nargs="+", default=[5, 8, 10])
    arguments = parser.parse_args()
    trials = arguments.trials
    for sessions in arguments.sessions:
        for common_sd in (0.0, 0.02):
            print(f"A/A K={sessions:2} whole sessions {common_sd:.0%}:", end=" ")
            print(false_alarms(sessions, common_sd, trials), flush=True)
    for sessions in arguments.sessions:
        for sd in ((0.005, 0.015), (0.015, 0.015)):
            for size in (0.05, 0.10):
                print(f"+{size:.0%} K={sessions:2} SD {sd[0]:.1%}-{sd[1]:.1%}:", end=" ")
                print(power(sessions, sd, size, trials), flush=True)


if __name__ == "__main__":
    main()
