"""References: what they explain, and when they tell of another machine or of a neighbour."""

from __future__ import annotations

import math

import numpy as np
import pytest

from runners.gate.references import Elsewhere, ReferenceBenchmark, elsewhere, explain


def reference(name: str, today: float, history: tuple[float, ...] = (0.0, 0.001, 0.002)):
    return ReferenceBenchmark(name, np.array(history), today, 0.001)


def strayed(*today: float) -> Elsewhere:
    return elsewhere({f"r{i}": reference(f"r{i}", value) for i, value in enumerate(today)})


def test_most_references_tell_another_machine() -> None:
    assert strayed(0.3, 0.3, 0.0).another_machine
    assert not strayed(0.3, 0.0, 0.0).another_machine
    assert not strayed(0.3, 0.0).another_machine
    assert not strayed().another_machine


def test_a_reference_without_a_figure_has_no_vote() -> None:
    assert strayed(0.3, math.nan, math.nan).another_machine
    assert not strayed(0.3, 0.0, math.nan).another_machine
    alone = elsewhere({"r": reference("r", 0.3, (0.0, math.nan, math.nan))})
    assert (alone.told, alone.strayed) == (0, {})


@pytest.mark.parametrize("today", [0.051, -0.05])
def test_the_margin_reaches_beyond_the_baselines_ends(today: float) -> None:
    assert strayed(today).strayed == {}
    assert set(strayed(today + math.copysign(0.003, today)).strayed) == {"r0"}


def test_what_moved_no_further_than_a_strayed_reference_may_have_moved_with_it() -> None:
    beside = Elsewhere({"memory": 0.10}, 3)
    assert beside.as_far(0.05) == "memory"
    assert beside.as_far(0.10) == "memory"
    assert beside.as_far(0.11) is None
    assert beside.as_far(-0.05) is None
    assert Elsewhere({"memory": -0.10}, 3).as_far(-0.05) == "memory"
    assert Elsewhere({}, 3).as_far(0.05) is None


def test_a_reference_that_stands_still_explains_nothing() -> None:
    """However well its last digit goes along: a step today would be blown up beyond all measure."""
    wave = np.sin(np.arange(12.0))
    history = np.array([0.01 * wave])
    for size, moved in ((0.0001, False), (0.01, True)):
        still = ReferenceBenchmark("still", size * wave, 0.02, 0.001)
        explained, now, added = explain(history, np.array([0.0]), {"still": still})
        assert (float(now[0]) != 0.0) is moved
        assert (float(added[0]) > 0) is moved
        assert np.allclose(explained, history) is not moved
