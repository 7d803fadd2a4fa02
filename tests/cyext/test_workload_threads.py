"""Threads really live, as many as the level says, and all end."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from held import Held, eventually, guards, same_as, threads
from isolated import isolated

import cyext.core.limits
import cyext.thread.threads
from cyext.core.workload import LimitReached, OperationFailed
from cyext.thread.threads import CreateAlive, CreateJoin

stacks = pytest.mark.parametrize("stack", ["default", "minimal"])
linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")


@linux
@stacks
def test_as_many_threads_live_as_the_level_says(stack: str, scratch: Path) -> None:
    def check() -> None:
        before = Held.now(scratch)
        workload = CreateAlive(stack)
        for level in (1, 300, 7, 600, 0, 20):
            workload.grow(level)
            assert eventually(lambda level=level: threads() == level + 1)  # type: ignore[misc]
            workload.run(workload.max_batch)
            assert eventually(lambda level=level: threads() == level + 1)  # type: ignore[misc]
        workload.close()
        same_as(before, scratch)

    isolated(check)


@linux
@pytest.mark.parametrize("workload_class", [CreateJoin, CreateAlive])
@pytest.mark.parametrize(("stack_memory", "kept"), [("cached", True), ("fresh", False)])
def test_stacks_are_kept_for_the_next_thread_or_not(
    workload_class: type[CreateJoin | CreateAlive], stack_memory: str, kept: bool
) -> None:
    def check() -> None:
        warm = workload_class("minimal", stack_memory)  # what is mapped once, by any library, is
        warm.run(4)
        warm.run(4)
        warm.close()
        workload = workload_class("minimal", stack_memory)
        before = guards()
        workload.run(4)
        assert (guards() > before) == kept
        after_first = guards()
        workload.run(4)
        assert guards() == after_first
        workload.close()
        assert guards() == before

    isolated(check)


@linux
@stacks
def test_the_librarys_stacks_are_for_threads_that_live_alone(stack: str) -> None:
    def check() -> None:
        workload = CreateJoin(stack, "library")
        workload.run(1)
        before = guards()
        assert workload.run(20) > 0
        assert guards() == before
        workload.close()
        with pytest.raises(ValueError, match="library"):
            CreateAlive(stack, "library")

    isolated(check)


@linux
@stacks
def test_a_workload_dropped_without_close_ends_its_threads(stack: str) -> None:
    def check() -> None:
        workload = CreateAlive(stack)
        workload.grow(50)
        del workload
        gc.collect()
        assert eventually(lambda: threads() == 1)

    isolated(check)


def test_a_minimal_stack_is_large_enough_to_run() -> None:
    minimal = CreateJoin("minimal")
    assert minimal.run(10) > 0
    minimal.close()


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"kernel.threads-max": 300, "kernel.pid_max": 400}, "kernel.threads-max 300"),
        ({"the cgroup's pids.max": 10, "kernel.pid_max": 400}, "the cgroup's pids.max 10"),
        ({"RLIMIT_NPROC hard limit": 64, "kernel.pid_max": 400}, "RLIMIT_NPROC hard limit 64"),
    ],
)
def test_the_limit_that_ends_the_curve_is_named(
    known: dict[str, int], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cyext.core.limits, "tasks", lambda: known)
    monkeypatch.setattr(cyext.core.limits, "running_tasks", lambda: 0)
    workload = CreateAlive()
    with pytest.raises(LimitReached) as caught:
        workload.grow(1000)
    assert caught.value.reason == reason
    assert caught.value.reached == workload.level < min(known.values())
    workload.close()


def test_room_for_stacks_is_a_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cyext.core.limits, "tasks", dict)
    monkeypatch.setattr(cyext.core.limits, "address_space_bytes", lambda: 100 << 20)
    assert cyext.thread.threads.most_threads(1 << 20) == (100, f"RLIMIT_AS {100 << 20}")


def test_limits_on_tasks_are_read() -> None:
    if not Path("/proc/loadavg").exists():
        pytest.skip("this system does not tell")
    assert cyext.core.limits.running_tasks() > 1
    assert all(limit > 1 for limit in cyext.core.limits.tasks().values())


@stacks
def test_a_thread_that_cannot_start_is_a_failure_and_the_others_live_on(
    stack: str, forbid: object
) -> None:
    def check() -> None:
        workload = CreateAlive(stack)
        workload.grow(64)
        forbid("clone")  # type: ignore[operator]
        for _ in range(2):
            with pytest.raises(OperationFailed, match=r"^pthread_create: EPERM after 0$"):
                workload.run(4)
        with pytest.raises(LimitReached, match=r"^stopped at \d+: pthread_create: EPERM, "):
            workload.grow(128)
        assert 16 <= workload.level <= 64
        workload.close()
        assert eventually(lambda: threads() == 1)

    isolated(check)
