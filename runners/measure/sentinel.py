"""Reading the sentinel: which slices were measured on a core of our own, and at which clock.

Workloads run two stretches of fixed code around every slice (`cyext/core/sentinel.h`). Their ratio,
width over chain, is a constant of the microarchitecture while the core is not shared; the chain's
time alone tracks the clock rate. Slices are chosen by the sentinel alone, never by the measured
value, and the sentinel makes no system call: a slower kernel cannot hide behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: How far a clean slice's ratio may lie from the clean level.
TOLERANCE = 0.02
#: A level is sharp if the samples around it lie this close together (interquartile range over
#: median); where none is, the sentinel says nothing about this CPU.
SHARP = 0.006
#: What others may use of a slice's CPUs before it is spoiled: this share of it, and nanoseconds.
FOREIGN_SHARE, FOREIGN_NS = 0.02, 30_000
#: A slice in a worker's table: its time, two sentinels of two numbers, the CPU time of others.
SLICE_NUMBERS = 6
_WINDOW = 0.01
_LEAST_SAMPLES = 20
_LEAST_SHARE = 0.02
#: The best clock is this percentile of the chain's times: the least one may be a fluke.
_BEST = 5


@dataclass(frozen=True)
class Clean:
    """The sentinel on a core of our own: ``ratio`` width over chain, ``chain_ns`` at best clock."""

    ratio: float
    chain_ns: float


@dataclass(frozen=True)
class Slices:
    """The slices of one point of one visit: nanoseconds of each batch, and the sentinels beside it.

    ``senses_ns`` has a row a slice: chain and width before, chain and width after. ``foreign_ns``
    is what others used of the CPUs of each slice, -1 where that is unknown.
    """

    elapsed_ns: Floats
    senses_ns: Floats
    foreign_ns: Floats

    @classmethod
    def from_table(cls, table: list[int]) -> Slices:
        """From the flat table that a worker sends: six numbers a slice."""
        rows = np.asarray(table, dtype=np.float64).reshape(-1, SLICE_NUMBERS)
        return cls(rows[:, 0], rows[:, 1:5], rows[:, 5])

    def ratios(self) -> Floats:
        """Width over chain, before and after: a row a slice."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.senses_ns[:, 1::2] / self.senses_ns[:, 0::2]

    def undisturbed(self) -> npt.NDArray[np.bool_]:
        """Of which slices others used little CPU time; those where it is unknown are among them."""
        return self.foreign_ns <= FOREIGN_SHARE * self.elapsed_ns + FOREIGN_NS

    def clean(self, level: Clean | None) -> npt.NDArray[np.bool_]:
        """Which slices are undisturbed and have a clean sentinel on both sides.

        The sentinel says nothing where no clean level is known.
        """
        if level is None:
            return self.undisturbed()
        near = np.abs(self.ratios() / level.ratio - 1) <= TOLERANCE
        return np.asarray(near.all(axis=1)) & self.undisturbed()

    def at_best_clock_ns(self, level: Clean | None) -> Floats:
        """Each slice as it would have been at the session's best clock."""
        if level is None:
            return self.elapsed_ns
        chain_ns = self.senses_ns[:, 0::2].mean(axis=1)
        return np.asarray(self.elapsed_ns * level.chain_ns / np.maximum(chain_ns, 1.0))


def find_clean(pairs_ns: Floats) -> Clean | None:
    """The clean level among sentinels (rows of chain and width), or None where none is sharp.

    A neighbour only ever raises the ratio, so the clean level is the lowest value at which samples
    pile up; single ones below it come from interrupts inside the chain. It takes a fiftieth of
    the samples, and at least 20, to count as a pile.
    """
    pairs_ns = pairs_ns[(pairs_ns > 0).all(axis=1)]
    if len(pairs_ns) < _LEAST_SAMPLES:
        return None
    ratios = pairs_ns[:, 1] / pairs_ns[:, 0]
    ordered = np.sort(ratios)
    in_window = np.searchsorted(ordered, ordered * (1 + _WINDOW), side="right") - np.arange(
        len(ordered)
    )
    piles = np.flatnonzero(in_window >= max(_LEAST_SAMPLES, _LEAST_SHARE * len(ordered)))
    if not len(piles):
        return None
    # The first pile may only be the tail below the real one: take the fullest window near it.
    near = piles[ordered[piles] <= ordered[piles[0]] * (1 + 2 * _WINDOW)]
    start = near[np.argmax(in_window[near])]
    level = float(np.median(ordered[start : start + in_window[start]]))
    inside = np.abs(ratios / level - 1) <= TOLERANCE
    low, middle, high = np.percentile(ratios[inside], (25, 50, 75))
    if (high - low) / middle > SHARP:
        return None
    return Clean(float(middle), float(np.percentile(pairs_ns[inside, 0], _BEST)))


def best_clock_ns(pairs_ns: Floats) -> float | None:
    """The chain's time at the best clock that occurred, clean or not; None without sentinels.

    A neighbour hardly slows the chain.
    """
    pairs_ns = pairs_ns[(pairs_ns > 0).all(axis=1)]
    return float(np.percentile(pairs_ns[:, 0], _BEST)) if len(pairs_ns) else None


def same(first: Clean | None, second: Clean | None) -> bool:
    """Whether two levels differ by less than what matters to any figure (a thousandth)."""
    if first is None or second is None:
        return first is second
    return (
        abs(first.ratio / second.ratio - 1) < 1e-3
        and abs(first.chain_ns / second.chain_ns - 1) < 1e-3
    )
