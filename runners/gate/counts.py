"""Does an operation cost more of what is counted? Exact counts need no statistics.

What cannot vary is compared as it is: any change for the worse is a regression, on any machine.
What varies is judged as times are, by `runners.gate.judge`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from runners.gate.evidence import Sample
from runners.gate.judge import Judgement, Rules, Verdict, judge
from runners.model.amount import amount
from runners.model.benchmark import Benchmark
from runners.model.count import Count, CountEstimate, agreed_value, digits, worse

#: A change of fewer than so many an operation is none.
FLOOR = 0.01
#: What is less is counted as this, so that zero has a logarithm.
_LEAST = 0.001


def exact_counts(baseline: Sequence[Sample], current: Sample) -> list[Judgement]:
    """A judgement for each exact count that changed, or that rounds or sessions disagree on."""
    judged = []
    for benchmark, figure in current.figures.items():
        for now in figure.counts:
            before = [
                stored
                for sample in baseline
                if benchmark in sample.figures and sample.figures[benchmark].code == figure.code
                for stored in sample.figures[benchmark].counts
                if stored.count == now.count
            ]
            found = _exact(benchmark, before, now) if now.count.exact and before else None
            if found is not None:
                judged.append(found)
    return judged


def _exact(
    benchmark: Benchmark, before: Sequence[CountEstimate], now: CountEstimate
) -> Judgement | None:
    """None where nothing changed, or nothing that is better or worse."""
    unit, was = now.count.unit, agreed_value(before)

    def told(verdict: Verdict, why: str) -> Judgement:
        return Judgement(benchmark, verdict, why, "count", sessions=len(before), exact=True)

    if not now.agreed:
        return told("inconclusive", f"rounds counted {now}")
    if was is None:
        return told("inconclusive", f"stored sessions differ in {unit}")
    why = f"now {now}, was {digits(was)}"
    if worse(now.count, was, now.value):
        return told("regressed", why)
    return told("improved", why) if worse(now.count, now.value, was) else None


def varying_counts(baseline: Sequence[Sample], current: Sample, rules: Rules) -> list[Judgement]:
    """A judgement for each count that may vary, of benchmarks that the baseline knows it of."""
    counts = {
        each.count: None
        for figure in current.figures.values()
        for each in figure.counts
        if not each.count.exact and each.count.direction != "none"
    }
    found = []
    for count in counts:
        samples = [_of_count(sample, count) for sample in baseline]
        judged = judge(samples, _of_count(current, count), replace(rules, floor_s=FLOOR))
        found += [
            _as_count(each, count)
            for each in judged
            if each.kind == "point" and each.verdict not in ("new", "missing")
        ]
    return found


def _of_count(sample: Sample, count: Count) -> Sample:
    """The session with this count in place of times."""
    figures = {}
    for benchmark, figure in sample.figures.items():
        for each in figure.counts:
            if each.count == count:
                low, value, high = (
                    math.log(max(number, _LEAST))
                    for number in (each.interval[0], each.value, each.interval[1])
                )
                error = (high - low) / (2 * 1.96)
                figures[benchmark] = replace(figure, log_s=value, error=error, counts=())
    return Sample(figures, boot=sample.boot)


def _as_count(judgement: Judgement, count: Count) -> Judgement:
    """The judgement in the words of a count: no times."""
    before, now = judgement.before_s, judgement.now_s
    why = f"{count.unit}: {judgement.why}"
    if before is not None and now is not None:
        why = f"{amount(digits(now), count.unit)}, was {digits(before)}"
    return replace(judgement, kind="count", why=why, before_s=None, now_s=None)
