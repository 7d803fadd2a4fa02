"""The wake-up of one sleeper among tasks that want the CPU all the time."""

import array

from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint64_t, uintptr_t

from cyext.core.busy_peers cimport BusyPeersWorkload
from cyext.core.peers cimport micro_body_t, micro_peer_t
from cyext.core.workload cimport MICRO_LOOP_BEGINS, MICRO_LOOP_ENDS, micro_mark

from cyext.core.errors import NotSupported, OperationFailed
from cyext.core.parameters import one_of


cdef extern from "<stdatomic.h>" nogil:
    ctypedef struct atomic_int:
        pass
    void atomic_store(atomic_int *word, int value)

cdef extern from "<sys/mman.h>" nogil:
    int munmap(void *start, size_t bytes)

cdef extern from "os/mapping.h" nogil:
    void *micro_shared_memory(size_t bytes)

cdef extern from "os/futex.h" nogil:
    bint micro_has_futex()

cdef extern from "sched/sleeper.h" nogil:
    ctypedef struct micro_sleeper_t:
        atomic_int computing
        int nice
    int64_t micro_compute_beside_sleeper(micro_peer_t *self, void *busy) noexcept
    int64_t micro_wakeup_latency_ns(micro_sleeper_t *sleeper)

# The most that anybody asked for; more would only take long.
MOST_TASKS = 1024
# A sleep lasts half a millisecond on average, of which only the latency counts as time.
cdef uint64_t LONGEST_BATCH = 32


cdef class Wakeup(BusyPeersWorkload):
    """One operation: from the call that wakes a sleeper until the sleeper runs.

    ``level`` tasks with this ``nice`` value want the sleeper's CPU all the time, and one of them
    wakes it. It times itself: an operation is the latency alone.
    """

    cdef micro_sleeper_t *sleeper

    def __init__(self, nice="0"):
        value = one_of(nice, {"0": 0, "19": 19})
        if not micro_has_futex():
            raise NotSupported("this system has no futex")
        self.max_batch = LONGEST_BATCH
        self.sleeper = <micro_sleeper_t *>micro_shared_memory(sizeof(micro_sleeper_t))
        if self.sleeper == NULL:
            raise OperationFailed("mmap", errno, 0)
        self.sleeper.nice = value
        try:
            self.grow(1)
        except BaseException:
            self.close()
            raise

    def grow(self, uint64_t level):
        """Let ``level`` tasks want the CPU."""
        cdef int64_t goal = min(level, MOST_TASKS)
        reason = f"at most {MOST_TASKS} tasks"
        try:
            self.start_busy_peers(
                "process", "same", <micro_body_t>micro_compute_beside_sleeper, self.sleeper, goal)
        except OperationFailed as error:
            goal, reason = self.peers_left(error)
        self.stand_at(goal, level, reason)

    def meet(self, members, index, mode):
        """Refuse a team: nobody could take all members' times together."""
        if len(members) > 1:
            raise NotSupported("it times itself and cannot be one of a team")

    def slow_down(self, double steps):
        """Not possible: it times itself."""
        raise NotSupported("it times itself and cannot be slowed on purpose")

    cdef int64_t sleep(self, uint64_t n, int64_t *each_ns, int64_t *total_ns) noexcept nogil:
        """Sleep n times among the tasks; each latency goes to ``each_ns``, where that is given."""
        cdef int64_t ended
        cdef int64_t latency_ns = 0
        cdef uint64_t slept = 0
        cdef int64_t status = self.begin()
        total_ns[0] = 0
        if self.marks:
            micro_mark(MICRO_LOOP_BEGINS)
        while status == 0 and slept < n:
            latency_ns = micro_wakeup_latency_ns(self.sleeper)
            if latency_ns == -EINTR and self.peers.failed() == 0:
                continue
            if latency_ns < 0:
                status = self.peer_failed(b"futex", -latency_ns, slept)
                break
            if each_ns != NULL:
                each_ns[slept] = latency_ns
            total_ns[0] += latency_ns
            slept += 1
        if self.marks:
            micro_mark(MICRO_LOOP_ENDS)
        atomic_store(&self.sleeper.computing, 0)
        ended = self.end()
        return status if status else ended

    cdef int64_t batch(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        return self.sleep(n, NULL, elapsed_ns)

    def trace(self, n):
        """Nanoseconds of each of ``n`` wake-ups, as an int64 array, all in one batch."""
        self.check_batch(n)
        times = array.array("q", bytes(8 * n))
        cdef uintptr_t address = times.buffer_info()[0]
        cdef uint64_t count = n
        cdef int64_t status, total_ns
        with nogil:
            status = self.sleep(count, <int64_t *>address, &total_ns)
        if status:
            raise self.failure(status)
        return times

    cdef void unmap(self) noexcept:
        if self.sleeper != NULL:
            munmap(self.sleeper, sizeof(micro_sleeper_t))
            self.sleeper = NULL

    def __dealloc__(self):
        self.drop_peers()
        self.unmap()

    def close(self):
        """End the tasks."""
        BusyPeersWorkload.close(self)
        self.unmap()
