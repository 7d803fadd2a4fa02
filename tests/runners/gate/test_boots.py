"""The scale of a change, by the formulas themselves: no simulation, a few rows made by hand."""

from __future__ import annotations

import math
from statistics import variance
from typing import Any

import numpy as np
import pytest

from runners.gate import boots
from runners.gate.boots import Place, comparable, gain_of_another, known_boots, of_one_boot
from runners.gate.evidence import (
    Change,
    Sample,
    moves_at_its_larger_levels,
    moves_with_its_curve,
    points_of,
    units,
)
from runners.gate.evidence import test as judge_chance
from runners.gate.moderation import Prior, fit
from runners.model.benchmark import Benchmark

SINGLE = Benchmark("fd.open_close")


def kernel(_: Benchmark) -> Place:
    return "kernel"


def sample(boot: str | None) -> Sample:
    return Sample({}, boot=boot)


def change(*sessions: tuple[str, float], effect: float = 0.05, **known: Any) -> Change:
    """A row with sessions of named boots, less the mean of the boots' means, as `gather` has it."""
    names = [boot for boot, _ in sessions]
    order = list(dict.fromkeys(names))
    values = np.array([value for _, value in sessions])
    numbers = np.array([order.index(boot) for boot in names], dtype=np.int64)
    means = [values[numbers == number].mean() for number in range(len(order))]
    row = Change(
        known.pop("benchmark", SINGLE),
        known.pop("kind", "point"),
        values - np.mean(means),
        numbers,
        effect,
        known.pop("error2", 0.0),
        known.pop("usual_error2", 0.0),
    )
    for name, value in known.items():
        setattr(row, name, value)
    return row


# Which sessions are compared


TODAY, OTHER = sample("today"), sample("other")


@pytest.mark.parametrize(
    ("stored", "within", "kept"),
    [
        ([TODAY] * 5, True, 5),
        ([TODAY] * 2, True, 2),  # there are no others
        ([TODAY] * 5 + [OTHER], True, 5),
        ([TODAY] * 4 + [OTHER] * 4, False, 4),  # too few of today's: they stay out
        ([TODAY] * 4 + [OTHER], True, 4),  # one session of another boot tells less than four
        ([OTHER] * 3, False, 3),
    ],
)
def test_sessions_of_todays_boot_are_compared_with_where_they_are_enough(
    stored: list[Sample], within: bool, kept: int
) -> None:
    assert of_one_boot(stored, TODAY, 5) is within
    found = comparable(stored, TODAY, 5)
    assert len(found) == kept
    assert {stored[i].boot for i in found} == ({"today"} if within else {"other"})


def test_an_unknown_boot_is_never_todays() -> None:
    stored = [sample(None)] * 5 + [OTHER]
    assert not of_one_boot(stored, sample(None), 5)
    assert len(comparable(stored, sample(None), 5)) == 6


def test_sessions_of_unknown_boots_count_as_one_boots() -> None:
    assert known_boots([sample("a"), sample("b"), sample("b")]) == 2
    assert known_boots([sample(None), sample(None), sample("a")]) == 2


def test_another_boot_is_worth_less_the_more_are_known() -> None:
    gains = [gain_of_another(count) for count in range(1, 9)]
    assert 0.4 < gains[0] < 0.8
    assert all(0 < gain < gains[0] for gain in gains[1:])


# Against other boots


def scaled(row: Change) -> Change:
    boots.across_boots([row], kernel)
    return row


def test_one_boot_is_taken_to_stray_as_boots_usually_do() -> None:
    row = scaled(change(("a", 0.0), ("a", 0.004), ("a", 0.002)))
    within = variance([0.0, 0.004, 0.002])
    of_boots = (boots.USUAL_BOOT_SD["kernel"] ** 2 + within / 3) * (1 + 1)
    of_sessions = within * (1 - 1 / 3)  # today's one session, of which a boot's mean has three
    assert row.across == 1
    assert row.scale == pytest.approx(math.sqrt(of_boots + of_sessions))
    total = of_boots + of_sessions
    assert row.dof == pytest.approx(total**2 / (of_boots**2 / 2.5 + of_sessions**2 / 2))


def test_user_space_strays_less_from_boot_to_boot() -> None:
    sessions = [("a", 0.0), ("a", 0.0001), ("a", 0.0002)]
    rows = change(*sessions), change(*sessions)
    boots.across_boots(rows[:1], kernel)
    boots.across_boots(rows[1:], lambda _: "user space")
    assert rows[0].scale / rows[1].scale == pytest.approx(0.0095 / 0.0015, rel=0.01)


