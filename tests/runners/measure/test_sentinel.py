from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.measure import sentinel
from runners.measure.sentinel import (
    TOLERANCE,
    Clean,
    Floats,
    Slices,
    best_clock_ns,
    find_clean,
    same,
)

RATIO = 1.333
CHAIN_NS = 6000.0
LEVEL = Clean(RATIO, CHAIN_NS)
SEEDS = range(3)


def senses(
    seed: int,
    *,
    count: int = 1000,
    clean: float = 0.4,
    modes: tuple[float, ...] = (1.5, 1.7, 2.0),
    sharp_modes: tuple[float, ...] = (),
    stray: float = 0.0,
    clock_drift: float = 0.0,
) -> Floats:
    """Sentinels of a shared core: a share clean to 0.2 %, the rest in modes above it.

    A stray one was interrupted inside the chain. The clock slows by up to ``clock_drift`` at times.
    """
    rng = np.random.default_rng(seed)
    factors = np.ones(count)
    own = rng.random(count) < clean
    broad = rng.choice(modes, count) * rng.normal(1.0, 0.06, count) if modes else factors
    sharp = rng.choice(sharp_modes, count) if sharp_modes else broad
    factors[~own] = np.where(rng.random(count) < 0.5, broad, sharp)[~own]
    clock = 1 + clock_drift * np.maximum(0, np.sin(np.arange(count) / count * 25))
    chain_ns = CHAIN_NS * clock * rng.normal(1.0, 0.0007, count)
    width_ns = CHAIN_NS * clock * RATIO * factors * rng.normal(1.0, 0.0007, count)
    chain_ns[rng.random(count) < stray] *= rng.uniform(1.3, 8.0)
    return np.stack([chain_ns, width_ns], axis=1).round()


# The clean level


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("clock_drift", [0.0, 0.2])
@pytest.mark.parametrize("stray", [0.0, 0.01])
@pytest.mark.parametrize("sharp_modes", [(), (1.97,), (1.5, 1.97)])
@pytest.mark.parametrize("clean", [0.05, 0.4, 1.0])
def test_the_clean_ratio_is_found(
    clean: float, sharp_modes: tuple[float, ...], stray: float, clock_drift: float, seed: int
) -> None:
    pairs_ns = senses(
        seed, clean=clean, sharp_modes=sharp_modes, stray=stray, clock_drift=clock_drift
    )
    found = find_clean(pairs_ns)
    assert found is not None
    assert found.ratio == pytest.approx(RATIO, rel=0.003)
    assert found.chain_ns == pytest.approx(CHAIN_NS, rel=0.003)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_neighbour_that_never_rests_is_not_taken_for_the_rare_clean_core(seed: int) -> None:
    pairs_ns = senses(seed, count=4000, clean=0.05, modes=(1.97,), sharp_modes=(1.97,))
    found = find_clean(pairs_ns)
    assert found is not None
    assert found.ratio == pytest.approx(RATIO, rel=0.003)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("low", [1.3, 1.0])
