"""Pages that are given back to the system, while their addresses stay mapped."""

import mmap as python_mmap
import os

from libc.errno cimport EOPNOTSUPP, errno
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.string cimport memset

from cyext.core.workload cimport Workload

from cyext.core.errors import NotSupported, OperationFailed
from cyext.core.resources import mapping_refused
from cyext.mmap.mapped import Mapped


cdef extern from "os/mapping.h" nogil:
    int MADV_DONTNEED
    int MAP_SHARED
    ctypedef struct micro_region_t:
        uintptr_t start
    int micro_map_region_as(
        micro_region_t *region, int flags, int fd, size_t bytes, int huge, const char **call)
    int micro_unmap_region(micro_region_t *region)
    void micro_touch(uintptr_t address)
    void micro_dirty(uintptr_t address)
    int madvise(void *address, size_t length, int advice)

# The pages of a batch lie in one page table, which is there before the batch begins. Those of a
# file lie so far apart that Linux does not map the next one in the same fault.
cdef uint64_t PAGES_A_BATCH = 256
cdef uint64_t PAGES_OF_FILE_A_BATCH = 32
cdef size_t FAULT_AROUND_BYTES = 64 << 10


cdef class Discard(Workload):
    """One operation: write to a page, madvise(MADV_DONTNEED) it, read it.

    ``map`` is "memory" (private and anonymous) or a map of a file in memory, "shared" or "private".
    The page is mapped by no page table before. What is read is zero again, or, of a shared map,
    what was written. Mapping and unmapping are not timed.
    """

    cdef micro_region_t region
    cdef object mapped
    cdef int flags
    cdef int fd
    cdef size_t stride_bytes
    cdef size_t page_bytes
    cdef uint64_t cursor

    def __cinit__(self, *args, **kwargs):
        memset(&self.region, 0, sizeof(self.region))

    def __init__(self, map="memory"):
        self.mapped = Mapped(map)
        self.flags = self.mapped.flags
        self.fd = self.mapped.fd
        self.page_bytes = python_mmap.PAGESIZE
        self.max_batch = PAGES_A_BATCH if self.fd < 0 else PAGES_OF_FILE_A_BATCH
        self.stride_bytes = self.page_bytes if self.fd < 0 else FAULT_AROUND_BYTES
        try:
            self.lay_out()
            self.run(1)
        except OperationFailed as failure:
            self.close()
            reason = mapping_refused(failure.call, failure.errno)
            raise NotSupported(f"no page could be discarded: {reason}") from None

    cdef lay_out(self):
        """Let the file, if there is one, have the pages of a batch, and holes between them."""
        cdef uint64_t i
        if self.fd < 0:
            return
        try:
            os.ftruncate(self.fd, self.bytes())
            for i in range(self.max_batch):
                os.pwrite(self.fd, b"\0", i * self.stride_bytes)
        except OSError as error:
            raise OperationFailed("pwrite", error.errno or 0, 0) from None

    cdef size_t bytes(self) noexcept nogil:
        return self.max_batch * self.stride_bytes

    def __dealloc__(self):
        micro_unmap_region(&self.region)

    cdef uintptr_t page(self, uint64_t number) noexcept nogil:
        return self.region.start + number * self.stride_bytes

    cdef int discard(self, uint64_t number) noexcept nogil:
        return madvise(<void *>self.page(number), self.page_bytes, MADV_DONTNEED)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef const char *call = NULL
        cdef int status = micro_map_region_as(
            &self.region, self.flags, self.fd, self.bytes(), False, &call)
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
        """Unmap the pages; fails where one of them was not discarded, or a shared file's was."""
        cdef char found = 1 if self.flags == MAP_SHARED else 0
        cdef uint64_t i
        cdef int64_t kept = 0
        cdef int status
        for i in range(self.cursor):
            if (<const char *>self.page(i))[0] != found:
                kept = self.fail(b"madvise", EOPNOTSUPP, i)
                break
        status = micro_unmap_region(&self.region)
        return kept or (self.fail(b"munmap", -status, 0) if status else 0)

    def close(self):
        """Unmap what a failed batch left, and close the file."""
        micro_unmap_region(&self.region)
        if self.mapped is not None:
            self.mapped.remove()
        Workload.close(self)
