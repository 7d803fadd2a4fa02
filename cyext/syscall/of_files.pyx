"""One system call an operation, of a file: by its name, by its descriptor, of its contents."""

import os

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t

from cyext.syscall.repeated cimport RepeatedCalls, micro_given_t

from cyext.core.errors import LimitReached, OperationFailed
from cyext.core.scratch import ScratchFile, cached_file


cdef extern from "os/repeated_calls.h" nogil:
    int64_t micro_calls_stat(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_access(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_open_missing(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_fstat(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_lseek(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_fcntl(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_isatty(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_pread(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_pwrite(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_msync(const micro_given_t *given, uint64_t n, uint64_t *made)

cdef extern from "<sys/mman.h>" nogil:
    int PROT_READ
    int PROT_WRITE
    int MAP_SHARED
    void *MAP_FAILED
    void *mmap(void *start, size_t bytes, int protection, int flags, int fd, long offset)

# The file in memory of `_Contents`, and the largest it may become.
cdef size_t FILE_BYTES = 1 << 20
cdef size_t MOST_FILE_BYTES = 1 << 26


cdef class _Named(RepeatedCalls):
    """A call that is given a directory, and in it the name of a scratch file plus a suffix."""

    cdef bytes name

    def __init__(self, suffix=b""):
        self.file = ScratchFile()
        self.name = self.file.name + suffix
        self.given.name = self.name
        try:
            self.given.fd = os.open(self.file.directory, os.O_RDONLY | os.O_DIRECTORY)
        except BaseException:
            self.put_away()
            raise


cdef class _Opened(RepeatedCalls):
    """A call that is given an open scratch file."""

    def __init__(self):
        self.file = ScratchFile()
        self.given.fd = self.file.fd


cdef class _Contents(RepeatedCalls):
    """A call on contents of a file in memory, every page of which has memory before."""

    cdef uint64_t file_bytes

    def __init__(self):
        self.file = cached_file()
        self.given.fd = self.file.fd
        try:
            self.hold(FILE_BYTES)
        except BaseException:
            self.put_away()
            raise

    cdef hold(self, uint64_t wanted):
        self.file.fill(wanted, b"\0")
        self.file_bytes = wanted


cdef class _Moved(_Contents):
    """Calls that move ``level`` bytes between a buffer and the start of the file."""

    def grow(self, uint64_t level):
        """Move ``level`` bytes a call."""
        cdef uint64_t goal = min(level, MOST_FILE_BYTES)
        if goal > self.file_bytes:
            self.hold(goal)
            self.begin(self.call, self.calls, goal)
        self.level = goal
        self.given.bytes = goal
        if goal < level:
            raise LimitReached(goal, f"the file holds {MOST_FILE_BYTES >> 20} MiB")


cdef class Stat(_Named):
    """One operation: fstatat() of a file by a name without directories."""

    def __init__(self):
        _Named.__init__(self)
        self.begin(b"stat", micro_calls_stat)


cdef class Access(_Named):
    """One operation: faccessat() of a readable file by a name without directories."""

    def __init__(self):
        _Named.__init__(self)
        self.begin(b"faccessat", micro_calls_access)


cdef class OpenMissing(_Named):
    """One operation: openat() of a name that does not exist, and failed before."""

    def __init__(self):
        _Named.__init__(self, b"-missing")
        self.begin(b"openat", micro_calls_open_missing)


cdef class Fstat(_Opened):
    """One operation: fstat() of an open file."""

    def __init__(self):
        _Opened.__init__(self)
        self.begin(b"fstat", micro_calls_fstat)


cdef class Lseek(_Opened):
    """One operation: lseek() of a file to another offset than it is at."""

    def __init__(self):
        _Opened.__init__(self)
        self.begin(b"lseek", micro_calls_lseek)


cdef class Fcntl(_Opened):
    """One operation: fcntl(F_GETFL) of an open file."""

    def __init__(self):
        _Opened.__init__(self)
        self.begin(b"fcntl", micro_calls_fcntl)


cdef class Isatty(_Opened):
    """One operation: isatty() of an open file, which is no terminal."""

    def __init__(self):
        _Opened.__init__(self)
        self.begin(b"isatty", micro_calls_isatty)


cdef class Pread(_Moved):
    """One operation: pread() of ``level`` bytes from the start of a file in memory."""

    def __init__(self):
        _Moved.__init__(self)
        self.begin(b"pread", micro_calls_pread, FILE_BYTES)


cdef class Pwrite(_Moved):
    """One operation: pwrite() of ``level`` bytes to the start of a file in memory."""

    def __init__(self):
        _Moved.__init__(self)
        self.begin(b"pwrite", micro_calls_pwrite, FILE_BYTES)


cdef class Msync(_Contents):
    """One operation: msync(MS_SYNC) of 1 MiB of a mapped file in memory."""

    def __init__(self):
        _Contents.__init__(self)
        self.call, self.calls = b"msync", micro_calls_msync
        self.given.bytes = FILE_BYTES
        self.given.buffer = mmap(
            NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, self.given.fd, 0)
        if self.given.buffer == MAP_FAILED:
            error = errno
            self.close()
            raise OperationFailed("mmap", error, 0)
        self.base, self.base_bytes = self.given.buffer, FILE_BYTES
