from __future__ import annotations

import errno
from array import array
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from fake_workloads import CLEAN, DIRTY, RATIO, Plain, row
from worker_orders import Line, Visit, plain_order

from cyext.core.errors import OperationFailed
from runners.measure import worker, workloads
from runners.measure.lean import import_module

# One point


class Sequenced(Plain):
    """Chunks of a sample with so many clean slices each; the last entry goes on for ever."""

    def __init__(self, *clean: int, op_ns: int = 1000) -> None:
        super().__init__()
        self.clean = list(clean)
        self.OP_NS = op_ns

    def sample(self, slices: int, n: int) -> array[int]:
        super().sample(slices, n)
        clean = self.clean.pop(0) if len(self.clean) > 1 else self.clean[0]
        own, other = row(CLEAN, CLEAN), row(DIRTY, DIRTY)
        return array("q", own * clean + other * (slices - clean))


def measure(workload: Plain, cpus: Sequence[int] = (4, 5, 6), **changes: Any) -> Line:
    order = plain_order(**{"clean_ratio": RATIO, **changes})
    return worker.measure(workload, order, 100, list(cpus))


@pytest.mark.parametrize(
    ("clean", "slices"),
    [
        ((5,), 15),
        ((3,), 25),
        ((1,), 45),
        ((5, 5, 4, 1), 20),
        ((0,), 45),
    ],
)
def test_sampling_stops_when_enough_is_clean_or_the_time_is_up(
    pinned: list[list[int]], clean: tuple[int, ...], slices: int
) -> None:
    point = measure(Sequenced(*clean), cpus=[4])
    assert len(point["slices"]) == 6 * slices
    assert (point["batch"], point["cpu"]) == (100, 4)
    assert pinned == []


@pytest.mark.parametrize(
    ("op_ns", "wanted", "slices"),
    [
        (1_000, 15, 15),
        (1_000, 50, 50),
        (1_000, 3, 5),
        # 100 operations of 60 us: ten batches are what a visit's 60 ms hold.
        (60_000, 15, 10),
        (10**9, 15, 5),
        (0, 15, 15),
    ],
)
def test_long_operations_get_fewer_slices(
    pinned: list[list[int]], op_ns: int, wanted: int, slices: int
) -> None:
    point = measure(Sequenced(5, op_ns=op_ns), slices=wanted)
    assert len(point["slices"]) == 6 * slices


def test_a_cpu_that_is_never_clean_is_left(pinned: list[list[int]]) -> None:
    workload = Sequenced(0, 0, 5)
    assert measure(workload)["cpu"] == 5
    assert pinned == [[5]]
    # A batch that is not counted warms the new one up.
    assert workload.diary.count(("run", 100)) == 2


def test_all_cpus_are_tried_in_turn(pinned: list[list[int]]) -> None:
    assert measure(Sequenced(0))["cpu"] == 5
    assert pinned == [[5], [6], [4], [5]]


def test_two_cpus_are_enough_to_choose_from(pinned: list[list[int]]) -> None:
    assert measure(Sequenced(0, 0, 5), cpus=[4, 5])["cpu"] == 5
    assert pinned == [[5]]


def test_a_team_is_on_no_cpu_of_its_own(pinned: list[list[int]]) -> None:
    assert measure(Sequenced(0), cpus=[])["cpu"] == -1
    assert pinned == []


def test_one_clean_slice_is_reason_to_stay(pinned: list[list[int]]) -> None:
    assert measure(Sequenced(0, 1, 0, 1, 0, 1, 0, 1, 0))["cpu"] == 4
    assert pinned == []


def test_without_a_level_no_cpu_is_left(pinned: list[list[int]]) -> None:
    point = measure(Sequenced(0), clean_ratio=None)
    assert (point["cpu"], len(point["slices"]), pinned) == (4, 90, [])


@pytest.mark.parametrize(
    ("op_ns", "clock_ns", "max_batch", "changes", "count"),
    [
        (1_000.0, 20.0, 10**9, {}, 200),
        (1_000.0, 20.0, 10**9, {"trace": 1000}, 1000),
        (1_000.0, 20.0, 50, {}, 50),
        (400.0, 20.0, 10**9, {}, 200),
        (399.0, 20.0, 10**9, {}, 0),
        (399.0, 20.0, 10**9, {"trace_clocks": 0}, 200),
        (100_000.0, 20.0, 10**9, {"trace_ns": 2_000_000}, 20),
        (3e6, 20.0, 10**9, {"trace_ns": 2_000_000}, 0),
        (1_000.0, 20.0, 10**9, {"trace": 0}, 0),
    ],
)
def test_operations_are_traced_where_the_clock_weighs_little(
    op_ns: float, clock_ns: float, max_batch: int, changes: Mapping[str, int], count: int
) -> None:
    workload = Plain()
    workload.max_batch = max_batch
    times = worker.trace(workload, plain_order(**changes), clock_ns, op_ns)
    assert times == [1000] * count


