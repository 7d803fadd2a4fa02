"""Which functions explain a change: between two profiles, and from level to level of a curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runners.explain.profile import REST, Profile, cost_of
from runners.explain.symbols import Symbol

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

    A function of one side only is "new" or "gone": it may have been inlined or renamed.
    """
    symbols = dict.fromkeys(s for side in (before, after) for run in side.runs for s in run.samples)
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

    name: str
    low: int
    high: int
    gained_ns: float
    #: Functions that surely gain, as shares of the whole gain, the largest first.
    shares: Sequence[tuple[Symbol, float]]

    @property
    def sentence(self) -> str:
        """The step in words."""
        start = f"{self.name} from {self.low:,} to {self.high:,}"
        if not self.shares:
            return f"No function surely gains in {start}."
        symbol, share = self.shares[0]
        if share > 1:
            return (
                f"All of what {self.name} gains from {self.low:,} to {self.high:,}, and more, is "
                f"in {symbol.label}: other functions lose."
            )
        return (
            f"{share:.0%} of what {self.name} gains from {self.low:,} to {self.high:,} "
            f"is in {symbol.label}."
        ).replace("%", " %", 1)


def step(low: Profile, high: Profile) -> Step:
    """What happens between two levels of a curve."""
    gained_ns = high.op_ns - low.op_ns
    sure = [c for c in changes(low, high) if c.kind in ("gained", "new") and c.symbol != REST]
    shares = [(c.symbol, c.gained_ns / gained_ns) for c in sure] if gained_ns > 0 else []
    return Step(low.name, low.x or 0, high.x or 0, gained_ns, shares)


def steepest(curve: Sequence[Profile]) -> tuple[Profile, Profile] | None:
    """The neighbouring levels of a curve, ascending, between which an operation gains most.

    As an exponent: a doubling over a doubled level is less steep than one over a tenth more.
    """
    pairs = [
        (_exponent(low, high), place)
        for place, (low, high) in enumerate(zip(curve, curve[1:], strict=False))
        if low.x and high.x and high.x > low.x and low.op_ns > 0 and high.op_ns > low.op_ns
    ]
    if not pairs:
        return None
    _, place = max(pairs)
    return curve[place], curve[place + 1]


def _exponent(low: Profile, high: Profile) -> float:
    assert low.x and high.x
    return math.log(high.op_ns / low.op_ns) / math.log(high.x / low.x)
