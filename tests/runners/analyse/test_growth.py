from __future__ import annotations

import importlib
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.analyse.growth import (
    LEAST_LEVELS,
    LEAST_ROWS,
    SHAPES,
    Floats,
    Shape,
    find_growth,
    growth_of_points,
    round_values,
)
from runners.analyse.scaling import find_scaling
from runners.model.session import Result, Visit

LEVELS = 2.0 ** np.arange(14)
CURVES: dict[Shape, Callable[[Floats], Floats]] = {
    "flat": np.ones_like,
    "like log n": lambda n: 1 + np.log(n),
    "about linear": lambda n: 5 + n,
    "quadratic": lambda n: 5 + n**2,
    "slight growth": lambda n: 1 + n / n[-1] / 2,
    "a power of n": lambda n: n**1.5,
    "a step": lambda n: np.where(n >= 128, 2.0, 1.0),
}


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def noisy(times_s: Floats, noise: float, rounds: int = 10, seed: int = 1) -> Floats:
    shape = (rounds, len(times_s))
    return np.asarray(times_s * np.exp(rng(seed).normal(0, noise, shape)), dtype=np.float64)


# Shapes


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_clear_curve_has_its_shape(shape: Shape, noise: float) -> None:
    growth = find_growth(LEVELS, noisy(1e-6 * CURVES[shape](LEVELS), noise), rng())
    assert growth is not None
    assert growth.shape == shape
    assert growth.possible == {shape}
    assert (growth.first, growth.last) == (1, 8192)
    assert growth.cliff is None
    assert growth.flat == (shape == "flat")


@pytest.mark.parametrize(("growth", "flat"), [(0.0, True), (0.07, True), (0.2, False)])
def test_growth_below_a_tenth_is_none(growth: float, flat: bool) -> None:
    found = find_growth(LEVELS, noisy(1 + growth * LEVELS / LEVELS[-1], 0.01), rng())
    assert found is not None
    assert found.flat == flat


def test_a_falling_curve_grows_nowhere() -> None:
    found = find_growth(LEVELS, noisy(1e-6 * (1 + 0.5 / LEVELS), 0.01), rng())
    assert found is not None
    assert found.flat


def test_n_log_n_is_about_linear() -> None:
    found = find_growth(LEVELS, noisy(1e-6 * (5 + LEVELS * np.log(LEVELS)), 0.02), rng())
    assert found is not None
    assert found.shape == "about linear"


@given(st.sampled_from(SHAPES), st.integers(-30, 10), st.integers(0, 99))
@settings(max_examples=25)
def test_the_unit_of_time_does_not_matter(shape: Shape, power: int, seed: int) -> None:
    values = noisy(CURVES[shape](LEVELS), 0.05, seed=seed)
    first, second = (find_growth(LEVELS, v, rng(7)) for v in (values, values * 2.0**power))
    assert first is not None
    assert second is not None
    assert first.shape == second.shape
    assert first.exponent == pytest.approx(second.exponent)


def test_the_same_seed_gives_the_same_answer() -> None:
    values = noisy(CURVES["about linear"](LEVELS), 0.1)
    assert find_growth(LEVELS, values, rng(5)) == find_growth(LEVELS, values, rng(5))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_fit_runs_through_the_points(shape: Shape) -> None:
    times_s = 1e-6 * CURVES[shape](LEVELS)
    growth = find_growth(LEVELS, noisy(times_s, 0.01), rng())
    assert growth is not None
    for first, last, fit in growth.parts():
        part = (first <= LEVELS) & (last >= LEVELS)
        assert fit.at(LEVELS[part]) == pytest.approx(times_s[part], rel=0.05)


def test_the_coefficients_are_those_of_the_curve() -> None:
    growth = find_growth(LEVELS, noisy(0.8e-6 + 98e-9 * LEVELS, 0.01), rng())
    assert growth is not None
    assert growth.fit.a_s == pytest.approx(0.8e-6, rel=0.05)
    assert growth.fit.b_s == pytest.approx(98e-9, rel=0.02)
    assert growth.p_ci95[0] <= 1 <= growth.p_ci95[1]


