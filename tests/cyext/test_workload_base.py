"""The base of all workloads, the sentinel and the clock."""

from __future__ import annotations

import array
import errno
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cyext.core.peers
import cyext.core.processor
import cyext.core.workload
from cyext.core.empty import Empty
from cyext.core.peered import SelfTimedWorkload
from cyext.core.team import Team
from cyext.core.workload import LimitReached, OperationFailed, Workload
from cyext.fd.descriptors import OpenClose


@pytest.mark.parametrize(
    ("workload", "call"), [(Workload, "loop"), (SelfTimedWorkload, "timed_loop")]
)
def test_a_workload_without_a_loop_measures_nothing(workload: Any, call: str) -> None:
    one = workload()
    for operation in (one.run, one.trace, lambda n: one.sample(2, n)):
        with pytest.raises(OperationFailed) as caught:
            operation(3)
        failure = caught.value
        assert isinstance(failure, OSError)
        assert (failure.call, failure.errno, failure.after) == (call, errno.ENOSYS, 0)
        assert str(failure) == f"{call}: ENOSYS after 0"
    one.close()


def test_a_failure_without_a_name_keeps_its_number() -> None:
    assert str(OperationFailed("frob", 9999, 3)) == "frob: error 9999 after 3"


def test_a_limit_tells_level_and_reason() -> None:
    limit = LimitReached(17, "RLIMIT_X 20")
    assert (limit.reached, limit.reason, str(limit)) == (
        17,
        "RLIMIT_X 20",
        "stopped at 17: RLIMIT_X 20",
    )


@settings(max_examples=50)
@given(slices=st.integers(0, 20), n=st.integers(1, 500))
def test_tables_have_the_size_asked(slices: int, n: int) -> None:
    workload = Empty()
    assert len(workload.sample(slices, n)) == 6 * slices
    assert len(workload.trace(n)) == n
    assert workload.run(n) >= 0
    workload.close()


@pytest.mark.parametrize("n", ["1", None, [1]])
def test_a_batch_is_a_number(n: object) -> None:
    workload = Empty()
    for call in (workload.run, workload.trace, lambda m: workload.sample(1, m)):
        with pytest.raises(TypeError):
            call(n)
    workload.close()


def test_a_negative_number_of_slices_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Empty().sample(-1, 1)


def test_each_workload_starts_at_level_zero_or_where_it_must() -> None:
    workload = Empty()
    assert workload.level == 0
    workload.grow(7)
    assert workload.level == 7
    with pytest.raises(OverflowError):
        workload.grow(-1)
    with pytest.raises(AttributeError):
        workload.level = 3


@pytest.mark.parametrize("pause_ns", [0, 1000])
def test_the_sentinel_gives_a_pair_a_time(pause_ns: int) -> None:
    pairs = cyext.core.workload.sense(7, pause_ns)
    assert isinstance(pairs, array.array)
    assert pairs.typecode == "q"
    assert len(pairs) == 14
    assert min(pairs) > 0
    assert len(cyext.core.workload.sense(0)) == 0
    with pytest.raises(ValueError, match="negative"):
        cyext.core.workload.sense(-1)


def test_the_clock_has_a_price() -> None:
    cost = cyext.core.workload.clock_cost()
    assert isinstance(cost, float)  # a whole number would be a division gone wrong
    assert cost > 0
    assert isinstance(cyext.core.workload.clock_cost(1), float)
    for reads in (0, -1):
        with pytest.raises(ValueError, match=str(reads)):
            cyext.core.workload.clock_cost(reads)


def test_compiler_and_flags_are_known() -> None:
    assert cyext.core.processor.COMPILER not in ("", "unknown")
    assert "-O2" in cyext.core.processor.COMPILER_FLAGS.split()


GATED_OPENS = 5000


def now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)  # the workloads' own clock


def gated(scratch: Path, workload: Any) -> None:
    """A batch whose opens wait for us lasts at least from our first answer to our last.

    No comparison of speeds: what the operating system orders in time, the clock must. While we
    answer one open, a few more may pass; thousands cannot.
    """
    (path,) = scratch.iterdir()
    path.unlink()
    os.mkfifo(path)  # an open for reading now waits for one for writing
    answer: list[Any] = []

    def measure() -> None:
        before_ns = now_ns()
        answer.append(workload.run(GATED_OPENS))
        answer.append(now_ns() - before_ns)

    runner = threading.Thread(target=measure)
    runner.start()
    first_ns = last_ns = None
    while runner.is_alive():
        before_ns = now_ns()
        try:
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # only while an open waits
        except OSError as failure:
            if failure.errno != errno.ENXIO:
                raise
            continue
        first_ns = first_ns or now_ns()
        last_ns = before_ns
        os.close(fd)
    runner.join()
    assert first_ns is not None
    assert last_ns is not None
    elapsed_ns, outside_ns = answer
    assert max(last_ns - first_ns, 1) <= elapsed_ns <= outside_ns


def test_a_batch_is_timed_from_its_first_operation_to_its_last(scratch: Path) -> None:
    workload = OpenClose()
    try:
        gated(scratch, workload)
    finally:
        workload.close()


@pytest.mark.parametrize("mode", ["threads", "processes"])
@pytest.mark.parametrize("slow", [0, 1, 2])
def test_a_team_is_timed_until_its_slowest_member_ends(mode: str, slow: int, scratch: Path) -> None:
    members: list[Any] = [Empty(), Empty(), Empty()]
    members[slow] = OpenClose()
    team = Team(members, mode)
    try:
        gated(scratch, team)
    finally:
        team.close()


def test_a_child_dies_with_its_parent() -> None:
    receive, send = os.pipe()
    parent = os.fork()
    if parent == 0:
        child = os.fork()
        if child == 0:
            # Should it be left alive, it says so and ends itself after a while.
            signal.signal(signal.SIGALRM, lambda *_: os.write(send, b"late") and os._exit(1))
            signal.alarm(20)
            os.write(send, b"+" if cyext.core.peers.die_with_parent() else b"-")
            while True:
                signal.pause()
        while True:
            signal.pause()
    os.close(send)
    try:
        told = os.read(receive, 1)
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        if told == b"-":
            pytest.skip("this system cannot tie a process to its parent")
        rest = os.read(receive, 100)  # the end of file comes when the last writer is gone
    finally:
        os.close(receive)
    assert (told, rest) == (b"+", b"")


def test_nothing_spins_unless_told() -> None:
    assert Empty().spin == 0.0


def test_a_processors_name_is_one_line_or_nothing() -> None:
    name = cyext.core.processor.cpu_name()
    assert name == name.strip()
    assert len(name) <= 48
    assert name.isprintable()
