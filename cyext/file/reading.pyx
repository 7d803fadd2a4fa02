"""Reading a cached file: by read calls, and from memory that it is mapped to."""

from libc.errno cimport EIO, errno
from libc.stdint cimport int64_t, uint64_t

from cyext.core.workload cimport Workload

from cyext.core.errors import LimitReached, NotSupported, OperationFailed
from cyext.core.limits import available_bytes
from cyext.core.parameters import one_of
from cyext.core.scratch import ScratchFile


cdef extern from "<sys/mman.h>" nogil:
    int PROT_READ
    int MAP_SHARED
    void *MAP_FAILED
    void *mmap(void *start, size_t bytes, int protection, int flags, int fd, long offset)
    int munmap(void *start, size_t bytes)

cdef extern from "<unistd.h>" nogil:
    ssize_t pread(int fd, void *buffer, size_t bytes, long offset)

cdef extern from "os/mapping.h" nogil:
    int MICRO_HUGE_PAGES
    void *micro_advised_buffer(size_t bytes, int advice, void **base, size_t *length)

cdef extern from "memory/copy_loops.h" nogil:
    enum:
        MICRO_SOURCE_BYTE
    ctypedef uint64_t (*micro_move_t)(
        unsigned char *to, const unsigned char *source, size_t bytes, uint64_t n) noexcept nogil
    ctypedef struct micro_mover_t:
        micro_move_t move
        const char *lacking
    micro_mover_t micro_mover(const char *operation, const char *variant)

# What lmbench's bw_file_rd reads at once.
cdef size_t PIECE_BYTES = 64 << 10
cdef uint64_t LARGEST_FILE = 1 << 30


cdef class _CachedFile(Workload):
    """A file of ``level`` bytes that was just written, so that all of it is in memory."""

    cdef object file
    cdef int fd
    cdef size_t size

    cdef begin(self):
        self.file = ScratchFile()
        self.fd = self.file.fd
        self.grow_or_close(1)
        self.level = 0

    def grow(self, uint64_t level):
        """Read a file of ``level`` bytes from now on."""
        available = available_bytes()
        most = LARGEST_FILE if available is None else min(LARGEST_FILE, available // 4)
        if level > most:
            raise LimitReached(self.level, f"micro reads files of {most} bytes at most")
        try:
            self.file.fill(level, bytes([MICRO_SOURCE_BYTE]))
        except OSError:
            self.close()  # the file is shorter than what was to be read
            raise
        self.level = level
        self.size = level

    def close(self):
        """Remove the file."""
        if self.file is not None:
            self.file.remove()
            self.file = None
        Workload.close(self)


cdef class Read(_CachedFile):
    """One operation: read a file of ``level`` bytes from its start to its end, 64 KiB at a time."""

    cdef void *buffer
    cdef void *base
    cdef size_t base_bytes

    def __init__(self):
        self.buffer = micro_advised_buffer(
            PIECE_BYTES, MICRO_HUGE_PAGES, &self.base, &self.base_bytes)
        if self.buffer == NULL:
            raise OperationFailed("mmap", errno, 0)
        self.begin()

    def __dealloc__(self):
        if self.base != NULL:
            munmap(self.base, self.base_bytes)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef size_t at, piece
        cdef ssize_t got
        for i in range(n):
            at = 0
            while at < self.size:
                piece = min(PIECE_BYTES, self.size - at)
                got = pread(self.fd, self.buffer, piece, at)
                if got != <ssize_t>piece:
                    return self.fail(b"pread", errno if got < 0 else EIO, i)
                at += piece
        return 0


cdef class ReadMapped(_CachedFile):
    """One operation: sum up the ``level`` bytes of a file from memory that it is mapped to.

    ``mapping`` says whether it stays mapped (once), or every operation maps and unmaps it (each).
    """

    cdef bint each
    cdef micro_move_t read
    cdef unsigned char *mapped
    cdef size_t mapped_bytes

    def __init__(self, mapping="once"):
        cdef micro_mover_t mover = micro_mover(b"read", b"loop")
        self.each = one_of(mapping, {"once": False, "each": True})
        if mover.move == NULL:
            raise NotSupported(mover.lacking.decode())
        self.read = mover.move
        self.begin()

    def grow(self, uint64_t level):
        """Read a mapped file of ``level`` bytes from now on."""
        cdef int64_t status = 0
        _CachedFile.grow(self, level)
        if not self.each:
            status = self.unmap(0)
            if status == 0:
                status = self.map(0)
            if status == 0:
                status = self.sum_up(1)  # the first page faults are over
        if status:
            raise self.failure(status)

    def __dealloc__(self):
        self.unmap(0)

    cdef int64_t map(self, uint64_t i) noexcept nogil:
        cdef void *mapped = mmap(NULL, self.size, PROT_READ, MAP_SHARED, self.fd, 0)
        if mapped == MAP_FAILED:
            return self.fail(b"mmap", errno, i)
        self.mapped = <unsigned char *>mapped
        self.mapped_bytes = self.size
        return 0

    cdef int64_t unmap(self, uint64_t i) noexcept nogil:
        cdef void *mapped = self.mapped
        self.mapped = NULL
        if mapped != NULL and munmap(mapped, self.mapped_bytes) != 0:
            return self.fail(b"munmap", errno, i)
        return 0

    cdef int64_t sum_up(self, uint64_t n) noexcept nogil:
        cdef uint64_t right = self.read(NULL, self.mapped, self.size, n)
        return 0 if right == n else self.fail(b"read", EIO, right)  # other bytes than there are

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status, undone
        if not self.each:
            return self.sum_up(n)
        for i in range(n):
            status = self.map(i)
            if status == 0:
                status = self.sum_up(1)
                undone = self.unmap(i)
                status = status if status else undone
            if status:
                return status
        return 0

    def close(self):
        """Unmap and remove the file."""
        self.unmap(0)
        _CachedFile.close(self)
