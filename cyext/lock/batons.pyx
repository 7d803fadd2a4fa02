"""A baton that tasks hand over by locks."""

cimport cython
from libc.errno cimport ENOSYS, EOPNOTSUPP, ESRCH, errno
from libc.stdint cimport int64_t, uint64_t

from cyext.core.peers cimport atomic_int_fast64_t, micro_body_t, micro_peer_t, micro_peers_t
from cyext.core.resources cimport Descriptors
from cyext.core.peered cimport SelfTimedWorkload

from cyext.core.errors import NotSupported, OperationFailed
from cyext.core.parameters import one_of
from cyext.core.peers import KINDS
from cyext.core.scratch import ScratchDirectory


cdef extern from "lock/baton.h" nogil:
    enum:
        MICRO_MUTEX
        MICRO_CONDITION
        MICRO_FCNTL_LOCK
        MICRO_FLOCK
        MICRO_OFD_LOCK
    ctypedef struct micro_baton_t:
        int directory
        int marks
        int64_t tasks
        atomic_int_fast64_t ready
    micro_baton_t *micro_baton_new(
        int how, int between_processes, int64_t tasks, const char **call)
    void micro_baton_free(micro_baton_t *ring)
    int micro_baton_locks_files(int how)
    int micro_baton_remove_files(int directory, int64_t tasks)
    int64_t micro_baton_task(micro_peer_t *self, void *ring) noexcept
    int micro_baton_admits(micro_baton_t *ring, micro_peers_t *group, int step)
    int micro_baton_batch(
        micro_baton_t *ring, micro_peers_t *group, uint64_t hops, int64_t *elapsed_ns,
        const char **call)

# The most tasks that anybody asked for; more would only take long.
MOST_TASKS = 4096
# Open files of each task: two on the way to it, two on the way from it.
cdef int64_t FILES_OF_A_TASK = 4

LOCKS = {
    "mutex": MICRO_MUTEX,
    "condition": MICRO_CONDITION,
    "fcntl": MICRO_FCNTL_LOCK,
    "flock": MICRO_FLOCK,
    "ofd": MICRO_OFD_LOCK,
}


@cython.no_gc_clear  # the tasks use the ring until they have ended
cdef class Baton(SelfTimedWorkload):
    """One operation: the baton goes on to the next task, which sleeps in a lock until it comes.

    ``level`` tasks stand in the ring, all on the CPU of the timed loop, which is none of them.
    """

    cdef micro_baton_t *ring
    cdef str peer
    cdef int how
    cdef int64_t room   # for so many tasks
    cdef object reason  # why there is no more

    def __init__(self, kind="mutex", peer="process"):
        self.how = one_of(kind, LOCKS)
        one_of(peer, KINDS)
        self.peer = peer
        if kind == "fcntl" and peer == "thread":
            raise NotSupported("threads of one process share its fcntl locks: none would wait")
        self.room = MOST_TASKS
        self.reason = f"at most {MOST_TASKS} tasks"
        if peer == "thread" and micro_baton_locks_files(self.how):
            limit = Descriptors()
            if limit.room() // FILES_OF_A_TASK < self.room:
                self.room = limit.room() // FILES_OF_A_TASK
                self.reason = limit.limit_reason()
        self.grow_or_close(2)

    def __dealloc__(self):
        self.drop_peers()
        micro_baton_free(self.ring)

    cdef void end_ring(self) noexcept:
        if self.peers is not None:
            self.peers.close()
        micro_baton_free(self.ring)
        self.ring = NULL

    def grow(self, uint64_t level):
        """Let ``level`` tasks stand in the ring."""
        self.settle_or_return(min(level, self.room), level, self.reason)

    def settle(self, count):
        """Let ``count`` tasks stand in a new ring; what those of the old one held is free then."""
        self.end_ring()
        directory = directory_for_files() if micro_baton_locks_files(self.how) else None
        try:
            self.set_up(count, -1 if directory is None else directory.fd)
        except BaseException:
            self.end_ring()
            raise
        finally:
            if directory is not None:
                remove_all(directory, count)

    cdef set_up(self, int64_t count, int directory):
        cdef const char *call = NULL
        cdef int status = 0
        cdef int step
        self.ring = micro_baton_new(self.how, self.peer == "process", count, &call)
        if self.ring == NULL and errno in (ENOSYS, EOPNOTSUPP):
            raise NotSupported("this system has no such lock")
        if self.ring == NULL:
            raise OperationFailed(call.decode(), errno, 0)
        self.ring.directory = directory
        self.ring.marks = self.marks
        self.start_peers(self.peer, "same", <micro_body_t>micro_baton_task, self.ring, count)
        for step in range(2):
            with nogil:
                status = micro_baton_admits(self.ring, &self.peers.group, step)
                if status:
                    self.peer_failed(b"write", -status, 0)
            if status:
                raise self.failure(status)
            self.peers.await_count(&self.ring.ready, (step + 1) * count)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        if self.ring == NULL:  # a call failed while it grew, and when it went back
            return self.fail(b"ring", ESRCH, 0)
        return self.check_peers()

    cdef int64_t timed_loop(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        cdef const char *call = NULL
        cdef int status = micro_baton_batch(
            self.ring, &self.peers.group, n, elapsed_ns, &call)
        return self.peer_failed(call, -status, 0) if status else 0

    def close(self):
        """End the tasks, then give back what they locked."""
        SelfTimedWorkload.close(self)
        self.end_ring()


def directory_for_files():
    """Where the tasks make the files that they lock."""
    try:
        return ScratchDirectory()
    except OSError as error:
        raise OperationFailed("mkdir", error.errno, 0) from None


def remove_all(directory, count):
    """Remove a directory with the files that so many tasks have made; they have opened them."""
    cdef int status = micro_baton_remove_files(directory.fd, count)
    try:
        directory.remove()
    except OSError as error:
        status = status or -error.errno
    if status:
        raise OperationFailed("unlink", -status, 0)