def test_two_boots_tell_by_what_they_differ_and_are_worth_five_degrees_of_freedom() -> None:
    row = scaled(change(("a", 0.00), ("b", 0.02), boots_now=1))
    between = variance([0.00, 0.02])
    assert row.across == 2
    assert row.scale == pytest.approx(math.sqrt(between * (1 / 2 + 1)), rel=1e-3)
    assert row.dof == pytest.approx(5.0, rel=0.01)


def test_many_boots_are_as_many_observations_as_there_are_boots() -> None:
    means = [0.00, 0.02, 0.01, 0.03, 0.005]
    row = scaled(change(*zip("abcde", means, strict=True)))
    assert row.across == 5
    assert row.scale == pytest.approx(math.sqrt(variance(means) * (1 / 5 + 1)), rel=1e-3)
    assert row.dof == pytest.approx(4.0, rel=0.01)
    assert row.sd == pytest.approx(math.sqrt(variance(means)), rel=1e-3)


def test_more_boots_today_make_the_scale_smaller() -> None:
    means = [0.00, 0.02, 0.01, 0.03]
    one, three = (change(*zip("abcd", means, strict=True), boots_now=now) for now in (1, 3))
    assert scaled(three).scale / scaled(one).scale == pytest.approx(
        math.sqrt((1 / 4 + 1 / 3) / (1 / 4 + 1)), rel=1e-3
    )


def test_as_many_sessions_a_boot_today_add_nothing_of_their_own() -> None:
    sessions = [(boot, mean + off) for boot, mean in (("a", 0.0), ("b", 0.02)) for off in (0, 0.01)]
    fewer, same, more = (change(*sessions, boot_size_now=size) for size in (1.0, 2.0, 4.0))
    assert scaled(fewer).scale > scaled(same).scale
    assert scaled(more).scale == pytest.approx(scaled(same).scale)


def test_a_session_noisier_than_the_stored_ones_widens_the_scale() -> None:
    boots_of = [("a", 0.00), ("b", 0.02)]
    usual = scaled(change(*boots_of, error2=1e-6, usual_error2=1e-6))
    noisy = scaled(change(*boots_of, error2=4e-4, usual_error2=1e-6))
    quiet = scaled(change(*boots_of, error2=1e-8, usual_error2=1e-6))
    assert noisy.scale**2 - usual.scale**2 == pytest.approx(4e-4 - 1e-6, rel=0.01)
    assert quiet.scale == pytest.approx(usual.scale)
    # The mean of three sessions has a third of one's error to begin with.
    three = scaled(change(*boots_of, error2=1e-4, usual_error2=3e-4, boots_now=3))
    assert three.scale == pytest.approx(scaled(change(*boots_of, boots_now=3)).scale, rel=1e-6)
    noisy = scaled(change(*boots_of, error2=3e-4, usual_error2=3e-4, boots_now=3))
    assert noisy.scale**2 - three.scale**2 == pytest.approx(2e-4, rel=0.01)


def test_rows_of_one_kind_steady_each_other_and_no_others() -> None:
    def rows() -> list[Change]:
        wide = [("a", 0.0), ("b", 0.08), ("c", -0.05), ("d", 0.03)]
        small = [(boot, value / 10) for boot, value in wide]
        return [
            change(*(wide if number == 0 else small), benchmark=Benchmark(f"s{number}"))
            for number in range(8)
        ]

    alone, together, apart = rows(), rows(), rows()
    for row in alone:
        scaled(row)
    boots.across_boots(together, kernel)
    boots.across_boots(apart, lambda b: "memory" if b.probe == "s0" else "kernel")
    assert together[0].scale < alone[0].scale  # the others say that so much is rare
    assert together[0].dof >= alone[0].dof
    assert apart[0].scale == pytest.approx(alone[0].scale)


def test_no_number_of_benchmarks_makes_four_boots_more_than_they_are() -> None:
    rng = np.random.default_rng(7)
    rows = [
        change(*zip("abcd", rng.normal(0, 0.01, 4), strict=True), benchmark=Benchmark(f"s{i}"))
        for i in range(300)
    ]
    boots.across_boots(rows, kernel)
    assert all(row.dof <= 3 + 3 + 1e-9 for row in rows)  # three boots' worth, and its own three


# Within a boot


