"""Which functions explain a change: between two profiles, and from level to level of a curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from runners.explain.costs import cost_of
from runners.model.profile import REST, Profile, Symbol

#: Of what an operation gains between two levels.
MOST_OF_A_GAIN = 0.9

#: "unclear": the interval of the change has zero in it.
Kind = Literal["gained", "lost", "new", "gone", "unclear"]


@dataclass(frozen=True)
class Change:
    """By how many nanoseconds per operation a function became more or less expensive."""

    symbol: Symbol
    before_ns: float
    after_ns: float
    ci95_ns: tuple[float, float]
    kind: Kind

    @property
    def gained_ns(self) -> float:
        """Nanoseconds per operation gained; negative where they were lost."""
        return self.after_ns - self.before_ns


def changes(before: Profile, after: Profile) -> list[Change]:
    """Every function of two profiles, what gained most first, what lost most last.

    A function of one side only is "new" or "gone": it may have been inlined or renamed, or, in a
    stored profile, have been too small to be named.
    """
    symbols = dict.fromkeys([*before.symbols, *after.symbols])
    return sorted((_change(before, after, s) for s in symbols), key=lambda c: -c.gained_ns)


def _change(before: Profile, after: Profile, symbol: Symbol) -> Change:
    old, new = cost_of(before, symbol), cost_of(after, symbol)
    gained_ns = new.ns - old.ns
    # Newcombe: each side's own half of the interval, added in squares.
    low = gained_ns - math.hypot(new.ns - new.ci95_ns[0], old.ci95_ns[1] - old.ns)
    high = gained_ns + math.hypot(new.ci95_ns[1] - new.ns, old.ns - old.ci95_ns[0])
    kind: Kind = "unclear"
    if low > 0:
        kind = "gained" if old.samples else "new"
    elif high < 0:
        kind = "lost" if new.samples else "gone"
    return Change(symbol, old.ns, new.ns, (low, high), kind)


@dataclass(frozen=True)
class Step:
    """What a curve gains from one level to a higher one, and which functions gain it."""

    probe: str
    low: int
    high: int
    gained_ns: float
    #: Functions that surely gain, as shares of the whole gain, the largest first.
    shares: Sequence[tuple[Symbol, float]]
    #: The innermost function that gains most of it together with what it calls, where stacks tell.
    below: tuple[Symbol, float] | None = None

    @property
    def sentence(self) -> str:
        """The step in words."""
        start = f"what {self.probe} gains from {self.low:,} to {self.high:,}"
        if not self.shares:
            return f"No single function explains {start}."
        symbol, share = self.shares[0]
        if share > 1:
            return f"All of {start} is in {symbol.label}; other functions cost less than before."
        said = f"{100 * share:.0f} % of {start} is in {symbol.label}"
        if self.below is not None and self.below[0] != symbol:
            said += f", {100 * self.below[1]:.0f} % in {self.below[0].label} and what it calls"
        return f"{said}."


def step(low: Profile, high: Profile) -> Step:
    """What happens between two levels of a curve."""
    gained_ns = high.op_ns - low.op_ns
    sure = [c for c in changes(low, high) if c.kind in ("gained", "new") and c.symbol != REST]
    shares = [(c.symbol, c.gained_ns / gained_ns) for c in sure] if gained_ns > 0 else []
    return Step(
        low.benchmark.probe,
        low.benchmark.level or 0,
        high.benchmark.level or 0,
        gained_ns,
        shares,
        _below(low, high) if gained_ns > 0 else None,
    )


def _below(low: Profile, high: Profile) -> tuple[Symbol, float] | None:
    gained_ns = high.op_ns - low.op_ns
    before = low.below()
    found = [
        (symbol, (ns - before.get(symbol, 0.0)) / gained_ns) for symbol, ns in high.below().items()
    ]
    most = [one for one in found if MOST_OF_A_GAIN <= one[1] <= 1.001]
    return min(most, key=lambda one: one[1], default=None)


def steepest(curve: Sequence[Profile]) -> tuple[Profile, Profile] | None:
    """The neighbouring levels of a curve, ascending, between which an operation gains most.

    As an exponent: a doubling over a doubled level is less steep than one over a tenth more.
    """
    pairs = [(_exponent(low, high), low, high) for low, high in pairwise(curve)]
    steep = max(pairs, key=lambda pair: pair[0], default=None)
    return None if steep is None or steep[0] <= 0 else steep[1:]


def _exponent(low: Profile, high: Profile) -> float:
    first, last = low.benchmark.level, high.benchmark.level
    if not first or not last or last <= first or low.op_ns <= 0:
        return 0.0
    return math.log(high.op_ns / low.op_ns) / math.log(last / first)
