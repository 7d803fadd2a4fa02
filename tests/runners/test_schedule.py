from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from runners.job import Job
from runners.launch import Answer, Order
from runners.schedule import MOST_VISITS, Progress, Scheduler, Settings
from runners.sentinel import Clean
from runners.session import Result, Session

RATIO = 1.25
DIRTY = RATIO * 1.97
CHAIN_NS = 6000
CLEAN = Clean(RATIO, float(CHAIN_NS))
QUIET = {"wall_ns": 1_000_000_000, "wait_ns": 0, "steal_ticks": 0, "throttled_us": 0}
BATCH = 100
OP_NS = 1000

Line = dict[str, Any]
Script = Callable[[Order, int], Answer]


# A scripted machine


def point(
    order: Order,
    level: int | None = None,
    *,
    op_ns: float = OP_NS,
    clean: int = 15,
    slices: int = 15,
    dirty_factor: float = 2.0,
    clock: float = 1.0,
    ratio: float = RATIO,
    cpu: int = 0,
    noise: Mapping[str, int] = QUIET,
    trace: Sequence[int] = (),
) -> Line:
    """A point as a worker tells it: ``clean`` of its slices on a core of our own."""
    batch = order.batch.get(level, BATCH)
    chain_ns = round(CHAIN_NS * clock)
    table: list[int] = []
    for index in range(slices):
        own = index < clean
        elapsed_ns = round(op_ns * batch * clock * (1 if own else dirty_factor))
        width_ns = round(chain_ns * (ratio if own else DIRTY))
        table += [elapsed_ns, chain_ns, width_ns, chain_ns, width_ns]
    return {
        "level": level,
        "batch": batch,
        "cpu": cpu,
        "slices": table,
        "trace": list(trace),
        "clock_ns": 20.0,
        "noise": dict(noise),
    }


def answer(*lines: Line, error: str | None = None) -> Answer:
    return Answer([*lines, {"done": True}] if error is None else list(lines), error)


def steady(order: Order, visit: int) -> Answer:
    return answer(*(point(order, level) for level in order.levels))


def always(**how: Any) -> Script:
    """A script whose points are alike in every visit."""
    return lambda order, visit: answer(*(point(order, level, **how) for level in order.levels))


def senses(clean: int, dirty: int) -> list[int]:
    """A survey's sentinels of one CPU: so many clean ones and so many with a neighbour."""
    own = [CHAIN_NS, round(CHAIN_NS * RATIO)] * clean
    return own + [CHAIN_NS, round(CHAIN_NS * DIRTY)] * dirty


class Machine:
    """Says what each job's script says (called with the order and the number of its visit)."""

    def __init__(
        self,
        scripts: Mapping[str, Script] | None = None,
        *,
        seconds: Mapping[str, float] | float = 0.1,
        survey: Sequence[Line] | None = None,
    ) -> None:
        self.scripts = scripts or {}
        self.seconds = seconds
        self.survey_lines = survey
        self.orders: list[Order] = []
        self.starts: list[float] = []
        self.now = 1000.0

    def visit(self, order: Order) -> Answer:
        name = order.job.name
        visit = len(self.of(name))
        self.orders.append(order)
        self.starts.append(self.now)
        self.now += self.seconds if isinstance(self.seconds, float) else self.seconds[name]
        return self.scripts.get(name, steady)(order, visit)

    def survey(self, cpus: Sequence[int], pairs: Sequence[tuple[int, int]], senses_: int) -> Answer:
        self.now += 1.0
        if self.survey_lines is not None:
            return answer(*self.survey_lines)
        return answer(*({"cpu": cpu, "senses": senses(400, 100)} for cpu in cpus))

    def clock(self) -> float:
        return self.now

    def of(self, name: str) -> list[Order]:
        """The orders of one job."""
        return [order for order in self.orders if order.job.name == name]


