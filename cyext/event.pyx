"""Waiting until one of many descriptors is ready."""

import errno as errno_names
import os

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, realloc

from cyext.resources cimport Descriptors
from cyext.kernel cimport Kernel

from cyext.kernel import LimitReached, NotSupported, OperationFailed


cdef extern from "os/network.h" nogil:
    int AF_INET
    int SOCK_DGRAM
    int micro_socket(int family, int type)
    int micro_bind(int fd, int port)
    int micro_make_readable(int fd)

cdef extern from "os/event.h" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    short POLLIN
    bint MICRO_HAS_EPOLL
    int micro_poll_wait_one(pollfd *watched, unsigned long count, unsigned long expected)
    int micro_epoll_create()
    int micro_epoll_add(int epoll_fd, int fd)
    int micro_epoll_wait_one(int epoll_fd, int expected)


cdef class _Watched(Kernel):
    """``level`` UDP sockets, all idle but the one that holds a datagram."""

    cdef Descriptors idle
    cdef int ready

    def __init__(self):
        cdef int status
        self.ready = -1
        self.idle = Descriptors()
        self.ready = micro_socket(AF_INET, SOCK_DGRAM)
        if self.ready < 0:
            raise NotSupported(f"no IPv4 socket: {errno_names.errorcode.get(-self.ready)}")
        status = micro_bind(self.ready, 0)
        if status == 0:
            status = micro_make_readable(self.ready)
        if status:
            self.close()
            raise NotSupported(f"no loopback network: {errno_names.errorcode.get(-status)}")

    cdef add_idle(self, int64_t goal):
        """Open or close idle sockets until there are ``goal``; why not, where refused."""
        cdef int64_t most = self.idle.room()
        cdef int fd
        self.idle.close_down_to(max(min(goal, most), 0))
        self.idle.reserve(max(min(goal, most), 1))
        while self.idle.count < min(goal, most):
            fd = micro_socket(AF_INET, SOCK_DGRAM)
            if fd < 0:
                self.idle.close_down_to(max(self.idle.count - 16, 0))
                return f"socket: {errno_names.errorcode.get(-fd)}"
            self.idle.push(fd)
        return self.idle.limit_reason() if goal > most else None

    def close(self):
        """Close all sockets."""
        self.idle.close_down_to(0)
        if self.ready >= 0:
            os.close(self.ready)
            self.ready = -1
        Kernel.close(self)


cdef class Poll(_Watched):
    """One operation: poll() with a blocking time-out over ``level`` sockets, one ready."""

    cdef pollfd *watched
    cdef unsigned long count

    def __cinit__(self):
        self.watched = NULL
        self.count = 0

    def __init__(self):
        _Watched.__init__(self)
        self.grow(1)

    def __dealloc__(self):
        free(self.watched)

    def grow(self, uint64_t level):
        """Watch ``level`` sockets."""
        cdef unsigned long i
        cdef pollfd *grown
        reason = self.add_idle(level - 1)
        self.count = self.idle.count + 1
        self.level = self.count
        grown = <pollfd *>realloc(self.watched, self.count * sizeof(pollfd))
        if grown == NULL:
            raise MemoryError(f"no room to watch {self.count} sockets")
        self.watched = grown
        for i in range(self.count - 1):
            self.watched[i].fd = self.idle.fds[i]
            self.watched[i].events = POLLIN
        self.watched[self.count - 1] = self.watched[self.count // 2]
        self.watched[self.count // 2].fd = self.ready
        self.watched[self.count // 2].events = POLLIN
        if reason is not None:
            raise LimitReached(self.level, reason)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = micro_poll_wait_one(self.watched, self.count, self.count // 2)
            if status:
                return self.fail(b"poll", -status, i)
        return 0


cdef class Epoll(_Watched):
    """One operation: epoll_wait() with a blocking time-out, one of ``level`` sockets ready."""

    cdef int epoll_fd
    cdef int64_t added

    def __cinit__(self):
        self.epoll_fd = -1
        self.added = 0

    def __init__(self):
        if not MICRO_HAS_EPOLL:
            raise NotSupported("this system has no epoll")
        _Watched.__init__(self)
        self.epoll_fd = micro_epoll_create()
        if self.epoll_fd < 0:
            error = -self.epoll_fd
            self.close()
            raise OperationFailed("epoll_create1", error, 0)
        try:
            self.add(self.ready)
        except OperationFailed:
            self.close()
            raise
        self.grow(1)

    cdef add(self, int fd):
        cdef int status = micro_epoll_add(self.epoll_fd, fd)
        if status:
            raise OperationFailed("epoll_ctl", -status, self.added)

    def grow(self, uint64_t level):
        """Watch ``level`` sockets."""
        reason = self.add_idle(level - 1)
        self.added = min(self.added, self.idle.count)
        while self.added < self.idle.count:
            self.add(self.idle.fds[self.added])
            self.added += 1
        self.level = self.idle.count + 1
        if reason is not None:
            raise LimitReached(self.level, reason)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = micro_epoll_wait_one(self.epoll_fd, self.ready)
            if status:
                return self.fail(b"epoll_wait", -status, i)
        return 0

    def close(self):
        """Close all sockets and the epoll descriptor."""
        if self.epoll_fd >= 0:
            os.close(self.epoll_fd)
            self.epoll_fd = -1
        _Watched.close(self)