def test_where_a_little_growth_begins() -> None:
    late = 1 + np.where(LEVELS >= 2048, 0.4, 0.0) * LEVELS / LEVELS[-1]
    growth = find_growth(LEVELS, noisy(late, 0.01), rng())
    assert growth is not None
    assert growth.shape == "slight growth"
    assert growth.rises_at >= 1024
    growth = find_growth(LEVELS, noisy(CURVES["slight growth"](LEVELS), 0.001), rng())
    assert growth is not None
    assert growth.rises_at == 1024  # of 8,192, in proportion: a tenth


@pytest.mark.parametrize("shape", SHAPES)
def test_points_alone_have_a_shape(shape: Shape) -> None:
    growth = growth_of_points(LEVELS, 1e-6 * CURVES[shape](LEVELS), np.full(14, 0.01), rng())
    assert growth is not None
    assert growth.shape == shape


def test_ranks_ascend_with_growth_and_a_step_or_a_cliff_has_none() -> None:
    ranks = []
    for shape in ("flat", "slight growth", "like log n", "about linear", "quadratic"):
        growth = find_growth(LEVELS, noisy(CURVES[shape](LEVELS), 0.01), rng())
        assert growth is not None
        ranks += growth.ranks
    assert ranks == sorted(set(ranks))
    assert len(ranks) == 5
    for times_s in (CURVES["a step"](LEVELS), np.where(LEVELS[-1] == LEVELS, 9.0, 1.0)):
        growth = find_growth(LEVELS, noisy(times_s, 0.01), rng())
        assert growth is not None
        assert growth.ranks == ()


def test_the_errors_of_points_leave_their_shape_open() -> None:
    times_s = 1e-6 * (10 + LEVELS)
    growth = growth_of_points(LEVELS, times_s, np.full(14, 0.6), rng())
    assert growth is not None
    assert len(growth.possible) > 1


@pytest.mark.parametrize(
    ("rise", "noise", "possible"),
    [
        (1.05, 0.02, {"about linear"}),  # of a hundred resamples a few say otherwise
        (1.04, 0.05, {"slight growth", "about linear"}),  # one in ten
        (1.05, 0.05, {"slight growth", "about linear"}),  # four in ten
    ],
)
def test_a_shape_is_possible_if_a_twentieth_of_the_resamples_has_it(
    rise: float, noise: float, possible: set[str]
) -> None:
    growth = find_growth(LEVELS, noisy(1 + rise * LEVELS / LEVELS[-1], noise), rng())
    assert growth is not None
    assert growth.possible == possible


def test_points_without_a_level_or_a_time_are_left_aside() -> None:
    levels, times_s = np.append(0.0, LEVELS), np.append(1.0, CURVES["about linear"](LEVELS))
    times_s[3] = 0.0
    growth = growth_of_points(levels, times_s, np.full(15, 0.01), rng())
    assert growth is not None
    assert (growth.shape, growth.first) == ("about linear", 1)
    few = LEAST_LEVELS - 1
    assert growth_of_points(LEVELS[:few], np.ones(few), np.ones(few), rng()) is None


def test_slow_workers_do_not_bend_a_curve() -> None:
    # Each round's worker has its own pace, and the slow ones missed the small levels.
    values = noisy(np.ones(14), 0.01) * np.linspace(0.4, 2.4, 10)[:, None]
    values[5:, :6] = np.nan
    growth = find_growth(LEVELS, values, rng())
    assert growth is not None
    assert growth.flat


@pytest.mark.parametrize(
    ("levels", "rounds"), [(LEAST_LEVELS - 1, 10), (14, LEAST_ROWS - 1), (0, 0)]
)
def test_too_little_to_tell(levels: int, rounds: int) -> None:
    assert find_growth(LEVELS[:levels], np.ones((rounds, levels)), rng()) is None


def test_levels_and_rounds_without_a_value_do_not_count() -> None:
    values = noisy(CURVES["about linear"](LEVELS), 0.02)
    values[:, 3] = np.nan
    values[4] = np.nan
    values[2, 5] = 0.0
    growth = find_growth(LEVELS, values, rng())
    assert growth is not None
    assert growth.shape == "about linear"


