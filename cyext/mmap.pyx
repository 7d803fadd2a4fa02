"""Mapping pages of a file, and touching them."""

import errno as errno_names
import mmap as python_mmap

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.stdlib cimport free, realloc

from cyext.kernel cimport Kernel
from cyext.resources cimport batch_at, level_within

from cyext.kernel import LimitReached, NotSupported
from cyext.scratch import ScratchFile


cdef extern from "os/mapping.h" nogil:
    uintptr_t micro_map_page(int fd, int64_t offset, size_t page_bytes)
    void micro_touch(uintptr_t address)
    int munmap(void *address, size_t length)
    ssize_t pread(int fd, void *buffer, size_t count, int64_t offset)

# Maps left free below the system's limit, for the allocator and thread stacks.
cdef int64_t MAP_HEADROOM = 256
cdef int64_t MOST_MAPS = 1 << 18


def most_maps():
    """How many maps this process may still make, and the limit's name; None where unknown."""
    try:
        with open("/proc/sys/vm/max_map_count", "rb") as file:
            limit = int(file.read())
        with open("/proc/self/maps", "rb") as file:
            used = sum(1 for _ in file)
    except (OSError, ValueError):
        return None, ""
    return max(limit - used - min(MAP_HEADROOM, limit // 4), 0), f"vm.max_map_count {limit}"


cdef class _Maps(Kernel):
    """``level`` live one-page maps, at every second page of one file so that none can merge."""

    cdef object file
    cdef object most
    cdef object limit_name
    cdef int fd
    cdef size_t page_bytes
    cdef uintptr_t *pages
    cdef int64_t count
    cdef int64_t held
    cdef int64_t cursor

    def __cinit__(self):
        self.pages = NULL
        self.count = 0

    def __init__(self):
        self.page_bytes = python_mmap.PAGESIZE
        self.file = ScratchFile(2 * self.page_bytes * (MOST_MAPS + MOST_MAPS // 8))
        self.fd = self.file.fd
        self.most, self.limit_name = most_maps()
        try:
            self.grow(1)
        except LimitReached as limit:
            self.close()
            raise NotSupported(f"no page could be mapped: {limit.reason}") from None

    def __dealloc__(self):
        free(self.pages)

    cdef reserve(self, int64_t capacity):
        cdef uintptr_t *grown = <uintptr_t *>realloc(self.pages, capacity * sizeof(uintptr_t))
        if grown == NULL:
            raise MemoryError(f"no room to note {capacity} maps")
        self.pages = grown

    cdef inline int map_one(self) noexcept nogil:
        cdef uintptr_t page = micro_map_page(
            self.fd, 2 * self.count * <int64_t>self.page_bytes, self.page_bytes)
        if page == 0:
            return errno
        self.pages[self.count] = page
        self.count += 1
        return 0

    cdef int unmap_down_to(self, int64_t count) noexcept nogil:
        cdef int status = 0
        while self.count > count:
            self.count -= 1
            if munmap(<void *>self.pages[self.count], self.page_bytes) != 0:
                status = errno
        return status

    def grow(self, uint64_t level):
        """Map or unmap pages until ``level`` are mapped."""
        cdef int64_t most = MOST_MAPS
        cdef int64_t room = 0
        cdef int status = 0
        reason = f"{MOST_MAPS} maps are enough"
        if self.most is not None:
            room = level_within(self.most)
            if room < most:
                most = room
                reason = self.limit_name
        cdef int64_t goal = min(level, <uint64_t>most)
        cdef int64_t batch = batch_at(goal)
        self.unmap_down_to(goal)
        self.reserve(goal + batch)
        while self.count < goal and status == 0:
            status = self.map_one()
        if status:
            self.unmap_down_to(max(self.count - batch - MAP_HEADROOM, 0))
            reason = f"mmap: {errno_names.errorcode.get(status)}"
        self.held = self.count
        self.cursor = self.held
        self.level = self.held
        self.max_batch = batch_at(self.held)
        if status or <uint64_t>goal < level:
            raise LimitReached(self.held, reason)

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        cdef int status = self.unmap_down_to(self.held)
        self.cursor = self.held
        return self.fail(b"munmap", status, 0) if status else 0

    def close(self):
        """Unmap all pages and remove the file."""
        self.held = 0
        self.unmap_down_to(0)
        if self.file is not None:
            self.file.remove()
            self.file = None
        Kernel.close(self)


cdef class Map(_Maps):
    """One operation, with ``level`` maps live: mmap one page of the file; munmap is not timed."""

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = self.map_one()
            if status:
                return self.fail(b"mmap", status, i)
        return 0


cdef class Touch(_Maps):
    """One operation, with ``level`` maps live: the first read of one byte of one more such map.

    The page is in the page cache already, so this is the minor fault that installs it. Mapping and
    unmapping are not timed.
    """

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        cdef char byte
        for i in range(n):
            if pread(self.fd, &byte, 1, 2 * self.count * <int64_t>self.page_bytes) != 1:
                return self.fail(b"pread", errno, i)
            status = self.map_one()
            if status:
                return self.fail(b"mmap", status, i)
        self.cursor = self.held
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t _i
        for _i in range(n):
            micro_touch(self.pages[self.cursor])
            self.cursor += 1
        return 0