def test_within_a_boot_its_sessions_are_all_there_is() -> None:
    values = [0.00, 0.01, 0.02, 0.01, 0.03]
    row = change(*[("a", value) for value in values], boot_size_now=1.0)
    boots.within_boot([row])
    assert row.across == 0
    assert row.sd == pytest.approx(math.sqrt(variance(values)))
    assert row.scale == pytest.approx(math.sqrt(variance(values) * (1 + 1 / 5)))
    assert row.dof == pytest.approx(4.0)


def test_within_a_boot_a_noisy_session_is_known_by_its_own_error() -> None:
    values = [0.000, 0.001, 0.002]
    row = change(*[("a", value) for value in values], error2=1e-4)
    boots.within_boot([row])
    assert row.scale == pytest.approx(math.sqrt(1e-4 * (1 + 1 / 3)))


def test_benchmarks_that_move_as_one_know_no_more_than_one() -> None:
    values = [0.00, 0.01, 0.02, 0.01, 0.03]
    rows = [
        change(*[("a", value) for value in values], benchmark=Benchmark(f"s{number}"))
        for number in range(20)
    ]
    boots.within_boot(rows)
    assert all(row.dof == pytest.approx(4.0) for row in rows)


def test_a_boots_own_variance_has_a_degree_of_freedom_less_for_each_boot() -> None:
    row = change(("a", 0.00), ("a", 0.01), ("b", 0.05), ("b", 0.07), ("b", 0.06))
    assert row.own_dof == 3
    assert row.variance == pytest.approx(
        (variance([0.0, 0.01]) + 2 * variance([5, 7, 6]) / 1e4) / 3
    )


# The prior


def test_a_prior_is_weighed_by_degrees_of_freedom() -> None:
    prior = Prior(np.array([4.0]), 6.0)
    moderated, total = prior.moderate(np.array([1.0]), np.array([2.0]))
    assert moderated[0] == pytest.approx((6 * 4 + 2 * 1) / 8)
    assert total[0] == 8
    weaker, total = prior.no_stronger(2.0).moderate(np.array([1.0]), np.array([2.0]))
    assert (weaker[0], total[0]) == (pytest.approx(2.5), 4)
    assert prior.no_stronger(9.0).dof == 6


def test_two_variances_make_no_prior() -> None:
    assert fit(np.array([1.0, 4.0]), np.array([3.0, 3.0])).dof == 0


# Points and their curve


def curve(*effects: float, growth: float = 0.0) -> list[Change]:
    found = [
        change(("a", 0.0), effect=effect, benchmark=Benchmark("c", (), "n", 1 << place))
        for place, effect in enumerate(effects)
    ]
    mean = sum(effects) / len(effects)
    whole = Benchmark("c", (), "n", None)
    found.append(change(("a", 0.0), effect=mean, benchmark=whole, kind="curve"))
    found.append(change(("a", 0.0), effect=growth, benchmark=whole, kind="growth"))
    for row in found:
        row.scale, row.dof = 0.01, 10.0
    return found


def test_points_of_a_curve_come_by_level() -> None:
    rows = curve(0.1, 0.2, 0.3)
    assert [row.level for row in points_of(rows[0].curve, rows[::-1])] == [1, 2, 4]


def test_a_point_that_moved_against_its_curve_is_chance() -> None:
    rows = curve(0.2, 0.2, -0.2, 0.2)
    judge_chance(rows)
    mean = rows[4]
    assert rows[0].q == mean.q < 0.01
    assert rows[2].q == 1.0


def test_points_of_a_curve_are_no_hypotheses_of_their_own() -> None:
    rows = [*curve(0.1, 0.1, 0.1), change(("a", 0.0))]
    assert {(row.kind, row.benchmark.probe) for row in units(rows)} == {
        ("curve", "c"),
        ("growth", "c"),
        ("point", "fd.open_close"),
    }


@pytest.mark.parametrize(
    ("others", "together"), [(0.021, True), (0.019, False), (-0.1, False), (0.1, True)]
)
def test_a_point_moves_with_its_curve_if_the_rest_goes_a_fifth_as_far(
    others: float, together: bool
) -> None:
    rows = curve(others, 0.1, others, others)
    assert moves_with_its_curve(rows[1], rows) is together


@pytest.mark.parametrize(
    ("upper", "grows"), [(0.026, True), (0.024, False), (-0.1, False), (0.1, True)]
)
def test_growth_is_what_the_upper_half_moved_by(upper: float, grows: bool) -> None:
    rows = curve(-0.1, -0.1, upper, upper, growth=0.1)
    assert moves_at_its_larger_levels(rows[-1], rows) is grows