@given(st.lists(st.lists(st.floats(), min_size=7, max_size=7), min_size=0, max_size=6))
@settings(max_examples=40)
def test_whatever_stands_in_a_file_breaks_nothing(values: list[list[float]]) -> None:
    table = np.array(values, dtype=np.float64).reshape(len(values), 7)
    growth = find_growth(2.0 ** np.arange(0, 63, 10), table, rng())
    find_scaling(2.0 ** np.arange(7), table)
    if growth is not None:
        low, high = growth.exponent_ci95
        assert np.isfinite([growth.exponent, low, high]).all()
        for first, last, fit in growth.parts():
            assert first <= last
            assert np.isfinite(fit).all()


# Steps and cliffs


@pytest.mark.parametrize("after", [4, 128, 2048])
def test_a_step_is_told_with_its_place_and_its_height(after: int) -> None:
    times_s = 1e-6 * np.where(after <= LEVELS, 2.0, 1.0)
    growth = find_growth(LEVELS, noisy(times_s, 0.02), rng())
    assert growth is not None
    assert growth.step is not None
    assert (growth.step.before, growth.step.after) == (after // 2, after)
    assert growth.step.after_s == pytest.approx(2e-6, rel=0.05)
    assert growth.step.factor == pytest.approx(2, rel=0.05)
    assert not growth.flat


@pytest.mark.parametrize(("height", "shape"), [(1.4, "slight growth"), (1.6, "a step")])
def test_a_step_is_half_as_much_again(height: float, shape: str) -> None:
    growth = find_growth(LEVELS, noisy(np.where(LEVELS >= 128, height, 1.0), 0.01), rng())
    assert growth is not None
    assert growth.shape == shape


@pytest.mark.parametrize("seed", [1, 2])
def test_a_step_is_told_in_noise_and_of_two_steps_none(seed: int) -> None:
    one = find_growth(LEVELS, noisy(np.where(LEVELS >= 128, 2.0, 1.0), 0.15, seed=seed), rng())
    stairs = 1 + 0.7 * (LEVELS >= 32) + 0.5 * (LEVELS >= 1024)
    two = find_growth(LEVELS, noisy(stairs, 0.03, seed=seed), rng())
    assert one is not None
    assert two is not None
    assert (one.shape, two.shape) == ("a step", "like log n")


@pytest.mark.parametrize("shape", ["flat", "about linear"])
@pytest.mark.parametrize("long", [1, 2])
def test_a_cliff_is_left_out_and_told(shape: Shape, long: int) -> None:
    times_s = 1e-6 * CURVES[shape](LEVELS)
    cliff_s = times_s.copy()
    cliff_s[-long:] *= 50.0
    growth = find_growth(LEVELS, noisy(cliff_s, 0.02), rng())
    assert growth is not None
    assert growth.shape == shape
    assert growth.cliff is not None
    assert (growth.cliff.before, growth.cliff.after) == tuple(LEVELS[-long - 1 :][:2])
    assert growth.cliff.factor > 10
    assert growth.cliff.after_s == pytest.approx(cliff_s[-long], rel=0.1)
    assert growth.last == LEVELS[-1]
    assert growth.parts()[-1][1] == growth.cliff.before
    assert not growth.flat


def test_a_last_level_on_which_rounds_disagree_is_no_cliff() -> None:
    values = noisy(np.ones(14), 0.01)
    values[4:, -1] *= 3.0  # six rounds of ten
    growth = find_growth(LEVELS, values, rng())
    assert growth is not None
    assert growth.cliff is None


@pytest.mark.parametrize("shape", ["flat", "like log n", "about linear", "quadratic"])
@pytest.mark.parametrize("seed", range(4))
def test_noise_alone_makes_no_cliff(shape: Shape, seed: int) -> None:
    growth = find_growth(LEVELS, noisy(CURVES[shape](LEVELS), 0.1, seed=seed), rng())
    assert growth is not None
    assert growth.cliff is None
    assert growth.step is None


# The exponent


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_exponent_of_a_power(power: float) -> None:
    growth = find_growth(LEVELS, noisy(LEVELS**power, 0.02), rng())
    assert growth is not None
    low, high = growth.exponent_ci95
    assert low <= growth.exponent <= high
    assert growth.exponent == pytest.approx(power, abs=0.05)
    assert high - low < 0.1


def test_the_interval_of_the_exponent_covers_it_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(30):
        growth = find_growth(LEVELS, noisy(LEVELS, 0.05, seed=seed), rng())
        assert growth is not None
        covered += growth.exponent_ci95[0] <= 1 <= growth.exponent_ci95[1]
    assert covered >= 23


def test_exponent_is_that_of_the_upper_end() -> None:
    growth = find_growth(LEVELS, noisy(1000 + LEVELS**2, 0.01), rng())
    assert growth is not None
    assert growth.exponent == pytest.approx(2, abs=0.05)


# How often it is wrong


def bench() -> ModuleType:
    folder = Path(__file__).resolve().parents[2] / "bench"
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("growth_statements")
    finally:
        sys.path.remove(str(folder))


@pytest.mark.parametrize(("noise", "wrong"), [(0.01, 0), (0.03, 0), (0.10, 3)])
def test_what_is_stated_is_hardly_ever_wrong(noise: float, wrong: int) -> None:
    found: Counter[str] = sum(bench().tally(noise, False, 3, rng(2)).values(), Counter())
    assert found["wrong"] <= wrong
    assert found["open"] <= 0.05 * found.total()


# Teams


def test_perfect_scaling_is_the_number_of_members() -> None:
    members = np.array([1.0, 2.0, 4.0, 8.0])
    scaling = find_scaling(members, np.ones((6, 4)))
    assert scaling is not None
    assert scaling.members == (1, 2, 4, 8)
    assert scaling.speedup == (1, 2, 4, 8)
    assert scaling.saturated_at is None


def test_a_lock_saturates_at_once_and_two_cores_at_two() -> None:
    members = np.array([1.0, 2.0, 4.0, 8.0])
    lock = find_scaling(members, np.tile(members, (6, 1)))
    assert lock is not None
    assert lock.speedup == (1, 1, 1, 1)
    assert lock.saturated_at == 1
    cores = find_scaling(members, np.tile(np.maximum(members / 2, 1), (6, 1)))
    assert cores is not None
    assert cores.speedup == (1, 2, 2, 2)
    assert cores.saturated_at == 2


def test_a_workers_noise_cancels_in_its_ratio() -> None:
    values = np.array([[1.0, 2.0]]) * np.array([[1.0], [3.0], [0.5], [9.0], [1.0], [2.0]])
    scaling = find_scaling(np.array([1.0, 2.0]), values)
    assert scaling is not None
    assert scaling.ci95 == ((1, 1), (1, 1))


@pytest.mark.parametrize("members", [[2.0, 4.0], [1.0]])
def test_no_scaling_without_a_single_member_and_a_second(members: list[float]) -> None:
    assert find_scaling(np.array(members), np.ones((6, len(members)))) is None


# Rounds


def point(x: int, values: dict[int, float], doubtful: tuple[int, ...] = ()) -> Result:
    visits = [
        Visit(n, v, v, v, v, v, 10, 20, 0, 6000.0, "neighbour" if n in doubtful else None)
        for n, v in values.items()
    ]
    return Result("a.b", {}, "n", x, "ok", value_s=1.0, visits=visits)


def test_a_row_is_a_round_and_what_did_not_count_is_missing() -> None:
    levels, values = round_values(
        [
            point(1, {1: 1.0, 2: 1.1, 3: 1.2, 4: 9.0}, doubtful=(4,)),
            point(2, {2: 2.1, 3: 2.2, 5: 2.3}),
        ]
    )
    nan = np.nan
    assert levels.tolist() == [1, 2]
    expected = [[1.0, nan], [1.1, 2.1], [1.2, 2.2], [nan, 2.3]]
    np.testing.assert_array_equal(values, expected)


def test_where_hardly_a_round_counts_all_do() -> None:
    _, values = round_values([point(1, {1: 1.0, 2: 1.1, 3: 1.2}, doubtful=(1,))])
    assert values.tolist() == [[1.0], [1.1], [1.2]]


def test_no_points_no_values() -> None:
    levels, values = round_values([])
    assert levels.shape == (0,)
    assert values.shape == (0, 0)
