"""A herd of waiters on one port, and a client that connects to it."""

import os
import _thread  # what `threading` takes it from, without its other imports

from libc.errno cimport EAGAIN, ECONNABORTED, EINTR, errno
from libc.stdint cimport int64_t, uint64_t
from posix.unistd cimport close

from cyext.core.peers cimport atomic_int_fast64_t, micro_peer_leaves, micro_peer_t
from cyext.core.resources cimport Descriptors, batch_at
from cyext.core.peered cimport PeeredWorkload

from cyext.core import limits
from cyext.core.errors import NotSupported, OperationFailed, lacking
from cyext.core.parameters import one_of
from cyext.core.peers import KINDS
from cyext.core.task_switches import voluntary_switches


cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef extern from "<sys/socket.h>" nogil:
    int accept(int listener, void *address, void *length)
    int listen(int fd, int backlog)

cdef extern from "<stdatomic.h>" nogil:
    int64_t atomic_load(atomic_int_fast64_t *word)
    void atomic_store(atomic_int_fast64_t *word, int64_t value)
    int64_t atomic_fetch_add(atomic_int_fast64_t *word, int64_t more)

cdef extern from "os/network.h" nogil:
    int AF_INET
    int SOCK_STREAM
    int micro_socket(int family, int type)
    int micro_connect(int fd, int port)
    int micro_listen_at(int backlog, int shares, int blocks, int resets, int *port)
    int micro_reset_on_close(int fd)

cdef extern from "os/mapping.h" nogil:
    void *micro_shared_memory(size_t bytes)

cdef extern from "<sys/mman.h>" nogil:
    int munmap(void *start, size_t bytes)

cdef extern from "os/waiting.h" nogil:
    enum:
        MICRO_WAIT_ACCEPT
        MICRO_WAIT_POLL
        MICRO_WAIT_EPOLL
        MICRO_WAIT_EPOLL_EXCLUSIVE
        MICRO_WAIT_REUSEPORT
    bint micro_has_wait(int how)
    int micro_wait_open(int how, int listener)
    int micro_wait_for(int how, int at)
    int micro_yield_to_all(int yes)
    int micro_try_to_yield()

WAITS = {
    "accept": MICRO_WAIT_ACCEPT,
    "poll": MICRO_WAIT_POLL,
    "epoll": MICRO_WAIT_EPOLL,
    "epoll_exclusive": MICRO_WAIT_EPOLL_EXCLUSIVE,
    "reuseport": MICRO_WAIT_REUSEPORT,
}
# What a waiter holds: a queue, a listener, and the number that accept() reserves before it sleeps.
DESCRIPTORS = {"accept": 1, "poll": 0, "epoll": 1, "epoll_exclusive": 1, "reuseport": 2}
cdef int BACKLOG = 128
# The most that anybody asked for; the system has limits of its own.
MOST_WAITERS = 32768
# What a waiter takes of memory, at most, and of the system's limits; tasks are left for others.
TASK_BYTES = {"thread": 64 << 10, "process": 1 << 20}
MAPS_A_THREAD = 2
TASK_HEADROOM = 512
# Descriptors for the clients of the largest batch.
cdef int64_t BATCH_ROOM = 64
cdef uint64_t YIELDS_BETWEEN_ROLL_CALLS = 4096


# What all waiters share with the client, in memory of their own.
cdef struct Herd:
    atomic_int_fast64_t accepted
    atomic_int_fast64_t waiting
    int how
    int listener
    int port


cdef int64_t wait_and_accept(micro_peer_t *self, void *shared) noexcept nogil:
    """Wait for a connection, accept it and close it, again and again."""
    cdef Herd *herd = <Herd *>shared
    cdef int listener = herd.listener
    cdef int at, fd
    cdef int port = herd.port
    cdef int64_t error = 0
    if herd.how == MICRO_WAIT_REUSEPORT:
        listener = micro_listen_at(BACKLOG, True, True, False, &port)
        if listener < 0:
            self.mail.call = b"listen"
            return listener
    at = micro_wait_open(herd.how, listener)
    if at < 0:
        self.mail.call = b"epoll_ctl"
        return at
    atomic_fetch_add(&herd.waiting, 1)
    while error == 0:
        if micro_wait_for(herd.how, at) != 0:
            if errno != EINTR:
                self.mail.call = b"wait for a connection"
                error = -errno
            elif micro_peer_leaves(self):
                break
            continue
        fd = accept(listener, NULL, NULL)
        if fd >= 0:
            close(fd)
            atomic_fetch_add(&herd.accepted, 1)
        elif errno == EINTR:
            if micro_peer_leaves(self):
                break
        elif errno != EAGAIN and errno != ECONNABORTED:
            self.mail.call = b"accept"
            error = -errno
    atomic_fetch_add(&herd.waiting, -1)
    if at != listener:
        close(at)
    if listener != herd.listener:
        close(listener)
    return error


