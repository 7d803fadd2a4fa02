"""A growing stack of descriptors, shared by the kernels that hold many of them."""

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
