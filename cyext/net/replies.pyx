"""Replies of a server: a message over TCP or UDP, a header and a body, a file."""

import errno as errno_names
import os

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from posix.unistd cimport close, pipe

from cyext.core.peers cimport micro_owner_moves_byte, micro_peer_t, micro_peers_t
from cyext.core.peered cimport PeeredWorkload

from cyext.core.errors import LimitReached, NotSupported, OperationFailed
from cyext.core.limits import available_bytes
from cyext.core.parameters import one_of
from cyext.core.scratch import ScratchFile


cdef extern from "<sys/mman.h>" nogil:
    int PROT_READ
    int MAP_SHARED
    void *MAP_FAILED
    void *mmap(void *start, size_t bytes, int protection, int flags, int fd, long offset)
    int munmap(void *start, size_t bytes)

cdef extern from "os/mapping.h" nogil:
    void *micro_shared_memory(size_t bytes)

cdef extern from "os/network.h" nogil:
    int micro_tcp_pair(int *ends, const char **call)
    int micro_udp_pair(int *ends, const char **call)

cdef extern from "os/tcp.h" nogil:
    int micro_tcp_no_delay(int fd)
    int64_t micro_tcp_data_segments(int fd)

cdef extern from "os/uring.h" nogil:
    ctypedef struct micro_uring_t:
        pass
    int micro_uring_open(micro_uring_t *ring, uint32_t entries)
    void micro_uring_close(micro_uring_t *ring)

cdef extern from "<stdatomic.h>" nogil:
    ctypedef struct atomic_size_t:
        pass
    void atomic_store(atomic_size_t *word, size_t value)

cdef extern from "net/replies.h" nogil:
    ctypedef struct micro_replies_t:
        int ends[2]
        int peer_end
        micro_peers_t *group
        const char *call
        atomic_size_t size
        size_t header_size
        const char *data
        int file
        int pipe[2]
        void *ring
        int64_t sent
        int64_t copied
        char *buffer
    ctypedef int (*micro_reply_way_t)(micro_replies_t *replies) noexcept nogil
    enum:
        MICRO_REPLY_BUFFER
    int micro_one_write(micro_replies_t *replies) noexcept
    int micro_two_writes(micro_replies_t *replies) noexcept
    int micro_one_writev(micro_replies_t *replies) noexcept
    int micro_more_follows(micro_replies_t *replies) noexcept
    int micro_corked(micro_replies_t *replies) noexcept
    int64_t micro_take_replies(micro_peer_t *self, void *replies) noexcept

cdef extern from "net/send_file.h" nogil:
    int micro_read_and_write(micro_replies_t *replies) noexcept
    int micro_map_and_write(micro_replies_t *replies) noexcept
    int micro_send_by_sendfile(micro_replies_t *replies) noexcept
    int micro_send_by_splice(micro_replies_t *replies) noexcept
    int micro_send_zero_copy(micro_replies_t *replies) noexcept
    int micro_uring_send(micro_replies_t *replies) noexcept
    int micro_uring_send_zc(micro_replies_t *replies) noexcept
    int micro_allow_zero_copy(int fd)

# What a system answers that lacks a way, or forbids it.
LACKING = (
    errno_names.ENOSYS, errno_names.EINVAL, errno_names.EOPNOTSUPP, errno_names.EPERM,
    errno_names.ENOPROTOOPT)
cdef size_t HEADER_BYTES = 200
cdef size_t BODY_BYTES = 1000
cdef uint32_t RING_ENTRIES = 8
LARGEST_FILE = 1 << 30
# Fits the buffers of a connection that nobody reads from.
UNREAD_BYTES = 8192
FILLED, CHANGED = b"f", b"c"
# What IPv4 and UDP leave of 65,535 bytes.
cdef uint64_t LONGEST_DATAGRAM = 65507


