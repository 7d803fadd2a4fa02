"""Changes of mappings that every CPU of the address space has to hear of."""

import mmap as python_mmap

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.string cimport memset

from cyext.core.workload cimport Workload

from cyext.core.errors import OperationFailed


cdef extern from "os/mapping.h" nogil:
    enum:
        PROT_NONE
        PROT_READ
        PROT_WRITE
    ctypedef struct micro_region_t:
        uintptr_t start
    int micro_map_region(
        micro_region_t *region, int fd, size_t bytes, int huge, const char **call)
    int micro_unmap_region(micro_region_t *region)
    void micro_dirty_range(uintptr_t start, uint64_t n, size_t stride_bytes)
    int mprotect(void *address, size_t length, int protection)
    int munmap(void *address, size_t length)

cdef uint64_t PAGES_A_BATCH = 256


cdef class _Region(Workload):
    """Pages of this member alone, in the address space of all."""

    cdef micro_region_t region
    cdef size_t page_bytes

    def __cinit__(self, *args, **kwargs):
        memset(&self.region, 0, sizeof(self.region))
        self.page_bytes = python_mmap.PAGESIZE

    def __dealloc__(self):
        micro_unmap_region(&self.region)

    cdef int64_t map_pages(self, uint64_t n) noexcept nogil:
        """Map n pages and write to each."""
        cdef const char *call = NULL
        cdef int status = micro_map_region(&self.region, -1, n * self.page_bytes, False, &call)
        if status:
            return self.fail(call, -status, 0)
        micro_dirty_range(self.region.start, n, self.page_bytes)
        return 0

    def close(self):
        """Unmap the pages."""
        micro_unmap_region(&self.region)
        Workload.close(self)


cdef class ProtectShared(_Region):
    """One operation: take write access to a page, which was written to, and give it back."""

    cdef void *page

    def __init__(self):
        cdef int64_t status = self.map_pages(3)
        if status:
            raise self.failure(status)
        self.page = <void *>(self.region.start + self.page_bytes)
        # Between pages without access: the mapping neither splits nor merges.
        if (mprotect(<void *>self.region.start, 3 * self.page_bytes, PROT_NONE) != 0
                or mprotect(self.page, self.page_bytes, PROT_READ | PROT_WRITE) != 0):
            raise OperationFailed("mprotect", errno, 0)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        for i in range(n):
            if (mprotect(self.page, self.page_bytes, PROT_READ) != 0
                    or mprotect(self.page, self.page_bytes, PROT_READ | PROT_WRITE) != 0):
                return self.fail(b"mprotect", errno, i)
        return 0


cdef class UnmapShared(_Region):
    """One operation: munmap() of a page that was written to."""

    cdef uint64_t cursor

    def __init__(self):
        self.max_batch = PAGES_A_BATCH

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        self.cursor = 0
        return self.map_pages(n)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        for i in range(n):
            if munmap(<void *>(self.region.start + self.cursor * self.page_bytes),
                      self.page_bytes) != 0:
                return self.fail(b"munmap", errno, i)
            self.cursor += 1
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        cdef int status = micro_unmap_region(&self.region)
        return self.fail(b"munmap", -status, 0) if status else 0
