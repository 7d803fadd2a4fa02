"""A worker's choices: which slices are clean, how large a batch is, which level a curve ends at."""

from __future__ import annotations

from typing import Any

import pytest
from fake_workloads import CLEAN, DIRTY, RATIO, Plain, row
from hypothesis import given
from hypothesis import strategies as st

from runners.measure import worker, workloads
from runners.measure.sentinel import FOREIGN_NS, FOREIGN_SHARE, TOLERANCE, Clean, Slices

# The gate


def gate(ratio: float | None) -> worker.Gate:
    told = {"clean_ratio": ratio, "tolerance": TOLERANCE}
    return worker.Gate(told | {"foreign_share": FOREIGN_SHARE, "foreign_ns": FOREIGN_NS})


@pytest.mark.parametrize(
    ("table", "clean"),
    [
        ([], 0),
        (row(CLEAN, CLEAN), 1),
        (row(CLEAN, DIRTY), 0),
        (row(DIRTY, CLEAN), 0),
        (row(CLEAN, CLEAN) + row(DIRTY, DIRTY) + row(CLEAN, CLEAN), 2),
        (row((1000, 1274), (1000, 1226)), 1),
        (row((1000, 1276), CLEAN), 0),
        (row(CLEAN, (1000, 1224)), 0),
        (row((0, 7500), CLEAN), 0),
        (row(CLEAN, (0, 0)), 0),
        (row(CLEAN, CLEAN, foreign_ns=36_000) + row(CLEAN, CLEAN, foreign_ns=36_001), 1),
        (row(CLEAN, DIRTY, foreign_ns=0), 0),
    ],
)
def test_gate_passes(table: list[int], clean: int) -> None:
    assert gate(RATIO).clean(table) == clean


def test_without_a_level_everything_is_clean() -> None:
    assert gate(None).clean(row(CLEAN, DIRTY) + row(DIRTY, DIRTY)) == 2


# A chain below 10,000 times 1.333 +- 2 % is never a whole number, so no ratio lies on the limit.
SENSE = st.tuples(st.integers(0, 9_999), st.integers(0, 20_000)) | st.integers(
    5_000, 7_000
).flatmap(
    lambda chain: st.tuples(st.just(chain), st.integers(chain * 129 // 100, chain * 138 // 100))
)


@given(st.lists(st.tuples(SENSE, SENSE, st.integers(-1, 60_000)), max_size=20))
def test_worker_and_scheduler_mean_the_same_by_clean(slices_told: list[Any]) -> None:
    table = [
        number
        for before, after, foreign_ns in slices_told
        for number in row(before, after, foreign_ns=foreign_ns)
    ]
    slices = Slices.from_table(table)
    expected = int(slices.clean(Clean(1.333, 6000.0)).sum())
    assert gate(1.333).clean(table) == expected


# Calibration


class Costed(Plain):
    """An operation takes ``op_ns``, a batch ``batch_ns`` on top; the clock ticks in ``tick_ns``."""

    def __init__(self, op_ns: float, batch_ns: int, max_batch: int, tick_ns: int = 1) -> None:
        super().__init__()
        self.op_ns, self.batch_ns, self.tick_ns = op_ns, batch_ns, tick_ns
        self.max_batch = max_batch

    def run(self, n: int) -> int:
        super().run(n)
        return int(self.op_ns * n + self.batch_ns) // self.tick_ns * self.tick_ns


@given(
    st.builds(
        Costed,
        st.floats(0.0, 1e10),
        st.integers(0, 10**6),
        st.integers(1, 2**63 - 1),
        st.sampled_from([1, 100, 1_000_000]),
    ),
    st.integers(1, 10**9),
)
def test_a_batch_is_never_empty_nor_too_large(workload: Costed, slice_ns: int) -> None:
    batch = workloads.calibrate(workload, slice_ns)
    assert isinstance(batch, int)
    assert 1 <= batch <= workload.max_batch
    assert len(workload.diary) < 3 * 70


@given(st.floats(0.3, 1e8), st.integers(100_000, 1_000_000))
def test_a_batch_fills_a_slice(op_ns: float, slice_ns: int) -> None:
    workload = Costed(op_ns, 0, 2**63 - 1)
    batch = workloads.calibrate(workload, slice_ns)
    assert batch == 1 or batch * op_ns == pytest.approx(slice_ns, rel=0.02, abs=op_ns)


def test_one_slow_run_does_not_shrink_the_batch() -> None:
    class Hiccup(Plain):
        def run(self, n: int) -> int:
            return super().run(n) * (50 if len(self.diary) % 3 == 1 else 1)

    assert workloads.calibrate(Hiccup(), 300_000) == 300


@pytest.mark.parametrize(
    ("start_ns", "op_ns", "batch"),
    [
        (0, 100.0, 3000),  # an ordinary slice
        (0, 2_000.0, 1000),  # a longer one
        (0, 100_000.0, 30),  # ten times as long, and not longer
        (0, 10_000_000.0, 1),
        (250_000, 100.0, 1000),  # a team's start is not taken for its operation
        (1_000_000, 100.0, 1000),
    ],
)
def test_a_teams_batch_holds_enough_operations(start_ns: int, op_ns: float, batch: int) -> None:
    class Team(Plain):
        max_batch = 10**9

        def run(self, n: int) -> int:
            return start_ns + round(n * op_ns)

    assert workloads.calibrate(Team(), 300_000, workloads.LONG_OPERATIONS) == batch


@pytest.mark.parametrize(
    ("op_ns", "max_batch", "batch"),
    [
        (100.0, 10**9, 3000),  # an ordinary slice has enough
        (10_000.0, 10**9, 380),
        (10_000_000.0, 10**9, 380),  # however long
        (10_000.0, 100, 100),
    ],
)
def test_a_batch_holds_enough_operations_for_all_of_the_load(
    op_ns: float, max_batch: int, batch: int
) -> None:
    workload = Costed(op_ns, 0, max_batch)
    assert workloads.calibrate(workload, 300_000, under_load=380) == batch


def test_a_batch_stops_at_what_the_workload_holds() -> None:
    assert workloads.calibrate(Costed(10.0, 0, 700), 300_000) == 700
    assert workloads.calibrate(Costed(1e9, 0, 700), 300_000) == 1


# Levels


@pytest.mark.parametrize(
    ("level", "rounded"),
    [(0, 0), (7, 7), (999, 999), (1000, 1000), (1009, 1000), (19997, 19900), (1048575, 1040000)],
)
def test_round_down(level: int, rounded: int) -> None:
    assert workloads.round_down(level) == rounded


@given(st.integers(0, 10**12))
def test_a_rounded_level_is_close_below(level: int) -> None:
    rounded = workloads.round_down(level)
    assert level * 0.99 <= rounded <= level
    assert workloads.round_down(rounded) == rounded


def test_a_slow_down_is_found_under_the_load_of_the_measurement() -> None:
    workload = Plain()
    workload.max_batch = 10_000
    workloads.slow_down(workload, {"least_batch": 64, "slowdown": 0.5}, 16, 6000)
    assert min(n for kind, n in workload.diary if kind == "run") == 64 * 16
