"""Messages that one task leaves with the kernel and takes out again: nobody is woken."""

import os

from libc.errno cimport EAGAIN, EPIPE, errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset
from posix.unistd cimport read, write

from cyext.core.workload cimport Workload

from cyext.core.errors import LimitReached, NotSupported, OperationFailed
from cyext.core.parameters import one_of
from cyext.core.scratch import fresh_path


cdef extern from "os/network.h" nogil:
    int AF_UNIX
    int SOCK_STREAM
    int micro_tcp_pair(int *ends, const char **call)

cdef extern from "<sys/socket.h>" nogil:
    int MSG_DONTWAIT
    int socketpair(int family, int type, int protocol, int *ends)
    ssize_t send(int fd, const void *data, size_t bytes, int flags)
    ssize_t recv(int fd, void *data, size_t bytes, int flags)

cdef extern from "<sys/ioctl.h>" nogil:
    int FIONREAD
    int ioctl(int fd, unsigned long request, ...)

# What a pipe holds; the buffers of sockets are larger.
cdef uint64_t MOST_BYTES = 65536
# Of messages that go one way: LEBench's longest has 96,000 bytes.
cdef size_t LONGEST_SENT = 128 << 10
# Messages that are queued at once, where the socket holds so many.
cdef uint64_t MOST_QUEUED = 128


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


cdef class QueuedEventfd(Workload):
    """One operation: add 1 to an eventfd, read it oneself."""

    cdef int fd

    def __cinit__(self):
        self.fd = -1

    def __init__(self):
        if not hasattr(os, "eventfd"):
            raise NotSupported("this system has no eventfd")
        self.fd = _called("eventfd", os.eventfd, 0, os.EFD_CLOEXEC)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i, count
        cdef uint64_t one = 1
        for i in range(n):
            if write(self.fd, &one, sizeof(one)) != sizeof(one):
                return self.fail(b"write", errno, i)
            if read(self.fd, &count, sizeof(count)) != sizeof(count):
                return self.fail(b"read", errno, i)
        return 0

    def close(self):
        """Close the eventfd."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        Workload.close(self)


cdef class _OneWay(Workload):
    """Messages of ``level`` bytes through a Unix stream socket, all of a batch queued at once.

    No call waits: where the queue is full, sending fails.
    """

    cdef int sender
    cdef int receiver
    cdef char *message

    def __cinit__(self):
        self.sender = self.receiver = -1
        self.message = <char *>malloc(LONGEST_SENT)
        if self.message == NULL:
            raise MemoryError
        memset(self.message, 1, LONGEST_SENT)  # else all of its pages are the page of zeros

    def __init__(self):
        self.sender, self.receiver = _unix()
        self.grow_or_close(1)

    def __dealloc__(self):
        free(self.message)

    def grow(self, uint64_t level):
        """Have messages of ``level`` bytes from now on, in batches that the socket holds."""
        cdef uint64_t before = self.level
        cdef uint64_t held = 0
        cdef int64_t status = 0
        cdef int64_t undone
        self.level = min(level, LONGEST_SENT)
        while status == 0 and held < MOST_QUEUED:
            status = self.put(1)
            if status == 0:
                held += 1
        refused = self.failure(status) if status else None
        undone = self.restore(0)
        if undone:
            raise self.failure(undone)
        if status not in (0, -EAGAIN):
            raise refused
        if held == 0:
            wanted, self.level = self.level, before
            raise LimitReached(before, f"a Unix socket takes no {wanted} bytes at once")
        self.max_batch = held
        if self.level < level:
            raise LimitReached(self.level, f"micro sends {LONGEST_SENT} bytes at most")

    cdef int64_t put(self, uint64_t n) noexcept nogil:
        """Send n messages, which stay in the queue."""
        cdef uint64_t i
        cdef ssize_t moved
        for i in range(n):
            moved = send(self.sender, self.message, self.level, MSG_DONTWAIT)
            if moved != <ssize_t>self.level:
                return self.fail(b"send", errno if moved < 0 else EAGAIN, i)
        return 0

    cdef int64_t take(self, uint64_t n) noexcept nogil:
        """Receive n messages that are in the queue."""
        cdef uint64_t i
        cdef ssize_t moved
        for i in range(n):
            moved = recv(self.receiver, self.message, self.level, MSG_DONTWAIT)
            if moved != <ssize_t>self.level:
                return self.fail(b"recv", errno if moved < 0 else EAGAIN, i)
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        """Empty the queue."""
        cdef ssize_t moved = 1
        while moved > 0:
            moved = recv(self.receiver, self.message, LONGEST_SENT, MSG_DONTWAIT)
        if moved < 0 and errno == EAGAIN:
            return 0
        return self.fail(b"recv", errno if moved < 0 else EPIPE, 0)

    def close(self):
        """Close both ends."""
        for fd in {self.sender, self.receiver} - {-1}:
            os.close(fd)
        self.sender = self.receiver = -1
        Workload.close(self)


cdef class Send(_OneWay):
    """One operation: send() a message of ``level`` bytes, which nobody waits for."""

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        return self.put(n)


cdef class Recv(_OneWay):
    """One operation: recv() a message of ``level`` bytes that is in the queue."""

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        return self.put(n)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        return self.take(n)
