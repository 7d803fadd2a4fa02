"""What every kernel that a probe names must do; new probes are covered by being declared."""

from __future__ import annotations

import array
from pathlib import Path
from typing import Any

import cyext.mmap
import cyext.process
import cyext.thread
import pytest
from cyext.kernel import LimitReached
from discovered import CURVES, PROBES, batch, each, kernel_class, levels, make, make_one
from held import Held, address_space_bytes, descriptors, maps, same_as
from isolated import isolated

from micro.probes.declaration import Probe

OPERATIONS = 1000
WAITING = 200  # operations that start a process or a thread
FEW = 20
CYCLES = 8
MIB = 1 << 20


def sampled(kernel: Any, slices: int, n: int) -> None:
    table = kernel.sample(slices, n)
    assert isinstance(table, array.array)
    assert table.typecode == "q"
    assert len(table) == 5 * slices
    assert min(table) > 0


@each(PROBES)
def test_a_batch_takes_some_nanoseconds(probe: Probe) -> None:
    kernel = make(probe)
    try:
        assert isinstance(kernel.run(1), int)
        assert kernel.run(batch(kernel, WAITING if probe.waits else OPERATIONS)) > 0
    finally:
        kernel.close()


@each(PROBES)
def test_a_trace_holds_every_operation(probe: Probe) -> None:
    kernel = make(probe)
    try:
        n = batch(kernel, 50)
        times = kernel.trace(n)
        assert isinstance(times, array.array)
        assert times.typecode == "q"
        assert len(times) == n
        assert min(times) >= 0
        assert max(times) > 0
    finally:
        kernel.close()


@each(PROBES)
def test_a_sample_holds_each_slice_between_two_sentinels(probe: Probe) -> None:
    kernel = make(probe)
    try:
        sampled(kernel, 3, batch(kernel, FEW))
        assert len(kernel.sample(0, 1)) == 0
    finally:
        kernel.close()


@each(PROBES)
@pytest.mark.parametrize("method", ["run", "trace", "sample"])
def test_a_batch_of_none_or_too_many_is_refused(probe: Probe, method: str) -> None:
    def check() -> None:  # where it is not refused, it never ends
        kernel = make(probe)
        call = {"run": kernel.run, "trace": kernel.trace, "sample": lambda n: kernel.sample(3, n)}
        for n in (0, -1, kernel.max_batch + 1):
            with pytest.raises(ValueError, match=f"{n}$"):
                call[method](n)
        assert kernel.run(1) >= 0
        kernel.close()

    isolated(check)


@each(PROBES)
def test_close_comes_twice_and_ends_all_runs(probe: Probe) -> None:
    kernel = make(probe)
    kernel.run(1)
    kernel.close()
    kernel.close()
    for call in (lambda: kernel.run(1), lambda: kernel.trace(1), lambda: kernel.sample(1, 1)):
        with pytest.raises(ValueError, match="closed"):
            call()
    kernel.close()


@each(PROBES)
def test_a_kernel_that_never_ran_closes(probe: Probe, scratch: Path) -> None:
    before = Held.now(scratch)
    make(probe).close()
    same_as(before, scratch)


def few(probe: Probe) -> int:
    return 4 if probe.waits else FEW


def live(probe: Probe) -> None:
    kernel = make(probe)
    try:
        for level in levels(probe) if probe.name in CURVES else [None]:
            if level is not None:
                kernel.grow(level)
            kernel.run(1)
            kernel.run(batch(kernel, few(probe)))
            kernel.trace(batch(kernel, few(probe)))
            kernel.sample(2, batch(kernel, 2))
    finally:
        kernel.close()


@each(PROBES)
def test_a_closed_kernel_leaves_nothing_behind(probe: Probe, scratch: Path) -> None:
    def cycles() -> None:
        for _ in range(2):  # the C library keeps thread stacks and arenas
            live(probe)
        before = Held.now(scratch)
        assert before.scratch_files == frozenset()
        maps_before, bytes_before = maps(), address_space_bytes()
        for _ in range(CYCLES):
            live(probe)
        same_as(before, scratch)
        # Less than one map, and than one MiB, each time: the interpreter's own heap may grow.
        assert maps() - maps_before < CYCLES
        assert address_space_bytes() - bytes_before < CYCLES * MIB

    isolated(cycles)


