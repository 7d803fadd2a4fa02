"""Sockets to wait for; watched_sockets.pyx explains it."""

from libc.errno cimport EBADMSG, ETIMEDOUT
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cyext.core.workload cimport Workload
from cyext.core.resources cimport Descriptors


cdef inline int64_t turned(int64_t index, int64_t active) noexcept nogil:
    """The index within the ring of ``active`` sockets."""
    return index if index < active else index - active


cdef inline int64_t wrong_count(int64_t found) noexcept nogil:
    """Why a wait that ``found`` so many events is wrong: its own error, none in time, or others."""
    return -found if found < 0 else EBADMSG if found else ETIMEDOUT


cdef class Watched(Workload):
    cdef Descriptors sockets
    cdef bint edge
    cdef bint rotating
    cdef bint a_tenth
    cdef int64_t active
    cdef int64_t ready
    cdef int64_t head
    cdef uint64_t serial
    cdef uint64_t *seen
    cdef int64_t *ring
    cdef int64_t *ring_index
    cdef bint *bound

    cdef choose(self, ready, rotation)
    cdef settle(self, int64_t goal)
    cdef arrange(self)
    cdef drain(self)
    cdef open_sockets(self, int64_t goal)
    cdef make_room(self, int64_t goal)
    cdef int make_ring(self) noexcept nogil
    cdef watch(self)
    cdef forget(self, int64_t count)
    cdef int64_t waits(self, uint64_t n, uint64_t after) noexcept nogil
    cdef int64_t make_ready(self, int64_t first, int64_t count, uint64_t after) noexcept nogil
    cdef int64_t make_idle(self, int64_t first, int64_t count, uint64_t after) noexcept nogil
    cdef int give_address(self, int fd) noexcept nogil
    cdef int64_t ready_at(self, int64_t level) noexcept nogil
    cdef int64_t active_at(self, int64_t level) noexcept nogil
    cdef close_down_to(self, int64_t count)

    cdef inline int64_t at(self, int64_t ahead) noexcept nogil:
        """The place of that socket of the ring, counted from its head."""
        return self.ring[turned(self.head + ahead, self.active)]

    cdef inline bint expected(self, uint32_t place) noexcept nogil:
        """Whether the wait of this ``serial`` had to find that socket, and did not before."""
        cdef int64_t index = self.ring_index[place] if place < self.level else -1
        cdef int64_t ahead = index - self.head
        if ahead < 0:
            ahead += self.active
        if index < 0 or ahead >= self.ready or self.seen[index] == self.serial:
            return False
        self.seen[index] = self.serial
        return True
