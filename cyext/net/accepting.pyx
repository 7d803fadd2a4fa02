"""Taking connections that wait at a listener."""

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t
from posix.unistd cimport close

from cyext.core.workload cimport Workload
from cyext.net.listener cimport Listener, micro_door_t


cdef extern from "net/connections.h" nogil:
    int micro_door_connect(micro_door_t *door)

cdef extern from "<sys/socket.h>" nogil:
    int accept(int listener, void *address, void *length)

cdef enum:
    # As in `cyext.port.ports`: of more, the last ones take longer.
    MOST_WAITING = 32


cdef class Accept(Workload):
    """One operation: accept() a connection that has been made before, at a listener of its own.

    After a batch, both ends are closed.
    """

    cdef Listener listener
    cdef micro_door_t *door
    cdef int connecting[MOST_WAITING]
    cdef int accepted[MOST_WAITING]
    cdef int connected
    cdef int taken

    def __init__(self, protocol="tcp"):
        self.listener = Listener(protocol)
        self.door = &self.listener.door
        self.max_batch = MOST_WAITING

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int fd
        for i in range(n):
            fd = micro_door_connect(self.door)
            if fd < 0:
                return self.fail(self.door.call, -fd, i)
            self.connecting[self.connected] = fd
            self.connected += 1
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int fd
        for i in range(n):
            fd = accept(self.door.listener, NULL, NULL)
            if fd < 0:
                return self.fail(b"accept", errno, i)
            self.accepted[self.taken] = fd
            self.taken += 1
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        """Accept what a failed batch left, then close both ends: the accepted one resets TCP."""
        cdef int64_t status = self.loop(self.connected - self.taken)
        while self.taken:
            self.taken -= 1
            if close(self.accepted[self.taken]) != 0:
                status = self.fail(b"close", errno, 0)
        while self.connected:
            self.connected -= 1
            if close(self.connecting[self.connected]) != 0:
                status = self.fail(b"close", errno, 0)
        return status

    def close(self):
        """Close and remove the listener."""
        Workload.close(self)
        if self.listener is not None:
            self.listener.close()
