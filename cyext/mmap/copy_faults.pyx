"""Page faults that copy: the first write to a page that is shared with a file."""

import mmap as python_mmap

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t, uintptr_t

from cyext.core.workload cimport Workload

from cyext.core.scratch import cached_file


cdef extern from "os/mapping.h" nogil:
    void micro_touch_range(uintptr_t start, uint64_t n, size_t stride_bytes)
    void micro_dirty_range(uintptr_t start, uint64_t n, size_t stride_bytes)

cdef extern from "<sys/mman.h>" nogil:
    int PROT_READ
    int PROT_WRITE
    int MAP_PRIVATE
    void *MAP_FAILED
    void *mmap(void *hint, size_t bytes, int protection, int flags, int fd, int64_t offset)
    int munmap(void *start, size_t bytes)

# As many as of zeroed pages, which take longer in a larger batch.
cdef uint64_t PAGES_A_BATCH = 128


cdef class FaultCopy(Workload):
    """One operation: the first write of one byte to a page of a private map of a file.

    The page was read before, so it is mapped: the fault copies it, and maps the copy. Mapping,
    reading and unmapping are not timed.
    """

    cdef object file
    cdef int fd
    cdef size_t page_bytes
    cdef void *mapped
    cdef size_t mapped_bytes
    cdef uint64_t cursor

    def __cinit__(self):
        self.mapped = NULL

    def __init__(self):
        self.page_bytes = python_mmap.PAGESIZE
        self.mapped_bytes = PAGES_A_BATCH * self.page_bytes
        self.max_batch = PAGES_A_BATCH
        self.file = cached_file()
        self.fd = self.file.fd
        try:
            self.file.fill(self.mapped_bytes, b"m")
        except BaseException:
            self.close()
            raise

    def __dealloc__(self):
        self.put_away()

    cdef int unmap(self) noexcept nogil:
        if self.mapped != NULL and munmap(self.mapped, self.mapped_bytes) != 0:
            return errno
        self.mapped = NULL
        return 0

    cdef put_away(self):
        self.unmap()
        if self.file is not None:
            self.file.remove()
            self.file = None

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        self.cursor = 0
        self.mapped = mmap(
            NULL, self.mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, self.fd, 0)
        if self.mapped == MAP_FAILED:
            self.mapped = NULL
            return self.fail(b"mmap", errno, 0)
        micro_touch_range(<uintptr_t>self.mapped, PAGES_A_BATCH, self.page_bytes)
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        micro_dirty_range(
            <uintptr_t>self.mapped + self.cursor * self.page_bytes, n, self.page_bytes)
        self.cursor += n
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        cdef int status = self.unmap()
        return self.fail(b"munmap", status, 0) if status else 0

    def close(self):
        """Unmap and close the file."""
        self.put_away()
        Workload.close(self)
