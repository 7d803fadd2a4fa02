"""What runs beside the timed loop: started, heard, lost and ended."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from cyext.ipc.round_trips import Pipe
from cyext.net.herd import AcceptHerd
from held import children, threads
from isolated import isolated

from cyext.core import workload as base
from cyext.core.errors import NotSupported, OperationFailed

linux = pytest.mark.skipif(sys.platform != "linux", reason="CPUs are bound on Linux only")


@pytest.fixture(autouse=True)
def _cpus() -> Iterator[None]:
    base.run_on(sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [])
    yield
    base.run_on([])


def pipe(peer: str, cpu: str) -> Pipe:
    try:
        return Pipe(peer, cpu)
    except NotSupported as reason:
        pytest.skip(str(reason))


@linux
@pytest.mark.parametrize("cpu", ["same", "other"])
@pytest.mark.parametrize("peer", ["thread", "process"])
def test_a_peer_answers_and_ends_with_its_workload(peer: str, cpu: str) -> None:
    before = threads(), len(children())
    workload = pipe(peer, cpu)
    assert workload.run(3) > 0
    assert len(workload.trace(3)) == 3
    assert len(workload.sample(2, 3)) == 10
    workload.close()
    workload.close()
    assert (threads(), len(children())) == before


@linux
@pytest.mark.parametrize("peer", ["thread", "process"])
def test_a_workload_with_a_peer_can_be_slowed_on_purpose(peer: str) -> None:
    workload = pipe(peer, "same")
    workload.slow_down(10)
    assert workload.run(3) > 0
    workload.close()


@linux
def test_the_round_trip_with_a_killed_process_fails_by_name() -> None:
    def check() -> str:
        workload = pipe("process", "same")
        (child,) = children()
        os.kill(child, signal.SIGKILL)

        def run() -> None:
            for _ in range(100):
                workload.run(10)

        with pytest.raises(OperationFailed) as caught:
            run()
        workload.close()
        return str(caught.value)

    assert "ECHILD" in isolated(check)


@linux
def test_without_a_second_cpu_there_is_no_other() -> None:
    base.run_on(sorted(os.sched_getaffinity(0))[:1])
    with pytest.raises(NotSupported, match="second one"):
        Pipe("thread", "other")


@linux
def test_where_cpus_are_unknown_none_is_the_same() -> None:
    base.run_on([])
    with pytest.raises(NotSupported, match="binds no program"):
        Pipe("thread", "same")


@linux
@pytest.mark.parametrize("peer", ["thread", "process"])
@pytest.mark.parametrize(
    ("wait", "woken"), [("accept", 1), ("poll", 12), ("epoll", 12), ("epoll_exclusive", 1)]
)
def test_a_connection_wakes_one_waiter_or_the_whole_herd(wait: str, woken: int, peer: str) -> None:
    workload = AcceptHerd(wait, peer)
    workload.grow(12)
    workload.run(2)
    workload.count(True)
    workload.sample(3, 2)
    assert workload.counts()["wakeups"] == pytest.approx(woken, abs=1)
    workload.grow(2)
    assert workload.run(2) > 0
    workload.close()
    assert children() == []
