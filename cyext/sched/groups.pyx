"""Groups of tasks that send each other messages: what the scheduler does under load."""

cimport cython
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t

from cyext.core.peers cimport micro_body_t, micro_peer_t, micro_peers_t
from cyext.core.resources cimport Descriptors
from cyext.core.peered cimport PeeredWorkload

from cyext.core.errors import OperationFailed
from cyext.core.parameters import one_of
from cyext.core.peers import KINDS


cdef extern from "sched/hackbench.h" nogil:
    enum:
        MICRO_GROUP
        MICRO_GROUPS_MOST
        MICRO_SENDERS
    ctypedef struct micro_hackbench_t:
        int64_t open
    micro_hackbench_t *micro_hackbench_new(int sockets, const char **call)
    void micro_hackbench_free(micro_hackbench_t *bench)
    int micro_hackbench_open(micro_hackbench_t *bench, int64_t pairs, const char **call)
    void micro_hackbench_close_down_to(micro_hackbench_t *bench, int64_t pairs)
    int64_t micro_hackbench_member(micro_peer_t *self, void *bench) noexcept
    int micro_hackbench_batch(
        micro_hackbench_t *bench, micro_peers_t *group, int64_t messages, const char **call)

# The most groups that anybody asked for; more would only take long.
MOST_GROUPS = MICRO_GROUPS_MOST


@cython.no_gc_clear  # the peers use the connections until they have ended
cdef class Hackbench(PeeredWorkload):
    """One operation: each of 20 senders sends 100 bytes to each of 20 receivers, in every group.

    ``level`` groups run on all CPUs of this workload, as the system likes, as ``peer`` "thread" or
    "process", over ``transport`` "pipe" or "socket". So an operation is 400 messages a group.
    """

    cdef micro_hackbench_t *bench
    cdef str peer

    def __init__(self, transport="pipe", peer="process"):
        cdef const char *call = NULL
        one_of(peer, KINDS)
        self.peer = peer
        self.bench = micro_hackbench_new(one_of(transport, {"pipe": 0, "socket": 1}), &call)
        if self.bench == NULL:
            raise OperationFailed(call.decode(), errno, 0)
        self.grow_or_close(1)

    def settle(self, int64_t groups):
        """Have so many groups. Raises `OperationFailed`."""
        cdef const char *call = NULL
        cdef int64_t pairs = groups * MICRO_SENDERS
        cdef int status = micro_hackbench_open(self.bench, pairs, &call)
        if status:
            raise OperationFailed(call.decode(), -status, 0)
        self.start_peers(
            self.peer, "free", <micro_body_t>micro_hackbench_member, self.bench,
            groups * MICRO_GROUP)
        micro_hackbench_close_down_to(self.bench, pairs)

    def grow(self, uint64_t level):
        """Have ``level`` groups, all of their tasks asleep."""
        cdef int64_t goal = min(level, <uint64_t>min(MOST_GROUPS, MICRO_GROUPS_MOST))
        reason = f"at most {MOST_GROUPS} groups"
        limit = Descriptors()
        by_descriptors = self.level + max(limit.room(), 0) // (4 * MICRO_SENDERS)
        if goal > by_descriptors > 0:
            goal = by_descriptors
            reason = limit.limit_reason()
        self.settle_or_return(goal, level, reason)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        return self.check_peers()

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef const char *call = NULL
        cdef int status = micro_hackbench_batch(
            self.bench, &self.peers.group, <int64_t>n, &call)
        return self.peer_failed(call, -status, 0) if status else 0

    cdef void free(self) noexcept:
        micro_hackbench_free(self.bench)
        self.bench = NULL

    def __dealloc__(self):
        self.drop_peers()
        self.free()

    def close(self):
        """End the tasks, then close their connections."""
        PeeredWorkload.close(self)
        self.free()