def scheduler(
    machine: Machine,
    *jobs: Job,
    rounds: int = 10,
    budget_s: float = 1e6,
    cpus: Sequence[int] = (0, 1),
    known: Clean | None = None,
    seed: int = 0,
    **settings: Any,
) -> Scheduler:
    return Scheduler(
        jobs or JOBS[:1],
        machine,
        Settings(rounds=rounds, budget_s=budget_s, **settings),
        cpus,
        known,
        random.Random(seed),
        machine.clock,
    )


def measure(machine: Machine, *jobs: Job, **how: Any) -> Session:
    run = scheduler(machine, *jobs, **how)
    run.run()
    return run.session({})


def only(session: Session) -> Result:
    (result,) = session.results
    return result


JOBS = [Job(name, "nowhere:Kernel") for name in ("a", "b", "c", "d", "e")]
CURVE = Job("curve", "nowhere:Kernel", axis="open_fds", levels=(10, 100, 1000))


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
        lines = [point(order, level) for level in order.levels]
        if visit == 0:
            lines = [line | {"batch": 7 * line["level"]} for line in lines]
        return answer(*lines)

    machine = Machine({"curve": growing})
    session = measure(machine, CURVE)
    assert machine.orders[0].batch == {}
    assert all(order.batch == {10: 70, 100: 700, 1000: 7000} for order in machine.orders[1:])
    assert [result.batch for result in session.results] == [70, 700, 7000]


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
    assert [order.levels for order in machine.of("curve")] == [(10, 100, 1000)] * 10 + [(100,)] * 2
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


def test_a_wide_interval_asks_for_more_rounds_until_it_is_narrow() -> None:
    values = [900.0, 1100.0, 900.0, 1100.0, 900.0, 1100.0] + [1000.0] * 100

    def settling(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=values[visit]))

    machine = Machine({"a": settling})
    result = only(measure(machine, rounds=6))
    assert 6 < len(machine.orders) < MOST_VISITS * 6
    assert result.ci95_s == pytest.approx((1e-6, 1e-6))
    assert result.status == "ok"


@pytest.mark.parametrize(("spread", "visits"), [(0.028, 6), (0.04, 18)])
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


def test_the_clock_and_the_dice_of_the_machine_will_do() -> None:
    run = Scheduler(JOBS, Machine(), Settings(rounds=2), [0])
    run.run()
    assert [result.rounds for result in run.session({}).results] == [2] * 5


# A neighbour


def test_a_core_that_is_never_ours() -> None:
    machine = Machine({"a": always(clean=2)})
    result = only(measure(machine, rounds=6))
    assert len(machine.orders) == MOST_VISITS * 6
    assert result.status == "unstable"
    assert result.reason == "neighbour on the core (13% of slices clean)"
    assert result.value_s == pytest.approx(1e-6)
    assert result.rounds == 0


def test_a_core_without_one_clean_slice_still_gives_a_marked_figure() -> None:
    result = only(measure(Machine({"a": always(clean=0)}), rounds=6))
    assert (result.status, result.reason) == (
        "unstable",
        "neighbour on the core (0% of slices clean)",
    )
    assert result.value_s == pytest.approx(2e-6)


def test_a_team_says_that_it_may_be_its_own_neighbour() -> None:
    job = Job("team", "nowhere:Kernel", axis="threads", levels=(2,), workers="threads")
    result = only(measure(Machine({"team": always(clean=2)}), job, rounds=6))
    assert result.reason == "neighbour on a core, or two of ours on one (13% clean)"


@pytest.mark.parametrize(
    ("clean", "slices", "wanted", "counts"),
    [
        (6, 15, 15, True),
        (5, 15, 15, False),
        # Long operations: a visit has fewer slices than the job asks for.
        (5, 5, 15, True),
        (4, 5, 15, False),
        (5, 12, 15, True),
        (5, 13, 15, False),
        # The worker goes on until it has enough: the share is of those wanted, not of all.
        (6, 45, 15, True),
        (40, 300, 100, True),
        (39, 300, 100, False),
        (5, 15, 5, True),
        (4, 15, 5, False),
        (5, 15, 3, True),
        (4, 15, 3, False),
    ],
)
def test_how_many_clean_slices_make_a_visit(
    clean: int, slices: int, wanted: int, counts: bool
) -> None:
    job = replace(JOBS[0], slices=wanted)
    machine = Machine({"a": always(clean=clean, slices=slices)})
    result = only(measure(machine, job, rounds=2))
    assert {visit.doubt for visit in result.visits} == {None if counts else "neighbour on the core"}
    assert {(visit.clean, visit.slices) for visit in result.visits} == {(clean, slices)}


