from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.analyse.estimate import (
    INTERVAL_ROUNDS,
    LEAST_ROUNDS,
    Doubts,
    estimate_counts,
    find_doubt,
    median_interval,
    mode_gap,
    one_sided_error,
    order_statistic_ranks,
    percentiles,
    too_small_a_batch,
)
from runners.model.count import Count, CountEstimate

TIME = st.floats(1e-9, 1e3)
TIMES = st.lists(TIME, min_size=1, max_size=40)
# Powers of two: scaling by them is exact, so that equality is what is asked for.
SCALE = st.integers(-30, 30).map(lambda power: 2.0**power)


# The interval


def coverage(n: int, low: int, high: int) -> Fraction:
    """P(x[low] <= median <= x[high]): the values below the median are Binomial(n, 1/2)."""
    return Fraction(sum(math.comb(n, k) for k in range(low + 1, high + 1)), 2**n)


@pytest.mark.parametrize("n", range(1, 61))
def test_ranks_are_the_narrowest_that_cover(n: int) -> None:
    low, high = order_statistic_ranks(n)
    assert 0 <= low <= high == n - 1 - low
    enough = [k for k in range((n + 1) // 2) if coverage(n, k, n - 1 - k) >= Fraction(95, 100)]
    assert low == max(enough, default=0)
    assert bool(enough) == (n >= INTERVAL_ROUNDS)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 0.999])
def test_ranks_for_another_coverage(share: float) -> None:
    for n in range(1, 61):
        low, high = order_statistic_ranks(n, share)
        enough = [k for k in range((n + 1) // 2) if coverage(n, k, n - 1 - k) >= share]
        assert (low, high) == (max(enough, default=0), n - 1 - max(enough, default=0))


def test_ranks_of_very_many_values() -> None:
    low, high = order_statistic_ranks(3000)
    assert low + high == 2999
    # The normal approximation, which is good to a rank or two up there.
    assert low == pytest.approx(1500 - 0.98 * math.sqrt(3000), abs=2)


def test_no_values_no_interval() -> None:
    with pytest.raises(ValueError, match="no values"):
        median_interval([])


@pytest.mark.parametrize(
    ("values", "middle", "interval"),
    [
        ([3.0], 3.0, (3.0, 3.0)),
        ([2.0, 1.0], 1.5, (1.0, 2.0)),
        ([5.0, 1.0, 4.0, 2.0, 3.0], 3.0, (1.0, 5.0)),
        ([float(n) for n in range(10, 0, -1)], 5.5, (2.0, 9.0)),
        ([*range(1, 16), 1e9], 8.5, (4.0, 13.0)),
    ],
)
def test_median_and_interval(
    values: Sequence[float], middle: float, interval: tuple[float, float]
) -> None:
    assert median_interval(values) == (middle, interval)


@given(TIMES)
def test_interval_holds_the_median_and_is_made_of_values(values: list[float]) -> None:
    middle, (low, high) = median_interval(values)
    assert low <= middle <= high
    assert {low, high} <= set(values)


@given(TIMES, st.randoms(use_true_random=False), SCALE)
def test_neither_order_nor_unit_matters(values: list[float], rng, scale: float) -> None:
    middle, (low, high) = median_interval(values)
    shuffled = rng.sample(values, len(values))
    assert median_interval(shuffled) == (middle, (low, high))
    scaled = [value * scale for value in values]
    assert median_interval(scaled) == (middle * scale, (low * scale, high * scale))


def test_the_interval_covers_as_often_as_it_says() -> None:
    # Exact for any distribution, so also for a skewed one whose median is known: exp(normal).
    rng = np.random.default_rng(7)
    samples = np.exp(rng.normal(size=(4000, 10)))
    hits = sum(low <= 1.0 <= high for low, high in (median_interval(s)[1] for s in samples))
    assert hits / 4000 == pytest.approx(float(coverage(10, 1, 8)), abs=0.01)


# Percentiles


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (1, {"p50", "max"}),
        (9, {"p50", "max"}),
        (10, {"p50", "p90", "max"}),
        (99, {"p50", "p90", "max"}),
        (100, {"p50", "p90", "p99", "max"}),
        (999, {"p50", "p90", "p99", "max"}),
        (1000, {"p50", "p90", "p99", "p99.9", "max"}),
    ],
)
def test_only_percentiles_that_so_many_can_tell(count: int, names: set[str]) -> None:
    assert set(percentiles(np.arange(1.0, count + 1))) == names


def test_percentiles_are_operations_that_happened() -> None:
    times = np.random.default_rng(3).permutation(np.arange(1.0, 2004.0))
    expected = {"p50": 1002.0, "p90": 1803.0, "p99": 1983.0, "p99.9": 2001.0, "max": 2003.0}
    assert percentiles(times) == expected


@given(st.lists(TIME, min_size=1, max_size=1200))
@settings(max_examples=30)
def test_percentiles_ascend_to_the_maximum(values: list[float]) -> None:
    found = percentiles(np.array(values))
    assert list(found.values()) == sorted(found.values())
    assert found["max"] == max(values)
    assert set(found.values()) <= set(values)


