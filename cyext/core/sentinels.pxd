"""The sentinel on more CPUs than that of the timed loop."""

from libc.stdint cimport int64_t

from cyext.core.peers cimport Peers


cdef extern from "core/sentinel.h" nogil:
    ctypedef struct micro_sense_t:
        int64_t chain_ns
        int64_t width_ns
        int64_t end_ns
    void micro_sense(micro_sense_t *out)


cdef struct Elsewhere:
    int asked[2]
    int answered[2]
    micro_sense_t sense


cdef class Sentinels:
    cdef Peers peers
    cdef Elsewhere *places
    cdef int count

    cdef void close_pipes(self) noexcept
    cdef int64_t sense(self, micro_sense_t *worst) noexcept nogil
