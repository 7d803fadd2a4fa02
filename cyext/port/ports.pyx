"""How the system picks a port."""

import errno as errno_names

from libc.errno cimport EMFILE, ENOSYS
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from posix.unistd cimport close

from cyext.core.peers cimport Peers, micro_peers_add, micro_peers_keep
from cyext.core.resources cimport Descriptors, batch_at, level_within
from cyext.core.workload cimport Workload, micro_now_ns

from cyext.core.workload import LimitReached, NotSupported
from cyext.core.limits import ephemeral_ports
from cyext.core.parameters import one_of


cdef extern from "os/network.h" nogil:
    int AF_INET
    int AF_INET6
    int SOCK_DGRAM
    int SOCK_STREAM
    int micro_socket(int family, int type)
    int micro_bind_in(int family, int fd, int port)
    int micro_connect(int fd, int port)
    int micro_reset_on_close(int fd)
    int micro_pick_port_late(int fd)
    int micro_listen(int backlog, int *port)
    int micro_accept(int listener)

# Processes that hold sockets for this one, at most.
cdef int MOST_HOLDERS = 16
# Ports left free above the last level: its batches take some more, other programs need some too.
cdef int64_t PORT_HEADROOM = 16
# Connections that wait to be accepted: every system's backlog holds more, but with 64 the caches
# show, and the last ones take 6 % longer.
cdef int64_t MOST_WAITING = 32
# A search this many times longer than the fastest, this often in a row, has become one in vain.
cdef int64_t SLOW_SEARCH = 500
cdef int SLOW_IN_ROW = 16


