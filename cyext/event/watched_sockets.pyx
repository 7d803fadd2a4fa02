"""Sockets to wait for, some of them ready: what every workload of the event family shares.

``level`` UDP sockets are open. ``active`` of them, evenly spread (a wait that meets a ready one
early spares itself work with the rest), have a port of 127.0.0.1 and are connected to themselves,
so that one send() makes them ready and one recv() idle. They form a ring, in an order that jumps
to and fro; the ``ready`` ones from ``head`` on are those that a wait must find, and no others.

==================  ============================================================================
level-triggered     a wait changes nothing: the same sockets stay ready, and an operation is the
                    wait alone. Where readiness rotates, an operation ends by making the first
                    ready socket idle and the next idle one ready.
edge-triggered      what was told once is not told again, so an operation is an arrival at each
                    socket, the wait, and the reading of all; where it rotates, by others each time.
==================  ============================================================================
"""

import errno as errno_names

from libc.errno cimport ENOSYS
from libc.stdlib cimport free, realloc

from cyext.core.parameters import one_of
from cyext.core.workload import LimitReached, NotSupported, OperationFailed


cdef extern from "os/network.h" nogil:
    int AF_INET
    int SOCK_DGRAM
    int micro_socket(int family, int type)
    int micro_bind(int fd, int port)

cdef extern from "os/event.h" nogil:
    int micro_connect_to_itself(int fd)
    int micro_make_readable(int fd)
    int micro_make_idle(int fd)

# Where readiness rotates, it does so over this many sockets more than are ready: enough to come to
# each with cold caches, and few enough to leave the system its ports.
cdef int64_t RING = 1024


cdef bint coprime(int64_t a, int64_t b) noexcept nogil:
    while b:
        a, b = b, a % b
    return a == 1


