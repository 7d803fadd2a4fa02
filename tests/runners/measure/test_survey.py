"""The first look at the CPUs: how often each is ours, and which slow each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from runners.measure.launch import Answer
from runners.measure.sentinel import Clean
from runners.measure.survey import neighbours, survey

CHAIN_NS, RATIO = 6000, 1.25
OWN = [CHAIN_NS, round(CHAIN_NS * RATIO)]
DISTURBED = [CHAIN_NS, round(CHAIN_NS * RATIO * 1.97)]
CLEAN = Clean(RATIO, float(CHAIN_NS))


class Machine:
    """Says what it is told to, and keeps what it was asked."""

    def __init__(self, *lines: dict[str, Any]) -> None:
        self.lines = list(lines)
        self.asked: list[tuple[Any, ...]] = []
        self.error: str | None = None

    def survey(self, cpus: Sequence[int], pairs: Sequence[tuple[int, int]], senses: int) -> Answer:
        self.asked.append((list(cpus), list(pairs), senses))
        return Answer(self.lines, self.error)


def alone(cpu: int, own: int, of: int = 500) -> dict[str, Any]:
    """A CPU that was ours so often."""
    return {"cpu": cpu, "senses": OWN * own + DISTURBED * (of - own)}


def together(first: int, second: int, own: int, of: int = 100) -> dict[str, Any]:
    """Slices of two CPUs at once, so many of which were clean."""
    slices = [300_000, *OWN, *OWN, -1] * own + [300_000, *DISTURBED, *DISTURBED, -1] * (of - own)
    return {"pair": [first, second], "slices": slices}


def test_every_cpu_and_likely_siblings_are_asked_for() -> None:
    machine = Machine(alone(2, 400))
    survey(machine, (2, 5, 7, 9), None, senses=77)
    assert machine.asked == [([2, 5, 7, 9], [(2, 5), (2, 7), (5, 9), (7, 9)], 77)]


@pytest.mark.parametrize(("cpus", "each"), [(2, 5000), (4, 5000), (40, 500), (1000, 100)])
def test_many_cpus_are_looked_at_for_a_shorter_time(cpus: int, each: int) -> None:
    machine = Machine()
    survey(machine, range(cpus), None, senses=5000)
    assert machine.asked[0][2] == each


def test_how_often_each_cpu_was_ours() -> None:
    seen = survey(Machine(alone(0, 400), alone(3, 100), {"done": True}), (0, 3), None)
    assert seen.clean == Clean(pytest.approx(RATIO), CHAIN_NS)
    assert seen.clean_share == {0: 0.8, 3: 0.2}
    assert seen.shared_cores == ()
    assert [len(rows) for rows in seen.senses_ns] == [500, 500]


def test_what_is_known_of_the_cpu_tells_a_core_that_is_never_ours() -> None:
    # All sentinels are alike, and would pass for clean.
    assert survey(Machine(alone(0, 0)), (0,), None).clean_share == {0: 1.0}
    seen = survey(Machine(alone(0, 0)), (0,), CLEAN)
    assert (seen.clean, seen.clean_share) == (CLEAN, {0: 0.0})


@pytest.mark.parametrize("lines", [[], [{"failed": "no"}], [{"cpu": 0, "senses": OWN * 3}]])
def test_without_a_level_nothing_is_said_of_cores(lines: list[dict[str, Any]]) -> None:
    seen = survey(Machine(*lines, together(0, 1, 0)), (0, 1), None)
    assert (seen.clean, seen.clean_share, seen.shared_cores) == (None, {}, ())


def test_a_survey_that_crashed_leaves_what_is_known() -> None:
    seen = survey(Machine(), (0, 1), CLEAN)
    assert (seen.clean, seen.clean_share, seen.senses_ns, seen.error) == (CLEAN, {}, (), None)


@pytest.mark.parametrize("lines", [[], [alone(0, 400)]])
def test_why_a_survey_ended_early_is_kept(lines: list[dict[str, Any]]) -> None:
    machine = Machine(*lines)
    machine.error = "crashed: SIGSEGV"
    assert survey(machine, (0, 1), None).error == "crashed: SIGSEGV"


@pytest.mark.parametrize(
    ("first", "second", "both", "shared"),
    [
        (400, 400, 0, True),
        (400, 400, 1, True),
        (400, 400, 2, False),
        (400, 400, 90, False),
        (151, 400, 0, True),
        # Hardly ours alone either: that says nothing about each other.
        (150, 400, 0, False),
        (400, 150, 0, False),
    ],
)
def test_cpus_that_are_ours_alone_but_not_at_once_share_a_core(
    first: int, second: int, both: int, shared: bool
) -> None:
    machine = Machine(alone(4, first), alone(6, second), together(4, 6, both))
    assert survey(machine, (4, 6), CLEAN).shared_cores == (((4, 6),) if shared else ())


def test_a_pair_of_which_nobody_was_heard_alone_says_nothing() -> None:
    assert survey(Machine(alone(0, 400), together(0, 1, 0)), (0, 1), None).shared_cores == ()


@pytest.mark.parametrize(
    ("cpus", "pairs"),
    [
        ([], []),
        ([5], []),
        ([0, 1], [(0, 1)]),
        ([3, 7], [(3, 7)]),
        ([0, 1, 2], [(0, 1)]),
        ([0, 1, 2, 3], [(0, 1), (0, 2), (1, 3), (2, 3)]),
        ([2, 4, 6, 8, 10, 12], [(2, 4), (2, 8), (4, 10), (6, 8), (6, 12), (10, 12)]),
    ],
)
def test_likely_siblings(cpus: list[int], pairs: list[tuple[int, int]]) -> None:
    assert neighbours(cpus) == pairs


def test_siblings_of_a_large_machine_are_sampled() -> None:
    assert len(neighbours(range(256))) == 8
    assert len(neighbours(range(256), most=3)) == 3
