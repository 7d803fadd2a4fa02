"""A workload whose peers use their CPU while a batch lasts, and sleep between batches."""

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t

from cyext.core.peers cimport micro_body_t
from cyext.core.peered cimport PeeredWorkload

from cyext.core.errors import OperationFailed


cdef class BusyPeersWorkload(PeeredWorkload):
    """Base of such workloads: batches and traces begin and end with the peers' work.

    That they begin and end is not timed, and the sentinels run while they sleep.
    """

    cdef start_busy_peers(self, kind, cpu, micro_body_t body, void *more, int64_t count):
        """As `start_peers`; the body's argument is the `micro_busy_t` with ``more``."""
        if self.busy == NULL:
            self.busy = micro_busy_new(more)
            if self.busy == NULL:
                raise OperationFailed("pipe", errno, 0)
        self.start_peers(kind, cpu, body, self.busy, count)

    def __dealloc__(self):
        self.drop_peers()
        micro_busy_free(self.busy)

    cdef int64_t begin(self) noexcept nogil:
        cdef int64_t status = micro_busy_all(self.busy, &self.peers.group)
        return self.peer_failed(b"write", -status, 0) if status else 0

    cdef int64_t end(self) noexcept nogil:
        cdef int64_t status = micro_busy_none(self.busy, &self.peers.group)
        return self.peer_failed(b"peer", -status, 0) if status else 0

    cdef int64_t batch(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        cdef int64_t ended
        cdef int64_t status = self.begin()
        if status == 0:
            status = PeeredWorkload.batch(self, n, elapsed_ns)
        ended = self.end()
        return status if status else ended

    def trace(self, n):
        """As `Workload.trace`, the peers being busy all the while."""
        cdef int64_t status
        self.check_batch(n)
        with nogil:
            status = self.begin()
        try:
            if status:
                raise self.failure(status)
            return PeeredWorkload.trace(self, n)
        finally:
            with nogil:
                self.end()

    def close(self):
        """End the peers."""
        PeeredWorkload.close(self)
        micro_busy_free(self.busy)
        self.busy = NULL
