"""Making and ending threads."""

from libc.stdint cimport int64_t, uint64_t

from cyext.kernel cimport Kernel


cdef extern from "os/thread.h" nogil:
    int micro_thread_create_join(const char **call)


cdef class CreateJoin(Kernel):
    """One operation: pthread_create of an empty function with default attributes, pthread_join."""

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        cdef const char *call = NULL
        for i in range(n):
            status = micro_thread_create_join(&call)
            if status:
                return self.fail(call, -status, i)
        return 0
