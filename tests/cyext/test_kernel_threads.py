"""Threads really live, as many as the level says, and all end."""

from __future__ import annotations

import gc
from pathlib import Path

import cyext.thread
import pytest
from cyext.kernel import LimitReached, OperationFailed
from cyext.thread import CreateAlive, CreateJoin
from held import Held, eventually, same_as, threads
from isolated import isolated

import cyext.limits

stacks = pytest.mark.parametrize("stack", ["default", "minimal"])
linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")


@linux
@stacks
def test_as_many_threads_live_as_the_level_says(stack: str, scratch: Path) -> None:
    def check() -> None:
        before = Held.now(scratch)
        kernel = CreateAlive(stack)
        for level in (1, 300, 7, 600, 0, 20):
            kernel.grow(level)
            assert eventually(lambda level=level: threads() == level + 1)  # type: ignore[misc]
            kernel.run(kernel.max_batch)
            assert eventually(lambda level=level: threads() == level + 1)  # type: ignore[misc]
        kernel.close()
        same_as(before, scratch)

    isolated(check)


@linux
@stacks
def test_a_kernel_dropped_without_close_ends_its_threads(stack: str) -> None:
    def check() -> None:
        kernel = CreateAlive(stack)
        kernel.grow(50)
        del kernel
        gc.collect()
        assert eventually(lambda: threads() == 1)

    isolated(check)


def test_a_minimal_stack_is_smaller_and_large_enough_to_run() -> None:
    default, minimal = CreateJoin(), CreateJoin("minimal")
    assert minimal.facts()["stack_bytes"] <= default.facts()["stack_bytes"]
    assert minimal.run(10) > 0
    default.close()
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
    monkeypatch.setattr(cyext.limits, "tasks", lambda: known)
    monkeypatch.setattr(cyext.limits, "running_tasks", lambda: 0)
    kernel = CreateAlive()
    with pytest.raises(LimitReached) as caught:
        kernel.grow(1000)
    assert caught.value.reason == reason
    assert caught.value.reached == kernel.level < min(known.values())
    kernel.close()


def test_room_for_stacks_is_a_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cyext.limits, "tasks", dict)
    monkeypatch.setattr(cyext.limits, "address_space_bytes", lambda: 100 << 20)
    assert cyext.thread.most_threads(1 << 20) == (100, f"RLIMIT_AS {100 << 20}")


def test_limits_on_tasks_are_read() -> None:
    if not Path("/proc/loadavg").exists():
        pytest.skip("this system does not tell")
    assert cyext.limits.running_tasks() > 1
    assert all(limit > 1 for limit in cyext.limits.tasks().values())


@stacks
def test_a_thread_that_cannot_start_is_a_failure_and_the_others_live_on(
    stack: str, forbid: object
) -> None:
    def check() -> None:
        kernel = CreateAlive(stack)
        kernel.grow(64)
        forbid("clone")  # type: ignore[operator]
        for _ in range(2):
            with pytest.raises(OperationFailed, match=r"^pthread_create: EPERM after 0$"):
                kernel.run(4)
        with pytest.raises(LimitReached, match=r"^stopped at \d+: pthread_create: EPERM, "):
            kernel.grow(128)
        assert 16 <= kernel.level <= 64
        kernel.close()
        assert eventually(lambda: threads() == 1)

    isolated(check)
