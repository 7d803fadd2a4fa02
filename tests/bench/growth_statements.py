"""How often a statement about growth is right: ``python tests/bench/growth_statements.py``.

Textbook curves first: every law with shares of a constant so that it grows by a factor of 1 to a
million, steps and cliffs, on 12 to 17 geometric levels, with 6, 8 or 10 rounds, one value in twenty
missing, the noise of a value as given and another half of it shared by all points of a worker. With
``--uneven`` as much again moves a level in all rounds alike, as caches do. A statement is right if
it is the law's; open if it is an exponent with an interval that holds the law's; else wrong.

Then the curves of stored sessions against a reading of them by eye, `growth_readings.py`.
Thresholds were tuned with ``--seed 1`` and on every second reading; the others are held out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from growth_readings import READINGS, Reading

from micro.reports.insights.growth_words import growth_words
from micro.reports.insights.systems import CurveSummary, of_session
from runners.analyse.growth import Floats, Growth, Shape, find_growth
from runners.archive.reader import read

BASELINES = Path(__file__).resolve().parents[2] / "baselines"
NOISES = (0.01, 0.03, 0.05, 0.10)
LAWS: dict[Shape, tuple[float, Callable[[Floats], Floats], tuple[float, ...]]] = {
    "like log n": (0.0, np.log, (3.0, 10.0)),
    "about linear": (1.0, np.positive, (3.0, 10.0, 100.0, 1000.0)),
    "quadratic": (2.0, np.square, (3.0, 10.0, 1000.0, 1e6)),
}


@dataclass(frozen=True)
class Truth:
    """A textbook curve: its law, the exponent of that, and whether it ends with a cliff."""

    name: str
    shape: Shape
    exponent: float
    levels: Floats
    times_s: Floats
    cliff: bool = False


def growing(f: Floats, factor: float) -> Floats:
    """Seconds of a curve with this shape that grows by this factor, or less without a constant."""
    if factor == 1:
        return np.full_like(f, 1e-6)
    a = (f[-1] - f[0] * factor) / (factor - 1)
    return np.asarray(1e-9 * (max(a, 0.0) + f))


def truths(rng: np.random.Generator) -> Iterator[Truth]:
    """One curve of each kind, on a random range."""
    count, first = int(rng.integers(12, 18)), int(rng.choice([1, 2, 16]))
    n = np.array([first * 2.0**i for i in range(count)])
    for factor in (1.0, 1.05):
        yield Truth("flat", "flat", 0.0, n, growing(n, factor))
    for law, (exponent, f, factors) in LAWS.items():
        yield Truth("+25 to 75 %", "slight growth", exponent, n, growing(f(n), 1.25))
        yield Truth("+25 to 75 %", "slight growth", exponent, n, growing(f(n), 1.75))
        for factor in factors:
            yield Truth(law, law, exponent, n, growing(f(n), factor))
    for factor in (10.0, 1000.0):
        yield Truth("n log n", "about linear", 1.0, n, growing(n * np.log(n), factor))
    yield Truth("n^1.5", "a power of n", 1.5, n, growing(n**1.5, 1000.0))
    for factor in (2.0, 4.0):
        after = np.arange(count) >= count // 2
        yield Truth("a step", "a step", 0.0, n, np.where(after, factor, 1.0) * 1e-6)
    for factor in (5.0, 1000.0):
        last = np.where(n == n[-1], factor, 1.0)
        yield Truth("cliff, flat", "flat", 0.0, n, growing(n, 1.0) * last, cliff=True)
        yield Truth("cliff, n", "about linear", 1.0, n, growing(n, 100.0) * last, cliff=True)


def measured(
    truth: Truth, noise: float, uneven: bool, rounds: int, rng: np.random.Generator
) -> Floats:
    """Rounds × levels with this relative noise; one value in twenty is missing."""
    own = rng.normal(0, noise, (rounds, len(truth.levels)))
    of_worker = rng.normal(0, noise / 2, (rounds, 1))
    of_level = rng.normal(0, noise * uneven, len(truth.levels))
    values = truth.times_s * np.exp(own + of_worker + of_level)
    values[rng.random(values.shape) < 0.05] = np.nan
    return np.asarray(values, dtype=np.float64)


def verdict(truth: Truth, growth: Growth | None) -> str:
    """right, open or wrong."""
    assert growth is not None
    if (growth.cliff is not None) != truth.cliff:
        return "wrong"
    if growth.shape == truth.shape:
        return "right"
    low, high = growth.p_ci95
    return "open" if growth.shape == "a power of n" and low <= truth.exponent <= high else "wrong"


def tally(
    noise: float, uneven: bool, curves: int, rng: np.random.Generator
) -> dict[str, Counter[str]]:
    """Verdicts by kind of curve, for so many curves of each kind."""
    found: dict[str, Counter[str]] = {}
    for i in range(curves):
        for truth in truths(rng):
            values = measured(truth, noise, uneven, (6, 8, 10)[i % 3], rng)
            answer = verdict(truth, find_growth(truth.levels, values, rng))
            found.setdefault(truth.name, Counter())[answer] += 1
    return found


def textbook(curves: int, seed: int, uneven: bool) -> None:
    """Print a table of the textbook curves: right, open and wrong by kind and noise."""
    start, number = time.perf_counter(), 0
    by_noise = {
        noise: tally(noise, uneven, curves, np.random.default_rng([seed, int(noise * 100)]))
        for noise in NOISES
    }
    print(f"{'right/open/wrong':18}" + "".join(f"{noise:>16.0%}" for noise in NOISES))
    kinds = next(iter(by_noise.values()))
    for kind in [*kinds, "all"]:
        cells = []
        for found in by_noise.values():
            counts = found[kind] if kind != "all" else sum(found.values(), Counter())
            shares = (counts[name] / counts.total() for name in ("right", "open", "wrong"))
            cells.append("/".join(f"{share:.1%}"[:-1] for share in shares))
            number += counts.total() if kind == "all" else 0
        print(f"{kind:18}" + "".join(f"{cell:>16}" for cell in cells))
    print(f"{(time.perf_counter() - start) / number * 1e3:.1f} ms a curve\n")


def stored(folders: Sequence[Path]) -> dict[str, list[CurveSummary]]:
    """The curves of stored sessions whose growth is told, by their label."""
    found: dict[str, list[CurveSummary]] = {}
    for file in sorted(file for folder in folders for file in folder.rglob("*.json.gz")):
        system = of_session(read(file))
        for place, curve in system.curves.items():
            if curve.growth is not None and curve.grows_with_load:
                found.setdefault(f"{file.parent.name}: {place.label}", []).append(curve)
    return found


def statement(curve: CurveSummary) -> str:
    """What is said of a curve, without its numbers."""
    if curve.falls or curve.growth is None:
        return "falls"
    return curve.growth.shape + (", cliff" if curve.growth.cliff is not None else "")


def read_by_eye(reading: Reading, said: str) -> str:
    """right, misleading or wrong, by the reading."""
    if said in reading.right:
        return "right"
    return "misleading" if said in reading.misleading else "wrong"


def sessions(folders: Sequence[Path], verbose: bool) -> None:
    """Print how the statements about stored curves do: one line for the tuned, one held out."""
    for held_out in (False, True):
        counts: Counter[str] = Counter()
        same = curves = 0
        for name, found in stored(folders).items():
            reading = READINGS.get(name.partition(": ")[2])
            if reading is None or reading.held_out is not held_out:
                if reading is None:
                    print(f"no reading of {name}")
                continue
            said = Counter(map(statement, found))
            answers = Counter(read_by_eye(reading, each) for each in said.elements())
            counts += answers
            curves += len(found) > 1
            same += len(found) > 1 and len(said) == 1
            if verbose or len(said) > 1 or answers["right"] < len(found):
                words = Counter(growth_words(c) for c in found)
                listed = "; ".join(f"{count} × {text}" for text, count in words.most_common(20))
                print(f"  {name}: {dict(answers)} {listed}")
        told = ", ".join(f"{counts[name]} {name}" for name in ("right", "misleading", "wrong"))
        part = "held out" if held_out else "tuned on"
        print(f"{part}: {same} of {curves} curves with the same statement in all sessions; {told}")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=20, help="of each kind and noise")
    parser.add_argument("--seed", type=int, default=2, help="1 was tuned on")
    parser.add_argument("--verbose", action="store_true", help="the words of every stored curve")
    parser.add_argument("--uneven", action="store_true", help="as much noise again for each level")
    parser.add_argument("folders", nargs="*", type=Path, default=[BASELINES])
    arguments = parser.parse_args()
    textbook(arguments.curves, arguments.seed, arguments.uneven)
    sessions(arguments.folders, arguments.verbose)


if __name__ == "__main__":
    main()
