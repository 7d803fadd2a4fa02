"""What a session makes of a remembered level: used as far as it is borne out, and no further."""

from __future__ import annotations

import random

import numpy as np
import pytest
import scripted_machine as machines
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_machine import CHAIN_NS, CLEAN, OP_NS, RATIO, Machine, always, measure, only

from runners.measure.clean_level import BORNE_OUT, MOST_RAISED, agree, scaled_too_far
from runners.measure.sentinel import TOLERANCE, Clean, Floats
from runners.model.job import Job
from runners.model.session import MEMORY_REFUTED

JOB = Job("a", "nowhere:Workload", clock_bound_up_to=None)


def at(ratio: float, chain_ns: float = CHAIN_NS, count: int = 200) -> Floats:
    return np.tile([chain_ns, chain_ns * ratio], (count, 1))


NOISE = np.stack([np.full(1000, CHAIN_NS), CHAIN_NS * np.linspace(1.3, 2.6, 1000)], axis=1)


def test_without_a_memory_a_session_goes_by_what_it_saw() -> None:
    agreed = agree(at(RATIO), None)
    assert (agreed.clean, agreed.seen, agreed.disagreements) == (CLEAN, CLEAN, ())


def test_what_nothing_speaks_of_stands() -> None:
    assert agree(np.empty((0, 2)), CLEAN).clean == CLEAN
    assert agree(np.empty((0, 2)), None).clean is None


def test_a_dirty_core_is_not_taken_for_a_clean_one() -> None:
    agreed = agree(at(machines.DIRTY), CLEAN)
    assert (agreed.clean, agreed.ratio) == (CLEAN, "unseen")


def test_a_neighbour_that_comes_and_goes_is_not_called_a_wrong_memory() -> None:
    busy = np.concatenate([at(machines.DIRTY, count=100), NOISE])
    agreed = agree(busy, CLEAN)
    assert (agreed.ratio, agreed.disagreements) == ("unseen", ())
    assert len(agree(at(machines.DIRTY), CLEAN).disagreements) == 1


@pytest.mark.parametrize(("count", "told"), [(2000, 0), (6000, 1)])
def test_a_memory_is_called_wrong_where_nearly_all_sentinels_agree(count: int, told: int) -> None:
    """Of these sentinels 69 % and 87 % are at the session's own level."""
    agreed = agree(np.concatenate([at(machines.DIRTY, count=count), NOISE]), CLEAN)
    assert (agreed.ratio, len(agreed.disagreements)) == ("unseen", told)


def test_a_session_goes_by_its_own_level_where_it_is_about_the_remembered_one() -> None:
    agreed = agree(at(RATIO * 1.01), CLEAN)
    assert (agreed.ratio, agreed.disagreements) == ("agrees", ())
    assert agreed.clean == Clean(pytest.approx(RATIO * 1.01), CHAIN_NS)


def test_a_lower_level_replaces_a_remembered_one() -> None:
    agreed = agree(at(RATIO), Clean(machines.DIRTY, CHAIN_NS))
    assert (agreed.clean, agreed.disagreements) == (CLEAN, ())


def test_a_ratio_that_no_neighbour_explains_is_refuted() -> None:
    agreed = agree(at(RATIO), Clean(0.5, CHAIN_NS))
    assert (agreed.clean, agreed.ratio, len(agreed.disagreements)) == (CLEAN, "refuted", 1)
    least = RATIO / MOST_RAISED
    assert agree(at(RATIO), Clean(least * 1.001, CHAIN_NS)).ratio == "unseen"
    assert agree(at(RATIO), Clean(least * 0.999, CHAIN_NS)).ratio == "refuted"


def test_without_a_level_of_its_own_a_session_refutes_one_above_its_sentinels() -> None:
    assert agree(NOISE, CLEAN).clean == CLEAN
    agreed = agree(NOISE, Clean(2.0, CHAIN_NS))
    assert (agreed.clean, agreed.ratio, len(agreed.disagreements)) == (None, "refuted", 1)


@pytest.mark.parametrize(("below", "ratio"), [(0.06, "agrees"), (0.15, "refuted")])
def test_a_few_sentinels_below_a_remembered_level_do_not_refute_it(
    below: float, ratio: str
) -> None:
    known = float(np.quantile(NOISE[:, 1] / CHAIN_NS, below)) / (1 - TOLERANCE)
    assert agree(NOISE, Clean(known, CHAIN_NS)).ratio == ratio


