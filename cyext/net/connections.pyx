"""Connections: made, accepted and closed, by one task or by two."""

import errno as errno_names
import os

from libc.stdint cimport int64_t, uint64_t
from posix.unistd cimport close

from cyext.core.peers cimport micro_body_t, micro_peers_t
from cyext.core.peered cimport PeeredWorkload

from cyext.core.errors import NotSupported, OperationFailed
from cyext.core.parameters import one_of
from cyext.core.scratch import fresh_path


cdef extern from "net/connections.h" nogil:
    int AF_INET
    int AF_UNIX
    ctypedef struct micro_door_t:
        int family
        int listener
        int connecting_resets
        const char *call
    int micro_door_open(micro_door_t *door, const char *path)
    int micro_connection_here(micro_door_t *door)
    int micro_connection_to_peer(micro_door_t *door, micro_peers_t *group)
    int64_t micro_take_connections(void *self, void *door)


cdef class _Connections(PeeredWorkload):
    """A listener, for TCP or Unix stream sockets."""

    cdef micro_door_t door
    cdef bytes path   # of a socket in the scratch directory, or None

    def __cinit__(self, *args, **kwargs):
        self.door.listener = -1

    cdef listen(self, protocol):
        cdef int status
        self.door.family = one_of(protocol, {"tcp": AF_INET, "unix": AF_UNIX})
        path = fresh_path()
        status = micro_door_open(&self.door, path)
        if self.door.family == AF_UNIX and self.door.listener >= 0:
            self.path = path
        if status == 0:
            return
        self.close()
        if status == -errno_names.ENAMETOOLONG:
            raise NotSupported("the name of a Unix socket in the temporary directory is too long")
        raise OperationFailed(self.door.call.decode(), -status, 0)

    def __dealloc__(self):
        self.drop_peers()
        if self.door.listener >= 0:
            close(self.door.listener)

    def close(self):
        """End the peer, close and remove the listener."""
        PeeredWorkload.close(self)
        if self.door.listener >= 0:
            close(self.door.listener)
            self.door.listener = -1
        if self.path is not None:
            try:
                os.unlink(self.path)
            except FileNotFoundError:  # it never got as far as bind()
                pass
            self.path = None


cdef class Connect(_Connections):
    """One operation: connect to a listener of this thread, accept, close both ends."""

    def __init__(self, protocol="tcp"):
        self.listen(protocol)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            status = micro_connection_here(&self.door)
            if status:
                return self.fail(self.door.call, -status, i)
        return 0


cdef class ConnectPeer(_Connections):
    """One operation: connect to a peer, wait until it has accepted and closed, close."""

    def __init__(self, protocol="tcp", peer="process", cpu="same"):
        self.door.connecting_resets = protocol == "tcp"
        self.listen(protocol)
        try:
            self.start_peers(peer, cpu, <micro_body_t>micro_take_connections, &self.door, 1)
        except BaseException:
            self.close()
            raise

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            status = micro_connection_to_peer(&self.door, &self.peers.group)
            if status:
                return self.peer_failed(self.door.call, -status, i)
        return 0
