"""Waits for queued real-time signals."""

from libc.errno cimport EAGAIN, EBADMSG, EOVERFLOW, ETIMEDOUT
from libc.stdint cimport int64_t, uint64_t

from cyext.event.watched_sockets cimport Watched

from cyext.core.workload import LimitReached, NotSupported, OperationFailed


cdef extern from "<signal.h>" nogil:
    ctypedef struct sigset_t:
        pass

cdef extern from "os/signal_io.h" nogil:
    bint MICRO_HAS_SIGNAL_IO
    int MICRO_WAIT_MS
    int micro_block_io_signals(sigset_t *before)
    void micro_restore_signals(const sigset_t *before)
    int micro_thread_id()
    int micro_own_arrivals(int fd, int thread_id)
    int micro_signal_arrivals(int fd)
    int micro_wait_arrival(int wait_ms)
    int64_t micro_most_queued_signals()

# Workloads that need the signals blocked, and what was blocked before the first: a signal that is
# not blocked ends the process.
cdef int blocking = 0
cdef sigset_t blocked_before


cdef class Sigio(Watched):
    """One operation: arrivals at some of ``level`` sockets, sigtimedwait() and reading of each.

    Each socket queues a real-time signal an arrival (F_SETSIG, O_ASYNC). SIGIO instead says that
    the queue was full and signals are lost: the operation fails by that name.
    """

    cdef bint blocks
    cdef int64_t told
    cdef int owner

    def __cinit__(self, *args, **kwargs):
        self.blocks = False
        self.told = 0
        self.owner = -1

    def __init__(self, ready="1", rotation="fixed"):
        self.edge = True
        self.choose(ready, rotation)
        if not MICRO_HAS_SIGNAL_IO:
            raise NotSupported("this system queues no signals for descriptors (F_SETSIG)")
        Watched.__init__(self, ready, rotation)
        try:
            self.block()
            self.grow(1)
            self.try_once()
        except BaseException:
            self.close()
            raise

    cdef try_once(self):
        """See that an arrival is one signal: gVisor sends another to say that writing works."""
        try:
            self.run(1)
        except OperationFailed as error:
            if error.errno != EBADMSG:
                raise
            raise NotSupported("one arrival is told by several signals here") from None

    cdef block(self):
        global blocking
        cdef int status
        if blocking == 0:
            status = micro_block_io_signals(&blocked_before)
            if status:
                raise OperationFailed("pthread_sigmask", -status, 0)
        blocking += 1
        self.blocks = True

    cdef unblock(self):
        global blocking
        if self.blocks:
            self.blocks = False
            blocking -= 1
            if blocking == 0:
                micro_restore_signals(&blocked_before)

    cdef int64_t forget_signals(self) noexcept nogil:
        """Take every signal that is still queued; how many there were."""
        cdef int64_t count = 0
        cdef int arrival = 0
        while arrival >= 0 or arrival == -EOVERFLOW:
            arrival = micro_wait_arrival(0)
            count += 1
        return count - 1

    def grow(self, uint64_t level):
        """Watch ``level`` sockets; no more than half the queue can tell of: users have one."""
        cdef int64_t limit = micro_most_queued_signals()
        if self.a_tenth and limit >= 0 and level > <uint64_t>max(limit * 5, 1):
            Watched.grow(self, max(limit * 5, 1))
            raise LimitReached(self.level, f"RLIMIT_SIGPENDING soft limit {limit}")
        Watched.grow(self, level)

    cdef watch(self):
        cdef int status
        self.forget_signals()
        self.owner = -1  # the next batch says whose they are
        while self.told < <int64_t>self.level:
            status = micro_signal_arrivals(self.sockets.fds[self.told])
            if status:
                raise OperationFailed("fcntl", -status, self.told)
            self.told += 1

    cdef forget(self, int64_t count):
        self.told = min(self.told, count)

    cdef int64_t waits(self, uint64_t n, uint64_t after) noexcept nogil:
        cdef uint64_t wait
        cdef int64_t i
        cdef int arrival
        for wait in range(n):
            for i in range(self.ready):
                arrival = micro_wait_arrival(MICRO_WAIT_MS)
                if arrival == -EOVERFLOW:
                    return self.fail(
                        b"sigtimedwait: SIGIO, the queue was full", EOVERFLOW, after + wait)
                if arrival < 0:
                    return self.fail(
                        b"sigtimedwait", ETIMEDOUT if arrival == -EAGAIN else -arrival,
                        after + wait)
                if arrival != self.sockets.fds[self.at(i)]:
                    return self.fail(b"sigtimedwait", EBADMSG, after + wait)
        return 0

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef int64_t i
        cdef int status
        cdef int here = micro_thread_id()
        if here == self.owner:
            return 0
        self.owner = here  # a thread or a process of a team; it was born with the signals blocked
        for i in range(self.told):
            status = micro_own_arrivals(self.sockets.fds[i], here)
            if status:
                return self.fail(b"fcntl", -status, 0)
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        # One arrival, one signal: more would have been waited for in vain.
        if self.forget_signals():
            return self.fail(b"sigtimedwait", EBADMSG, n)
        return 0

    def close(self):
        """Close all sockets and take their signals."""
        Watched.close(self)
        self.unblock()