def test_a_blunt_level_about_the_remembered_one_bears_it_out() -> None:
    ratios = RATIO * np.linspace(0.985, 1.015, 1000)
    agreed = agree(np.stack([np.full(1000, CHAIN_NS), CHAIN_NS * ratios], axis=1), CLEAN)
    assert (agreed.seen, agreed.clean, agreed.disagreements) == (None, CLEAN, ())


@pytest.mark.parametrize("pairs_ns", [at(RATIO), NOISE], ids=["sharp", "noise"])
@pytest.mark.parametrize(
    ("share", "used", "refuted"),
    [(1.2, 1.0, False), (0.95, 0.95, False), (0.901, 0.901, False), (0.89, 1.0, True)],
)
def test_a_clock_counts_as_far_as_it_is_borne_out(
    pairs_ns: Floats, share: float, used: float, refuted: bool
) -> None:
    agreed = agree(pairs_ns, Clean(RATIO, CHAIN_NS * share))
    assert agreed.clean is not None
    assert agreed.clean.chain_ns == pytest.approx(CHAIN_NS * used)
    assert (agreed.clock_refuted, bool(agreed.disagreements)) == (refuted, refuted)


def test_scaling_beyond_the_bound_is_said() -> None:
    assert scaled_too_far(None, 1.0) is None
    assert scaled_too_far(CLEAN, CHAIN_NS * 1.1) is None
    assert "15% slower" in str(scaled_too_far(CLEAN, CHAIN_NS * 1.15))
    assert "20% faster" in str(scaled_too_far(CLEAN, CHAIN_NS * 0.8))


def test_a_session_at_a_much_slower_clock_than_its_best_is_unstable() -> None:
    # The survey saw a clock that no visit reached.
    result = only(measure(Machine({"a": always(clock=1.2)}), JOB))
    assert result.status == "unstable"
    assert "scaled by more than 10%" in str(result.reason)
    assert only(measure(Machine({"a": always(clock=1.05)}), JOB)).status == "ok"
    memory = Job("a", "nowhere:Workload", clock_bound_up_to=0)
    assert only(measure(Machine({"a": always(clock=1.2)}), memory)).status == "ok"


NUMBER = st.floats(5e-324, 1e308)


@settings(max_examples=60)
@given(
    st.builds(Clean, st.floats(0.1, 100.0) | NUMBER, st.floats(600.0, 60_000.0) | NUMBER),
    st.integers(0, 1000),
)
def test_no_memory_moves_a_figure_unsaid(known: Clean, seed: int) -> None:
    """Whatever is remembered, a figure is right within the bound or marked unstable."""
    rng = random.Random(seed)
    clock = rng.uniform(1.0, 1.06)
    session = measure(Machine({"a": always(clock=clock)}), JOB, known=known, rounds=6)
    result = only(session)
    assert result.value_s is not None
    moved = result.value_s / (OP_NS * 1e-9) - 1
    assert abs(moved) <= BORNE_OUT + 0.001 or result.status == "unstable"
    if known.chain_ns < 0.88 * CHAIN_NS:
        assert "clock" in str(session.settings[MEMORY_REFUTED])
        assert abs(moved) < 0.001


def test_a_poisoned_clock_does_not_move_a_figure() -> None:
    session = measure(Machine(), JOB, known=Clean(RATIO, 650.0))
    result = only(session)
    assert (result.status, result.value_s) == ("ok", pytest.approx(OP_NS * 1e-9))
    assert "remembered best clock" in str(session.settings[MEMORY_REFUTED])


def test_an_interrupted_session_does_not_go_by_an_unchecked_memory() -> None:
    class Stopped(BaseException):
        pass

    def visit(order: machines.Order, number: int) -> machines.Answer:
        if number == 2:
            raise Stopped
        return machines.steady(order, number)

    run = machines.scheduler(Machine({"a": visit}, survey=[]), JOB, known=Clean(RATIO, 650.0))
    with pytest.raises(Stopped):
        run.run()
    assert only(run.session({})).value_s == pytest.approx(OP_NS * 1e-9)
