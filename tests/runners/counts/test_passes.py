"""Counts beside the rounds: what is counted of a job, and what becomes of jobs that have none."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from again import again

from cyext.core.counters import EventCounters, calls_counted
from micro.probes.catalogue import jobs_with, select
from runners.counts import passes
from runners.counts.counting_worker import between
from runners.counts.passes import COUNTING_WORKER, MIGRATIONS, NOT_COUNTED, Counted, count
from runners.counts.traced import CannotTrace, traced
from runners.measure.launch import Launcher, Order
from runners.model.count import SYSTEM_CALLS, Count, CountEstimate
from runners.model.job import Job, Promise
from runners.model.session import Result, Session

A_MINUTE = 60.0


def job(name: str) -> Job:
    """The first job of a declared probe."""
    return select([name])[0].jobs("quick")[0]


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    """Starts workers; skips where they cannot be traced."""
    if (reason := passes.cannot_count_calls()) is not None:
        pytest.skip(reason)
    return Launcher(tmp_path)


def calls(counted: Counted) -> dict[str, str]:
    """The system calls of each benchmark, by probe."""
    return {
        benchmark.probe: each.number
        for benchmark, estimates in counted.counts.items()
        for each in estimates
        if each.count == SYSTEM_CALLS
    }


def calls_of(
    jobs: Sequence[Job], launcher: Launcher, wanted: Mapping[str, str]
) -> Mapping[str, str]:
    """The same of jobs; once more where a signal made a call come twice, or the time was up."""
    return again(
        lambda: calls(count(jobs, launcher, (0,), A_MINUTE)), lambda found: found == wanted
    )


def test_system_calls_are_those_of_the_operation_and_its_children(launcher: Launcher) -> None:
    # fork_exit: clone, wait4, and the child's exit_group; pipe: write and read of this end alone.
    wanted = {"fd.open_close": "2", "process.fork_exit": "3", "ipc.pipe": "2", "event.poll": "1"}
    assert calls_of([job(name) for name in wanted], launcher, wanted) == wanted


def test_each_call_of_a_member_of_a_team_counts_once(launcher: Launcher) -> None:
    (team,) = jobs_with(select(["syscall.getppid"])[0], {"members": "2"}, "quick")
    wanted = {"syscall.getppid": "1"}
    assert calls_of([team], launcher, wanted) == wanted


def test_a_job_that_ends_its_process_costs_the_others_nothing(launcher: Launcher) -> None:
    crashing = Job("fake", "os:abort", promise=Promise({"getppid": 1}))
    wanted = {"fd.open_close": "2"}
    assert calls_of([crashing, job("fd.open_close")], launcher, wanted) == wanted


def test_nothing_is_begun_when_the_time_is_up(launcher: Launcher) -> None:
    assert count([job("fd.open_close")], launcher, (0,), 0.0).counts == {}


def test_what_was_not_counted_for_want_of_time_is_told(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "countable_events", lambda: (["user_instructions"], None))
    heavy = Job("fake", "nowhere:Heavy", counts=(Count("grams", "g", weighed=True),))
    found = count([job("fd.open_close"), job("event.poll"), heavy], launcher, (0,), 0.0)
    assert found.refusals[NOT_COUNTED] == (
        "for want of time: calls of 2 jobs, weights of 1 job, events of 3 jobs"
    )


def test_nobody_traces_this_process() -> None:
    assert calls_counted() == -1


def test_where_nothing_may_be_traced_the_session_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise CannotTrace("no ptrace here")

    monkeypatch.setattr(passes, "traced", refuse)
    found = count([job("fd.open_close")], Launcher(tmp_path), (0,), A_MINUTE)
    session = Session({})
    found.into(session)
    assert session.settings[passes.NO_SYSTEM_CALLS] == "no ptrace here"


# Events


def test_events_are_counted_between_the_marks_in_user_and_kernel_mode(launcher: Launcher) -> None:
    try:
        EventCounters(["page_faults"]).close()
    except OSError as refused:
        pytest.skip(str(refused))
    order = {"jobs": [passes._plain(job("mmap.touch"), (0,), {})]}
    order |= {"what": "events", "names": ["page_faults"]}
    wanted = [pytest.approx(1, abs=0.1)] * 3

    def counted() -> list[float]:
        (line, *_) = launcher.run(COUNTING_WORKER, order).lines
        return [pair["page_faults"] for pair in line["events"]]

    assert again(counted, lambda found: found == wanted) == wanted


def test_a_loop_that_another_program_runs_has_no_events(launcher: Launcher) -> None:
    order = {"jobs": [passes._plain(job("process.fork_exit"), (0,), {})]}
    order |= {"what": "events", "names": ["task_ns"]}
    (line, *_) = launcher.run(COUNTING_WORKER, order).lines
    assert line.get("events", [{}])[0] == {}


def told(lines: Sequence[Mapping[str, Any]]) -> Callable[..., Any]:
    """A launcher's `run` that gives these answers."""

    class Answer:
        def __init__(self, lines: Sequence[Mapping[str, Any]]) -> None:
            self.lines = lines

    return lambda *_: Answer(lines)


