"""Making and ending processes."""

from libc.stdint cimport int64_t, uint64_t

from cyext.kernel cimport Kernel

from cyext.kernel import NotSupported


cdef extern from "os/process.h" nogil:
    int micro_fork_exit(const char **call)
    int micro_vfork_exit(const char **call)
    bint MICRO_HAS_VFORK


cdef class ForkExit(Kernel):
    """One operation: fork, the child leaves at once with _exit(0), the parent waits for it."""

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        cdef const char *call = NULL
        for i in range(n):
            status = micro_fork_exit(&call)
            if status:
                return self.fail(call, -status, i)
        return 0


cdef class VforkExit(Kernel):
    """One operation: vfork, the child leaves at once with _exit(0), the parent waits for it."""

    def __init__(self):
        if not MICRO_HAS_VFORK:
            raise NotSupported("this system has no vfork of its own")

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        cdef const char *call = NULL
        for i in range(n):
            status = micro_vfork_exit(&call)
            if status:
                return self.fail(call, -status, i)
        return 0