cdef class _Replies(PeeredWorkload):
    """One operation: send a reply to a peer, and read the byte with which it asks for the next."""

    cdef micro_replies_t *replies
    cdef micro_reply_way_t way

    cdef bint over_udp

    cdef connect(self, peer, cpu, size):
        """A connection to a peer that takes replies of ``size`` bytes. Raises `OperationFailed`."""
        cdef const char *call = NULL
        cdef int status
        self.replies = <micro_replies_t *>micro_shared_memory(sizeof(micro_replies_t))
        if self.replies == NULL:
            raise OperationFailed("mmap", errno, 0)
        self.replies.file = self.replies.pipe[0] = self.replies.pipe[1] = -1
        self.replies.data = self.replies.buffer
        atomic_store(&self.replies.size, size)
        if self.over_udp:
            status = micro_udp_pair(self.replies.ends, &call)
        else:
            status = micro_tcp_pair(self.replies.ends, &call)
        if status:
            raise OperationFailed(call.decode(), -status, 0)
        self.replies.peer_end = self.replies.ends[1]
        self.start_peers(peer, cpu, micro_take_replies, self.replies, 1)
        self.replies.group = &self.peers.group
        if peer == "process":  # the end of the peer is the end of its connection
            close(self.replies.ends[1])
            self.replies.ends[1] = -1

    def __dealloc__(self):
        self.drop_peers()
        self.put_away()

    cdef void put_away(self) noexcept:
        cdef int i
        if self.replies == NULL:
            return
        for i in range(2):
            if self.replies.ends[i] >= 0:
                close(self.replies.ends[i])
            if self.replies.pipe[i] >= 0:
                close(self.replies.pipe[i])
        munmap(self.replies, sizeof(micro_replies_t))
        self.replies = NULL

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            status = self.way(self.replies)
            if status:
                return self.peer_failed(self.replies.call, -status, i)
            status = micro_owner_moves_byte(&self.peers.group, self.replies.ends[0], False)
            if status:
                return self.peer_failed(b"read", -status, i)
        return 0

    cdef try_out(self, name):
        """One operation; `NotSupported` where the system has no such way."""
        try:
            self.run(1)
        except OperationFailed as failure:
            if failure.errno not in LACKING:
                raise
            error = errno_names.errorcode[failure.errno]
            raise NotSupported(f"{name}: {failure.call}: {error}") from None

    def close(self):
        """End the peer, close the connection."""
        PeeredWorkload.close(self)
        self.put_away()


cdef class RoundTrip(_Replies):
    """One operation: a message of ``level`` bytes to a peer, and the byte that it answers with.

    ``protocol`` is tcp, with TCP_NODELAY, or udp, each message a datagram.
    """

    cdef uint64_t most

    def __init__(self, protocol="tcp", peer="process", cpu="same"):
        cdef int status
        self.over_udp = one_of(protocol, {"tcp": False, "udp": True})
        self.most = LONGEST_DATAGRAM if self.over_udp else MICRO_REPLY_BUFFER
        self.way = micro_one_write
        try:
            self.connect(peer, cpu, 1)
            if not self.over_udp:
                status = micro_tcp_no_delay(self.replies.ends[0])
                if status:
                    raise OperationFailed("setsockopt", -status, 0)
        except BaseException:
            self.close()
            raise

    def grow(self, uint64_t level):
        """Send messages of ``level`` bytes from now on."""
        self.level = min(level, self.most)
        atomic_store(&self.replies.size, self.level)
        if self.level < level:
            raise LimitReached(self.level, f"the longest message is {self.most} bytes")


cdef class HeaderBody(_Replies):
    """One operation: a header of 200 bytes and a body of 1,000, and the peer's byte.

    ``how`` is two_writes, writev, more (send() with MSG_MORE) or cork (TCP_CORK, or TCP_NOPUSH);
    ``nodelay`` says whether TCP_NODELAY is set.
    """

    cdef int64_t segments  # sent when counting began; -1 where unknown
    cdef int64_t sent      # replies since then

    def __init__(self, how="two_writes", nodelay="no", peer="process", cpu="same"):
        cdef int status
        ways = {"two_writes": 0, "writev": 1, "more": 2, "cork": 3}
        cdef bint at_once = one_of(nodelay, {"no": False, "yes": True})
        cdef micro_reply_way_t *all_ways = [
            micro_two_writes, micro_one_writev, micro_more_follows, micro_corked]
        cdef int number = one_of(how, ways)
        self.way = all_ways[number]
        try:
            self.connect(peer, cpu, HEADER_BYTES + BODY_BYTES)
            self.replies.header_size = HEADER_BYTES
            if at_once:
                status = micro_tcp_no_delay(self.replies.ends[0])
                if status:
                    raise OperationFailed("setsockopt", -status, 0)
            self.try_out(how)
        except BaseException:
            self.close()
            raise

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef int64_t status = _Replies.loop(self, n)
        if status == 0:
            self.sent += n
        return status

    def count(self, counting):
        """Start or end counting."""
        PeeredWorkload.count(self, counting)
        self.segments = micro_tcp_data_segments(self.replies.ends[0])
        self.sent = 0

    def counts(self):
        """Besides the usual ones: ``segments`` with data per reply, in slices or not."""
        found = PeeredWorkload.counts(self)
        now = micro_tcp_data_segments(self.replies.ends[0])
        if self.segments < 0 or now < 0 or self.sent == 0:
            return found
        return found | {"segments": (now - self.segments) / <double>self.sent}


