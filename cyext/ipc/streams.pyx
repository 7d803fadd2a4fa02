"""Bandwidth: a stream of messages from the timed loop to a peer."""

import errno as errno_names

from libc.errno cimport EIO, errno
from libc.stdint cimport int64_t, uint64_t

from cyext.core.busy_peers cimport BusyPeersWorkload
from cyext.core.peers cimport micro_body_t, micro_peers_t
from cyext.core.peered cimport PeeredWorkload

from cyext.core.errors import LimitReached, NotSupported, OperationFailed
from cyext.core.parameters import one_of


cdef extern from "ipc/stream.h" nogil:
    enum:
        MICRO_STREAM_PIPE
        MICRO_STREAM_UNIX
        MICRO_STREAM_TCP
        MICRO_STREAM_MEMORY
    ctypedef struct micro_stream_t:
        int kind
        size_t size
        const char *call
    void micro_stream_init(micro_stream_t *stream)
    int micro_stream_open(micro_stream_t *stream)
    int micro_stream_resize(micro_stream_t *stream, size_t size)
    void micro_stream_close(micro_stream_t *stream)
    int micro_stream_send(micro_stream_t *stream, micro_peers_t *group)
    int micro_stream_expect(micro_stream_t *stream, uint64_t bytes)
    int micro_stream_drain(micro_stream_t *stream, micro_peers_t *group)
    int64_t micro_stream_take(void *self, void *stream)

cdef extern from "ipc/polled.h" nogil:
    ctypedef struct micro_words_t:
        pass
    int64_t micro_words_answer(void *self, void *busy)
    int64_t micro_words_ask(micro_words_t *words, micro_peers_t *group)

cdef extern from "<sys/mman.h>" nogil:
    int munmap(void *start, size_t bytes)

cdef extern from "os/mapping.h" nogil:
    void *micro_shared_memory(size_t bytes)

TRANSPORTS = {
    "pipe": MICRO_STREAM_PIPE,
    "unix": MICRO_STREAM_UNIX,
    "tcp": MICRO_STREAM_TCP,
    "memory": MICRO_STREAM_MEMORY,
}
cdef uint64_t LARGEST_MESSAGE = 1 << 22


cdef class Stream(PeeredWorkload):
    """One operation: a message of ``level`` bytes to a peer; a batch ends when the peer has all.

    A batch begins and ends with a switch to the peer: it should be long.
    """

    cdef micro_stream_t stream
    cdef str peer
    cdef str cpu

    def __cinit__(self, *args, **kwargs):
        micro_stream_init(&self.stream)

    def __init__(self, transport="pipe", peer="process", cpu="same"):
        self.stream.kind = one_of(transport, TRANSPORTS)
        self.peer = peer
        self.cpu = cpu
        self.start_peers(peer, cpu, <micro_body_t>micro_stream_take, &self.stream, 0)
        try:
            self.check(micro_stream_open(&self.stream))
            self.grow(1)
        except BaseException:
            self.close()
            raise

    def __dealloc__(self):
        self.drop_peers()
        micro_stream_close(&self.stream)

    cdef check(self, status):
        if status == -errno_names.ENOSYS:
            raise NotSupported(f"{self.stream.call.decode()}: ENOSYS")
        if status:
            raise OperationFailed(self.stream.call.decode(), -status, 0)

    def grow(self, uint64_t level):
        """Send messages of ``level`` bytes, to a new peer."""
        cdef uint64_t goal = min(level, LARGEST_MESSAGE)
        cdef micro_body_t body = <micro_body_t>micro_stream_take
        self.start_peers(self.peer, self.cpu, body, &self.stream, 0)
        self.check(micro_stream_resize(&self.stream, goal))
        self.start_peers(self.peer, self.cpu, body, &self.stream, 1)
        self.level = goal
        if goal < level:
            raise LimitReached(goal, f"the longest message is {LARGEST_MESSAGE} bytes")

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        return self.check_peers()

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status = micro_stream_expect(&self.stream, n * self.stream.size)
        if status:
            return self.fail(self.stream.call, -status, 0)
        for i in range(n):
            status = micro_stream_send(&self.stream, &self.peers.group)
            if status:
                return self.peer_failed(self.stream.call, -status, i)
        status = micro_stream_drain(&self.stream, &self.peers.group)
        return self.peer_failed(self.stream.call, -status, n) if status else 0

    def close(self):
        """End the peer, close what the stream goes through."""
        PeeredWorkload.close(self)
        micro_stream_close(&self.stream)


cdef class SharedWord(BusyPeersWorkload):
    """One operation: write a word that a peer on another CPU polls, poll until it has answered."""

    cdef micro_words_t *words

    def __init__(self, peer="process", cpu="other"):
        one_of(cpu, {"other": True})  # on one, each would wait out the other's turn
        self.words = <micro_words_t *>micro_shared_memory(sizeof(micro_words_t))
        if self.words == NULL:
            raise OperationFailed("mmap", errno, 0)
        try:
            self.start_busy_peers(peer, cpu, <micro_body_t>micro_words_answer, self.words, 1)
        except BaseException:
            self.close()
            raise

    def __dealloc__(self):
        self.drop_peers()
        self.put_away()

    cdef void put_away(self) noexcept:
        if self.words != NULL:
            munmap(self.words, sizeof(micro_words_t))
            self.words = NULL

    def meet(self, members, index, mode):
        """Refuse a team: members that poll on one CPU wait for the end of each other's turn."""
        if len(members) > 1:
            raise NotSupported("several at once would poll on one CPU")

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        for i in range(n):
            if micro_words_ask(self.words, &self.peers.group):
                return self.peer_failed(b"peer", EIO, i)
        return 0

    def close(self):
        """End the peer, give the words back."""
        BusyPeersWorkload.close(self)
        self.put_away()
