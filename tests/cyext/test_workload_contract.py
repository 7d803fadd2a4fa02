"""What every workload that a probe names must do; new probes are covered by being declared."""

from __future__ import annotations

import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from again import again
from discovered import CURVES, PROBES, batch, each, levels, make, make_one, workload_class
from held import Held, address_space_bytes, descriptors, maps, same_as
from isolated import isolated

import cyext.lock.batons
import cyext.lock.wakeups
import cyext.mmap.mappings
import cyext.net.herd
import cyext.process.parents
import cyext.sched.groups
import cyext.sched.wakeups
import cyext.server.chat
import cyext.switch.rings
import cyext.thread.threads
from cyext.core.workload import LimitReached, run_on
from micro.probes.declaration import Probe

OPERATIONS = 1000
WAITING = 200  # operations that start a process or a thread
FEW = 20
CYCLES = 5
MIB = 1 << 20


def sampled(workload: Any, slices: int, n: int) -> None:
    table = workload.sample(slices, n)
    assert isinstance(table, array.array)
    assert table.typecode == "q"
    assert len(table) == 6 * slices
    assert min(number for i, number in enumerate(table) if i % 6 < 5) > 0
    assert min(table[5::6], default=-1) == -1  # nobody asked whether others ran


@each(PROBES)
def test_a_batch_takes_some_nanoseconds(probe: Probe) -> None:
    workload = make(probe)
    try:
        assert isinstance(workload.run(1), int)
        assert workload.run(batch(workload, WAITING if probe.waits else OPERATIONS)) > 0
    finally:
        workload.close()


@each(PROBES)
def test_a_trace_holds_every_operation(probe: Probe) -> None:
    workload = make(probe)
    try:
        n = batch(workload, 50)
        times = workload.trace(n)
        assert isinstance(times, array.array)
        assert times.typecode == "q"
        assert len(times) == n
        assert min(times) >= 0
        assert max(times) > 0
    finally:
        workload.close()


@each(PROBES)
def test_a_sample_holds_each_slice_between_two_sentinels(probe: Probe) -> None:
    workload = make(probe)
    try:
        sampled(workload, 3, batch(workload, FEW))
        assert len(workload.sample(0, 1)) == 0
    finally:
        workload.close()


@each({name: probe for name, probe in PROBES.items() if probe.counts})
def test_what_a_probe_says_it_counts_is_counted(probe: Probe) -> None:
    workload = make(probe)
    try:
        workload.count(True)
        workload.sample(3, batch(workload, FEW))
        found = workload.counts()
    finally:
        workload.close()
    told = {count.name for count in probe.counts} - {
        "kernel_bytes_per_socket",
        "kernel_bytes_per_connection",
        "user_bytes_per_connection",
    }  # few do
    assert told <= set(found)
    for count in probe.counts:
        assert found.get(count.name, 0.0) >= 0


@each(PROBES)
@pytest.mark.parametrize("method", ["run", "trace", "sample"])
def test_a_batch_of_none_or_too_many_is_refused(probe: Probe, method: str) -> None:
    def check() -> None:  # where it is not refused, it never ends
        workload = make(probe)
        call = {
            "run": workload.run,
            "trace": workload.trace,
            "sample": lambda n: workload.sample(3, n),
        }
        for n in (0, -1, workload.max_batch + 1):
            with pytest.raises(ValueError, match=f"{n}$"):
                call[method](n)
        assert workload.run(1) >= 0
        workload.close()

    isolated(check)


@each(PROBES)
def test_close_comes_twice_and_ends_all_runs(probe: Probe) -> None:
    workload = make(probe)
    workload.run(1)
    workload.close()
    workload.close()
    for call in (lambda: workload.run(1), lambda: workload.trace(1), lambda: workload.sample(1, 1)):
        with pytest.raises(ValueError, match="closed"):
            call()
    workload.close()


@each(PROBES)
def test_a_workload_that_never_ran_closes(probe: Probe, scratch: Path) -> None:
    before = Held.now(scratch)
    make(probe).close()
    same_as(before, scratch)


def few(probe: Probe) -> int:
    return 4 if probe.waits else FEW


def live(probe: Probe) -> None:
    workload = make(probe)
    try:
        for level in levels(probe) if probe.name in CURVES else [None]:
            if level is not None:
                workload.grow(level)
            workload.run(1)
            workload.run(batch(workload, few(probe)))
            workload.trace(batch(workload, few(probe)))
            workload.sample(2, batch(workload, 2))
    finally:
        workload.close()


@each(PROBES)
def test_a_closed_workload_leaves_nothing_behind(probe: Probe, scratch: Path) -> None:
    def cycles() -> None:
        for _ in range(2):  # the C library keeps thread stacks and arenas
            live(probe)
        before = Held.now(scratch)
        assert before.scratch_files == frozenset()

        def grown() -> tuple[int, int]:
            maps_before, bytes_before = maps(), address_space_bytes()
            for _ in range(CYCLES):
                live(probe)
            same_as(before, scratch)
            return maps() - maps_before, address_space_bytes() - bytes_before

        # Less than one map, and than one MiB, each time: the interpreter's own heap may grow. And
        # where a thread ends late, the C library maps another stack, once: a leak goes on.
        most = (CYCLES - 1, CYCLES * MIB - 1)

        def little(found: tuple[int, int]) -> bool:
            return all(more <= enough for more, enough in zip(found, most, strict=True))

        found = again(grown, little, tries=3)
        assert little(found), found

    isolated(cycles)


