"""A System V semaphore that nobody waits for."""

import errno

from libc.stdint cimport int64_t, uint64_t

from cyext.core.peers cimport micro_peers_t
from cyext.core.workload cimport Workload

from cyext.core.errors import NotSupported, OperationFailed


cdef extern from "ipc/mechanisms.h" nogil:
    enum:
        MICRO_OWNER
        MICRO_PEER
    ctypedef struct micro_mechanism_t:
        pass
    ctypedef struct micro_link_t:
        const char *call[2]
    const micro_mechanism_t micro_sysv_semaphore
    void micro_link_init(micro_link_t *link, const micro_mechanism_t *mechanism)
    int micro_link_open(micro_link_t *link, micro_peers_t *group, const char *fifo)
    void micro_link_close(micro_link_t *link)
    int micro_set_out(micro_link_t *link, int side)
    int micro_set_in(micro_link_t *link, int side)


cdef class SysvSemaphore(Workload):
    """One operation: a semop() that raises a semaphore, and one that lowers it.

    It is a link without a peer: its owner sends itself what a peer would send.
    """

    cdef micro_link_t link

    def __cinit__(self, *args, **kwargs):
        micro_link_init(&self.link, &micro_sysv_semaphore)

    def __init__(self):
        error = -micro_link_open(&self.link, NULL, NULL)
        if error:
            call = self.link.call[MICRO_OWNER].decode()
            self.close()
            if error in (errno.ENOSYS, errno.EPERM, errno.EACCES):
                raise NotSupported(f"{call}: {errno.errorcode[error]}")
            raise OperationFailed(call, error, 0)

    def __dealloc__(self):
        micro_link_close(&self.link)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = micro_set_out(&self.link, MICRO_PEER)
            if status == 0:
                status = micro_set_in(&self.link, MICRO_OWNER)
            if status:
                return self.fail(b"semop", -status, i)
        return 0

    def close(self):
        """Remove the semaphore."""
        Workload.close(self)
        micro_link_close(&self.link)
