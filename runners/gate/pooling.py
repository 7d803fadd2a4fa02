"""Several sessions of one system as one: a figure is the mean of its boots' means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from runners.gate.evidence import Sample, SessionFigure, boot_numbers
from runners.model.count import CountEstimate


def pool(sessions: Sequence[Sample]) -> Sample:
    """One sample of several, the newest last; a single one is returned as it is.

    A figure rests on the sessions in which it was stable and of the newest code. Its ``boots`` and
    ``boot_size`` say how many those are: sessions of one boot share what that boot moves.
    """
    if len(sessions) == 1:
        return sessions[0]
    boots = boot_numbers(sessions)

    def pooled(figures: Sequence[SessionFigure | None]) -> SessionFigure:
        newest = next(figure for figure in reversed(figures) if figure is not None)
        usable: dict[int, list[SessionFigure]] = {}
        for boot, figure in zip(boots, figures, strict=True):
            if figure is not None and figure.doubt is None and figure.code == newest.code:
                usable.setdefault(int(boot), []).append(figure)
        return _mean(list(usable.values())) if usable else newest

    names = dict.fromkeys(name for session in sessions for name in session.figures)
    references = dict.fromkeys(name for session in sessions for name in session.references)
    one_boot = boots.max() == 0
    return Sample(
        {name: pooled([session.figures.get(name) for session in sessions]) for name in names},
        {
            name: pooled([session.references.get(name) for session in sessions])
            for name in references
        },
        sessions[0].boot if one_boot else None,
    )


def _mean(boots: Sequence[Sequence[SessionFigure]]) -> SessionFigure:
    """The mean of boots' means, and its standard error by the sessions' own errors."""
    figures = [figure for boot in boots for figure in boot]
    shares = [1 / (len(boots) * len(boot)) for boot in boots for _ in boot]
    return replace(
        figures[-1],
        log_s=math.fsum(s * f.log_s for s, f in zip(shares, figures, strict=True)),
        error=math.sqrt(
            math.fsum((s * f.error) ** 2 for s, f in zip(shares, figures, strict=True))
        ),
        counts=_counts([figure.counts for figure in figures]),
        error_dof=sum(figure.error_dof for figure in figures),
        boots=len(boots),
        boot_size=len(boots) / sum(1 / len(boot) for boot in boots),
    )


def _counts(sessions: Sequence[tuple[CountEstimate, ...]]) -> tuple[CountEstimate, ...]:
    """Each count's mean value; an exact one's range covers all that any session counted."""
    by_count: dict[object, list[CountEstimate]] = {}
    for estimate in (estimate for counts in sessions for estimate in counts):
        by_count.setdefault(estimate.count, []).append(estimate)
    found = []
    for same in by_count.values():
        ends = np.array([estimate.interval for estimate in same])
        exact = same[0].count.exact
        low, high = (ends[:, 0].min(), ends[:, 1].max()) if exact else ends.mean(axis=0)
        # The value of an exact count is one that was seen.
        value = same[-1].value if exact else float(np.mean([e.value for e in same]))
        rounds = sum(estimate.rounds for estimate in same)
        found.append(CountEstimate(same[0].count, value, (float(low), float(high)), rounds))
    return tuple(found)
