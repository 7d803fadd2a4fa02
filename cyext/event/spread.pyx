"""Events that are spread over threads, and whom each of them wakes."""

import errno as errno_names

from libc.errno cimport EAGAIN, errno
from libc.stdint cimport int64_t, uint64_t
from posix.unistd cimport close

from cyext.core.peers cimport atomic_int_fast64_t, micro_body_t, micro_peer_t
from cyext.core.resources cimport Descriptors
from cyext.core.peered cimport PeeredWorkload

from cyext.core.errors import NotSupported, OperationFailed, lacking
from cyext.core.parameters import one_of
from cyext.core.task_switches import voluntary_switches


cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef extern from "<sys/mman.h>" nogil:
    int munmap(void *start, size_t bytes)

cdef extern from "<stdatomic.h>" nogil:
    int64_t atomic_load(atomic_int_fast64_t *word)

cdef extern from "os/mapping.h" nogil:
    void *micro_shared_memory(size_t bytes)

cdef extern from "os/waiting.h" nogil:
    int micro_yield_to_all(int yes)
    int micro_try_to_yield()

cdef extern from "event/spread.h" nogil:
    bint MICRO_HAS_SPREAD
    enum:
        MICRO_MOST_SPREAD
        MICRO_SPREAD_SHARED
        MICRO_SPREAD_EXCLUSIVE
        MICRO_SPREAD_ONESHOT
        MICRO_SPREAD_OWN
    ctypedef struct micro_spread_t:
        atomic_int_fast64_t consumed
        atomic_int_fast64_t doubles
        atomic_int_fast64_t waiting
        int way
        int queue
        int64_t sources
        int fds[1]
        int64_t tasks[1]
    int micro_spread_open_queue()
    int micro_spread_add_source(micro_spread_t *spread)
    int micro_spread_post(const micro_spread_t *spread, int64_t source)
    int64_t micro_spread_serve(micro_peer_t *self, void *spread) noexcept

WAYS = {
    "shared": MICRO_SPREAD_SHARED,
    "exclusive": MICRO_SPREAD_EXCLUSIVE,
    "oneshot": MICRO_SPREAD_ONESHOT,
    "own": MICRO_SPREAD_OWN,
}
cdef uint64_t YIELDS_BETWEEN_ROLL_CALLS = 4096


