"""Against values from tables and the definitions themselves."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.gate.distributions import (
    beta_cdf,
    binomial_bounds,
    digamma,
    t_quantile,
    t_tail,
    trigamma,
    trigamma_inverse,
)


@pytest.mark.parametrize(
    ("tail", "dof", "t"),
    [
        (0.05, 1, 6.313752),
        (0.025, 4, 2.776445),
        (0.005, 10, 3.169273),
        (0.0025, 30, 3.029798),
        (0.025, 1e9, 1.959964),
    ],
)
def test_students_t_as_in_tables(tail: float, dof: float, t: float) -> None:
    assert t_quantile(tail, dof) == pytest.approx(t, abs=2e-6)
    assert t_tail(t, dof) == pytest.approx(tail, rel=1e-5)


@given(st.floats(-30, 30), st.floats(1, 1e5))
def test_tails_of_both_sides_make_one(t: float, dof: float) -> None:
    assert 0 <= t_tail(t, dof) <= 1
    assert t_tail(t, dof) + t_tail(-t, dof) == pytest.approx(1)


def test_far_tails_are_not_lost_in_rounding() -> None:
    assert t_tail(40, 8) == pytest.approx(8.2e-11, rel=0.05)


@given(st.floats(0.001, 0.999), st.floats(1, 200))
def test_a_beta_of_equal_halves_is_symmetric(x: float, a: float) -> None:
    assert beta_cdf(x, a, a) + beta_cdf(1 - x, a, a) == pytest.approx(1)
    assert beta_cdf(x, a, 1) == pytest.approx(x**a, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 20, 0.0, 0.168433), (3, 10, 0.066740, 0.652453), (20, 20, 0.831567, 1.0), (0, 0, 0, 1)],
)
def test_exact_bounds_of_a_share(hits: int, trials: int, low: float, high: float) -> None:
    assert binomial_bounds(hits, trials) == pytest.approx((low, high), abs=1e-6)


@given(st.integers(1, 60), st.data())
def test_exact_bounds_cover_by_definition(trials: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(1, trials))
    low, _ = binomial_bounds(hits, trials)
    reached = sum(
        math.comb(trials, k) * low**k * (1 - low) ** (trials - k) for k in range(hits, trials + 1)
    )
    assert reached == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize(("hits", "trials"), [(-1, 5), (6, 5)])
def test_impossible_counts_are_refused(hits: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"{hits} of {trials}"):
        binomial_bounds(hits, trials)


@given(st.floats(1e-3, 1e4))
def test_slopes_of_log_gamma(x: float) -> None:
    assert digamma(x + 1) == pytest.approx(digamma(x) + 1 / x, rel=1e-8, abs=1e-9)
    assert trigamma(x) == pytest.approx(trigamma(x + 1) + 1 / x**2, rel=1e-8)
    assert trigamma_inverse(trigamma(x)) == pytest.approx(x, rel=1e-6)


def test_slopes_of_log_gamma_at_one() -> None:
    assert digamma(1) == pytest.approx(-0.5772156649, abs=1e-9)
    assert trigamma(1) == pytest.approx(math.pi**2 / 6, abs=1e-9)
