"""The wake-up of one sleeper among tasks that want the CPU all the time."""

import array

from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.string cimport strlen
from posix.unistd cimport close, pwrite

from cyext.core.busy_peers cimport BusyPeersWorkload
from cyext.core.peers cimport micro_body_t, micro_peer_t
from cyext.core.workload cimport MICRO_LOOP_BEGINS, MICRO_LOOP_ENDS, micro_mark

from cyext.core.cgroups import Groups
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
    int AF_INET
    ctypedef struct micro_door_t:
        int family
        int listener
        int connecting_resets
        const char *call
    int micro_door_open(micro_door_t *door, const char *path)
    ctypedef struct micro_sleeper_t:
        atomic_int computing
        micro_door_t door
        const char *call
        int nice
    int64_t micro_compute_beside_sleeper(micro_peer_t *self, void *busy) noexcept
    int64_t micro_wakeup_latency_ns(micro_sleeper_t *sleeper)

# The most that anybody asked for; more would only take long.
MOST_TASKS = 1024
# A sleep lasts half a millisecond on average, of which only the latency counts as time.
cdef uint64_t LONGEST_BATCH = 32
# Beside other programs, tasks with a small share of the CPU are late to wake the sleeper.
cdef uint64_t LONGEST_BATCH_OF_SMALL_SHARE = 4


cdef class Wakeup(BusyPeersWorkload):
    """One operation: from the call that wakes a sleeper until the sleeper runs.

    ``level`` tasks with this ``nice`` value want the sleeper's CPU all the time, and one of them
    wakes it. ``group`` "small" puts them into a control group with a small share of the CPU.
    It times itself: an operation is the latency alone.
    """

    cdef micro_sleeper_t *sleeper
    cdef object groups   # control groups of the tasks, or None
    cdef int share_fd    # their share of the CPU, which is small while a batch lasts, or -1
    cdef tuple shares    # a small one and the usual one, as text
    cdef const char *small_share
    cdef const char *usual_share

    def __cinit__(self, *args, **kwargs):
        self.share_fd = -1

    def __init__(self, nice="0", group="same"):
        if not micro_has_futex():
            raise NotSupported("this system has no futex")
        self.lie_down(nice, group, False)

    cdef lie_down(self, nice, group, bint serves):
        value = one_of(nice, {"0": 0, "19": 19})
        self.max_batch = LONGEST_BATCH
        if one_of(group, {"same": False, "small": True}):
            self.groups = Groups("cpu")
            self.max_batch = LONGEST_BATCH_OF_SMALL_SHARE
        self.sleeper = <micro_sleeper_t *>micro_shared_memory(sizeof(micro_sleeper_t))
        if self.sleeper == NULL:
            raise OperationFailed("mmap", errno, 0)
        self.sleeper.nice = value
        self.sleeper.door.listener = -1
        try:
            if serves:
                self.listen()
            if self.groups is not None:
                self.groups.add()
                self.share_fd, *shares = self.groups.open_share()
                self.shares = tuple(shares)
                self.small_share = self.shares[0]
                self.usual_share = self.shares[1]
            self.grow(1)
        except BaseException:
            self.close()
            raise

    cdef listen(self):
        cdef int status
        self.sleeper.door.family = AF_INET
        self.sleeper.door.connecting_resets = 1  # the server may close before connect() returns
        status = micro_door_open(&self.sleeper.door, NULL)
        if status:
            raise OperationFailed(self.sleeper.door.call.decode(), -status, 0)

    def grow(self, uint64_t level):
        """Let ``level`` tasks want the CPU."""
        cdef int64_t goal = min(level, MOST_TASKS)
        reason = f"at most {MOST_TASKS} tasks"
        try:
            self.start_busy_peers(
                "process", "same", <micro_body_t>micro_compute_beside_sleeper, self.sleeper, goal)
        except OperationFailed as error:
            goal, reason = self.peers_left(error)
        if self.groups is not None:
            for i in range(goal):
                self.groups.move(self.peers.group.ids[i].process, 1)
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
        if status == 0:
            status = self.set_share(self.small_share)
        if self.marks:
            micro_mark(MICRO_LOOP_BEGINS)
        while status == 0 and slept < n:
            latency_ns = micro_wakeup_latency_ns(self.sleeper)
            if latency_ns == -EINTR and self.peers.failed() == 0:
                continue
            if latency_ns < 0:
                status = self.peer_failed(self.sleeper.call, -latency_ns, slept)
                break
            if each_ns != NULL:
                each_ns[slept] = latency_ns
            total_ns[0] += latency_ns
            slept += 1
        if self.marks:
            micro_mark(MICRO_LOOP_ENDS)
        atomic_store(&self.sleeper.computing, 0)
        ended = self.set_share(self.usual_share)
        status = status if status else ended
        ended = self.end()
        return status if status else ended

    cdef int64_t set_share(self, const char *share) noexcept nogil:
        """Give the tasks this share of the CPU, where they have a control group of their own."""
        if self.share_fd < 0 or pwrite(self.share_fd, share, strlen(share), 0) > 0:
            return 0
        return self.fail(b"pwrite", errno, 0)

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
            if self.sleeper.door.listener >= 0:
                close(self.sleeper.door.listener)
            munmap(self.sleeper, sizeof(micro_sleeper_t))
            self.sleeper = NULL

    def __dealloc__(self):
        self.drop_peers()
        self.unmap()

    def close(self):
        """End the tasks, remove their groups."""
        BusyPeersWorkload.close(self)
        if self.share_fd >= 0:
            close(self.share_fd)
            self.share_fd = -1
        if self.groups is not None:
            self.groups.leave()
        self.unmap()


cdef class FavouredServer(Wakeup):
    """One operation: from the call of connect() until the server that sleeps in accept() has it.

    ``level`` tasks beside it make connections to listeners of their own all the time, and one of
    them connects to the server.
    """

    def __init__(self, nice="19", group="same"):
        self.lie_down(nice, group, True)
