"""The verdicts, on sessions out of seeded noise. Rates are asserted loosely."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import Machine, benchmark, by_name, curve

from runners.gate.evidence import Sample, SessionFigure
from runners.gate.judge import Rules, judge
from runners.model.benchmark import Benchmark

SLOWER = math.log(1.10)
A = Benchmark("a")


def machine(seed: int, **changes: object) -> Machine:
    usual: dict[str, object] = {"curves": 4, "points": 8, "singles": 20, "sd": (0.005, 0.015)}
    return Machine(np.random.default_rng([11, seed]), **{**usual, **changes})  # type: ignore[arg-type]


def sessions(m: Machine, count: int) -> list[Sample]:
    return [m.session() for _ in range(count)]


def doubtful(sample: Sample, name: str, doubt: str = "rounds differ by 30%") -> Sample:
    figures = dict(sample.figures)
    figures[Benchmark(name)] = replace(figures[Benchmark(name)], doubt=doubt)
    return replace(sample, figures=figures)


def test_an_unchanged_machine_is_hardly_ever_called_slower() -> None:
    alarms = Counter[str]()
    for seed in range(40):
        m = machine(seed, common_sd=0.01 * (seed % 3))
        alarms.update({j.verdict for j in judge(sessions(m, 5 + seed % 6), m.session())})
    assert alarms["regressed"] <= 4
    assert alarms["improved"] <= 4


@pytest.mark.parametrize("sign", [1, -1])
def test_a_tenth_is_found_on_a_curve_and_on_a_single_benchmark(sign: int) -> None:
    found, single = Counter[str](), Counter[str]()
    for seed in range(15):
        m = machine(seed)
        shifts = dict.fromkeys([*curve(m, "c1"), "s3"], sign * SLOWER)
        verdicts = by_name(judge(sessions(m, 8), m.session(shifts)))
        found.update(verdicts[name].verdict for name in curve(m, "c1"))
        single[verdicts["s3"].verdict] += 1
        others = [j.verdict for name, j in verdicts.items() if name not in shifts]
        assert others.count("regressed") + others.count("improved") <= 2
    word = "regressed" if sign > 0 else "improved"
    assert found[word] >= 0.9 * found.total()
    assert single[word] >= 0.6 * single.total()
    assert found["regressed" if sign < 0 else "improved"] == 0


def test_slower_and_faster_are_judged_alike() -> None:
    m = machine(3)
    baseline, now = sessions(m, 8), m.session(dict.fromkeys(curve(m, "c0"), SLOWER))

    def mirrored(sample: Sample) -> Sample:
        figures = {name: replace(f, log_s=-30 - f.log_s) for name, f in sample.figures.items()}
        return replace(sample, figures=figures)

    rules = Rules(floor_s=0.0)
    there = by_name(judge(baseline, now, rules))
    back = by_name(judge([mirrored(s) for s in baseline], mirrored(now), rules))
    for name, judgement in there.items():
        assert back[name].p == pytest.approx(judgement.p)
        assert back[name].q == pytest.approx(judgement.q)
        if judgement.verdict == "regressed":
            assert back[name].verdict == "improved"


def test_a_slow_session_is_not_a_slow_system() -> None:
    """Sessions of this machine differ as a whole by 2 %: one that is 3 % slower proves nothing."""
    regressed = 0
    for seed in range(20):
        m = machine(seed, common_sd=0.02)
        judged = judge(sessions(m, 8), m.session(common=0.03))
        regressed += any(j.verdict == "regressed" for j in judged)
    assert regressed <= 4


def test_a_uniform_slow_down_is_found() -> None:
    m = machine(5)
    judged = by_name(judge(sessions(m, 8), m.session(common=SLOWER)))
    found = sum(j.verdict == "regressed" for j in judged.values())
    assert found >= 0.9 * len(judged)


def test_an_isolated_point_of_a_curve_needs_confirmation() -> None:
    m = machine(6)
    name = curve(m, "c2")[4]
    judged = by_name(judge(sessions(m, 8), m.session({name: math.log(1.3)})))
    assert judged[name].verdict == "suspect"
    assert "its curve is not" in judged[name].why
    # Of fifty points one may lie as far by chance.
    m = machine(6)
    judged = by_name(judge(sessions(m, 8), m.session({name: 0.045})))
    assert judged[name].verdict == "within noise"


def test_a_curve_that_grows_faster_is_a_regression_of_its_own() -> None:
    m = machine(7)
    names = curve(m, "c2")
    steeper = {name: 0.05 * i for i, name in enumerate(names)}
    growth = {
        str(j.benchmark): j for j in judge(sessions(m, 8), m.session(steeper)) if j.kind == "growth"
    }
    assert growth["c2"].verdict == "regressed"
    assert growth["c2"].why == "slower at larger levels"
    assert growth["c1"].verdict != "regressed"


def test_a_cheaper_constant_is_no_regression_of_growth() -> None:
    """Small levels became faster and large ones stayed: steeper, but nothing is slower."""
    m = machine(7)
    names = curve(m, "c2")
    cheaper = {name: 0.05 * i for i, name in enumerate(reversed(names))}
    for sign in (1, -1):
        shifts = {name: -sign * shift for name, shift in cheaper.items()}
        judged = judge(sessions(m, 8), m.session(shifts))
        assert not [j for j in judged if j.kind == "growth" and j.verdict == "regressed"]
        assert not [j for j in judged if j.kind == "growth" and j.verdict == "improved"]
        wanted = "improved" if sign > 0 else "regressed"
        assert by_name(judged)[names[0]].verdict == wanted


def test_a_slower_curve_does_not_vouch_for_its_growth() -> None:
    """Twice as slow beyond doubt, and steeper by what chance does to one curve in thirty."""
    told = 0
    for seed in range(12):
        m = machine(seed, sd=(0.08, 0.08))
        shifts = {name: math.log(2) + 0.019 * i for i, name in enumerate(curve(m, "c2"))}
        judged = judge(sessions(m, 8), m.session(shifts))
        told += any(j.kind == "growth" and j.verdict == "regressed" for j in judged)
    assert told <= 3


def test_growth_survives_a_change_of_machine() -> None:
    m = machine(7)
    steeper = {name: 0.05 * i for i, name in enumerate(curve(m, "c2"))}
    alu = SessionFigure(math.log(1e-9), 0.001)
    baseline = [replace(s, references={"alu": alu}) for s in sessions(m, 8)]
    other = replace(
        m.session(steeper, common=0.5), references={"alu": replace(alu, log_s=alu.log_s + 0.5)}
    )
    judged = judge(baseline, other)
    assert {j.verdict for j in judged if j.kind == "point"} == {"not comparable"}
    assert all("alu" in j.why for j in judged if j.verdict == "not comparable")
    assert {str(j.benchmark) for j in judged if j.verdict == "regressed"} == {"c2"}


def test_beside_a_busy_neighbour_only_what_moved_with_the_memory_is_in_doubt() -> None:
    m = machine(7)
    core, memory = SessionFigure(math.log(1e-9), 0.001), SessionFigure(math.log(1e-7), 0.001)
    baseline = [replace(s, references={"alu": core, "dram": memory}) for s in sessions(m, 8)]
    slower = dict.fromkeys(curve(m, "c2"), math.log(1.3)) | dict.fromkeys(curve(m, "c3"), 0.1)
    busy = {"alu": core, "dram": replace(memory, log_s=memory.log_s + 0.15)}
    judged = judge(baseline, replace(m.session(slower), references=busy))
    verdicts = {str(j.benchmark): j for j in judged if j.kind == "point"}
    assert {verdicts[name].verdict for name in curve(m, "c2")} == {"regressed"}
    with_it = [verdicts[name] for name in curve(m, "c3")]
    assert not {"regressed", "suspect"} & {j.verdict for j in with_it}
    assert any(
        (j.verdict, j.why)
        == ("not comparable", "changed no more than reference dram: probably the machine")
        for j in with_it
    )
    others = {j.verdict for j in verdicts.values()} - {"not comparable"}
    assert "unchanged" in others or "within noise" in others


def test_a_reference_takes_away_what_it_explains() -> None:
    """Every session has another clock; the reference tells it, and leaves a tenth in sight."""
    rng = np.random.default_rng(12)
    m = machine(8, sd=(0.004, 0.006))

    def session(shifts: dict[str, float] | None = None) -> Sample:
        clock = float(rng.normal(0, 0.04))
        alu = SessionFigure(math.log(1e-9) + clock + float(rng.normal(0, 0.002)), 0.002)
        return replace(m.session(shifts, common=clock), references={"alu": alu})

    def without(sample: Sample) -> Sample:
        return replace(sample, references={})

    baseline = [session() for _ in range(9)]
    now = session(dict.fromkeys(curve(m, "c1"), SLOWER))
    told = by_name(judge(baseline, now))
    untold = by_name(judge([without(s) for s in baseline], without(now)))
    assert all(told[name].verdict == "regressed" for name in curve(m, "c1"))
    for name in curve(m, "c1"):
        assert (told[name].detectable or 0) < (untold[name].detectable or 0) / 2


def test_unstable_figures_are_never_regressions() -> None:
    m = machine(9)
    now = doubtful(m.session({"s0": math.log(2)}), "s0", "neighbour on the core")
    judgement = by_name(judge(sessions(m, 8), now))["s0"]
    assert judgement.verdict == "inconclusive"
    assert "neighbour on the core" in judgement.why


def test_a_session_as_noisy_as_the_change_proves_nothing() -> None:
    m = machine(10)
    now = m.session({"s0": math.log(1.3)})
    figures = dict(now.figures)
    figures[Benchmark("s0")] = replace(figures[Benchmark("s0")], error=0.3)
    verdict = by_name(judge(sessions(m, 8), replace(now, figures=figures)))["s0"].verdict
    assert verdict not in ("regressed", "suspect", "improved")


def test_a_point_that_is_too_noisy_is_not_judged_by_its_curve() -> None:
    m = machine(5)
    names = curve(m, "c1")
    baseline, now = sessions(m, 8), m.session(dict.fromkeys(names, SLOWER))
    figures = dict(now.figures)
    noisy = next(name for name in figures if str(name) == names[3])
    figures[noisy] = replace(figures[noisy], error=0.07)
    judged = by_name(judge(baseline, replace(now, figures=figures)))
    assert (judged[names[2]].verdict, judged[names[3]].verdict) == ("regressed", "within noise")


def test_new_and_missing_benchmarks_are_named() -> None:
    m = machine(11)
    baseline, now = sessions(m, 5), m.session()
    del baseline[2].figures[Benchmark("s1")]  # type: ignore[attr-defined]
    figures = dict(now.figures)
    figures[Benchmark("new")] = figures.pop(Benchmark("s1"))
    judged = by_name(judge(baseline, replace(now, figures=figures)))
    assert judged["new"].verdict == "new"
    assert judged["s1"].verdict == "missing"
    assert judged["s1"].why == "in 4 of 5 sessions of the baseline, not in this one"
    assert judged["s1"].sessions == 4
    assert len(judged) == len(m.names) + 1


@pytest.mark.parametrize("count", [2, 3, 4])
def test_below_five_sessions_nothing_is_more_than_suspect(count: int) -> None:
    m = machine(12)
    judged = judge(sessions(m, count), m.session(dict.fromkeys(curve(m, "c0"), math.log(2))))
    assert not any(j.verdict == "regressed" for j in judged)
    assert by_name(judged)[curve(m, "c0")[3]].verdict == "suspect"


@pytest.mark.parametrize("count", [0, 1])
def test_without_a_second_session_nothing_is_said(count: int) -> None:
    m = machine(13)
    judged = judge(sessions(m, count), m.session(common=1.0))
    assert {j.verdict for j in judged} <= {"new", "inconclusive"}
    assert len(by_name(judged)) == len(m.names)


def test_why_a_benchmark_has_no_history_is_told() -> None:
    m = machine(13)
    one, other = sessions(m, 2)
    judged = by_name(judge([one, doubtful(other, "s0")], m.session()))
    assert judged["s0"].why == "unstable in all baseline sessions but one"
    judged = by_name(judge([doubtful(one, "s0"), doubtful(other, "s0")], m.session()))
    assert judged["s0"].why == "unstable in every baseline session that has it"
    without = replace(other, figures={benchmark("s1"): other.figures[benchmark("s1")]})
    for stored in ([one], [one, without]):
        why = by_name(judge(stored, m.session()))["s0"].why
        assert why == "one session does not show how far sessions differ"


def test_errors_of_unstable_sessions_excuse_nothing_of_todays() -> None:
    """They are not compared with: that they were noisy does not make today's figure surer."""
    m = machine(4, sd=(0.002, 0.002))
    name = benchmark("s0")
    stored = []
    for _ in range(6):
        m.start_anew()
        stored.append(m.session())
    m.start_anew()
    noisy = [
        replace(
            sample,
            figures={
                **sample.figures,
                name: replace(doubtful(sample, "s0").figures[name], error=0.1),
            },
        )
        for sample in sessions(m, 6)
    ]
    m.start_anew()
    today = m.session()
    figure = replace(today.figures[name], error=0.02)
    today = replace(today, figures={**today.figures, name: figure})
    alone, beside = (by_name(judge(s, today))["s0"] for s in (stored, [*stored, *noisy]))
    assert alone.interval == pytest.approx(beside.interval, abs=1e-3)


