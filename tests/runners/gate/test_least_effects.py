"""What is too small to matter: a figure's change, a curve's, its growth, and a class's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from simulated import Machine, by_name, curve

from runners.gate.judge import Judgement, judge
from runners.model.benchmark import Benchmark

LAST = 2**11


def exact_machine(seed: int = 1) -> Machine:
    """Its sessions repeat within a thousandth, so that a change's size alone decides."""
    m = Machine(np.random.default_rng([41, seed]), 4, 12, 10, sd=(0.001, 0.001), together=0.0)
    for c in range(4):
        m.shape(f"c{c}", lambda n: 1e-6)
    return m


def judged(m: Machine, shifts: dict[str, float], own: float | None = None) -> list[Judgement]:
    """Against eight sessions; ``own`` is the least effect that the user set for c1."""

    def least_effect(benchmark: Benchmark) -> float | None:
        return own if benchmark.probe == "c1" else None

    baseline = [m.session() for _ in range(8)]
    return judge(baseline, m.session(shifts), least_effect=least_effect)


def points(m: Machine, found: list[Judgement]) -> set[str]:
    verdicts = by_name(found)
    return {verdicts[name].verdict for name in curve(m, "c1")}


def growth(found: list[Judgement]) -> Judgement:
    (wanted,) = (j for j in found if j.kind == "growth" and str(j.benchmark) == "c1")
    return wanted


@pytest.mark.parametrize(
    ("slower", "own", "verdict"),
    [
        (0.02, None, "unchanged"),
        (0.02, 0.01, "regressed"),
        (0.02, 0.04, "unchanged"),
        (0.05, None, "regressed"),
        (0.05, 0.04, "regressed"),
        (0.05, 0.10, "unchanged"),
    ],
)
def test_a_user_says_from_what_change_on_a_curve_has_regressed(
    slower: float, own: float | None, verdict: str
) -> None:
    m = exact_machine()
    found = judged(m, dict.fromkeys(curve(m, "c1"), math.log1p(slower)), own)
    assert points(m, found) == {verdict}


@pytest.mark.parametrize(
    ("steeper", "own", "verdict"),
    [
        (0.07, None, "unchanged"),
        (0.07, 0.01, "unchanged"),  # of figures: a curve's shape is another matter
        (0.14, None, "regressed"),
        (0.14, 0.30, "unchanged"),
        (0.50, 0.30, "regressed"),
    ],
)
def test_a_curves_growth_matters_from_a_tenth_on_or_what_the_user_says(
    steeper: float, own: float | None, verdict: str
) -> None:
    m = exact_machine()
    shifts = {name: math.log1p(steeper) * i / 11 for i, name in enumerate(curve(m, "c1"))}
    found = growth(judged(m, shifts, own))
    assert found.effect == pytest.approx(steeper, rel=0.05)
    assert found.verdict == verdict


def rising(by: float) -> tuple[Judgement, Judgement]:
    """Growth and last point of a curve that grew by 9 % and grows by so much, mostly at its end."""
    m = exact_machine()
    m.shape("c1", lambda n: 1e-6 * (1 + 0.09 * n / LAST))
    shifts = m.reshaped("c1", lambda n: 1e-6 * (1 + by * n / LAST))
    found = judged(m, shifts)
    return growth(found), by_name(found)[f"c1[n={LAST}]"]


def test_a_class_that_rises_by_less_than_a_tenth_vouches_for_nothing() -> None:
    """It is 9 % and 22 % over all levels: other words, but the curve grew hardly more."""
    curve_, last = rising(0.225)
    assert curve_.effect == pytest.approx(0.087, abs=0.005)
    assert (curve_.verdict, last.verdict) == ("unchanged", "suspect")
    curve_, last = rising(0.27)
    assert curve_.effect == pytest.approx(0.115, abs=0.005)
    assert (curve_.verdict, last.verdict) == ("regressed", "regressed")
    assert curve_.why.startswith("now slight growth, was flat")
