"""Mappings: making, touching, protecting and ending them, few and many, short and long."""

from collections.abc import Mapping

from cyext.core.page_sizes import HUGE_PAGE_BYTES, HUGE_PAGES, PAGE_BYTES, SMALL_PAGES
from micro.probes.declaration import Axis, Choice, Headline, Probe, powers_of_four, powers_of_two
from runners.machine.environment import usable_cpus
from runners.model.benchmark import Scalar
from runners.model.count import PAGE_FAULTS
from runners.model.job import Promise

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30
_VON_LEITNER = "von Leitner, Scalable Network Programming (2003)"
_LMBENCH = "lmbench, {} (McVoy and Staelin 1996)"
_MAPS = Axis(
    "maps",
    powers_of_four(16, 1 << 14),
    quick=(16, 256, 4096),
    rigorous=powers_of_two(16, 1 << 16),
)
_FEWER_MAPS = Axis(
    "maps",
    (8, 32, 128, 2048, 8192),
    quick=(8, 128, 2048),
    rigorous=powers_of_two(8, 1 << 16),
)
# The process itself has about a hundred: below that, where its own lie decides as well.
_MANY_MAPS = Axis(
    "maps",
    (256, 1024, 2048, 4096, 8192),
    quick=(256, 4096),
    rigorous=powers_of_two(256, 1 << 14),
)
_TOUCHED = ("no", "read", "written")
_MAP = Choice(("memory", "shared", "private"), usual=("memory",), quick=("memory",))
_BOTH_SIZES, _SMALL = (SMALL_PAGES, HUGE_PAGES), (SMALL_PAGES,)
_PAGES = Choice(_BOTH_SIZES, usual=_BOTH_SIZES, quick=_SMALL)
_USUALLY_SMALL = Choice(_BOTH_SIZES, usual=_SMALL, quick=_SMALL)
_CPUS = len(usable_cpus())
_THREADS = tuple(sorted({1, 2, _CPUS, 4 * _CPUS}))
_MORE_THREADS = tuple(sorted({1, 2, *(_CPUS * k for k in (1, 2, 3, 4))} | {max(1, _CPUS // 2)}))
_ON_CPUS = Axis(
    "threads",
    tuple(t for t in _THREADS if t <= _CPUS),
    quick=tuple(t for t in _THREADS if t in (1, _CPUS)),
    rigorous=_MORE_THREADS,
    kind="members",
)


def _whole(params: Mapping[str, Scalar], level: int | None) -> Promise:
    page_bytes = HUGE_PAGE_BYTES if params["pages"] == HUGE_PAGES else PAGE_BYTES
    faults = -(-(level or 1) // page_bytes)
    return Promise({"mmap": 1, "madvise": 1, "munmap": 1}, page_faults=faults)


PROBES = (
    Probe(
        name="mmap.map",
        workload="cyext.mmap.mappings:Map",
        title="map a page among many maps",
        method="One operation, with maps mappings live, is mmap() of one more page of a file, at "
        "every second page so that mappings cannot merge; munmap() is not timed.",
        source=_VON_LEITNER,
        axis=_MAPS,
        promise=Promise({"mmap": 1}),
        headlines=(Headline("mmap, many maps"),),
    ),
    Probe(
        name="mmap.map_unmap",
        workload="cyext.mmap.mappings:MapUnmap",
        title="map and unmap a length of a file",
        method="One operation is mmap() of length bytes of a file and munmap() of all of them; no "
        "page is touched in between.",
        source="LEBench, mmap and munmap (Ren et al. 2019), with 1, 10, 1,000 and 10,000 pages",
        least_effort="usual",
        axis=Axis(
            "length",
            (4096, 40_960_000),
            quick=(4096,),
            rigorous=(4096, 40_960, 4_096_000, 40_960_000),
            kind="bytes",
        ),
        promise=Promise({"mmap": 1, "munmap": 1}, page_faults=0),
    ),
    Probe(
        name="mmap.touch",
        workload="cyext.mmap.mappings:Touch",
        title="first read of a mapped page",
        method="One operation, with maps mappings live, is the first read of one byte of one more "
        "such mapping, its page being in the page cache; mmap() and munmap() are not timed.",
        source=_VON_LEITNER,
        axis=_FEWER_MAPS,
        counts=(PAGE_FAULTS,),
        promise=Promise(page_faults=1),
        headlines=(Headline("touch, many maps"),),
    ),
    Probe(
        name="mmap.unmap",
        workload="cyext.mmap.mappings:Unmap",
        title="unmap a page among many maps",
        method="One operation, with maps mappings live, is munmap() of one more such mapping, its "
        "page having been read; mmap() and the read are not timed.",
        least_effort="usual",
        source=_VON_LEITNER + ", who never unmapped",
        axis=_MANY_MAPS,
        promise=Promise({"munmap": 1}, page_faults=0),
        headlines=(Headline("munmap, many maps"),),
    ),
    Probe(
        name="mmap.protect",
        workload="cyext.mmap.mappings:Protect",
        title="protect a page among many maps",
        method="One operation, with maps mappings live, is mprotect(PROT_NONE) of one more such "
        "mapping, its page having been read; mmap() and munmap() are not timed.",
        least_effort="usual",
        source="libMicro, mprotect, by the number of maps",
        axis=_MANY_MAPS,
        promise=Promise({"mprotect": 1}, page_faults=0),
        headlines=(Headline("mprotect, many maps"),),
    ),
    Probe(
        name="mmap.many_files",
        workload="cyext.mmap.mappings:ManyFiles",
        title="map and touch one of many small files",
        method="One operation, with files small files mapped, is mmap() of one more, by an open "
        "descriptor, and the first read of its first byte; making, opening, closing and unmapping "
        "it are not timed.",
        least_effort="usual",
        source=_VON_LEITNER + ": maps of one file trigger the worst case of an optimisation",
        axis=Axis(
            "files",
            (1, 16, 64, 256, 1024),
            quick=(1, 16, 256),
            rigorous=powers_of_two(1, 1 << 15),
        ),
        counts=(PAGE_FAULTS,),
        promise=Promise({"mmap": 1}, page_faults=1),
    ),
    Probe(
        name="mmap.unmap_pages",
        workload="cyext.mmap.unmapping:Unmap",
        title="unmap a length",
        method="One operation is munmap() of a map of pages pages, either private "
        "anonymous memory, or a shared or private map of a file in memory; none of its pages was "
        "touched, or each read (without a file, all are the system's one page of zeros), or each "
        "written to (so that each page of a private map is given back); mapping and touching are "
        "not timed.",
        source="LEBench, munmap (Ren et al. 2019), with 1, 10, 1,000 and 10,000 pages; libMicro, "
        "munmap",
        params={"touched": Choice(_TOUCHED, _TOUCHED, ("written",)), "map": _MAP},
        axis=Axis("pages", (1, 10, 1000), quick=(1, 10), rigorous=(1, 10, 100, 1000, 10_000)),
        least_effort="rigorous",
        promise=Promise({"munmap": 1}),
    ),
    Probe(
        name="mmap.fault_anon",
        workload="cyext.mmap.page_faults:FaultAnon",
        title="first write of an anonymous page",
        method="One operation is the first write of one byte of one page of private anonymous "
        "memory, small or huge, which the system zeroes; page tables are new in each batch; "
        "mmap() and munmap() are not timed.",
        source="will-it-scale, page_fault1 (Blanchard)",
        params={"pages": _PAGES},
        counts=(PAGE_FAULTS,),
        promise=Promise(page_faults=1),
        headlines=(Headline("page fault", "Memory", {"pages": SMALL_PAGES}),),
    ),
    Probe(
        name="mmap.fault_file",
        workload="cyext.mmap.page_faults:FaultFile",
        title="first read of a cached page of a file",
        method="One operation is the first read of one byte of one page of a shared file mapping, "
        "the page being cached but not its neighbours, which would be mapped in the same fault; "
        "huge pages are of a memory file; every 32nd page of 4 KiB needs a new page table, and "
        "mmap() and munmap() are not timed.",
        least_effort="usual",
        source=_LMBENCH.format("lat_pagefault"),
        params={"pages": _PAGES},
        counts=(PAGE_FAULTS,),
        promise=Promise(page_faults=1),
    ),
    Probe(
        name="mmap.fault_copy",
        workload="cyext.mmap.copy_faults:FaultCopy",
        title="first write of a page shared with a file",
        method="One operation is the first write of one byte of one page of a private map of "
        "a file in memory, which was read before, so that the fault copies it; mmap(), the reading "
        "and munmap() are not timed.",
        least_effort="rigorous",
        source="will-it-scale, page_fault2 (Blanchard); copy on write",
        counts=(PAGE_FAULTS,),
        promise=Promise(page_faults=1),
    ),
    Probe(
        name="mmap.fault_threads",
        workload="cyext.mmap.page_faults:FaultAnon",
        title="first writes of anonymous pages in many threads",
        method="One operation is the first write of one byte of one page of anonymous memory, in "
        "each thread of one address space, in a mapping of the thread's own; all threads start "
        "at one barrier, thread i runs on CPU i modulo the number of CPUs, and the batch ends "
        "when the last thread ends.",
        least_effort="usual",
        source="will-it-scale, page_fault1 (Blanchard): one address space, one lock",
        params={"pages": _USUALLY_SMALL},
        axis=Axis(
            "threads",
            _THREADS,
            quick=tuple(t for t in _THREADS if t in (1, _CPUS)),
            rigorous=_MORE_THREADS,
            kind="members",
        ),
        workers="threads",
        counts=(PAGE_FAULTS,),
        promise=Promise(page_faults=1),
    ),
    Probe(
        name="mmap.fault_around",
        workload="cyext.mmap.page_faults:FaultAround",
        title="first read in a mapping of many cached pages",
        method="One operation is the first read of one byte of a shared file mapping, where "
        "pages is the length of the mapping in pages; all of them are cached, and the system may "
        "map several of them in the same fault; the page table exists already, and mmap() and "
        "munmap() are not timed.",
        source="LEBench, page fault (Ren et al. 2019), with 1, 10, 1,000 and 10,000 pages",
        axis=Axis("pages", (1, 10, 1000, 10_000), quick=(1, 10)),
        least_effort="usual",
        counts=(PAGE_FAULTS,),
        promise=Promise(page_faults=1),
    ),
    Probe(
        name="mmap.protect_threads",
        workload="cyext.mmap.shootdowns:ProtectShared",
        title="protect a page while other threads run",
        method="One operation is mprotect() of a page to read-only and mprotect() back to "
        "read-write, in each thread of one address space, on a page of the thread's own, so that "
        "each TLB flush goes to the CPUs of all threads; all threads start at one barrier, "
        "thread i runs on CPU i modulo the number of CPUs, and the batch ends when the last "
        "thread ends.",
        source="will-it-scale, tlb_flush1 (Blanchard): TLB shoot-down",
        axis=_ON_CPUS,
        workers="threads",
        least_effort="usual",
        promise=Promise({"mprotect": 2}),
    ),
    Probe(
        name="mmap.unmap_threads",
        workload="cyext.mmap.shootdowns:UnmapShared",
        title="unmap a page while other threads run",
        method="One operation is munmap() of a page that was written to, in each thread of one "
        "address space, on pages of the thread's own, so that each TLB flush goes to the CPUs of "
        "all threads; mmap() and the writes are not timed; all threads start at one barrier, "
        "thread i runs on CPU i modulo the number of CPUs, and the batch ends when the last "
        "thread ends.",
        source="will-it-scale, mmap1 and tlb_flush1 (Blanchard): TLB shoot-down",
        axis=_ON_CPUS,
        workers="threads",
        least_effort="usual",
        promise=Promise({"munmap": 1}),
    ),
    Probe(
        name="mmap.discard",
        workload="cyext.mmap.discards:Discard",
        title="write, discard and read a page",
        method="One operation is the first write of one byte of a page, "
        "madvise(MADV_DONTNEED) of that page, and a read of it; the page is of private anonymous "
        "memory, or of a shared or private map of a file in memory, and the read finds zero or, in "
        "a shared map, what was written; each member of a team has pages of its own, and if the "
        "members are threads, each TLB flush goes to the CPUs of all; mmap() and munmap() are not "
        "timed.",
        source="will-it-scale, tlb_flush1, tlb_flush2 and tlb_flush3 (Blanchard): TLB shoot-down",
        params={"map": _MAP},
        least_effort="rigorous",
        counts=(PAGE_FAULTS,),
        promise=Promise({"madvise": 1}, page_faults=2),
    ),
    Probe(
        name="mmap.length",
        workload="cyext.mmap.page_faults:Length",
        title="map, write and unmap a length of memory",
        method="One operation is mmap() of length bytes of private anonymous memory, madvise() of "
        "the size of its pages, a write to each of them and munmap(); bandwidth counts the length.",
        source=_LMBENCH.format("lat_mmap"),
        params={"pages": _USUALLY_SMALL},
        axis=Axis(
            "length",
            powers_of_four(8 * _KIB, 8 * _MIB),
            quick=(8 * _KIB, 512 * _KIB, 8 * _MIB),
            rigorous=(*powers_of_two(8 * _KIB, 16 * _MIB), 64 * _MIB, 256 * _MIB, _GIB),
            kind="bytes",
        ),
        bytes_per_op="level",
        clock_bound_up_to=_MIB,
        promise=_whole,
    ),
)