cdef class AcceptHerd(PeeredWorkload):
    """One operation: a client connects; it ends once a waiter has accepted and the others sleep.

    ``level`` waiters share the client's CPU, and the client runs only where no waiter wants to: so
    it goes on when all that woke sleep again.
    """

    cdef Herd *herd
    cdef Descriptors clients
    cdef int64_t most      # waiters, and what limits them
    cdef str most_reason
    cdef int64_t cursor
    cdef int64_t expected
    cdef str peer
    cdef int64_t switches      # of all waiters when counting began; -1 where unknown
    cdef int64_t connections   # accepted until then

    def __cinit__(self, *args, **kwargs):
        self.clients = Descriptors()

    def __init__(self, wait="accept", peer="thread"):
        cdef bint blocks = wait in ("accept", "reuseport")
        how = one_of(wait, WAITS)
        one_of(peer, KINDS)  # before anything is open
        if not micro_has_wait(how):
            raise NotSupported(f"this system has no {wait}")
        if status := micro_try_to_yield():
            raise lacking("sched_setscheduler", -status)
        self.peer = peer
        self.herd = <Herd *>micro_shared_memory(sizeof(Herd))
        if self.herd == NULL:
            raise OperationFailed("mmap", errno, 0)
        self.herd.how = how
        # The client resets, when it closes: a waiter's reset could overtake its connect().
        self.herd.listener = micro_listen_at(
            BACKLOG if wait != "reuseport" else 0, wait == "reuseport", blocks, False,
            &self.herd.port)
        if self.herd.listener < 0:
            error = -self.herd.listener
            self.close()
            raise OperationFailed("listen", error, 0)
        self.most, self.most_reason = self.most_waiters(wait)
        self.grow_or_close(1)

    def __dealloc__(self):
        self.drop_peers()
        self.put_away()

    cdef void put_away(self) noexcept:
        if self.herd != NULL:
            if self.herd.listener >= 0:
                close(self.herd.listener)
            munmap(self.herd, sizeof(Herd))
            self.herd = NULL

    def most_waiters(self, wait):
        """How many waiters there may be, and the name of the limit that says so."""
        found = {f"at most {MOST_WAITERS} waiters": MOST_WAITERS}
        running = limits.running_tasks()
        for name, value in limits.tasks().items():
            found[f"{name} {value}"] = value - running - min(TASK_HEADROOM, value // 4)
        memory = limits.available_bytes()
        if memory is not None:
            most = memory // 2 // TASK_BYTES[self.peer]
            found[f"half the available memory for {most}"] = most
        if self.peer == "thread":
            maps = limits.number("/proc/sys/vm/max_map_count")
            if maps is not None:
                found[f"vm.max_map_count {maps}"] = (maps - maps // 32) // MAPS_A_THREAD
            # Threads share their descriptors; processes do not.
            room = self.clients.room() - BATCH_ROOM
            if DESCRIPTORS[wait]:
                found[self.clients.limit_reason()] = room // DESCRIPTORS[wait]
        reason = min(found, key=found.get)
        return max(found[reason], 1), reason

    def grow(self, uint64_t level):
        """Let ``level`` waiters wait."""
        cdef int64_t goal = min(level, <uint64_t>self.most)
        reason = self.most_reason
        if self.peers is not None and goal < self.peers.group.count:
            self.start_peers(self.peer, "same", wait_and_accept, self.herd, goal)
            atomic_store(&self.herd.waiting, goal)  # a process that was ended says nothing
        try:
            self.start_peers(self.peer, "same", wait_and_accept, self.herd, goal)
        except OperationFailed as error:
            goal, reason = self.peers_left(error)
        self.peers.await_count(&self.herd.waiting, goal)  # until all have what they wait with
        self.max_batch = min(batch_at(goal), BATCH_ROOM)
        self.clients.reserve(self.max_batch + 1)
        self.stand_at(goal, level, reason)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int fd, status
        for i in range(n):
            fd = micro_socket(AF_INET, SOCK_STREAM)
            if fd < 0:
                return self.fail(b"socket", -fd, i)
            self.clients.push(fd)
            if micro_reset_on_close(fd) != 0:
                return self.fail(b"setsockopt", errno, i)
        self.cursor = 0
        self.expected = atomic_load(&self.herd.accepted)
        status = micro_yield_to_all(True)
        return self.fail(b"sched_setscheduler", -status, 0) if status else 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i, yields
        cdef int status
        for i in range(n):
            status = micro_connect(self.clients.fds[self.cursor], self.herd.port)
            if status:
                return self.peer_failed(b"connect", -status, i)
            self.cursor += 1
            self.expected += 1
            yields = 0
            while atomic_load(&self.herd.accepted) < self.expected:
                sched_yield()
                yields += 1
                # Asking costs a call for each process: only where a waiter should long have come.
                if yields % YIELDS_BETWEEN_ROLL_CALLS == 0 and self.peers.failed():
                    return self.peer_failed(b"accept", EAGAIN, i)
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        micro_yield_to_all(False)
        self.clients.close_down_to(0)
        return 0

    def switches_of_waiters(self):
        """Voluntary switches of all waiters until now; `OSError` where the system does not tell."""
        own = _thread.get_native_id()
        if self.peer == "thread":
            return voluntary_switches(
                f"/proc/self/task/{task}" for task in os.listdir("/proc/self/task")
                if int(task) != own)
        return voluntary_switches(
            f"/proc/{self.peers.group.ids[i].process}" for i in range(self.peers.group.count))

    def count(self, counting):
        """Start or end counting."""
        PeeredWorkload.count(self, counting)
        self.connections = atomic_load(&self.herd.accepted)
        try:
            self.switches = self.switches_of_waiters()
        except OSError:
            self.switches = -1

    def counts(self):
        """Besides the usual ones: ``wakeups`` of waiters per connection, in slices or not."""
        found = PeeredWorkload.counts(self)
        connections = atomic_load(&self.herd.accepted) - self.connections
        if self.switches < 0 or connections == 0:
            return found
        try:
            woken = self.switches_of_waiters() - self.switches
        except OSError:
            return found
        return found | {"wakeups": woken / <double>connections}

    def close(self):
        """End the waiters, close the sockets."""
        PeeredWorkload.close(self)
        self.clients.close_down_to(0)
        self.put_away()