cdef class SendFile(_Replies):
    """One operation: send a file of ``level`` bytes, whose pages are in memory; the peer's byte.

    ``how`` is read_write, mmap_write, sendfile, splice, uring_send; or, without a copy where the
    system can, zerocopy (MSG_ZEROCOPY) and uring_send_zc, which also wait until the system needs
    the bytes no more. The io_uring and zero-copy ways send from a mapping that stays.
    """

    cdef object file
    cdef void *mapped
    cdef size_t mapped_bytes
    cdef bint asks_first   # a connection must allow zero copies
    cdef micro_uring_t ring

    def __init__(self, how="read_write", peer="process", cpu="same"):
        ways = {
            "read_write": 0, "mmap_write": 1, "sendfile": 2, "splice": 3, "uring_send": 4,
            "zerocopy": 5, "uring_send_zc": 6}
        cdef micro_reply_way_t *all_ways = [
            micro_read_and_write, micro_map_and_write, micro_send_by_sendfile,
            micro_send_by_splice, micro_uring_send, micro_send_zero_copy, micro_uring_send_zc]
        cdef int number = one_of(how, ways)
        self.way = all_ways[number]
        try:
            self.connect(peer, cpu, 1)
            self.prepare_way(how)
            self.file = ScratchFile()
            self.replies.file = self.file.fd
            self.grow(1)
            self.try_out(how)
            self.level = 0
        except BaseException:
            self.close()
            raise

    cdef prepare_way(self, how):
        """What a way needs beside the file and the connection."""
        cdef int status = 0
        call = "setsockopt"
        if how == "splice":
            call = "pipe"
            status = 0 if pipe(self.replies.pipe) == 0 else -errno
        elif how == "zerocopy":
            self.asks_first = True
            status = micro_allow_zero_copy(self.replies.ends[0])
        elif how in ("uring_send", "uring_send_zc"):
            call = "io_uring_setup"
            status = micro_uring_open(&self.ring, RING_ENTRIES)
            self.replies.ring = &self.ring
        if -status in LACKING:
            raise NotSupported(f"{call}: {errno_names.errorcode[-status]}")
        if status:
            raise OperationFailed(call, -status, 0)

    def grow(self, uint64_t level):
        """Send a file of ``level`` bytes from now on."""
        available = available_bytes()
        most = LARGEST_FILE if available is None else min(LARGEST_FILE, available // 4)
        if level > most:
            raise LimitReached(self.level, f"micro sends files of {most} bytes at most")
        self.unmap()
        self.file.fill(level, FILLED)
        self.mapped = mmap(NULL, level, PROT_READ, MAP_SHARED, self.file.fd, 0)
        if self.mapped == MAP_FAILED:
            self.mapped = NULL
            raise OperationFailed("mmap", errno, 0)
        self.mapped_bytes = level
        self.replies.data = <const char *>self.mapped
        atomic_store(&self.replies.size, level)
        self.level = level

    cdef void unmap(self) noexcept:
        if self.mapped != NULL:
            munmap(self.mapped, self.mapped_bytes)
        self.mapped = NULL

    cdef void put_away(self) noexcept:
        _Replies.put_away(self)
        self.unmap()
        micro_uring_close(&self.ring)

    def __dealloc__(self):
        self.drop_peers()
        self.put_away()

    def count(self, counting):
        """Start or end counting."""
        PeeredWorkload.count(self, counting)
        self.replies.sent = self.replies.copied = 0

    def counts(self):
        """Besides the usual ones: ``copied``, the share of zero-copy sends that were copied, and
        ``copies_per_byte`` sent.
        """
        found = PeeredWorkload.counts(self)
        if self.replies.sent:
            found["copied"] = self.replies.copied / <double>self.replies.sent
        share = self.copied_by_sending()
        if share is not None:
            reads_first = self.way == <micro_reply_way_t>micro_read_and_write
            found["copies_per_byte"] = reads_first + share + 1  # the last by the peer's read()
        return found

    cdef object copied_by_sending(self):
        """The share of sent bytes that are copies: a later change of the file does not reach them.

        They are sent on a connection of their own, where nobody reads them meanwhile.
        """
        cdef int owner = self.replies.ends[0]
        cdef int ends[2]
        cdef const char *call = NULL
        cdef size_t size = min(self.mapped_bytes, <size_t>UNREAD_BYTES)
        if micro_tcp_pair(ends, &call):
            return None
        try:
            if self.asks_first and micro_allow_zero_copy(ends[0]):
                return None
            self.replies.ends[0] = ends[0]
            atomic_store(&self.replies.size, size)
            if self.way(self.replies):
                return None
            os.pwrite(self.file.fd, CHANGED * size, 0)
            received = b""
            while len(received) < <Py_ssize_t>size:
                received += os.read(ends[1], size) or CHANGED * size
            return received.count(FILLED) / size
        finally:
            self.replies.ends[0] = owner
            atomic_store(&self.replies.size, self.mapped_bytes)
            os.pwrite(self.file.fd, FILLED * size, 0)
            close(ends[0])
            close(ends[1])

    def close(self):
        """End the peer, close the connection, remove the file."""
        _Replies.close(self)
        if self.file is not None:
            self.file.remove()
            self.file = None