def test_visits_that_do_not_count_do_not_move_the_figure() -> None:
    def often_disturbed(order: Order, visit: int) -> Answer:
        if visit % 3 == 0:
            return answer(point(order, clean=5, op_ns=5 * OP_NS))
        return answer(point(order))

    result = only(measure(Machine({"a": often_disturbed}), rounds=6))
    assert (result.rounds, len(result.visits)) == (6, 9)
    assert result.value_s == pytest.approx(1e-6)
    assert result.ci95_s == pytest.approx((1e-6, 1e-6))
    assert result.status == "ok"


@pytest.mark.parametrize(
    ("good", "of", "reason"),
    [
        (6, 18, None),
        (5, 18, "neighbour on the core"),
        (3, 6, "only 3 of 6 rounds"),
        (2, 6, "neighbour on the core"),
        (2, 2, "only 2 of 6 rounds"),
    ],
)
def test_a_third_of_the_visits_must_count(good: int, of: int, reason: str | None) -> None:
    def rarely_clean(order: Order, visit: int) -> Answer:
        return answer(point(order, clean=15 if visit < good else 3))

    machine = Machine({"a": rarely_clean})
    # The budget ends the session after ``of`` visits; seven rounds are never reached.
    result = only(measure(machine, rounds=7, budget_s=1.05 + 0.1 * of))
    assert (result.rounds, len(result.visits)) == (good, of)
    assert str(result.reason).startswith(str(reason))


@pytest.mark.parametrize(
    ("visits", "used"),
    [
        # Good ones only, where there are three; else all that have a clean slice; else all.
        ("gggddd", "ggg"),
        ("ggdddd", "ggdddd"),
        ("gdzzzz", "gd"),
        ("zzzz", "zzzz"),
    ],
)
def test_which_visits_make_the_figure(visits: str, used: str) -> None:
    how: dict[str, dict[str, Any]] = {
        "g": {"op_ns": 1000.0},
        "d": {"op_ns": 3000.0, "clean": 4},
        "z": {"op_ns": 1000.0, "clean": 0, "dirty_factor": 50},
    }
    value_ns = {"g": 1000, "d": 3000, "z": 50_000}

    def scripted(order: Order, visit: int) -> Answer:
        return answer(point(order, **how[visits[visit]]))

    result = only(measure(Machine({"a": scripted}), budget_s=1.05 + 0.1 * len(visits)))
    assert len(result.visits) == len(visits)
    assert result.value_s == pytest.approx(np.median([value_ns[v] for v in used]) * 1e-9)


def test_a_neighbour_seen_through_late_undoes_early_visits() -> None:
    # The core is never ours during the survey and three rounds: its level looks clean.
    def moving_out(order: Order, visit: int) -> Answer:
        return answer(point(order, clean=0 if visit < 3 else 15, slices=45))

    machine = Machine({"a": moving_out}, survey=[{"cpu": 0, "senses": senses(0, 500)}])
    run = scheduler(machine, rounds=6)
    seen: list[Result] = []
    run.run(on_round=lambda session: seen.append(only(session)))
    assert machine.orders[0].clean_ratio == pytest.approx(DIRTY)
    assert seen[2].rounds == 3
    assert machine.orders[-1].clean_ratio == pytest.approx(RATIO)
    final = only(run.session({}))
    assert [visit.doubt is None for visit in final.visits] == [False] * 3 + [True] * 6
    assert final.value_s == pytest.approx(1e-6)


