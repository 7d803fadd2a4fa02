"""What runs beside the timed loop: started, heard, lost and ended."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from again import again
from held import children, eventually, lives, threads
from isolated import isolated

from cyext.core import workload as base
from cyext.core.errors import NotSupported, OperationFailed
from cyext.event.spread import Spread
from cyext.ipc.round_trips import Futex, Pipe
from cyext.net.herd import AcceptHerd
from cyext.sched.wakeups import Wakeup

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CPUs are bound on Linux only")


def bound(check: Callable[[], None]) -> None:
    """Run the check in a process of its own, bound to one CPU as a worker is."""

    def inside() -> None:
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cpus[:1])
        base.run_on(cpus)
        check()

    isolated(inside)


def pipe(peer: str, cpu: str) -> Pipe:
    try:
        return Pipe(peer, cpu)
    except NotSupported as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("cpu", ["same", "other"])
@pytest.mark.parametrize("peer", ["thread", "process"])
def test_a_peer_answers_and_ends_with_its_workload(peer: str, cpu: str) -> None:
    def check() -> None:
        before = threads(), children()
        workload = pipe(peer, cpu)
        assert workload.run(3) > 0
        assert len(workload.trace(3)) == 3
        assert len(workload.sample(2, 3)) == 12
        workload.close()
        workload.close()
        assert eventually(lambda: (threads(), children()) == before)

    bound(check)


@pytest.mark.parametrize("peer", ["thread", "process"])
def test_a_workload_with_a_peer_can_be_slowed_on_purpose(peer: str) -> None:
    def check() -> None:
        workload = pipe(peer, "same")
        workload.slow_down(10)
        assert workload.run(3) > 0
        workload.close()

    bound(check)


def test_the_round_trip_with_a_killed_process_fails_by_name() -> None:
    def check() -> None:
        workload = pipe("process", "same")
        (child,) = children()
        os.kill(child, signal.SIGKILL)
        with pytest.raises(OperationFailed, match="ECHILD"):
            workload.run(10)
        workload.close()

    bound(check)


def test_a_peer_that_the_system_does_not_end_with_its_owner_ends_by_itself(
    forbid: Callable[..., None],
) -> None:
    def own(told: int) -> None:
        signal.alarm(60)
        base.run_on(sorted(os.sched_getaffinity(0)))
        forbid("prctl")
        workload = Futex("process", "same")  # its peer sleeps, and nothing tells it of the end
        workload.run(3)
        os.write(told, b"%d" % children()[0])
        os.kill(os.getpid(), signal.SIGKILL)

    def check() -> None:
        heard, told = os.pipe()
        owner = os.fork()
        if owner == 0:
            try:
                own(told)
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        os.close(told)
        peer = os.read(heard, 20)
        os.waitpid(owner, 0)
        assert peer, "its owner failed"
        assert eventually(lambda: not lives(int(peer)))

    isolated(check)


@pytest.mark.parametrize(
    ("cpus", "cpu", "reason"), [([0], "other", "second one"), ([], "same", "binds no program")]
)
def test_a_cpu_that_is_not_there_is_a_named_skip(cpus: list[int], cpu: str, reason: str) -> None:
    def check() -> None:
        base.run_on(cpus)
        with pytest.raises(NotSupported, match=reason):
            Pipe("thread", cpu)

    bound(check)


@pytest.mark.parametrize("peer", ["thread", "process"])
@pytest.mark.parametrize(
    ("wait", "woken"), [("accept", 1), ("poll", 12), ("epoll", 12), ("epoll_exclusive", 1)]
)
def test_a_connection_wakes_one_waiter_or_the_whole_herd(wait: str, woken: int, peer: str) -> None:
    def check() -> None:
        workload = AcceptHerd(wait, peer)
        workload.grow(12)
        workload.run(2)

        def counted() -> float:
            workload.count(True)
            workload.sample(3, 2)
            workload.run(2)  # as a worker does that changes its CPU: counted or not
            wakeups: float = workload.counts()["wakeups"]
            return wakeups

        # On a busy CPU a waiter may look only after another has accepted: then it sleeps on.
        assert again(counted, lambda wakeups: wakeups == woken) == woken
        workload.grow(2)
        assert workload.run(2) > 0
        workload.close()
        assert children() == []

    bound(check)


@pytest.mark.parametrize("epoll", ["exclusive", "oneshot", "own"])
def test_an_event_wakes_one_thread_and_is_delivered_once(epoll: str) -> None:
    def check() -> None:
        workload = Spread(epoll)
        workload.grow(12)
        workload.run(2)

        def counted() -> tuple[float, float]:
            workload.count(True)
            workload.sample(3, 20)
            counts = workload.counts()
            return counts["wakeups"], counts["doubles"]

        # A thread that waits again before the woken one has read the event finds it, too.
        assert again(counted, lambda counts: counts == (1, 0)) == (1, 0)
        workload.close()

    bound(check)


def test_tasks_beside_a_sleeper_compute_while_it_sleeps_and_rest_between_batches() -> None:
    def check() -> None:
        workload = Wakeup(nice="19")
        workload.grow(2)
        before = once_asleep(children())
        workload.run(8)
        after = once_asleep(children())
        assert len(after) == 2
        assert sum(after) > sum(before)
        assert [os.getpriority(os.PRIO_PROCESS, child) for child in children()] == [19, 19]
        workload.close()

    bound(check)


def once_asleep(processes: list[int]) -> list[int]:
    """Nanoseconds that each of the processes has run until it fell asleep."""
    for process in processes:
        while Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            time.sleep(0.001)
    paths = [Path(f"/proc/{process}/schedstat") for process in processes]
    return [int(path.read_text().split()[0]) for path in paths]
