"""Growth classes at the gate, on curves out of seeded noise. Rates are asserted loosely."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import Machine

from runners.gate.evidence import Sample, SessionFigure, benjamini_hochberg
from runners.gate.judge import Judgement, Rules, judge
from runners.model.benchmark import Benchmark

LAST = 2**11
CURVES = 6
Seconds = Callable[[int], float]


def flat(n: int) -> float:
    return 1e-6


def linear(n: int) -> float:
    """Twice as much at the last level as at the first."""
    return 1e-6 * (1 + n / LAST)


def square(n: int) -> float:
    return 1e-6 * (1 + (n / LAST) ** 2)


def machine(seed: int, shape: Seconds = flat, noise: float = 0.02) -> Machine:
    """Curves of one shape and twelve levels, every point with noise of its own."""
    m = Machine(
        np.random.default_rng([21, seed]),
        curves=CURVES,
        points=12,
        singles=5,
        sd=(noise, noise),
        together=0.0,
    )
    for c in range(CURVES):
        m.shape(f"c{c}", shape)
    return m


def sessions(m: Machine, count: int = 8) -> list[Sample]:
    return [m.session() for _ in range(count)]


def on_another_machine(m: Machine, shifts: dict[str, float], common: float) -> list[Judgement]:
    """Judged with a reference that says that it is another machine."""
    alu = SessionFigure(math.log(1e-9), 0.001)
    baseline = [replace(s, references={"alu": alu}) for s in sessions(m)]
    shifted = replace(alu, log_s=alu.log_s + common)
    return judge(baseline, replace(m.session(shifts, common=common), references={"alu": shifted}))


def growths(judged: Sequence[Judgement]) -> dict[str, Judgement]:
    return {str(j.benchmark): j for j in judged if j.kind == "growth"}


def class_changes(judged: Sequence[Judgement]) -> list[Judgement]:
    return [j for j in growths(judged).values() if "now " in j.why]


@pytest.mark.parametrize(("count", "noise"), [(5, 0.05), (8, 0.02)])
@pytest.mark.parametrize(
    ("before", "now"),
    [(flat, linear), (lambda n: 1e-9 * n, lambda n: 1e-9 * n * n)],
)
def test_a_class_that_rises_is_a_regression_in_words(
    before: Seconds, now: Seconds, count: int, noise: float
) -> None:
    found = 0
    for seed in range(8):
        m = machine(seed, before, noise)
        judged = judge(sessions(m, count), m.session(m.reshaped("c3", now)))
        changed = {str(j.benchmark): j for j in class_changes(judged)}
        assert changed.keys() <= {"c3"}
        found += "c3" in changed and changed["c3"].verdict == "regressed"
    assert found >= 7


def test_the_words_tell_both_classes_and_the_range() -> None:
    m = machine(1, lambda n: 1e-9 * n, 0.01)
    now = m.session(m.reshaped("c3", lambda n: 1e-9 * n * n))
    (change,) = class_changes(judge(sessions(m), now))
    assert change.why == "now quadratic, was about linear on [1, 2048]"
    assert change.effect is not None
    assert change.effect > 1


@pytest.mark.parametrize("common", [-0.5, 0.5])
def test_it_is_found_on_another_machine_where_no_figure_can_be_compared(common: float) -> None:
    m = machine(2)
    judged = on_another_machine(m, m.reshaped("c3", linear), common)
    assert {j.verdict for j in judged if j.kind == "point"} == {"not comparable"}
    assert [(str(j.benchmark), j.verdict) for j in class_changes(judged)] == [("c3", "regressed")]


@pytest.mark.parametrize("shape", [flat, linear, square])
@pytest.mark.parametrize("common", [-0.7, 0.7])
def test_another_speed_is_no_other_shape(shape: Seconds, common: float) -> None:
    for seed in range(10):
        judged = on_another_machine(machine(seed, shape), {}, common)
        assert {j.verdict for j in growths(judged).values()} <= {"unchanged", "within noise"}


@pytest.mark.parametrize("sign", [1, -1])
def test_points_of_another_machine_do_not_vouch_for_growth(sign: int) -> None:
    """All of them have moved: in one family with them, any growth would hardly need a proof."""
    found = growths(on_another_machine(machine(1, noise=0.05), {}, 0.7)).values()
    towards = [j.p or 0.0 if (j.effect or 0) * sign > 0 else 1.0 for j in found]
    for judgement, q in zip(found, benjamini_hochberg(towards), strict=True):
        if (judgement.effect or 0) * sign > 0:
            assert judgement.q == pytest.approx(q)


def test_a_class_that_falls_is_an_improvement() -> None:
    m = machine(3, linear)
    judged = judge(sessions(m), m.session(m.reshaped("c3", lambda n: 0.9 * flat(n))))
    (change,) = class_changes(judged)
    assert (str(change.benchmark), change.verdict) == ("c3", "improved")
    assert change.why.endswith("was slight growth or about linear on [1, 2048]")
    assert change.why.startswith("now flat, ")


def test_below_five_sessions_a_risen_class_is_suspect() -> None:
    m = machine(4, noise=0.01)
    judged = judge(sessions(m, 4), m.session(m.reshaped("c3", linear)))
    change = growths(judged)["c3"]
    assert change.verdict == "suspect"
    assert change.why.endswith("but known from 4 sessions, 5 are needed")


@pytest.mark.parametrize("growth", [0.08, 0.10, 0.12])
def test_curves_on_the_border_of_a_class_stay_where_they_are(growth: float) -> None:
    """About as many of them are O(1) as are not, in every session anew."""
    for seed in range(20):
        m = machine(seed, lambda n: 1e-6 * (1 + growth * n / LAST), 0.02 + 0.01 * (seed % 4))
        assert class_changes(judge(sessions(m, 5 + seed % 8), m.session())) == []


def test_what_may_have_been_the_class_before_has_not_risen() -> None:
    """The baseline straddles the border: today's growth is a regression, but of no class."""
    m = machine(5, lambda n: 1e-6 * (1 + 0.10 * n / LAST), 0.02)
    growth = growths(judge(sessions(m), m.session(m.reshaped("c3", linear))))["c3"]
    assert growth.verdict == "regressed"
    assert growth.why == "slower at larger levels"


