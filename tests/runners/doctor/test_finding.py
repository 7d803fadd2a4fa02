"""What several findings come to: the precision to expect, and one line at the head of a run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.doctor.finding import Finding, expected_spread, in_one_line

GOOD = Finding("steal", "good", "none", short="steal 0%")
CORE = Finding("neighbours", "good", "CPU 0: the core was ours", short="CPU 0 ours 93%")
NOTE = Finding("ports", "note", "few ports")
SLOW = Finding("clock source", "warning", "hpet: slow", "another", "slow clock hpet")
BARE = Finding("governor", "warning", "powersave")


@pytest.mark.parametrize(
    ("findings", "line"),
    [
        ([], "doctor: no warning"),
        ([GOOD], "doctor: no warning"),
        ([CORE], "doctor: no warning; CPU 0 ours 93%"),
        ([CORE, SLOW], "doctor: slow clock hpet (see micro doctor)"),
        ([NOTE], "doctor: no warning; 1 note (see micro doctor)"),
        ([NOTE, NOTE], "doctor: no warning; 2 notes (see micro doctor)"),
        ([SLOW], "doctor: slow clock hpet (see micro doctor)"),
        ([GOOD, SLOW, NOTE, BARE], "doctor: slow clock hpet; governor; 1 note (see micro doctor)"),
        ([SLOW, SLOW], "doctor: slow clock hpet (see micro doctor)"),
    ],
)
def test_the_head_of_a_run_names_the_warnings(findings: list[Finding], line: str) -> None:
    assert in_one_line(findings) == line


# The precision to expect


@pytest.mark.parametrize("spread", [0.002, 0.02, 0.1])
def test_the_expected_spread_is_that_of_medians(spread: float) -> None:
    random = np.random.default_rng(11)
    values = 1e-6 * (1 + spread * random.standard_normal(4000))
    told = expected_spread(values, rounds=10)
    medians = np.median(1e-6 * (1 + spread * random.standard_normal((4000, 10))), axis=1)
    half_width = 1.96 * medians.std() / 1e-6
    assert told == pytest.approx(half_width, rel=0.15)


def test_more_rounds_tell_more() -> None:
    values = [1.0, 1.1, 0.9, 1.2, 0.8]
    ten, forty = expected_spread(values, 10), expected_spread(values, 40)
    assert ten is not None
    assert forty == pytest.approx(ten / 2)


def test_single_strays_do_not_count() -> None:
    values = [1.0, 1.01, 0.99, 1.0, 1.01, 0.99, 1.0, 1.0, 1.01]
    with_stray = expected_spread([*values, 50.0], 10)
    without = expected_spread(values, 10)
    assert with_stray is not None
    assert without is not None
    assert with_stray < 2 * without + 0.01


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 4, [0.0] * 9])
def test_too_little_to_tell(values: list[float]) -> None:
    assert expected_spread(values, 10) is None


@given(st.lists(st.floats(1e-9, 1.0), min_size=5, max_size=50), st.floats(1e-3, 1e3))
def test_it_is_a_share_whatever_the_unit(values: list[float], factor: float) -> None:
    told = expected_spread(values, 10)
    assert told is not None
    assert told >= 0
    assert expected_spread([factor * v for v in values], 10) == pytest.approx(told, abs=1e-9)


def test_equal_values_expect_no_spread() -> None:
    assert expected_spread([3e-7] * 5, 10) == 0