def test_no_operations_no_percentiles() -> None:
    assert percentiles(np.array([])) == {}


# Counts


def test_a_count_is_of_the_rounds_that_told_it() -> None:
    once, never = Count("once", "bytes"), Count("never", "bytes")
    rounds = [{"other": 1.0}, {"once": 3.0}]
    assert estimate_counts([once, never], rounds) == (CountEstimate(once, 3.0, (3.0, 3.0), 1),)


# Doubts

STEADY = [1.0, 1.01, 0.99, 1.005, 0.995, 1.0, 1.01, 0.99, 1.005, 0.995]
WIDE = [1.0, 1.06, 0.94, 1.03, 0.97, 1.0, 1.06, 0.94, 1.03, 0.97]
MODES = [1.0, 1.2, 1.001, 1.201, 0.999, 1.199, 1.0, 1.2, 1.001, 1.201]
# Not two modes, for either half spreads as wide as the gap.
CLIMB = [1.0, 1.012, 1.014, 1.02, 1.03, 1.07, 1.072, 1.08, 1.084, 1.085]
DRIFT_ALONE = Doubts(error=1.0)


@pytest.mark.parametrize(
    ("values", "doubt"),
    [
        ([1.0] * 6, None),
        ([1.0] * 30, None),
        (STEADY, None),
        ([*STEADY[:9], 50.0], None),
        ([1.0] * 4, None),
        ([1.0] * 3, "only 3 undisturbed rounds, 4 are needed"),
        ([1.0], "only 1 undisturbed round, 4 are needed"),
        ([], "only 0 undisturbed rounds, 4 are needed"),
        (WIDE, "rounds differ: standard error 1.8%"),
        (MODES, "two modes 18% apart"),
        ([0.0] * 6, "no time measured"),
    ],
)
def test_doubt(values: list[float], doubt: str | None) -> None:
    assert find_doubt(values) == doubt


def test_a_drift_is_seen_only_in_the_order_of_time() -> None:
    assert find_doubt(CLIMB, DRIFT_ALONE) == "drifted by 6%"
    assert find_doubt(CLIMB[::-1], DRIFT_ALONE) == "drifted by 6%"
    assert find_doubt(CLIMB[::2] + CLIMB[1::2], DRIFT_ALONE) is None


def test_a_drift_within_its_limit_is_none() -> None:
    assert find_doubt(CLIMB, replace(DRIFT_ALONE, drift=0.07)) is None
    assert find_doubt([1.0] * 5 + [1.03] * 5) is None


def test_a_session_that_becomes_slower_is_doubted_though_its_fast_rounds_repeat() -> None:
    later = [1.0, 1.001, 1.002, 1.003, 1.004, 1.03, 1.05, 1.06, 1.07, 1.08]
    assert find_doubt(later) == "drifted by 6%"
    assert find_doubt(later[::2] + later[1::2]) is None


def test_halves_that_overlap_are_no_drift() -> None:
    swapped = [*CLIMB[:4], CLIMB[5], CLIMB[4], *CLIMB[6:]]
    touching = [*CLIMB[:5], CLIMB[4], *CLIMB[6:]]
    for values in (swapped, swapped[::-1], touching, touching[::-1]):
        assert find_doubt(values, DRIFT_ALONE) is None


@pytest.mark.parametrize("middle", [0.9, 1.2])
def test_the_middle_round_belongs_to_neither_half(middle: float) -> None:
    # Eleven rounds: the sixth lies beyond both halves and must not make them overlap.
    values = [*CLIMB[:5], middle, *CLIMB[5:]]
    assert find_doubt(values, DRIFT_ALONE) == "drifted by 6%"


@pytest.mark.parametrize(
    ("step", "doubt"), [(0.03, None), (0.045, "two modes 4% apart"), (0.07, "two modes 7% apart")]
)
def test_two_modes_are_doubted_at_half_the_interval(step: float, doubt: str | None) -> None:
    assert find_doubt([1.0, 1.0 + step] * 5) == doubt
    assert find_doubt([1e-6, 1e-6 * (1 + step)] * 5) == doubt


def test_slow_rounds_alone_are_no_doubt() -> None:
    # Half of the rounds were disturbed, by more and more: what the others say stands.
    assert find_doubt([1.0, 1.3, 1.001, 1.8, 1.002, 1.5, 1.003, 1.2, 1.004, 1.004]) is None


def test_the_largest_error_is_exclusive() -> None:
    values = [1.0, 1.125, 1.0, 1.125, 1.0, 1.125, 1.0625]
    error = one_sided_error(values)
    assert find_doubt(values, Doubts(error=error, modes=1)) is None
    assert find_doubt(values, Doubts(error=error * 0.99, modes=1)) == (
        f"rounds differ: standard error {error:.1%}"
    )