@pytest.mark.parametrize("high", [1.6, 2.5])
def test_uniform_noise_has_no_level(low: float, high: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    chain_ns = np.full(1000, CHAIN_NS)
    assert find_clean(np.stack([chain_ns, chain_ns * rng.uniform(low, high, 1000)], axis=1)) is None


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("spread", [0.006, 0.02])
def test_a_blunt_level_is_none(spread: float, seed: int) -> None:
    # Half the samples of a normal distribution lie within 1.35 standard deviations.
    rng = np.random.default_rng(seed)
    chain_ns = np.full(1000, CHAIN_NS)
    width_ns = chain_ns * RATIO * rng.normal(1.0, spread, 1000)
    assert find_clean(np.stack([chain_ns, width_ns], axis=1)) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_level_may_be_as_blunt_as_stated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chain_ns = np.full(1000, CHAIN_NS)
    width_ns = chain_ns * RATIO * rng.normal(1.0, 0.8 * sentinel.SHARP / 1.35, 1000)
    found = find_clean(np.stack([chain_ns, width_ns], axis=1))
    assert found is not None
    assert found.ratio == pytest.approx(RATIO, rel=0.003)


def test_it_takes_twenty_samples() -> None:
    pairs_ns = np.tile([CHAIN_NS, CHAIN_NS * RATIO], (20, 1))
    assert find_clean(pairs_ns) == LEVEL
    assert find_clean(pairs_ns[:19]) is None
    assert find_clean(np.empty((0, 2))) is None


def test_a_pile_is_twenty_samples_and_a_fiftieth() -> None:
    def level(low: int, high: int) -> float | None:
        ratios = np.array([1.0] * low + [1.5] * high)
        found = find_clean(np.stack([np.full(low + high, CHAIN_NS), CHAIN_NS * ratios], axis=1))
        return found and found.ratio

    assert level(20, 100) == 1.0
    assert level(19, 100) == 1.5
    assert level(40, 1960) == 1.0
    assert level(39, 1961) == 1.5
    assert level(19, 19) is None


def test_the_tail_below_the_level_is_not_the_level() -> None:
    # A fiftieth lies 1.5 % below the rest: a pile of its own, next to the real one.
    ratios = np.array([RATIO * 0.985] * 25 + [RATIO] * 975)
    found = find_clean(np.stack([np.full(1000, CHAIN_NS), CHAIN_NS * ratios], axis=1))
    assert found is not None
    assert found.ratio == pytest.approx(RATIO)


def test_samples_without_a_time_are_ignored() -> None:
    good = senses(1, clean=1.0)
    bad = np.array([[0.0, 8000.0], [6000.0, 0.0], [-1.0, -2.0], [0.0, 0.0], [-6000.0, -7998.0]])
    assert find_clean(np.concatenate([bad.repeat(100, axis=0), good])) == find_clean(good)
    assert find_clean(bad.repeat(100, axis=0)) is None


def test_the_best_clock_is_not_one_lucky_sample() -> None:
    pairs_ns = np.tile([CHAIN_NS, CHAIN_NS * RATIO], (1000, 1))
    pairs_ns[:20] *= 0.5
    pairs_ns[500:] *= 1.2
    found = find_clean(pairs_ns)
    assert found is not None
    assert found.chain_ns == CHAIN_NS


def test_the_best_clock_may_be_rare() -> None:
    pairs_ns = np.tile([CHAIN_NS, CHAIN_NS * RATIO], (1000, 1))
    pairs_ns[80:] *= 1.2
    found = find_clean(pairs_ns)
    assert found is not None
    assert found.chain_ns == best_clock_ns(pairs_ns) == CHAIN_NS


@pytest.mark.parametrize("seed", SEEDS)
def test_neither_order_nor_clock_matters_to_the_ratio(seed: int) -> None:
    pairs_ns = senses(2)
    found = find_clean(pairs_ns)
    scale = 2.0 ** (seed - 2)
    moved = find_clean(np.random.default_rng(seed).permutation(pairs_ns) * scale)
    assert found is not None
    assert moved == Clean(found.ratio, found.chain_ns * scale)


def test_the_best_clock_is_known_without_a_clean_level() -> None:
    rng = np.random.default_rng(0)
    chain_ns = CHAIN_NS * rng.uniform(1.0, 1.001, 1000)
    pairs_ns = np.stack([chain_ns, chain_ns * rng.uniform(1.3, 2.6, 1000)], axis=1)
    assert find_clean(pairs_ns) is None
    assert best_clock_ns(pairs_ns) == pytest.approx(CHAIN_NS, rel=0.001)
    assert best_clock_ns(np.array([[0.0, 8000.0], [-1.0, -1.0]])) is None


# Two levels


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (None, None, True),
        (LEVEL, None, False),
        (None, LEVEL, False),
        (LEVEL, LEVEL, True),
        (LEVEL, Clean(RATIO * 1.0009, CHAIN_NS * 0.9991), True),
        (LEVEL, Clean(RATIO * 1.0012, CHAIN_NS), False),
        (LEVEL, Clean(RATIO * 0.9988, CHAIN_NS), False),
        (LEVEL, Clean(RATIO, CHAIN_NS * 1.0012), False),
        (LEVEL, Clean(RATIO, CHAIN_NS * 0.9988), False),
    ],
)
def test_levels_that_matter_to_no_figure_are_the_same(
    first: Clean | None, second: Clean | None, expected: bool
) -> None:
    assert same(first, second) is expected


# Slices


def one_slice(before: float, after: float) -> Slices:
    """A slice between two sentinels of these ratios."""
    senses_ns = np.array([[CHAIN_NS, CHAIN_NS * before, CHAIN_NS, CHAIN_NS * after]])
    return Slices(np.array([3e5]), senses_ns, np.array([-1.0]))


