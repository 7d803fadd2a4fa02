from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from scripted_machine import (
    BATCH,
    CHAIN_NS,
    CLEAN,
    CURVE,
    JOBS,
    OP_NS,
    RATIO,
    Machine,
    always,
    answer,
    measure,
    only,
    point,
    scheduler,
)

from runners.measure.launch import Answer, Order
from runners.measure.schedule import MOST_VISITS, Progress, Scheduler, Settings
from runners.model.count import Count, CountEstimate
from runners.model.session import Result, Session

# Rounds


def test_every_round_visits_every_job_once_in_a_fresh_order() -> None:
    machine = Machine()
    measure(machine, *JOBS)
    names = [order.job.name for order in machine.orders]
    rounds = [names[start : start + 5] for start in range(0, len(names), 5)]
    assert len(rounds) == 10
    assert all(sorted(each) == ["a", "b", "c", "d", "e"] for each in rounds)
    assert len({tuple(each) for each in rounds}) > 5


def test_the_order_is_the_generators() -> None:
    first, second, other = Machine(), Machine(), Machine()
    measure(first, *JOBS, seed=1)
    measure(second, *JOBS, seed=1)
    measure(other, *JOBS, seed=2)
    assert first.orders == second.orders
    assert first.orders != other.orders


def test_the_batch_is_frozen_after_the_first_round() -> None:
    def growing(order: Order, visit: int) -> Answer:
        frozen = order.batch or {level: 7 * level for level in order.levels if level}
        return answer(*(point(replace(order, batch=frozen), level) for level in order.levels))

    machine = Machine({"curve": growing})
    session = measure(machine, CURVE)
    assert machine.orders[0].batch == {}
    assert all(order.batch == {10: 70, 100: 700, 1000: 7000} for order in machine.orders[1:])
    assert [result.batch for result in session.results] == [70, 700, 7000]


def recalibrated(*first: dict[str, Any]) -> tuple[list[bool], Result]:
    """Which visits found their batch by themselves, where the first ones were so."""

    def script(order: Order, visit: int) -> Answer:
        how = first[visit] if visit < len(first) else {}
        found = order.batch or {None: 40 if visit == 0 else BATCH}
        return answer(point(replace(order, batch=found), **how))

    machine = Machine({"a": script})
    result = only(measure(machine, known=CLEAN))
    return [order.batch == {} for order in machine.orders], result


def test_the_batch_of_a_disturbed_first_visit_is_found_again_once() -> None:
    asked, result = recalibrated({"clean": 1})
    assert asked == [True, True, *[False] * 9]
    assert (result.batch, result.status, result.rounds) == (BATCH, "ok", 10)
    assert result.value_s == pytest.approx(1e-6)
    asked, _ = recalibrated({"clean": 1}, {"clean": 1})
    assert asked == [True, True, *[False] * 10]


def test_the_batch_of_a_first_visit_far_from_the_others_is_found_again_once() -> None:
    asked, result = recalibrated({"op_ns": 1.6 * OP_NS})
    assert asked == [True, False, False, True, *[False] * 6]
    assert result.value_s == pytest.approx(1e-6)
    asked, _ = recalibrated({"op_ns": OP_NS / 1.6})
    assert asked == [True, False, False, True, *[False] * 6]
    asked, _ = recalibrated({"op_ns": 1.4 * OP_NS})
    assert asked == [True, *[False] * 9]


def test_only_points_that_lack_good_visits_are_visited_again() -> None:
    def neighbour_at_100(order: Order, visit: int) -> Answer:
        return answer(
            *(
                point(order, level, clean=3 if level == 100 and visit < 2 else 15)
                for level in order.levels
            )
        )

    machine = Machine({"curve": neighbour_at_100})
    session = measure(machine, CURVE, JOBS[0])
    # The others are settled after four rounds, and wait until this one is.
    assert [order.levels for order in machine.of("curve")] == [
        *[(10, 100, 1000)] * 4,
        *[(100,)] * 2,
        *[(10, 100, 1000)] * 6,
    ]
    assert len(machine.of("a")) == 10
    assert [(r.x, r.rounds, len(r.visits), r.status) for r in session.results] == [
        (10, 10, 10, "ok"),
        (100, 10, 12, "ok"),
        (1000, 10, 10, "ok"),
        (None, 10, 10, "ok"),
    ]


