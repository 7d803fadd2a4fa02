"""Several new sessions judged as one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from simulated import Machine, benchmark

from runners.gate.evidence import Sample, SessionFigure
from runners.gate.judge import Judgement, judge
from runners.gate.pooling import pool
from runners.model.count import Count, CountEstimate

X = benchmark("x")


def session(log_s: float, boot: str | None, **changes: object) -> Sample:
    return Sample({X: replace(SessionFigure(log_s, 0.01), **changes)}, boot=boot)  # type: ignore[arg-type]


def test_a_boot_counts_once_however_many_sessions_it_has() -> None:
    pooled = pool([session(0.0, "a"), session(0.0, "a"), session(0.0, "a"), session(1.0, "b")])
    figure = pooled.figures[X]
    assert figure.log_s == pytest.approx(0.5)
    assert figure.boots == 2
    assert figure.boot_size == pytest.approx(1.5)
    assert figure.error == pytest.approx(0.01 * math.sqrt(3 / 36 + 1 / 4))
    assert pooled.boot is None


def test_sessions_of_one_boot_stay_of_that_boot() -> None:
    pooled = pool([session(0.0, "a"), session(0.2, "a")])
    assert pooled.boot == "a"
    assert (pooled.figures[X].boots, pooled.figures[X].boot_size) == (1, 2.0)


def test_what_is_unstable_or_of_older_code_is_left_out() -> None:
    told = pool(
        [session(5.0, "a", code="old"), session(7.0, "b", doubt="drifted"), session(1.0, "c")]
    )
    assert (told.figures[X].log_s, told.figures[X].boots) == (1.0, 1)
    doubtful = pool([session(1.0, "a", doubt="drifted"), session(2.0, "b", doubt="two modes")])
    assert doubtful.figures[X].doubt == "two modes"


def test_sessions_that_disagree_on_an_exact_count_are_seen() -> None:
    woken = Count("woken", "threads woken", exact=True)

    def counted(value: float) -> tuple[CountEstimate, ...]:
        return (CountEstimate(woken, value, (value, value), 10),)

    one, other = session(0.0, "a", counts=counted(1)), session(0.0, "b", counts=counted(2))
    (found,) = pool([one, other]).figures[X].counts
    assert not found.agreed
    assert (found.value, found.interval, found.rounds) == (2, (1, 2), 20)  # a value that was seen
    assert pool([one, one]).figures[X].counts[0].agreed


def test_a_count_that_varies_is_the_mean_of_what_sessions_counted() -> None:
    slept = Count("voluntary_switches", "voluntary switches")

    def counted(value: float, rounds: int) -> tuple[CountEstimate, ...]:
        return (CountEstimate(slept, value, (value / 2, value * 2), rounds),)

    both = [session(0.0, "a", counts=counted(1, 10)), session(0.0, "b", counts=counted(3, 6))]
    (found,) = pool(both).figures[X].counts
    assert (found.value, found.interval, found.rounds) == (2, (1, 4), 16)


def test_what_only_one_of_the_sessions_measured_is_kept() -> None:
    other = benchmark("y")
    one = session(0.0, "a")
    more = Sample({**one.figures, other: SessionFigure(1.0, 0.01)}, boot="a")
    assert pool([one, more]).figures[other].log_s == 1.0
    assert pool([more, one]).figures[other].boot_size == 1.0


def test_references_are_pooled_as_figures_are() -> None:
    def told(log_s: float, boot: str) -> Sample:
        return replace(session(0.0, boot), references={"alu": SessionFigure(log_s, 0.01)})

    pooled = pool([told(0.0, "a"), told(0.2, "b")])
    assert pooled.references["alu"].log_s == pytest.approx(0.1)
    assert pooled.references["alu"].boots == 2


def test_of_three_new_boots_less_than_three_deviations_is_a_change() -> None:
    """Between boots the scale says what is rare: one boot may lie as far, three do not."""
    apart = np.array([-1.5, -1, -0.5, 0, 0, 0.5, 1, 1.5])
    apart *= 0.02 / apart.std(ddof=1)
    stored = [session(-9 + off, f"boot {i}", error=1e-6) for i, off in enumerate(apart)]
    new = [session(-9 + 2.85 * 0.02, f"new boot {i}", error=1e-6) for i in range(3)]
    assert judge(stored, pool(new))[0].verdict == "regressed"
    (alone,) = judge(stored, new[0])
    assert (alone.verdict, alone.why) == ("within noise", "boots differ by 2.0%")


def across(seed: int, size: float, new: int) -> list[Judgement]:
    """Eight boots of a session each, and ``new`` boots in which curve c0 is slower."""
    machine = Machine(np.random.default_rng(seed), 12, 8, 8, (0.002, 0.007), boot_sd=0.0095)

    def booted(shifts: dict[str, float] | None = None) -> Sample:
        machine.start_anew()
        return machine.session(shifts)

    slower = {name: math.log1p(size) for name, curve, _ in machine.names if curve == "c0"}
    baseline = [booted() for _ in range(8)]
    return judge(baseline, pool([booted(slower) for _ in range(new)]))


def test_more_boots_see_smaller_changes_and_no_changes_in_what_stayed() -> None:
    smallest = {}
    for new in (1, 3):
        judged = [j for j in across(1, 0.10, new) if j.kind == "point"]
        assert {j.verdict for j in judged if j.benchmark.probe == "c0"} == {"regressed"}
        assert not [j for j in judged if j.benchmark.probe != "c0" and j.verdict == "regressed"]
        smallest[new] = max(j.detectable or 0.0 for j in judged)
    assert smallest[3] < smallest[1]