def test_unchanged_means_that_a_change_that_matters_is_ruled_out() -> None:
    m = machine(5, curves=0, singles=30, sd=(0.05, 0.05))
    judged = judge(sessions(m, 20), m.session())
    assert {j.verdict for j in judged} == {"within noise"}
    m = machine(5, curves=0, singles=30, sd=(0.002, 0.002))
    judged = judge(sessions(m, 20), m.session())
    assert {j.verdict for j in judged} == {"unchanged"}
    assert {j.why for j in judged} == {"a change of 3.0% is ruled out"}


def test_sessions_of_older_code_choose_no_boot() -> None:
    """Today's boot has five sessions, all of them of older code: the others are compared with."""
    m = machine(6, sd=(0.002, 0.005))
    stored = []
    for _ in range(8):
        m.start_anew()
        stored.append(m.session())
    old = [
        replace(s, figures={n: replace(f, code="old") for n, f in s.figures.items()})
        for s in sessions(m, 5)
    ]
    slower = m.session({"s0": math.log(1.5)})
    stored = [sample for sample in stored if sample.boot != slower.boot]
    assert by_name(judge([*stored, *old], slower))["s0"].verdict == "regressed"


def test_now_is_what_was_measured_and_before_is_what_it_is_compared_with() -> None:
    """Also where a reference explains a part: the baseline is told as on today's machine."""
    m = machine(8, curves=0, singles=10, sd=(0.002, 0.002))
    shifts = (0.0, 0.03, -0.02, 0.01, -0.03, 0.02)
    samples = []
    for shift in (*shifts, 0.04):
        sample = m.session(common=shift)
        samples.append(replace(sample, references={"clock": SessionFigure(shift, 0.0005)}))
    *stored, today = samples
    for name, told in by_name(judge(stored, today)).items():
        assert told.now_s == pytest.approx(math.exp(today.figures[benchmark(name)].log_s))
        assert told.now_s / told.before_s - 1 == pytest.approx(told.effect)
        assert abs(told.effect) < 0.02