cdef class Spread(PeeredWorkload):
    """One operation: an event at one of ``level`` eventfds, which one of as many threads consumes.

    On the CPU of the timed loop it ends once all threads that the event woke sleep again, because
    the loop runs only where no thread wants to; on any CPU it ends once the event is consumed.
    """

    cdef micro_spread_t *spread
    cdef str cpu
    cdef bint yields
    cdef int64_t next
    cdef int64_t expected
    cdef int64_t switches           # of all threads when counting began; -1 where unknown
    cdef int64_t consumed_before    # until then
    cdef int64_t doubles_before

    def __init__(self, epoll="shared", cpu="same"):
        way = one_of(epoll, WAYS)
        self.cpu = cpu
        self.yields = one_of(cpu, {"same": True, "free": False})
        if not MICRO_HAS_SPREAD:
            raise NotSupported("this system has no epoll")
        if self.yields and (status := micro_try_to_yield()):
            raise lacking("sched_setscheduler", -status)
        self.spread = <micro_spread_t *>micro_shared_memory(sizeof(micro_spread_t))
        if self.spread == NULL:
            raise OperationFailed("mmap", errno, 0)
        self.spread.way = way
        self.spread.queue = -1
        try:
            if epoll in ("shared", "oneshot"):
                self.spread.queue = micro_spread_open_queue()
                if self.spread.queue < 0:
                    raise OperationFailed("epoll_create1", -self.spread.queue, 0)
            self.grow(1)
        except BaseException:
            self.close()
            raise

    def grow(self, uint64_t level):
        """Let ``level`` threads wait for events at as many sources."""
        limits = Descriptors()
        cdef int64_t room = limits.room() + self.spread.sources
        cdef int64_t goal = min(<int64_t>min(level, MICRO_MOST_SPREAD), max(room // 2, 1))
        cdef int status = 0
        reason = f"at most {MICRO_MOST_SPREAD} threads"
        if goal < <int64_t>min(level, MICRO_MOST_SPREAD):
            reason = limits.limit_reason()
        # A thread that waits at a queue of its own knows only the sources that it began with.
        if self.peers is not None:
            self.start_threads(0)
        self.close_sources(goal)
        while status == 0 and self.spread.sources < goal:
            status = micro_spread_add_source(self.spread)
        if status and self.spread.sources == 0:
            raise OperationFailed("eventfd or epoll_ctl", -status, 0)
        if status:
            reason = f"eventfd or epoll_ctl: {errno_names.errorcode.get(-status, -status)}"
        goal = self.spread.sources
        try:
            self.start_threads(goal)
        except OperationFailed as error:
            goal, reason = self.peers_left(error)
        self.peers.await_count(&self.spread.waiting, goal)  # until all have what they wait with
        self.next = 0
        self.stand_at(goal, level, reason)

    cdef start_threads(self, int64_t count):
        self.start_peers("thread", self.cpu, <micro_body_t>micro_spread_serve, self.spread, count)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef int status = micro_yield_to_all(True) if self.yields else 0
        self.expected = atomic_load(&self.spread.consumed)
        return self.fail(b"sched_setscheduler", -status, 0) if status else 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i, yields
        cdef int status
        for i in range(n):
            status = micro_spread_post(self.spread, self.next)
            if status:
                return self.peer_failed(b"write", -status, i)
            self.next = self.next + 1 if self.next + 1 < <int64_t>self.level else 0
            self.expected += 1
            yields = 0
            while atomic_load(&self.spread.consumed) < self.expected:
                sched_yield()
                yields += 1
                if yields % YIELDS_BETWEEN_ROLL_CALLS == 0 and self.peers.failed():
                    return self.peer_failed(b"epoll_wait", EAGAIN, i)
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        if self.yields:
            micro_yield_to_all(False)
        return 0

    def switches_of_threads(self):
        """Voluntary switches of all threads until now; `OSError` where the system does not tell."""
        return voluntary_switches(
            f"/proc/self/task/{self.spread.tasks[i]}" for i in range(self.peers.group.count))

    def count(self, counting):
        """Start or end counting."""
        PeeredWorkload.count(self, counting)
        self.consumed_before = atomic_load(&self.spread.consumed)
        self.doubles_before = atomic_load(&self.spread.doubles)
        try:
            self.switches = self.switches_of_threads()
        except OSError:
            self.switches = -1

    def counts(self):
        """Besides the usual ones, per event, in slices or not: ``wakeups`` of threads, and
        ``doubles``, deliveries of an event that another thread had consumed.
        """
        found = PeeredWorkload.counts(self)
        events = atomic_load(&self.spread.consumed) - self.consumed_before
        if events == 0:
            return found
        found["doubles"] = (
            atomic_load(&self.spread.doubles) - self.doubles_before) / <double>events
        try:
            if self.switches >= 0:
                found["wakeups"] = (self.switches_of_threads() - self.switches) / <double>events
        except OSError:
            pass
        return found

    cdef void close_sources(self, int64_t kept) noexcept:
        while self.spread.sources > kept:
            self.spread.sources -= 1
            close(self.spread.fds[self.spread.sources])

    cdef void put_away(self) noexcept:
        if self.spread != NULL:
            self.close_sources(0)
            if self.spread.queue >= 0:
                close(self.spread.queue)
            munmap(self.spread, sizeof(micro_spread_t))
            self.spread = NULL

    def __dealloc__(self):
        self.drop_peers()
        self.put_away()

    def close(self):
        """End the threads, close what they waited for."""
        PeeredWorkload.close(self)
        self.put_away()
