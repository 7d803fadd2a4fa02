"""Switches between tasks: that the token really passes through all of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from again import again
from held import children
from isolated import isolated

from cyext.core.workload import LimitReached, NotSupported, OperationFailed, run_on
from cyext.lock.batons import Baton
from cyext.switch.rings import Ring, WakeOne, WorkingSet, Yield

each_peer = pytest.mark.parametrize("peer", ["thread", "process"])


@pytest.fixture(autouse=True)
def one_cpu() -> Iterator[None]:
    run_on(sorted(os.sched_getaffinity(0))[:1])
    yield
    run_on(())


def switches(task: Path) -> int:
    """How often a task gave its CPU to another: by sleeping, or preempted by whom it woke."""
    lines = (task / "status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if "voluntary_ctxt_switches" in line)


def tasks_beside(peer: str) -> list[Path]:
    if peer == "process":
        return [Path(f"/proc/{pid}") for pid in children()]
    own = Path("/proc/self/task")
    return [path for path in own.iterdir() if path.name != str(os.getpid())]


def baton(kind: str, peer: str) -> Callable[[], Baton]:
    def make() -> Baton:
        try:
            return Baton(kind, peer)
        except NotSupported as reason:
            pytest.skip(f"{kind}: {reason}")

    return make


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system counts no switches")
@pytest.mark.parametrize(
    ("make", "peer", "beside"),
    [
        pytest.param(lambda: Ring("thread"), "thread", 3, id="ring-thread"),
        pytest.param(lambda: Ring("process"), "process", 3, id="ring-process"),
        *(
            pytest.param(baton(kind, peer), peer, 4, id=f"{kind}-{peer}")
            for kind in ("mutex", "condition", "fcntl", "flock", "ofd")
            for peer in ("thread", "process")
            if (kind, peer) != ("fcntl", "thread")
        ),
    ],
)
@pytest.mark.parametrize(("hops", "laps"), [(40, 10), (41, 10), (43, 10), (39, 9)])
def test_each_task_has_the_token_once_a_lap(
    make: Callable[[], Any], peer: str, beside: int, hops: int, laps: int
) -> None:
    def check() -> None:
        ring = make()
        ring.grow(4)
        ring.run(4)
        tasks = tasks_beside(peer)
        assert len(tasks) == beside

        def switches_of_a_batch() -> list[int]:
            before = [switches(task) for task in tasks]
            ring.run(hops)
            ring.run(1)  # the last one has gone to sleep by now
            return [switches(task) - was for was, task in zip(before, tasks, strict=True)]

        # A token that comes before its task sleeps again is taken without a switch, and others on
        # the CPU take it between two hops: then the batch is run again.
        def passed(batch: list[int]) -> bool:
            return all(laps // 2 <= count <= 2 * laps + 2 for count in batch)

        found = again(switches_of_a_batch, passed)
        assert passed(found), found
        ring.close()

    isolated(check)


@each_peer
def test_a_task_that_dies_is_named(peer: str) -> None:
    def check() -> None:
        ring = Ring(peer)
        ring.grow(3)
        os.kill(children()[0], 9)
        with pytest.raises(OperationFailed, match="peer process: ECHILD"):
            ring.run(1000)
        ring.close()

    if peer == "process":
        isolated(check)


@pytest.mark.parametrize("kind", ["mutex", "condition", "fcntl", "flock"])
def test_a_task_that_dies_in_a_lock_ends_the_batch(kind: str) -> None:
    def check() -> None:
        ring = baton(kind, "process")()
        ring.grow(3)
        ring.run(3)
        victim = children()[1]
        killer = os.fork()
        if killer == 0:
            time.sleep(0.05)
            os.kill(victim, signal.SIGKILL)
            os._exit(0)
        # By the system, its file locks are free then: who waited for them finds no baton.
        with pytest.raises(OperationFailed, match=r"ECHILD|ESRCH"):
            ring.run(1 << 40)
        os.waitpid(killer, 0)
        ring.close()
        assert children() == []

    isolated(check)


def test_fcntl_locks_are_none_between_threads() -> None:
    with pytest.raises(NotSupported, match="threads of one process share its fcntl locks"):
        Baton("fcntl", "thread")


def test_a_larger_set_than_there_is_room_for_is_a_limit() -> None:
    workload = WorkingSet("thread", 2)
    with pytest.raises(LimitReached, match="sets of at most 1048576 bytes"):
        workload.grow(1 << 21)
    assert workload.run(4) > 0
    workload.close()


@pytest.mark.parametrize("kind", [Ring, WorkingSet, WakeOne, Yield, Baton])
def test_without_a_cpu_of_its_own_it_is_a_named_skip(kind: Any) -> None:
    run_on(())
    with pytest.raises(NotSupported, match="binds no program to a CPU"):
        kind(peer="thread")
