"""Making and deleting small files."""

from libc.errno cimport ENOSPC, errno
from libc.stdint cimport int64_t, uint64_t
from posix.fcntl cimport O_CLOEXEC, O_CREAT, O_EXCL, O_WRONLY
from posix.unistd cimport close, write

from cyext.core.workload cimport Workload

from cyext.core.parameters import one_of
from cyext.core.scratch import ScratchDirectory


cdef extern from "<fcntl.h>" nogil:
    int openat(int directory, const char *path, int flags, ...)

cdef extern from "<unistd.h>" nogil:
    int unlinkat(int directory, const char *path, int flags)

cdef extern from "os/numbered_files.h" nogil:
    ctypedef struct micro_number_t:
        char *text
    micro_number_t micro_number(int64_t number)

cdef enum:
    # Where a file system looks for a free inode depends on the directory, by half the time that
    # it takes to make a file: files are made in several in turn.
    DIRECTORIES = 16
    # So few that all of them stay in the caches between making and deleting: 400 took 30 % longer
    # each to delete than 100, and the size of a batch would show in the figure.
    MOST_FILES = 64
    MOST_BYTES = 10240

FILE_SYSTEMS = {"tmpfs": True, "temp": False}
SIZES = {"0": 0, "1k": 1024, "4k": 4096, "10k": 10240}


cdef class _Files(Workload):
    """Small files in several directories: so many were ``made`` in a batch, so many ``deleted``."""

    cdef list directories
    cdef int fds[DIRECTORIES]
    cdef micro_number_t names[MOST_FILES]
    cdef char data[MOST_BYTES]
    cdef size_t size
    cdef uint64_t made
    cdef uint64_t deleted

    def __init__(self, fs="tmpfs", size="0"):
        cdef int i
        in_memory = one_of(fs, FILE_SYSTEMS)
        self.size = one_of(size, SIZES)
        self.directories = []
        self.max_batch = MOST_FILES
        try:
            for i in range(DIRECTORIES):
                self.directories.append(ScratchDirectory(in_memory))
                self.fds[i] = self.directories[i].fd
            for i in range(MOST_FILES):
                self.names[i] = micro_number(i)
        except BaseException:
            self.close()
            raise

    cdef int64_t make(self, uint64_t i) noexcept nogil:
        """Make the next file, as operation ``i``."""
        cdef const char *name = self.names[self.made % MOST_FILES].text
        cdef ssize_t written = 0
        cdef int error
        cdef int fd = openat(
            self.fds[self.made % DIRECTORIES], name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if fd < 0:
            return self.fail(b"open", errno, i)
        self.made += 1
        if self.size:
            written = write(fd, self.data, self.size)
        if written != <ssize_t>self.size:
            error = errno if written < 0 else ENOSPC
            close(fd)
            return self.fail(b"write", error, i)
        return self.fail(b"close", errno, i) if close(fd) != 0 else 0

    cdef int64_t remove(self, uint64_t i) noexcept nogil:
        """Delete the oldest file, as operation ``i``."""
        cdef const char *name = self.names[self.deleted % MOST_FILES].text
        if unlinkat(self.fds[self.deleted % DIRECTORIES], name, 0) != 0:
            return self.fail(b"unlink", errno, i)
        self.deleted += 1
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        cdef int64_t status
        while self.deleted < self.made:
            status = self.remove(0)
            if status:
                return status
        self.made = self.deleted = 0  # the same names again
        return 0

    def close(self):
        """Remove the files and the directories."""
        self.restore(0)
        while self.directories:
            self.directories.pop().remove()
        Workload.close(self)


cdef class Create(_Files):
    """One operation: make a file, write ``size`` bytes to it, close it."""

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            status = self.make(i)
            if status:
                return status
        return 0


cdef class Delete(_Files):
    """One operation: delete a file of ``size`` bytes."""

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            status = self.make(i)
            if status:
                return status
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            status = self.remove(i)
            if status:
                return status
        return 0


cdef class CreateDelete(_Files):
    """One operation: make a file, write ``size`` bytes to it, close it, delete it."""

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            status = self.make(i)
            if status == 0:
                status = self.remove(i)
            if status:
                return status
        return 0
