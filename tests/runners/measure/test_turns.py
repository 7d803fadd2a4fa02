"""How many rounds a figure gets, and whose visit comes first where time is short."""

from __future__ import annotations

import pytest
from scripted_machine import JOBS, OP_NS, Machine, answer, measure, point

from runners.measure.launch import Answer, Order
from runners.measure.turns import rounds_needed, settled, turn

#: Stable in ten rounds (standard error 0.5 %), and in four (0.7 %), but there not by much.
RESTLESS = [1.0, 1.016] * 10
UNSTABLE = [1.0, 1.2] * 40


@pytest.mark.parametrize(
    ("values", "is_settled"),
    [
        ([1.0] * 3, False),
        ([1.0] * 4, True),
        (RESTLESS[:4], False),
        (RESTLESS[:5], False),  # looks stable by luck: three of five are alike
        (RESTLESS[:6], True),
        (UNSTABLE[:10], False),
        ([*[1.0] * 4, 1.2, 0.9, 1.1], True),  # is told once, from the first four
    ],
)
def test_a_figure_is_settled_early_only_by_a_stricter_measure(
    values: list[float], is_settled: bool
) -> None:
    assert settled(values, 10) is is_settled


@pytest.mark.parametrize(
    ("good", "visits", "expected"),
    [
        (0, 3, 0),  # too early to give up
        (1, 4, 1),
        (2, 6, 0),
        (3, 9, 0),
        (2, 9, 1),
        (2, 10, 3),
        (3, 10, 0),
        (10, 10, 2),
    ],
)
def test_a_figure_whose_visits_seldom_count_waits_for_the_others(
    good: int, visits: int, expected: int
) -> None:
    assert turn(UNSTABLE[:good], visits, 10) == expected


@pytest.mark.parametrize(
    ("values", "most", "needed"),
    [
        ([], 80, 10),
        ([1.0] * 10, 80, 10),
        (UNSTABLE[:9], 80, 10),
        (UNSTABLE[:10], 80, 20),
        (UNSTABLE[:20], 80, 40),
        (UNSTABLE[:40], 80, 80),
        (UNSTABLE[:40], 60, 60),
        ([*UNSTABLE[:10], *[1.1] * 10], 80, 20),
    ],
)
def test_rounds_are_doubled_until_a_figure_is_stable(
    values: list[float], most: int, needed: int
) -> None:
    assert rounds_needed(values, 10, most) == needed


def test_the_least_rounds_of_a_slow_job_come_before_more_of_the_others() -> None:
    def restless(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=OP_NS * (1 + 0.03 * (visit % 2))))

    seconds = {"a": 1.0, "b": 1.0, "c": 1.0, "d": 20.0}
    machine = Machine(dict.fromkeys("abc", restless), seconds=seconds)
    session = measure(machine, *JOBS[:4], budget_s=1.0 + 4 * 23.0)
    assert [len(machine.of(name)) for name in "abcd"] == [4, 4, 4, 4]
    assert session.results[3].status == "ok"
