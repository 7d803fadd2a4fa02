"""A time-out for each connection of a server: who keeps it, and what that costs."""

import errno as errno_names

from libc.stdint cimport int64_t, uint64_t
from posix.unistd cimport close

from cyext.core.resources cimport Descriptors
from cyext.core.workload cimport Workload

from cyext.core.errors import LimitReached, NotSupported, OperationFailed
from cyext.core.parameters import one_of


cdef extern from "core/random.h" nogil:
    uint64_t micro_random_below(uint64_t *state, uint64_t count)

cdef extern from "timer/sleeps.h" nogil:
    enum: MICRO_TIMERFD
    bint MICRO_HAS_TIMERFD
    int micro_sleep_open(int how)
    int micro_timerfd_arm(int fd, int64_t ahead_ns)

cdef extern from "timer/timeouts.h" nogil:
    ctypedef struct micro_timeouts_t:
        pass
    int micro_timeouts_make(
        micro_timeouts_t *timeouts, int64_t count, int64_t first_ns, int64_t apart_ns)
    void micro_timeouts_free(micro_timeouts_t *timeouts)
    int64_t micro_timeouts_put_off(
        micro_timeouts_t *timeouts, int64_t connection, int64_t end_ns)
    int micro_set_alarm(int64_t ahead_ns)
    int micro_timeouts_open(int *queue, int *ready)
    int micro_timeouts_watch(int queue, int timer)
    int micro_timeouts_wait(int queue, int wait_ms)

cdef enum:
    BY_TIMERFD
    BY_WAIT
    BY_ALARM

KEEPERS = {"timerfd": BY_TIMERFD, "epoll_wait": BY_WAIT, "setitimer": BY_ALARM}
# A heap of time-outs is memory alone.
cdef int64_t MOST_CONNECTIONS = 1 << 20
# Far enough that no time-out ends; the clock of the operations moves on by a little each time.
cdef int64_t FAR_NS = 1_000_000_000_000
cdef int64_t APART_NS = 100_000
cdef int64_t STEP_NS = 1_000
cdef int64_t NS_PER_MS = 1_000_000


cdef class PutOff(Workload):
    """One operation: wait for a ready connection, and put off the time-out of one of ``level``.

    ``by`` says who keeps the time-outs: "timerfd" the system, one timer for each, all watched by
    the epoll that is waited at; else a heap of our own, whose first time-out is that of
    "epoll_wait", or of the process's alarm clock ("setitimer").
    """

    cdef int by
    cdef int queue
    cdef int ready
    cdef Descriptors timers
    cdef micro_timeouts_t timeouts
    cdef int64_t now_ns
    cdef uint64_t random

    def __cinit__(self, *args, **kwargs):
        self.queue = self.ready = -1
        self.timers = Descriptors()

    def __init__(self, by="timerfd"):
        self.by = one_of(by, KEEPERS)
        if not MICRO_HAS_TIMERFD:
            raise NotSupported("this system has no epoll and no timerfd")
        status = micro_timeouts_open(&self.queue, &self.ready)
        if status:
            raise OperationFailed("epoll_create1, eventfd or epoll_ctl", -status, 0)
        self.grow_or_close(1, "no time-out")

    def grow(self, uint64_t level):
        """Keep a time-out for each of ``level`` connections."""
        reason = f"at most {MOST_CONNECTIONS:,} connections"
        cdef int64_t goal = min(level, <uint64_t>MOST_CONNECTIONS)
        if self.by == BY_TIMERFD:
            reason = self.grow_timers(goal)
            goal = self.timers.count
        else:
            # A heap that has been worked with is another than a new one: each level has its own.
            self.now_ns = 0
            if micro_timeouts_make(&self.timeouts, goal, FAR_NS // 2, APART_NS):
                raise MemoryError(f"no room for {goal} time-outs")
        self.level = goal
        if goal < <int64_t>level:
            raise LimitReached(self.level, reason)

    cdef grow_timers(self, int64_t wanted):
        """Have so many timers pending, and why there are fewer."""
        cdef int64_t goal = min(wanted, self.timers.room())
        cdef int fd, status
        reason = self.timers.limit_reason()
        self.timers.close_down_to(min(self.timers.count, goal))
        self.timers.reserve(goal)
        while self.timers.count < goal:
            fd = micro_sleep_open(MICRO_TIMERFD)
            if fd < 0:
                return f"timerfd_create: {errno_names.errorcode.get(-fd - 1, -fd - 1)}"
            self.timers.push(fd)
            status = micro_timeouts_watch(self.queue, fd)
            if status:
                self.timers.close_down_to(self.timers.count - 1)
                return f"epoll_ctl: {errno_names.errorcode.get(-status, -status)}"
            status = micro_timerfd_arm(fd, FAR_NS // 2 + self.timers.count * APART_NS)
            if status:
                raise OperationFailed("timerfd_settime", -status, 0)
        return reason

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t connection, first_ns
        cdef int status
        cdef int wait_ms = -1
        for i in range(n):
            connection = micro_random_below(&self.random, self.level)
            self.now_ns += STEP_NS
            if self.by == BY_TIMERFD:
                status = micro_timerfd_arm(self.timers.fds[connection], FAR_NS)
                if status:
                    return self.fail(b"timerfd_settime", -status, i)
            else:
                first_ns = micro_timeouts_put_off(
                    &self.timeouts, connection, FAR_NS + self.now_ns) - self.now_ns
                if self.by == BY_WAIT:
                    wait_ms = <int>(first_ns // NS_PER_MS)
                else:
                    status = micro_set_alarm(first_ns)
                    if status:
                        return self.fail(b"setitimer", -status, i)
            status = micro_timeouts_wait(self.queue, wait_ms)
            if status:
                return self.fail(b"epoll_wait", -status, i)
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        cdef int status = micro_set_alarm(0) if self.by == BY_ALARM else 0
        return self.fail(b"setitimer", -status, 0) if status else 0

    cdef void put_away(self) noexcept:
        if self.timers is not None:
            self.timers.close_down_to(0)
        micro_timeouts_free(&self.timeouts)
        for fd in (self.ready, self.queue):
            if fd >= 0:
                close(fd)
        self.ready = self.queue = -1

    def __dealloc__(self):
        self.put_away()

    def close(self):
        """Close the timers and what was waited for."""
        Workload.close(self)
        self.put_away()
