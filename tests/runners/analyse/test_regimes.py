"""Regimes: levels that values keep to."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.analyse.regimes import Regime, regimes


def test_no_values_no_regime() -> None:
    assert regimes(()) == ()


def test_values_about_one_level_are_one_regime() -> None:
    rng = random.Random(1)
    (only,) = regimes([100 * rng.uniform(0.9, 1.1) for _ in range(200)])
    assert only.share == 1
    assert only.middle == pytest.approx(100, rel=0.05)


def test_two_levels_are_told_with_their_shares() -> None:
    rng = random.Random(2)
    values = [75 * rng.uniform(0.97, 1.03) for _ in range(60)]
    values += [330 * rng.uniform(0.97, 1.03) for _ in range(40)]
    rng.shuffle(values)
    low, high = regimes(values)
    assert (low.share, high.share) == (0.6, 0.4)
    assert low.middle == pytest.approx(75, rel=0.03)
    assert high.middle == pytest.approx(330, rel=0.03)


def test_a_single_far_value_is_no_regime() -> None:
    assert regimes([100.0] * 50 + [5000.0]) == (Regime(100.0, 1.0),)


def test_a_twentieth_of_the_values_is_a_regime() -> None:
    assert [regime.share for regime in regimes([100.0] * 19 + [5000.0])] == [0.95, 0.05]


def test_values_without_a_gap_are_one_regime_however_far_they_reach() -> None:
    assert [regime.share for regime in regimes([100.0 + n for n in range(101)])] == [1]


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=60))
def test_every_value_belongs_to_a_regime(values: list[float]) -> None:
    found = regimes(values)
    assert sum(regime.share for regime in found) == pytest.approx(1)
    assert [regime.middle for regime in found] == sorted(regime.middle for regime in found)
    assert all(min(values) <= regime.middle <= max(values) for regime in found)
