"""How often a stated growth class is wrong: ``python tests/bench/growth_classes.py --curves 40``.

Synthetic curves of every class: with shares of a constant so that they grow by 15 % to 1,000 times
over the range, on 12 to 17 geometric levels, with 6, 10 or 20 rounds, the noise of a value as given
and another half of it shared by all points of a worker; and curves with a step. Growth near the
10 % that separate O(1) from the rest is left out. A statement is wrong if it is one class and not
the true one, or names a break that is none; a set without the true class is counted apart.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from runners.analyse.growth import _SHAPES, CLASSES, Floats, Growth, find_growth

NOISES = (0.02, 0.05, 0.10)
GROWTHS = (0.15, 0.3, 1.0, 10.0, 1000.0)


@dataclass(frozen=True)
class Truth:
    """What a synthetic curve is: a class a piece, cut before these indices."""

    classes: tuple[str, ...]
    cut: int | None
    levels: Floats
    times_s: Floats


def truths(rng: np.random.Generator) -> Iterator[Truth]:
    """One curve of each kind, on a random range."""
    shapes = dict(_SHAPES)
    count, first = int(rng.integers(12, 18)), int(rng.choice([1, 2, 16]))
    levels = np.unique(np.round(first * 2.0 ** np.arange(count)))
    for growth in (0.0, 0.05):
        yield Truth(("1",), None, levels, 1e-6 * (1 + growth * levels / levels[-1]))
    for name in CLASSES[1:]:
        f = shapes[name](levels)
        for growth in GROWTHS:
            # (a + f_last) / (a + f_first) = 1 + growth; a curve without a constant grows no more.
            a = (f[-1] - f[0] * (1 + growth)) / growth
            yield Truth((name,), None, levels, 1e-9 * (max(a, 0.0) + f))
    cut = count // 2
    after = np.arange(len(levels)) >= cut
    for step in (1.3, 2.0):
        yield Truth(("1", "1"), cut, levels, 1e-6 * np.where(after, step, 1.0))
        yield Truth(("n", "n"), cut, levels, 1e-9 * levels * np.where(after, step, 1.0))


def measured(truth: Truth, noise: float, rounds: int, rng: np.random.Generator) -> Floats:
    """Rounds × levels with this relative noise; one value in twenty is missing."""
    own = rng.normal(0, noise, (rounds, len(truth.levels)))
    shared = rng.normal(0, noise / 2, (rounds, 1))
    values = truth.times_s * np.exp(own + shared)
    values[rng.random(values.shape) < 0.05] = np.nan
    return np.asarray(values, dtype=np.float64)


def verdict(truth: Truth, growth: Growth | None) -> str:
    """right, wrong, undecided, or a set without the true class: missed."""
    assert growth is not None
    if truth.cut is not None and len(growth.pieces) == 1:
        return "undecided" if len(growth.classes) > 1 else "step unseen"
    if len(growth.pieces) != len(truth.classes):
        return "wrong"
    pairs = list(zip(growth.pieces, truth.classes, strict=True))
    if any(len(piece.classes) == 1 and piece.classes != (name,) for piece, name in pairs):
        return "wrong"
    if any(name not in piece.classes for piece, name in pairs):
        return "missed"
    return "right" if all(len(piece.classes) == 1 for piece, _ in pairs) else "undecided"


def tally(noise: float, curves: int, rng: np.random.Generator) -> dict[str, Counter[str]]:
    """Verdicts by kind of curve, for so many curves of each kind."""
    found: dict[str, Counter[str]] = {}
    for i in range(curves):
        for truth in truths(rng):
            values = measured(truth, noise, (6, 10, 20)[i % 3], rng)
            kind = " | ".join(truth.classes)
            answer = verdict(truth, find_growth(truth.levels, values, rng))
            found.setdefault(kind, Counter())[answer] += 1
    return found


VERDICTS = ("right", "undecided", "wrong", "missed", "step unseen")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=40, help="of each kind and noise")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    start, curves = time.perf_counter(), 0
    print(f"{'noise':>5}  {'truth':12}" + "".join(f"{name:>12}" for name in VERDICTS))
    for noise in NOISES:
        found = tally(noise, arguments.curves, np.random.default_rng(arguments.seed))
        found["all"] = sum(found.values(), Counter())
        for kind, counts in found.items():
            print(f"{noise:5.0%}  {kind:12}" + "".join(f"{counts[name]:12}" for name in VERDICTS))
        all_ = found["all"]
        curves += all_.total()
        stated = all_["right"] + all_["wrong"] + all_["step unseen"]
        print(f"{'':5}  wrong, of {stated} stated: {(stated - all_['right']) / stated:.1%}\n")
    print(f"{(time.perf_counter() - start) / curves * 1e3:.1f} ms a curve")


if __name__ == "__main__":
    main()
