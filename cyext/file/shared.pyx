"""Calls that all members of a team make to one file."""

import os

from libc.errno cimport EIO, errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from posix.fcntl cimport O_CLOEXEC, O_RDWR
from posix.unistd cimport close

from cyext.core.workload cimport Workload

from cyext.core.errors import OperationFailed
from cyext.core.parameters import one_of
from cyext.core.scratch import ScratchDirectory
from cyext.file.files import FILE_SYSTEMS


cdef extern from "<fcntl.h>" nogil:
    int openat(int directory, const char *path, int flags)

cdef extern from "<unistd.h>" nogil:
    ssize_t pread(int fd, void *buffer, size_t bytes, long offset)
    ssize_t pwrite(int fd, const void *buffer, size_t bytes, long offset)

cdef extern from "os/mapping.h" nogil:
    int MICRO_SMALL_PAGES
    void *micro_advised_buffer(size_t bytes, int advice, void **base, size_t *length)
    int munmap(void *address, size_t length)

cdef extern from "os/repeated_calls.h" nogil:
    ctypedef struct micro_given_t:
        int fd
        const char *name
        void *buffer
    ctypedef int64_t (*micro_calls_t)(
        const micro_given_t *given, uint64_t n, uint64_t *made) noexcept nogil
    int64_t micro_calls_stat(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_fstat(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_lseek(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_access(const micro_given_t *given, uint64_t n, uint64_t *made)

# What will-it-scale reads and writes at once.
cdef size_t PIECE_BYTES = 4096

cdef enum:
    PREAD
    PWRITE
    OPEN
    STAT
    ACCESS
    FSTAT
    LSEEK

# What each value of ``call`` does, and whether each member has a piece of the file of its own.
CALLS = {
    "pread": (PREAD, False),
    "pread_own": (PREAD, True),
    "pwrite": (PWRITE, False),
    "pwrite_own": (PWRITE, True),
    "open": (OPEN, False),
    "stat": (STAT, False),
    "access": (ACCESS, False),
    "fstat": (FSTAT, False),
    "lseek": (LSEEK, False),
}


cdef class Shared(Workload):
    """One operation: ``call`` of a file of the first member, which all members of a team use.

    Each member has opened it. The first 4 KiB are read or written; or, by pread_own and pwrite_own,
    4 KiB that no other member uses. ``fs`` is "tmpfs" or "temp", as in `cyext.file.files`.
    """

    cdef object home      # the file's directory, of the member that has made both
    cdef int directory
    cdef int fd
    cdef int kind
    cdef bint own_piece
    cdef long offset
    cdef micro_given_t given
    cdef void *base
    cdef size_t base_bytes

    def __cinit__(self, *args, **kwargs):
        self.directory = self.fd = -1
        memset(&self.given, 0, sizeof(self.given))
        self.given.name = b"file"

    def __init__(self, call="pread", fs="tmpfs"):
        self.kind, self.own_piece = one_of(call, CALLS)
        in_memory = one_of(fs, FILE_SYSTEMS)
        self.given.buffer = micro_advised_buffer(
            PIECE_BYTES, MICRO_SMALL_PAGES, &self.base, &self.base_bytes)
        if self.given.buffer == NULL:
            raise OperationFailed("mmap", errno, 0)
        self.home = ScratchDirectory(in_memory)
        try:
            self.use(self.home.fd, 0)
        except BaseException:
            self.close()
            raise

    def __dealloc__(self):
        if self.base != NULL:
            munmap(self.base, self.base_bytes)

    cdef use(self, int home, int index):
        """Open the file that is there, or make it, for member ``index``."""
        # Also the directory anew: who shares a descriptor also shares the count of its users.
        self.directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=home)
        self.fd = os.open(
            self.given.name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=home)
        self.offset = index * PIECE_BYTES if self.own_piece else 0
        if os.pwrite(self.fd, bytes(PIECE_BYTES), self.offset) != PIECE_BYTES:
            raise OperationFailed("pwrite", EIO, 0)
        by_name = self.kind == STAT or self.kind == ACCESS
        self.given.fd = self.directory if by_name else self.fd

    def meet(self, members, index, mode):
        """Use the first member's file."""
        cdef Shared first = members[0]
        if index:
            self.put_away()
            self.use(first.home.fd, index)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        if self.kind == PREAD or self.kind == PWRITE:
            return self.transfer(n)
        if self.kind == OPEN:
            return self.open_and_close(n)
        if self.kind == STAT:
            return self.call(b"stat", micro_calls_stat, n)
        if self.kind == ACCESS:
            return self.call(b"access", micro_calls_access, n)
        if self.kind == FSTAT:
            return self.call(b"fstat", micro_calls_fstat, n)
        return self.call(b"lseek", micro_calls_lseek, n)

    cdef int64_t transfer(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef ssize_t moved
        cdef bint reads = self.kind == PREAD
        cdef const char *name = b"pread"
        if not reads:
            name = b"pwrite"
        for i in range(n):
            if reads:
                moved = pread(self.fd, self.given.buffer, PIECE_BYTES, self.offset)
            else:
                moved = pwrite(self.fd, self.given.buffer, PIECE_BYTES, self.offset)
            if moved != <ssize_t>PIECE_BYTES:
                return self.fail(name, errno if moved < 0 else EIO, i)
        return 0

    cdef int64_t open_and_close(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int fd
        for i in range(n):
            fd = openat(self.directory, self.given.name, O_RDWR | O_CLOEXEC)
            if fd < 0:
                return self.fail(b"open", errno, i)
            if close(fd) != 0:
                return self.fail(b"close", errno, i)
        return 0

    cdef int64_t call(self, const char *name, micro_calls_t calls, uint64_t n) noexcept nogil:
        cdef uint64_t made = 0
        cdef int64_t status = calls(&self.given, n, &made)
        return self.fail(name, -status, made) if status else 0

    cdef put_away(self):
        for fd in {self.fd, self.directory} - {-1}:
            os.close(fd)
        self.fd = self.directory = -1
        if self.home is not None:
            try:
                os.unlink(self.given.name, dir_fd=self.home.fd)
            except FileNotFoundError:  # it never got as far
                pass
            self.home.remove()
            self.home = None

    def close(self):
        """Close the file; whoever has made it also removes it."""
        self.put_away()
        Workload.close(self)
