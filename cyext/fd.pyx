"""Opening and closing files."""

import errno as errno_names
import os

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t
from posix.fcntl cimport O_CLOEXEC, O_RDONLY
from posix.unistd cimport close

from cyext.resources cimport Descriptors
from cyext.kernel cimport Kernel

from cyext.kernel import LimitReached, NotSupported
from cyext.scratch import ScratchFile


cdef extern from "<fcntl.h>" nogil:
    int openat(int directory, const char *path, int flags)


cdef class _OneFile(Kernel):
    """A regular empty file in the scratch directory, opened by its name relative to that."""

    cdef object file
    cdef const char *name
    cdef int directory

    def __init__(self):
        self.directory = -1
        self.file = ScratchFile()
        self.name = self.file.name
        try:
            self.directory = os.open(
                self.file.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            self.close()
            raise

    cdef inline int open(self) noexcept nogil:
        return openat(self.directory, self.name, O_RDONLY | O_CLOEXEC)

    def close(self):
        """Close and remove the file."""
        if self.file is not None:
            if self.directory >= 0:
                os.close(self.directory)
            self.file.remove()
            self.file = None
        Kernel.close(self)


cdef class OpenClose(_OneFile):
    """One operation: open the file for reading, close it."""

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int fd
        for i in range(n):
            fd = self.open()
            if fd < 0:
                return self.fail(b"open", errno, i)
            if close(fd) != 0:
                return self.fail(b"close", errno, i)
        return 0


cdef class OpenInterleaved(_OneFile):
    """One operation, with ``level`` files open: close the first and the last, open two.

    The two new files take the two free slots, so every operation meets the same table. Closing the
    lowest descriptor defeats a kernel that merely remembers the one closed last.
    """

    cdef Descriptors held

    def __init__(self):
        self.held = Descriptors()
        _OneFile.__init__(self)
        try:
            self.grow(2)
        except LimitReached as limit:
            self.close()
            raise NotSupported(f"no two files could be opened: {limit.reason}") from None

    def grow(self, uint64_t level):
        """Open or close files until ``level`` (at least 2) are open."""
        cdef int64_t room = self.held.room()
        cdef int64_t wanted = max(level, 2)
        cdef int64_t goal = min(wanted, room)
        cdef int fd = 0
        if goal < 2:
            raise LimitReached(self.level, self.held.limit_reason())
        self.held.close_down_to(goal)
        self.held.reserve(goal)
        while self.held.count < goal:
            fd = self.open()
            if fd < 0:
                break
            self.held.push(fd)
        self.level = self.held.count
        if fd < 0:
            reason = errno_names.errorcode.get(errno)
            self.held.close_down_to(max(self.held.count - 16, 2))
            self.level = self.held.count
            raise LimitReached(self.level, f"open: {reason}")
        if goal < wanted:
            raise LimitReached(self.level, self.held.limit_reason())

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int *first = self.held.fds
        cdef int *last = self.held.fds + self.held.count - 1
        for i in range(n):
            if close(first[0]) != 0 or close(last[0]) != 0:
                return self.fail(b"close", errno, i)
            first[0] = self.open()
            last[0] = self.open()
            if first[0] < 0 or last[0] < 0:
                return self.fail(b"open", errno, i)
        return 0

    def close(self):
        """Close all files."""
        self.held.close_down_to(0)
        _OneFile.close(self)
