from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.analyse.growth import (
    CLASSES,
    FLAT,
    LEAST_LEVELS,
    LEAST_ROUNDS,
    SURE,
    Floats,
    find_growth,
    find_scaling,
    growth_of_points,
    round_values,
)
from runners.model.session import Result, Visit

LEVELS = 2.0 ** np.arange(14)
SHAPES = {
    "1": np.ones_like,
    "log n": lambda n: 1 + np.log(n),
    "n": lambda n: 5 + n,
    "n log n": lambda n: 5 + n * np.log(n),
    "n²": lambda n: 5 + n**2,
}


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def noisy(times_s: Floats, noise: float, rounds: int = 10, seed: int = 1) -> Floats:
    shape = (rounds, len(times_s))
    return np.asarray(times_s * np.exp(rng(seed).normal(0, noise, shape)), dtype=np.float64)


# Classes


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_clear_curve_has_its_class(name: str, noise: float) -> None:
    growth = find_growth(LEVELS, noisy(1e-6 * SHAPES[name](LEVELS), noise), rng())
    assert growth is not None
    assert growth.classes == (name,)
    assert (growth.first, growth.last) == (1, 8192)
    assert growth.steps == ()
    assert growth.flat == (name == "1")


@pytest.mark.parametrize(("growth", "flat"), [(0.0, True), (0.07, True), (0.13, False)])
def test_growth_below_a_tenth_is_none(growth: float, flat: bool) -> None:
    found = find_growth(LEVELS, noisy(1 + growth * LEVELS / LEVELS[-1], 0.01), rng())
    assert found is not None
    assert found.flat == flat
    assert (found.pieces[0].growth < FLAT) == flat


def test_a_falling_curve_grows_nowhere() -> None:
    found = find_growth(LEVELS, noisy(1e-6 * (1 + 0.05 / LEVELS), 0.01), rng())
    assert found is not None
    assert found.flat


def test_what_the_points_cannot_tell_is_a_set() -> None:
    # 15 % of growth by n or by n log n: the noise is wider than what is between them.
    found = find_growth(LEVELS, noisy(1 + 0.15 * LEVELS / LEVELS[-1], 0.05), rng(3))
    assert found is not None
    assert len(found.classes) > 1
    piece = found.pieces[0]
    for shares in (piece.weights, piece.agreement):
        assert sum(shares.values()) == pytest.approx(1)
        assert sum(shares[name] for name in piece.classes) >= SURE
        assert sum(shares[name] for name in piece.classes[:-1]) < 1
    assert piece.shape == piece.classes[0]


