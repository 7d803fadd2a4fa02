"""Linearity: what is said of made-up slices of n and of 2n operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up import CLEAN, DISTURBED, OWN, Scripted, job, table

from runners.measure.sentinel import Clean
from runners.verify.check import Bench, Check
from runners.verify.linearity import LEAST_PAIRS, PAIRS, linearity

ONCE_NS = 300_000


def judged(
    ratio: float,
    *,
    noise: float = 0.001,
    own: int = 60,
    clock_ns: float = 20.0,
    clean: Clean | None = CLEAN,
    dirty_ratio: float = 3.0,
    n: int = 300,
    least_batch: int = 0,
) -> Check:
    """The check of pairs whose ratio is so large where the core is ours, and 3 elsewhere."""
    random = np.random.default_rng(7)
    once, twice = [], []
    for pair in range(60):
        mine = pair < own
        first = ONCE_NS * (1 + noise * random.standard_normal())
        second = ONCE_NS * (ratio if mine else dirty_ratio)
        second *= 1 + noise * random.standard_normal()
        once += table([first])
        twice += table([second], OWN if mine else DISTURBED)
    line = {"n": n, "once": once, "twice": twice, "clock_ns": clock_ns}
    launcher = Scripted([line, {"done": True}])
    check = linearity(Bench(launcher, (0,), clean), job(least_batch=least_batch), None)
    assert launcher.orders[0]["pairs"] == PAIRS
    return check


def test_what_the_system_is_short_of_is_no_defect() -> None:
    for line, verdict in (
        ({"failed": "mmap: ENOMEM after 0", "shortage": True}, "skipped"),
        ({"failed": "mmap: EINVAL after 0"}, "defect"),
    ):
        launcher = Scripted([line, {"done": True}])
        check = linearity(Bench(launcher, (0,), CLEAN), job(), None)
        assert (check.verdict, check.detail) == (verdict, f"failed: {line['failed']}")


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (2.0, "ok"),
        (1.97, "ok"),
        (2.03, "ok"),
        (1.94, "defect"),
        (2.06, "defect"),
        (1.9, "defect"),
        (2.1, "defect"),
        (1.0, "defect"),
        (4.0, "defect"),
    ],
)
def test_twice_the_operations_take_twice_the_time(ratio: float, verdict: str) -> None:
    check = judged(ratio)
    assert (check.kind, check.verdict) == ("linearity", verdict)
    assert check.data["ratio"] == pytest.approx(ratio, rel=0.002)
    assert check.data["low"] <= check.data["ratio"] <= check.data["high"]
    assert check.detail.startswith(f"T(2n)/T(n) = {check.data['ratio']:.3f} (")
    assert "n = 300" in check.detail


@pytest.mark.parametrize(("n", "ok"), [(2, 1.6), (8, 1.85), (64, 1.95)])
def test_the_first_of_a_batch_may_cost_one_operation_more(n: int, ok: float) -> None:
    assert judged(ok, n=n).verdict == "ok"
    assert judged(ok - 0.15, n=n).verdict == "defect"
    assert judged(1.0, n=n).verdict == "defect"


def test_where_many_tasks_wake_the_first_of_each_may_cost_one_more() -> None:
    assert judged(1.6, n=300, least_batch=300).verdict == "ok"
    assert judged(1.6, n=300, least_batch=10).verdict == "defect"
    assert judged(0.9, n=300, least_batch=300).verdict == "defect"


def test_a_wide_interval_that_holds_two_is_no_defect() -> None:
    assert judged(1.93, noise=0.5).verdict == "ok"


@pytest.mark.parametrize(
    ("clock_ns", "verdict"), [(20, "ok"), (2900, "ok"), (3100, "defect"), (9000, "defect")]
)
def test_the_clock_must_be_under_a_hundredth_of_a_batch(clock_ns: float, verdict: str) -> None:
    check = judged(2.0, clock_ns=clock_ns)
    assert check.verdict == verdict
    assert check.data["clock_share"] == pytest.approx(clock_ns / ONCE_NS, rel=0.01)


@pytest.mark.parametrize("own", [LEAST_PAIRS, 59])
def test_pairs_with_a_neighbour_are_left_out(own: int) -> None:
    check = judged(2.0, own=own)
    assert check.verdict == "ok"
    assert check.data["ratio"] == pytest.approx(2.0, rel=0.002)
    assert judged(2.5, own=own, dirty_ratio=2.0).verdict == "defect"


@pytest.mark.parametrize("own", [0, LEAST_PAIRS - 1])
def test_on_a_core_that_is_hardly_ours_nothing_is_said(own: int) -> None:
    check = judged(3.0, own=own)
    assert check.verdict == "unclear"
    assert check.detail == f"{own} of 60 pairs were on a core of our own"


def test_without_a_sharp_sentinel_every_pair_counts() -> None:
    assert judged(2.0, own=60, clean=None).verdict == "ok"
    assert judged(2.0, own=0, clean=None).verdict == "defect"


@pytest.mark.parametrize(
    ("lines", "error", "verdict", "detail"),
    [
        ([{"skipped": "no kqueue"}], None, "skipped", "skipped: no kqueue"),
        ([{"failed": "dup: EMFILE"}], None, "defect", "failed: dup: EMFILE"),
        ([], "crashed: SIGSEGV", "defect", "crashed: SIGSEGV"),
        ([], None, "defect", "no answer"),
    ],
)
def test_without_slices(lines: Any, error: Any, verdict: str, detail: str) -> None:
    check = linearity(Bench(Scripted(lines, error=error), (0,), CLEAN), job(), None)
    assert (check.verdict, check.detail) == (verdict, detail)
