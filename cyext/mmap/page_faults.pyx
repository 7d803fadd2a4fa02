"""Page faults: the first touch of a page, small or huge, and of all pages of a length."""

import mmap as python_mmap
import os

from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t, uint64_t, uintptr_t

from cyext.core.workload cimport Workload

from cyext.core.workload import LimitReached, NotSupported, OperationFailed
from cyext.core.limits import available_bytes
from cyext.core.page_sizes import SMALL_PAGES, no_huge_pages, wants_huge_pages
from cyext.core.resources import mapping_refused
from cyext.core.scratch import MemoryFile, ScratchFile, cached_file


cdef extern from "os/mapping.h" nogil:
    size_t MICRO_HUGE_PAGE_BYTES
    ctypedef struct micro_region_t:
        uintptr_t start
    int micro_map_region(
        micro_region_t *region, int fd, size_t bytes, int huge, const char **call)
    int micro_unmap_region(micro_region_t *region)
    int micro_map_dirty_unmap(
        uintptr_t hint, size_t bytes, size_t page_bytes, int huge, const char **call)
    void micro_touch_range(uintptr_t start, uint64_t n, size_t stride_bytes)
    void micro_dirty_range(uintptr_t start, uint64_t n, size_t stride_bytes)
    int64_t micro_minor_faults()
    int micro_fell_back(int64_t faults, int64_t huge_pages)
    void micro_collapse(uintptr_t start, size_t bytes)
    int micro_map_over(uintptr_t address, int fd, size_t bytes)

# Linux maps up to 16 cached pages of a file in one fault; this far apart, each has its own.
cdef size_t FAULT_AROUND_BYTES = 64 << 10
# The largest file of `FaultAround`, in pages, and its mappings in a batch.
cdef uint64_t MOST_PAGES = 1 << 14
cdef uint64_t MAPS_A_BATCH = 32
cdef uint64_t SMALL_PAGES_A_BATCH = 1024
# Zeroed pages are those that the batch before gave back. As many as fit into a core's second cache:
# in a larger batch a page would cost more.
cdef uint64_t ZEROED_PAGES_A_BATCH = 128
cdef uint64_t HUGE_PAGES_A_BATCH = 16


