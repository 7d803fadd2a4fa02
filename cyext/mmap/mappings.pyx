"""One-page maps among many: making, touching, protecting and ending them."""

import errno as errno_names
import mmap as python_mmap

from libc.errno cimport ENOSYS, errno
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.stdlib cimport free, realloc
from posix.unistd cimport close

from cyext.core.workload cimport Workload
from cyext.core.resources cimport Descriptors, batch_at, level_within

from cyext.core.workload import LimitReached, NotSupported
from cyext.core.resources import mapping_refused, most_maps
from cyext.core.scratch import ScratchDirectory, ScratchFile


cdef extern from "os/mapping.h" nogil:
    enum:
        PROT_NONE
    uintptr_t micro_map_page(int fd, int64_t offset, size_t page_bytes)
    void micro_touch(uintptr_t address)
    void micro_touch_each(const uintptr_t *pages, uint64_t n)
    int munmap(void *address, size_t length)
    int mprotect(void *address, size_t length, int protection)
    ssize_t pwrite(int fd, const void *buffer, size_t count, int64_t offset)

cdef extern from "os/numbered_files.h" nogil:
    int micro_open_numbered(int directory, int64_t number)
    int micro_create_numbered(int directory, int64_t number)
    int micro_remove_numbered(int directory, int64_t number)

MOST_FILES = 1 << 15

cdef int64_t MOST_MAPS = 1 << 18
# The file of `MapUnmap`.
cdef uint64_t MOST_MAPPED_BYTES = 1 << 30
# Maps given up below the level where the system said no, beside room for a batch; never so many
# that less is left than before.
cdef int64_t RETREAT = 256
# Linux takes maps from a store of 32 and then fills it again: a shorter batch might never see that.
cdef int64_t MAPS_A_BATCH = 64
# What surrounds the touch of a page costs several times as much: short batches, short visits.
cdef int64_t TOUCHES_A_BATCH = 128


cdef class _Maps(Workload):
    """``level`` live one-page maps that cannot merge; ``map_one`` makes the next."""

    cdef object most
    cdef int64_t allowed
    cdef object limit_name
    cdef size_t page_bytes
    cdef uintptr_t *pages
    cdef int64_t count
    cdef int64_t held

    def __cinit__(self):
        self.pages = NULL
        self.count = 0
        self.held = 0

    def __init__(self, most=MOST_MAPS):
        self.page_bytes = python_mmap.PAGESIZE
        self.most, self.limit_name = most, f"{most} maps are enough"
        allowed, name = most_maps()
        self.allowed = 2 * MOST_MAPS if allowed is None else allowed
        if level_within(self.allowed) < most:
            self.most, self.limit_name = level_within(self.allowed), name

    def __dealloc__(self):
        free(self.pages)

    cdef reserve(self, int64_t capacity):
        cdef uintptr_t *grown = <uintptr_t *>realloc(self.pages, capacity * sizeof(uintptr_t))
        if grown == NULL:
            raise MemoryError(f"no room to note {capacity} maps")
        self.pages = grown

    cdef int map_one(self) noexcept nogil:
        """Map page number ``count``; 0 or -errno."""
        return -ENOSYS

    cdef int provide(self, int64_t count) noexcept nogil:
        """Make what the first ``count`` maps need, drop what others would; 0 or -errno."""
        return 0

    cdef int64_t batch_within(self, int64_t level):
        """The most operations of a batch at this level."""
        return batch_at(level)

    cdef int unmap_down_to(self, int64_t count) noexcept nogil:
        cdef int status = 0
        while self.count > count:
            self.count -= 1
            if munmap(<void *>self.pages[self.count], self.page_bytes) != 0:
                status = -errno
        return status

    def grow(self, uint64_t level):
        """Map or unmap pages until ``level`` are mapped."""
        cdef int64_t goal = min(level, <uint64_t>self.most)
        cdef int64_t batch = self.batch_within(goal)
        cdef int status
        self.unmap_down_to(goal)
        self.reserve(goal + batch)
        with nogil:
            status = self.provide(goal + batch)
            while self.count < goal and status == 0:
                status = self.map_one()
        if status:
            self.unmap_down_to(max(self.count - batch - RETREAT, self.held))
        self.held = self.count
        self.level = self.held
        self.max_batch = self.batch_within(self.held)
        if status:
            reason = self.refusal(-status)
            self.provide(self.held + self.max_batch)
            raise LimitReached(self.held, reason)
        if <uint64_t>goal < level:
            raise LimitReached(self.held, self.limit_name)

    def refusal(self, error):
        """The reason why another page could not be mapped."""
        return mapping_refused("mmap", error)

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        cdef int status = self.unmap_down_to(self.held)
        return self.fail(b"munmap", -status, 0) if status else 0

    def close(self):
        """Unmap all pages."""
        self.held = 0
        self.unmap_down_to(0)
        Workload.close(self)


