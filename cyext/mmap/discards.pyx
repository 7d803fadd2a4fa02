"""Pages that are given back to the system, while their addresses stay mapped."""

import mmap as python_mmap

from libc.errno cimport EOPNOTSUPP, errno
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.string cimport memset

from cyext.core.workload cimport Workload

from cyext.core.errors import NotSupported, OperationFailed
from cyext.core.resources import mapping_refused


cdef extern from "os/mapping.h" nogil:
    int MADV_DONTNEED
    ctypedef struct micro_region_t:
        uintptr_t start
    int micro_map_region(
        micro_region_t *region, int fd, size_t bytes, int huge, const char **call)
    int micro_unmap_region(micro_region_t *region)
    void micro_touch(uintptr_t address)
    void micro_dirty(uintptr_t address)
    int madvise(void *address, size_t length, int advice)

# In one page table, which is there before the batch begins.
cdef uint64_t PAGES_A_BATCH = 256


cdef class Discard(Workload):
    """One operation: write to a page, madvise(MADV_DONTNEED) it, read it: it is zero again.

    The page is private anonymous memory that was not touched before. Mapping and unmapping are not
    timed.
    """

    cdef micro_region_t region
    cdef size_t page_bytes
    cdef uint64_t cursor

    def __cinit__(self, *args, **kwargs):
        memset(&self.region, 0, sizeof(self.region))

    def __init__(self):
        self.page_bytes = python_mmap.PAGESIZE
        self.max_batch = PAGES_A_BATCH
        try:
            self.run(1)
        except OperationFailed as failure:
            self.close()
            reason = mapping_refused(failure.call, failure.errno)
            raise NotSupported(f"no page could be discarded: {reason}") from None

    def __dealloc__(self):
        micro_unmap_region(&self.region)

    cdef uintptr_t page(self, uint64_t number) noexcept nogil:
        return self.region.start + number * self.page_bytes

    cdef int discard(self, uint64_t number) noexcept nogil:
        return madvise(<void *>self.page(number), self.page_bytes, MADV_DONTNEED)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef const char *call = NULL
        cdef int status = micro_map_region(
            &self.region, -1, PAGES_A_BATCH * self.page_bytes, False, &call)
        self.cursor = 0
        if status:
            return self.fail(call, -status, 0)
        micro_touch(self.page(0))  # for its page table
        return self.fail(b"madvise", errno, 0) if self.discard(0) != 0 else 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        for i in range(n):
            micro_dirty(self.page(self.cursor))
            if self.discard(self.cursor) != 0:
                return self.fail(b"madvise", errno, i)
            micro_touch(self.page(self.cursor))
            self.cursor += 1
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        """Unmap the pages; fails where one of them was not discarded."""
        cdef uint64_t i
        cdef int64_t kept = 0
        cdef int status
        for i in range(self.cursor):
            if (<const char *>self.page(i))[0] != 0:
                kept = self.fail(b"madvise", EOPNOTSUPP, i)
                break
        status = micro_unmap_region(&self.region)
        return kept or (self.fail(b"munmap", -status, 0) if status else 0)

    def close(self):
        """Unmap what a failed batch left."""
        micro_unmap_region(&self.region)
        Workload.close(self)
