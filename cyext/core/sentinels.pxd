"""The sentinel on more CPUs than that of the timed loop."""

from libc.stdint cimport int64_t

from cyext.core.peers cimport Peers
from cyext.core.sentinel cimport micro_sense_t


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