def test_rounds_are_numbered_from_one() -> None:
    session = measure(Machine(), rounds=6)
    assert [visit.round for visit in only(session).visits] == [1, 2, 3, 4, 5, 6]


def test_an_unstable_figure_asks_for_as_many_rounds_again_until_it_is_stable() -> None:
    values = [950.0, 1050.0, 970.0, 1030.0, 1000.0, 1010.0] + [1000.0] * 100

    def settling(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=values[visit]))

    machine = Machine({"a": settling})
    result = only(measure(machine, rounds=6))
    assert len(machine.orders) == 12
    assert result.status == "ok"


@pytest.mark.parametrize(("spread", "visits"), [(0.02, 6), (0.2, 18)])
def test_no_point_gets_more_than_its_share_of_visits(spread: float, visits: int) -> None:
    def restless(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=OP_NS * (1 + spread * (visit % 2))))

    machine = Machine({"a": restless})
    measure(machine, JOBS[0], JOBS[1], rounds=6)
    assert len(machine.of("a")) == visits
    assert len(machine.of("b")) == 6


def test_a_worker_that_says_nothing_is_not_asked_for_ever() -> None:
    machine = Machine({"a": lambda order, visit: answer()})
    measure(machine, rounds=6)
    assert len(machine.orders) == MOST_VISITS * 6


def test_turns_that_others_wait_for_take_nothing_from_them() -> None:
    def seldom_good(order: Order, visit: int) -> Answer:
        return answer(point(order, clean=0 if visit % 3 else 15))

    def restless(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=OP_NS * (1 + 0.2 * (visit % 2))))

    def never_good(order: Order, visit: int) -> Answer:
        return answer(point(order, clean=0))

    machine = Machine({"a": seldom_good, "b": restless, "c": never_good})
    measure(machine, *JOBS, rounds=6)
    visits = [len(machine.of(job.name)) for job in JOBS]
    assert visits == [3 * 6 - 2, MOST_VISITS * 6, MOST_VISITS * 6, 6, 6]


def test_the_clock_and_the_dice_of_the_machine_will_do() -> None:
    run = Scheduler(JOBS, Machine(), Settings(rounds=4), [0])
    run.run()
    assert [result.rounds for result in run.session({}).results] == [4] * 5


# The order


def test_an_order_says_what_is_known() -> None:
    machine = Machine()
    session = measure(machine, trace=50)
    order = machine.orders[0]
    assert (order.job, order.levels, sorted(order.cpus)) == (JOBS[0], (None,), [0, 1])
    assert order.clean_ratio == pytest.approx(RATIO)
    assert order.trace == 50
    assert order.growth_ns == 20e9
    assert order.trace_clocks > 0
    assert session.settings["clean_ratio"] == pytest.approx(RATIO)
    assert session.settings["clean_chain_ns"] == CHAIN_NS


def test_a_curve_may_grow_for_an_eighth_of_a_small_budget() -> None:
    machine = Machine()
    measure(machine, CURVE, budget_s=8.0)
    assert machine.orders[0].growth_ns == 1e9


def test_a_user_who_asks_for_a_trace_gets_one_of_short_operations_too() -> None:
    machine = Machine()
    measure(machine, trace_all=True)
    assert machine.orders[0].trace_clocks == 0


# Estimates


def test_a_figure_is_the_median_over_rounds() -> None:
    values = [1000.0, 1004.0, 1001.0, 1003.0, 1002.0, 1005.0, 999.0, 1000.5, 1006.0]

    def scattered(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=values[visit]))

    result = only(measure(Machine({"a": scattered}), rounds=9))
    assert result.value_s == pytest.approx(1002e-9)
    assert result.ci95_s == pytest.approx((1000e-9, 1005e-9))
    assert result.minimum_s == pytest.approx(999e-9)
    assert (result.status, result.batch, result.rounds) == ("ok", BATCH, 9)


def test_too_few_rounds_are_no_firm_figure() -> None:
    result = only(measure(Machine(), rounds=3, most_visits=1))
    assert result.status == "unstable"
    assert result.reason == "only 3 undisturbed rounds, 4 are needed"
    assert result.value_s == pytest.approx(1e-6)


def test_rounds_that_disagree_are_unstable() -> None:
    def two_modes(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=OP_NS * (1 + visit % 2)))

    result = only(measure(Machine({"a": two_modes}), rounds=6))
    assert (result.status, result.reason) == ("unstable", "two modes 67% apart")


