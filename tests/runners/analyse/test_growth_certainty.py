"""How sure rounds and points must be of what is stated of a curve."""

from __future__ import annotations

import numpy as np
import pytest

from runners.analyse.growth import Floats, Growth, find_growth, growth_of_points

LEVELS = 2.0 ** np.arange(14)
ROUNDS = 10


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng([53, seed])


def found(levels: Floats, values: Floats) -> Growth:
    growth = find_growth(levels, values, rng())
    assert growth is not None
    return growth


def steady(times_s: Floats, noise: float = 0.005) -> Floats:
    """Rounds that repeat."""
    return np.asarray(times_s * np.exp(rng().normal(0, noise, (ROUNDS, len(times_s)))))


def agreeing(count: int, times_s: Floats, others_s: Floats) -> Floats:
    """Rounds of which so many show one curve, and the others another."""
    return np.vstack([steady(times_s)[:count], steady(others_s)[count:]])


# What rounds disagree on


@pytest.mark.parametrize(("count", "shape"), [(6, "flat"), (7, "slight growth")])
def test_a_curve_grows_if_nine_of_ten_samples_of_its_rounds_do(count: int, shape: str) -> None:
    growing = 1 + 0.4 * LEVELS / LEVELS[-1]
    assert found(LEVELS, agreeing(count, growing, np.ones(14))).shape == shape


@pytest.mark.parametrize(("count", "shape"), [(6, "slight growth"), (7, "about linear")])
def test_a_law_is_stated_if_nine_of_ten_samples_grow_twofold(count: int, shape: str) -> None:
    growing, slightly = (1 + more * LEVELS / LEVELS[-1] for more in (3.0, 0.5))
    assert found(LEVELS, agreeing(count, growing, slightly)).shape == shape


@pytest.mark.parametrize(("count", "told"), [(6, False), (7, True)])
def test_a_step_or_a_cliff_is_told_if_nine_of_ten_samples_have_it(count: int, told: bool) -> None:
    step = np.where(LEVELS >= 512, 3.0, 1.0)
    assert (found(LEVELS, agreeing(count, step, np.ones(14))).step is not None) is told
    cliff = np.where(LEVELS[-1] == LEVELS, 3.0, 1.0)
    assert (found(LEVELS, agreeing(count, cliff, np.ones(14))).cliff is not None) is told


def test_uneven_levels_are_no_cliff() -> None:
    """They lie a quarter off in all rounds: a last one that lies higher is one of them."""
    cliffs = 0
    for seed in range(120):
        times_s = (5 + LEVELS) * np.exp(rng(seed).normal(0, 0.25, 14))
        cliffs += found(LEVELS, steady(times_s)).cliff is not None
    assert cliffs <= 1


# What points leave open


def uneven(levels: Floats, growth: float, by: float, seed: int) -> Floats:
    """Rounds of a curve that grows like log n, whose levels lie off it by their own share."""
    times_s = 1 + growth * np.log(levels) / np.log(levels[-1])
    return steady(times_s * np.exp(rng(seed).normal(0, by, len(levels))))


@pytest.mark.parametrize(
    ("levels", "growth", "by", "low", "high"), [(6, 0.0, 0.10, 0.93, 1.0), (8, 0.5, 0.07, 0, 0.1)]
)
def test_uneven_levels_are_no_growth_and_hide_none(
    levels: int, growth: float, by: float, low: float, high: float
) -> None:
    n = LEVELS[:levels]
    shapes = [found(n, uneven(n, growth, by, seed)).shape for seed in range(100)]
    assert low <= shapes.count("flat") / 100 <= high


def test_the_interval_of_a_power_holds_it_about_as_often_as_it_says() -> None:
    """Of a constant and a tenth of noise in every point; 19 of 20 is what it says."""
    n, held = 1000 + LEVELS, 0
    for seed in range(200):
        times_s = n * np.exp(rng(seed).normal(0, 0.1, len(n)))
        growth = growth_of_points(LEVELS, times_s, np.full(len(n), 1e-3), rng())
        assert growth is not None
        held += growth.p_ci95[0] <= 1 <= growth.p_ci95[1]
    assert 0.90 <= held / 200 <= 0.975
