"""What workloads hold many of, and where the system's limits end it."""

import errno
import resource

from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc
from posix.unistd cimport close


cdef extern from "os/file.h" nogil:
    int64_t micro_raise_descriptor_limit()
    int64_t micro_open_descriptors()

# Descriptors left free above a curve's last level: the batches there open some more, and so may
# whatever else the process does.
cdef int64_t HEADROOM = 32

# Maps left free below the system's limit, for the allocator and thread stacks.
MAP_HEADROOM = 256


def most_maps():
    """How many maps this process may still make, and the limit's name; None where unknown."""
    try:
        with open("/proc/sys/vm/max_map_count", "rb") as file:
            limit = int(file.read())
        with open("/proc/self/maps", "rb") as file:
            used = sum(1 for _ in file)
    except (OSError, ValueError):
        return None, ""
    return max(limit - used - min(MAP_HEADROOM, limit // 4), 0), f"vm.max_map_count {limit}"


def mapping_refused(call, error):
    """Why a call for memory failed with ``error``, with the setting that may be behind it."""
    reason = f"{call}: {errno.errorcode.get(error, error)}"
    if error != errno.ENOMEM:
        return reason
    try:
        soft, _hard = resource.getrlimit(resource.RLIMIT_AS)
    except (OSError, ValueError):
        return reason  # the call that would tell is itself refused
    return reason if soft == resource.RLIM_INFINITY else f"{reason}, RLIMIT_AS {soft}"


cdef class Descriptors:
    """A stack of open descriptors that knows how many more the process may open.

    The soft limit is raised to the hard one. ``room()`` is the number the stack may reach; under a
    limit so small that the usual head-room would eat it all, a quarter of it is kept instead.
    """

    def __cinit__(self):
        self.fds = NULL
        self.count = 0
        self.capacity = 0
        self.limit = micro_raise_descriptor_limit()
        if self.limit < 0:
            raise OSError(-self.limit, f"getrlimit: {errno.errorcode.get(-self.limit)}")

    def __dealloc__(self):
        self.close_down_to(0)
        free(self.fds)

    cdef int64_t room(self) noexcept:
        cdef int64_t free_now = max(self.limit - micro_open_descriptors(), 0)
        return self.count + free_now - min(HEADROOM, free_now // 4)

    cdef int reserve(self, int64_t capacity) except -1:
        cdef int *grown
        if capacity > self.capacity:
            grown = <int *>realloc(self.fds, capacity * sizeof(int))
            if grown == NULL:
                raise MemoryError(f"no room for {capacity} descriptors")
            self.fds = grown
            self.capacity = capacity
        return 0

    cdef void push(self, int fd) noexcept nogil:
        self.fds[self.count] = fd
        self.count += 1

    cdef void close_down_to(self, int64_t count) noexcept nogil:
        while self.count > count:
            self.count -= 1
            close(self.fds[self.count])

    cdef limit_reason(self):
        return f"RLIMIT_NOFILE hard limit {self.limit}"