@pytest.mark.parametrize(("least_batch", "batch", "traced"), [(0, 300, 200), (400, 800, 0)])
def test_a_load_is_met_by_a_batch_and_by_no_single_operation(
    visit: Visit, least_batch: int, batch: int, traced: int
) -> None:
    lines, _ = visit(Plain(), levels=(2,), least_batch=least_batch)
    assert lines[0]["batch"] == batch
    assert len(lines[0]["trace"]) == traced


def test_a_batch_whose_start_and_end_weigh_is_long_and_not_traced(visit: Visit) -> None:
    workload = Plain()
    workload.max_batch = 1 << 20
    lines, _ = visit(workload, long_batch=True)
    assert lines[0]["batch"] == 1000
    assert lines[0]["trace"] == []


class Limited(Plain):
    """A system that holds no more than ``room``."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def grow(self, level: int) -> None:
        super().grow(min(level, self.room))
        if level > self.room:
            base = import_module("cyext.core.workload")
            raise base.LimitReached(self.room, "RLIMIT_NOFILE")


def test_a_curve_is_measured_as_it_grows(visit: Visit) -> None:
    lines, workload = visit(Plain(), levels=(10, 100, 1000))
    assert [line.get("level") for line in lines] == [10, 100, 1000, None]
    assert [entry for entry in workload.diary if entry[0] == "grow"] == [
        ("grow", 10),
        ("grow", 100),
        ("grow", 1000),
    ]
    keys = {"level", "batch", "cpu", "wanted", "slices", "trace", "clock_ns", "noise", "modules"}
    assert set(lines[0]) == keys
    assert lines[0]["batch"] == 300
    assert len(lines[0]["trace"]) == 200
    assert lines[-1] == {"done": True}
    assert workload.closed == 1


def test_what_an_order_counts_is_told_with_each_point(visit: Visit) -> None:
    lines, workload = visit(Plain(), levels=(10, 100), counts=["held", "unknown here"])
    assert [line["counts"] for line in lines[:2]] == [{"held": 10}, {"held": 100}]
    assert [entry for entry in workload.diary if entry[0] == "count"] == [
        ("count", True),
        ("count", False),
    ] * 2
    # Counting covers the slices, neither the calibration before them nor the trace after them.
    kinds = [kind for kind, _ in workload.diary]
    counting = kinds[kinds.index("count") : kinds.index("trace")]
    assert set(counting) == {"count", "sample"}


def test_without_declared_counts_nothing_is_counted(visit: Visit) -> None:
    lines, workload = visit(Plain())
    assert "counts" not in lines[0]
    assert "count" not in dict(workload.diary)


class Growing(Plain):
    """Every step takes ``step_ms`` and a millisecond a unit, by the clock that the worker reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step_ms: int) -> None:
        super().__init__()
        self.now_ns = 0
        self.step_ms = step_ms
        monkeypatch.setattr(workloads, "time", SimpleNamespace(monotonic_ns=lambda: self.now_ns))

    def grow(self, level: int) -> None:
        self.now_ns += (self.step_ms + level - self.level) * 1_000_000
        super().grow(level)


