"""Creating and ending threads, few and many.

Whether a thread gets a stack that another one used before is decided by the C library: glibc keeps
the stacks of ended threads while they are no more than 40 MiB (five of 8 MiB), musl keeps none. A
batch of four operations would then measure something else than a batch of eight. So the stacks are
the workload's own, given to pthread_create() by pthread_attr_setstack(), and are what
``stack_memory`` says:

==========  ==================================================================================
``cached``  a thread has run and ended on this stack: its pages are there. A program that has few
            threads at a time meets this with glibc.
``fresh``   the stack is mapped for this thread, with a guard page (mmap, mprotect), and unmapped
            after its end. Programs meet this with musl, and with glibc when many threads end
            before others start.
==========  ==================================================================================

Not included are glibc's search for a kept stack (a walk along a list) and the madvise() by which a
thread that ends gives back the unused part of a stack that glibc mapped.
"""

import errno as errno_names

from libc.stdint cimport int64_t, uint64_t

from cyext.core.workload cimport Workload
from cyext.core.resources cimport batch_at, level_within

from cyext.core import limits
from cyext.core.workload import LimitReached, OperationFailed


cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_attr_t:
        pass
    int pthread_attr_destroy(pthread_attr_t *attributes)

cdef extern from "os/stack.h" nogil:
    ctypedef struct micro_stack_t:
        char *guard
    ctypedef struct micro_stack_kind_t:
        size_t bytes
        size_t guard_bytes
        int cached
        pthread_attr_t attributes
    int micro_stack_kind(
        micro_stack_kind_t *kind, int minimal, int cached, int *has_attributes, const char **call)
    int micro_stack_create_join(
        micro_stack_kind_t *kind, micro_stack_t *stack, const char **call)
    int micro_stack_unmap(
        const micro_stack_kind_t *kind, micro_stack_t *stack, const char **call)

cdef extern from "thread/crowd.h" nogil:
    ctypedef struct micro_crowd_t:
        int64_t count
        micro_stack_kind_t kind
        const char *call
    int micro_crowd_open(micro_crowd_t *crowd)
    int micro_crowd_provide(micro_crowd_t *crowd, int64_t count)
    int micro_crowd_join_in(micro_crowd_t *crowd)
    int micro_crowd_down_to(micro_crowd_t *crowd, int64_t count)
    int micro_crowd_trim(micro_crowd_t *crowd, int64_t count)
    void micro_crowd_close(micro_crowd_t *crowd)

# Threads left free for everybody else on the machine.
THREAD_HEADROOM = 512
# What a blocked thread costs at most: the kernel's stack and structures, pages of its own stack.
THREAD_BYTES = 64 * 1024
# A stack and its guard page.
MAPS_A_THREAD = 2


