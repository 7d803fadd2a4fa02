"""Has a benchmark become slower than its baseline? Pure statistics: no files, no output.

A baseline is several sessions, since sessions of one machine differ by more than the noise inside
any of them. All values are natural logarithms of seconds per operation, so that a difference is a
ratio and slower and faster are judged alike. docs/gate.md has the rule in words and formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from runners.gate import boots, evidence
from runners.gate.boots import Place
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
from runners.model.amount import amount
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


#: What a verdict needs to be certain: a second look at the suspect, more sessions or other boots in
#: the baseline, a session without disturbance, or a baseline of this machine.
Lack = Literal["second look", "sessions", "boots", "quiet", "machine", "clock"]


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
    #: The baseline's, on today's machine: with what references explain of the distance.
    before_s: float | None = None
    now_s: float | None = None
    #: Of a count that cannot vary: no noise, no other machine and no lack of sessions excuses it.
    exact: bool = False
    lacks: Lack | None = None


def judge(
    baseline: Sequence[Sample],
    current: Sample,
    rules: Rules = Rules(),
    least_effect: Callable[[Benchmark], float | None] = lambda benchmark: None,
    place_of: Callable[[Benchmark], Place] = lambda benchmark: "kernel",
) -> list[Judgement]:
    """A judgement for every benchmark of the baseline or of today, and for every curve's growth.

    ``least_effect`` may set another minimum by benchmark, also for a curve's mean, and a larger one
    for its growth; ``place_of`` says what a boot moves alike.
    """
    stored = baseline
    baseline = [baseline[i] for i in comparable(baseline, current, rules)]
    one_boot = boots.of_one_boot(baseline, current, rules.least_sessions)
    changed = _of_other_code(baseline or stored, current)
    baseline = [_without_other_code(sample, current) for sample in baseline]
    names = sorted({name for sample in baseline for name in sample.figures}, key=str)
    judged = _untold(stored, current, names, changed)
    if not names or not baseline:
        return judged
    rows, references = gather(baseline, current, names)
    elsewhere = references.another_machine
    for row in rows:
        row.least = _least_effect(row, rules, least_effect)
    if one_boot:
        boots.within_boot(rows)
    else:
        boots.across_boots(rows, place_of)
    evidence.test(rows)
    growths = [row for row in rows if row.kind == "growth" and math.isfinite(row.effect)]
    if elsewhere:  # points of a slower machine would vouch for the growth of any curve
        evidence.test(growths)
    bent = [row for row in growths if elsewhere or moves_at_its_larger_levels(row, rows)]
    changes = _class_changes(bent, rows, rules)
    means = {row.curve: row for row in rows if row.kind == "curve"}
    points = sum(row.kind == "point" for row in rows)
    for row in rows:
        figure = current.figures.get(row.benchmark)
        if row.kind == "point" and (figure is None or figure.doubt is not None):
            continue  # told above
        if row.kind == "curve" or (row.kind == "growth" and row not in growths):
            continue
        if row.kind == "point" and elsewhere:
            why = f"another machine than the baseline's: {', '.join(references.strayed)}"
            judged.append(_told(row, "not comparable", why, lacks="machine"))
        elif row.sessions < 2:
            judged.append(_told(row, "inconclusive", _too_few(row, baseline), lacks="sessions"))
        elif row.kind == "growth" and row not in bent:
            judged.append(_told(row, "within noise", "hardly any change at larger levels"))
        else:
            change = changes.get((row.curve, row.effect > 0))
            alike = row.kind == "point" and moves_with_its_curve(row, rows)
            mean = means.get(row.curve) if row.kind == "point" else None
            verdict = _verdict(row, mean, alike, points, change, rules)
            verdict = _as_few_boots_allow(verdict, row, place_of(row.benchmark))
            judged.append(verdict if change else _beside(verdict, row, references))
    return judged


def comparable(baseline: Sequence[Sample], current: Sample, rules: Rules = Rules()) -> list[int]:
    """Which stored sessions today's is judged against: of today's code, and of chosen boots."""
    of_this_code = [
        i
        for i, sample in enumerate(baseline)
        if sample.figures.keys().isdisjoint(current.figures)
        or not _of_other_code([sample], current).issuperset(sample.figures.keys() & current.figures)
    ]
    kept = boots.comparable([baseline[i] for i in of_this_code], current, rules.least_sessions)
    return [of_this_code[i] for i in kept]


def _too_few(row: Change, baseline: Sequence[Sample]) -> str:
    having = sum(row.benchmark in sample.figures for sample in baseline)
    if row.sessions == 0:
        return "unstable in every baseline session that has it"
    if having > 1:
        return "unstable in all baseline sessions but one"
    return "one session does not show how far sessions differ"


def _least_effect(
    row: Change, rules: Rules, least_effect: Callable[[Benchmark], float | None]
) -> float:
    own = least_effect(row.benchmark)
    if row.kind == "growth":  # a smaller change that counts is one of figures, not of a shape
        return math.log1p(max(rules.least_growth, own or 0.0))
    return math.log1p(own or rules.least_effect)


def _beside(judgement: Judgement, row: Change, references: Elsewhere) -> Judgement:
    """The same; not comparable if a reference changed as much: then it is probably the machine."""
    strayed = None if references.another_machine else references.as_far(row.effect)
    if strayed is None or judgement.verdict not in ("regressed", "suspect", "improved"):
        return judgement
    return replace(
        judgement,
        verdict="not comparable",
        why=f"changed no more than reference {strayed}: probably the machine",
        lacks="machine",
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
    baseline: Sequence[Sample],
    current: Sample,
    names: Sequence[Benchmark],
    changed: Collection[Benchmark],
) -> list[Judgement]:
    """What needs no statistics: new, missing, and not to be relied on."""
    judged, known = [], set(names)
    for name, figure in current.figures.items():
        if name not in known:
            why = "micro's own code changed" if name in changed else "not in the baseline"
            judged.append(Judgement(name, "new", why, now_s=math.exp(figure.log_s)))
        elif figure.doubt is not None:
            why = f"unstable: {figure.doubt}"
            now_s = math.exp(figure.log_s)
            judged.append(Judgement(name, "inconclusive", why, now_s=now_s, lacks="quiet"))
    everywhere = {name for sample in baseline for name in sample.figures}
    for name in sorted(everywhere - current.figures.keys(), key=str):
        having = sum(name in sample.figures for sample in baseline)
        why = f"in {having} of {len(baseline)} sessions of the baseline, not in this one"
        judged.append(Judgement(name, "missing", why, sessions=having))
    return judged


def _told(
    row: Change,
    verdict: Verdict,
    why: str,
    detectable: float | None = None,
    lacks: Lack | None = None,
) -> Judgement:
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
        before_s=math.exp(row.expected) if point and measured else None,
        now_s=math.exp(row.expected + row.effect) if point and measured else None,
        lacks=lacks,
    )


def _ratio(log: float) -> float:
    return math.expm1(min(log, 700.0))


def _of_other_code(baseline: Sequence[Sample], current: Sample) -> set[Benchmark]:
    """Benchmarks that no session of the baseline measured with today's code: they are others."""
    pairs = [
        (name, figure.code == before.figures[name].code)
        for before in baseline
        for name, figure in current.figures.items()
        if name in before.figures
    ]
    return {name for name, _ in pairs} - {name for name, same in pairs if same}


