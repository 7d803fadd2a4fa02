"""System calls of a thread that a filter looks at."""

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t
from posix.unistd cimport close, pipe

from cyext.core.peers cimport micro_owner_moves_byte, micro_peer_moves_byte, micro_peer_t
from cyext.core.peered cimport SelfTimedWorkload
from cyext.core.workload cimport MICRO_LOOP_BEGINS, MICRO_LOOP_ENDS, micro_mark, micro_now_ns

from cyext.core.errors import LimitReached, NotSupported, OperationFailed
from cyext.core.parameters import one_of


cdef extern from "os/seccomp.h" nogil:
    int64_t MICRO_MOST_RULES
    int micro_filter_calls(int64_t rules, int by_argument)

cdef extern from "os/repeated_calls.h" nogil:
    ctypedef struct micro_given_t:
        int fd
    int64_t micro_calls_getppid(const micro_given_t *given, uint64_t n, uint64_t *made)

# What the loop's owner and the filtered thread share; a byte over a pipe says whose turn it is.
cdef struct Shared:
    int64_t rules
    bint by_argument
    bint marks
    int fds[4]        # the pipe of orders, the pipe of answers
    uint64_t n        # the order
    int64_t began_ns  # the answer
    int64_t elapsed_ns
    int64_t status
    uint64_t made


cdef int64_t make_calls(micro_peer_t *self, void *argument) noexcept nogil:
    """Install the filter for this thread, which it ends with; then time batches of calls."""
    cdef Shared *shared = <Shared *>argument
    cdef micro_given_t given
    cdef int64_t moved = micro_filter_calls(shared.rules, shared.by_argument)
    if moved:
        self.mail.call = b"prctl"
        return moved
    given.fd = -1
    while True:
        moved = micro_peer_moves_byte(self, shared.fds[0], False)
        if moved != 1:
            return moved
        if shared.marks:
            micro_mark(MICRO_LOOP_BEGINS)
        shared.began_ns = micro_now_ns()
        shared.status = micro_calls_getppid(&given, shared.n, &shared.made)
        shared.elapsed_ns = micro_now_ns() - shared.began_ns
        if shared.marks:
            micro_mark(MICRO_LOOP_ENDS)
        moved = micro_peer_moves_byte(self, shared.fds[3], True)
        if moved != 1:
            return moved


cdef class Seccomp(SelfTimedWorkload):
    """One operation: getppid() in a thread whose calls pass a filter of ``level`` rules.

    A filter cannot be taken off: each level has a new thread, on the CPU of the loop.
    """

    cdef Shared shared

    def __cinit__(self, *args, **kwargs):
        self.shared.fds[:] = [-1, -1, -1, -1]

    def __init__(self, looks_at="number"):
        self.shared.by_argument = one_of(looks_at, {"number": False, "argument": True})
        self.shared.marks = self.marks
        if MICRO_MOST_RULES == 0:
            raise NotSupported("this system has no seccomp filters")
        if pipe(self.shared.fds) != 0 or pipe(self.shared.fds + 2) != 0:
            raise OperationFailed("pipe", errno, 0)
        self.grow_or_close(1)

    def __dealloc__(self):
        self.drop_peers()
        self.close_pipes()

    cdef void close_pipes(self) noexcept:
        for i in range(4):
            if self.shared.fds[i] >= 0:
                close(self.shared.fds[i])
                self.shared.fds[i] = -1

    def grow(self, uint64_t level):
        """Let a new thread install a filter of ``level`` rules."""
        self.shared.rules = min(level, <uint64_t>MICRO_MOST_RULES)
        self.start_peers("thread", "same", make_calls, &self.shared, 0)
        self.start_peers("thread", "same", make_calls, &self.shared, 1)
        try:
            self.run(1)
        except OperationFailed as failure:
            if failure.call != "prctl":
                raise
            raise NotSupported(f"no filter may be installed here: {failure}") from None
        self.level = self.shared.rules
        if self.level < level:
            raise LimitReached(self.level, f"a filter holds {MICRO_MOST_RULES} rules")

    cdef int64_t timed_loop(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        cdef int64_t status
        self.shared.n = n
        status = micro_owner_moves_byte(&self.peers.group, self.shared.fds[1], True)
        if status:
            return self.peer_failed(b"write", -status, 0)
        status = micro_owner_moves_byte(&self.peers.group, self.shared.fds[2], False)
        if status:
            return self.peer_failed(b"read", -status, 0)
        if self.shared.status:
            return self.fail(b"getppid", -self.shared.status, self.shared.made)
        self.began_ns = self.shared.began_ns
        elapsed_ns[0] = self.shared.elapsed_ns
        return 0

    def close(self):
        """End the thread, and with it the filter."""
        SelfTimedWorkload.close(self)
        self.close_pipes()