cdef class _Faults(Workload):
    """Fresh pages for each batch, ``stride_bytes`` apart, to be touched once each."""

    cdef micro_region_t region
    cdef size_t stride_bytes
    cdef bint huge
    cdef int fd
    cdef uint64_t touched

    def __cinit__(self):
        self.fd = -1

    cdef begin(self, uint64_t small_pages, why):
        """Touch one page for a trial, or say why the system gives none of that size.

        A batch has so many small pages at most.
        """
        self.max_batch = HUGE_PAGES_A_BATCH if self.huge else small_pages
        try:
            self.run(1)
        except OperationFailed as failure:
            self.close()
            if failure.call != "huge page":
                why = mapping_refused(failure.call, failure.errno)
            raise NotSupported(f"no page could be touched: {why}") from None

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef const char *call = NULL
        cdef int status = micro_map_region(
            &self.region, self.fd, n * self.stride_bytes, self.huge, &call)
        self.touched = 0
        return self.fail(call, -status, 0) if status else 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        cdef int64_t before = micro_minor_faults()
        cdef int64_t status = 0
        cdef int unmapped
        if self.huge and self.touched:
            # A huge page that was had leaves nothing to fault for the small ones in its place.
            micro_touch_range(self.region.start, self.touched * self.stride_bytes // 4096, 4096)
            if micro_fell_back(micro_minor_faults() - before, 0):
                status = self.fail(b"huge page", ENOMEM, 0)
        unmapped = micro_unmap_region(&self.region)
        return self.fail(b"munmap", -unmapped, 0) if unmapped else status

    def close(self):
        """Unmap what a failed batch left."""
        micro_unmap_region(&self.region)
        Workload.close(self)


cdef class FaultAnon(_Faults):
    """One operation: the first write of one page of anonymous memory, which the system zeroes.

    ``pages`` is 4k, or whatever the system's own size is (huge ones advised against), or huge
    (advised). A batch in which the system gave small pages in place of a huge one has failed.
    Mapping and unmapping are not timed.
    """

    def __init__(self, pages=SMALL_PAGES):
        self.huge = wants_huge_pages(pages)
        self.stride_bytes = MICRO_HUGE_PAGE_BYTES if self.huge else python_mmap.PAGESIZE
        self.begin(ZEROED_PAGES_A_BATCH, no_huge_pages())

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        micro_dirty_range(
            self.region.start + self.touched * self.stride_bytes, n, self.stride_bytes)
        self.touched += n
        return 0


cdef class FaultFile(_Faults):
    """One operation: the first read of one page of a shared file mapping, from the page cache.

    Small pages are of a file in the scratch directory. One in 64 KiB is cached and touched: the
    system maps cached neighbours in the same fault, also where random access was advised. Huge
    pages are of a nameless file in memory. Mapping and unmapping are not timed.
    """

    cdef object file

    def __init__(self, pages=SMALL_PAGES):
        self.huge = wants_huge_pages(pages)
        if self.huge:
            self.stride_bytes = MICRO_HUGE_PAGE_BYTES
            self.fill_memory_file()
        else:
            self.stride_bytes = FAULT_AROUND_BYTES
            self.fill_scratch_file()
        self.begin(SMALL_PAGES_A_BATCH, no_huge_pages("shmem_enabled"))

    cdef fill_memory_file(self):
        cdef const char *call = NULL
        cdef size_t size = HUGE_PAGES_A_BATCH * MICRO_HUGE_PAGE_BYTES
        cdef int status
        self.file = MemoryFile()
        self.fd = self.file.fd
        try:
            os.ftruncate(self.fd, size)
        except OSError as error:
            self.close()
            raise OperationFailed("ftruncate", error.errno or 0, 0) from None
        status = micro_map_region(&self.region, self.fd, size, True, &call)
        if status == 0:
            micro_dirty_range(self.region.start, size // 4096, 4096)
            micro_collapse(self.region.start, size)
            status = micro_unmap_region(&self.region)
        if status:
            self.close()
            raise NotSupported(mapping_refused(call.decode(), -status))

    cdef fill_scratch_file(self):
        self.file = ScratchFile(SMALL_PAGES_A_BATCH * FAULT_AROUND_BYTES)
        self.fd = self.file.fd
        try:
            if hasattr(os, "posix_fadvise"):  # or neighbours would be read ahead
                os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_RANDOM)
            for page in range(SMALL_PAGES_A_BATCH):
                os.pwrite(self.fd, b"m", page * FAULT_AROUND_BYTES)
        except OSError:
            self.close()
            raise

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        micro_touch_range(
            self.region.start + self.touched * self.stride_bytes, n, self.stride_bytes)
        self.touched += n
        return 0

    def close(self):
        """Unmap what a failed batch left, and remove the file."""
        _Faults.close(self)
        if self.file is not None:
            self.file.remove()
            self.file = None


cdef class Length(Workload):
    """One operation: mmap ``level`` bytes of anonymous memory, write to each page, munmap.

    ``pages`` is 4k, or whatever the system's own size is (huge ones advised against), or huge
    (advised, the length rounded up to whole ones): a madvise() is part of the operation. A batch
    in which the system gave small pages in place of a huge one has failed.
    """

    cdef size_t size
    cdef size_t page_bytes
    cdef bint huge
    cdef uintptr_t hint
    cdef int64_t faults

    def __init__(self, pages=SMALL_PAGES):
        self.huge = wants_huge_pages(pages)
        self.page_bytes = python_mmap.PAGESIZE
        self.grow_or_close(1, "no page could be mapped")
        self.level = 0  # nobody asked for this one: a curve that stops at once has reached nothing

    def grow(self, uint64_t level):
        """Let an operation map ``level`` bytes, and try it once."""
        cdef uint64_t unit = MICRO_HUGE_PAGE_BYTES if self.huge else self.page_bytes
        cdef size_t before = self.size
        available = available_bytes()
        if available is not None and level > available // 2:
            raise LimitReached(self.level, f"half of {available // 2 ** 20} MiB available memory")
        self.size = (level + unit - 1) // unit * unit
        try:
            self.run(1)
        except OperationFailed as failure:
            self.size = before
            huge = failure.call == "huge page"
            reason = no_huge_pages() if huge else mapping_refused(failure.call, failure.errno)
            raise LimitReached(self.level, reason) from None
        self.level = level

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef micro_region_t region
        cdef const char *call = NULL
        cdef int status = micro_map_region(&region, -1, self.size, self.huge, &call)
        if status:
            return self.fail(call, -status, 0)
        self.hint = region.start
        status = micro_unmap_region(&region)
        self.faults = micro_minor_faults()
        return self.fail(b"munmap", -status, 0) if status else 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef const char *call = NULL
        cdef int status
        for i in range(n):
            status = micro_map_dirty_unmap(
                self.hint, self.size, self.page_bytes, self.huge, &call)
            if status:
                return self.fail(call, -status, i)
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        cdef int64_t huge_pages = self.size // MICRO_HUGE_PAGE_BYTES * n
        if self.huge and micro_fell_back(micro_minor_faults() - self.faults, huge_pages):
            return self.fail(b"huge page", ENOMEM, 0)
        return 0


cdef class FaultAround(Workload):
    """One operation: the first read of one byte of a mapping of ``level`` cached pages of a file.

    In the same fault the system may map the neighbours of that page. Its page table is there.
    """

    cdef micro_region_t region
    cdef object file
    cdef int fd
    cdef size_t page_bytes
    cdef size_t stride_bytes
    cdef uint64_t mapped
    cdef uint64_t cursor

    def __init__(self):
        self.page_bytes = python_mmap.PAGESIZE
        self.file = cached_file()
        self.fd = self.file.fd
        self.max_batch = MAPS_A_BATCH
        self.grow_or_close(1)

    def __dealloc__(self):
        self.put_away()

    cdef put_away(self):
        micro_unmap_region(&self.region)
        if self.file is not None:
            self.file.remove()
            self.file = None

    def grow(self, uint64_t level):
        """Let the file have ``level`` pages, all of them cached."""
        pages = min(level, MOST_PAGES)
        self.file.fill(pages * self.page_bytes, b"\0")
        self.level = pages
        self.lay_out()
        if pages < level:
            raise LimitReached(pages, f"{MOST_PAGES} pages are enough")

    cdef lay_out(self):
        """Addresses for the mappings of a batch, a touched page before each: a page table there."""
        cdef const char *call = NULL
        cdef int status = micro_unmap_region(&self.region)
        self.stride_bytes = (
            (FAULT_AROUND_BYTES + self.level * self.page_bytes + MICRO_HUGE_PAGE_BYTES - 1)
            // MICRO_HUGE_PAGE_BYTES * MICRO_HUGE_PAGE_BYTES)
        status = status or micro_map_region(
            &self.region, -1, MAPS_A_BATCH * self.stride_bytes, False, &call)
        if status:
            raise OperationFailed("munmap" if call == NULL else call.decode(), -status, 0)
        micro_dirty_range(self.region.start, MAPS_A_BATCH, self.stride_bytes)

    cdef int map_at(self, uint64_t i, int fd) noexcept nogil:
        return micro_map_over(
            self.region.start + FAULT_AROUND_BYTES + i * self.stride_bytes, fd,
            self.level * self.page_bytes)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef int status
        self.cursor = 0
        self.mapped = 0
        while self.mapped < n:
            status = self.map_at(self.mapped, self.fd)
            if status:
                return self.fail(b"mmap", -status, self.mapped)
            self.mapped += 1
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        micro_touch_range(
            self.region.start + FAULT_AROUND_BYTES + self.cursor * self.stride_bytes, n,
            self.stride_bytes)
        self.cursor += n
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        cdef int status
        while self.mapped:
            self.mapped -= 1
            status = self.map_at(self.mapped, -1)
            if status:
                return self.fail(b"mmap", -status, n)
        return 0

    def close(self):
        """Unmap and close the file."""
        self.put_away()
        Workload.close(self)
