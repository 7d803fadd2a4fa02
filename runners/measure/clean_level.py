"""The level that a session goes by: its own, and as much of a remembered one as it bears out.

A remembered ratio guards against a core that is never ours, which looks clean at a higher one. A
remembered clock lets sessions state figures at one clock. Both come from a file, so both may be
wrong: from another machine, from another program, or written by hand. A wrong value must neither
move a figure nor stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from runners.measure.sentinel import TOLERANCE, Clean, Floats, best_clock_ns, find_clean

#: How much faster than this session's best clock a remembered one may be and still count; also how
#: far a figure may be scaled. All-core and single-core turbo clocks differ by less on most CPUs.
BORNE_OUT = 0.10
#: How far a neighbour raises the ratio at most: it takes half the core, and some of that is lost.
MOST_RAISED = 2.25
#: A neighbour only raises the ratio. Where so many sentinels lie below it, a level is not clean.
_MOST_BELOW = 0.1
#: Share of sentinels at one level from which on a session's own level is steady.
_STEADY = 0.8

#: What became of a remembered ratio. ``unseen``: a neighbour could explain the difference.
Ratio = Literal["agrees", "refuted", "unseen"]


@dataclass(frozen=True)
class Agreed:
    """What a session goes by (``clean``), and why.

    ``known`` is the remembered level, ``seen`` the session's own, ``clock_ns`` its own best clock,
    which is known without a sharp level, too.
    """

    clean: Clean | None
    known: Clean | None = None
    seen: Clean | None = None
    clock_ns: float | None = None
    ratio: Ratio = "agrees"
    #: Whether most sentinels lie at the session's own level: no neighbour that comes and goes.
    steady: bool = False

    @property
    def clock_refuted(self) -> bool:
        """Whether the remembered clock is too much faster than what this session saw."""
        if self.known is None or self.clock_ns is None:
            return False
        return self.known.chain_ns < self.clock_ns * (1 - BORNE_OUT)

    @property
    def disagreements(self) -> tuple[str, ...]:
        """What was remembered and is not borne out, a sentence each."""
        found = []
        known = self.known
        if known is not None and self.clock_ns is not None and self.clock_refuted:
            found.append(
                f"the remembered best clock ({known.chain_ns:.0f} ns for the sentinel's chain) is "
                f"more than {BORNE_OUT:.0%} faster than this session's ({self.clock_ns:.0f} ns): "
                "it is not used"
            )
        own = f"{self.seen.ratio:.3f}" if self.seen else "lower"
        if known is not None and self.ratio == "refuted":
            found.append(
                f"the remembered clean level (ratio {known.ratio:.3f}) contradicts this session's "
                f"({own}): it is not used"
            )
        if known is not None and self.ratio == "unseen" and self.steady:
            found.append(
                f"the remembered clean level (ratio {known.ratio:.3f}) did not occur, nearly all "
                f"sentinels are at {own}: a neighbour shares every core, or that level is "
                "wrong and clean_levels.json should be removed"
            )
        return tuple(found)


def agree(pairs_ns: Floats, known: Clean | None) -> Agreed:
    """The level to go by, from this session's sentinels (rows of chain and width) and ``known``.

    Without any sentinel there is nothing to scale either, and ``known`` stands.
    """
    seen = find_clean(pairs_ns)
    clock_ns = seen.chain_ns if seen else best_clock_ns(pairs_ns)
    steady = seen is not None and _share_near(pairs_ns, seen.ratio) >= _STEADY
    if known is None or clock_ns is None:
        return Agreed(seen or known, known, seen, clock_ns, steady=steady)
    verdict = _verdict(pairs_ns, known, seen)
    ratio = seen.ratio if seen else None
    if verdict == "unseen" or (seen is None and verdict == "agrees"):
        ratio = known.ratio
    trusted = Agreed(None, known, seen, clock_ns)
    chain_ns = clock_ns if trusted.clock_refuted else min(clock_ns, known.chain_ns)
    clean = None if ratio is None else Clean(ratio, chain_ns)
    return Agreed(clean, known, seen, clock_ns, verdict, steady)


def _verdict(pairs_ns: Floats, known: Clean, seen: Clean | None) -> Ratio:
    if seen is None:
        chain_ns, width_ns = pairs_ns[(pairs_ns > 0).all(axis=1)].T
        below = width_ns < known.ratio * (1 - TOLERANCE) * chain_ns
        return "refuted" if below.mean() > _MOST_BELOW else "agrees"
    if seen.ratio <= known.ratio * (1 + TOLERANCE):
        return "agrees"  # also where it is lower: then that was a neighbour's, and is replaced
    return "refuted" if seen.ratio > known.ratio * MOST_RAISED else "unseen"


def _share_near(pairs_ns: Floats, ratio: float) -> float:
    chain_ns, width_ns = pairs_ns.T
    return float((np.abs(width_ns / np.maximum(chain_ns, 1.0) / ratio - 1) <= TOLERANCE).mean())


def scaled_too_far(clean: Clean | None, chain_ns: float) -> str | None:
    """Why a figure measured at this clock cannot be stated at the best one; None where it can."""
    if clean is None:
        return None
    slower = chain_ns / clean.chain_ns - 1
    if abs(clean.chain_ns / max(chain_ns, 1.0) - 1) <= BORNE_OUT:
        return None
    return (
        f"measured at a clock {abs(slower):.0%} {'slower' if slower > 0 else 'faster'} than the "
        f"best one: scaled by more than {BORNE_OUT:.0%}"
    )
