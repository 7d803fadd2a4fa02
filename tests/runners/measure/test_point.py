"""One figure from its visits: who disturbed them, and which of them decide."""

from __future__ import annotations

import pytest
from scripted_machine import CLEAN, Machine, always, answer, measure, only, point

from runners.measure.launch import Answer, Order
from runners.model.job import Job


@pytest.mark.parametrize(
    ("disturbed", "reason"),
    [(5, "neighbour on the core"), (7, "other programs on this CPU")],
)
def test_the_commoner_disturbance_of_a_visits_slices_is_named(disturbed: int, reason: str) -> None:
    """Twelve slices of fifteen do not count; others ran in so many of them."""
    result = only(measure(Machine({"a": always(clean=3, disturbed=disturbed)}), rounds=4))
    assert {visit.doubt for visit in result.visits} == {reason}
    assert str(result.reason).startswith(reason)


def test_the_clock_of_visits_that_do_not_count_does_not_make_a_figure_unstable() -> None:
    def often_slow(order: Order, visit: int) -> Answer:
        counts = "--+-+-+-+-+-+"[visit] == "+"
        how = {} if counts else {"clean": 3, "clock": 1.3}
        return answer(point(order, **how))

    result = only(measure(Machine({"a": often_slow}), rounds=6, known=CLEAN))
    assert (result.rounds, len(result.visits)) == (6, 13)
    assert (result.status, result.value_s) == ("ok", pytest.approx(1e-6))


def test_a_figure_of_longer_batches_has_another_code() -> None:
    """A stream costs more in a batch of few messages: baselines of the other kind end."""
    module = "cyext.syscall.repeated"

    def loaded(order: Order, visit: int) -> Answer:
        return answer(point(order) | {"modules": [module]})

    usual, again, long, under_load = (
        only(measure(Machine({"a": loaded}), Job("a", "nowhere:Workload", **rule))).code
        for rule in ({}, {}, {"long_batch": True}, {"least_batch": 8})
    )
    assert usual == again is not None
    assert len({usual, long, under_load}) == 3
