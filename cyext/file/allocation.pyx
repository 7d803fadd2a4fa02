"""Giving a file its blocks, and taking them back."""

from libc.errno cimport ENOSYS, EOPNOTSUPP, errno
from libc.stdint cimport int64_t, uint64_t
from posix.unistd cimport ftruncate

from cyext.core.workload cimport Workload

from cyext.core.errors import LimitReached, NotSupported, OperationFailed
from cyext.core.limits import available_bytes
from cyext.core.scratch import MemoryFile


cdef extern from "os/file.h" nogil:
    int micro_allocate(int fd, int64_t bytes)


cdef class Allocate(Workload):
    """One operation: fallocate() ``level`` bytes of an empty file in memory, ftruncate() it."""

    cdef object file
    cdef int fd
    cdef int64_t size

    def __init__(self):
        self.file = MemoryFile()
        self.fd = self.file.fd
        self.size = 4096
        try:
            self.run(1)
        except OperationFailed as failure:
            self.close()
            if failure.errno not in (ENOSYS, EOPNOTSUPP):
                raise
            raise NotSupported("this system allocates no blocks of a file in memory") from None

    def grow(self, uint64_t level):
        """Allocate ``level`` bytes from now on."""
        available = available_bytes()
        if available is not None and level > available // 2:
            raise LimitReached(self.level, f"half of {available // 2 ** 20} MiB available memory")
        self.level = self.size = level

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = micro_allocate(self.fd, self.size)
            if status:
                return self.fail(b"fallocate", -status, i)
            if ftruncate(self.fd, 0) != 0:
                return self.fail(b"ftruncate", errno, i)
        return 0

    def close(self):
        """Close the file, which frees its blocks."""
        Workload.close(self)
        if self.file is not None:
            self.file.remove()
            self.file = None
