"""The verdicts across boots, on sessions out of seeded noise. Rates are asserted loosely."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from simulated import Machine, by_name, curve

from runners.gate.boots import PLACES, Place
from runners.gate.evidence import Sample
from runners.gate.judge import judge


def of_boots(count: int, each: int, seed: int) -> tuple[Machine, list[Sample]]:
    """A machine whose boots differ by 2 %, before another boot, and its stored sessions."""
    m = Machine(np.random.default_rng(seed), sd=(0.002, 0.005), boot_sd=0.02)
    stored = []
    for _ in range(count):
        m.start_anew()
        stored += [m.session() for _ in range(each)]
    return m, stored


def test_what_another_boot_moves_is_no_regression() -> None:
    regressed = 0
    for seed in range(12):
        m, stored = of_boots(4, 2, seed)
        m.start_anew()
        regressed += any(j.verdict == "regressed" for j in judge(stored, m.session()))
    assert regressed <= 2


@pytest.mark.parametrize("place", PLACES)
def test_one_boot_makes_nothing_more_than_suspect_in_another_and_says_why(place: Place) -> None:
    m, stored = of_boots(1, 8, 1)
    m.start_anew()
    slower = m.session(dict.fromkeys(curve(m, "c0"), math.log(2)))
    judged = judge(stored, slower, place_of=lambda _: place)
    assert not any(j.verdict in ("regressed", "improved") for j in judged)
    slow = by_name(judged)[curve(m, "c0")[3]]
    assert slow.verdict == "suspect"
    assert "all stored sessions are of one boot" in slow.why


@pytest.mark.parametrize(
    ("place", "slower", "faster"),
    [
        ("kernel", "suspect", "within noise"),
        ("user space", "regressed", "improved"),
        ("memory", "regressed", "improved"),
    ],
)
def test_two_boots_are_enough_for_what_boots_hardly_move(
    place: Place, slower: str, faster: str
) -> None:
    m, stored = of_boots(2, 4, 1)
    m.start_anew()
    name = curve(m, "c0")[3]
    for sign, verdict in ((1, slower), (-1, faster)):
        now = m.session(dict.fromkeys(curve(m, "c0"), sign * math.log(2)))
        told = by_name(judge(stored, now, place_of=lambda _: place))[name]
        assert told.verdict == verdict
        assert ("all stored sessions are of two boots" in told.why) == (place == "kernel")
        assert (told.lacks == "boots") == (place == "kernel")


def test_in_the_boot_of_the_baseline_its_sessions_alone_count() -> None:
    m, stored = of_boots(3, 5, 2)
    slower = m.session(dict.fromkeys(curve(m, "c0"), math.log(1.06)))
    assert by_name(judge(stored, slower))[curve(m, "c0")[3]].verdict == "regressed"
    alone = [sample for sample in stored if sample.boot == m.boot]
    assert judge(stored, slower) == judge(alone, slower)


def test_many_boots_find_what_is_slower_in_another() -> None:
    m, stored = of_boots(8, 1, 3)
    m.start_anew()
    slower = m.session(dict.fromkeys(curve(m, "c0"), math.log(1.5)))
    assert by_name(judge(stored, slower))[curve(m, "c0")[3]].verdict == "regressed"


@pytest.mark.parametrize("each", [1, 2])
def test_one_session_of_each_boot_is_as_good_for_a_noisier_session_of_today(each: int) -> None:
    """They do not show how far sessions of a boot differ, but today's error is known by itself."""
    m = Machine(np.random.default_rng(4), curves=0, singles=40, sd=(0.002, 0.002), boot_sd=0.002)
    stored = []
    for _ in range(8 // each):
        m.start_anew()
        stored += [m.session() for _ in range(each)]
    m.start_anew()
    slower = m.session(common=math.log(1.06))
    noisier = {
        name: replace(figure, error=0.01, error_dof=9) for name, figure in slower.figures.items()
    }
    verdicts = [j.verdict for j in judge(stored, replace(slower, figures=noisier))]
    assert verdicts.count("regressed") >= 30