def test_the_error_is_the_medians_where_rounds_are_normal() -> None:
    rng = np.random.default_rng(5)
    sessions = rng.normal(1.0, 0.02, size=(4000, 9))
    told = np.mean([one_sided_error(values) for values in sessions])
    assert told == pytest.approx(float(np.std(np.median(sessions, axis=1))), rel=0.15)


def test_modes_that_hardly_widen_the_interval_are_let_pass() -> None:
    # A quarter of the rounds is 3 % slower: two modes, but the median is sure.
    values = [1.0] * 9 + [1.03] * 3
    assert mode_gap(np.array(values)) is not None
    assert find_doubt(values) is None


ROUNDS = st.lists(st.floats(0.5, 2.0), min_size=0, max_size=30)


@given(ROUNDS, SCALE)
def test_the_unit_does_not_change_the_doubt(values: list[float], scale: float) -> None:
    assert find_doubt([value * scale for value in values]) == find_doubt(values)


@given(st.lists(st.floats(0.996, 1.004), min_size=LEAST_ROUNDS, max_size=30))
def test_rounds_within_a_percent_are_trusted(values: list[float]) -> None:
    assert find_doubt(values) is None


# Modes


@pytest.mark.parametrize(
    ("values", "gap"),
    [
        ([1.0, 1.0, 2.0, 2.0], 1 / 1.5),
        ([2.0, 1.0, 2.0, 1.0], 1 / 1.5),
        ([1.0, 1.0, 1.0], None),
        ([1.0, 2.0, 2.0], None),
        ([1.0, 2.0, 2.0, 2.0], None),
        ([1.0, 1.0, 1.0, 2.0], None),
        ([1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], 0.5),
        ([1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], None),
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0], 1.0),
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0], None),
        # A quarter of twelve is three.
        ([1.0, 1.0, *[2.0] * 10], None),
        ([1.0, 1.0, 1.0, *[2.0] * 9], 0.5),
        # Outliers beyond the modes do not hide them, unless they spread a side too far.
        ([0.78125, 1.0, 1.0, 2.0, 2.0, 2.0], 1 / 1.5),
        ([0.75, 1.0, 1.0, 2.0, 2.0, 2.0], None),
        ([1.0, 1.0, 1.0, 2.0, 2.0, 2.21875], 1 / 1.5),
        ([1.0, 1.0, 1.0, 2.0, 2.0, 2.25], None),
        ([1.0, 1.0, 1.0, 2.0, 2.25, 2.25], None),
        # A gap below two hundredths is none.
        ([1.0, 1.0, 1.0, 1.015625, 1.015625, 1.015625], None),
        ([1.0, 1.0, 1.0, 1.0234375, 1.0234375, 1.0234375], 0.0234375 / 1.01171875),
        ([0.0, 0.0, 0.0, 0.0], None),
    ],
)
def test_mode_gap(values: list[float], gap: float | None) -> None:
    assert mode_gap(np.array(values)) == gap


MANY = st.lists(st.floats(0.5, 2.0), min_size=4, max_size=30)


@given(MANY, SCALE, st.randoms(use_true_random=False))
def test_neither_order_nor_unit_changes_the_gap(values: list[float], scale: float, rng) -> None:
    shuffled = np.array(rng.sample(values, len(values)))
    assert mode_gap(shuffled * scale) == mode_gap(np.array(values))


@given(
    st.lists(st.floats(1.0, 1.02), min_size=3, max_size=9),
    st.lists(st.floats(1.5, 1.52), min_size=3, max_size=9),
)
def test_two_clusters_are_two_modes_with_nothing_between(
    fast: list[float], slow: list[float]
) -> None:
    values = np.array(fast + slow)
    gap = mode_gap(values)
    assert gap is not None
    assert gap * np.median(values) == pytest.approx(min(slow) - max(fast))


@given(MANY)
def test_a_gap_splits_off_a_quarter_on_either_side(values: list[float]) -> None:
    gap = mode_gap(np.array(values))
    if gap is None:
        return
    ordered = sorted(values)
    width = gap * float(np.median(ordered))
    cuts = [n for n in range(1, len(ordered)) if ordered[n] - ordered[n - 1] >= width * 0.999]
    quarter = max(2, len(ordered) // 4)
    assert any(quarter <= cut <= len(ordered) - quarter for cut in cuts)


@pytest.mark.parametrize("seed", range(20))
def test_one_noisy_mode_is_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert mode_gap(rng.normal(1.0, 0.05, size=20)) is None


# Teams


@pytest.mark.parametrize(
    ("batch", "value_s", "enough"),
    [
        (100, 1e-9, True),
        (99, 9e-6, False),
        (2, 0.6e-3, True),
        (2, 0.4e-3, False),
        (1, 1.1e-3, True),
        (1, 0.9e-3, False),
    ],
)
def test_a_teams_batch_is_long_or_of_many_operations(
    batch: int, value_s: float, enough: bool
) -> None:
    assert (too_small_a_batch(batch, value_s) is None) is enough
