"""What a core does without the system: the measure of the machine itself."""

from libc.stdint cimport int64_t, uint64_t

from cyext.core.sentinel cimport micro_chain
from cyext.core.workload cimport Workload


cdef class Chain(Workload):
    """One operation: a multiplication and an addition that wait for those before them."""

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        micro_chain(n)
        return 0
