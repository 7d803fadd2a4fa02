"""What the workloads of mappings and of forks of large parents really map, touch and hold."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import sys
from pathlib import Path
from typing import Any

import pytest
from again import again
from discovered import PROBES, each, make_one
from held import Held, children, descriptors, leave_address_space, leave_descriptors, maps, same_as
from isolated import isolated

import cyext.process.parents
from cyext.core.page_sizes import SMALL_PAGES
from cyext.core.resources import mapping_refused
from cyext.core.workload import LimitReached, NotSupported, OperationFailed
from cyext.memory.moves import Latency
from cyext.mmap.mappings import ManyFiles, Protect, Unmap
from cyext.mmap.page_faults import FaultAnon, FaultFile, Length
from cyext.mmap.unmapping import Unmap as UnmapPages
from cyext.process.parents import ForkMaps, ForkRss
from micro.probes.declaration import Probe

KIB, MIB = 1 << 10, 1 << 20
PR_SET_THP_DISABLE = 41
LEVEL = 4 * MIB

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")


def faults_of(workload: Any, n: int) -> int:
    """Page faults of a batch with all that surrounds it, the odd fault of other causes left out."""
    found = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        workload.run(n)
        found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return min(found)


def more_faults(workload: Any, n: int) -> int:
    """Page faults of n operations more: the system may also save one that is usual."""
    return faults_of(workload, 2 * n) - faults_of(workload, n)


@pytest.fixture
def counted_faults() -> None:
    with mmap.mmap(-1, 64 * mmap.PAGESIZE) as fresh:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for page in range(64):
            fresh[page * mmap.PAGESIZE] = 1
        if resource.getrusage(resource.RUSAGE_SELF).ru_minflt == before:
            pytest.skip("this system does not count page faults")


def promised_faults(probe: Probe) -> int:
    level = LEVEL if probe.axis else None
    return probe.promised(probe.params, level).page_faults or 0  # type: ignore[arg-type]


@each({name: probe for name, probe in PROBES.items() if promised_faults(probe)})
@pytest.mark.usefixtures("counted_faults")
def test_as_many_page_faults_as_promised(probe: Probe) -> None:
    workload = make_one(probe)
    try:
        if probe.axis and probe.workers == "single":
            workload.grow(LEVEL if probe.bytes_per_op == "level" else 512)
        n = min(workload.max_batch, 32) // 2
        wanted = n * promised_faults(probe)
        assert again(lambda: more_faults(workload, n), lambda more: more == wanted) == wanted
    finally:
        workload.close()


@pytest.mark.parametrize("workload_class", [Unmap, Protect])
@pytest.mark.usefixtures("counted_faults")
def test_what_is_unmapped_or_protected_was_read_before(workload_class: Any) -> None:
    workload = workload_class()
    workload.grow(512)
    assert again(lambda: more_faults(workload, 16), lambda more: more == 16) == 16
    workload.close()


def without_huge_pages() -> None:
    """From now on this process and its children get no huge page, or skip the test."""
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0):
        pytest.skip("huge pages cannot be switched off")


@pytest.mark.parametrize("workload_class", [FaultAnon, FaultFile, Length, ForkRss])
def test_without_huge_pages_the_setting_is_named(workload_class: Any, scratch: Path) -> None:
    def check() -> None:
        without_huge_pages()
        before = Held.now(scratch)
        with pytest.raises(NotSupported, match="transparent huge page"):
            workload_class(pages="huge")
        workload = workload_class(pages=SMALL_PAGES)
        assert workload.run(2) > 0
        workload.close()
        same_as(before, scratch)

    isolated(check)


def test_a_latency_of_small_pages_is_no_figure_of_huge_ones() -> None:
    """Where the difference begins to show, the curve ends; also the second time."""

    def check() -> None:
        without_huge_pages()
        workload = Latency(pages="huge")
        workload.grow(1 << 12)
        for _ in range(2):
            with pytest.raises(LimitReached, match="transparent huge page") as caught:
                workload.grow(1 << 20)
            assert caught.value.reached == 1 << 12
            assert workload.run(8) > 0
            workload.grow(1 << 12)
        small = Latency(pages=SMALL_PAGES)
        small.grow(1 << 20)
        assert small.run(8) > 0

    isolated(check)


@pytest.mark.parametrize("workload_class", [FaultAnon, Length])
def test_small_pages_in_place_of_huge_ones_are_a_failure(workload_class: Any) -> None:
    def check() -> None:
        try:
            workload = workload_class(pages="huge")
        except NotSupported as reason:
            pytest.skip(str(reason))
        without_huge_pages()
        for operation in (workload.run, workload.trace, lambda n: workload.sample(2, n)):
            with pytest.raises(OperationFailed, match=r"^huge page: ENOMEM"):
                operation(2)
        workload.close()

    isolated(check)


@pytest.mark.parametrize("kind", ["shared", "private"])
def test_a_file_that_the_system_does_not_let_grow_is_an_error_by_name(
    kind: str, scratch: Path
) -> None:
    def check() -> None:
        before = Held.now(scratch)
        workload = UnmapPages(map=kind)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16 * mmap.PAGESIZE, 16 * mmap.PAGESIZE))
        workload.grow(16)
        assert workload.run(2) > 0
        with pytest.raises(OperationFailed, match=r"^pwrite: EFBIG after 0$"):
            workload.grow(64)
        workload.close()
        same_as(before, scratch)

    isolated(check)


@needs_proc
def test_each_file_is_mapped_by_itself_and_no_descriptor_stays(scratch: Path) -> None:
    workload = ManyFiles()
    before = descriptors()
    for level in (1, 100, 8, 64):
        workload.grow(level)
        mapped = [
            line.split()[-1]
            for line in Path("/proc/self/maps").read_text().splitlines()
            if str(scratch) in line
        ]
        assert len(mapped) == len(set(mapped)) == level
        assert sum(path.is_file() for path in scratch.rglob("*")) == level + workload.max_batch
        workload.run(workload.max_batch)
        assert descriptors() == before
    workload.close()
    assert list(scratch.iterdir()) == []


def test_few_descriptors_make_small_batches_and_no_fewer_files(scratch: Path) -> None:
    def check() -> None:
        leave_descriptors(6, hard=True)
        workload = ManyFiles()
        workload.grow(500)
        assert workload.level == 500
        assert workload.max_batch < 6
        assert workload.run(workload.max_batch) > 0
        workload.close()

    isolated(check)
    assert list(scratch.iterdir()) == []


def test_files_that_cannot_be_written_end_the_curve(scratch: Path) -> None:
    def check() -> None:
        workload = ManyFiles()
        workload.grow(300)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        with pytest.raises(LimitReached, match=r"^stopped at \d+: open: EFBIG$") as caught:
            workload.grow(1000)
        assert caught.value.reached == workload.level == 300
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert workload.run(workload.max_batch) > 0
        workload.close()

    isolated(check)
    assert list(scratch.iterdir()) == []


def status_kib(process: int, key: str, file: str = "status") -> int:
    for line in Path(f"/proc/{process}/{file}").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    pytest.skip(f"this system does not tell {key}")


@needs_proc
@pytest.mark.parametrize("pages", [SMALL_PAGES, "huge"])
def test_the_parent_holds_the_memory_that_the_level_says(pages: str) -> None:
    def check() -> None:
        try:
            workload = ForkRss(pages=pages)
        except NotSupported as reason:
            pytest.skip(str(reason))
        (parent,) = children()
        # Of its page tables: the sums in `status` lag behind on a machine with many CPUs.
        empty = status_kib(parent, "Anonymous", "smaps_rollup")
        for level in (8 * MIB, 32 * MIB, 4 * MIB):
            workload.grow(level)
            workload.run(2)
            held = status_kib(parent, "Anonymous", "smaps_rollup") - empty
            assert level // KIB <= held + 2 * MIB // KIB <= level // KIB + 4 * MIB // KIB
            huge = status_kib(parent, "AnonHugePages", "smaps_rollup")
            assert huge == (level // KIB if pages == "huge" else 0)
        workload.close()

    isolated(check)


@needs_proc
def test_the_parent_has_as_many_maps_more_as_the_level_says() -> None:
    def check() -> None:
        workload = ForkMaps()
        (parent,) = children()

        def maps_of_parent() -> int:
            return Path(f"/proc/{parent}/maps").read_bytes().count(b"\n")

        workload.grow(100)
        own = maps_of_parent() - 100
        assert own < 60
        for level in (1000, 16, 501):
            workload.grow(level)
            workload.run(2)
            assert maps_of_parent() == own + level
        workload.close()

    isolated(check)


def test_maps_of_the_parent_end_at_the_systems_limit() -> None:
    def check() -> None:
        workload = ForkMaps()
        with pytest.raises(LimitReached, match=r"vm\.max_map_count \d+$") as caught:
            workload.grow(1 << 30)
        assert workload.level == caught.value.reached > 100
        assert workload.run(1) > 0
        workload.close()

    if not Path("/proc/sys/vm/max_map_count").exists():
        pytest.skip("no limit known")
    isolated(check)


def test_memory_that_the_parent_does_not_get_is_named_and_it_keeps_what_it_had() -> None:
    def check() -> None:
        cyext.process.parents.available_bytes = lambda: 1 << 40
        leave_address_space(256 * MIB)
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        workload = ForkRss()
        workload.grow(16 * MIB)
        with pytest.raises(LimitReached) as caught:
            workload.grow(1 << 38)
        assert caught.value.reason == f"mmap: ENOMEM, RLIMIT_AS {limit}"
        assert caught.value.reached == workload.level == 16 * MIB
        assert workload.run(2) > 0
        workload.close()

    isolated(check)


def test_a_refusal_is_named_where_the_limit_cannot_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(_: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(resource, "getrlimit", refused)
    assert mapping_refused("mmap", errno.ENOMEM) == "mmap: ENOMEM"


def test_a_length_that_is_refused_is_named_and_the_last_one_stays() -> None:
    def check() -> None:
        workload = Length()
        workload.grow(MIB)
        leave_address_space(64 * MIB)
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        with pytest.raises(LimitReached) as caught:
            workload.grow(128 * MIB)
        assert caught.value.reason == f"mmap: ENOMEM, RLIMIT_AS {limit}"
        assert caught.value.reached == workload.level == MIB
        assert workload.run(2) > 0
        workload.close()

    isolated(check)


@pytest.mark.parametrize("length", [1, 5000, 3 * MIB])
@pytest.mark.parametrize("pages", [SMALL_PAGES, "huge"])
def test_any_length_can_be_mapped_and_is_unmapped(length: int, pages: str) -> None:
    def check() -> None:
        try:
            workload = Length(pages=pages)
        except NotSupported as reason:
            pytest.skip(str(reason))
        workload.grow(length)
        workload.run(1)
        before = maps()
        workload.run(5)
        assert maps() == before
        workload.close()

    isolated(check)


def test_a_killed_parent_is_a_failure() -> None:
    def check() -> None:
        workload = ForkMaps()
        (parent,) = children()
        os.kill(parent, 9)
        with pytest.raises(OperationFailed) as caught:
            workload.run(1)
        assert caught.value.errno in (errno.EPIPE, errno.EIO)
        workload.close()

    isolated(check)
