"""Has a benchmark become slower than its baseline? Pure statistics: no files, no output.

A baseline is several sessions, since sessions of one machine differ by more than the noise inside
any of them. All values are natural logarithms of seconds per operation, so that a difference is a
ratio and slower and faster are judged alike. docs/gate.md has the rule in words and formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from runners.gate import evidence
from runners.gate.class_change import class_change
from runners.gate.distributions import t_quantile
from runners.gate.evidence import (
    Change,
    Kind,
    Sample,
    gather,
    moves_at_its_larger_levels,
    moves_with_its_curve,
)
from runners.gate.references import Elsewhere
from runners.model.benchmark import Benchmark

Verdict = Literal[
    "regressed",
    "suspect",
    "improved",
    "within noise",
    "unchanged",
    "inconclusive",
    "new",
    "missing",
    "not comparable",
]


@dataclass(frozen=True)
class Rules:
    """The gate's settings. Effects are ratios less 1."""

    #: Share of false alarms among all alarms that is accepted.
    false_share: float = 0.01
    #: The most that chance may explain of one benchmark alone, however many move with it.
    most_chance: float = 0.0025
    #: The same for a suspicion.
    suspicious_chance: float = 0.005
    #: No smaller change matters: a ratio, and a multiple of what sessions differ by.
    least_effect: float = 0.03
    least_deviations: float = 3.0
    #: Nor a smaller growth of a curve from its first to its last point.
    least_growth: float = 0.10
    #: The most that chance may explain of any curve's class having changed, of all together.
    class_chance: float = 0.001
    #: Nor less than about a clock cycle an operation.
    floor_s: float = 0.3e-9
    #: Below so many sessions nothing is more than suspect.
    least_sessions: int = 5
    #: Where only a change as large as this could be found, nothing can be said.
    useless: float = 0.50


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reasons. ``effect`` and ``interval`` (95 %) are ratios less 1.

    ``p`` and ``q`` are one-sided, in the direction of the effect; ``detectable`` is the smallest
    slow-down that nine sessions of ten would find.
    """

    benchmark: Benchmark
    verdict: Verdict
    why: str
    kind: Kind = "point"
    effect: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    q: float | None = None
    detectable: float | None = None
    sessions: int = 0
    before_s: float | None = None
    now_s: float | None = None


def judge(
    baseline: Sequence[Sample],
    current: Sample,
    rules: Rules = Rules(),
    least_effect: Callable[[Benchmark], float | None] = lambda benchmark: None,
) -> list[Judgement]:
    """A judgement for every benchmark of the baseline or of today, and for every curve's growth.

    ``least_effect`` may set another minimum for single benchmarks.
    """
    names = sorted({name for sample in baseline for name in sample.figures}, key=str)
    judged = _untold(baseline, current, names)
    if not names or not baseline:
        return judged
    rows, references = gather(baseline, current, names)
    elsewhere = references.another_machine
    for row in rows:
        if row.kind == "point":
            row.least = math.log1p(least_effect(row.benchmark) or rules.least_effect)
        else:
            growth = row.kind == "growth"
            row.least = math.log1p(rules.least_growth if growth else rules.least_effect)
    evidence.moderate(rows)
    evidence.test(rows)
    growths = [row for row in rows if row.kind == "growth" and math.isfinite(row.effect)]
    if elsewhere:  # points of a slower machine would vouch for the growth of any curve
        evidence.test(growths)
    bent = [row for row in growths if elsewhere or moves_at_its_larger_levels(row, rows)]
    changes = _class_changes(bent, rows, rules)
    means = {row.curve: row for row in rows if row.kind == "curve"}
    for row in rows:
        figure = current.figures.get(row.benchmark)
        if row.kind == "point" and (figure is None or figure.doubt is not None):
            continue  # told above
        if row.kind == "curve" or (row.kind == "growth" and row not in growths):
            continue
        if row.kind == "point" and elsewhere:
            why = f"another machine than the baseline's: {', '.join(references.strayed)}"
            judged.append(_told(row, "not comparable", why))
        elif row.sessions < 2:
            why = f"only {row.sessions} of {len(baseline)} sessions have a figure to rely on"
            judged.append(_told(row, "inconclusive", why))
        elif row.kind == "growth" and row not in bent:
            judged.append(_told(row, "within noise", "hardly any change at larger levels"))
        else:
            change = changes.get((row.curve, row.effect > 0))
            alike = change is not None or moves_with_its_curve(row, rows)
            verdict = _verdict(row, means.get(row.curve), alike, change, rules)
            judged.append(verdict if change else _beside(verdict, row, references))
    return judged


def _beside(judgement: Judgement, row: Change, references: Elsewhere) -> Judgement:
    """The same; not comparable if a reference changed as much: then it is probably the machine."""
    strayed = None if references.another_machine else references.as_far(row.effect)
    if strayed is None or judgement.verdict not in ("regressed", "suspect", "improved"):
        return judgement
    return replace(
        judgement,
        verdict="not comparable",
        why=f"changed no more than reference {strayed}: probably the machine",
    )


def _class_changes(
    growths: Sequence[Change], rows: Sequence[Change], rules: Rules
) -> dict[tuple[Benchmark | None, bool], str]:
    """In words, what surely has another growth class, by curve and whether that is a higher one.

    A curve on the border of two classes must not change them by chance. So its growth itself must
    have moved, further than it does in any curve of a thousand unchanged sessions.
    """
    curves = sum(row.kind == "growth" for row in rows)
    found = {}
    for row in growths:
        if row.p * curves <= rules.class_chance and abs(row.effect) >= row.least:
            change = class_change(row, rows)
            if change is not None:
                found[row.curve, row.effect > 0] = change
    return found


def _untold(
    baseline: Sequence[Sample], current: Sample, names: Sequence[Benchmark]
) -> list[Judgement]:
    """What needs no statistics: new, missing, and not to be relied on."""
    judged, known = [], set(names)
    for name, figure in current.figures.items():
        if name not in known:
            why = "not in the baseline"
            judged.append(Judgement(name, "new", why, now_s=math.exp(figure.log_s)))
        elif figure.doubt is not None:
            why = f"unstable: {figure.doubt}"
            judged.append(Judgement(name, "inconclusive", why, now_s=math.exp(figure.log_s)))
    for name in names:
        if name not in current.figures:
            having = sum(name in sample.figures for sample in baseline)
            why = f"in {having} of {len(baseline)} sessions of the baseline, not in this one"
            judged.append(Judgement(name, "missing", why, sessions=having))
    return judged


def _told(row: Change, verdict: Verdict, why: str, detectable: float | None = None) -> Judgement:
    """The judgement, in ratios."""
    known = math.isfinite(row.scale)
    measured = math.isfinite(row.effect)
    half = _quantile(0.025, row.dof) * row.scale if known else math.nan
    point = row.kind == "point"
    return Judgement(
        row.benchmark,
        verdict,
        why,
        row.kind,
        effect=_ratio(row.effect) if measured else None,
        interval=(_ratio(row.effect - half), _ratio(row.effect + half)) if known else None,
        p=row.p if known else None,
        q=row.q if known else None,
        detectable=detectable,
        sessions=row.sessions,
        before_s=math.exp(row.mean) if point and measured else None,
        now_s=math.exp(row.mean + row.effect) if point and measured else None,
    )


def _ratio(log: float) -> float:
    return math.expm1(min(log, 700.0))


def _verdict(
    row: Change, curve: Change | None, alike: bool, class_change: str | None, rules: Rules
) -> Judgement:
    detectable = _detectable(row, rules)
    size, slower = abs(row.effect), row.effect > 0
    least = max(row.least, rules.least_deviations * row.sd)
    seconds = abs(math.exp(row.mean + row.effect) - math.exp(row.mean))
    matters = row.kind != "point" or seconds >= rules.floor_s
    large = size >= least and matters
    rare = row.p <= rules.most_chance
    suspicious = row.p <= rules.suspicious_chance
    class_changed = row.kind == "growth" and class_change is not None
    sure = rare and (row.q <= rules.false_share or class_changed)
    with_curve = _moved_whole(curve, row, rules) and size >= row.least and matters and row.p <= 0.05
    direction = "slower" if slower else "faster"
    if row.kind == "growth":
        direction = class_change or f"{direction} at larger levels"
    if (large and sure and alike) or with_curve:
        if row.sessions < rules.least_sessions:
            if slower:
                why = f"{direction}, but only {row.sessions} of {rules.least_sessions} sessions"
                return _told(row, "suspect", why, detectable)
        else:
            return _told(row, "regressed" if slower else "improved", direction, detectable)
    elif slower and size >= row.least and matters and suspicious and (alike or sure):
        why = f"{direction}, but {'not surely' if alike else 'its neighbours are not'}"
        return _told(row, "suspect", why, detectable)
    if detectable > rules.useless:
        why = f"sessions differ so much that only {detectable:.0%} could be found"
        return _told(row, "inconclusive", why, detectable)
    half = _quantile(0.025, row.dof) * row.scale
    if size + half <= least:
        why = f"a change of {math.expm1(least):.1%} is ruled out"
        return _told(row, "unchanged", why, detectable)
    return _told(row, "within noise", f"sessions differ by {math.expm1(row.sd):.1%}", detectable)


def _moved_whole(curve: Change | None, point: Change, rules: Rules) -> bool:
    """Whether the curve's mean has surely moved, at least half as far as its point did."""
    return (
        curve is not None
        and point.kind == "point"
        and 2 * curve.effect * math.copysign(1, point.effect) >= abs(point.effect)
        and curve.p <= rules.most_chance
        and curve.q <= rules.false_share
        and abs(curve.effect) >= max(curve.least, rules.least_deviations * curve.sd)
    )


def _detectable(row: Change, rules: Rules) -> float:
    needed = max(
        row.least,
        rules.least_deviations * row.sd,
        _quantile(rules.most_chance, row.dof) * row.scale,
    )
    return _ratio(needed + _quantile(0.1, row.dof) * row.scale)


@cache
def _cached_quantile(tail: float, dof: float) -> float:
    return t_quantile(tail, dof)


def _quantile(tail: float, dof: float) -> float:
    return _cached_quantile(tail, round(min(dof, 1e7), 1))
