"""Processes that hold descriptors for this one."""

from libc.stdint cimport int64_t

from cyext.core.resources cimport Descriptors


cdef enum:
    MOST_HOLDERS = 16


cdef class Holders:
    cdef int pids[MOST_HOLDERS]
    cdef int count
    cdef int leash[2]

    cdef int adopt(self, Descriptors held, const char **call) noexcept nogil
    cdef void release(self) noexcept nogil