@each(PROBES)
def test_a_workload_dropped_without_close_is_no_crash(probe: Probe) -> None:
    def drop() -> None:
        for _ in range(3):
            workload = make(probe)
            workload.run(1)
            del workload

    isolated(drop)


@each(PROBES)
def test_a_batch_gives_back_what_it_took(probe: Probe, scratch: Path) -> None:
    def check() -> None:
        workload = make(probe)
        for level in levels(probe) if probe.name in CURVES else [None]:
            if level is not None:
                workload.grow(level)
            workload.run(batch(workload, few(probe)))  # what it keeps for the next batch is there
            before, maps_before = Held.now(scratch), maps()
            for n in (batch(workload, few(probe)), 1, batch(workload, few(probe))):
                workload.run(n)
                same_as(before, scratch)
                workload.trace(n)
                same_as(before, scratch)
                workload.sample(2, n)
                same_as(before, scratch)
            assert maps() - maps_before < max(few(probe), 9)  # a map a batch would be nine
        workload.close()

    isolated(check)


@each(CURVES)
def test_grow_goes_up_and_down_to_the_level_asked(probe: Probe, scratch: Path) -> None:
    def check() -> None:
        low, *_, high = known = levels(probe)
        middle = known[len(known) // 2]
        workload = make(probe)
        first: dict[int, Held] = {}
        for level in (low, middle, high, high, low, high, middle, low):
            workload.grow(level)
            assert workload.level == level
            assert workload.max_batch >= 1
            largest = workload.max_batch if workload.max_batch < OPERATIONS else FEW
            sampled(workload, 1, largest)
            assert len(workload.trace(largest)) == largest
            # What is held follows from the level, not from how it was reached.
            same_as(first.setdefault(level, Held.now(scratch)), scratch)
        workload.close()

    isolated(check)


@each(CURVES)
def test_asked_for_the_impossible_it_says_where_it_stopped(probe: Probe, scratch: Path) -> None:
    def check() -> None:
        import resource

        assert probe.axis is not None
        files = 1 << 14 if probe.axis.name == "table_slots" else 256
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        # A test does not fill the machine until it refuses.
        cyext.process.parents.most_processes = lambda image: (60, "a limit of 60")
        cyext.process.parents.available_bytes = lambda: 64 * MIB
        cyext.process.parents.most_maps = lambda: (2000, "a limit of 2000")
        cyext.mmap.mappings.MOST_FILES = 1000
        cyext.lock.batons.MOST_TASKS = 60
        cyext.lock.wakeups.MOST_WAITERS = 60
        cyext.net.herd.MOST_WAITERS = 60
        cyext.sched.groups.MOST_GROUPS = 2
        cyext.sched.wakeups.MOST_TASKS = 20
        cyext.server.chat.MOST_ROOMS = 2
        cyext.switch.rings.MOST_TASKS = 60
        cyext.thread.threads.most_threads = lambda stack_bytes: (60, "a limit of 60")
        before = Held.now(scratch)
        workload = make(probe)
        possible = levels(probe)[0]
        workload.grow(possible)
        for impossible in (1 << 40, 1 << 62):
            with pytest.raises(LimitReached) as caught:
                workload.grow(impossible)
            limit = caught.value
            assert limit.reached == workload.level >= possible
            assert limit.reason in str(limit)
            assert str(limit.reached) in str(limit)
            assert workload.run(batch(workload, FEW)) > 0
        # The worker then measures there, or a little below.
        for level in (limit.reached, limit.reached * 9 // 10):
            workload.grow(level)
            assert workload.level == level
            assert workload.run(workload.max_batch if workload.max_batch < OPERATIONS else 1) >= 0
        workload.close()
        same_as(before, scratch)

    isolated(check)


@each(PROBES)
def test_unknown_parameters_are_refused(probe: Probe) -> None:
    with pytest.raises(TypeError):
        workload_class(probe)(**probe.params, nonsense=1)


@pytest.fixture
def two_cpus() -> Iterator[None]:
    """Workloads are told of two CPUs: the lack of one is another refusal than a wrong value's."""
    run_on((0, 1))
    yield
    run_on(())


@each({name: probe for name, probe in PROBES.items() if probe.params})
def test_impossible_values_are_refused(probe: Probe, scratch: Path, two_cpus: None) -> None:
    before = descriptors()
    for name in (name for name, value in probe.params.items() if isinstance(value, str)):
        for wrong in ("no such thing", "", None):
            with pytest.raises(ValueError, match=f"not a value of this parameter: {wrong!r}"):
                workload_class(probe)(**{**probe.params, name: wrong})
    assert descriptors() == before
    assert list(scratch.iterdir()) == []


@each(PROBES)
def test_two_workloads_live_side_by_side(probe: Probe) -> None:
    first, second = make_one(probe), make_one(probe)
    try:
        first.run(1)
        second.run(1)
        first.close()
        assert second.run(batch(second, FEW)) > 0
    finally:
        first.close()
        second.close()
