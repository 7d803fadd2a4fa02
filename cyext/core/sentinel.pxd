"""The sentinel; sentinel.h explains it."""

from libc.stdint cimport int64_t, uint64_t


cdef extern from "core/sentinel.h" nogil:
    ctypedef struct micro_sense_t:
        int64_t chain_ns
        int64_t width_ns
        int64_t end_ns
    enum:
        MICRO_CHAIN_STEPS
    void micro_sense(micro_sense_t *out)
    void micro_chain(uint64_t steps)