def test_a_growth_below_a_tenth_is_none() -> None:
    m = machine(7, sd=(0.001, 0.001))
    steeper = {name: 0.01 * i for i, name in enumerate(curve(m, "c2"))}
    judged = judge(sessions(m, 8), m.session(steeper))
    assert not [j for j in judged if j.kind == "growth" and j.verdict in ("regressed", "suspect")]


def test_less_than_a_clock_cycle_is_no_change() -> None:
    m = machine(14, curves=0, singles=20)
    m.levels[:] = math.log(1e-9)
    judged = judge(sessions(m, 8), m.session({"s0": math.log(1.2)}))
    assert by_name(judged)["s0"].verdict not in ("regressed", "suspect")
    m.levels[:] = math.log(1e-8)
    judged = judge(sessions(m, 8), m.session({"s0": math.log(1.2)}))
    assert by_name(judged)["s0"].verdict in ("regressed", "suspect")


def test_a_benchmark_may_have_another_least_effect() -> None:
    m = machine(15)
    baseline, now = sessions(m, 8), m.session(dict.fromkeys(curve(m, "c0"), SLOWER))
    strict = by_name(judge(baseline, now, least_effect=lambda name: 0.5))
    assert not any(j.verdict == "regressed" for j in strict.values())


@pytest.mark.parametrize(
    "strict", [Rules(most_chance=1e-30), Rules(false_share=1e-30), Rules(least_deviations=1e6)]
)
def test_chance_must_be_excluded_for_the_benchmark_and_among_all(strict: Rules) -> None:
    m = machine(16)
    baseline, now = sessions(m, 8), m.session(dict.fromkeys(curve(m, "c1"), SLOWER))
    assert any(j.verdict == "regressed" for j in judge(baseline, now))
    assert not any(j.verdict == "regressed" for j in judge(baseline, now, strict))


