"""What memory and allocator workloads hold and touch, beyond the contract of all workloads."""

from __future__ import annotations

import os
import resource
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from again import again
from held import STATM, address_space_bytes, leave_address_space
from isolated import isolated

from cyext.core.page_sizes import SMALL_PAGES
from cyext.core.team import Team
from cyext.core.workload import LimitReached, NotSupported, OperationFailed
from cyext.malloc.allocator import Churn, Pair, RemoteFree
from cyext.memory.moves import Copy, Latency, Read, Set, Write

KIB, MIB = 1 << 10, 1 << 20
SMAPS = Path("/proc/self/smaps")

needs_statm = pytest.mark.skipif(not STATM.exists(), reason="no size of the address space")


def latency(pages: str = "huge") -> Any:
    try:
        return Latency(pages=pages)
    except NotSupported as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("lines", [1, 2, 3, 64, 1000])
@pytest.mark.parametrize("pages", ["huge", SMALL_PAGES])
def test_the_chase_comes_by_every_line_once(lines: int, pages: str) -> None:
    workload = latency(pages)
    try:
        for before in (1, 2 * lines, 3, lines // 2):  # a cycle that grows, or begins anew
            workload.grow(max(before, 1) * 64)
        workload.grow(lines * 64)
        visited = []
        for _ in range(lines):
            visited.append(workload.line)
            workload.run(1)
        assert sorted(visited) == list(range(lines))
        assert workload.line == visited[0]
        workload.run(lines + 1)
        assert workload.line == visited[1 % lines]
        if lines > 64:  # in an order that no prefetcher follows
            assert sum(abs(a - b) > 2 for a, b in pairwise(visited)) > 900
    finally:
        workload.close()


def huge_bytes() -> int:
    """Memory of this process that lies on huge pages."""
    lines = [line for line in SMAPS.read_text().splitlines() if line.startswith("AnonHugePages:")]
    return sum(int(line.split()[1]) * KIB for line in lines)


@pytest.mark.skipif(not SMAPS.exists(), reason="this system does not tell pages apart")
def test_pages_are_of_the_kind_asked_for() -> None:
    def check() -> None:
        before = huge_bytes()
        small = latency(SMALL_PAGES)
        small.grow(16 * MIB)
        assert huge_bytes() - before < 8 * MIB  # the interpreter's own memory may be on some
        small.close()
        before = huge_bytes()
        large = latency("huge")
        large.grow(16 * MIB)
        if huge_bytes() <= before:
            pytest.skip("no huge page is free")
        large.close()

    isolated(check)


@pytest.mark.parametrize("workload_class", [Copy, Set, Write, Read, latency])
def test_buffers_were_touched_before_they_are_timed(workload_class: Any) -> None:
    workload = workload_class()
    try:
        workload.grow(4 * MIB)
        workload.run(1)

        def faults() -> int:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            workload.run(70_000 if workload_class is latency else 3)  # past every line
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

        # The system may move pages meanwhile, which are then faulted in again.
        assert again(faults, lambda count: count < 64) < 64
    finally:
        workload.close()


def test_a_buffer_grows_in_place() -> None:
    def check() -> None:
        def faults() -> int:
            workload = latency(SMALL_PAGES)
            workload.grow(8 * MIB)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            workload.grow(9 * MIB)
            found = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
            workload.close()
            return found

        assert again(faults, lambda count: count < 512) < 512

    isolated(check)


@pytest.mark.parametrize(
    ("workload_class", "workloads"),
    [
        (Copy, ("libc", "loop", "nontemporal", "rep")),
        (Set, ("libc", "rep")),
        (Write, ("loop", "nontemporal")),
        (Read, ("loop", "libc")),
    ],
)
@pytest.mark.parametrize("alignment", ["aligned", "misaligned"])
def test_moves_of_any_size_arrive(
    workload_class: Any, workloads: tuple[str, ...], alignment: str
) -> None:
    for name in workloads:
        try:
            workload = workload_class(variant=name, alignment=alignment)
        except NotSupported:
            assert name in ("nontemporal", "rep")
            continue
        for size in (1, 2, 15, 16, 17, 100, 4095, 4096, 65_537, MIB):
            workload.grow(size)
            assert workload.run(7) > 0  # it looks for itself, and would fail
        workload.close()


@needs_statm
def test_a_team_of_copies_has_buffers_of_its_own() -> None:
    def check() -> None:
        before = address_space_bytes()
        team = Team([Copy(size=8 * MIB) for _ in range(3)], "threads")
        assert address_space_bytes() - before >= 3 * 2 * 8 * MIB
        for _ in range(3):  # each copy looks for its bytes, on pages touched anew at first
            assert team.run(2) > 0
        team.close()

    isolated(check)


@pytest.mark.parametrize("members", [1, 2, 3, 4])
def test_blocks_freed_by_others_do_not_pile_up(members: int) -> None:
    def check() -> None:
        team = Team([RemoteFree(size=1000) for _ in range(members)], "threads")
        team.run(20_000)
        before = address_space_bytes()
        for _ in range(5):
            team.run(20_001)
        assert address_space_bytes() - before < 16 * MIB
        assert len(team.trace(20)) == 20
        team.close()

    isolated(check)


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_every_second_thread_frees_for_the_one_before(mode: str) -> None:
    def check() -> None:
        workloads = [RemoteFree() for _ in range(5)]
        team = Team(workloads, mode)
        pairs = [None, workloads[0], None, workloads[2], None]
        assert [workload.giver for workload in workloads] == (
            pairs if mode == "threads" else [None] * 5  # processes share no blocks
        )
        assert team.run(1000) > 0
        team.close()

    isolated(check)


def test_one_cpu_is_enough_for_two_threads_to_hand_over() -> None:
    cpus = sorted(os.sched_getaffinity(0))[:1] if hasattr(os, "sched_getaffinity") else []

    def check() -> None:
        team = Team([RemoteFree(), RemoteFree()], "threads", cpus)
        assert team.run(10_000) > 0
        team.close()

    isolated(check)


@pytest.mark.parametrize("members", [1, 2, 3])
def test_a_giver_without_memory_lets_the_taker_go(members: int) -> None:
    def check() -> None:
        team = Team([RemoteFree(size=1 << 62) for _ in range(members)], "threads")
        for n in (1, 1000):
            with pytest.raises(OperationFailed, match=r"^malloc: ENOMEM after 0$"):
                team.run(n)
        team.close()

    isolated(check)


@needs_statm
def test_live_blocks_live() -> None:
    def check() -> None:
        workload = Churn()
        workload.grow(64)
        before = address_space_bytes()
        workload.grow(1 << 16)
        held = address_space_bytes() - before
        assert held > 40 * MIB  # 65,536 blocks of 765 bytes on average
        workload.run(200_000)
        assert address_space_bytes() - before < 2 * held
        workload.close()

    isolated(check)


@needs_statm
def test_a_live_set_that_memory_cannot_hold_ends_the_curve() -> None:
    def check() -> None:
        workload = Churn()
        workload.grow(1024)
        leave_address_space(32 * MIB)
        with pytest.raises(LimitReached, match=r"^stopped at 1024: malloc: ENOMEM$") as caught:
            workload.grow(1 << 17)
        assert caught.value.reached == workload.level == 1024
        assert workload.run(1000) > 0
        workload.close()

    isolated(check)


@needs_statm
def test_a_size_that_malloc_refuses_ends_the_curve() -> None:
    def check() -> None:
        workload = Pair()
        workload.grow(4096)
        leave_address_space(32 * MIB)
        with pytest.raises(LimitReached, match=r"^stopped at 4096: malloc: ENOMEM$"):
            workload.grow(64 * MIB)
        assert workload.level == 4096
        assert workload.run(10) > 0
        workload.close()

    isolated(check)
