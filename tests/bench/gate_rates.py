"""False alarms and power of the gate on simulated sessions: ``python tests/bench/gate_rates.py``.

First baselines of one to eight boots (24 curves of eight points and 20 single benchmarks; sessions
of a boot differ by 0.2 to 0.7 %, boots by 0.95 %, with a variance that scatters from curve to curve
like that of 2 or 4 degrees of freedom), judged from another boot. Then, of one boot,
200 benchmarks, session noise of 1 to 5 % (log-uniform, half of it common to a curve), with and
without whole sessions moving; then +5 % and +10 % on one curve and on one single benchmark whose
noise is under 1.5 %. At last 40 curves of twelve points with 2 or 5 % of noise each, half of them
around the border of O(1): how often a growth class changes where nothing has, and how often a risen
class is found. Seeded. Prints a line a case.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "runners" / "gate"))

from simulated import Machine

from runners.gate.distributions import binomial_bounds
from runners.gate.evidence import Sample
from runners.gate.judge import Rules, judge
from runners.gate.pooling import pool


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
                if str(j.benchmark) in shift:
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


#: Boots in a baseline, sessions of each, and new boots of one session each.
BASELINES = ((1, 8, 1), (2, 4, 1), (4, 2, 1), (8, 1, 1), (8, 1, 3))
SIZES = (0.02, 0.03, 0.05, 0.10)


def boots(count: int, each: int, now: int, scatter: float, seed: int, trials: int) -> str:
    """Unchanged sessions of ``now`` other boots; the same with a curve and a single one slowed."""
    counts: Counter[str] = Counter()
    found = {size: Counter[str]() for size in SIZES}
    for trial in range(trials):
        machine = Machine(
            np.random.default_rng([seed, count, each, int(scatter), trial]),
            *(24, 8, 20, (0.002, 0.007)),
            boot_sd=0.0095,
            boot_dof=scatter,
        )
        baseline = []
        for _ in range(count):
            machine.start_anew()
            baseline += [machine.session() for _ in range(each)]
        new = []
        for _ in range(now):
            machine.start_anew()
            new.append(machine.session())
        today = pool(new)
        seen = Counter(j.verdict for j in judge(baseline, today))
        counts.update(dict.fromkeys(seen, 1))
        counts["suspects"] += seen["suspect"]
        _slow_down(baseline, today, found, Rules())
    return _shares(counts, found, trials)


def same_boot(least: float, seed: int, trials: int) -> str:
    """The same within one boot of eight stored sessions."""
    counts: Counter[str] = Counter()
    found = {size: Counter[str]() for size in SIZES}
    rules = Rules(least_effect=least)
    for trial in range(trials):
        random = np.random.default_rng([seed, 99, trial])
        machine = Machine(random, 24, 8, 20, (0.002, 0.007))
        baseline = [machine.session() for _ in range(8)]
        today = machine.session()
        seen = Counter(j.verdict for j in judge(baseline, today, rules))
        counts.update(dict.fromkeys(seen, 1))
        counts["suspects"] += seen["suspect"]
        _slow_down(baseline, today, found, rules)
    return _shares(counts, found, trials)


def _slow_down(
    baseline: list[Sample],
    today: Sample,
    found: dict[float, Counter[str]],
    rules: Rules,
) -> None:
    for size, tally in found.items():
        for group in ("c0", "s0"):
            slowed = {
                name: replace(figure, log_s=figure.log_s + math.log1p(size) * (name.probe == group))
                for name, figure in today.figures.items()
            }
            for j in judge(baseline, replace(today, figures=slowed), rules):
                if j.benchmark.probe == group and j.kind == "point":
                    tally[j.verdict] += 1


def _shares(counts: Counter[str], found: dict[float, Counter[str]], trials: int) -> str:
    parts = [
        f"+{size:.0%}: {c['regressed'] / c.total():.0%} ({1 - _missed(c):.0%})"
        for size, c in found.items()
    ]
    suspects = f"suspects {counts['suspects'] / trials:.2f} a session"
    regressed = f"regressed {shown(counts['regressed'], trials)}"
    return "  ".join([regressed, f"improved {counts['improved'] / trials:.1%}", suspects, *parts])


def _missed(counts: Counter[str]) -> float:
    return 1 - (counts["regressed"] + counts["suspect"]) / counts.total()


LAST = 2**11


def grows(by: float, f: Callable[[float], float]) -> Callable[[int], float]:
    """Seconds of a curve that grows from a microsecond by this share up to the last level."""
    return lambda n: 1e-6 * (1 + by * (f(n) - f(1)) / (f(LAST) - f(1)))


def square(n: float) -> float:
    return n * n


FLAT, TWICE = grows(0, float), grows(1, float)
LINEAR, SQUARE = grows(LAST - 1, float), grows(LAST**2 - 1, square)
LOGARITHMIC = grows(5, math.log)


def curves(rng: np.random.Generator, noise: float) -> Machine:
    """Half of the curves grow by 0 to 20 %, the others flatly, twofold, or up to a millionfold."""
    machine = Machine(rng, curves=40, points=12, singles=0, sd=(noise, noise), together=0.0)
    clear = (FLAT, TWICE, LOGARITHMIC, LINEAR, SQUARE)
    for c in range(40):
        border = grows(float(rng.uniform(0, 0.2)), (math.log, float)[c % 4 // 2])
        machine.shape(f"c{c}", clear[c // 2 % 5] if c % 2 else border)
    return machine


def changed_classes(sessions: int, noise: float, trials: int) -> str:
    """Share of A/A sessions of 40 curves in which any class rose, or fell."""
    counts: Counter[str] = Counter()
    for trial in range(trials):
        machine = curves(np.random.default_rng([3, sessions, trial]), noise)
        baseline = [machine.session() for _ in range(sessions)]
        judged = judge(baseline, machine.session())
        counts.update({j.verdict for j in judged if "now " in j.why})
    return f"rose {shown(counts['regressed'], trials)} fell {shown(counts['improved'], trials)}"


def risen_classes(
    sessions: int,
    noise: float,
    before: Callable[[int], float],
    now: Callable[[int], float],
    trials: int,
) -> str:
    """Share of risen classes found, four curves a session."""
    risen, found = [f"c{c}" for c in range(4)], 0
    for trial in range(trials):
        machine = curves(np.random.default_rng([4, sessions, trial]), noise)
        shifts: dict[str, float] = {}
        for curve in risen:
            machine.shape(curve, before)
            shifts |= machine.reshaped(curve, now)
        baseline = [machine.session() for _ in range(sessions)]
        found += sum(
            str(j.benchmark) in risen and j.verdict == "regressed" and "now " in j.why
            for j in judge(baseline, machine.session(shifts))
        )
    return shown(found, len(risen) * trials)


def main() -> None:
    """Print all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the boots; 1 was tuned on")
    parser.add_argument("--boots", action="store_true", help="boots alone")
    parser.add_argument("--sessions", type=int, nargs="+", default=[5, 8, 10])
    arguments = parser.parse_args()
    trials = arguments.trials
    for scatter in (2, 4):
        for count, each, now in BASELINES:
            print(f"{count} boots × {each}, new boots {now}, d0 {scatter}:", end=" ")
            print(boots(count, each, now, scatter, arguments.seed, trials), flush=True)
    for least in (0.03, 0.015):
        print(f"one boot × 8, the same boot, least effect {least:.1%}:", end=" ")
        print(same_boot(least, arguments.seed, trials), flush=True)
    if arguments.boots:
        return
    for sessions in arguments.sessions:
        for common_sd in (0.0, 0.02):
            print(f"A/A K={sessions:2} whole sessions {common_sd:.0%}:", end=" ")
            print(false_alarms(sessions, common_sd, trials), flush=True)
    for sessions in arguments.sessions:
        for sd in ((0.005, 0.015), (0.015, 0.015)):
            for size in (0.05, 0.10):
                print(f"+{size:.0%} K={sessions:2} SD {sd[0]:.1%}-{sd[1]:.1%}:", end=" ")
                print(power(sessions, sd, size, trials), flush=True)
    for sessions in arguments.sessions:
        for noise in (0.02, 0.05):
            print(f"classes K={sessions:2} noise {noise:.0%}: A/A", end=" ")
            print(changed_classes(sessions, noise, trials), end="  ", flush=True)
            found = risen_classes(sessions, noise, FLAT, TWICE, trials // 4 + 1)
            print(f"1 to n, twofold: {found}", end="  ", flush=True)
            print(f"n to n²: {risen_classes(sessions, noise, LINEAR, SQUARE, trials // 4 + 1)}")


if __name__ == "__main__":
    main()