def test_what_earlier_sessions_knew_unmasks_a_core_that_is_never_ours() -> None:
    machine = Machine({"a": always(clean=0)}, survey=[{"cpu": 0, "senses": senses(0, 500)}])
    session = measure(machine, rounds=6, known=CLEAN)
    assert machine.orders[0].clean_ratio == RATIO
    assert only(session).reason == "neighbour on the core (0% of slices clean)"


def test_without_a_clean_level_plain_medians_are_given() -> None:
    rng = np.random.default_rng(5)

    def noise(count: int) -> list[int]:
        ratios = rng.uniform(1.2, 2.6, count)
        return [int(x) for ratio in ratios for x in (CHAIN_NS, CHAIN_NS * ratio)]

    def blunt(order: Order, visit: int) -> Answer:
        table: list[int] = []
        for index in range(15):
            table += [(1000 + index) * BATCH, *noise(2)]
        return answer(point(order) | {"slices": table})

    machine = Machine({"a": blunt}, survey=[{"cpu": 0, "senses": noise(500)}])
    session = measure(machine, rounds=6)
    assert {order.clean_ratio for order in machine.orders} == {None}
    assert "clean_ratio" not in session.settings
    assert only(session).status == "ok"
    assert only(session).value_s == pytest.approx(1007e-9)
    assert {visit.clean for visit in only(session).visits} == {15}


def test_a_survey_that_crashed_costs_only_what_it_would_have_told() -> None:
    machine = Machine(survey=[])
    session = measure(machine, rounds=6)
    assert machine.orders[0].clean_ratio is None
    assert only(session).status == "ok"


# What the kernel tells of disturbance

SECOND = QUIET["wall_ns"]
STOLEN = "CPU time stolen by the hypervisor"
THROTTLED = "throttled by the cgroup's CPU quota"
OTHERS = "other programs on this CPU"


