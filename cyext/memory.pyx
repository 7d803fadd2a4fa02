"""Moving bytes."""

import errno as errno_names

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from cyext.kernel cimport Kernel

from cyext.kernel import LimitReached, NotSupported


cdef extern from "os/mapping.h" nogil:
    void *micro_buffer(size_t bytes, void **base, size_t *length)
    int munmap(void *address, size_t length)

cdef extern from * nogil:
    """
    #define MICRO_WROTE(buffer) __asm__ volatile("" : : "r"(buffer) : "memory")
    """
    void MICRO_WROTE(void *buffer)


def available_bytes():
    """Memory that can be used without swapping, or None where the system does not tell."""
    try:
        with open("/proc/meminfo", "rb") as file:
            for line in file:
                if line.startswith(b"MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


cdef class Copy(Kernel):
    """One operation: the C library's memcpy of ``level`` bytes between two touched buffers."""

    cdef void *source
    cdef void *target
    cdef void *source_base
    cdef void *target_base
    cdef size_t source_length
    cdef size_t target_length
    cdef size_t size

    def __cinit__(self):
        self.source_base = NULL
        self.target_base = NULL

    def __init__(self):
        try:
            self.grow(4096)
        except LimitReached as limit:
            raise NotSupported(f"no buffer of 4096 bytes: {limit.reason}") from None
        self.level = 0  # nobody asked for this one: a curve that stops at once has reached nothing

    def grow(self, uint64_t level):
        """Make both buffers ``level`` bytes long and touch them."""
        cdef uint64_t reached = self.level
        cdef uint64_t before = self.size
        available = available_bytes()
        if available is not None and level > available // 4:
            raise LimitReached(reached, f"half of {available // 2 ** 20} MiB available memory")
        self.unmap()
        self.source = micro_buffer(level, &self.source_base, &self.source_length)
        if self.source != NULL:
            self.target = micro_buffer(level, &self.target_base, &self.target_length)
        if self.source == NULL or self.target == NULL:
            reason = f"mmap: {errno_names.errorcode.get(errno)}"
            self.unmap()
            if before:
                self.grow(before)
            self.level = reached
            raise LimitReached(reached, reason)
        self.level = level
        self.size = level

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t _i
        if self.target == NULL:  # a failed growth, and no way back
            return self.fail(b"mmap", 12, 0)  # ENOMEM
        for _i in range(n):
            memcpy(self.target, self.source, self.size)
            MICRO_WROTE(self.target)
        return 0

    cdef void unmap(self) noexcept:
        if self.source_base != NULL:
            munmap(self.source_base, self.source_length)
        if self.target_base != NULL:
            munmap(self.target_base, self.target_length)
        self.source_base = NULL
        self.target_base = NULL
        self.source = NULL
        self.target = NULL
        self.level = 0
        self.size = 0

    def close(self):
        """Unmap both buffers."""
        self.unmap()
        Kernel.close(self)
