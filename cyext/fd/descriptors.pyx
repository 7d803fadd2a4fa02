"""Opening and closing descriptors, few and many, and the table that holds them."""

import errno as errno_names
import os
import time

from libc.errno cimport ENOSYS, errno
from libc.stdint cimport int64_t, uint64_t
from posix.fcntl cimport O_CLOEXEC, O_RDONLY
from posix.unistd cimport close, dup

from cyext.core.resources cimport Descriptors, batch_at, level_within
from cyext.core.peered cimport SelfTimedWorkload
from cyext.core.workload cimport Workload

from cyext.core.workload import LimitReached, NotSupported, OperationFailed
from cyext.core.kernel_memory import bytes_each, slabs
from cyext.core.parameters import one_of
from cyext.core.scratch import ScratchFile


cdef extern from "<fcntl.h>" nogil:
    int openat(int directory, const char *path, int flags)

cdef extern from "<sys/socket.h>" nogil:
    int socketpair(int family, int type, int protocol, int *ends)

cdef extern from "<sys/mman.h>" nogil:
    int munmap(void *address, size_t length)

cdef extern from "os/mapping.h" nogil:
    void *micro_shared_memory(size_t bytes)

cdef extern from "os/network.h" nogil:
    int AF_INET
    int AF_UNIX
    int SOCK_DGRAM
    int SOCK_STREAM
    int micro_socket(int family, int type)

cdef extern from "fd/descriptor_table.h" nogil:
    ctypedef struct micro_growth_t:
        int64_t elapsed_ns
    int micro_grow_fresh_table(
        micro_growth_t *shared_memory, int fd, int capacity, int shared, const char **call)

# Sockets made to learn what one takes, and how long those closed before are still being freed.
cdef int64_t GROUPS = 3
cdef int64_t GROUP = 500
FREEING_S = 0.06
# The descriptor that von Leitner closes and opens again.
cdef int64_t CHURNED_SLOT = 10
# Of a batch of 128, the last sockets took a fifth longer to make than the first: the caches show.
cdef int64_t MOST_SOCKETS = 32
# Children in a batch of table growths: making them takes a hundred times longer than what is timed.
cdef int64_t MOST_CHILDREN = 4

SOCKETS = {
    "tcp": (AF_INET, SOCK_STREAM),
    "udp": (AF_INET, SOCK_DGRAM),
    "unix": (AF_UNIX, SOCK_STREAM),
}


