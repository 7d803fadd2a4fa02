"""What memory and allocator kernels hold and touch, beyond the contract of all kernels."""

from __future__ import annotations

import os
import resource
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cyext.kernel import LimitReached, NotSupported, OperationFailed
from cyext.malloc import Churn, Pair, RemoteFree
from cyext.memory import Copy, Latency, Read, Set, Write
from cyext.team import Team
from held import STATM, address_space_bytes, leave_address_space
from isolated import isolated

KIB, MIB = 1 << 10, 1 << 20
SMAPS = Path("/proc/self/smaps")

needs_statm = pytest.mark.skipif(not STATM.exists(), reason="no size of the address space")


def latency(pages: str = "huge") -> Any:
    try:
        return Latency(pages=pages)
    except NotSupported as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("lines", [1, 2, 3, 64, 1000])
@pytest.mark.parametrize("pages", ["huge", "4k"])
def test_the_chase_comes_by_every_line_once(lines: int, pages: str) -> None:
    kernel = latency(pages)
    try:
        kernel.grow(lines * 64)
        visited = []
        for _ in range(lines):
            visited.append(kernel.line)
            kernel.run(1)
        assert sorted(visited) == list(range(lines))
        assert kernel.line == visited[0]
        kernel.run(lines + 1)
        assert kernel.line == visited[1 % lines]
        if lines > 64:  # in an order that no prefetcher follows
            assert sum(abs(a - b) > 2 for a, b in pairwise(visited)) > 900
    finally:
        kernel.close()


def huge_bytes() -> int:
    """Memory of this process that lies on huge pages."""
    lines = [line for line in SMAPS.read_text().splitlines() if line.startswith("AnonHugePages:")]
    return sum(int(line.split()[1]) * KIB for line in lines)


@pytest.mark.skipif(not SMAPS.exists(), reason="this system does not tell pages apart")
def test_pages_are_of_the_kind_asked_for() -> None:
    def check() -> None:
        before = huge_bytes()
        small = latency("4k")
        small.grow(16 * MIB)
        assert huge_bytes() == before
        small.close()
        large = latency("huge")
        large.grow(16 * MIB)
        if huge_bytes() == before:
            pytest.skip("no huge page is free")
        large.close()

    isolated(check)


@pytest.mark.parametrize("kernel_class", [Copy, Set, Write, Read, latency])
def test_buffers_were_touched_before_they_are_timed(kernel_class: Any) -> None:
    kernel = kernel_class()
    try:
        kernel.grow(4 * MIB)
        kernel.run(1)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        kernel.run(70_000 if kernel_class is latency else 3)  # past every line
        assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 64
    finally:
        kernel.close()


@pytest.mark.parametrize(
    ("kernel_class", "kernels"),
    [
        (Copy, ("libc", "loop", "nontemporal", "rep")),
        (Set, ("libc", "rep")),
        (Write, ("loop", "nontemporal")),
        (Read, ("loop", "libc")),
    ],
)
@pytest.mark.parametrize("alignment", ["aligned", "misaligned"])
def test_moves_of_any_size_arrive(
    kernel_class: Any, kernels: tuple[str, ...], alignment: str
) -> None:
    for name in kernels:
        try:
            kernel = kernel_class(kernel=name, alignment=alignment)
        except NotSupported:
            assert name in ("nontemporal", "rep")
            continue
        for size in (1, 2, 15, 16, 17, 100, 4095, 4096, 65_537, MIB):
            kernel.grow(size)
            assert kernel.run(7) > 0  # it looks for itself, and would fail
        kernel.close()


def test_a_loop_tells_how_wide_its_vectors_are() -> None:
    for kernel_class in (Copy, Write, Read):
        kernel = kernel_class(kernel="loop")
        assert kernel.facts()["vector_bits"] in (128, 256)
        kernel.close()
    kernel = Copy()
    assert kernel.facts() == {}
    kernel.close()


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
        kernels = [RemoteFree() for _ in range(5)]
        team = Team(kernels, mode)
        pairs = [None, kernels[0], None, kernels[2], None]
        assert [kernel.giver for kernel in kernels] == (
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
        kernel = Churn()
        kernel.grow(64)
        before = address_space_bytes()
        kernel.grow(1 << 16)
        held = address_space_bytes() - before
        assert held > 40 * MIB  # 65,536 blocks of 765 bytes on average
        kernel.run(200_000)
        assert address_space_bytes() - before < 2 * held
        kernel.close()

    isolated(check)


@needs_statm
def test_a_live_set_that_memory_cannot_hold_ends_the_curve() -> None:
    def check() -> None:
        kernel = Churn()
        kernel.grow(1024)
        leave_address_space(32 * MIB)
        with pytest.raises(LimitReached, match=r"^stopped at 1024: malloc: ENOMEM$") as caught:
            kernel.grow(1 << 17)
        assert caught.value.reached == kernel.level == 1024
        assert kernel.run(1000) > 0
        kernel.close()

    isolated(check)


@needs_statm
def test_a_size_that_malloc_refuses_ends_the_curve() -> None:
    def check() -> None:
        kernel = Pair()
        kernel.grow(4096)
        leave_address_space(32 * MIB)
        with pytest.raises(LimitReached, match=r"^stopped at 4096: malloc: ENOMEM$"):
            kernel.grow(64 * MIB)
        assert kernel.level == 4096
        assert kernel.run(10) > 0
        kernel.close()

    isolated(check)
