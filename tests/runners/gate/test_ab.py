from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.gate import ab


def test_a_block_is_balanced_and_starts_with_either() -> None:
    rng = random.Random(1)
    orders = {ab.order(rng) for _ in range(50)}
    assert orders == {"ABBA", "BAAB"}


def test_a_linear_drift_cancels_within_a_block() -> None:
    values = [math.exp(-13 + 0.01 * i) for i in range(4)]
    assert ab.log_ratio([values[0], values[3]], values[1:3]) == pytest.approx(0, abs=1e-12)


def test_eleven_blocks_of_one_sign_are_as_rare_as_they_can_be() -> None:
    found = ab.difference([0.1 + i / 1000 for i in range(11)])
    assert found.p == pytest.approx(2 / 2**11)
    assert found.ratio == pytest.approx(math.expm1(0.105))
    # The sign test's interval of eleven values: the second and the tenth.
    assert found.interval == pytest.approx((math.expm1(0.101), math.expm1(0.109)))


def test_many_blocks_are_judged_by_chance_signs() -> None:
    assert ab.sign_flip_p([0.01] * 40) < 0.001
    assert ab.sign_flip_p([0.01, -0.01] * 20) == pytest.approx(1, abs=1e-3)


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=9))
def test_swapping_the_sides_changes_nothing_but_the_sign(ratios: list[float]) -> None:
    there, back = ab.difference(ratios), ab.difference([-ratio for ratio in ratios])
    assert 0 < there.p <= 1
    assert back.p == pytest.approx(there.p)
    assert (1 + there.ratio) * (1 + back.ratio) == pytest.approx(1)


def test_equal_sides_are_rarely_called_different() -> None:
    rng = random.Random(2)
    called = sum(
        ab.sign_flip_p([rng.gauss(0, 0.02) for _ in range(11)]) <= 0.05 for _ in range(200)
    )
    assert 0 < called <= 22