cdef class _OneFile:
    """A regular empty file in the scratch directory, opened by its name relative to that."""

    cdef object file
    cdef const char *name
    cdef int directory

    def __init__(self):
        self.directory = -1
        self.file = ScratchFile()
        self.name = self.file.name
        try:
            self.directory = os.open(
                self.file.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            self.remove()
            raise

    cdef inline int open(self) noexcept nogil:
        return openat(self.directory, self.name, O_RDONLY | O_CLOEXEC)

    def remove(self):
        """Close and remove the file."""
        if self.file is not None:
            if self.directory >= 0:
                os.close(self.directory)
            self.file.remove()
            self.file = None


cdef class OpenClose(Workload):
    """One operation: open the file for reading, close it."""

    cdef _OneFile file

    def __init__(self):
        self.file = _OneFile()

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int fd
        for i in range(n):
            fd = self.file.open()
            if fd < 0:
                return self.fail(b"open", errno, i)
            if close(fd) != 0:
                return self.fail(b"close", errno, i)
        return 0

    def close(self):
        """Close and remove the file."""
        if self.file is not None:
            self.file.remove()
        Workload.close(self)


cdef class _Many(Workload):
    """``level`` descriptors held, at least ``least``, each made by the call named ``call``.

    Where an operation adds to them, a batch holds at most a sixteenth of the level, and at most
    ``most_added``; 0 says that it does not add.
    """

    cdef Descriptors held
    cdef object call
    cdef int64_t least
    cdef int64_t most_added

    def __cinit__(self):
        self.held = Descriptors()

    cdef int hold_first(self, call, int64_t least, int64_t most_added) except -1:
        self.call = call
        self.least = least
        self.most_added = most_added
        self.grow_or_close(least, "no descriptor")
        return 0

    cdef int make(self) noexcept nogil:
        """One more descriptor, or -errno."""
        return -ENOSYS

    def grow(self, uint64_t level):
        """Open or close descriptors until ``level`` are held."""
        cdef int64_t room = self.held.room()
        cdef int64_t wanted = max(level, <uint64_t>self.least)
        cdef int64_t goal = min(wanted, level_within(room) if self.most_added else room)
        cdef int fd = 0
        if goal < self.least:
            raise LimitReached(self.level, self.held.limit_reason())
        self.held.close_down_to(goal)
        self.held.reserve(goal + batch_at(goal))
        while self.held.count < goal:
            fd = self.make()
            if fd < 0:
                break
            self.held.push(fd)
        if fd < 0:
            self.held.close_down_to(max(self.held.count - 16 - batch_at(goal), self.least))
        self.level = self.held.count
        if self.most_added:
            self.max_batch = min(batch_at(self.level), self.most_added)
        if fd < 0:
            raise LimitReached(self.level, f"{self.call}: {errno_names.errorcode.get(-fd)}")
        if goal < wanted:
            raise LimitReached(self.level, self.held.limit_reason())

    def close(self):
        """Close all descriptors."""
        self.held.close_down_to(0)
        Workload.close(self)


cdef class OpenInterleaved(_Many):
    """One operation, with ``level`` files open: close the first and the last, open two.

    The two new files take the two free slots, so every operation meets the same table. Closing the
    lowest descriptor defeats a kernel that merely remembers the one closed last.
    """

    cdef _OneFile file

    def __init__(self):
        self.file = _OneFile()
        self.hold_first("open", 2, 0)

    cdef int make(self) noexcept nogil:
        cdef int fd = self.file.open()
        return fd if fd >= 0 else -errno

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int *first = self.held.fds
        cdef int *last = self.held.fds + self.held.count - 1
        for i in range(n):
            if close(first[0]) != 0 or close(last[0]) != 0:
                return self.fail(b"close", errno, i)
            first[0] = self.file.open()
            last[0] = self.file.open()
            if first[0] < 0 or last[0] < 0:
                return self.fail(b"open", errno, i)
        return 0

    def close(self):
        """Close all files and remove them."""
        _Many.close(self)
        if self.file is not None:
            self.file.remove()


cdef class DupLowest(_Many):
    """One operation, with ``level`` descriptors open: close the lowest, dup() into its slot."""

    cdef int null

    def __cinit__(self):
        self.null = -1

    def __init__(self):
        self.null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self.hold_first("dup", 1, 0)

    cdef int make(self) noexcept nogil:
        cdef int fd = dup(self.null)
        return fd if fd >= 0 else -errno

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int *lowest = self.held.fds
        for i in range(n):
            if close(lowest[0]) != 0:
                return self.fail(b"close", errno, i)
            lowest[0] = dup(self.null)
            if lowest[0] < 0:
                return self.fail(b"dup", errno, i)
        return 0

    def close(self):
        """Close all descriptors."""
        _Many.close(self)
        if self.null >= 0:
            os.close(self.null)
            self.null = -1


cdef class SocketChurn(_Many):
    """One operation, with ``level`` sockets open: close the tenth, open it again, open one more.

    The tenth takes the lowest free descriptor, the other one comes after all of them: a kernel that
    remembers one place must search from the one to the other. The sockets that a batch adds are
    closed after it, not timed.
    """

    def __init__(self):
        self.hold_first("socket", 1, MOST_SOCKETS)

    cdef int make(self) noexcept nogil:
        return micro_socket(AF_INET, SOCK_STREAM)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int fd
        cdef int *churned = self.held.fds + min(CHURNED_SLOT, <int64_t>self.level) - 1
        for i in range(n):
            if close(churned[0]) != 0:
                return self.fail(b"close", errno, i)
            churned[0] = micro_socket(AF_INET, SOCK_STREAM)
            if churned[0] < 0:
                return self.fail(b"socket", -churned[0], i)
            fd = micro_socket(AF_INET, SOCK_STREAM)
            if fd < 0:
                return self.fail(b"socket", -fd, i)
            self.held.push(fd)
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        self.held.close_down_to(self.level)
        return 0


cdef class SocketCreate(Workload):
    """One operation: make a socket of a ``family`` (tcp, udp or unix), close it."""

    cdef int family
    cdef int type

    def __init__(self, family="tcp"):
        self.family, self.type = one_of(family, SOCKETS)
        cdef int fd = micro_socket(self.family, self.type)
        if fd < 0:
            raise NotSupported(f"no {family} socket: {errno_names.errorcode.get(-fd)}")
        close(fd)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int fd
        for i in range(n):
            fd = micro_socket(self.family, self.type)
            if fd < 0:
                return self.fail(b"socket", -fd, i)
            if close(fd) != 0:
                return self.fail(b"close", errno, i)
        return 0

    def counts(self):
        """With ``kernel_bytes_per_socket``, where the system tells: weighed in groups of them."""
        found = Workload.counts(self)
        bytes_per_socket = self.kernel_bytes()
        if bytes_per_socket is not None:
            found["kernel_bytes_per_socket"] = bytes_per_socket
        return found

    cdef object kernel_bytes(self):
        cdef Descriptors weighed = Descriptors()
        cdef int64_t goal = 0
        cdef int fd = 0
        if slabs() is None or weighed.room() < GROUPS * GROUP:
            return None
        weighed.reserve(GROUPS * GROUP)
        time.sleep(FREEING_S)
        snapshots = [slabs()]
        for _ in range(GROUPS):
            goal += GROUP
            while weighed.count < goal:
                fd = micro_socket(self.family, self.type)
                if fd < 0:
                    return None
                weighed.push(fd)
            snapshots.append(slabs())
        return bytes_each(snapshots, GROUP)


cdef class SocketPair(Workload):
    """One operation: make two connected Unix stream sockets, close them."""

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int ends[2]
        for i in range(n):
            if socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0:
                return self.fail(b"socketpair", errno, i)
            if (close(ends[0]) != 0) | (close(ends[1]) != 0):
                return self.fail(b"close", errno, i)
        return 0


cdef class TableGrowth(SelfTimedWorkload):
    """One operation: a duplicate of a descriptor that does not fit the table of ``level`` slots.

    ``sharing`` says whether the table is the process's only thread's alone, or shared with another
    thread, which sleeps. Each operation has a table, and a process, of its own; starting and ending
    that is not timed. The level counts as the next power of two.
    """

    cdef Descriptors limits
    cdef micro_growth_t *growth
    cdef int null
    cdef int capacity
    cdef bint shared

    def __cinit__(self, *args, **kwargs):
        self.growth = NULL
        self.null = -1
        self.limits = Descriptors()

    def __init__(self, sharing="alone"):
        self.shared = one_of(sharing, {"alone": False, "shared": True})
        self.max_batch = MOST_CHILDREN
        self.null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self.growth = <micro_growth_t *>micro_shared_memory(sizeof(micro_growth_t))
        if self.growth == NULL:
            error = errno
            self.close()
            raise OperationFailed("mmap", error, 0)
        self.grow(1)

    def __dealloc__(self):
        if self.growth != NULL:
            munmap(self.growth, sizeof(micro_growth_t))

    def grow(self, uint64_t level):
        """Let the operations start from a table of ``level`` slots."""
        cdef int64_t most = 1
        while 2 * most < self.limits.limit:
            most *= 2
        self.level = min(level, <uint64_t>most)
        self.capacity = 1
        while self.capacity < <int64_t>self.level:
            self.capacity *= 2
        if self.level < level:
            raise LimitReached(self.level, self.limits.limit_reason())

    cdef int64_t timed_loop(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        cdef uint64_t i
        cdef int status
        cdef const char *call = NULL
        elapsed_ns[0] = 0
        for i in range(n):
            status = micro_grow_fresh_table(
                self.growth, self.null, self.capacity, self.shared, &call)
            if status:
                return self.fail(call, -status, i)
            elapsed_ns[0] += self.growth.elapsed_ns
        return 0

    def close(self):
        """Unmap what the children wrote to."""
        if self.null >= 0:
            os.close(self.null)
            self.null = -1
        if self.growth != NULL:
            munmap(self.growth, sizeof(micro_growth_t))
            self.growth = NULL
        SelfTimedWorkload.close(self)
