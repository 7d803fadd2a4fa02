from __future__ import annotations

from dataclasses import replace

import pytest
from scripted_machine import (
    CURVE,
    JOBS,
    OP_NS,
    Line,
    Machine,
    Script,
    always,
    answer,
    measure,
    only,
    point,
    scheduler,
    steady,
)

from runners.measure.launch import Answer, Order
from runners.model.job import Job
from runners.model.session import CUT_SHORT, Session

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


def test_after_the_promised_rounds_the_time_goes_where_figures_are_not_stable() -> None:
    def restless(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=OP_NS * (1 + 0.2 * (visit % 2))))

    machine = Machine({"b": restless}, seconds=1.0)
    measure(machine, *JOBS[:3], rounds=10, most_visits=8, budget_s=60.0)
    assert [len(machine.of(name)) for name in "ac"] == [10, 10]
    assert {order.job.name for order in machine.orders[30:]} == {"b"}
    assert len(machine.of("b")) == 60 - 1 - 20  # a second each, and one for the survey


def test_time_that_is_short_goes_to_the_figures_that_are_not_settled() -> None:
    def restless(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=OP_NS * (1 + 0.03 * (visit % 2))))

    machine = Machine({"b": restless}, seconds=1.0)
    measure(machine, *JOBS[:3], rounds=10, budget_s=19.0)
    assert {name: len(machine.of(name)) for name in "abc"} == {"a": 4, "b": 10, "c": 4}


def test_time_that_is_left_goes_to_the_settled_figures() -> None:
    def restless(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=OP_NS * (1 + 0.03 * (visit % 2))))

    seconds = {"a": 1.0, "b": 10.0}
    machine = Machine({"b": restless}, seconds=seconds)
    measure(machine, *JOBS[:2], rounds=10, budget_s=53.0)
    # A fifth visit to b would take longer than is left.
    assert {name: len(machine.of(name)) for name in "ab"} == {"a": 10, "b": 4}


def test_a_figure_that_is_never_undisturbed_waits_for_the_others() -> None:
    def restless(order: Order, visit: int) -> Answer:
        return answer(point(order, op_ns=OP_NS * (1 + 0.1 * (visit % 2))))

    scripts = {"a": always(clean=0), "b": restless}
    machine = Machine(scripts, seconds=1.0)
    measure(machine, *JOBS[:2], rounds=10, budget_s=1e6)
    names = [order.job.name for order in machine.orders]
    assert names[:8].count("a") == 4
    assert set(names[8:14]) == {"b"}  # its promised rounds
    assert set(names[14:20]) == {"a"}
    assert set(names[20:30]) == {"b"}
    assert len(machine.of("a")) == 30


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


def test_cpus_that_were_surveyed_are_not_surveyed_again() -> None:
    machine = Machine(seconds=0.1)
    surveyed = scheduler(machine).survey()
    machine.now = began = 1000.0
    run = scheduler(machine, rounds=4)
    run.run(surveyed=surveyed)
    assert machine.now - began == pytest.approx(0.4)
    assert run.clean == surveyed.clean


def test_measuring_is_told_from_the_rest_of_the_time() -> None:
    machine = Machine(seconds=1.0)
    run = scheduler(machine, rounds=6)

    def report(session: Session) -> None:
        machine.now += 0.5

    run.run(on_round=report)
    settings = run.session({}).settings
    assert settings["measuring_s"] == 7.0
    # Telling took half of the first round, so the next ten seconds are for measuring.
    assert settings["elapsed_s"] == 7.5
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
    assert result.reason == "RLIMIT_NOFILE: limit reached before the first point"
    assert session.curves == []


def test_a_team_that_cannot_be_had_is_skipped_by_the_name_of_the_limit() -> None:
    limit = {"limit": {"reached": 0, "reason": "pthread_create: EAGAIN"}}
    machine = Machine({"a": lambda order, visit: answer(limit)})
    result = only(measure(machine))
    assert len(machine.orders) == 1
    assert (result.status, result.x) == ("skipped", None)
    assert result.reason == "pthread_create: EAGAIN: limit reached before the first point"


def test_a_limit_that_was_met_once_has_not_ended_a_complete_curve() -> None:
    def once(order: Order, visit: int) -> Answer:
        return limited(100, measured=False)(order, visit) if visit == 3 else steady(order, visit)

    session = measure(Machine({"curve": once}), CURVE)
    assert [result.x for result in session.results] == [10, 100, 1000]
    assert (session.curves[0].reached, session.curves[0].stopped_by) == (1000, None)