def _without_other_code(sample: Sample, current: Sample) -> Sample:
    """The sample without figures of other code than today's."""
    kept = {
        name: figure
        for name, figure in sample.figures.items()
        if name not in current.figures or current.figures[name].code == figure.code
    }
    return sample if len(kept) == len(sample.figures) else replace(sample, figures=kept)


def _as_few_boots_allow(judgement: Judgement, row: Change, place: Place) -> Judgement:
    """One or two boots cannot tell what another boot moves: nothing is more than suspect."""
    if not (row.across == 1 or (row.across == 2 and place == "kernel")):
        return judgement
    known = "one boot" if row.across == 1 else "two boots"
    why = f"all stored sessions are of {known}; another boot may differ by 1 to 5 %"
    verdicts: dict[Verdict, Verdict] = {"regressed": "suspect", "improved": "within noise"}
    if judgement.verdict not in (*verdicts, "suspect"):
        return judgement
    verdict = verdicts.get(judgement.verdict, judgement.verdict)
    return replace(judgement, verdict=verdict, why=f"{judgement.why}; {why}", lacks="boots")


def _verdict(
    row: Change,
    mean: Change | None,
    alike: bool,
    points: int,
    class_change: str | None,
    rules: Rules,
) -> Judgement:
    """The verdict of a unit, or of a point by that of its curve's ``mean``."""
    detectable = _detectable(row, rules)
    size, slower = abs(row.effect), row.effect > 0
    least = _least(row, rules)
    seconds = abs(math.exp(row.expected + row.effect) - math.exp(row.expected))
    matters = row.kind != "point" or seconds >= rules.floor_s
    direction = "slower" if slower else "faster"
    if row.kind == "growth":
        direction = class_change or f"{direction} at larger levels"
    if mean is not None:
        towards = mean.effect * row.effect > 0 and alike
        with_curve = size >= row.least and matters and row.p <= 0.05 and towards
        alone = row.p * points <= rules.false_share and size >= least and matters
        sure = (with_curve and _sure(mean, None, rules)) or (alone and class_change is not None)
        doubtful = alone or (with_curve and _suspicious(mean, rules))
        why = f"{direction}, but {'not surely' if with_curve else 'its curve is not'}"
    else:
        sure = matters and _sure(row, class_change, rules)
        doubtful = matters and _suspicious(row, rules)
        why = f"{direction}, but not surely"
    if sure and row.sessions >= rules.least_sessions:
        return _told(row, "regressed" if slower else "improved", direction, detectable)
    if sure and slower:
        known = f"known from {amount(row.sessions, 'sessions')}, {rules.least_sessions} are needed"
        why = f"{direction}, but {known}"
        return _told(row, "suspect", why, detectable, "sessions")
    if doubtful and slower:
        return _told(row, "suspect", why, detectable, "second look")
    if detectable > rules.useless:
        why = f"sessions differ so much that only {detectable:.0%} could be found"
        return _told(row, "inconclusive", why, detectable, "sessions")
    half = _quantile(0.025, row.dof) * row.scale
    if size + half <= row.least:
        why = f"a change of {math.expm1(row.least):.1%} is ruled out"
        return _told(row, "unchanged", why, detectable)
    differ = "boots" if row.across else "sessions"
    return _told(row, "within noise", f"{differ} differ by {math.expm1(row.sd):.1%}", detectable)


def _least(row: Change, rules: Rules) -> float:
    """The least change that counts; between boots the scale alone says what is rare."""
    return row.least if row.across else max(row.least, rules.least_deviations * row.sd)


def _sure(row: Change, class_change: str | None, rules: Rules) -> bool:
    """Whether a unit has surely moved."""
    rare = row.p <= rules.most_chance
    family = row.q <= rules.false_share or class_change is not None
    return rare and family and abs(row.effect) >= _least(row, rules)


def _suspicious(row: Change, rules: Rules) -> bool:
    return row.p <= rules.suspicious_chance and abs(row.effect) >= row.least


def _detectable(row: Change, rules: Rules) -> float:
    needed = max(_least(row, rules), _quantile(rules.most_chance, row.dof) * row.scale)
    return _ratio(needed + _quantile(0.1, row.dof) * row.scale)


@cache
def _cached_quantile(tail: float, dof: float) -> float:
    return t_quantile(tail, dof)


def _quantile(tail: float, dof: float) -> float:
    return _cached_quantile(tail, round(min(dof, 1e7), 1))