def test_chance_must_not_explain_what_the_classes_say() -> None:
    m = machine(5, noise=0.05)
    baseline, now = sessions(m), m.session(m.reshaped("c3", linear))
    assert class_changes(judge(baseline, now))
    growth = growths(judge(baseline, now, Rules(class_chance=1e-30)))["c3"]
    assert (growth.verdict, growth.why) == ("regressed", "slower at larger levels")


def test_the_chance_is_that_of_all_curves_together() -> None:
    """Of many curves one moves as far by chance: each must be as much surer as there are more."""
    m = machine(5, noise=0.05)
    baseline, now = sessions(m), m.session(m.reshaped("c3", linear))
    p = growths(judge(baseline, now))["c3"].p
    assert p is not None
    for share, told in ((1.1, {"c3"}), (0.9, set())):
        judged = judge(baseline, now, Rules(class_chance=share * CURVES * p))
        assert {str(j.benchmark) for j in class_changes(judged)} == told


@pytest.mark.parametrize("factor", [2.0, 3.0])
def test_a_step_is_no_class(factor: float) -> None:
    m = machine(6)
    now = m.session(m.reshaped("c3", lambda n: 1e-6 * (factor if n > 64 else 1.0)))
    growth = growths(judge(sessions(m), now))["c3"]
    assert (growth.verdict, growth.why) == ("regressed", "slower at larger levels")


