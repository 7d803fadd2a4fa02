"""Waits that hand over everything watched each time: select and poll."""

from libc.errno cimport EBADMSG, EINVAL, ENOENT
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from cyext.core.workload cimport Workload
from cyext.core.resources cimport Descriptors
from cyext.event.watched_sockets cimport Watched, wrong_count

from cyext.core.workload import LimitReached


cdef extern from "os/event.h" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    ctypedef unsigned long micro_bits_t
    short POLLIN
    int FD_SETSIZE
    int MICRO_WAIT_MS
    int micro_poll(pollfd *watched, unsigned long count)
    size_t micro_set_bytes(int highest)
    void micro_set_add(micro_bits_t *set, int fd)
    bint micro_set_has(const micro_bits_t *set, int fd)
    int micro_select(micro_bits_t *set, int highest, int wait_ms)


cdef class Poll(Watched):
    """One operation: poll() with a blocking time-out over ``level`` sockets, some ready."""

    cdef pollfd *watched
    cdef int64_t count

    def __cinit__(self):
        self.watched = NULL
        self.count = 0

    def __init__(self, ready="1", rotation="fixed"):
        Watched.__init__(self, ready, rotation)
        self.grow(1)

    def __dealloc__(self):
        free(self.watched)

    cdef watch(self):
        cdef int64_t i
        cdef pollfd *grown
        grown = <pollfd *>realloc(self.watched, self.level * sizeof(pollfd))
        if grown == NULL:
            raise MemoryError(f"no room to watch {self.level} sockets")
        self.watched = grown
        self.count = self.level
        for i in range(self.count):
            grown[i].fd = self.sockets.fds[i]
            grown[i].events = POLLIN

    cdef int64_t waits(self, uint64_t n, uint64_t after) noexcept nogil:
        cdef uint64_t wait
        cdef int64_t i
        cdef int found
        for wait in range(n):
            found = micro_poll(self.watched, self.count)
            if found != self.ready:
                return self.fail(b"poll", wrong_count(found), after + wait)
            for i in range(self.ready):
                if not self.watched[self.at(i)].revents & POLLIN:
                    return self.fail(b"poll", EBADMSG, after + wait)
        return 0


cdef class Select(Watched):
    """One operation: copy the set of ``level`` sockets, select() on the copy, some ready.

    The sets are as long as the highest descriptor needs, whatever FD_SETSIZE is.
    """

    cdef micro_bits_t *interest
    cdef micro_bits_t *answer
    cdef size_t set_bytes
    cdef int highest

    def __cinit__(self):
        self.interest = NULL
        self.answer = NULL

    def __init__(self, ready="1", rotation="fixed"):
        Watched.__init__(self, ready, rotation)
        self.grow_or_close(1)

    def __dealloc__(self):
        free(self.interest)
        free(self.answer)

    def grow(self, uint64_t level):
        """Watch ``level`` sockets."""
        stopped = None
        try:
            Watched.grow(self, level)
        except LimitReached as limit:
            stopped = limit
        if self.highest >= FD_SETSIZE and self.try_once() == -EINVAL:
            while self.highest >= FD_SETSIZE and self.level > 1:
                self.settle(self.level - min(<int>self.level - 1, self.highest - FD_SETSIZE + 1))
            raise LimitReached(self.level, f"FD_SETSIZE {FD_SETSIZE}")
        if stopped is not None:
            raise stopped

    cdef int try_once(self) noexcept nogil:
        memcpy(self.answer, self.interest, self.set_bytes)
        return micro_select(self.answer, self.highest, 0)

    cdef watch(self):
        cdef int64_t i
        self.highest = 0
        for i in range(<int64_t>self.level):
            self.highest = max(self.highest, self.sockets.fds[i])
        self.set_bytes = micro_set_bytes(self.highest)
        self.interest = self.sized(self.interest)
        self.answer = self.sized(self.answer)
        memset(self.interest, 0, self.set_bytes)
        for i in range(<int64_t>self.level):
            micro_set_add(self.interest, self.sockets.fds[i])

    cdef micro_bits_t *sized(self, micro_bits_t *old) except NULL:
        grown = <micro_bits_t *>realloc(old, self.set_bytes)
        if grown == NULL:
            raise MemoryError(f"no room for a set of {self.set_bytes} bytes")
        return grown

    cdef int64_t waits(self, uint64_t n, uint64_t after) noexcept nogil:
        cdef uint64_t wait
        cdef int64_t i
        cdef int found
        for wait in range(n):
            memcpy(self.answer, self.interest, self.set_bytes)
            found = micro_select(self.answer, self.highest, MICRO_WAIT_MS)
            if found != self.ready:
                return self.fail(b"select", wrong_count(found), after + wait)
            for i in range(self.ready):
                if not micro_set_has(self.answer, self.sockets.fds[self.at(i)]):
                    return self.fail(b"select", EBADMSG, after + wait)
        return 0


cdef class PollArray(Workload):
    """One operation: take one of ``level`` descriptors out of a poll array and put it back.

    Its entry is searched from the start, the last one moves into its place, and it is appended: as
    a server does that knows no more than the descriptor of the connection that ended. Which one
    ends is drawn anew each time. The descriptors are numbers: nothing is open.
    """

    cdef pollfd *entries
    cdef int64_t most
    cdef uint64_t random

    def __cinit__(self):
        self.entries = NULL
        self.random = 1

    def __init__(self):
        self.most = Descriptors().limit
        self.grow(1)

    def __dealloc__(self):
        free(self.entries)

    def grow(self, uint64_t level):
        """Fill the array with ``level`` entries: no more than poll() would take."""
        cdef int64_t i
        cdef int64_t goal = max(min(level, <uint64_t>self.most), 1)
        cdef pollfd *grown = <pollfd *>realloc(self.entries, goal * sizeof(pollfd))
        if grown == NULL:
            raise LimitReached(self.level, "realloc: ENOMEM")
        self.entries = grown
        self.level = goal
        for i in range(goal):
            grown[i].fd = <int>i
            grown[i].events = POLLIN
            grown[i].revents = 0
        if <uint64_t>goal < level:
            raise LimitReached(goal, f"RLIMIT_NOFILE hard limit {self.most}")

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t at
        cdef int64_t last = <int64_t>self.level - 1
        cdef pollfd *entries = self.entries
        cdef int fd
        for i in range(n):
            self.random = self.random * 6364136223846793005ULL + 1442695040888963407ULL
            fd = <int>((self.random >> 33) % self.level)
            at = 0
            while at <= last and entries[at].fd != fd:
                at += 1
            if at > last:
                return self.fail(b"search", ENOENT, i)
            entries[at] = entries[last]
            entries[last].fd = fd
            entries[last].events = POLLIN
            entries[last].revents = 0
        return 0
