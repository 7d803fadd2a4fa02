"""Round trips of messages of a given size between the timed loop and a peer."""

import errno

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

from cyext.core.peers cimport micro_body_t, micro_peer_t, micro_peers_t
from cyext.core.peered cimport PeeredWorkload

from cyext.core.errors import LimitReached, NotSupported, OperationFailed
from cyext.core.parameters import one_of
from cyext.core.scratch import fresh_path


cdef extern from "ipc/messages.h" nogil:
    enum:
        MICRO_OWNER
        MICRO_PEER
    ctypedef struct micro_mechanism_t:
        pass
    ctypedef struct micro_link_t:
        const char *call[2]
    ctypedef struct micro_messages_t:
        micro_link_t link
        size_t bytes
        char *room[2]
    const micro_mechanism_t micro_pipe, micro_fifo, micro_unix_stream
    void micro_link_init(micro_link_t *link, const micro_mechanism_t *mechanism)
    int micro_link_open(micro_link_t *link, micro_peers_t *group, const char *fifo)
    void micro_link_close(micro_link_t *link)
    int micro_message_round_trip(micro_messages_t *messages)
    int64_t micro_message_echo(micro_peer_t *self, void *messages) noexcept

THROUGH = {"pipe": 0, "fifo": 1, "unix": 2}
# What a system answers that lacks a mechanism, or forbids it.
LACKING = (errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.EOPNOTSUPP)
cdef uint64_t MOST_BYTES = 1 << 20


cdef class Message(PeeredWorkload):
    """One operation: a message of ``level`` bytes to a peer, and one of as many bytes back."""

    cdef micro_messages_t messages
    cdef str peer
    cdef str cpu

    def __init__(self, through="pipe", peer="process", cpu="same"):
        how = one_of(through, THROUGH)
        micro_link_init(
            &self.messages.link,
            &micro_pipe if how == 0 else &micro_fifo if how == 1 else &micro_unix_stream)
        self.peer = peer
        self.cpu = cpu
        self.start_peers(peer, cpu, <micro_body_t>micro_message_echo, &self.messages, 0)
        try:
            for side in (MICRO_OWNER, MICRO_PEER):
                self.messages.room[side] = <char *>calloc(1, MOST_BYTES)
                if self.messages.room[side] == NULL:
                    raise MemoryError
            self.open_link()
            self.grow(1)
        except BaseException:
            self.close()
            raise

    cdef open_link(self):
        fifo = fresh_path()
        error = -micro_link_open(&self.messages.link, &self.peers.group, fifo)
        if error:
            call = self.messages.link.call[MICRO_OWNER].decode()
            if error in LACKING:
                raise NotSupported(f"{call}: {errno.errorcode[error]}")
            raise OperationFailed(call, error, 0)

    def __dealloc__(self):
        self.drop_peers()
        micro_link_close(&self.messages.link)
        free(self.messages.room[MICRO_OWNER])
        free(self.messages.room[MICRO_PEER])

    def grow(self, uint64_t level):
        """Send messages of ``level`` bytes, to a new peer."""
        cdef micro_body_t echo = <micro_body_t>micro_message_echo
        cdef uint64_t goal = min(level, MOST_BYTES)
        self.start_peers(self.peer, self.cpu, echo, &self.messages, 0)
        self.messages.bytes = goal
        self.start_peers(self.peer, self.cpu, echo, &self.messages, 1)
        self.level = goal
        if goal < level:
            raise LimitReached(goal, f"the longest message is {MOST_BYTES} bytes")

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        return self.check_peers()

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            status = micro_message_round_trip(&self.messages)
            if status:
                return self.peer_failed(self.messages.link.call[MICRO_OWNER], -status, i)
        return 0

    def close(self):
        """End the peer, then close the link."""
        PeeredWorkload.close(self)
        micro_link_close(&self.messages.link)
