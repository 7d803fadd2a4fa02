"""No-ops by io_uring, for contrast with a system call each."""

from libc.errno cimport EBUSY, EIO
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cyext.core.workload cimport Workload

from cyext.core.errors import NotSupported
from cyext.event.uring import why_not


cdef extern from "os/uring.h" nogil:
    ctypedef struct micro_uring_t:
        pass
    int micro_uring_open(micro_uring_t *ring, uint32_t entries)
    void micro_uring_close(micro_uring_t *ring)
    void micro_uring_nop(micro_uring_t *ring)
    int micro_uring_submit(micro_uring_t *ring)
    uint32_t micro_uring_completed(const micro_uring_t *ring)
    int micro_uring_result(micro_uring_t *ring, uint64_t *index)


cdef class UringNops(Workload):
    """One operation: an io_uring_enter() that does ``nops`` no-ops, and taking their results."""

    cdef micro_uring_t ring
    cdef int nops

    def __cinit__(self, *args, **kwargs):
        memset(&self.ring, 0, sizeof(self.ring))

    def __init__(self, nops=1):
        self.nops = nops
        cdef int status = micro_uring_open(&self.ring, <uint32_t>self.nops)
        if status:
            raise NotSupported(why_not(-status))

    def __dealloc__(self):
        micro_uring_close(&self.ring)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i, _index
        cdef int _j, status
        for i in range(n):
            for _j in range(self.nops):
                micro_uring_nop(&self.ring)
            status = micro_uring_submit(&self.ring)
            if status < 0:
                return self.fail(b"io_uring_enter", -status, i)
            if micro_uring_completed(&self.ring) != <uint32_t>self.nops:
                return self.fail(b"io_uring_enter", EBUSY, i)
            for _j in range(self.nops):
                status = micro_uring_result(&self.ring, &_index)
                if status:
                    return self.fail(b"io_uring no-op", -status if status < 0 else EIO, i)
        return 0

    def close(self):
        """Close the ring."""
        micro_uring_close(&self.ring)
        Workload.close(self)
