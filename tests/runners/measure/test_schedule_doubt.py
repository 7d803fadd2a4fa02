from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scripted_machine import (
    BATCH,
    CHAIN_NS,
    CLEAN,
    CURVE,
    DIRTY,
    JOBS,
    OP_NS,
    QUIET,
    RATIO,
    Line,
    Machine,
    always,
    answer,
    measure,
    only,
    point,
    scheduler,
    senses,
)

from runners.measure.launch import Answer, Order
from runners.measure.schedule import MOST_VISITS
from runners.model.job import Job
from runners.model.session import Result

OTHERS = "other programs on this CPU"

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


@pytest.mark.parametrize(("disturbed", "doubted"), [(3, False), (12, True)])
def test_slices_in_which_others_ran_do_not_count(disturbed: int, doubted: bool) -> None:
    result = only(measure(Machine({"a": always(disturbed=disturbed)}), rounds=6))
    assert {visit.clean for visit in result.visits} == {15 - disturbed}
    assert {visit.doubt for visit in result.visits} == {OTHERS if doubted else None}
    assert result.reason == (OTHERS if doubted else None)


def test_a_hand_over_is_kept_with_its_visit() -> None:
    def over_two_cpus(order: Order, visit: int) -> Answer:
        found = answer(point(order))
        found.lines.append({"handover_ns": 100.0 + visit, "pair": [0, 1]})
        return found

    session = measure(Machine({"a": over_two_cpus, "b": always()}), *JOBS[:2], rounds=4)
    over, alone = session.results
    assert sorted(v.handover_s or 0 for v in over.visits) == pytest.approx(
        [(100 + visit) * 1e-9 for visit in range(4)]
    )
    assert {visit.handover_s for visit in alone.visits} == {None}


def test_a_hand_over_is_of_the_points_that_were_visited() -> None:
    def neighbour_at_100(order: Order, visit: int) -> Answer:
        told = [
            point(order, level, clean=3 if level == 100 and visit < 1 else 15)
            for level in order.levels
        ]
        return answer(*told, {"handover_ns": 100.0 + visit, "pair": [0, 1]})

    low, middle, _ = measure(Machine({"curve": neighbour_at_100}), CURVE, rounds=4).results
    assert [v.handover_s for v in low.visits] == pytest.approx([n * 1e-9 for n in range(100, 104)])
    assert middle.visits[-1].handover_s == pytest.approx(104e-9)


@pytest.mark.parametrize(
    ("batch", "op_ns", "doubt"),
    [
        (1, 253_000, "a batch holds only 1 operation: this would measure scheduling"),
        (3, 90_000, "a batch holds only 3 operations: this would measure scheduling"),
        (100, 2_000, None),
        (1, 6_000_000, None),  # long enough by itself
    ],
)
def test_a_teams_batch_of_few_short_operations_tells_nothing(
    batch: int, op_ns: float, doubt: str | None
) -> None:
    def script(order: Order, visit: int) -> Answer:
        return answer(point(replace(order, batch={2: batch}), 2, op_ns=op_ns))

    team = Job("team", "nowhere:Workload", axis="threads", levels=(2,), workers="threads")
    result = only(measure(Machine({"team": script}), team, rounds=6))
    assert result.reason == doubt
    alone = replace(team, workers="single")
    assert only(measure(Machine({"team": script}), alone, rounds=6)).reason is None


def test_a_team_says_that_it_may_be_its_own_neighbour() -> None:
    job = Job("team", "nowhere:Workload", axis="threads", levels=(2,), workers="threads")
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
        (4, 6, None),
        (3, 6, "3 of 6 rounds were disturbed"),
        (2, 6, "neighbour on the core"),
        (3, 4, "1 of 4 rounds were disturbed"),
        (2, 2, "only 2 undisturbed rounds, 4 are needed"),
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
            table += [(1000 + index) * BATCH, *noise(2), -1]
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


# What the workload tells of disturbance

SECOND = QUIET["wall_ns"]
STOLEN = "CPU time stolen by the hypervisor"
THROTTLED = "throttled by the cgroup's CPU quota"


@pytest.mark.parametrize(
    ("noise", "doubt"),
    [
        ({"steal_ticks": 2}, None),
        ({"steal_ticks": 3}, STOLEN),
        ({"throttled_us": 20_000}, None),
        ({"throttled_us": 20_001}, THROTTLED),
        ({"wait_ns": 20_000_000}, None),
        ({"wait_ns": 20_000_001}, OTHERS),
        ({"wait_ns": 10_000_000, "wall_ns": SECOND // 4}, OTHERS),
    ],
)
def test_disturbance_over_two_hundredths(noise: Mapping[str, int], doubt: str | None) -> None:
    machine = Machine({"a": always(noise={**QUIET, **noise})})
    result = only(measure(machine, rounds=6))
    assert {visit.doubt for visit in result.visits} == {doubt}
    assert (result.status, result.reason) == ("unstable" if doubt else "ok", doubt)
    assert len(machine.orders) == (18 if doubt else 6)


def test_a_workload_that_tells_nothing_raises_no_doubt() -> None:
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
    own = [300_000, *senses(clean=2, dirty=0), -1]
    both = [300_000, *senses(clean=0, dirty=2), -1]
    return {"pair": [first, second], "slices": own * clean + both * (100 - clean)}


def test_several_shared_cores() -> None:
    survey: list[Line] = [{"cpu": cpu, "senses": senses(500, 0)} for cpu in range(4)]
    survey += [pair(0, 2, 0), pair(0, 1, 100), pair(1, 3, 0)]
    survey += [{"handover_ns": 75.4, "pair": [0, 1]}, {"handover_ns": 330.0, "pair": [1, 3]}]
    session = measure(Machine(survey=survey), cpus=(0, 1, 2, 3))
    assert session.settings["shared_cores"] == "0+2 1+3"
    assert session.settings["hand_overs"] == "0+1 75 ns, 1+3 330 ns"


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_a_session_that_was_slowed_down_says_so(share: float) -> None:
    session = measure(Machine(), replace(JOBS[0], slowdown=share))
    assert session.settings.get("slowed_down", 0.0) == share
