"""Two alternatives on one machine, in blocks: which one is faster, and how sure is that?

Blocks of A B B A (or B A A B) take away whatever drifts linearly; each gives one log ratio. Nothing
is assumed of their distribution but that it is symmetric where A and B are the same.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runners.analyse.estimate import median_interval

#: Blocks below which no p is small enough to survive several benchmarks: 2 / 2^11 = 0.001.
LEAST_BLOCKS = 11
_ALL_FLIPS = 14
_SOME_FLIPS = 20_000


@dataclass(frozen=True)
class Difference:
    """B against A: the median ratio less 1, its 95 % interval, and the two-sided p."""

    ratio: float
    interval: tuple[float, float]
    p: float
    blocks: int


def order(rng: random.Random) -> str:
    """A block's order: ``ABBA`` or ``BAAB``."""
    return rng.choice(("ABBA", "BAAB"))


def log_ratio(a_s: Sequence[float], b_s: Sequence[float]) -> float:
    """A block's B over A, as the logarithm of the ratio of geometric means."""
    return math.fsum(map(math.log, b_s)) / len(b_s) - math.fsum(map(math.log, a_s)) / len(a_s)


def difference(log_ratios: Sequence[float]) -> Difference:
    """The verdict of all blocks: the sign test's interval and the sign-flip test's p."""
    middle, (low, high) = median_interval(log_ratios)
    return Difference(
        math.expm1(middle),
        (math.expm1(low), math.expm1(high)),
        sign_flip_p(log_ratios),
        len(log_ratios),
    )


def sign_flip_p(values: Sequence[float]) -> float:
    """How often random signs make a mean at least as far from zero; exact up to 14 values."""
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    seen = abs(math.fsum(values))
    if len(sizes) <= _ALL_FLIPS:
        # Half of them suffice: the other half are their mirror images.
        signs = np.array(
            [(1.0, *rest) for rest in itertools.product((1.0, -1.0), repeat=len(sizes) - 1)]
        )
        return float((np.abs(signs @ sizes) >= seen * (1 - 1e-12)).mean())
    signs = np.random.default_rng(0).choice((1.0, -1.0), size=(_SOME_FLIPS, len(sizes)))
    as_far = int((np.abs(signs @ sizes) >= seen * (1 - 1e-12)).sum())
    return (as_far + 1) / (_SOME_FLIPS + 1)