def test_where_only_huge_changes_could_be_found_nothing_is_said() -> None:
    m = machine(17)
    judged = by_name(judge(sessions(m, 8), m.session(), Rules(useless=0.001))).values()
    assert {(j.verdict, j.lacks) for j in judged} == {("inconclusive", "sessions")}
    assert all("could be found" in j.why for j in judged)


def test_what_a_wide_interval_leaves_possible_is_not_ruled_out() -> None:
    m = machine(10)
    figures = {n: replace(f, error=0.05) for n, f in m.session().figures.items()}
    judged = by_name(judge(sessions(m, 8), Sample(figures, boot=m.boot)))
    assert "unchanged" not in {j.verdict for j in judged.values()}


def of_a(*logs_s: float) -> list[Sample]:
    return [Sample({A: SessionFigure(log_s, 1e-6)}, boot="b") for log_s in logs_s]


def test_what_five_sessions_tell_by_the_formula() -> None:
    """Four degrees of freedom: the 95 % interval reaches 2.776 scales to either side."""
    logs_s = [-9.0, -8.99, -8.98, -8.99, -8.97]
    middle, sd = float(np.mean(logs_s)), float(np.std(logs_s, ddof=1))
    half = 2.776 * sd * math.sqrt(1 + 1 / 5)
    (told,) = judge(of_a(*logs_s), *of_a(middle + 0.01))
    assert told.interval == pytest.approx([math.expm1(0.01 - half), math.expm1(0.01 + half)], 1e-3)
    # Nine in ten find what is further than 5.598 scales (p = 0.0025) and 1.533 more (one in ten).
    detectable = math.expm1((5.598 + 1.533) * sd * math.sqrt(1 + 1 / 5))
    assert told.detectable == pytest.approx(detectable, rel=1e-3)
    # All of it must lie below the least change that counts, here three deviations: 19 in 20 do not.
    within = judge(of_a(*logs_s), *of_a(middle))[0]
    assert (within.verdict, within.why) == ("within noise", "sessions differ by 1.1%")
    assert judge(of_a(*logs_s, *logs_s), *of_a(middle))[0].verdict == "unchanged"


