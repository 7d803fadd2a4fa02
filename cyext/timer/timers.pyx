"""Timers: how late a sleeper wakes, what arming costs beside many, and what disturbs work."""

import array
import errno as errno_names

from libc.errno cimport EINTR
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from posix.unistd cimport close

from cyext.core.busy_peers cimport (
    BusyPeersWorkload, micro_busy_begins, micro_busy_ended, micro_busy_lasts, micro_busy_t)
from cyext.core.peers cimport micro_peer_t
from cyext.core.resources cimport Descriptors
from cyext.core.peered cimport SelfTimedWorkload
from cyext.core.sentinel cimport micro_chain
from cyext.core.workload cimport (
    MICRO_LOOP_BEGINS, MICRO_LOOP_ENDS, Workload, micro_mark, micro_now_ns)

from cyext.core.errors import LimitReached, NotSupported, OperationFailed
from cyext.core.parameters import one_of


cdef extern from "timer/sleeps.h" nogil:
    bint MICRO_HAS_TIMERFD
    enum:
        MICRO_NANOSLEEP
        MICRO_ABSOLUTE_SLEEP
        MICRO_TIMERFD
        MICRO_EPOLL_TIMEOUT
    bint micro_has_sleep(int how)
    int micro_sleep_open(int how)
    int64_t micro_overshoot_ns(int how, int fd, int64_t asked_ns, const char **call)
    int64_t micro_timer_slack_ns(int64_t wanted_ns)
    int micro_run_first(bint first)
    int micro_timerfd_arm(int fd, int64_t ahead_ns)

SLEEPS = {
    "nanosleep": MICRO_NANOSLEEP,
    "clock_nanosleep": MICRO_ABSOLUTE_SLEEP,
    "timerfd": MICRO_TIMERFD,
    "epoll_wait": MICRO_EPOLL_TIMEOUT,
}
# What a sleeper asks for; epoll_wait() counts in milliseconds.
cdef int64_t SLEEP_NS = 100_000
cdef int64_t EPOLL_SLEEP_NS = 1_000_000
# Sleeps of a batch that signals may end early and that are slept again.
cdef uint64_t MOST_INTERRUPTED = 100
cdef int64_t LEAST_SLACK_NS = 1
cdef int64_t NO_SLACK = -1
# Far enough that no timer expires while it is pending, each a little later than the one before.
cdef int64_t FAR_NS = 1_000_000_000_000
cdef int64_t APART_NS = 1_000_000
# A quantum of work, in steps of the sentinel's chain: some 20 µs.
cdef uint64_t QUANTUM_STEPS = 16_000


cdef int64_t keep_busy(micro_peer_t *self, void *argument) noexcept nogil:
    """Use the CPU as long as a batch lasts."""
    cdef micro_busy_t *busy = <micro_busy_t *>argument
    cdef int64_t status = micro_busy_begins(self, busy)
    while status == 1:
        while micro_busy_lasts(busy):
            pass
        micro_busy_ended(busy)
        status = micro_busy_begins(self, busy)
    return status