@given(st.sampled_from(CLASSES), st.integers(-30, 10), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_the_unit_of_time_does_not_matter(name: str, power: int, seed: int) -> None:
    values = noisy(SHAPES[name](LEVELS), 0.05, seed=seed)
    first, second = (find_growth(LEVELS, v, rng(7)) for v in (values, values * 2.0**power))
    assert first is not None
    assert second is not None
    assert first.classes == second.classes
    assert first.exponent == pytest.approx(second.exponent)


def test_the_same_seed_gives_the_same_answer() -> None:
    values = noisy(SHAPES["n"](LEVELS), 0.1)
    assert find_growth(LEVELS, values, rng(5)) == find_growth(LEVELS, values, rng(5))


def test_the_fit_runs_through_the_points() -> None:
    times_s = 1e-6 * SHAPES["n"](LEVELS)
    growth = find_growth(LEVELS, noisy(times_s, 0.01), rng())
    assert growth is not None
    assert growth.pieces[0].at(LEVELS) == pytest.approx(times_s, rel=0.02)


@pytest.mark.parametrize("name", CLASSES)
def test_points_alone_have_a_class(name: str) -> None:
    growth = growth_of_points(LEVELS, 1e-6 * SHAPES[name](LEVELS), np.full(14, 0.01), rng())
    assert growth is not None
    assert growth.classes == (name,)


@pytest.mark.parametrize(("error", "classes"), [(0.01, ("n",)), (0.5, ("n", "n log n"))])
def test_the_errors_of_points_leave_their_class_open(error: float, classes: object) -> None:
    growth = growth_of_points(LEVELS, 1e-6 * SHAPES["n"](LEVELS), np.full(14, error), rng())
    assert growth is not None
    assert growth.classes == classes


def test_points_without_a_level_or_a_time_are_left_aside() -> None:
    levels, times_s = np.append(0.0, LEVELS), np.append(1.0, SHAPES["n"](LEVELS))
    times_s[3] = 0.0
    growth = growth_of_points(levels, times_s, np.full(15, 0.01), rng())
    assert growth is not None
    assert (growth.classes, growth.first) == (("n",), 1)
    few = LEAST_LEVELS - 1
    assert growth_of_points(LEVELS[:few], np.ones(few), np.ones(few), rng()) is None


def test_slow_workers_do_not_bend_a_curve() -> None:
    # Each round's worker has its own pace, and the slow ones missed the small levels.
    values = noisy(np.ones(14), 0.01) * np.linspace(0.7, 1.4, 10)[:, None]
    values[5:, :6] = np.nan
    growth = find_growth(LEVELS, values, rng())
    assert growth is not None
    assert growth.flat


@pytest.mark.parametrize(
    ("levels", "rounds"), [(LEAST_LEVELS - 1, 10), (14, LEAST_ROUNDS - 1), (0, 0)]
)
def test_too_little_to_tell(levels: int, rounds: int) -> None:
    assert find_growth(LEVELS[:levels], np.ones((rounds, levels)), rng()) is None


def test_levels_and_rounds_without_a_value_do_not_count() -> None:
    values = noisy(SHAPES["n"](LEVELS), 0.02)
    values[:, 3] = np.nan
    values[4] = np.nan
    values[2, 5] = 0.0
    growth = find_growth(LEVELS, values, rng())
    assert growth is not None
    assert growth.classes == ("n",)


@given(st.lists(st.lists(st.floats(), min_size=7, max_size=7), min_size=0, max_size=6))
@settings(max_examples=40, deadline=None)
def test_whatever_stands_in_a_file_breaks_nothing(values: list[list[float]]) -> None:
    table = np.array(values, dtype=np.float64).reshape(len(values), 7)
    growth = find_growth(2.0 ** np.arange(0, 63, 10), table, rng())
    find_scaling(2.0 ** np.arange(7), table)
    if growth is not None:
        low, high = growth.exponent_ci95
        assert np.isfinite([growth.exponent, low, high]).all()
        for piece in growth.pieces:
            assert np.isfinite([piece.a_s, piece.b_s, piece.growth]).all()


# Breaks


@pytest.mark.parametrize("name", ["1", "n"])
def test_a_step_breaks_a_curve_in_two(name: str) -> None:
    times_s = 1e-6 * SHAPES[name](LEVELS) * np.where(LEVELS >= 128, 1.8, 1.0)
    growth = find_growth(LEVELS, noisy(times_s, 0.02), rng())
    assert growth is not None
    assert [piece.classes for piece in growth.pieces] == [(name,), (name,)]
    (step,) = growth.steps
    assert step[:2] == (64, 128)
    assert step[2] == pytest.approx(1.8, rel=0.05)
    assert not growth.flat


def test_two_steps_break_it_in_three() -> None:
    levels = 2.0 ** np.arange(18)
    times_s = np.where(levels >= 2**6, 2.0, 1.0) * np.where(levels >= 2**12, 3.0, 1.0)
    growth = find_growth(levels, noisy(times_s, 0.02), rng())
    assert growth is not None
    assert [(piece.first, piece.last) for piece in growth.pieces] == [
        (1, 32),
        (64, 2048),
        (4096, 131072),
    ]


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("seed", range(4))
def test_noise_alone_breaks_nothing(name: str, seed: int) -> None:
    growth = find_growth(LEVELS, noisy(SHAPES[name](LEVELS), 0.1, seed=seed), rng())
    assert growth is not None
    assert len(growth.pieces) == 1


# The exponent


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_exponent_of_a_power(power: float) -> None:
    growth = find_growth(LEVELS, noisy(LEVELS**power, 0.02), rng())
    assert growth is not None
    low, high = growth.exponent_ci95
    assert low <= growth.exponent <= high
    assert growth.exponent == pytest.approx(power, abs=0.05)
    assert high - low < 0.1


def test_exponent_is_that_of_the_upper_end() -> None:
    growth = find_growth(LEVELS, noisy(1000 + LEVELS**2, 0.01), rng())
    assert growth is not None
    assert growth.exponent == pytest.approx(2, abs=0.05)


# How often it is wrong


def load_bench():
    path = Path(__file__).resolve().parents[2] / "bench" / "growth_classes.py"
    spec = importlib.util.spec_from_file_location("growth_classes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["growth_classes"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("noise", [0.02, 0.05, 0.10])
def test_what_is_stated_is_hardly_ever_wrong(noise: float) -> None:
    found: Counter[str] = sum(load_bench().tally(noise, 4, rng(2)).values(), Counter())
    assert found["right"] > found["undecided"] * 0.8
    stated = found["right"] + found["wrong"] + found["step unseen"]
    assert found["wrong"] + found["step unseen"] <= 0.06 * stated
    assert found["missed"] <= 0.03 * found.total()


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
        Visit(n, v, v, v, v, v, v, 10, 20, 0, 6000.0, "neighbour" if n in doubtful else None)
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


def test_no_points_no_values() -> None:
    levels, values = round_values([])
    assert levels.shape == (0,)
    assert values.shape == (0, 0)