def test_traces_of_all_rounds_are_one_pool() -> None:
    def traced(order: Order, visit: int) -> Answer:
        return answer(point(order, trace=range(100 * visit + 1, 100 * visit + 101)))

    result = only(measure(Machine({"a": traced}), rounds=10))
    assert result.percentiles_s is not None
    assert set(result.percentiles_s) == {"p50", "p90", "p99", "p99.9", "max"}
    assert result.percentiles_s["max"] == pytest.approx(1000e-9)
    assert result.percentiles_s["p50"] == pytest.approx(501e-9)


def test_without_traces_there_are_no_percentiles() -> None:
    assert only(measure(Machine())).percentiles_s is None


def test_bytes_travel_with_the_point() -> None:
    job = replace(CURVE, bytes_per_op="level")
    assert [r.bytes_per_op for r in measure(Machine(), job).results] == [10, 100, 1000]
    job = replace(CURVE, bytes_per_op=4096)
    assert [r.bytes_per_op for r in measure(Machine(), job).results] == [4096] * 3
    job = replace(CURVE, axis_kind="bytes")
    assert {r.axis_kind for r in measure(Machine(), job).results} == {"bytes"}


# The clock


@pytest.mark.parametrize(("bound", "scaled"), [(None, True), (0, False), (1, True)])
def test_a_clock_bound_job_is_stated_at_the_best_clock(bound: int | None, scaled: bool) -> None:
    def drifting(order: Order, visit: int) -> Answer:
        return answer(point(order, clock=1.0 + 0.2 * (visit % 2)))

    job = replace(JOBS[0], clock_bound_up_to=bound)
    result = only(measure(Machine({"a": drifting}), job, rounds=6))
    for visit in result.visits:
        own_clock_s = 1.0e-6 if visit.round % 2 else 1.2e-6
        assert visit.scaled_s == pytest.approx(1e-6)
        assert visit.gated_s == pytest.approx(own_clock_s)
        assert visit.value_s == (visit.scaled_s if scaled else visit.gated_s)
        assert visit.chain_ns == (6000.0 if visit.round % 2 else 7200.0)


def test_a_curve_is_clock_bound_up_to_a_level() -> None:
    job = replace(CURVE, clock_bound_up_to=100)
    session = measure(Machine({"curve": always(clock=1.2)}), job, known=CLEAN)
    for result in session.results:
        assert result.x is not None
        assert result.value_s == pytest.approx(1e-6 if result.x <= 100 else 1.2e-6)


def test_a_visit_keeps_what_plainer_ways_would_have_given() -> None:
    def uneven(order: Order, visit: int) -> Answer:
        line = point(order, clean=7, slices=15, clock=1.1)
        line["slices"][0:42:6] = [110, 220, 330, 440, 550, 660, 770]
        line["slices"][42::6] = [9000] * 8
        line["slices"][43::6] = line["slices"][45::6] = [12_000] * 8
        return answer(line | {"batch": 10, "cpu": 3})

    result = only(measure(Machine({"a": uneven}), known=CLEAN))
    visit = result.visits[0]
    assert (visit.clean, visit.slices, visit.cpu) == (7, 15, 3)
    assert visit.gated_s == pytest.approx(44e-9)
    assert visit.scaled_s == visit.value_s == pytest.approx(40e-9)
    assert visit.plain_s == pytest.approx(900e-9)
    assert visit.minimum_s == pytest.approx(11e-9)
    assert visit.lowest_s == result.minimum_s == pytest.approx(10e-9)
    assert visit.chain_ns == 6600
    own_clock = replace(JOBS[0], clock_bound_up_to=0)
    result = only(measure(Machine({"a": uneven}), own_clock, known=CLEAN))
    assert result.value_s == pytest.approx(44e-9)
    assert result.minimum_s == pytest.approx(11e-9)


def test_a_job_whose_turn_never_came_says_why() -> None:
    def stop(order: Order, visit: int) -> Answer:
        raise KeyboardInterrupt

    run = scheduler(Machine({"a": stop}), *JOBS)
    with pytest.raises(KeyboardInterrupt):
        run.run()
    reasons = {r.name: r.reason for r in run.session({}).results if r.value_s is None}
    assert reasons["a"] == "not measured: the session was stopped before its turn"


