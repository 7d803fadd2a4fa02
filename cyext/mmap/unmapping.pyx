"""Unmapping several pages, which may have been touched."""

import mmap as python_mmap

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free

from cyext.core.workload cimport Workload

from cyext.core.limits import available_bytes
from cyext.core.parameters import one_of
from cyext.core.resources import mapping_refused
from cyext.core.workload import LimitReached, OperationFailed
from cyext.mmap.mapped import Mapped


cdef extern from "os/mapping.h" nogil:
    ctypedef struct micro_region_t:
        uintptr_t start
    int micro_map_region_as(
        micro_region_t *region, int flags, int fd, size_t bytes, int huge, const char **call)
    int micro_unmap_region(micro_region_t *region)
    void micro_touch_range(uintptr_t start, uint64_t n, size_t stride_bytes)
    void micro_dirty_range(uintptr_t start, uint64_t n, size_t stride_bytes)

cdef extern from "<sys/mman.h>" nogil:
    int munmap(void *start, size_t bytes)

cdef enum:
    UNTOUCHED
    READ
    WRITTEN

TOUCHED = {"no": UNTOUCHED, "read": READ, "written": WRITTEN}
# The most maps of a batch, and the pages that several have together: of 6,400 each took a quarter
# longer to give back than of 3,200, so that the size of a batch would show.
cdef uint64_t MAPS_A_BATCH = 64
cdef uint64_t PAGES_A_BATCH = 256


cdef class Unmap(Workload):
    """One operation: munmap() of a map of ``level`` pages.

    ``map`` is "memory" (private and anonymous) or a map of a file in memory, "shared" or "private".
    Before the batch each page was ``touched``: "no", "read" (without a file, all are the system's
    page of zeros) or "written" (in a private map, each is a page of its own). Mapping and touching
    are not timed.
    """

    cdef micro_region_t *maps
    cdef object mapped
    cdef int flags
    cdef int fd
    cdef uint64_t unmapped
    cdef size_t page_bytes
    cdef int how

    def __cinit__(self, *args, **kwargs):
        self.maps = NULL

    def __init__(self, touched="written", map="memory"):
        self.how = one_of(touched, TOUCHED)
        self.mapped = Mapped(map)
        self.flags = self.mapped.flags
        self.fd = self.mapped.fd
        self.page_bytes = python_mmap.PAGESIZE
        self.maps = <micro_region_t *>calloc(MAPS_A_BATCH, sizeof(micro_region_t))
        if self.maps == NULL:
            self.close()
            raise MemoryError
        self.grow_or_close(1, "no page could be mapped")

    def __dealloc__(self):
        if self.maps != NULL:
            self.unmap_all()
        free(self.maps)

    def grow(self, uint64_t level):
        """Let a map have ``level`` pages, and try it once."""
        available = available_bytes()
        before = self.level, self.max_batch
        if available is not None and level > available // 2 // self.page_bytes:
            raise LimitReached(self.level, f"half of {available // 2 ** 20} MiB available memory")
        self.level = level
        self.max_batch = max(1, min(MAPS_A_BATCH, PAGES_A_BATCH // max(level, 1)))
        try:
            self.mapped.hold(self.bytes())
        except OperationFailed:
            self.close()  # the file is shorter than what would be mapped
            raise
        try:
            self.run(1)
        except OperationFailed as failure:
            self.level, self.max_batch = before
            raise LimitReached(self.level, mapping_refused(failure.call, failure.errno)) from None

    cdef size_t bytes(self) noexcept nogil:
        return max(self.level, <uint64_t>1) * self.page_bytes

    cdef int unmap_all(self) noexcept nogil:
        cdef uint64_t i
        cdef int status = 0
        for i in range(MAPS_A_BATCH):
            status = micro_unmap_region(&self.maps[i]) or status
        return status

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef const char *call = NULL
        cdef int status
        self.unmapped = 0
        for i in range(n):
            status = micro_map_region_as(
                &self.maps[i], self.flags, self.fd, self.bytes(), False, &call)
            if status:
                return self.fail(call, -status, i)
            if self.how == READ:
                micro_touch_range(self.maps[i].start, self.level, self.page_bytes)
            elif self.how == WRITTEN:
                micro_dirty_range(self.maps[i].start, self.level, self.page_bytes)
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef size_t bytes = self.bytes()
        for i in range(n):
            if munmap(<void *>self.maps[self.unmapped].start, bytes) != 0:
                return self.fail(b"munmap", errno, i)
            self.unmapped += 1
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        """Give back what surrounds the maps."""
        cdef int status = self.unmap_all()
        return self.fail(b"munmap", -status, 0) if status else 0

    def close(self):
        """Unmap what a failed batch left, and close the file."""
        if self.maps != NULL:
            self.unmap_all()
        if self.mapped is not None:
            self.mapped.remove()
        Workload.close(self)