@pytest.mark.parametrize(
    ("noise", "doubt"),
    [
        ({"steal_ticks": 2}, None),
        ({"steal_ticks": 3}, STOLEN),
        ({"throttled_us": 20_000}, None),
        ({"throttled_us": 20_001}, THROTTLED),
        ({"wait_ns": 20_000_000}, None),
        ({"wait_ns": 20_000_001}, OTHERS),
        ({"pressure_us": 900_000}, None),
        ({"wait_ns": 10_000_000, "wall_ns": SECOND // 4}, OTHERS),
    ],
)
def test_disturbance_over_two_hundredths(noise: Mapping[str, int], doubt: str | None) -> None:
    machine = Machine({"a": always(noise={**QUIET, **noise})})
    result = only(measure(machine, rounds=6))
    assert {visit.doubt for visit in result.visits} == {doubt}
    assert (result.status, result.reason) == ("unstable" if doubt else "ok", doubt)
    assert len(machine.orders) == (18 if doubt else 6)


def test_a_kernel_that_tells_nothing_raises_no_doubt() -> None:
    assert only(measure(Machine({"a": always(noise={})}))).status == "ok"


WAITING = {**QUIET, "wait_ns": SECOND // 2}


@pytest.mark.parametrize(
    ("job", "counts"),
    [
        (Job("a", "k:K"), False),
        (Job("a", "k:K", waits=True), True),
        (Job("a", "k:K", workers="threads", members=2), True),
        (Job("a", "k:K", workers="processes", members=2), True),
    ],
)
def test_waiting_in_the_run_queue_may_be_the_jobs_own_doing(job: Job, counts: bool) -> None:
    result = only(measure(Machine({"a": always(noise=WAITING)}), job))
    assert result.status == ("ok" if counts else "unstable")


def test_a_waiting_job_is_not_exempt_from_theft() -> None:
    noise = {**WAITING, "steal_ticks": 50}
    result = only(measure(Machine({"a": always(noise=noise)}), Job("a", "k:K", waits=True)))
    assert result.reason == STOLEN


def test_the_commonest_disturbance_is_named() -> None:
    def mixed(order: Order, visit: int) -> Answer:
        stolen = {**QUIET, "steal_ticks": 50}
        return answer(point(order, noise=WAITING if visit % 3 else stolen))

    assert only(measure(Machine({"a": mixed}), rounds=6)).reason == OTHERS


def test_visits_that_count_are_no_disturbance() -> None:
    # Of thirteen visits more count than have any one disturbance, and yet too few.
    noises = [QUIET] * 4 + [WAITING] * 3
    noises += [{**QUIET, "steal_ticks": 50}] * 3 + [{**QUIET, "throttled_us": 10**6}] * 3

    def mixed(order: Order, visit: int) -> Answer:
        return answer(point(order, noise=noises[visit]))

    result = only(measure(Machine({"a": mixed}), budget_s=2.35))
    assert (len(result.visits), result.rounds) == (13, 4)
    assert result.reason in (OTHERS, STOLEN, THROTTLED)


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
        line["slices"][0:35:5] = [110, 220, 330, 440, 550, 660, 770]
        line["slices"][35::5] = [9000] * 8
        return answer(line | {"batch": 10, "cpu": 3})

    result = only(measure(Machine({"a": uneven}), known=CLEAN))
    visit = result.visits[0]
    assert (visit.clean, visit.slices, visit.cpu) == (7, 15, 3)
    assert visit.gated_s == pytest.approx(44e-9)
    assert visit.scaled_s == visit.value_s == pytest.approx(40e-9)
    assert visit.plain_s == pytest.approx(900e-9)
    assert visit.minimum_s == pytest.approx(11e-9)
    assert visit.lowest_s == result.minimum_s == pytest.approx(10e-9)
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


# Estimates


def test_a_figure_is_the_median_over_rounds() -> None:
    values = [1000.0, 1004.0, 1001.0, 1003.0, 1002.0, 1005.0, 999.0, 1000.5, 1006.0]

    def scattered(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=values[visit]))

    result = only(measure(Machine({"a": scattered}), rounds=9))
    assert result.value_s == pytest.approx(1002e-9)
    assert result.ci95_s == pytest.approx((1000e-9, 1005e-9))
    assert result.quartiles_s == pytest.approx((1000.5e-9, 1004e-9))
    assert result.minimum_s == pytest.approx(999e-9)
    assert (result.status, result.batch, result.rounds) == ("ok", BATCH, 9)


def test_too_few_rounds_are_no_firm_figure() -> None:
    result = only(measure(Machine(), rounds=5))
    assert (result.status, result.reason) == ("unstable", "only 5 of 6 rounds")
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


# The budget


def test_no_visit_starts_that_would_exceed_the_budget() -> None:
    seconds = {"a": 1.0, "b": 7.0, "c": 2.0}
    for budget_s in (20.0, 33.3, 47.0):
        machine = Machine(seconds=seconds)
        session = measure(machine, *JOBS[:3], budget_s=budget_s)
        starts = zip(machine.orders, machine.starts, strict=True)
        for order, start in list(starts)[3:]:
            assert start - 1000.0 + seconds[order.job.name] <= budget_s
        # The short one goes on while the long one no longer fits.
        assert len(machine.of("a")) > len(machine.of("b"))
        assert budget_s - (machine.now - 1000.0) < 1.0 or len(machine.of("a")) == 10
        assert session.settings["elapsed_s"] == machine.now - 1000.0


def test_a_dear_job_leaves_the_others_their_rounds() -> None:
    seconds = {"a": 1.0, "b": 60.0, "c": 2.0, "d": 30.0}
    machine = Machine(seconds=seconds)
    measure(machine, *(Job(name, "m:K") for name in seconds), budget_s=160.0)
    visits = {name: len(machine.of(name)) for name in seconds}
    assert visits["a"] >= 6
    assert visits["c"] >= 6
    # What they leave over goes to the dear ones.
    assert visits["b"] >= 1
    assert visits["d"] >= 2
    assert machine.now - 1000.0 <= 160.0


def test_a_visit_that_ends_with_the_budget_still_starts() -> None:
    machine = Machine(seconds=1.0)
    measure(machine, budget_s=5.0)
    assert len(machine.orders) == 4


def test_jobs_that_were_never_reached_say_so() -> None:
    machine = Machine(seconds=10.0)
    session = measure(machine, *JOBS, budget_s=25.0)
    visited = {order.job.name for order in machine.orders}
    assert len(visited) == 3
    for result in session.results:
        if result.name in visited:
            assert (result.status, result.value_s) == ("unstable", pytest.approx(1e-6))
        else:
            assert (result.status, result.value_s) == ("skipped", None)
            assert result.reason == "no time: the budget of 25 s was used up"


def test_a_budget_that_the_survey_eats() -> None:
    machine = Machine()
    calls: list[Session] = []
    run = scheduler(machine, budget_s=0.5)
    run.run(on_round=calls.append)
    # One visit takes place all the same: a user who waits gets a number.
    assert len(machine.orders) == len(calls) == 1
    assert only(run.session({})).rounds == 1


def test_before_the_first_round_nothing_is_claimed() -> None:
    session = scheduler(Machine(), *JOBS, CURVE).session({"os": "linux"})
    assert session.environment == {"os": "linux"}
    assert (session.results, session.curves) == ([], [])


def test_measuring_is_told_from_the_rest_of_the_time() -> None:
    machine = Machine(seconds=1.0)
    run = scheduler(machine, rounds=6)

    def report(session: Session) -> None:
        machine.now += 0.5

    run.run(on_round=report)
    settings = run.session({}).settings
    assert settings["measuring_s"] == 7.0
    assert settings["elapsed_s"] == 10.0
    assert (settings["rounds"], settings["budget_s"]) == (6, 1e6)


# Limits


def limited(reached: int, *, measured: bool = True) -> Script:
    """A system that holds no more than ``reached``."""

    def script(order: Order, visit: int) -> Answer:
        levels = [level for level in order.levels if level is not None and level <= reached]
        if levels == list(order.levels):
            return steady(order, visit)
        lines = [point(order, level) for level in levels]
        if measured:
            lines.append(point(order, reached))
        return answer(*lines, {"limit": {"reached": reached, "reason": "RLIMIT_NOFILE"}})

    return script


def test_a_limit_ends_the_curve_at_the_level_reached() -> None:
    machine = Machine({"curve": limited(320)})
    session = measure(machine, CURVE)
    assert [order.levels for order in machine.orders] == [(10, 100, 1000)] + [(10, 100, 320)] * 9
    assert [(r.x, r.status) for r in session.results] == [(10, "ok"), (100, "ok"), (320, "ok")]
    (curve,) = session.curves
    assert (curve.name, curve.axis, curve.reached) == ("curve", "open_fds", 320)
    assert curve.stopped_by == "RLIMIT_NOFILE"


def test_a_limit_just_above_the_last_level_adds_no_point() -> None:
    machine = Machine({"curve": limited(100, measured=False)})
    session = measure(machine, CURVE)
    assert machine.orders[-1].levels == (10, 100)
    assert [result.x for result in session.results] == [10, 100]
    assert (session.curves[0].reached, session.curves[0].stopped_by) == (100, "RLIMIT_NOFILE")


def test_a_limit_below_the_first_level_skips_the_job() -> None:
    machine = Machine({"curve": limited(4, measured=False)})
    session = measure(machine, CURVE)
    assert len(machine.orders) == 1
    result = only(session)
    assert (result.status, result.x, result.value_s) == ("skipped", None, None)
    assert result.reason == "RLIMIT_NOFILE: no room for a first point"
    assert session.curves == []


def test_a_limit_that_falls_takes_its_points_along() -> None:
    def falling(order: Order, visit: int) -> Answer:
        return limited(320 if visit < 3 else 40)(order, visit)

    session = measure(Machine({"curve": falling}), CURVE)
    assert [result.x for result in session.results] == [10, 40]
    assert session.curves[0].reached == 40


def test_a_curve_without_a_limit_reaches_its_end() -> None:
    job = replace(CURVE, params={"size": 64})
    (curve,) = measure(Machine(), job, JOBS[0]).curves
    assert (curve.reached, curve.stopped_by, curve.params) == (1000, None, {"size": 64})


# Failures


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        ({"skipped": "no io_uring"}, "skipped", "no io_uring"),
        ({"failed": "open: EMFILE after 19993"}, "failed", "open: EMFILE after 19993"),
    ],
)
def test_what_cannot_be_measured_is_tried_once(line: Line, status: str, reason: str) -> None:
    machine = Machine({"b": lambda order, visit: answer(line)})
    session = measure(machine, JOBS[0], replace(JOBS[1], params={"size": 1}))
    assert (len(machine.of("a")), len(machine.of("b"))) == (10, 1)
    first, second = session.results
    assert first.status == "ok"
    assert (second.name, second.params, second.value_s) == ("b", {"size": 1}, None)
    assert (second.status, second.reason) == (status, reason)


