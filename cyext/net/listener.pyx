"""A listener on loopback: at a TCP port, or at a Unix socket in the scratch directory."""

import errno as errno_names
import os

from posix.unistd cimport close

from cyext.core.errors import NotSupported, OperationFailed
from cyext.core.parameters import one_of
from cyext.core.scratch import fresh_path


cdef extern from "net/connections.h" nogil:
    int AF_INET
    int AF_UNIX
    int micro_door_open(micro_door_t *door, const char *path)


cdef class Listener:
    """Listens for ``protocol``, "tcp" or "unix".

    ``connecting_resets``: of a connection's two ends, the connecting one resets it, not the
    accepted one. Raises `NotSupported` and `OperationFailed`.
    """

    def __cinit__(self, *args, **kwargs):
        self.door.listener = -1

    def __init__(self, protocol, connecting_resets=False):
        cdef int status
        self.door.family = one_of(protocol, {"tcp": AF_INET, "unix": AF_UNIX})
        self.door.connecting_resets = connecting_resets
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
        if self.door.listener >= 0:
            close(self.door.listener)

    def close(self):
        """Close and remove the listener; may be called twice."""
        if self.door.listener >= 0:
            close(self.door.listener)
            self.door.listener = -1
        if self.path is not None:
            try:
                os.unlink(self.path)
            except FileNotFoundError:  # it never got as far as bind()
                pass
            self.path = None
