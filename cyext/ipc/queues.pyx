"""Messages that one task leaves with the kernel and takes out again: nobody is woken."""

import os

from libc.errno cimport EPIPE, errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from posix.unistd cimport read, write

from cyext.core.workload cimport Workload

from cyext.core.errors import LimitReached, OperationFailed
from cyext.core.parameters import one_of
from cyext.core.scratch import fresh_path


cdef extern from "os/network.h" nogil:
    int AF_UNIX
    int SOCK_STREAM
    int micro_tcp_pair(int *ends, const char **call)

cdef extern from "<sys/socket.h>" nogil:
    int socketpair(int family, int type, int protocol, int *ends)

cdef extern from "<sys/ioctl.h>" nogil:
    int FIONREAD
    int ioctl(int fd, unsigned long request, ...)

# What a pipe holds; the buffers of sockets are larger.
cdef uint64_t MOST_BYTES = 65536


def _called(call, function, *arguments):
    try:
        return function(*arguments)
    except OSError as error:
        raise OperationFailed(call, error.errno, 0) from None


def _pipe():
    return _called("pipe", os.pipe)


def _fifo():
    path = fresh_path()
    _called("mkfifo", os.mkfifo, path, 0o600)
    try:  # for both, so that neither open() waits for the other: Linux, macOS and the BSDs allow it
        both = _called("open", os.open, path, os.O_RDWR | os.O_CLOEXEC)
    finally:
        os.unlink(path)
    return both, both


def _unix():
    cdef int ends[2]
    if socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0:
        raise OperationFailed("socketpair", errno, 0)
    return ends[0], ends[1]


def _tcp():
    cdef int ends[2]
    cdef const char *call = NULL
    cdef int status = micro_tcp_pair(ends, &call)
    if status:
        raise OperationFailed(call.decode(), -status, 0)
    return ends[0], ends[1]


THROUGH = {"pipe": _pipe, "fifo": _fifo, "unix": _unix, "tcp": _tcp}


cdef class Queued(Workload):
    """One operation: write a message of ``level`` bytes, read it from the other end oneself."""

    cdef int reader
    cdef int writer
    cdef char *message
    cdef bint left

    def __cinit__(self, *args, **kwargs):
        self.reader = self.writer = -1
        self.message = NULL

    def __init__(self, through="pipe"):
        opened = one_of(through, THROUGH)
        self.message = <char *>calloc(1, MOST_BYTES)
        if self.message == NULL:
            raise MemoryError
        self.reader, self.writer = opened()
        self.level = 1

    def __dealloc__(self):
        free(self.message)

    def grow(self, uint64_t level):
        """Write messages of ``level`` bytes from now on."""
        self.level = min(level, MOST_BYTES)
        if self.level < level:
            raise LimitReached(self.level, f"a pipe holds {MOST_BYTES} bytes")

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i, taken
        cdef ssize_t moved
        for i in range(n):
            moved = write(self.writer, self.message, self.level)
            if moved != <ssize_t>self.level:
                self.left = moved > 0
                return self.fail(b"write", errno if moved < 0 else EPIPE, i)
            taken = 0
            while taken < self.level:
                moved = read(self.reader, self.message, self.level - taken)
                if moved <= 0:
                    self.left = True
                    return self.fail(b"read", errno if moved < 0 else EPIPE, i)
                taken += moved
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        """Take out what a failed operation left: the next one would wait for room."""
        cdef int held = 0
        while self.left:
            if ioctl(self.reader, FIONREAD, &held) != 0:
                return self.fail(b"ioctl", errno, 0)
            self.left = held > 0
            if held and read(self.reader, self.message, MOST_BYTES) < 0:
                return self.fail(b"read", errno, 0)
        return 0

    def close(self):
        """Close both ends."""
        for fd in {self.reader, self.writer} - {-1}:
            os.close(fd)
        self.reader = self.writer = -1
        Workload.close(self)
