"""When a defect that a timed check found is one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from runners.model.benchmark import Benchmark
from runners.verify.check import Check, Verdict
from runners.verify.looks import MOST_LOOKS, confirmed


class Looks:
    """A check that says one verdict after the other, and counts how often it was asked."""

    def __init__(self, verdicts: Iterable[str]) -> None:
        self.verdicts = iter(verdicts)
        self.count = 0

    def __call__(self) -> Check:
        self.count += 1
        verdict: Verdict = next(self.verdicts)  # type: ignore[assignment]
        return Check(Benchmark("fd.x"), "linearity", verdict, f"look {self.count}")


@pytest.mark.parametrize("verdict", ["ok", "unclear", "skipped"])
def test_what_is_no_defect_is_looked_at_once(verdict: str) -> None:
    looks = Looks([verdict])
    assert (confirmed(looks).verdict, looks.count) == (verdict, 1)


@pytest.mark.parametrize(
    ("verdicts", "verdict", "detail"),
    [
        (["defect", "defect"], "defect", "look 2"),
        (["defect", "ok", "defect"], "defect", "look 3"),
        (["defect", "unclear", "unclear", "defect"], "defect", "look 4"),
        (["defect", "ok", "ok"], "ok", "look 3; 1 of 3 looks found a defect"),
        (
            ["defect", "ok", "unclear", "ok"],
            "ok",
            "look 4; 1 of 3 looks found a defect",
        ),
        (
            ["defect", "ok", *["unclear"] * 4],
            "unclear",
            "look 1; 1 of 2 looks found a defect",
        ),
        (["defect", *["skipped"] * 5], "unclear", "look 1; 1 of 1 looks found a defect"),
    ],
)
def test_most_of_three_looks_decide(verdicts: list[str], verdict: str, detail: str) -> None:
    looks = Looks(verdicts)
    check = confirmed(looks)
    assert (check.verdict, check.detail) == (verdict, detail)
    assert looks.count == len(verdicts) <= MOST_LOOKS


@pytest.mark.parametrize(
    ("found", "low", "high"),
    [(0.025, 0.0004, 0.0025), (0.7, 0.62, 0.66), (0.9, 0.87, 0.91)],
)
def test_noise_is_seldom_confirmed_and_a_defect_mostly(
    found: float, low: float, high: float
) -> None:
    random = np.random.default_rng(5)

    def share(checks: int) -> float:
        def verdicts() -> Iterable[str]:
            while True:
                yield "defect" if random.random() < found else "ok"

        said = [confirmed(Looks(verdicts())).verdict for _ in range(checks)]
        return said.count("defect") / checks

    assert low <= share(20_000) <= high
