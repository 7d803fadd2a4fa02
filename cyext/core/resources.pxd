"""A growing stack of descriptors, shared by the workloads that hold many of them."""

from libc.stdint cimport int64_t


cdef class Descriptors:
    cdef int *fds
    cdef int64_t count
    cdef int64_t capacity
    cdef int64_t limit

    cdef int64_t room(self) noexcept
    cdef int reserve(self, int64_t capacity) except -1
    cdef void push(self, int fd) noexcept nogil
    cdef void close_down_to(self, int64_t count) noexcept nogil
    cdef limit_reason(self)


cdef inline int64_t batch_at(int64_t level) noexcept nogil:
    """The largest batch of a workload whose operations each add to its level."""
    return max(8, level // 16)


cdef inline int64_t level_within(int64_t room) noexcept nogil:
    """The highest level that, with its largest batch, stays within ``room``."""
    return max(0, min(room - 8, room * 16 // 17))