def test_a_curve_ends_where_growing_takes_too_long(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = (10, 100, 1000, 10_000)
    lines, workload = visit(Growing(monkeypatch, 200), levels=levels, growth_ns=9 * 10**9)
    assert [line["level"] for line in lines if "level" in line] == [10, 100, 1000]
    reason = "--budget: growing to 10000 would take 9 s"
    assert lines[-2:] == [{"limit": {"reached": 1000, "reason": reason}}, {"done": True}]
    assert workload.closed == 1


@pytest.mark.parametrize(
    ("step_ms", "levels", "growth_ms"),
    [
        (200, (10, 100, 1000), 1200),
        (200, (10, 1000), 500),  # one step is no line: it may all be the first time's cost
        (0, (10, 90, 180), 1),  # steps too short to tell anything
        (1000, (1, 2, 500), 2000),  # what a step costs by itself is no growth
    ],
)
def test_what_grows_in_time_grows_to_the_end(
    visit: Visit,
    monkeypatch: pytest.MonkeyPatch,
    step_ms: int,
    levels: tuple[int, ...],
    growth_ms: int,
) -> None:
    workload = Growing(monkeypatch, step_ms)
    lines, _ = visit(workload, levels=levels, growth_ns=growth_ms * 1_000_000)
    assert [line["level"] for line in lines if "level" in line] == list(levels)


def test_a_slow_clock_makes_slices_longer(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    base = import_module("cyext.core.workload")
    workload = Plain()
    workload.max_batch = 1 << 40
    monkeypatch.setattr(base, "clock_cost", lambda reads: 16_000.0)
    assert visit(workload)[0][0]["batch"] == 200 * 16
    monkeypatch.setattr(base, "clock_cost", lambda reads: 1_500.0)
    assert visit(workload)[0][0]["batch"] == 300


def test_one_disturbed_look_at_the_clock_does_not_lengthen_the_slices(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = import_module("cyext.core.workload")
    looks = iter([2_300.0, 30.0, 30.0, 4_000.0, 31.0])
    monkeypatch.setattr(base, "clock_cost", lambda reads: next(looks))
    lines, _ = visit(Plain())
    assert (lines[0]["batch"], lines[0]["clock_ns"]) == (300, 30.0)


def test_a_job_without_an_axis_does_not_grow(visit: Visit) -> None:
    lines, workload = visit(Plain())
    assert [line.get("level", "-") for line in lines] == [None, "-"]
    assert "grow" not in dict(workload.diary)


def test_a_batch_that_was_frozen_is_not_calibrated_again(visit: Visit) -> None:
    lines, _ = visit(Plain(), levels=(10, 100), batch={10: 77})
    assert [line["batch"] for line in lines[:-1]] == [77, 300]
    lines, _ = visit(Plain(), batch={None: 5000})
    assert lines[0]["batch"] == Plain.max_batch


@pytest.mark.parametrize(
    ("room", "measured", "reached"),
    [
        (320, [10, 100, 320], 320),
        (12_345, [10, 100, 10_000, 12_300], 12_300),
        # Hardly more than the last point: nothing new to be seen there.
        (104, [10, 100], 104),
        (105, [10, 100, 105], 105),
        (100, [10, 100], 100),
        (7, [7], 7),
        (1, [1], 1),
        (0, [], 0),
    ],
)
def test_a_limit_is_measured_as_the_last_point(
    visit: Visit, room: int, measured: list[int], reached: int
) -> None:
    levels = (10, 100, 10_000, 1_000_000)
    lines, workload = visit(Limited(room), levels=levels)
    assert [line["level"] for line in lines if "level" in line] == measured
    assert lines[-2:] == [
        {"limit": {"reached": reached, "reason": "RLIMIT_NOFILE"}},
        {"done": True},
    ]
    assert workload.closed == 1


class Shrinking(Limited):
    """A system whose room becomes less by ten with every attempt to grow."""

    def grow(self, level: int) -> None:
        self.room -= 10
        super().grow(level)


def test_a_limit_that_moves_while_it_is_approached_is_still_a_limit(visit: Visit) -> None:
    # 990 is refused at 980, then 980 at 970, and so on: never an error, and never for ever.
    lines, _ = visit(Shrinking(1015), levels=(10, 1000))
    assert lines[-2:] == [
        {"limit": {"reached": 10, "reason": "RLIMIT_NOFILE"}},
        {"done": True},
    ]
    assert not any("failed" in line for line in lines)


class Short(Plain):
    """A workload whose growth beyond ``room`` fails with this error, and closes it."""

    def __init__(self, room: int, error: Exception) -> None:
        super().__init__()
        self.room = room
        self.error = error

    def grow(self, level: int) -> None:
        if level > self.room:
            self.max_batch = 0
            raise self.error
        super().grow(level)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EFBIG, "File too large"), "File too large"),
        (OperationFailed("pwrite", errno.ENOSPC, 0), "pwrite: ENOSPC"),
        (MemoryError("no room to watch 1000 sockets"), "no room to watch 1000 sockets"),
    ],
)
def test_a_curve_ends_where_its_growth_finds_no_more_room(
    visit: Visit, error: Exception, reason: str
) -> None:
    lines, workload = visit(Short(100, error), levels=(10, 100, 1000, 10_000))
    assert [line["level"] for line in lines if "level" in line] == [10, 100]
    assert lines[-2:] == [{"limit": {"reached": 100, "reason": reason}}, {"done": True}]
    assert workload.closed == 1


@pytest.mark.parametrize(
    ("room", "error"),
    [
        (100, OperationFailed("pwrite", errno.EBADF, 0)),
        (100, ValueError("no such level")),
        (0, OperationFailed("pwrite", errno.ENOSPC, 0)),  # nothing was measured before
    ],
)
def test_growth_that_fails_otherwise_is_a_failure(
    visit: Visit, room: int, error: Exception
) -> None:
    lines, _ = visit(Short(room, error), levels=(10, 1000))
    assert str(error.args[-1]) in lines[-2]["failed"]
    assert not any("limit" in line for line in lines)