cdef class _Ports(Workload):
    """``level`` ports taken by sockets of this process, and of others beyond its own limit.

    Each is taken by ``add``, which pushes ``fds_each`` descriptors. A batch takes some more and
    gives them back after it.
    """

    cdef int64_t room
    cdef Peers peers   # that hold sockets
    cdef Descriptors own
    cdef int64_t fds_each
    cdef int64_t away
    cdef int64_t most_in_batch
    cdef int64_t cursor
    cdef int64_t lowest
    cdef int64_t ports
    cdef int64_t fastest_ns
    cdef int slow_in_row
    cdef uint64_t random
    cdef int family
    cdef const char *call

    def __cinit__(self, *args, **kwargs):
        self.own = Descriptors()
        self.fds_each = 1
        self.away = 0
        self.most_in_batch = INT64_MAX
        self.cursor = 0
        low, high = ephemeral_ports() or (1, 0)
        self.lowest = low
        self.ports = high - low + 1
        self.fastest_ns = INT64_MAX
        self.slow_in_row = 0
        self.random = 1
        self.family = AF_INET
        self.call = b""

    cdef int add(self) noexcept nogil:
        """Take one more port: 0, or -errno with the failed ``call``."""
        return -ENOSYS

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
            status = micro_bind_in(self.family, fd, 0)
            elapsed_ns = micro_now_ns() - elapsed_ns
            self.fastest_ns = min(self.fastest_ns, elapsed_ns)
            self.slow_in_row += 1
            if elapsed_ns < SLOW_SEARCH * self.fastest_ns:
                self.slow_in_row = 0
            return status
        while tries < 10_000:
            tries += 1
            self.random = self.random * 6364136223846793005ULL + 1442695040888963407ULL
            status = micro_bind_in(
                self.family, fd, <int>(self.lowest + <int64_t>(self.random >> 33) % self.ports))
            if status == 0:
                return 0
        return micro_bind_in(self.family, fd, 0)

    cdef int64_t held(self) noexcept nogil:
        """The descriptors of this process that belong to the level, not to a batch."""
        return (<int64_t>self.level - self.away) * self.fds_each

    cdef int take(self, int64_t goal, int64_t fit) noexcept nogil:
        """Take ports up to ``goal``, at most ``fit`` in a process; 0 or -errno."""
        cdef int status = 0
        if goal < self.away:
            micro_peers_keep(&self.peers.group, 0)
            self.away = 0
            self.own.close_down_to(0)
        self.own.close_down_to((goal - self.away) * self.fds_each)
        while status == 0 and self.away + self.own.count // self.fds_each < goal:
            if self.own.count // self.fds_each < fit:
                status = self.add()
            else:
                status = self.hand_over()
                if status == 0:
                    self.away += fit
        self.own.close_down_to(self.own.count - self.own.count % self.fds_each)
        return status

    cdef int hand_over(self) noexcept nogil:
        """Leave all descriptors of this process to a new child: 0 or -errno."""
        cdef int status
        if self.peers.group.count == MOST_HOLDERS:
            self.call = b"fork"
            return -EMFILE
        status = micro_peers_add(&self.peers.group)
        if status:
            self.call = self.peers.group.call
        else:
            self.own.close_down_to(0)
        return status

    def grow(self, uint64_t level):
        """Take ports or give them back until ``level`` are taken."""
        if self.peers is None:
            self.peers = Peers("process")
            self.peers.prepare(MOST_HOLDERS)
            # Once for all levels: what is free now depends on what is open.
            self.room = self.own.room() // self.fds_each
        cdef int64_t room = self.room
        cdef int64_t fit = max(level_within(room), room // 2)
        cdef int64_t most = fit * (MOST_HOLDERS + 1)
        cdef int64_t goal, batch
        cdef int status
        cdef const char *refused = NULL
        reason = self.own.limit_reason()
        if fit > 0:
            reason += f" in each of {MOST_HOLDERS + 1} processes"
        if 0 < self.ports < most + PORT_HEADROOM:
            most = max(self.ports - PORT_HEADROOM, 1)
            reason = f"net.ipv4.ip_local_port_range holds {self.ports} ports"
        goal = min(level, <uint64_t>most)
        batch = min(batch_at(goal), max(room - fit, 1), self.most_in_batch)
        if self.ports > 0:
            batch = max(min(batch, (self.ports - goal) // 2), 1)
        self.own.reserve((min(fit, goal) + batch) * self.fds_each + 1)
        with nogil:
            status = self.take(goal, fit)
            refused = self.call
            if status:
                goal = self.away + self.own.count // self.fds_each
                self.take(max(goal - 1 - 2 * batch, 0), fit)
        self.level = self.away + self.own.count // self.fds_each
        self.max_batch = batch
        self.cursor = self.held()
        if status:
            reason = f"{refused.decode()}: {errno_names.errorcode.get(-status)}"
        if self.level < level:
            raise LimitReached(self.level, reason)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = self.prepare_socket()
            if status:
                return self.fail(self.call, -status, i)
        self.cursor = self.held()
        return 0

    cdef int prepare_socket(self) noexcept nogil:
        """Push a socket for one operation: 0, or -errno with the failed ``call``."""
        return -ENOSYS

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        self.own.close_down_to(self.held())
        return 0

    def close(self):
        """Close all sockets, and end the processes that hold some."""
        Workload.close(self)
        if self.peers is not None:
            self.peers.close()
        self.own.close_down_to(0)
        self.away = 0
        self.level = 0


cdef class BindEphemeral(_Ports):
    """One operation, with ``level`` sockets bound: bind() one more to the loopback address, port 0.

    ``protocol`` is tcp or udp, ``ip`` 4 or 6. The sockets of a batch are made before it and closed
    after it; neither is timed. A batch adds to the level, so it holds at most a sixteenth of it.
    """

    cdef int type

    def __init__(self, protocol="tcp", ip="4"):
        self.type = one_of(protocol, {"tcp": SOCK_STREAM, "udp": SOCK_DGRAM})
        self.family = one_of(ip, {"4": AF_INET, "6": AF_INET6})
        self.grow_or_close(1, f"no {protocol.upper()} socket could be bound over IPv{ip}")

    cdef int prepare_socket(self) noexcept nogil:
        cdef int fd = micro_socket(self.family, self.type)
        self.call = b"socket"
        if fd < 0:
            return fd
        self.own.push(fd)
        return 0

    cdef int add(self) noexcept nogil:
        cdef int status = self.prepare_socket()
        if status == 0:
            self.call = b"bind"
            status = self.bind_more(self.own.fds[self.own.count - 1])
            if status:
                self.own.close_down_to(self.own.count - 1)
        return status

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = micro_bind_in(self.family, self.own.fds[self.cursor], 0)
            if status:
                return self.fail(b"bind", -status, i)
            self.cursor += 1
        return 0


cdef class ConnectEphemeral(_Ports):
    """One operation, with ``level`` connections established: connect() one more on loopback TCP.

    The client picks no port: ``bind`` says whether the system does so in connect() (none), in a
    bind() to port 0 before it (bind), or after such a bind() that leaves it to connect() (no_port).
    Sockets are made and connections accepted and closed outside the timed loop.
    """

    cdef bint binds
    cdef bint late
    cdef int listener
    cdef int port

    def __cinit__(self, *args, **kwargs):
        self.listener = -1

    def __init__(self, bind="none"):
        self.binds, self.late = one_of(
            bind, {"none": (False, False), "bind": (True, False), "no_port": (True, True)})
        self.fds_each = 2
        self.most_in_batch = MOST_WAITING
        self.listener = micro_listen(2 * MOST_WAITING, &self.port)
        if self.listener < 0:
            error = errno_names.errorcode.get(-self.listener)
            raise NotSupported(f"no listening socket on 127.0.0.1: {error}")
        self.grow_or_close(1, "no connection could be made")

    def __dealloc__(self):
        if self.own is not None and self.listener >= 0:  # without own, nothing was set
            close(self.listener)

    cdef int prepare_socket(self) noexcept nogil:
        cdef int status
        cdef int fd = micro_socket(AF_INET, SOCK_STREAM)
        self.call = b"socket"
        if fd < 0:
            return fd
        self.own.push(fd)
        self.call = b"setsockopt"
        status = micro_reset_on_close(fd)
        if status == 0 and self.late:
            status = micro_pick_port_late(fd)
        return status

    cdef int add(self) noexcept nogil:
        cdef int fd = -1
        cdef int status = self.prepare_socket()
        if status == 0:
            fd = self.own.fds[self.own.count - 1]
        if status == 0 and self.binds:
            self.call = b"bind"
            status = micro_bind_in(AF_INET, fd, 0) if self.late else self.bind_more(fd)
        if status == 0:
            self.call = b"connect"
            status = micro_connect(fd, self.port)
        return self.accept() if status == 0 else status

    cdef int accept(self) noexcept nogil:
        cdef int fd = micro_accept(self.listener)
        self.call = b"accept"
        if fd < 0:
            return fd
        self.own.push(fd)
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        cdef int fd
        for i in range(n):
            fd = self.own.fds[self.cursor]
            if self.binds:
                status = micro_bind_in(AF_INET, fd, 0)
                if status:
                    return self.fail(b"bind", -status, i)
            status = micro_connect(fd, self.port)
            if status:
                return self.fail(b"connect", -status, i)
            self.cursor += 1
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        cdef int status = 0
        while status == 0 and self.cursor > self.held():
            status = self.accept()
            self.cursor -= 1
        _Ports.restore(self, n)
        self.cursor = self.held()
        return self.fail(self.call, -status, 0) if status else 0

    def close(self):
        """Close all connections, and the socket that accepted them."""
        _Ports.close(self)
        if self.listener >= 0:
            close(self.listener)
            self.listener = -1
