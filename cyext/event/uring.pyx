"""Waits at a ring of io_uring, which polls each descriptor until it has told of it."""

import errno as errno_names

from libc.errno cimport EBADMSG, ENOSYS, EPERM, ETIMEDOUT
from libc.stdint cimport UINT32_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cyext.event.watched_sockets cimport Watched

from cyext.core.workload import LimitReached, NotSupported, OperationFailed


cdef extern from "<errno.h>" nogil:
    int ENOTSUP

cdef extern from "os/event.h" nogil:
    int micro_make_idle(int fd)

cdef extern from "os/uring.h" nogil:
    ctypedef struct micro_uring_t:
        bint is_open
    int MICRO_URING_ENTRIES
    int micro_uring_open(micro_uring_t *ring, uint32_t entries)
    void micro_uring_close(micro_uring_t *ring)
    void micro_uring_poll(micro_uring_t *ring, int fd, uint64_t index)
    void micro_uring_take_back(micro_uring_t *ring, uint64_t index)
    uint32_t micro_uring_completed(const micro_uring_t *ring)
    int micro_uring_enter(micro_uring_t *ring, uint32_t wanted)
    int micro_uring_take(micro_uring_t *ring, uint64_t *index)


def why_not(error):
    """Why a ring could not be made, by the name of what forbids it."""
    if error == ENOTSUP:
        return "io_uring cannot wait with a time-out here (Linux 5.11 can)"
    try:
        with open("/proc/sys/kernel/io_uring_disabled", "rb") as file:
            disabled = int(file.read())
    except (OSError, ValueError):
        disabled = 0
    if error == EPERM and disabled:
        return f"kernel.io_uring_disabled={disabled}"
    if error == ENOSYS:
        return "this system has no io_uring"
    by_filter = " (a seccomp filter?)" if error == EPERM else ""
    return f"io_uring_setup: {errno_names.errorcode.get(error)}{by_filter}"


cdef class IoUring(Watched):
    """One operation: poll again what was told, wait for what is ready of ``level`` sockets.

    Both are one io_uring_enter(). A poll tells once (IORING_OP_POLL_ADD), so those that were told
    of in the operation before are queued again; the polls of all others wait in the ring.
    """

    cdef micro_uring_t ring
    cdef int64_t polled

    def __cinit__(self, *args, **kwargs):
        memset(&self.ring, 0, sizeof(self.ring))
        self.polled = 0

    def __init__(self, ready="1", rotation="fixed"):
        cdef int status
        Watched.__init__(self, ready, rotation)
        status = micro_uring_open(&self.ring, MICRO_URING_ENTRIES)
        if status:
            self.close()
            raise NotSupported(why_not(-status))
        self.grow_or_close(1)

    def __dealloc__(self):
        micro_uring_close(&self.ring)

    def grow(self, uint64_t level):
        """Watch ``level`` sockets, of which the ring must be able to tell at once."""
        cdef uint64_t most = 10 * MICRO_URING_ENTRIES
        if self.a_tenth and level > most:
            Watched.grow(self, most)
            raise LimitReached(self.level, f"a ring of {MICRO_URING_ENTRIES} entries")
        Watched.grow(self, level)

    cdef watch(self):
        cdef int64_t first = self.polled
        while self.polled < <int64_t>self.level:
            micro_uring_poll(&self.ring, self.sockets.fds[self.polled], self.polled)
            self.polled += 1
            if self.polled - first == MICRO_URING_ENTRIES // 2:
                first = self.polled
                self.hand_over(0)
        self.hand_over(0)

    cdef hand_over(self, uint32_t wanted):
        cdef int status = micro_uring_enter(&self.ring, wanted)
        if status < 0:
            raise OperationFailed("io_uring_enter", -status, 0)

    cdef drain(self):
        """Make all sockets idle and poll each of them."""
        cdef uint64_t index
        Watched.drain(self)
        self.hand_over(0)
        while micro_uring_completed(&self.ring):
            while micro_uring_completed(&self.ring):
                micro_uring_take(&self.ring, &index)
                if index < <uint64_t>self.polled:
                    while micro_make_idle(self.sockets.fds[index]) == 0:
                        pass  # else it would be told of again, and for ever
                    micro_uring_poll(&self.ring, self.sockets.fds[index], index)
            self.hand_over(0)

    cdef forget(self, int64_t count):
        """Take back the polls of sockets that will be closed: they would keep them open."""
        cdef uint64_t index
        cdef int64_t last
        while self.polled > count:
            last = max(count, self.polled - MICRO_URING_ENTRIES // 4)
            while self.polled > last:
                self.polled -= 1
                micro_uring_take_back(&self.ring, self.polled)
            self.hand_over(0)
            while micro_uring_completed(&self.ring):
                micro_uring_take(&self.ring, &index)

    cdef int64_t waits(self, uint64_t n, uint64_t after) noexcept nogil:
        cdef uint64_t wait, index
        cdef int64_t _i
        cdef int found, wrong
        for wait in range(n):
            self.serial += 1
            found = micro_uring_enter(&self.ring, <uint32_t>self.ready)
            if found != self.ready:
                wrong = ETIMEDOUT if found < self.ready else EBADMSG
                return self.fail(b"io_uring_enter", -found if found < 0 else wrong, after + wait)
            for _i in range(self.ready):
                found = micro_uring_take(&self.ring, &index)
                if found:
                    return self.fail(b"io_uring poll", -found, after + wait)
                if index > UINT32_MAX or not self.expected(<uint32_t>index):
                    return self.fail(b"io_uring poll", EBADMSG, after + wait)
                micro_uring_poll(&self.ring, self.sockets.fds[index], index)
        return 0

    def close(self):
        """Close all sockets and the ring."""
        try:
            if self.ring.is_open:
                self.drain()
            Watched.close(self)
        except OperationFailed:  # the polls could not be taken back: they end with the ring
            self.polled = 0
            Watched.close(self)
        micro_uring_close(&self.ring)
