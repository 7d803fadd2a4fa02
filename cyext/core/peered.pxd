"""Workloads that have tasks beside their loop; peered.pyx explains them."""

from libc.stdint cimport int64_t, uint64_t

from cyext.core.peers cimport Peers, micro_body_t, micro_peers_t
from cyext.core.sentinels cimport Sentinels
from cyext.core.workload cimport Workload


cdef class PeeredWorkload(Workload):
    cdef Peers peers
    cdef str peers_on
    cdef Sentinels sentinels
    cdef micro_peers_t *running_peers

    cdef start_peers(self, kind, cpu, micro_body_t body, void *argument, int64_t count)
    cdef void drop_peers(self) noexcept
    cdef int64_t check_peers(self) noexcept nogil
    cdef int64_t peer_failed(self, const char *call, int64_t error, uint64_t after) noexcept nogil


cdef class SelfTimedWorkload(PeeredWorkload):
    cdef int64_t timed_loop(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil
