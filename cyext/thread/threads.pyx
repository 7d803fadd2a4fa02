"""Creating and ending threads, few and many.

Whether a thread gets a stack that another one used before is decided by the C library: glibc keeps
the stacks of ended threads while they are no more than 40 MiB (five of 8 MiB), musl keeps none. A
batch of four operations would then measure something else than a batch of eight. So the stacks are
the workload's own, given to pthread_create() by pthread_attr_setstack(), and are what
``stack_memory`` says. Where only one thread lives at a time, the library's own way is the same in
every batch, and can be measured too:

===========  =================================================================================
``library``  pthread_create() as programs call it: the stack is the C library's. glibc keeps that
             of the thread before and searches for it; when a thread ends, it gives back the unused
             part by madvise().
``cached``   a thread has run and ended on this stack: its pages are there. Neither glibc's search
             nor its madvise() is included.
``fresh``    the stack is mapped for this thread, with a guard page (mmap, mprotect), and unmapped
             after its end. Programs meet this with musl, and with glibc when many threads end
             before others start.
===========  =================================================================================
"""

import errno as errno_names

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from cyext.core.peers cimport Peers, micro_peers_add, micro_peers_keep, pthread_attr_t
from cyext.core.workload cimport Workload
from cyext.core.resources cimport batch_at, level_within

from cyext.core import limits
from cyext.core.parameters import one_of
from cyext.core.workload import LimitReached, OperationFailed


cdef extern from "<pthread.h>" nogil:
    int pthread_attr_destroy(pthread_attr_t *attributes)

cdef extern from "os/stack.h" nogil:
    ctypedef struct micro_stack_t:
        char *guard
    ctypedef struct micro_stack_kind_t:
        size_t bytes
        size_t guard_bytes
        int memory
        pthread_attr_t attributes
    enum:
        MICRO_STACK_CACHED
        MICRO_STACK_FRESH
        MICRO_STACK_LIBRARY
    int micro_stack_kind(
        micro_stack_kind_t *kind, int minimal, int memory, int *has_attributes, const char **call)
    int micro_stack_create_join(
        micro_stack_kind_t *kind, micro_stack_t *stack, const char **call)
    int micro_stack_provide(micro_stack_kind_t *kind, micro_stack_t *stack, const char **call)
    int micro_stack_unmap(
        const micro_stack_kind_t *kind, micro_stack_t *stack, const char **call)

# Threads left free for everybody else on the machine.
THREAD_HEADROOM = 512
# The stacks of ``stack_memory``, and those that a thread that lives alone may have.
STACKS = {"cached": MICRO_STACK_CACHED, "fresh": MICRO_STACK_FRESH}
LONE_STACKS = {"library": MICRO_STACK_LIBRARY, **STACKS}
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

    def __init__(self, stack, int memory):
        cdef const char *call = NULL
        cdef bint minimal = one_of(stack, {"default": False, "minimal": True})
        cdef int status = micro_stack_kind(
            &self.kind, minimal, memory, &self.has_attributes, &call)
        if status:
            self.close()
            raise OperationFailed(call.decode(), -status, 0)

    def __dealloc__(self):
        if self.has_attributes:
            pthread_attr_destroy(&self.kind.attributes)