def test_the_table_of_a_worker() -> None:
    slices = Slices.from_table([300, 10, 20, 30, 90, -1, 301, 11, 44, 33, 99, 12])
    assert slices.elapsed_ns.tolist() == [300, 301]
    assert slices.senses_ns.tolist() == [[10, 20, 30, 90], [11, 44, 33, 99]]
    assert slices.foreign_ns.tolist() == [-1, 12]
    assert slices.ratios().tolist() == [[2.0, 3.0], [4.0, 3.0]]
    assert len(Slices.from_table([]).clean(LEVEL)) == 0


@pytest.mark.parametrize(
    ("before", "after", "clean"),
    [
        (1.0, 1.0, True),
        (1.019, 0.981, True),
        (1.021, 1.0, False),
        (1.0, 1.021, False),
        (0.979, 1.0, False),
        (1.0, 0.979, False),
        (1.97, 1.97, False),
    ],
)
def test_a_clean_slice_is_clean_on_both_sides(before: float, after: float, clean: bool) -> None:
    slices = one_slice(RATIO * before, RATIO * after)
    assert slices.clean(LEVEL).tolist() == [clean]
    assert slices.clean(None).tolist() == [True]


@pytest.mark.parametrize(
    ("elapsed_ns", "foreign_ns", "clean"),
    [
        (300_000, -1, True),  # unknown
        (300_000, 36_000, True),
        (300_000, 36_001, False),
        (10_000_000, 230_000, True),
        (10_000_000, 230_001, False),
    ],
)
def test_a_slice_in_which_others_ran_is_not_clean(
    elapsed_ns: int, foreign_ns: int, clean: bool
) -> None:
    sense = [CHAIN_NS, round(CHAIN_NS * RATIO)]
    slices = Slices.from_table([elapsed_ns, *sense, *sense, foreign_ns])
    assert slices.clean(LEVEL).tolist() == [clean]
    assert slices.clean(None).tolist() == [clean]


@pytest.mark.parametrize("broken", [[0, 8000, 6000, 7998], [6000, 7998, 0, 0], [0, 0, 0, 0]])
def test_a_sentinel_without_a_time_is_not_clean(broken: list[int]) -> None:
    slices = Slices.from_table([300_000, *broken, -1])
    assert slices.clean(LEVEL).tolist() == [False]
    assert np.isfinite(slices.at_best_clock_ns(LEVEL)).all()


ROW = st.tuples(
    st.integers(1, 10**9),
    *[st.integers(5_900, 6_200), st.integers(7_800, 8_300)] * 2,
    st.just(-1),
)


@given(st.lists(ROW, min_size=1, max_size=30), st.data())
def test_the_measured_value_has_no_say_in_the_choice(rows: list[tuple[int, ...]], data) -> None:
    slices = Slices.from_table([number for row in rows for number in row])
    changed = data.draw(
        st.lists(st.floats(0, 1e12), min_size=len(rows), max_size=len(rows)), label="elapsed"
    )
    other = Slices(np.array(changed), slices.senses_ns, slices.foreign_ns)
    assert slices.clean(LEVEL).tolist() == other.clean(LEVEL).tolist()
    for row, clean in zip(rows, slices.clean(LEVEL), strict=True):
        ratios = (row[2] / row[1], row[4] / row[3])
        assert clean == all(abs(ratio / RATIO - 1) <= TOLERANCE for ratio in ratios)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_clock_is_taken_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clock = rng.uniform(1.0, 1.2, 200)
    chain_ns = CHAIN_NS * clock
    senses_ns = np.stack([chain_ns, chain_ns * RATIO, chain_ns, chain_ns * RATIO], axis=1)
    slices = Slices(3e5 * clock, senses_ns, np.full(200, -1.0))
    assert slices.clean(LEVEL).all()
    assert slices.at_best_clock_ns(LEVEL) == pytest.approx(np.full(200, 3e5))
    assert slices.at_best_clock_ns(None) is slices.elapsed_ns


def test_the_clock_of_a_slice_is_the_mean_of_both_sides() -> None:
    slices = Slices.from_table([330_000, 6_000, 7_998, 7_200, 9_598, -1])
    assert slices.at_best_clock_ns(LEVEL).tolist() == [300_000.0]