def test_a_crash_keeps_what_was_measured_and_names_the_level() -> None:
    def crashing(order: Order, visit: int) -> Answer:
        if visit < 6:
            return steady(order, visit)
        return answer(point(order, 10), error="crashed: SIGSEGV")

    machine = Machine({"curve": crashing})
    session = measure(machine, CURVE, JOBS[0])
    assert (len(machine.of("curve")), len(machine.of("a"))) == (7, 10)
    assert [(r.x, r.status, len(r.visits)) for r in session.results if r.name == "curve"] == [
        (10, "ok", 7),
        (100, "ok", 6),
        (1000, "ok", 6),
        (None, "failed", 0),
    ]
    failed = session.results[3]
    assert (failed.value_s, failed.reason) == (None, "crashed: SIGSEGV at open_fds=100")
    assert session.curves[0].reached == 1000


@pytest.mark.parametrize(
    ("job", "measured", "reason"),
    [
        (CURVE, 0, "crashed: SIGKILL at open_fds=10"),
        (CURVE, 2, "crashed: SIGKILL at open_fds=1000"),
        (CURVE, 3, "crashed: SIGKILL"),
        (JOBS[0], 0, "crashed: SIGKILL"),
        (JOBS[0], 1, "crashed: SIGKILL"),
    ],
)
def test_a_crash_names_the_level_it_came_at(job: Job, measured: int, reason: str) -> None:
    def crashing(order: Order, visit: int) -> Answer:
        points = [point(order, level) for level in order.levels[:measured]]
        return answer({"stray": "line"}, *points, error="crashed: SIGKILL")

    session = measure(Machine({job.name: crashing}), job)
    assert session.results[-1].reason == reason
    assert len(session.results) == measured + 1