cdef class Map(_Maps):
    """One operation, with ``level`` maps live: mmap one page of the file; munmap is not timed.

    The maps are of every second page of one file, so that none can merge.
    """

    cdef object file
    cdef int fd

    def __init__(self):
        _Maps.__init__(self)
        self.file = ScratchFile(2 * self.page_bytes * (MOST_MAPS + MOST_MAPS // 8))
        self.fd = self.file.fd
        self.grow_or_close(1, "no page could be mapped")

    cdef int64_t batch_within(self, int64_t level):
        return max(batch_at(level), min(self.allowed - level, MAPS_A_BATCH))

    cdef int map_one(self) noexcept nogil:
        cdef uintptr_t page = micro_map_page(
            self.fd, 2 * self.count * <int64_t>self.page_bytes, self.page_bytes)
        if page == 0:
            return -errno
        self.pages[self.count] = page
        self.count += 1
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = Map.map_one(self)
            if status:
                return self.fail(b"mmap", -status, i)
        return 0

    def close(self):
        """Unmap all pages and remove the file."""
        _Maps.close(self)
        if self.file is not None:
            self.file.remove()
            self.file = None


cdef class MapUnmap(Workload):
    """One operation: mmap ``level`` bytes of a file, munmap them; no page is touched."""

    cdef object file
    cdef int fd
    cdef size_t size

    def __init__(self):
        self.file = ScratchFile(MOST_MAPPED_BYTES)
        self.fd = self.file.fd
        self.size = python_mmap.PAGESIZE

    def grow(self, uint64_t level):
        """Map ``level`` bytes from now on."""
        self.level = self.size = min(level, MOST_MAPPED_BYTES)
        if self.level < level:
            raise LimitReached(self.level, f"the file has {MOST_MAPPED_BYTES >> 20} MiB")

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef uintptr_t start
        for i in range(n):
            start = micro_map_page(self.fd, 0, self.size)
            if start == 0:
                return self.fail(b"mmap", errno, i)
            if munmap(<void *>start, self.size) != 0:
                return self.fail(b"munmap", errno, i)
        return 0

    def close(self):
        """Remove the file."""
        if self.file is not None:
            self.file.remove()
            self.file = None
        Workload.close(self)


cdef class Touch(Map):
    """One operation, with ``level`` maps live: the first read of one byte of one more such map.

    The page is in the page cache already, so this is the minor fault that installs it. Mapping and
    unmapping are not timed.
    """

    cdef int64_t cursor

    cdef int64_t batch_within(self, int64_t level):
        return min(batch_at(level), TOUCHES_A_BATCH)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            # Written, not read: a full disk says so here, and not by a signal at the first touch.
            if pwrite(self.fd, b"m", 1, 2 * self.count * <int64_t>self.page_bytes) != 1:
                return self.fail(b"pwrite", errno, i)
            status = self.map_one()
            if status:
                return self.fail(b"mmap", -status, i)
        self.cursor = self.held
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        micro_touch_each(&self.pages[self.cursor], n)
        self.cursor += n
        return 0


cdef class _Touched(Touch):
    """Its operations consume maps that were touched."""

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef int64_t status = Touch.prepare(self, n)
        if status == 0:
            Touch.loop(self, n)
        self.cursor = self.held
        return status


cdef class Unmap(_Touched):
    """One operation, with ``level`` maps live: munmap of one more such map, whose page was read."""

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        for i in range(n):
            if munmap(<void *>self.pages[self.count - 1], self.page_bytes) != 0:
                return self.fail(b"munmap", errno, i)
            self.count -= 1
        return 0


cdef class Protect(_Touched):
    """One operation, with ``level`` maps live: mprotect takes all access to one more such map.

    Its page was read, so that there is a page table entry to change and to flush.
    """

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        for i in range(n):
            if mprotect(<void *>self.pages[self.cursor], self.page_bytes, PROT_NONE) != 0:
                return self.fail(b"mprotect", errno, i)
            self.cursor += 1
        return 0


cdef class ManyFiles(_Maps):
    """One operation, with ``level`` files mapped: mmap one page of one more, read its first byte.

    Every map is of a small file of its own. A descriptor is needed until its file is mapped, and
    no longer: those of a batch are opened before and closed after it, not timed, so that the price
    is that of the map, neither that of open() nor that of many open descriptors.
    """

    cdef object directory
    cdef Descriptors opened
    cdef int directory_fd
    cdef int64_t files
    cdef int64_t batch_max
    cdef int64_t cursor
    cdef const char *refusing

    def __init__(self):
        _Maps.__init__(self, MOST_FILES)
        self.opened = Descriptors()
        self.directory = ScratchDirectory()
        self.directory_fd = self.directory.fd
        self.batch_max = self.opened.room()
        if self.batch_max < 1:
            self.close()
            raise NotSupported(f"no file could be opened: {self.opened.limit_reason()}")
        self.grow_or_close(1, "no page could be mapped")

    cdef int64_t batch_within(self, int64_t level):
        return min(batch_at(level), self.batch_max)

    cdef int provide(self, int64_t count) noexcept nogil:
        cdef int status = 0
        self.refusing = b"open"
        while self.files > count:
            self.files -= 1
            micro_remove_numbered(self.directory_fd, self.files)
        while self.files < count and status == 0:
            status = micro_create_numbered(self.directory_fd, self.files)
            self.files += status == 0
        return status

    cdef inline int map_and_touch(self, int fd) noexcept nogil:
        cdef uintptr_t page = micro_map_page(fd, 0, self.page_bytes)
        if page == 0:
            return -errno
        micro_touch(page)
        self.pages[self.count] = page
        self.count += 1
        return 0

    cdef int map_one(self) noexcept nogil:
        cdef int status
        cdef int fd = micro_open_numbered(self.directory_fd, self.count)
        if fd < 0:
            self.refusing = b"open"
            return fd
        self.refusing = b"mmap"
        status = self.map_and_touch(fd)
        close(fd)
        return status

    def refusal(self, error):
        """The reason why another file could not be made, opened or mapped."""
        reason = mapping_refused(self.refusing.decode(), error)
        if error == errno_names.EMFILE:
            return f"{reason}, {self.opened.limit_reason()}"
        if error in (errno_names.ENOSPC, errno_names.EDQUOT):
            return f"{reason}, no room where TMPDIR points to"
        return reason

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int fd
        self.cursor = 0
        for i in range(n):
            fd = micro_open_numbered(self.directory_fd, self.held + <int64_t>i)
            if fd < 0:
                return self.fail(b"open", -fd, i)
            self.opened.push(fd)
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = self.map_and_touch(self.opened.fds[self.cursor])
            if status:
                return self.fail(b"mmap", -status, i)
            self.cursor += 1
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        self.opened.close_down_to(0)
        return _Maps.restore(self, n)

    cdef reserve(self, int64_t capacity):
        _Maps.reserve(self, capacity)
        self.opened.reserve(capacity)

    def close(self):
        """Unmap all files and remove them."""
        _Maps.close(self)
        if self.directory is not None:
            self.provide(0)
            self.directory.remove()
            self.directory = None
