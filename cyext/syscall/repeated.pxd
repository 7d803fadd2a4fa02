"""Workloads of one system call that is made again and again; repeated.pyx explains them."""

from libc.stdint cimport int64_t, uint64_t

from cyext.core.workload cimport Workload


cdef extern from "os/repeated_calls.h" nogil:
    ctypedef struct micro_given_t:
        int fd
        const char *name
        void *buffer
        size_t bytes
    ctypedef int64_t (*micro_calls_t)(
        const micro_given_t *given, uint64_t n, uint64_t *made) noexcept nogil


cdef enum:
    ANSWER_BYTES = 4096   # the largest a call's answer may be


cdef class RepeatedCalls(Workload):
    cdef micro_calls_t calls
    cdef const char *call
    cdef micro_given_t given
    cdef void *base
    cdef size_t base_bytes
    cdef object file   # to be removed, or None

    cdef begin(self, const char *call, micro_calls_t calls, size_t bytes_=*)
    cdef try_once(self, lacking)
    cdef put_away(self)