@each(PROBES)
def test_a_kernel_dropped_without_close_is_no_crash(probe: Probe) -> None:
    def drop() -> None:
        for _ in range(3):
            kernel = make(probe)
            kernel.run(1)
            del kernel

    isolated(drop)


@each(PROBES)
def test_a_batch_gives_back_what_it_took(probe: Probe, scratch: Path) -> None:
    def check() -> None:
        kernel = make(probe)
        for level in levels(probe) if probe.name in CURVES else [None]:
            if level is not None:
                kernel.grow(level)
            kernel.run(1)
            before, maps_before = Held.now(scratch), maps()
            for n in (batch(kernel, few(probe)), 1, batch(kernel, few(probe))):
                kernel.run(n)
                same_as(before, scratch)
                kernel.trace(n)
                same_as(before, scratch)
                kernel.sample(2, n)
                same_as(before, scratch)
            assert maps() - maps_before < few(probe)
        kernel.close()

    isolated(check)


@each(CURVES)
def test_grow_goes_up_and_down_to_the_level_asked(probe: Probe, scratch: Path) -> None:
    def check() -> None:
        low, *_, high = known = levels(probe)
        middle = known[len(known) // 2]
        kernel = make(probe)
        first: dict[int, Held] = {}
        for level in (low, middle, high, high, low, high, middle, low):
            kernel.grow(level)
            assert kernel.level == level
            assert kernel.max_batch >= 1
            largest = kernel.max_batch if kernel.max_batch < OPERATIONS else FEW
            sampled(kernel, 1, largest)
            assert len(kernel.trace(largest)) == largest
            # What is held follows from the level, not from how it was reached.
            same_as(first.setdefault(level, Held.now(scratch)), scratch)
        kernel.close()

    isolated(check)


@each(CURVES)
def test_asked_for_the_impossible_it_says_where_it_stopped(probe: Probe, scratch: Path) -> None:
    def check() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        # A test does not fill the machine until it refuses.
        cyext.process.most_processes = lambda image: (60, "a limit of 60")
        cyext.process.available_bytes = lambda: 64 * MIB
        cyext.process.most_maps = lambda: (2000, "a limit of 2000")
        cyext.mmap.MOST_FILES = 1000
        cyext.thread.most_threads = lambda stack_bytes: (60, "a limit of 60")
        before = Held.now(scratch)
        kernel = make(probe)
        possible = levels(probe)[0]
        kernel.grow(possible)
        for impossible in (1 << 40, 1 << 62):
            with pytest.raises(LimitReached) as caught:
                kernel.grow(impossible)
            limit = caught.value
            assert limit.reached == kernel.level >= possible
            assert limit.reason in str(limit)
            assert str(limit.reached) in str(limit)
            assert kernel.run(batch(kernel, FEW)) > 0
        # The worker then measures there, or a little below.
        for level in (limit.reached, limit.reached * 9 // 10):
            kernel.grow(level)
            assert kernel.level == level
            assert kernel.run(kernel.max_batch if kernel.max_batch < OPERATIONS else 1) >= 0
        kernel.close()
        same_as(before, scratch)

    isolated(check)


@each(PROBES)
def test_unknown_parameters_are_refused(probe: Probe) -> None:
    with pytest.raises(TypeError):
        kernel_class(probe)(**probe.params, nonsense=1)


@each({name: probe for name, probe in PROBES.items() if probe.params})
def test_impossible_values_are_refused(probe: Probe, scratch: Path) -> None:
    before = descriptors()
    for name, value in probe.params.items():
        for wrong in (-1, 0) if isinstance(value, int) else ("no such thing",):
            with pytest.raises(ValueError, match=name):
                kernel_class(probe)(**{**probe.params, name: wrong})
    assert descriptors() == before
    assert list(scratch.iterdir()) == []


@each(PROBES)
def test_two_kernels_live_side_by_side(probe: Probe) -> None:
    first, second = make_one(probe), make_one(probe)
    try:
        first.run(1)
        second.run(1)
        first.close()
        assert second.run(batch(second, FEW)) > 0
    finally:
        first.close()
        second.close()
