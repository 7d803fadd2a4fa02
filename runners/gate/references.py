"""Another machine of the same kind: figures told relative to probes that the system barely touches.

A reference (ALU, caches, memory, the sentinel's best level) is measured in every session. Where a
benchmark follows one from session to session, the part that it explains is taken away; where that
does not help, nothing is. All values are natural logarithms of seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Sessions from which on a slope can be learned.
LEAST_SESSIONS = 5
#: A reference is used where it brings the left-out sessions' variance below this share.
WORTH_IT = 0.7
#: What differs less between sessions explains none of their differences.
LEAST_DEVIATION = 0.002
#: How far beyond what the baseline saw a reference may lie: in logs, and in its own deviations.
MARGIN = 0.05
DEVIATIONS = 3.0
#: What bound to the CPU follows a reference one to one, until its sessions say otherwise.
_SLOPE = 1.0


@dataclass(frozen=True)
class ReferenceBenchmark:
    """One reference: its baseline's values (NaN where missing), today's, and today's error."""

    name: str
    history: Floats
    current: float
    error: float


@dataclass(frozen=True)
class Elsewhere:
    """How far references stray from what the baseline saw: logs from its mean, by name."""

    strayed: Mapping[str, float]
    #: References that can be told, strayed or not.
    told: int

    @property
    def another_machine(self) -> bool:
        """Whether more of them strayed than not."""
        return 2 * len(self.strayed) > self.told

    def as_far(self, effect: float) -> str | None:
        """A reference that strayed as far in the same direction: one cause may have moved both."""
        for name, shift in self.strayed.items():
            if effect * shift > 0 and abs(effect) <= abs(shift):
                return name
        return None


def elsewhere(references: Mapping[str, ReferenceBenchmark]) -> Elsewhere:
    """Which references lie outside what the baseline saw.

    If most do, this is another machine. If one does, such as the memory's latency beside a
    neighbour that keeps the memory busy, only what moved no further is in doubt.
    """
    strayed, told = {}, 0
    for name, reference in references.items():
        known = reference.history[np.isfinite(reference.history)]
        if len(known) < 2 or not np.isfinite(reference.current):
            continue
        told += 1
        margin = max(MARGIN, DEVIATIONS * float(known.std(ddof=1)))
        if not known.min() - margin <= reference.current <= known.max() + margin:
            strayed[name] = reference.current - float(known.mean())
    return Elsewhere(strayed, told)


def explain(
    history: Floats, current: Floats, references: Mapping[str, ReferenceBenchmark]
) -> tuple[Floats, Floats, Floats]:
    """Take from each benchmark (a row; a column a session) what its best reference explains.

    Returns the history, the current values, and the variance that this adds to each of those.
    """
    history, current = history.copy(), current.copy()
    added = np.zeros(len(history))
    usable = [r for r in references.values() if r.history.std() >= LEAST_DEVIATION]  # no NaN
    if history.shape[1] < LEAST_SESSIONS or not usable:
        return history, current, added
    best = WORTH_IT * _left_out(history, np.zeros(history.shape[1]), 0.0)
    chosen = np.full(len(history), -1)
    for number, reference in enumerate(usable):
        tried = _left_out(history, reference.history, _SLOPE)
        better = tried < best
        best[better], chosen[better] = tried[better], number
    for number, reference in enumerate(usable):
        rows = np.flatnonzero(chosen == number)
        if not len(rows) or not np.isfinite(reference.current):
            continue
        moved = reference.history - reference.history.mean()
        own = history[rows] - history[rows].mean(axis=1, keepdims=True)
        slopes, weight = _fit(own, moved, _SLOPE)
        distance = reference.current - reference.history.mean()
        rest = ((own - slopes[:, None] * moved) ** 2).sum(axis=1) / (len(moved) - 2)
        history[rows] -= slopes[:, None] * moved
        current[rows] -= slopes * distance
        added[rows] = (slopes * reference.error) ** 2 + rest * distance**2 / weight
    return history, current, added


def _fit(own: Floats, moved: Floats, towards: float) -> tuple[Floats, float]:
    """Slopes through zero, shrunk ``towards`` a value with the weight of two sessions."""
    steadying = 2 * float(np.mean(moved**2))
    weight = max(float((moved**2).sum()) + steadying, 1e-12)
    return (own @ moved + steadying * towards) / weight, weight


def _left_out(history: Floats, reference: Floats, towards: float) -> Floats:
    """Mean squared error of each session predicted from the others; NaN where one is missing."""
    sessions = np.arange(history.shape[1])
    total = np.zeros(len(history))
    for session in sessions:
        rest = sessions != session
        middle = history[:, rest].mean(axis=1)
        own = history[:, rest] - middle[:, None]
        slopes, _ = _fit(own, reference[rest] - reference[rest].mean(), towards)
        distance = reference[session] - reference[rest].mean()
        total += (history[:, session] - middle - slopes * distance) ** 2
    return np.asarray(total / len(sessions))