def test_a_limit_that_falls_takes_its_points_along() -> None:
    def falling(order: Order, visit: int) -> Answer:
        return limited(320 if visit < 3 else 40)(order, visit)

    session = measure(Machine({"curve": falling}), CURVE)
    assert [result.x for result in session.results] == [10, 40]
    assert session.curves[0].reached == 40


@pytest.mark.parametrize("every", [2, 3])
def test_a_limit_that_moves_a_little_does_not_move_the_end_of_the_curve(every: int) -> None:
    def moving(order: Order, visit: int) -> Answer:
        return limited(310 if visit % every == every - 1 else 320)(order, visit)

    session = measure(Machine({"curve": moving}), CURVE)
    assert [result.x for result in session.results] == [10, 100, 320]
    assert {result.status for result in session.results} == {"ok"}
    assert (session.curves[0].reached, session.curves[0].stopped_by) == (320, "RLIMIT_NOFILE")


def test_a_visit_that_a_limit_ended_counts_for_the_levels_above_it_only() -> None:
    def moving(order: Order, visit: int) -> Answer:
        low = visit % 2 == 1  # then the system holds a hundred, and no more
        levels = [
            level for level in order.levels if level is not None and (level <= 100 or not low)
        ]
        points = [point(order, level, clean=15 if level == 10 else 0) for level in levels]
        limit = [{"limit": {"reached": 100, "reason": "RLIMIT_NOFILE"}}] if low else []
        return answer(*points, *limit)

    machine = Machine({"curve": moving})
    session = measure(machine, CURVE, rounds=4)
    orders = machine.of("curve")
    assert [sum(n in order.levels for order in orders) for n in (10, 100, 1000)] == [4, 12, 12]
    assert [len(result.visits) for result in session.results][:2] == [4, 12]


@pytest.mark.parametrize("job", [JOBS[0], CURVE])
def test_a_shortage_where_a_visit_before_had_none_is_no_failure(job: Job) -> None:
    def short(order: Order, visit: int) -> Answer:
        if visit not in (2, 5):
            return steady(order, visit)
        lines = [point(order, level) for level in order.levels[:-1]]
        return answer(*lines, {"failed": "clone: EAGAIN after 3", "shortage": True})

    session = measure(Machine({job.name: short}), job)
    assert {result.status for result in session.results} == {"ok"}
    assert [result.x for result in session.results] == list(job.points)


def test_a_shortage_from_the_first_visit_on_is_a_failure() -> None:
    line = {"failed": "clone: EAGAIN after 3", "shortage": True}
    result = only(measure(Machine({"a": lambda order, visit: answer(line)})))
    assert (result.status, result.reason) == ("failed", "clone: EAGAIN after 3")


def test_a_shortage_that_stays_ends_the_curve_below_it() -> None:
    def short(order: Order, visit: int) -> Answer:
        levels = [level for level in order.levels if visit == 0 or level != 1000]
        lines = [point(order, level) for level in levels]
        failed = {"failed": "clone: EAGAIN after 3", "shortage": True}
        return answer(*lines) if len(lines) == len(order.levels) else answer(*lines, failed)

    session = measure(Machine({"curve": short}), CURVE)
    assert [(result.x, result.status) for result in session.results] == [(10, "ok"), (100, "ok")]
    assert session.curves[0].stopped_by == "clone: EAGAIN after 3"


def test_an_unbound_session_says_so_with_every_figure() -> None:
    def unbound(order: Order, visit: int) -> Answer:
        return answer({"unpinned": "sched_setaffinity: EPERM"}, point(order, cpu=-1))

    session = measure(Machine({JOBS[0].name: unbound}), JOBS[0])
    assert session.settings["unpinned"] == "sched_setaffinity: EPERM"
    result = only(session)
    assert (result.status, result.value_s is not None) == ("unstable", True)
    assert result.reason == "not bound to one CPU (sched_setaffinity: EPERM)"


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
    session = run.session({"os": "linux"})
    result = only(session)
    assert (result.status, result.rounds) == ("ok", 7)
    assert str(session.settings[CUT_SHORT]).startswith("stopped in round ")


def test_a_session_that_ends_by_itself_is_not_cut_short() -> None:
    run = scheduler(Machine({"a": steady}))
    run.run()
    assert CUT_SHORT not in run.session({}).settings


def test_an_interrupt_in_the_survey() -> None:
    def interrupted(*arguments: object) -> Answer:
        raise KeyboardInterrupt

    machine = Machine()
    machine.survey = interrupted  # type: ignore[method-assign]
    run = scheduler(machine)
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert run.session({}).results == []
