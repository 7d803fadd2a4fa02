"""An operation that does nothing: what the harness itself costs."""

from libc.stdint cimport int64_t, uint64_t

from cyext.core.workload cimport Workload


cdef extern from * nogil:
    """
    #define MICRO_KEEP(i) __asm__ volatile("" : : "r"(i) : "memory")
    """
    void MICRO_KEEP(uint64_t i)


cdef class Empty(Workload):
    """One operation is one turn of a counting loop that the compiler may not drop."""

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        for i in range(n):
            MICRO_KEEP(i)
        return 0