def test_hardware_events_become_counts_of_the_figure(
    monkeypatch: pytest.MonkeyPatch, launcher: Launcher
) -> None:
    monkeypatch.setattr(passes, "countable_events", lambda: (["user_instructions"], None))
    pairs = [{"user_instructions": n, "cpu_migrations": 0.0} for n in (1000.0, 1010.0, 990.0)]
    monkeypatch.setattr(launcher, "run", told([{"events": pairs}]))
    one = job("fd.open_close")
    found = count([one], launcher, (0,), A_MINUTE)
    by_name = {each.count.name: each for each in found.counts[one.at(None)]}
    assert by_name["user_instructions"].value == 1000
    assert str(by_name["user_instructions"]) == "1,000 instructions in user mode"
    assert MIGRATIONS.name not in by_name  # no task moved
    assert not found.refusals


def test_what_is_weighed_is_found_once_a_session_and_by_no_visit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(passes, "countable_events", lambda: ([], None))
    grams = Count("grams", "g", weighed=True)
    one = Job("fake", "tests.runners.fake_workloads:Weighed", counts=(grams, Count("held", "held")))
    launcher = Launcher(tmp_path)
    found = count([one], launcher, (0,), A_MINUTE)
    assert [str(each) for each in found.counts[one.at(None)]] == ["2 g"]
    assert Order(one, (None,), (0,)).plain()["counts"] == ["held"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errno.ENOENT, "this processor shows programs no hardware counters"),
        (errno.EOPNOTSUPP, "this processor shows programs no hardware counters"),
        (errno.ENOSYS, "CONFIG_PERF_EVENTS"),
    ],
)
def test_a_refusal_is_named(error: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(names: Sequence[str]) -> None:
        raise OSError(error, "no")

    monkeypatch.setattr("cyext.core.counters.EventCounters", refuse)
    names, reason = passes.countable_events()
    assert names == []
    assert reason is not None
    assert said in reason


def test_a_counter_that_several_events_share_is_scaled() -> None:
    assert between((100, 1000, 1000), (200, 3000, 2000)) == 200
    assert between((100, 1000, 1000), (100, 3000, 1000)) is None


# The session


def test_a_session_keeps_the_counts_of_its_figures() -> None:
    one = job("fd.open_close")
    estimate = CountEstimate(SYSTEM_CALLS, 2.0, (2.0, 2.0), 1)
    figure = Result(one.name, one.params, None, None, "ok", value_s=1e-6)
    skipped = Result("fd.dup", {}, None, None, "skipped", "no time")
    session = Session({}, results=[figure, skipped])
    Counted({one.at(None): (estimate,)}, {}).into(session)
    assert [result.counts for result in session.results] == [(estimate,), ()]


def test_a_worker_answers_each_job_with_a_line(launcher: Launcher) -> None:
    missing = Job("fake", "tests.runners.fake_workloads:Missing", promise=Promise())
    order = {"jobs": [passes._plain(missing, (0,), {})], "what": "calls", "names": []}
    lines = traced(launcher, COUNTING_WORKER, order, (0,), 15)["lines"]
    assert "none" in lines[0]
    assert lines[-1] == {"done": True}