cdef class Overshoot(BusyPeersWorkload):
    """One operation: how long after the moment that it asked for a sleeper runs again.

    ``load`` "busy" has a thread on the same CPU that never sleeps; ``slack`` "least" forbids the
    system to join wake-ups; ``scheduler`` "fifo" lets the sleeper run before all others. It times
    itself: an operation is the part of a sleep that was not asked for.
    """

    cdef int how
    cdef int fd
    cdef int64_t asked_ns
    cdef bint busy_cpu
    cdef bint least_slack
    cdef bint first
    cdef int64_t slack_before_ns

    def __cinit__(self, *args, **kwargs):
        self.fd = -1
        self.slack_before_ns = NO_SLACK

    def __init__(self, call="nanosleep", load="idle", slack="default", scheduler="other"):
        self.how = one_of(call, SLEEPS)
        self.busy_cpu = one_of(load, {"idle": False, "busy": True})
        self.least_slack = one_of(slack, {"default": False, "least": True})
        self.first = one_of(scheduler, {"other": False, "fifo": True})
        if not micro_has_sleep(self.how):
            raise NotSupported(f"this system has no {call}")
        if self.first:
            error = -micro_run_first(True)
            if error:
                name = errno_names.errorcode.get(error, error)
                raise NotSupported(f"sched_setscheduler to SCHED_FIFO: {name}")
            micro_run_first(False)
        self.asked_ns = EPOLL_SLEEP_NS if self.how == MICRO_EPOLL_TIMEOUT else SLEEP_NS
        self.fd = micro_sleep_open(self.how)
        if self.fd < -1:
            error = -self.fd - 1
            self.fd = -1
            raise OperationFailed("timerfd_create or epoll_create1", error, 0)
        try:
            if self.busy_cpu:
                self.start_busy_peers("thread", "same", keep_busy, NULL, 1)
        except BaseException:
            self.close()
            raise

    def meet(self, members, index, mode):
        """Refuse a team: nobody could take all members' times together."""
        if len(members) > 1:
            raise NotSupported("it times itself and cannot be one of a team")

    def slow_down(self, double steps):
        """Not possible: it times itself."""
        raise NotSupported("it times itself and cannot be slowed on purpose")

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef int status
        if self.least_slack:
            self.slack_before_ns = micro_timer_slack_ns(LEAST_SLACK_NS)
            if self.slack_before_ns < 0:
                status = <int>self.slack_before_ns
                self.slack_before_ns = NO_SLACK
                return self.fail(b"prctl", -status, 0)
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        if self.slack_before_ns != NO_SLACK:
            micro_timer_slack_ns(self.slack_before_ns)
            self.slack_before_ns = NO_SLACK
        return 0

    cdef int64_t batch(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        cdef int64_t ended = 0
        cdef int64_t status = self.begin() if self.busy_cpu else 0
        if status == 0:
            status = self.run_first(True)
        if status == 0:
            if self.marks:
                micro_mark(MICRO_LOOP_BEGINS)
            status = self.sleep(n, elapsed_ns)
            if self.marks:
                micro_mark(MICRO_LOOP_ENDS)
        # Before the busy thread is waited for, which would not run.
        ended = self.run_first(False)
        status = status if status else ended
        if self.busy_cpu:
            ended = self.end()
        return status if status else ended

    cdef int64_t run_first(self, bint first) noexcept nogil:
        cdef int status = micro_run_first(first) if self.first else 0
        return self.fail(b"sched_setscheduler", -status, 0) if status else 0

    cdef int64_t sleep(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        cdef const char *call = NULL
        cdef int64_t total_ns = 0
        cdef int64_t late_ns
        cdef uint64_t slept = 0
        cdef uint64_t interrupted = 0
        while slept < n:
            late_ns = micro_overshoot_ns(self.how, self.fd, self.asked_ns, &call)
            if late_ns == -EINTR and interrupted < MOST_INTERRUPTED:
                interrupted += 1  # a signal came before the time: this was no whole sleep
                continue
            if late_ns < 0:
                return self.fail(call, -late_ns, slept)
            total_ns += late_ns
            slept += 1
        elapsed_ns[0] = total_ns
        return 0

    def trace(self, n):
        """One batch of a single operation each: it keeps its own clock."""
        self.check_batch(n)
        return array.array("q", [self.run(1) for _ in range(n)])

    def __dealloc__(self):
        self.close_timer()

    cdef void close_timer(self) noexcept:
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1

    def close(self):
        """End the busy thread and close what it slept on."""
        BusyPeersWorkload.close(self)
        self.close_timer()


cdef class Arm(Workload):
    """One operation: arm a timer, and cancel it, while ``level`` others are pending."""

    cdef Descriptors timers

    def __cinit__(self, *args, **kwargs):
        self.timers = Descriptors()

    def __init__(self):
        if not MICRO_HAS_TIMERFD:
            raise NotSupported("this system has no timerfd")
        self.grow_or_close(1, "no timer")

    def grow(self, uint64_t level):
        """Let ``level`` timers be pending, beside the one that is armed and cancelled."""
        cdef int64_t goal = min(<int64_t>min(level, <uint64_t>1 << 40), self.timers.room() - 1)
        cdef int fd
        cdef int64_t status = 0
        reason = self.timers.limit_reason()
        self.timers.close_down_to(min(self.timers.count, goal + 1))
        self.timers.reserve(goal + 1)
        while self.timers.count < goal + 1:
            fd = micro_sleep_open(MICRO_TIMERFD)
            if fd < 0:
                reason = f"timerfd_create: {errno_names.errorcode.get(-fd - 1, -fd - 1)}"
                break
            self.timers.push(fd)
            if self.timers.count > 1:
                status = micro_timerfd_arm(fd, FAR_NS + self.timers.count * APART_NS)
                if status:
                    raise OperationFailed("timerfd_settime", -status, 0)
        self.level = max(self.timers.count - 1, 0)
        if self.level < level:
            raise LimitReached(self.level, reason)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = micro_timerfd_arm(self.timers.fds[0], FAR_NS)
            if status == 0:
                status = micro_timerfd_arm(self.timers.fds[0], 0)
            if status:
                return self.fail(b"timerfd_settime", -status, i)
        return 0

    def close(self):
        """Close all timers."""
        Workload.close(self)
        self.timers.close_down_to(0)


cdef class Noise(SelfTimedWorkload):
    """One operation: a fixed quantum of work in user code, during which nothing else should run.

    It looks at the clock after each, that what the system took from the longest can be told.
    """

    cdef int64_t quanta
    cdef int64_t shortest_ns
    cdef int64_t longest_ns
    cdef int64_t total_ns

    cdef int64_t timed_loop(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        cdef uint64_t _i
        cdef int64_t now_ns, before_ns, start_ns
        if self.marks:
            micro_mark(MICRO_LOOP_BEGINS)
        start_ns = before_ns = micro_now_ns()
        for _i in range(n):
            micro_chain(QUANTUM_STEPS)
            now_ns = micro_now_ns()
            self.shortest_ns = min(self.shortest_ns, now_ns - before_ns)
            self.longest_ns = max(self.longest_ns, now_ns - before_ns)
            before_ns = now_ns
        elapsed_ns[0] = before_ns - start_ns
        if self.marks:
            micro_mark(MICRO_LOOP_ENDS)
        self.quanta += n
        self.total_ns += elapsed_ns[0]
        return 0

    def count(self, counting):
        """Start or end counting."""
        SelfTimedWorkload.count(self, counting)
        self.quanta = self.total_ns = self.longest_ns = 0
        self.shortest_ns = INT64_MAX

    def counts(self):
        """Besides the usual ones, of all quanta since `count`, beyond what the shortest took:
        ``longest_gap_us`` of the longest, and the ``lost_ppm`` of the time of all.
        """
        found = SelfTimedWorkload.counts(self)
        if self.quanta == 0:
            return found
        lost_ns = self.total_ns - self.quanta * self.shortest_ns
        return found | {
            "longest_gap_us": (self.longest_ns - self.shortest_ns) / 1e3,
            "lost_ppm": 1e6 * lost_ns / self.total_ns,
        }
