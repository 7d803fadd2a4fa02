"""Peers that use their CPU while a batch lasts; busy_peers.h explains them."""

from libc.stdint cimport int64_t

from cyext.core.peers cimport micro_body_t, micro_peer_t, micro_peers_t
from cyext.core.peered cimport PeeredWorkload


cdef extern from "core/busy_peers.h" nogil:
    ctypedef struct micro_busy_t:
        void *more
    int64_t micro_busy_begins(micro_peer_t *self, micro_busy_t *busy)
    bint micro_busy_lasts(micro_busy_t *busy)
    void micro_busy_ended(micro_busy_t *busy)
    micro_busy_t *micro_busy_new(void *more)
    void micro_busy_free(micro_busy_t *busy)
    int micro_busy_all(micro_busy_t *busy, micro_peers_t *group)
    int micro_busy_none(micro_busy_t *busy, micro_peers_t *group)


cdef class BusyPeersWorkload(PeeredWorkload):
    cdef micro_busy_t *busy

    cdef start_busy_peers(self, kind, cpu, micro_body_t body, void *more, int64_t count)
    cdef int64_t begin(self) noexcept nogil
    cdef int64_t end(self) noexcept nogil
