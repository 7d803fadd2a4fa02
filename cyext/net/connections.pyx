"""Connections: made, accepted and closed, by one task or by two."""

from libc.stdint cimport int64_t, uint64_t

from cyext.core.peered cimport PeeredWorkload
from cyext.core.peers cimport micro_body_t, micro_peers_t
from cyext.core.workload cimport Workload
from cyext.net.listener cimport Listener, micro_door_t


cdef extern from "net/connections.h" nogil:
    int micro_connection_here(micro_door_t *door)
    int micro_connection_to_peer(micro_door_t *door, micro_peers_t *group)
    int64_t micro_take_connections(void *self, void *door)


cdef class Connect(Workload):
    """One operation: connect to a listener of this thread, accept, close both ends."""

    cdef Listener listener
    cdef micro_door_t *door

    def __init__(self, protocol="tcp"):
        self.listener = Listener(protocol)
        self.door = &self.listener.door

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            status = micro_connection_here(self.door)
            if status:
                return self.fail(self.door.call, -status, i)
        return 0

    def close(self):
        """Close and remove the listener."""
        Workload.close(self)
        if self.listener is not None:
            self.listener.close()


cdef class ConnectPeer(PeeredWorkload):
    """One operation: connect to a peer, wait until it has accepted and closed, close."""

    cdef Listener listener
    cdef micro_door_t *door

    def __init__(self, protocol="tcp", peer="process", cpu="same"):
        self.listener = Listener(protocol, connecting_resets=protocol == "tcp")
        self.door = &self.listener.door
        try:
            self.start_peers(peer, cpu, <micro_body_t>micro_take_connections, self.door, 1)
        except BaseException:
            self.close()
            raise

    def __dealloc__(self):
        self.drop_peers()

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            status = micro_connection_to_peer(self.door, &self.peers.group)
            if status:
                return self.peer_failed(self.door.call, -status, i)
        return 0

    def close(self):
        """End the peer, close and remove the listener."""
        PeeredWorkload.close(self)
        if self.listener is not None:
            self.listener.close()
