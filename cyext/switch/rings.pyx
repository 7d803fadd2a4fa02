"""Switches between tasks on one CPU: a token in a ring, one of many sleepers, yields."""

cimport cython
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t

from cyext.core.busy_peers cimport (
    BusyPeersWorkload, micro_busy_begins, micro_busy_ended, micro_busy_lasts, micro_busy_t)
from cyext.core.peers cimport (
    micro_body_t, micro_owner_moves_byte, micro_peer_t, micro_peers_t)
from cyext.core.resources cimport Descriptors
from cyext.core.peered cimport PeeredWorkload, SelfTimedWorkload
from cyext.core.workload cimport MICRO_LOOP_BEGINS, MICRO_LOOP_ENDS, micro_mark

from cyext.core.errors import LimitReached, OperationFailed
from cyext.core.parameters import one_of
from cyext.core.peers import KINDS


cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef extern from "<sys/mman.h>" nogil:
    int munmap(void *start, size_t bytes)

cdef extern from "os/mapping.h" nogil:
    void *micro_shared_memory(size_t bytes)

cdef extern from "switch/ring.h" nogil:
    enum:
        MICRO_RING_TASKS
    ctypedef struct micro_ring_t:
        int64_t tasks
        int64_t set_bytes
        int64_t set_stride_bytes
        unsigned char *sets
        int arrived[2]
        int pipes[1][2]
    micro_ring_t *micro_ring_new(const char **call)
    int micro_ring_pipes(micro_ring_t *ring, int64_t wanted)
    void micro_ring_free(micro_ring_t *ring)
    int64_t micro_ring_member(micro_peer_t *self, void *ring) noexcept
    int64_t micro_ring_answerer(micro_peer_t *self, void *ring) noexcept
    int micro_ring_turn(micro_ring_t *ring, micro_peers_t *group, uint64_t hops,
                        int64_t *elapsed_ns, const char **call)
    int64_t micro_ring_touching_ns(const micro_ring_t *ring, int64_t times)

# The most tasks that anybody asked for; more would only take long.
MOST_TASKS = 4096
# A working set's largest size.
cdef int64_t MOST_SET_BYTES = 1 << 20
# How often a batch measures what touching a working set costs a task alone.
cdef int64_t TOUCHES = 8


cdef class _Ring:
    """The pipes of a group of tasks, and where the system's limits end them."""

    cdef micro_ring_t *ring
    cdef int64_t most
    cdef object reason

    def __init__(self):
        cdef const char *call = NULL
        self.ring = micro_ring_new(&call)
        if self.ring == NULL:
            raise OperationFailed(call.decode(), errno, 0)
        limit = Descriptors()
        by_descriptors = limit.room() // 2 - 1
        self.most = max(min(MOST_TASKS, by_descriptors, MICRO_RING_TASKS), 2)
        self.reason = (
            f"at most {MOST_TASKS} tasks" if by_descriptors > MOST_TASKS else limit.limit_reason())

    def __dealloc__(self):
        self.close()

    cdef void close(self) noexcept:
        micro_ring_free(self.ring)
        self.ring = NULL

    cdef open(self, int64_t pipes):
        """Have so many pipes; raises `OperationFailed`."""
        cdef int status = micro_ring_pipes(self.ring, pipes)
        if status:
            raise OperationFailed("pipe", -status, 0)