def test_a_piece_too_short_for_a_class_leaves_it_open() -> None:
    """Flat, but for the last three levels, which may have been anything."""
    m = machine(6, noise=0.005)
    m.shape("c3", lambda n: 1e-6 * (2.0 if n > LAST // 8 else 1.0))
    now = m.session(m.reshaped("c3", lambda n: 1e-6 * (1 + 9 * n / LAST)))
    growth = growths(judge(sessions(m), now))["c3"]
    assert (growth.verdict, growth.why) == ("regressed", "slower at larger levels")


def test_a_curve_of_no_class_has_none_to_change() -> None:
    m = machine(6)
    rng = np.random.default_rng(6)
    m.shape("c3", lambda n: 1e-6 * math.exp(rng.normal(0, 1)))
    steeper = {name: 0.1 * math.log(x) for name, mine, x in m.names if mine == "c3" and x}
    growth = growths(judge(sessions(m), m.session(steeper)))["c3"]
    assert (growth.verdict, growth.why) == ("regressed", "slower at larger levels")


def test_a_cheaper_constant_raises_no_class() -> None:
    """O(1) only because the constant hid the rest: all levels are faster now."""
    m = machine(7, lambda n: 1e-6 * (1 + 0.06 * n / LAST), 0.005)
    now = m.session(m.reshaped("c3", lambda n: 1e-6 * (0.2 + 0.06 * n / LAST)))
    judged = judge(sessions(m), now)
    assert class_changes(judged) == []
    assert not any(j.verdict == "regressed" for j in judged)


def test_a_point_may_stand_alone_where_the_class_rose() -> None:
    """A square shows at the last level first, and no neighbour moves half as far."""
    m = machine(8, noise=0.01)
    last = f"c3[n={LAST}]"
    judged = judge(sessions(m), m.session(m.reshaped("c3", square)))
    assert {str(j.benchmark): j.verdict for j in judged if j.kind == "point"}[last] == "regressed"
    assert class_changes(judged)


@pytest.mark.parametrize("level", [LAST // 2, LAST])
def test_a_single_point_makes_no_class(level: int) -> None:
    m = machine(8, noise=0.01)
    judged = judge(sessions(m), m.session({f"c3[n={level}]": math.log(2)}))
    assert class_changes(judged) == []
    assert {j.verdict for j in judged if str(j.benchmark) == f"c3[n={level}]"} == {"suspect"}


FIGURES = st.builds(
    SessionFigure,
    log_s=st.sampled_from([-25.0, -14.0, -14.0, -13.9, -12.0, 20.0]),
    error=st.sampled_from([0.0, 0.0, 0.01, 3.0]),
    doubt=st.sampled_from([None, None, None, "unstable"]),
)
LEVELS = st.sampled_from([0, 1, 2, 16, 17, 1000, 2**40, 2**62])


def test_of_many_benchmarks_a_class_that_rose_is_still_found() -> None:
    """Its growth alone might be chance, among eighty: its class has risen, too."""
    m = Machine(np.random.default_rng([31, 3]), 1, 12, 80, sd=(0.05, 0.05), together=0.0)
    m.shape("c0", flat)
    baseline = sessions(m, 6)
    now = m.session(m.reshaped("c0", lambda n: 1e-6 * (1 + 0.8 * n / LAST)))
    found = growths(judge(baseline, now))["c0"]
    assert (found.q or 0.0) > Rules().false_share
    assert found.verdict == "regressed"
    assert found.why.startswith("now slight growth, was flat")


@settings(max_examples=60)
@given(
    levels=st.lists(LEVELS, min_size=2, max_size=8, unique=True),
    shifts=st.lists(st.floats(-3, 3), min_size=9, max_size=9),
    data=st.data(),
)
def test_whatever_a_curve_holds_it_is_judged(
    levels: list[int], shifts: list[float], data: st.DataObject
) -> None:
    """Two points, zeros, exact figures, gaps; and a growth that surely changed."""

    def session(shifts: Sequence[float]) -> Sample:
        return Sample(
            {
                Benchmark("c", (), "n", x): replace(figure, log_s=figure.log_s + shift)
                for x, figure, shift in zip(levels, figures, shifts, strict=False)
            }
        )

    figures = [data.draw(FIGURES) for _ in levels]
    judged = judge([session([0.0] * len(levels))] * 6, session(shifts))
    assert {str(j.benchmark) for j in judged if j.kind == "point"} == {f"c[n={x}]" for x in levels}
    for judgement in judged:
        assert judgement.why
        assert judgement.p is None or not math.isnan(judgement.p)
