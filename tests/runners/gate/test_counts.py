"""Counts at the gate: exact ones need one session and no statistics, others are judged as times."""

from __future__ import annotations

import math

import pytest

from runners.gate.counts import exact_counts, varying_counts
from runners.gate.evidence import Sample, SessionFigure
from runners.gate.judge import Rules
from runners.model.benchmark import Benchmark
from runners.model.count import Count, CountEstimate, Direction

HERD = Benchmark("net.accept_herd", (("how", "accept"),))
WOKEN = Count("wakeups", "threads woken", exact=True)


def session(
    value: float,
    high: float | None = None,
    count: Count = WOKEN,
    code: str = "c",
    doubt: str | None = None,
    benchmark: Benchmark = HERD,
) -> Sample:
    estimate = CountEstimate(count, value, (value, value if high is None else high), 10)
    return Sample({benchmark: SessionFigure(-12.0, 0.01, doubt, code, (estimate,))}, boot="b")


def wide_count(low: float, value: float, high: float, count: Count) -> Sample:
    estimate = CountEstimate(count, value, (low, high), 10)
    return Sample({HERD: SessionFigure(-12.0, 0.01, None, "c", (estimate,))}, boot="b")


def exact(direction: Direction) -> Count:
    return Count("wakeups", "threads woken", direction, exact=True)


def test_any_change_for_the_worse_of_an_exact_count_is_a_regression_whatever_the_noise() -> None:
    (judgement,) = exact_counts([session(1)], session(8, doubt="two modes 30% apart"))
    assert (judgement.verdict, judgement.why) == ("regressed", "now 8 threads woken, was 1")
    assert judgement.exact


def test_a_thousandth_is_a_change_where_nothing_can_vary() -> None:
    (judgement,) = exact_counts([session(1)] * 3, session(1.001))
    assert (judgement.verdict, judgement.sessions) == ("regressed", 3)


@pytest.mark.parametrize(("before", "now", "verdict"), [(8, 1, "improved"), (0, 1, "regressed")])
def test_more_is_worse(before: float, now: float, verdict: str) -> None:
    count = exact("lower")
    (judgement,) = exact_counts([session(before, count=count)], session(now, count=count))
    assert judgement.verdict == verdict


def test_no_change_and_a_change_without_direction_are_no_judgement() -> None:
    assert exact_counts([session(1)], session(1)) == []
    none = exact("none")
    assert exact_counts([session(1, count=none)], session(8, count=none)) == []


def test_rounds_or_sessions_that_disagree_decide_nothing() -> None:
    (rounds,) = exact_counts([session(1)], session(1, high=8))
    assert (rounds.verdict, rounds.why) == ("inconclusive", "rounds counted 1 to 8 threads woken")
    (sessions,) = exact_counts([session(1), session(2)], session(8))
    assert sessions.verdict == "inconclusive"


def test_each_exact_count_is_held_against_itself() -> None:
    calls = Count("system_calls", "system calls", exact=True)
    both = session(1).figures[HERD].counts + session(5, count=calls).figures[HERD].counts
    one = Sample({HERD: SessionFigure(-12.0, 0.01, None, "c", both)}, boot="b")
    assert exact_counts([one, one], one) == []
    (judgement,) = exact_counts([one, one], session(6, count=calls))
    assert (judgement.verdict, judgement.why) == ("regressed", "now 6 system calls, was 5")


def test_what_was_counted_by_other_code_is_no_baseline() -> None:
    assert exact_counts([session(1, code="other")], session(8)) == []


VARYING = (0.5, 0.505, 0.497, 0.502, 0.499, 0.503, 0.498, 0.501)


@pytest.mark.parametrize(
    ("now", "verdict"), [(1.5, "regressed"), (0.1, "improved"), (0.5, "unchanged")]
)
def test_a_count_that_varies_is_judged_as_times_are(now: float, verdict: str) -> None:
    count = Count("voluntary_switches", "voluntary switches")
    (judgement,) = varying_counts(
        [session(value, count=count) for value in VARYING], session(now, count=count), Rules()
    )
    assert judgement.verdict == verdict
    assert judgement.kind == "count"
    assert judgement.why == f"{now:g} voluntary switches, was 0.5006"


def test_a_count_is_only_held_against_what_the_same_code_counted() -> None:
    count = Count("voluntary_switches", "voluntary switches")
    before = [session(value, count=count, code="other") for value in VARYING]
    assert varying_counts(before, session(5.0, count=count), Rules()) == []
    assert varying_counts(before, session(5.0, count=WOKEN, code="other"), Rules()) == []


def test_a_count_that_varies_is_judged_where_both_sides_have_it_and_are_stable() -> None:
    count = Count("voluntary_switches", "voluntary switches")
    other = Benchmark("net.accept_herd", (("how", "poll"),))

    def both(value: float) -> Sample:
        mine, others = session(value, count=count), session(value, count=count, benchmark=other)
        return Sample({**mine.figures, **others.figures}, boot="b")

    before = [both(value) for value in VARYING]
    alone = session(1.5, count=count)
    assert [j.benchmark for j in varying_counts(before, alone, Rules())] == [HERD]
    (doubtful,) = varying_counts(before, session(1.5, count=count, doubt="two modes"), Rules())
    assert doubtful.verdict == "inconclusive"


def test_as_wide_as_the_count_of_today_is_its_change_is_no_surprise() -> None:
    count = Count("voluntary_switches", "voluntary switches")
    before = [session(value, count=count) for value in VARYING]
    (sharp,) = varying_counts(before, session(0.6, count=count), Rules())
    (wide,) = varying_counts(before, wide_count(0.3, 0.6, 1.2, count), Rules())
    assert (sharp.verdict, wide.verdict) == ("regressed", "inconclusive")


def test_less_than_a_hundredth_an_operation_is_no_change_of_a_count_that_varies() -> None:
    count = Count("voluntary_switches", "voluntary switches")
    before = [session(0.0, count=count) for _ in range(8)]
    (judgement,) = varying_counts(before, session(0.009, count=count), Rules())
    assert judgement.verdict not in ("regressed", "suspect")
    assert not math.isnan(judgement.effect or 0.0)


def test_a_count_without_direction_is_not_judged() -> None:
    count = Count("involuntary_switches", "involuntary switches", "none")
    before = [session(value, count=count) for value in VARYING]
    assert varying_counts(before, session(5.0, count=count), Rules()) == []