@cython.no_gc_clear  # the peers use the ring until they have ended
cdef class Ring(SelfTimedWorkload):
    """One operation: the token moves on by one task, which sleeps in read() until it comes.

    ``level`` tasks stand in the ring, the timed loop among them, all on its CPU.
    """

    cdef _Ring ring
    cdef str peer

    def __init__(self, peer="process"):
        one_of(peer, KINDS)
        self.peer = peer
        self.ring = _Ring()
        self.grow_or_close(2)

    def grow(self, uint64_t level):
        """Let ``level`` tasks stand in the ring."""
        cdef int64_t goal = min(level, self.ring.most)
        reason = self.ring.reason
        try:
            if goal > self.ring.ring.tasks:
                # One ahead: a process that exists uses what was open when it was forked.
                self.ring.open(goal + 1)
            self.start_peers(
                self.peer, "same", <micro_body_t>micro_ring_member, self.ring.ring, goal - 1)
        except OperationFailed as error:
            goal, reason = self.peers_left(error)
            goal += 1
        self.ring.open(goal + 1)
        self.ring.ring.tasks = goal
        self.stand_at(goal, level, reason)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        return self.check_peers()

    cdef int64_t timed_loop(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        cdef const char *call = b"write"
        cdef int status
        if self.marks:
            micro_mark(MICRO_LOOP_BEGINS)
        status = micro_ring_turn(
            self.ring.ring, &self.peers.group, n, elapsed_ns, &call)
        if self.marks:
            micro_mark(MICRO_LOOP_ENDS)
        return self.peer_failed(call, -status, 0) if status else 0

    def __dealloc__(self):
        self.drop_peers()

    def close(self):
        """End the tasks, then close the pipes."""
        SelfTimedWorkload.close(self)
        if self.ring is not None:
            self.ring.close()


@cython.no_gc_clear
cdef class WorkingSet(Ring):
    """One operation: the token moves on by one task, which reads and writes its working set.

    ``level`` is the bytes of each set, of which a word a cache line is touched. What a task needs
    to touch its set alone, measured in each batch, is subtracted; 1 ns is left at least.
    """

    cdef int64_t members
    cdef unsigned char *sets
    cdef size_t mapped_bytes

    def __init__(self, peer="process", tasks=8):
        self.members = tasks
        if not 2 <= tasks <= 64:
            raise ValueError(f"not a value of this parameter: {tasks!r}")
        one_of(peer, KINDS)
        self.peer = peer
        self.ring = _Ring()
        try:
            self.ring.ring.set_stride_bytes = MOST_SET_BYTES
            self.mapped_bytes = tasks * MOST_SET_BYTES
            self.sets = <unsigned char *>micro_shared_memory(self.mapped_bytes)
            if self.sets == NULL:
                raise OperationFailed("mmap", errno, 0)
            self.ring.ring.sets = self.sets
            Ring.grow(self, self.members)
            self.grow(64)
        except BaseException:
            self.close()
            raise

    def grow(self, uint64_t level):
        """Let each task have a working set of ``level`` bytes."""
        self.ring.ring.set_bytes = min(<int64_t>level, MOST_SET_BYTES)
        self.level = self.ring.ring.set_bytes
        if level > self.level:
            raise LimitReached(self.level, f"sets of at most {MOST_SET_BYTES} bytes")

    cdef int64_t timed_loop(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        cdef int64_t touching_ns = micro_ring_touching_ns(self.ring.ring, TOUCHES)
        cdef int64_t status = Ring.timed_loop(self, n, elapsed_ns)
        elapsed_ns[0] = max(elapsed_ns[0] - <int64_t>n * touching_ns // TOUCHES, 1)
        return status

    cdef void unmap(self) noexcept:
        if self.sets != NULL:
            munmap(self.sets, self.mapped_bytes)
            self.sets = NULL

    def __dealloc__(self):
        self.drop_peers()
        self.unmap()

    def close(self):
        """End the tasks, then give back the sets and close the pipes."""
        Ring.close(self)
        self.unmap()


@cython.no_gc_clear
cdef class WakeOne(PeeredWorkload):
    """One operation: wake one of ``level`` sleepers, each in turn, and sleep until it answers."""

    cdef _Ring ring
    cdef str peer
    cdef int64_t next

    def __init__(self, peer="process"):
        one_of(peer, KINDS)
        self.peer = peer
        self.ring = _Ring()
        self.grow_or_close(1)

    def grow(self, uint64_t level):
        """Let ``level`` tasks sleep, each on a pipe of its own."""
        cdef int64_t goal = min(level, self.ring.most)
        reason = self.ring.reason
        try:
            if self.peers is None or goal > self.peers.group.count:
                self.ring.open(goal)
            self.start_peers(
                self.peer, "same", <micro_body_t>micro_ring_answerer, self.ring.ring, goal)
        except OperationFailed as error:
            goal, reason = self.peers_left(error)
        self.ring.open(goal)
        self.next = 0
        self.stand_at(goal, level, reason)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        return self.check_peers()

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        cdef int64_t count = self.peers.group.count
        for i in range(n):
            status = micro_owner_moves_byte(
                &self.peers.group, self.ring.ring.pipes[self.next][1], True)
            if status:
                return self.peer_failed(b"write", -status, i)
            status = micro_owner_moves_byte(
                &self.peers.group, self.ring.ring.arrived[0], False)
            if status:
                return self.peer_failed(b"read", -status, i)
            self.next = self.next + 1 if self.next + 1 < count else 0
        return 0

    def __dealloc__(self):
        self.drop_peers()

    def close(self):
        """End the sleepers, then close the pipes."""
        PeeredWorkload.close(self)
        if self.ring is not None:
            self.ring.close()


cdef int64_t keep_yielding(micro_peer_t *self, void *argument) noexcept nogil:
    """Call sched_yield() as long as a batch lasts."""
    cdef micro_busy_t *busy = <micro_busy_t *>argument
    cdef int64_t status = micro_busy_begins(self, busy)
    while status == 1:
        while micro_busy_lasts(busy):
            sched_yield()
        micro_busy_ended(busy)
        status = micro_busy_begins(self, busy)
    return status


cdef class Yield(BusyPeersWorkload):
    """One operation: sched_yield(), while ``level`` other tasks on the CPU do nothing else."""

    cdef str peer

    def __init__(self, peer="thread"):
        one_of(peer, KINDS)
        self.peer = peer
        self.grow_or_close(1)

    def grow(self, uint64_t level):
        """Let ``level`` other tasks yield."""
        cdef int64_t goal = min(level, MOST_TASKS)
        reason = f"at most {MOST_TASKS} tasks"
        try:
            self.start_busy_peers(self.peer, "same", keep_yielding, NULL, goal)
        except OperationFailed as error:
            goal, reason = self.peers_left(error)
        self.stand_at(goal, level, reason)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        for i in range(n):
            if sched_yield() != 0:
                return self.fail(b"sched_yield", errno, i)
        return 0
