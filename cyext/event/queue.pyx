"""Waits at a queue that remembers what it watches: epoll on Linux, kqueue on BSD and macOS."""

import os

from cython cimport final
from libc.errno cimport EBADMSG
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc

from cyext.event.watched_sockets cimport Watched, wrong_count

from cyext.core.parameters import one_of
from cyext.core.workload import NotSupported, OperationFailed


cdef extern from "os/network.h" nogil:
    int AF_INET
    int SOCK_DGRAM
    int micro_socket(int family, int type)

cdef extern from "os/event_queue.h" nogil:
    ctypedef struct micro_event_t:
        pass
    const char *MICRO_QUEUE
    const char *MICRO_QUEUE_CREATE
    const char *MICRO_QUEUE_CHANGE
    const char *MICRO_QUEUE_WAIT
    uint32_t MICRO_EDGE
    int micro_queue_create()
    int micro_queue_add(int queue, int fd, uint32_t index, uint32_t mode)
    int micro_queue_remove(int queue, int fd)
    int micro_queue_wait(int queue, micro_event_t *events, int most)
    uint32_t micro_event_index(const micro_event_t *event)

# The queues that systems have, and whether this one has it.
MECHANISMS = {name: MICRO_QUEUE.decode() == name for name in ("epoll", "kqueue")}


cdef class _Queue(Watched):
    """``level`` sockets in the system's event queue; ``mechanism`` is the one that it must be."""

    cdef int queue
    cdef int64_t added
    cdef micro_event_t *events

    def __cinit__(self, *args, **kwargs):
        self.queue = -1
        self.added = 0
        self.events = NULL

    def __init__(self, mechanism, ready, rotation):
        self.choose(ready, rotation)  # what is wrong everywhere comes before what is missing here
        if not one_of(mechanism, MECHANISMS):
            raise NotSupported(f"this system has no {mechanism}")
        Watched.__init__(self, ready, rotation)
        self.queue = micro_queue_create()
        if self.queue < 0:
            error = -self.queue
            self.close()
            raise OperationFailed(MICRO_QUEUE_CREATE.decode(), error, 0)
        self.grow_or_close(1)

    def __dealloc__(self):
        free(self.events)

    cdef watch(self):
        cdef int status
        grown = <micro_event_t *>realloc(self.events, self.ready * sizeof(micro_event_t))
        if grown == NULL:
            raise MemoryError(f"no room for {self.ready} events")
        self.events = grown
        while self.added < <int64_t>self.level:
            status = micro_queue_add(
                self.queue, self.sockets.fds[self.added], <uint32_t>self.added,
                MICRO_EDGE if self.edge else 0)
            if status:
                raise OperationFailed(MICRO_QUEUE_CHANGE.decode(), -status, self.added)
            self.added += 1

    cdef forget(self, int64_t count):
        self.added = min(self.added, count)  # a closed socket leaves the queue by itself

    @final
    cdef inline bint heard(self, int found) noexcept nogil:
        """Whether so many events are those of the ready sockets."""
        cdef int i
        for i in range(found):
            if not self.expected(micro_event_index(&self.events[i])):
                return False
        return found == self.ready

    cdef int64_t waits(self, uint64_t n, uint64_t after) noexcept nogil:
        cdef uint64_t wait
        cdef int found
        for wait in range(n):
            self.serial += 1
            found = micro_queue_wait(self.queue, self.events, <int>self.ready)
            if not self.heard(found):
                return self.fail(MICRO_QUEUE_WAIT, wrong_count(found), after + wait)
        return 0

    def close(self):
        """Close all sockets and the queue."""
        if self.queue >= 0:
            os.close(self.queue)
            self.queue = -1
        Watched.close(self)


cdef class Epoll(_Queue):
    """One operation: epoll_wait() with a blocking time-out, some of ``level`` sockets ready."""

    def __init__(self, ready="1", rotation="fixed"):
        _Queue.__init__(self, "epoll", ready, rotation)


cdef class Kqueue(_Queue):
    """One operation: kevent() with a blocking time-out, some of ``level`` sockets ready."""

    def __init__(self, ready="1", rotation="fixed"):
        _Queue.__init__(self, "kqueue", ready, rotation)


cdef class EpollEdge(_Queue):
    """One operation: arrivals at some of ``level`` sockets, epoll_wait(), reading of them all.

    The sockets are registered with EPOLLET.
    """

    def __init__(self, ready="1", rotation="fixed"):
        self.edge = True
        _Queue.__init__(self, "epoll", ready, rotation)


cdef class Dequeue(_Queue):
    """One operation: hear of ``level`` ready sockets, by one epoll_wait() or by one for each.

    ``events`` is how many a call may tell: "one" or "all". The sockets stay ready.
    """

    cdef bint one_at_a_time

    def __init__(self, events="one"):
        self.one_at_a_time = one_of(events, {"one": True, "all": False})
        _Queue.__init__(self, "epoll", "1", "fixed")

    cdef int64_t ready_at(self, int64_t level) noexcept nogil:
        return level

    cdef int64_t waits(self, uint64_t n, uint64_t after) noexcept nogil:
        cdef uint64_t told
        cdef int64_t heard
        cdef int i, found
        cdef int most = 1 if self.one_at_a_time else <int>self.ready
        for told in range(n):
            self.serial += 1
            heard = 0
            while heard < self.ready:
                found = micro_queue_wait(self.queue, self.events, most)
                if found <= 0:
                    return self.fail(MICRO_QUEUE_WAIT, wrong_count(found), after + told)
                for i in range(found):
                    if not self.expected(micro_event_index(&self.events[i])):
                        return self.fail(MICRO_QUEUE_WAIT, EBADMSG, after + told)
                heard += found
        return 0


cdef class Register(_Queue):
    """One operation, with ``level`` sockets registered: register one more and remove it again."""

    cdef int extra

    def __cinit__(self, *args, **kwargs):
        self.extra = -1

    def __init__(self, mechanism="epoll"):
        _Queue.__init__(self, mechanism, "1", "fixed")
        self.extra = micro_socket(AF_INET, SOCK_DGRAM)
        if self.extra < 0:
            error = -self.extra
            self.close()
            raise OperationFailed("socket", error, 0)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = micro_queue_add(self.queue, self.extra, <uint32_t>self.level, 0)
            if status == 0:
                status = micro_queue_remove(self.queue, self.extra)
            if status:
                return self.fail(MICRO_QUEUE_CHANGE, -status, i)
        return 0

    def close(self):
        """Close all sockets and the queue."""
        if self.extra >= 0:
            os.close(self.extra)
            self.extra = -1
        _Queue.close(self)
