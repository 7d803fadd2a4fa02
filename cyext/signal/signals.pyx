"""Signals: installing a handler, catching, queueing, faulting, blocking, and another thread's."""

import mmap as python_mmap

from libc.errno cimport EBADMSG, errno
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from posix.unistd cimport close, pause, pipe

from cyext.core.peers cimport (
    micro_owner_moves_byte, micro_peer_leaves, micro_peer_moves_byte, micro_peer_t)
from cyext.core.peered cimport PeeredWorkload
from cyext.core.workload cimport Workload

from cyext.core.errors import NotSupported, OperationFailed


cdef extern from "<signal.h>" nogil:
    ctypedef struct sigset_t:
        pass

cdef extern from "<sys/mman.h>" nogil:
    int munmap(void *start, size_t bytes)

cdef extern from "os/signals.h" nogil:
    bint MICRO_HAS_QUEUE
    bint MICRO_CAN_SKIP
    enum:
        MICRO_OF_SIGNAL
        MICRO_OF_FAULT
    ctypedef struct micro_receiver_t:
        pass
    int micro_handler_open(int which)
    void micro_handler_close(int which)
    uint64_t micro_signals_caught()
    void micro_answer_to(int fd)
    void micro_protected(uintptr_t page)
    int micro_install()
    micro_receiver_t micro_this_thread()
    int micro_send(const micro_receiver_t *to)
    int micro_block_and_unblock()
    int micro_block_queued(sigset_t *before)
    void micro_unblock_queued(const sigset_t *before)
    int micro_queue(const micro_receiver_t *self, int value)
    int micro_dequeue()
    uintptr_t micro_read_only_page(size_t page_bytes)
    void micro_store(uintptr_t page)


cdef class _Handled(PeeredWorkload):
    """A workload that needs a handler, of ``which`` kind, while it lives."""

    cdef int which
    cdef bint handles

    cdef handle(self, int which):
        cdef int status = micro_handler_open(which)
        if status:
            raise OperationFailed("sigaction", -status, 0)
        self.which = which
        self.handles = True

    cdef void let_go(self) noexcept:
        if self.handles:
            self.handles = False
            micro_handler_close(self.which)

    def __dealloc__(self):
        self.let_go()

    def close(self):
        """Put back the handler that was there before."""
        PeeredWorkload.close(self)
        self.let_go()


cdef class Install(_Handled):
    """One operation: sigaction() of a handler."""

    def __init__(self):
        self.handle(MICRO_OF_SIGNAL)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = micro_install()
            if status:
                return self.fail(b"sigaction", -status, i)
        return 0


cdef class Catch(_Handled):
    """One operation: a thread sends a signal to itself, and its handler has counted it."""

    cdef micro_receiver_t here

    def __init__(self):
        self.handle(MICRO_OF_SIGNAL)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        self.here = micro_this_thread()
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef uint64_t before = micro_signals_caught()
        cdef int status
        for i in range(n):
            status = micro_send(&self.here)
            if status:
                return self.fail(b"tgkill", -status, i)
        if micro_signals_caught() - before != n:
            return self.fail(b"signal handler", EBADMSG, 0)
        return 0


cdef class Mask(Workload):
    """One operation: sigprocmask() to block a signal, and once more to unblock it."""

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = micro_block_and_unblock()
            if status:
                return self.fail(b"sigprocmask", -status, i)
        return 0


cdef class Queue(Workload):
    """One operation: queue a blocked real-time signal with a value, and take it from the queue."""

    cdef micro_receiver_t here
    cdef sigset_t blocked_before
    cdef bint blocks

    def __init__(self):
        if not MICRO_HAS_QUEUE:
            raise NotSupported("this system queues no signal to one thread")

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef int status = micro_block_queued(&self.blocked_before)
        if status:
            return self.fail(b"sigprocmask", -status, 0)
        self.blocks = True
        self.here = micro_this_thread()
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status, value
        for i in range(n):
            value = <int>(i & 0xffff)
            status = micro_queue(&self.here, value)
            if status:
                return self.fail(b"rt_tgsigqueueinfo", -status, i)
            status = micro_dequeue()
            if status != value:
                return self.fail(b"sigtimedwait", -status if status < 0 else EBADMSG, i)
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        if self.blocks:
            self.blocks = False
            micro_unblock_queued(&self.blocked_before)
        return 0


cdef class Fault(_Handled):
    """One operation: a store to a page that may not be written, which the handler skips."""

    cdef uintptr_t page

    def __init__(self):
        if not MICRO_CAN_SKIP:
            raise NotSupported("here, micro cannot let a handler skip an instruction")
        self.page = micro_read_only_page(python_mmap.PAGESIZE)
        if self.page == 0:
            raise OperationFailed("mmap", errno, 0)
        self.handle(MICRO_OF_FAULT)

    def __dealloc__(self):
        self.unmap()

    cdef void unmap(self) noexcept:
        if self.page:
            munmap(<void *>self.page, python_mmap.PAGESIZE)
            self.page = 0

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        micro_protected(self.page)
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t _i
        cdef uint64_t before = micro_signals_caught()
        for _i in range(n):
            micro_store(self.page)
        if micro_signals_caught() - before != n:
            return self.fail(b"signal handler", EBADMSG, 0)
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        micro_protected(0)
        return 0

    def close(self):
        """Unmap the page and put back the handler that was there before."""
        _Handled.close(self)
        self.unmap()


# What the sender and the receiving thread share.
cdef struct Receiver:
    micro_receiver_t thread
    int fds[2]  # the pipe of answers


cdef int64_t receive(micro_peer_t *self, void *argument) noexcept nogil:
    """Let the handler answer every signal; sleep between them."""
    cdef Receiver *shared = <Receiver *>argument
    shared.thread = micro_this_thread()
    micro_answer_to(shared.fds[1])  # before the owner knows that it may send
    cdef int64_t moved = micro_peer_moves_byte(self, shared.fds[1], True)
    if moved != 1:
        return moved
    while not micro_peer_leaves(self):
        pause()
    micro_answer_to(-1)
    return 0


cdef class ToThread(_Handled):
    """One operation: a signal to another thread, whose handler answers by a byte over a pipe."""

    cdef Receiver receiver

    def __cinit__(self, *args, **kwargs):
        self.receiver.fds[:] = [-1, -1]

    def __init__(self, cpu="same"):
        cdef int64_t status
        if pipe(self.receiver.fds) != 0:
            raise OperationFailed("pipe", errno, 0)
        try:
            self.handle(MICRO_OF_SIGNAL)
            self.start_peers("thread", cpu, receive, &self.receiver, 1)
            status = self.await_answer(0)
            if status:
                raise self.failure(status)
        except BaseException:
            self.close()
            raise

    def __dealloc__(self):
        self.drop_peers()
        self.close_pipe()

    cdef void close_pipe(self) noexcept:
        for i in range(2):
            if self.receiver.fds[i] >= 0:
                close(self.receiver.fds[i])
                self.receiver.fds[i] = -1

    cdef int64_t await_answer(self, uint64_t after) noexcept nogil:
        cdef int64_t status = micro_owner_moves_byte(
            &self.peers.group, self.receiver.fds[0], False)
        return self.peer_failed(b"read", -status, after) if status else 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            status = micro_send(&self.receiver.thread)
            if status:
                return self.fail(b"tgkill", -status, i)
            status = self.await_answer(i)
            if status:
                return status
        return 0

    def close(self):
        """End the thread, close the pipe, and put back the handler that was there before."""
        _Handled.close(self)
        self.close_pipe()