class Stop(BaseException):
    """What a signal handler raises."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop, OSError])
def test_an_interrupt_leaves_the_session_as_it_was(error: type[BaseException]) -> None:
    def interrupted(order: Order, visit: int) -> Answer:
        if visit == 7:
            raise error
        return steady(order, visit)

    run = scheduler(Machine({"a": interrupted}))
    with pytest.raises(error):
        run.run()
    result = only(run.session({"os": "linux"}))
    assert (result.status, result.rounds) == ("ok", 7)


def test_an_interrupt_in_the_survey() -> None:
    def interrupted(*arguments: object) -> Answer:
        raise KeyboardInterrupt

    machine = Machine()
    machine.survey = interrupted  # type: ignore[method-assign]
    run = scheduler(machine)
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert run.session({}).results == []


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


# CPUs


def test_the_cleanest_cpu_comes_first() -> None:
    survey = [
        {"cpu": 0, "senses": senses(100, 400)},
        {"cpu": 1, "senses": senses(450, 50)},
        {"cpu": 2, "senses": senses(300, 200)},
    ]
    machine = Machine(survey=survey)
    team = Job("team", "k:K", workers="processes", members=2)
    measure(machine, JOBS[0], team, cpus=(0, 1, 2), rounds=1)
    assert machine.of("a")[0].cpus == (1, 2, 0)
    assert machine.of("team")[0].cpus == (0, 1, 2)


def test_a_cpu_that_turns_dirty_is_left() -> None:
    def on_first_cpu(order: Order, visit: int) -> Answer:
        return answer(point(order, cpu=order.cpus[0], clean=15 if order.cpus[0] == 0 else 0))

    survey = [{"cpu": 0, "senses": senses(300, 200)}, {"cpu": 1, "senses": senses(450, 50)}]
    machine = Machine({"a": on_first_cpu}, survey=survey)
    measure(machine)
    assert machine.orders[0].cpus == (1, 0)
    assert machine.orders[-1].cpus == (0, 1)


def test_all_cpus_are_surveyed_alone_and_with_likely_siblings() -> None:
    asked: list[tuple[object, ...]] = []

    class Surveyed(Machine):
        def survey(self, *arguments: Any) -> Answer:
            asked.append(arguments)
            return super().survey(*arguments)

    measure(Surveyed(), cpus=(0, 1, 2, 3))
    ((cpus, pairs, count),) = asked
    assert cpus == [0, 1, 2, 3]
    assert pairs == [(0, 1), (0, 2), (1, 3), (2, 3)]
    assert isinstance(count, int)
    assert count >= 100


def pair(first: int, second: int, clean: int) -> Line:
    """A hundred slices of two CPUs at once."""
    own = [300_000, *senses(clean=2, dirty=0)]
    both = [300_000, *senses(clean=0, dirty=2)]
    return {"pair": [first, second], "slices": own * clean + both * (100 - clean)}


@pytest.mark.parametrize(
    ("alone", "together", "shared"),
    [
        ((400, 400), 0, "0+1"),
        ((400, 400), 1, "0+1"),
        ((200, 400), 0, "0+1"),
        ((400, 400), 2, None),
        ((400, 400), 90, None),
        # Never clean alone either: that says nothing about each other.
        ((100, 400), 0, None),
        ((400, 100), 0, None),
    ],
)
def test_two_of_our_cpus_on_one_core(
    alone: tuple[int, int], together: int, shared: str | None
) -> None:
    survey: list[Line] = [
        {"cpu": cpu, "senses": senses(clean, 500 - clean)} for cpu, clean in enumerate(alone)
    ]
    session = measure(Machine(survey=[*survey, pair(0, 1, together)]))
    assert session.settings.get("shared_cores") == shared


def test_several_shared_cores() -> None:
    survey: list[Line] = [{"cpu": cpu, "senses": senses(500, 0)} for cpu in range(4)]
    survey += [pair(0, 2, 0), pair(0, 1, 100), pair(1, 3, 0)]
    session = measure(Machine(survey=survey), cpus=(0, 1, 2, 3))
    assert session.settings["shared_cores"] == "0+2 1+3"


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_a_session_that_was_slowed_down_says_so(share: float) -> None:
    session = measure(Machine(), replace(JOBS[0], slowdown=share))
    assert session.settings.get("slowed_down", 0.0) == share


# The order


def test_an_order_says_what_is_known() -> None:
    machine = Machine()
    session = measure(machine, trace=50)
    order = machine.orders[0]
    assert (order.job, order.levels, sorted(order.cpus)) == (JOBS[0], (None,), [0, 1])
    assert order.clean_ratio == pytest.approx(RATIO)
    assert order.trace == 50
    assert order.trace_clocks > 0
    assert session.settings["clean_ratio"] == pytest.approx(RATIO)
    assert session.settings["clean_chain_ns"] == CHAIN_NS


def test_a_user_who_asks_for_a_trace_gets_one_of_short_operations_too() -> None:
    machine = Machine()
    measure(machine, trace_all=True)
    assert machine.orders[0].trace_clocks == 0