cdef class CreateJoin(_Thread):
    """One operation: pthread_create of an empty function, pthread_join; a fresh stack's mapping.

    ``stack_memory`` may be ``library`` here: one thread lives at a time.
    """

    cdef micro_stack_t stack
    cdef bint warm

    def __cinit__(self, *args, **kwargs):
        self.stack.guard = NULL
        self.warm = False

    def __init__(self, stack="default", stack_memory="library"):
        _Thread.__init__(self, stack, one_of(stack_memory, LONE_STACKS))

    def __dealloc__(self):
        self.unmap()

    cdef void unmap(self) noexcept:
        cdef const char *call = NULL
        micro_stack_unmap(&self.kind, &self.stack, &call)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        # The first thread on a stack finds it fresh, and the library's cache empty.
        if self.warm or self.kind.memory == MICRO_STACK_FRESH:
            return 0
        self.warm = True
        return self.create_join(1)

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

    cdef Peers peers
    cdef const char *call
    cdef micro_stack_t *stacks   # of peer i; mapped where it runs, or has run and stacks are cached
    cdef int64_t places

    def __init__(self, stack="default", stack_memory="cached"):
        _Thread.__init__(self, stack, one_of(stack_memory, STACKS))
        self.peers = Peers("thread")
        self.peers.group.attributes = &self.kind.attributes
        self.max_batch = batch_at(0)
        self.reserve(self.max_batch)

    def __dealloc__(self):
        free(self.stacks)

    def watch_cpus(self, int usage_fd):
        """Not done: a look would go through all threads that live."""

    cdef reserve(self, int64_t places):
        """Room for so many threads."""
        self.peers.prepare(places)
        if places > self.places:
            grown = <micro_stack_t *>realloc(self.stacks, places * sizeof(micro_stack_t))
            if grown == NULL:
                raise MemoryError
            self.stacks = grown
            memset(&grown[self.places], 0, (places - self.places) * sizeof(micro_stack_t))
            self.places = places

    cdef int add(self) noexcept nogil:
        """One more thread that lives: 0, or -errno with the call in ``self.call``."""
        cdef int64_t place = self.peers.group.count
        cdef int status = micro_stack_provide(&self.kind, &self.stacks[place], &self.call)
        if status == 0:
            status = micro_peers_add(&self.peers.group)
            self.call = self.peers.group.call
        return status

    cdef int keep(self, int64_t count) noexcept nogil:
        """End all threads but so many, and unmap stacks that no other shall run on."""
        cdef int64_t place
        cdef int64_t ended = self.peers.group.count
        cdef int status = micro_peers_keep(&self.peers.group, count)
        self.call = self.peers.group.call
        if self.kind.memory == MICRO_STACK_FRESH:
            for place in range(count, ended):
                if micro_stack_unmap(&self.kind, &self.stacks[place], &self.call):
                    status = -errno
        return status

    def grow(self, uint64_t level):
        """Start or end threads until ``level`` live."""
        room, reason = most_threads(self.kind.guard_bytes + self.kind.bytes)
        cdef int64_t most = level_within(room + self.peers.group.count)
        cdef int64_t goal = min(level, <uint64_t>most)
        cdef int status
        self.reserve(goal + batch_at(goal))
        with nogil:
            status = self.keep(goal)
            while status == 0 and self.peers.group.count < goal:
                status = self.add()
        if status:
            reason = f"{self.call.decode()}: {errno_names.errorcode.get(-status)}, {reason}"
            with nogil:
                self.keep(max(self.peers.group.count - 16 - batch_at(goal), 0))
        self.level = self.peers.group.count
        self.max_batch = batch_at(self.level)
        if status or self.level < level:
            raise LimitReached(self.level, reason)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        """Let a thread run and end on each stack that the batch will take from the cache."""
        cdef int status = 0
        cdef uint64_t _i
        if self.kind.memory == MICRO_STACK_FRESH:
            return 0
        if self.stacks[self.level + n - 1].guard == NULL:
            for _i in range(n):
                if status == 0:
                    status = self.add()
            if status == 0:
                status = self.keep(self.level)
        return self.fail(self.call, -status, 0) if status else 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int status
        for i in range(n):
            status = self.add()
            if status:
                return self.fail(self.call, -status, i)
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        cdef int status = self.keep(self.level)
        return self.fail(self.call, -status, 0) if status else 0

    def close(self):
        """End all threads and unmap their stacks."""
        cdef int64_t place
        Workload.close(self)
        if self.peers is not None:
            self.peers.close()
        for place in range(self.places):
            micro_stack_unmap(&self.kind, &self.stacks[place], &self.call)
        self.places = 0