def test_odd_sessions_are_judged_without_an_accident() -> None:
    """Zero variances, one benchmark, curves of one and two points, gaps."""
    known = SessionFigure(-9.0, 0.0)
    exact = Sample({A: SessionFigure(-10.0, 0.0), Benchmark("c", (), "n", 1): known}, boot="b")
    gap = Sample(
        {Benchmark(c, (), "n", n): SessionFigure(-9.0, 0.1) for c, n in (("c", 2), ("d", 0))},
        boot="b",
    )
    judged = by_name(judge([exact, exact, gap, exact, exact, exact], exact))
    assert judged["a"].verdict == "unchanged"
    assert judged["c[n=2]"].verdict == "missing"
    slower = Sample({A: known}, boot="b")
    assert by_name(judge([exact] * 6, slower))["a"].verdict == "regressed"


FIGURES = st.builds(
    SessionFigure,
    log_s=st.floats(-25, 5),
    error=st.floats(0, 2),
    doubt=st.sampled_from([None, None, None, "unstable"]),
)
KNOWN = [A, Benchmark("b")]
KNOWN += [Benchmark(c, (), "n", n) for c in ("c", "d") for n in (1, 4, 64, 1024)]
SAMPLES = st.builds(
    Sample,
    st.fixed_dictionaries({}, optional=dict.fromkeys(KNOWN, FIGURES)),
    boot=st.sampled_from([None, "b", "c"]),
)


@settings(max_examples=60)
@given(st.lists(SAMPLES, max_size=7), SAMPLES)
def test_whatever_sessions_hold_every_benchmark_gets_one_verdict(
    baseline: list[Sample], now: Sample
) -> None:
    judged = judge(baseline, now)
    points = [j.benchmark for j in judged if j.kind == "point"]
    everywhere = {name for sample in (*baseline, now) for name in sample.figures}
    assert len(points) == len(set(points))
    assert set(points) == everywhere
    for judgement in judged:
        assert judgement.why
        for number in (judgement.p, judgement.q, judgement.effect, judgement.detectable):
            assert number is None or not math.isnan(number)
        figure = now.figures.get(judgement.benchmark)
        if figure is not None and figure.doubt is not None:
            assert judgement.verdict in ("inconclusive", "new")


def test_figures_of_other_code_are_never_compared() -> None:
    m = machine(4)
    name = benchmark("s0")
    stored = sessions(m, 8)
    today = m.session({"s0": math.log(2)})
    other = replace(today.figures[name], code="today's")
    judged = by_name(judge(stored, replace(today, figures={**today.figures, name: other})))
    assert (judged["s0"].verdict, judged["s0"].why) == ("new", "micro's own code changed")
    assert by_name(judge(stored, today))["s0"].verdict == "regressed"
