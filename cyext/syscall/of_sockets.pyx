"""One system call an operation, of a socket."""

import _socket  # what `socket` is built on, without its other imports

from libc.stdint cimport int64_t, uint64_t

from cyext.syscall.repeated cimport RepeatedCalls, micro_calls_t, micro_given_t

from cyext.core.parameters import one_of


cdef extern from "os/repeated_calls.h" nogil:
    int64_t micro_calls_getsockname(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_getpeername(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_getsockopt(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_setsockopt(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_listen(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_fcntl_set(const micro_given_t *given, uint64_t n, uint64_t *made)

cdef struct _SocketCall:
    const char *name
    micro_calls_t calls

cdef _SocketCall[5] SOCKET_CALLS = [
    _SocketCall(b"getsockname", micro_calls_getsockname),
    _SocketCall(b"getpeername", micro_calls_getpeername),
    _SocketCall(b"getsockopt", micro_calls_getsockopt),
    _SocketCall(b"setsockopt", micro_calls_setsockopt),
    _SocketCall(b"listen", micro_calls_listen),
]


cdef class OfSocket(RepeatedCalls):
    """One operation: ``call`` of a connected TCP socket, or listen() of one that listens.

    The option that is asked for, and set alternately to 0 and 1, is TCP_NODELAY.
    """

    cdef tuple others   # sockets that the one in question needs

    def __init__(self, call="getsockname"):
        cdef int i, number
        number = one_of(call, {SOCKET_CALLS[i].name.decode(): i for i in range(5)})
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        client = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.others = listener, client
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client.connect(listener.getsockname())
        self.given.fd = (listener if call == "listen" else client).detach()
        self.begin(SOCKET_CALLS[number].name, SOCKET_CALLS[number].calls)

    def close(self):
        """Close the sockets."""
        for other in self.others or ():
            other.close()
        RepeatedCalls.close(self)


cdef class FcntlSet(RepeatedCalls):
    """One operation: fcntl(F_SETFL) of a socket, alternately with and without O_NONBLOCK."""

    def __init__(self):
        self.given.fd = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM).detach()
        self.begin(b"fcntl", micro_calls_fcntl_set)
