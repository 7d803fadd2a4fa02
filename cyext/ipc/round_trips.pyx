"""Round trips of one byte between the timed loop and a peer."""

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t
from posix.unistd cimport close, pipe

from cyext.core.peers cimport micro_owner_moves_byte, micro_peer_moves_byte, micro_peer_t
from cyext.core.workload cimport Workload

from cyext.core.errors import OperationFailed


cdef int64_t echo(micro_peer_t *self, void *ends) noexcept nogil:
    """Send back every byte that comes through the first pipe, through the second."""
    cdef int *fds = <int *>ends
    cdef int64_t moved = 1
    while moved == 1:
        moved = micro_peer_moves_byte(self, fds[0], False)
        if moved == 1:
            moved = micro_peer_moves_byte(self, fds[3], True)
    return moved


cdef class Pipe(Workload):
    """One operation: a byte to a peer over one pipe, and its answer over another."""

    cdef int fds[4]

    def __cinit__(self, *args, **kwargs):
        self.fds[:] = [-1, -1, -1, -1]

    def __init__(self, peer="process", cpu="same"):
        if pipe(self.fds) != 0 or pipe(self.fds + 2) != 0:
            raise OperationFailed("pipe", errno, 0)
        try:
            self.start_peers(peer, cpu, echo, self.fds, 1)
        except BaseException:
            self.close()
            raise
        if peer == "process":  # the end of the peer is the end of its pipes
            self.close_end(0)
            self.close_end(3)

    def __dealloc__(self):
        self.drop_peers()
        for i in range(4):
            self.close_end(i)

    cdef void close_end(self, int end) noexcept:
        if self.fds[end] >= 0:
            close(self.fds[end])
            self.fds[end] = -1

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            status = micro_owner_moves_byte(&self.peers.group, self.fds[1], True)
            if status:
                return self.peer_failed(b"write", -status, i)
            status = micro_owner_moves_byte(&self.peers.group, self.fds[2], False)
            if status:
                return self.peer_failed(b"read", -status, i)
        return 0

    def close(self):
        """End the peer, then close the pipes."""
        Workload.close(self)
        for i in range(4):
            self.close_end(i)
