"""Crossings of curves that are known, and of any that may come."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.analyse.crossing import CurvePair, Point, compare

LEVELS = [2.0**i for i in range(17)]


def curve(
    value: Callable[[float], float], spread: float = 0.0, xs: Sequence[float] = LEVELS
) -> list[Point]:
    return [
        Point(x, value(x), value(x) / (1 + spread), value(x) * (1 + spread)) for x in sorted(xs)
    ]


def compared(one: Sequence[Point], other: Sequence[Point]) -> CurvePair:
    found = compare(one, other, alike=0.0)
    assert found is not None
    return found


def flat(x: float) -> float:
    return 640.0


def test_power_laws_cross_where_they_are_equal() -> None:
    rising = curve(lambda x: 16 * x)
    found = compared(curve(flat), rising)
    (crossing,) = found.crossings
    assert crossing.cheaper == 0
    assert crossing.x == pytest.approx(40)
    assert crossing.low == pytest.approx(crossing.high) == pytest.approx(40)
    assert (found.first, found.last, found.cheaper_first) == (1, 65536, 1)
    (mirrored,) = compared(rising, curve(flat)).crossings
    assert mirrored.cheaper == 1
    assert mirrored.x == pytest.approx(40)


def test_the_crossing_lies_where_the_intervals_overlap() -> None:
    (crossing,) = compared(curve(flat, 0.1), curve(lambda x: 16 * x, 0.2)).crossings
    assert crossing.x == pytest.approx(40)
    assert crossing.low == pytest.approx(40 / 1.32)
    assert crossing.high == pytest.approx(40 * 1.32)


def test_curves_within_each_others_intervals_tell_nothing() -> None:
    found = compared(curve(flat, 0.1), curve(lambda x: 650 + x / 1e5, 0.1))
    assert found.crossings == ()
    assert (found.cheaper_first, found.first_told, found.last_told) == (None, None, None)
    assert not found.all_told


def test_one_that_is_cheaper_throughout_crosses_nowhere() -> None:
    found = compared(curve(flat, 0.1), curve(lambda x: 1000 + x, 0.1))
    assert (found.crossings, found.cheaper_first, found.all_told) == ((), 0, True)


def test_a_start_that_overlaps_is_no_crossing() -> None:
    found = compared(curve(flat, 0.1), curve(lambda x: 640 + 16 * x, 0.1))
    assert found.crossings == ()
    assert (found.cheaper_first, found.first_told, found.last_told) == (0, 16, 65536)
    assert not found.all_told


def test_an_end_that_overlaps_is_no_crossing() -> None:
    found = compared(curve(flat, 0.1), curve(lambda x: 640 + 6400 / x, 0.1))
    assert (found.crossings, found.first_told, found.last_told) == ((), 1, 32)


def test_curves_may_meet_exactly_where_both_were_measured() -> None:
    xs = [10.0, 20.0, 40.0, 80.0]
    (crossing,) = compared(curve(flat, xs=xs), curve(lambda x: 16 * x, xs=xs)).crossings
    assert (crossing.cheaper, crossing.x) == (0, pytest.approx(40))


def test_where_curves_cross_to_and_fro_the_middle_is_told() -> None:
    ys = [100.0, 600.0, 700.0, 600.0, 700.0, 4000.0]
    wavy = [Point(float(2**i), y, y / 1.2, y * 1.2) for i, y in enumerate(ys)]
    (crossing,) = compared(curve(flat, 0.1), wavy).crossings
    assert crossing.x == pytest.approx(math.sqrt(2 * 16), rel=0.5)
    assert 4 < crossing.x < 8


def test_what_differs_by_less_than_boots_do_is_alike() -> None:
    found = compare(curve(flat), curve(lambda x: 645 + x / 1e5))
    assert found is not None
    assert (found.crossings, found.cheaper_first, found.rest_alike) == ((), None, True)
    noisy = compare(curve(flat, 0.5), curve(lambda x: 750.0, 0.5))
    assert noisy is not None
    assert (noisy.cheaper_first, noisy.rest_alike) == (None, False)


def test_a_crossing_lies_somewhere_between_the_clear_leads_of_either() -> None:
    found = compare(curve(flat), curve(lambda x: 16 * x))
    assert found is not None
    (crossing,) = found.crossings
    assert crossing.x == pytest.approx(40)
    assert (crossing.low, crossing.high) == pytest.approx((40 / 1.03, 40 * 1.03))


def test_two_crossings_are_both_found() -> None:
    found = compared(curve(flat), curve(lambda x: 100 * x if x <= 256 else 6.4e6 / x))
    assert [crossing.cheaper for crossing in found.crossings] == [0, 1]
    first, second = found.crossings
    assert first.x == pytest.approx(6.4)
    assert second.x == pytest.approx(10_000)


def test_nothing_is_said_beyond_what_both_cover() -> None:
    short = curve(lambda x: 16 * x, xs=LEVELS[:5])  # ends at 16, would cross at 40
    found = compared(curve(flat), short)
    assert (found.last, found.crossings, found.cheaper_first) == (16, (), 1)
    assert compare(curve(flat, xs=[1, 2, 4]), curve(flat, xs=[4, 8])) is None
    assert compare([], curve(flat)) is None


def test_levels_of_different_curves_need_not_be_the_same() -> None:
    odd = curve(lambda x: 16 * x, xs=[3, 30, 300, 3000])
    (crossing,) = compared(curve(flat), odd).crossings
    assert crossing.x == pytest.approx(40)


@pytest.mark.parametrize(
    "wrong",
    [
        [Point(2, 1, 1, 1), Point(1, 1, 1, 1)],
        [Point(1, 1, 1, 1), Point(1, 1, 1, 1)],
        [Point(0, 1, 1, 1)],
        [Point(1, 0, 0, 0)],
        [Point(1, 1, 2, 3)],
        [Point(1, 1, 0.5, 0.9)],
        [Point(1, math.nan, math.nan, math.nan)],
        [Point(1, 1, 1, math.inf)],
    ],
)
def test_what_is_no_curve_is_refused(wrong: list[Point]) -> None:
    with pytest.raises(ValueError, match=r"x must ascend|within its interval"):
        compare(wrong, curve(flat))


factors = st.floats(1.0, 2.0)
curves = st.lists(
    st.tuples(st.integers(1, 10**6), st.floats(1e-9, 1.0), factors, factors),
    min_size=1,
    max_size=12,
    unique_by=lambda point: point[0],
).map(lambda rows: [Point(x, y, y / a, y * b) for x, y, a, b in sorted(rows)])


@given(curves, curves)
def test_whatever_the_curves_a_crossing_is_where_both_were_measured(
    one: list[Point], other: list[Point]
) -> None:
    found = compare(one, other)
    if found is None:
        return
    before = found.first
    cheaper = found.cheaper_first
    for crossing in found.crossings:
        assert crossing.cheaper == 1 - (cheaper if cheaper is not None else 2)
        cheaper = crossing.cheaper
        slack = 1 + 1e-9
        assert before <= crossing.low * slack
        assert crossing.low <= crossing.x * slack
        assert crossing.x <= crossing.high * slack
        assert crossing.high <= found.last * slack
        before = crossing.high / slack**2
    turned = compare(other, one)
    assert turned is not None
    assert [c.cheaper for c in turned.crossings] == [1 - c.cheaper for c in found.crossings]
    assert [c.x for c in turned.crossings] == pytest.approx([c.x for c in found.crossings])
