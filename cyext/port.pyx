"""How the system picks a port."""

import errno as errno_names

from libc.stdint cimport INT64_MAX, int64_t, uint64_t

from cyext.resources cimport Descriptors, batch_at, level_within
from cyext.kernel cimport Kernel, micro_now_ns

from cyext.kernel import LimitReached, NotSupported


cdef extern from "os/network.h" nogil:
    int AF_INET
    int SOCK_STREAM
    int micro_socket(int family, int type)
    int micro_bind(int fd, int port)

# Ports left free above the last level: its batches bind some more, other programs need some too.
cdef int64_t PORT_HEADROOM = 64
# A search this many times longer than the fastest, this often in a row, has become one in vain.
cdef int64_t SLOW_SEARCH = 500
cdef int SLOW_IN_ROW = 16


def ephemeral_ports():
    """Lowest and highest port that the system picks, or None where it does not tell."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", "rb") as file:
            low, high = map(int, file.read().split())
    except (OSError, ValueError):
        return None
    return low, high


cdef class BindEphemeral(Kernel):
    """One operation, with ``level`` TCP sockets bound: bind() one more to 127.0.0.1, port 0.

    The sockets of a batch are made before it and closed after it; neither is timed. A batch adds to
    the level, so it holds at most a sixteenth of it.
    """

    cdef Descriptors bound
    cdef int64_t held
    cdef int64_t cursor
    cdef int64_t lowest
    cdef int64_t ports
    cdef int64_t fastest_ns
    cdef int slow_in_row
    cdef uint64_t random

    def __init__(self):
        self.bound = Descriptors()
        low, high = ephemeral_ports() or (1, 0)
        self.lowest = low
        self.ports = high - low + 1
        self.fastest_ns = INT64_MAX
        self.slow_in_row = 0
        self.random = 1
        self.held = 0
        try:
            self.grow(1)
        except LimitReached as limit:
            if limit.reached < 1:
                raise NotSupported(f"no TCP socket could be bound: {limit.reason}") from None
        self.grow_batch()

    cdef grow_batch(self):
        self.held = self.bound.count
        self.cursor = self.held
        self.level = self.held
        self.max_batch = batch_at(self.held)
        self.bound.reserve(self.held + self.max_batch)

    cdef int bind_more(self, int fd) noexcept nogil:
        """Bind to port 0; or, once the system searches in vain, to a free port drawn here.

        Linux first fills the ports of one parity and then searches all of those in vain before it
        turns to the others: from there on a port drawn at random is where bind() would end, and
        growing takes a second instead of a minute. The timed loop always leaves it to the system.
        """
        cdef int64_t elapsed_ns
        cdef int status
        cdef int tries = 0
        if self.slow_in_row < SLOW_IN_ROW or self.ports <= 0:
            elapsed_ns = micro_now_ns()
            status = micro_bind(fd, 0)
            elapsed_ns = micro_now_ns() - elapsed_ns
            self.fastest_ns = min(self.fastest_ns, elapsed_ns)
            self.slow_in_row += 1
            if elapsed_ns < SLOW_SEARCH * self.fastest_ns:
                self.slow_in_row = 0
            return status
        while tries < 1000:
            tries += 1
            self.random = self.random * 6364136223846793005ULL + 1442695040888963407ULL
            status = micro_bind(fd, <int>(self.lowest + <int64_t>(self.random >> 33) % self.ports))
            if status == 0:
                return 0
        return micro_bind(fd, 0)

    def grow(self, uint64_t level):
        """Bind or close sockets until ``level`` are bound."""
        cdef int64_t most = self.bound.room()
        cdef int64_t goal
        cdef int fd
        cdef int status = 0
        reason = self.bound.limit_reason()
        if self.ports > 0 and self.ports - PORT_HEADROOM < most:
            most = self.ports - PORT_HEADROOM
            reason = f"ip_local_port_range holds {self.ports} ports"
        goal = min(level, <uint64_t>level_within(most))
        self.bound.close_down_to(goal)
        self.bound.reserve(max(goal, 1))
        while self.bound.count < goal:
            fd = micro_socket(AF_INET, SOCK_STREAM)
            if fd < 0:
                status = fd
                reason = f"socket: {errno_names.errorcode.get(-fd)}"
                break
            self.bound.push(fd)
            status = self.bind_more(fd)
            if status:
                reason = f"bind: {errno_names.errorcode.get(-status)}"
                break
        if status:
            self.bound.close_down_to(max(self.bound.count - 1 - batch_at(goal), 0))
        self.grow_batch()
        if status or <uint64_t>goal < level:
            raise LimitReached(self.held, reason)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int fd
        for i in range(n):
            fd = micro_socket(AF_INET, SOCK_STREAM)
            if fd < 0:
                return self.fail(b"socket", -fd, i)
            self.bound.push(fd)
        self.cursor = self.held
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = micro_bind(self.bound.fds[self.cursor], 0)
            if status:
                return self.fail(b"bind", -status, i)
            self.cursor += 1
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        self.bound.close_down_to(self.held)
        return 0

    def close(self):
        """Close all sockets."""
        self.bound.close_down_to(0)
        self.held = 0
        Kernel.close(self)