def test_a_limit_that_moves_once_is_measured_where_it_stands(visit: Visit) -> None:
    class MovesOnce(Limited):
        def grow(self, level: int) -> None:
            super().grow(level)
            self.room = 950

    workload = MovesOnce(2000)
    lines, _ = visit(workload, levels=(10, 1000))
    assert [line["level"] for line in lines if "level" in line] == [10, 950]


def test_an_unbound_worker_says_so_and_measures(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "pin", lambda cpus: "sched_setaffinity: EPERM")
    lines, _ = visit(Plain(), levels=(1,))
    assert lines[0] == {"unpinned": "sched_setaffinity: EPERM"}
    assert (lines[1]["level"], lines[1]["cpu"]) == (1, -1)


def test_a_rounded_limit_does_not_deny_the_level_before(visit: Visit) -> None:
    lines, _ = visit(Limited(16_390), levels=(16_384, 32_768))
    assert [line["level"] for line in lines if "level" in line] == [16_384]
    assert lines[-2]["limit"]["reached"] == 16_384


def test_the_next_level_stays_on_the_cpu_that_was_clean(
    visit: Visit, pinned: list[list[int]]
) -> None:
    lines, _ = visit(
        Sequenced(0, 0, 5, 5, 5, 5, 5, 5, 0, 0, 5), levels=(1, 2, 3), clean_ratio=RATIO
    )
    assert [line["cpu"] for line in lines[:-1]] == [5, 5, 6]
    assert pinned == [[4], [5], [6]]


class Failing(Plain):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def run(self, n: int) -> int:
        if self.level == 100:
            raise self.error
        return super().run(n)


def not_supported() -> Exception:
    error: Exception = import_module("cyext.core.workload").NotSupported("no io_uring here")
    return error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(24, "open: EMFILE after 19993"), "open: EMFILE after 19993"),
        (ValueError("a batch holds 1 to 5"), "error in the probe's code: a batch holds 1 to 5"),
        # No path of the user's machine may end up in a stored session.
        (
            FileNotFoundError(2, "not there", "/home/mallory/x"),
            "not there (a file or directory that the probe needs)",
        ),
        (MemoryError(), "out of memory"),
    ],
)
def test_a_failure_is_told_and_everything_given_back(
    visit: Visit, error: Exception, line: str
) -> None:
    lines, workload = visit(Failing(error), levels=(10, 100, 1000))
    assert lines[0]["level"] == 10
    is_short = isinstance(error, MemoryError) or getattr(error, "errno", None) == 24
    short = {"shortage": True} if is_short else {}
    assert lines[1:] == [{"failed": line, **short}, {"done": True}]
    assert workload.closed == 1


def test_what_the_system_lacks_is_skipped(visit: Visit) -> None:
    lines, workload = visit(Failing(not_supported()), levels=(100,))
    assert lines == [{"skipped": "no io_uring here"}, {"done": True}]
    assert workload.closed == 1


def test_a_failed_batch_is_told_in_its_own_words(visit: Visit) -> None:
    failed = import_module("cyext.core.workload").OperationFailed("open", 24, 19993)
    lines, _ = visit(Failing(failed), levels=(100,))
    assert lines[0] == {"failed": "open: EMFILE after 19993", "shortage": True}


def test_a_workload_that_cannot_be_made_leaves_nothing_to_close(
    monkeypatch: pytest.MonkeyPatch, pinned: list[list[int]]
) -> None:
    lines: list[Line] = []
    monkeypatch.setattr(worker, "emit", lambda **line: lines.append(line))
    worker.work(plain_order(workload="fake_workloads:CleanOnLast", params={"nonsense": 1}))
    assert "nonsense" in lines[0]["failed"]
    assert lines[1:] == [{"done": True}]


# Slow-downs that prove the gate


def test_a_slow_down_spins_for_its_share_of_an_operation(visit: Visit) -> None:
    # An operation takes 1,000 ns, and a step of the chain 1 ns: 6,000 steps in 6,000 ns.
    _, workload = visit(Plain(), levels=(10,), slowdown=0.05)
    assert workload.spin == pytest.approx(0.05 * 1000 / (Plain.CHAIN_NS / 6000))


def test_without_one_nothing_spins(visit: Visit) -> None:
    _, workload = visit(Plain(), levels=(10,))
    assert not hasattr(workload, "spin")