def most_threads(stack_bytes):
    """How many more threads of this stack may live, and the name of the limit that says so."""
    found = {}
    running = limits.running_tasks()
    for name, value in limits.tasks().items():
        found[f"{name} {value}"] = value - running - min(THREAD_HEADROOM, value // 4)
    maps = limits.number("/proc/sys/vm/max_map_count")
    if maps is not None:
        found[f"vm.max_map_count {maps}"] = (maps - maps // 32) // MAPS_A_THREAD
    space = limits.address_space_bytes()
    if space is not None:
        found[f"RLIMIT_AS {space}"] = space // stack_bytes
    memory = limits.available_bytes()
    if memory is not None:
        most = memory // 2 // THREAD_BYTES
        found[f"half the available memory for {most}"] = most
    if not found:
        return 1 << 20, "no limit known"
    reason = min(found, key=found.get)
    return max(found[reason], 0), reason


cdef class _Thread(Workload):
    """Threads with the C library's default ``stack`` size or the minimal one, on such memory."""

    cdef micro_stack_kind_t kind
    cdef int has_attributes

    def __cinit__(self, *args, **kwargs):
        self.has_attributes = False

    def __init__(self, stack="default", stack_memory="cached"):
        if stack not in ("default", "minimal"):
            raise ValueError(f"stack is default or minimal, not {stack!r}")
        if stack_memory not in ("cached", "fresh"):
            raise ValueError(f"stack_memory is cached or fresh, not {stack_memory!r}")
        cdef const char *call = NULL
        cdef int status = micro_stack_kind(
            &self.kind, stack == "minimal", stack_memory == "cached", &self.has_attributes, &call)
        if status:
            self.close()
            raise OperationFailed(call.decode(), -status, 0)

    def __dealloc__(self):
        if self.has_attributes:
            pthread_attr_destroy(&self.kind.attributes)

    def facts(self):
        """``stack_bytes`` that a thread's stack may grow to."""
        return {"stack_bytes": self.kind.bytes}


cdef class CreateJoin(_Thread):
    """One operation: pthread_create of an empty function, pthread_join; a fresh stack's mapping."""

    cdef micro_stack_t stack

    def __cinit__(self, *args, **kwargs):
        self.stack.guard = NULL

    def __dealloc__(self):
        self.unmap()

    cdef void unmap(self) noexcept:
        cdef const char *call = NULL
        micro_stack_unmap(&self.kind, &self.stack, &call)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        # The first thread on a stack finds it fresh.
        return self.create_join(1) if self.kind.cached and self.stack.guard == NULL else 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        return self.create_join(n)

    cdef inline int64_t create_join(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        cdef const char *call = NULL
        for i in range(n):
            status = micro_stack_create_join(&self.kind, &self.stack, &call)
            if status:
                return self.fail(call, -status, i)
        return 0

    def close(self):
        """Unmap the stack."""
        self.unmap()
        Workload.close(self)


cdef class CreateAlive(_Thread):
    """One operation, with ``level`` threads alive: create one more, read the byte that it writes.

    The threads live on, blocked in a read. Those of a batch end after it, not timed. None lives
    before the first `grow`.
    """

    cdef micro_crowd_t crowd
    cdef bint opened

    def __cinit__(self, *args, **kwargs):
        self.opened = False

    def __init__(self, stack="default", stack_memory="cached"):
        _Thread.__init__(self, stack, stack_memory)
        self.crowd.kind = self.kind
        self.opened = True
        cdef int status = micro_crowd_open(&self.crowd)
        if status:
            self.close()
            raise OperationFailed(self.crowd.call.decode(), -status, 0)
        self.max_batch = batch_at(0)

    def __dealloc__(self):
        if self.opened:
            micro_crowd_close(&self.crowd)

    def grow(self, uint64_t level):
        """Start or end threads until ``level`` live."""
        cdef int status
        cdef int64_t goal, most
        room, reason = most_threads(self.kind.guard_bytes + self.kind.bytes)
        most = level_within(room + self.crowd.count)
        goal = min(level, <uint64_t>most)
        with nogil:
            status = micro_crowd_down_to(&self.crowd, goal)
            if status == 0:
                status = micro_crowd_trim(&self.crowd, batch_at(goal))
            while status == 0 and self.crowd.count < goal:
                status = micro_crowd_provide(&self.crowd, 1)
                if status == 0:
                    status = micro_crowd_join_in(&self.crowd)
        if status:
            call = self.crowd.call.decode()
            with nogil:
                micro_crowd_down_to(
                    &self.crowd, max(self.crowd.count - 16 - batch_at(goal), 0))
            reason = f"{call}: {errno_names.errorcode.get(-status)}, {reason}"
        self.level = self.crowd.count
        self.max_batch = batch_at(self.level)
        if status or self.level < level:
            raise LimitReached(self.level, reason)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef int status = micro_crowd_provide(&self.crowd, n)
        return self.fail(self.crowd.call, -status, 0) if status else 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = micro_crowd_join_in(&self.crowd)
            if status:
                return self.fail(self.crowd.call, -status, i)
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        cdef int status = micro_crowd_down_to(&self.crowd, self.level)
        return self.fail(self.crowd.call, -status, 0) if status else 0

    def close(self):
        """End all threads."""
        if self.opened:
            self.opened = False
            with nogil:
                micro_crowd_close(&self.crowd)
        Workload.close(self)