# What is told meanwhile


def test_every_round_hands_over_all_that_was_measured() -> None:
    rounds: list[Session] = []
    scheduler(Machine(), *JOBS[:2], rounds=6).run(on_round=rounds.append)
    seen = [[(r.name, len(r.visits)) for r in session.results] for session in rounds]
    assert seen == [[("a", n), ("b", n)] for n in range(1, 7)]


def test_progress_is_told_before_each_visit() -> None:
    machine = Machine(seconds=1.0)
    steps: list[tuple[int, Progress]] = []
    run = scheduler(machine, *JOBS[:3], rounds=6, budget_s=100.0)
    run.run(on_progress=lambda step: steps.append((len(machine.orders), step)))
    assert [visits for visits, _ in steps] == list(range(18))
    assert [step.job for _, step in steps] == [order.job.name for order in machine.orders]
    assert [step.round for _, step in steps] == [n for n in range(1, 7) for _ in range(3)]
    assert {step.rounds for _, step in steps} == {6}
    assert [step.share_done for _, step in steps] == pytest.approx([n / 18 for n in range(18)])
    # Nothing is known at first but the budget; later the pace so far, survey included.
    assert steps[0][1].seconds_left == pytest.approx(99.0)
    assert steps[9][1].seconds_left == pytest.approx(10.0)


def test_the_time_left_is_never_more_than_the_budgets() -> None:
    machine = Machine(seconds=3.0)
    steps: list[Progress] = []
    run = scheduler(machine, *JOBS[:3], budget_s=20.0)
    run.run(on_progress=steps.append)
    assert steps[-1].seconds_left == pytest.approx(4.0)


def test_beyond_the_rounds_asked_for_the_budget_is_what_is_left() -> None:
    def restless(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=OP_NS * (1 + 0.2 * (visit % 2))))

    steps: list[Progress] = []
    run = scheduler(Machine({"a": restless}, seconds=1.0), rounds=4, budget_s=100.0)
    run.run(on_progress=steps.append)
    assert (steps[4].share_done, steps[4].seconds_left) == (1, pytest.approx(95.0))


@pytest.mark.parametrize("line", [{"skipped": "no kqueue"}, {"failed": "open: EACCES after 0"}])
def test_progress_waits_for_no_job_that_is_not_visited_again(line: dict[str, Any]) -> None:
    def restless(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=OP_NS * (1 + 0.2 * (visit % 2))))

    machine = Machine({"a": restless, "b": lambda order, visit: answer(line)}, seconds=1.0)
    steps: list[Progress] = []
    run = scheduler(machine, *JOBS[:2], rounds=4, budget_s=100.0)
    run.run(on_progress=steps.append)
    assert (steps[5].share_done, steps[5].seconds_left) == (1, pytest.approx(94.0))


# Counts


WOKEN = Count("wakeups", "threads woken", exact=True)
SWITCHED = Count("voluntary_switches", "voluntary switches")
COUNTING = replace(JOBS[0], counts=(WOKEN, SWITCHED))


def counted(*visits: Mapping[str, float]) -> tuple[CountEstimate, ...]:
    """The estimates from these counts, a visit each."""

    def script(order: Order, visit: int) -> Answer:
        return answer(point(order) | {"counts": visits[visit]})

    return only(measure(Machine({"a": script}), COUNTING, rounds=len(visits))).counts


def test_a_count_is_the_median_over_rounds_with_its_interval() -> None:
    switches = [0.5, 0.4, 0.6, 0.45, 0.55, 0.52, 0.48, 9.0]
    woken, switched = counted(*({"wakeups": 1, "voluntary_switches": s} for s in switches))
    assert woken == CountEstimate(WOKEN, 1.0, (1.0, 1.0), 8)
    assert woken.agreed
    assert switched == CountEstimate(SWITCHED, 0.51, (0.4, 9.0), 8)


def test_an_exact_count_has_the_whole_range_that_rounds_told() -> None:
    (woken,) = counted(*({"wakeups": n} for n in [1] * 20 + [8]))
    assert woken == CountEstimate(WOKEN, 1.0, (1.0, 8.0), 21)
    assert not woken.agreed


def test_what_the_system_does_not_count_is_left_out() -> None:
    assert counted(*[{}] * 6) == ()
