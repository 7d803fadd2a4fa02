"""Round trips of a message between the timed loop and a peer, one class a mechanism."""

import errno

from libc.stdint cimport int64_t, uint64_t

from cyext.core.peers cimport micro_body_t, micro_peers_t
from cyext.core.peered cimport PeeredWorkload

from cyext.core.errors import NotSupported, OperationFailed
from cyext.core.scratch import fresh_path


cdef extern from "ipc/mechanisms.h" nogil:
    enum:
        MICRO_OWNER
    ctypedef struct micro_mechanism_t:
        pass
    ctypedef struct micro_link_t:
        const char *call[2]
    const micro_mechanism_t micro_pipe, micro_fifo, micro_eventfd, micro_futex_words
    const micro_mechanism_t micro_unix_stream, micro_unix_datagram, micro_descriptor
    const micro_mechanism_t micro_posix_semaphore, micro_sysv_semaphore
    const micro_mechanism_t micro_posix_queue, micro_sysv_queue, micro_signal
    void micro_link_init(micro_link_t *link, const micro_mechanism_t *mechanism)
    int micro_link_open(micro_link_t *link, micro_peers_t *group, const char *fifo)
    void micro_link_close(micro_link_t *link)
    int micro_link_round_trip(micro_link_t *link)
    int64_t micro_link_echo(void *self, void *link)

# What a system answers that lacks a mechanism, or forbids it.
LACKING = (errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.EOPNOTSUPP)


cdef class RoundTrip(PeeredWorkload):
    """One operation: a message to a peer, and its answer."""

    cdef micro_link_t link

    def __init__(self, peer="process", cpu="same"):
        cdef micro_body_t echo = <micro_body_t>micro_link_echo
        self.start_peers(peer, cpu, echo, &self.link, 0)
        try:
            fifo = fresh_path()
            error = -micro_link_open(&self.link, &self.peers.group, fifo)
            if error:
                call = self.link.call[MICRO_OWNER].decode()
                if error in LACKING:
                    raise NotSupported(f"{call}: {errno.errorcode[error]}")
                raise OperationFailed(call, error, 0)
            self.start_peers(peer, cpu, echo, &self.link, 1)
        except BaseException:
            self.close()
            raise

    def __dealloc__(self):
        self.drop_peers()
        micro_link_close(&self.link)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        return self.check_peers()

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            status = micro_link_round_trip(&self.link)
            if status:
                return self.peer_failed(self.link.call[MICRO_OWNER], -status, i)
        return 0

    def close(self):
        """End the peer, then close the link."""
        PeeredWorkload.close(self)
        micro_link_close(&self.link)


cdef class Pipe(RoundTrip):
    """One operation: a round trip. Over two pipes."""

    def __cinit__(self, *args, **kwargs):
        micro_link_init(&self.link, &micro_pipe)


cdef class Fifo(RoundTrip):
    """One operation: a round trip. Over two named pipes."""

    def __cinit__(self, *args, **kwargs):
        micro_link_init(&self.link, &micro_fifo)


cdef class Eventfd(RoundTrip):
    """One operation: a round trip. Over two eventfds."""

    def __cinit__(self, *args, **kwargs):
        micro_link_init(&self.link, &micro_eventfd)


cdef class UnixStream(RoundTrip):
    """One operation: a round trip. Over a pair of Unix stream sockets."""

    def __cinit__(self, *args, **kwargs):
        micro_link_init(&self.link, &micro_unix_stream)


cdef class UnixDatagram(RoundTrip):
    """One operation: a round trip. Over a pair of Unix datagram sockets."""

    def __cinit__(self, *args, **kwargs):
        micro_link_init(&self.link, &micro_unix_datagram)


cdef class Descriptor(RoundTrip):
    """One operation: a descriptor there, over a Unix stream socket, and a byte back."""

    def __cinit__(self, *args, **kwargs):
        micro_link_init(&self.link, &micro_descriptor)


cdef class Futex(RoundTrip):
    """One operation: a round trip. Two words in shared memory, on which the sides sleep."""

    def __cinit__(self, *args, **kwargs):
        micro_link_init(&self.link, &micro_futex_words)


cdef class PosixSemaphore(RoundTrip):
    """One operation: a round trip. Two POSIX semaphores in shared memory."""

    def __cinit__(self, *args, **kwargs):
        micro_link_init(&self.link, &micro_posix_semaphore)


cdef class SysvSemaphore(RoundTrip):
    """One operation: a round trip. A System V set of two semaphores."""

    def __cinit__(self, *args, **kwargs):
        micro_link_init(&self.link, &micro_sysv_semaphore)


cdef class PosixQueue(RoundTrip):
    """One operation: a round trip. Two POSIX message queues."""

    def __cinit__(self, *args, **kwargs):
        micro_link_init(&self.link, &micro_posix_queue)


cdef class SysvQueue(RoundTrip):
    """One operation: a round trip. A System V message queue."""

    def __cinit__(self, *args, **kwargs):
        micro_link_init(&self.link, &micro_sysv_queue)


cdef class Signal(RoundTrip):
    """One operation: a round trip. A signal, taken with sigwaitinfo()."""

    def __cinit__(self, *args, **kwargs):
        micro_link_init(&self.link, &micro_signal)

    def meet(self, members, index, mode):
        """Refuse a team: its members would take each other's signals."""
        if len(members) > 1:
            raise NotSupported("several at once would take each other's signals")