cdef class Watched(Workload):
    """One operation: wait until ``ready`` of ``level`` sockets are ready; see the module."""

    def __cinit__(self, *args, **kwargs):
        self.sockets = Descriptors()
        self.edge = False
        self.active = 0
        self.ready = 0
        self.head = 0
        self.serial = 0
        self.seen = NULL
        self.ring = NULL
        self.ring_index = NULL
        self.bound = NULL

    def __init__(self, ready="1", rotation="fixed"):
        """``ready``: "1" or "10%" of the level, at least one; ``rotation``: fixed or rotating."""
        cdef int fd
        cdef int status
        self.choose(ready, rotation)
        fd = micro_socket(AF_INET, SOCK_DGRAM)
        if fd < 0:
            raise NotSupported(f"no IPv4 socket: {errno_names.errorcode.get(-fd)}")
        self.make_room(1)
        self.sockets.push(fd)
        status = self.give_address(fd)
        if status == 0:
            status = micro_make_readable(fd)
        if status == 0:
            status = micro_make_idle(fd)
        if status:
            self.close()
            raise NotSupported(f"no loopback network: {errno_names.errorcode.get(-status)}")
        self.bound[0] = True

    cdef choose(self, ready, rotation):
        """Take the parameters. Raises `ValueError`."""
        self.a_tenth = one_of(ready, {"1": False, "10%": True})
        self.rotating = one_of(rotation, {"fixed": False, "rotating": True})

    def __dealloc__(self):
        free(self.seen)
        free(self.ring)
        free(self.ring_index)
        free(self.bound)

    cdef int give_address(self, int fd) noexcept nogil:
        cdef int status = micro_bind(fd, 0)
        return status if status else micro_connect_to_itself(fd)

    cdef int64_t ready_at(self, int64_t level) noexcept nogil:
        return max(level // 10, 1) if self.a_tenth else 1

    cdef int64_t active_at(self, int64_t level) noexcept nogil:
        cdef int64_t ready = self.ready_at(level)
        return min(level, RING + ready) if self.rotating else ready

    def grow(self, uint64_t level):
        """Watch ``level`` sockets, at least one."""
        cdef int64_t goal = max(min(level, <uint64_t>max(self.sockets.room(), 1)), 1)
        reason = self.settle(goal)
        if reason is not None:
            raise LimitReached(self.level, reason)
        if <uint64_t>goal < level:
            raise LimitReached(self.level, self.sockets.limit_reason())

    cdef settle(self, int64_t goal):
        """Watch ``goal`` sockets with the right ones ready; why there are fewer, or None."""
        cdef int64_t before = min(max(self.level, 1), <uint64_t>goal)
        cdef int64_t status = 0
        self.drain()
        self.close_down_to(goal)
        reason = self.open_sockets(goal)
        status = self.make_ring()
        if status:
            reason = f"bind: {errno_names.errorcode.get(-status)}"
            self.close_down_to(before)
            if self.make_ring():  # other sockets than there are addresses for
                self.close_down_to(1)
                self.make_ring()
        try:
            self.arrange()
        except OperationFailed:
            self.drain()
            self.close_down_to(before)
            self.make_ring()
            self.arrange()
            raise
        return reason

    cdef arrange(self):
        cdef int64_t status = 0
        self.level = self.sockets.count
        if not self.edge:
            status = self.make_ready(0, self.ready, 0)
        self.watch()
        if status:
            raise self.failure(status)

    cdef drain(self):
        """Make all sockets idle, whatever a failed batch may have left behind."""
        cdef int64_t i
        for i in range(self.active):
            while micro_make_idle(self.sockets.fds[self.ring[i]]) == 0:
                pass

    cdef make_room(self, int64_t goal):
        self.sockets.reserve(goal)
        seen = <uint64_t *>realloc(self.seen, goal * sizeof(uint64_t))
        self.seen = seen if seen != NULL else self.seen
        ring = <int64_t *>realloc(self.ring, goal * sizeof(int64_t))
        self.ring = ring if ring != NULL else self.ring
        index = <int64_t *>realloc(self.ring_index, goal * sizeof(int64_t))
        self.ring_index = index if index != NULL else self.ring_index
        bound = <bint *>realloc(self.bound, goal * sizeof(bint))
        self.bound = bound if bound != NULL else self.bound
        if seen == NULL or ring == NULL or index == NULL or bound == NULL:
            raise MemoryError(f"no room to watch {goal} sockets")

    cdef open_sockets(self, int64_t goal):
        cdef int fd
        self.make_room(max(goal, self.sockets.count))
        while self.sockets.count < goal:
            fd = micro_socket(AF_INET, SOCK_DGRAM)
            if fd < 0:
                self.close_down_to(max(self.sockets.count - 16, 1))
                return f"socket: {errno_names.errorcode.get(-fd)}"
            self.bound[self.sockets.count] = False
            self.sockets.push(fd)
        return None

    cdef int make_ring(self) noexcept nogil:
        """Choose the active sockets among those open, and give them addresses: 0 or -errno."""
        cdef int64_t count = self.sockets.count
        cdef int64_t step, i, place
        cdef int status
        self.active = self.active_at(count)
        self.ready = self.ready_at(count)
        self.head = 0
        step = max(self.active * 618 // 1000, 1)
        while not coprime(step, self.active):
            step += 1
        for i in range(count):
            self.ring_index[i] = -1
        for i in range(self.active):
            place = (i * step % self.active * count + count // 2) // self.active
            self.ring[i] = place
            self.ring_index[place] = i
            self.seen[i] = 0
            if not self.bound[place]:
                status = self.give_address(self.sockets.fds[place])
                if status:
                    self.active = i
                    return status
                self.bound[place] = True
        return 0

    cdef close_down_to(self, int64_t count):
        if count < self.sockets.count:
            self.forget(count)
            self.sockets.close_down_to(count)

    cdef watch(self):
        """Tell the system of the sockets that it does not watch yet."""
        pass

    cdef forget(self, int64_t count):
        """Watch only the first ``count`` sockets: the others are about to be closed."""
        pass

    cdef int64_t waits(self, uint64_t n, uint64_t after) noexcept nogil:
        """Wait ``n`` times; each must find exactly the ready sockets. 0, or what ``fail`` returned.

        ``after`` operations were made before. One call makes them all, since the return from a
        function right after a system call is mispredicted on some processors: a function for each
        wait took 2 to 4 % of an epoll_wait().
        """
        return self.fail(b"wait", ENOSYS, after)

    cdef int64_t make_ready(self, int64_t first, int64_t count, uint64_t after) noexcept nogil:
        cdef int64_t i, place
        cdef int status
        for i in range(count):
            place = self.ring[turned(first + i, self.active)]
            status = micro_make_readable(self.sockets.fds[place])
            if status:
                return self.fail(b"sendto", -status, after)
        return 0

    cdef int64_t make_idle(self, int64_t first, int64_t count, uint64_t after) noexcept nogil:
        cdef int64_t i, place
        cdef int status
        for i in range(count):
            place = self.ring[turned(first + i, self.active)]
            status = micro_make_idle(self.sockets.fds[place])
            if status:
                return self.fail(b"recvfrom", -status, after)
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status = 0
        if not self.edge and not self.rotating:
            return self.waits(n, 0)
        for i in range(n):
            if self.edge:
                status = self.make_ready(self.head, self.ready, i)
                if status:
                    return status
            status = self.waits(1, i)
            if status:
                return status
            if self.edge:
                status = self.make_idle(self.head, self.ready, i)
                if self.rotating:
                    self.head = turned(self.head + self.ready, self.active)
            else:
                status = self.make_idle(self.head, 1, i)
                if status == 0:
                    status = self.make_ready(turned(self.head + self.ready, self.active), 1, i)
                self.head = turned(self.head + 1, self.active)
            if status:
                return status
        return 0

    def close(self):
        """Close all sockets."""
        self.close_down_to(0)
        self.active = 0
        Workload.close(self)
