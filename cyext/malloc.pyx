"""The C library's allocator."""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc

from cyext.kernel cimport Kernel


cdef extern from * nogil:
    """
    /* The block escapes, so that no compiler may pair malloc with free and drop both. */
    #define MICRO_ESCAPE(block) __asm__ volatile("" : : "r"(block) : "memory")
    """
    void MICRO_ESCAPE(void *block)


cdef class Pair(Kernel):
    """One operation: malloc of ``size`` bytes, free of that block."""

    cdef size_t size

    def __init__(self, size=512):
        if size < 1:
            raise ValueError(f"size is a positive number of bytes, not {size}")
        self.size = size

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef void *block
        for i in range(n):
            block = malloc(self.size)
            if block == NULL:
                return self.fail(b"malloc", 12, i)  # ENOMEM
            MICRO_ESCAPE(block)
            free(block)
        return 0
