"""Where a limit of the system ends a curve, the workload says which, and works on below it."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from discovered import CURVES, PROBES, batch, each, make_one, workload_class
from held import (
    STATM,
    Held,
    allow_descriptors,
    descriptors,
    leave_address_space,
    leave_descriptors,
    same_as,
)
from isolated import isolated

import cyext.core.limits
import cyext.process.parents
from cyext.core.workload import LimitReached, NotSupported, OperationFailed
from cyext.malloc.allocator import Pair
from cyext.memory.moves import Copy
from cyext.mmap.mappings import Map
from cyext.port.ports import BindEphemeral
from micro.probes.declaration import Probe

MIB = 1 << 20
HOLD_DESCRIPTORS = {
    name: probe
    for name, probe in CURVES.items()
    if probe.name in ("fd.dup_lowest", "fd.open_interleaved", "fd.socket_churn")
    or (probe.family == "event" and probe.name != "event.poll_array")
}

needs_statm = pytest.mark.skipif(not STATM.exists(), reason="no size of the address space")


@each(HOLD_DESCRIPTORS)
@pytest.mark.parametrize("room", [56, 190])
def test_the_limit_on_descriptors_is_named(probe: Probe, room: int, scratch: Path) -> None:
    def check() -> None:
        limit = descriptors() + room
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        before = Held.now(scratch)
        workload = make_one(probe)
        with pytest.raises(LimitReached) as caught:
            workload.grow(1000)
        stopped = caught.value
        assert stopped.reason == f"RLIMIT_NOFILE hard limit {limit}"
        assert stopped.reached == workload.level
        assert 8 <= workload.level < limit
        full = Held.now(scratch)
        for n in (1, batch(workload, 50)):
            workload.run(n)
            workload.sample(2, n)
            workload.trace(n)
        same_as(full, scratch)
        workload.grow(4)
        assert workload.level == 4
        workload.run(1)
        workload.close()
        same_as(before, scratch)

    isolated(check)


def test_a_soft_limit_below_the_hard_one_is_no_limit() -> None:
    def check() -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        workload = workload_class(CURVES["fd.open_interleaved"])()
        workload.grow(128)
        assert workload.level == 128
        workload.close()

    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 256:
        pytest.skip("the hard limit is low")
    isolated(check)


@each(PROBES)
def test_hardly_any_descriptor_left_makes_a_workload_or_leaves_nothing(
    probe: Probe, scratch: Path
) -> None:
    before_any = descriptors()
    workload = make_one(probe)
    held = descriptors() - before_any
    workload.close()

    def check(spare: int) -> bool:
        leave_descriptors(spare, hard=True)
        before = descriptors()
        made = True
        try:
            workload = workload_class(probe)(**probe.params)
        except (OSError, NotSupported) as failure:
            told, made = str(failure), False
        else:
            try:
                workload.run(1)
            except OperationFailed as failure:
                told, made = str(failure), False
            workload.close()
        assert made or any(name in told for name in ("EMFILE", "open files", "RLIMIT_NOFILE"))
        assert descriptors() == before
        return made

    made = []
    for spare in (0, 1, 2, 3, 4, 5, 8, held + 32):
        made.append(isolated(check, spare))
        assert list(scratch.iterdir()) == []
    assert made[-1]
    assert made == sorted(made)  # one more never hurts


@needs_statm
def test_memory_that_cannot_be_mapped_ends_the_curve() -> None:
    def check() -> None:
        leave_address_space(64 * MIB)
        workload = Copy()
        workload.grow(MIB)
        with pytest.raises(LimitReached, match=r"^stopped at 1048576: mmap: ENOMEM$") as caught:
            workload.grow(128 * MIB)
        assert caught.value.reached == workload.level == MIB
        assert workload.run(3) > 0
        with pytest.raises(LimitReached):  # the first buffer fits, the second does not
            workload.grow(40 * MIB)
        assert workload.level == MIB
        assert workload.run(3) > 0
        workload.grow(8 * MIB)
        assert workload.level == 8 * MIB
        assert workload.run(3) > 0
        workload.close()

    isolated(check)


@needs_statm
def test_no_memory_at_all_is_said_at_once() -> None:
    def check() -> None:
        leave_address_space(MIB)
        with pytest.raises(NotSupported, match="mmap: ENOMEM"):
            Copy()

    isolated(check)


@needs_statm
def test_maps_stop_where_the_address_space_ends(scratch: Path) -> None:
    def check() -> None:
        before = Held.now(scratch)
        workload = Map()
        workload.grow(64)
        leave_address_space(1000 * resource.getpagesize())
        with pytest.raises(LimitReached, match="mmap: ENOMEM") as caught:
            workload.grow(4096)
        assert caught.value.reached == workload.level > 64
        assert workload.run(workload.max_batch) > 0
        workload.close()
        same_as(before, scratch)

    isolated(check)


@needs_statm
def test_malloc_gives_every_block_back_or_says_that_there_is_none() -> None:
    def check() -> None:
        leave_address_space(32 * MIB)
        workload = Pair(size=100_000)
        assert workload.run(1000) > 0
        workload.close()
        for size in (1 << 30, 1 << 62):
            with pytest.raises(OperationFailed, match=r"^malloc: ENOMEM after 0$"):
                Pair(size=size).run(1000)

    isolated(check)


def methods(workload: Any) -> list[Callable[[int], object]]:
    return [workload.run, workload.trace, lambda n: workload.sample(3, n)]


@pytest.mark.parametrize("method", range(3))
def test_a_limit_met_while_preparing_is_named_and_undone(method: int, scratch: Path) -> None:
    def check() -> None:
        workload = BindEphemeral()
        workload.grow(128)
        before = Held.now(scratch)
        for spare in (3, 5, 0):  # each failure is told by itself, not as the one before
            leave_descriptors(spare)
            with pytest.raises(OperationFailed, match=f"^socket: EMFILE after {spare}$"):
                methods(workload)[method](8)
            allow_descriptors()
            same_as(before, scratch)
        assert methods(workload)[method](8)
        workload.close()

    isolated(check)


@needs_statm
@pytest.mark.parametrize("method", range(3))
def test_a_limit_met_within_a_batch_tells_how_many_succeeded(method: int, scratch: Path) -> None:
    def check() -> None:
        workload = Map()
        workload.grow(512)
        methods(workload)[method](32)
        before = Held.now(scratch)
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        leave_address_space(5 * resource.getpagesize())
        try:
            methods(workload)[method](32)
        except OperationFailed as failure:
            told = (failure.call, failure.after, str(failure))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        assert told == ("mmap", 5, "mmap: ENOMEM after 5")
        same_as(before, scratch)
        assert methods(workload)[method](32)
        workload.close()

    isolated(check)


@pytest.mark.skipif(sys.platform != "linux", reason="no control groups")
def test_the_tightest_of_all_cgroups_limits_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"/sys/fs/cgroup/pids.max": 700}
    monkeypatch.setattr(cyext.core.limits, "number", limits.get)
    most, reason = cyext.process.parents.most_processes("static")
    assert reason == "the cgroup's pids.max 700"
    assert most < 700
