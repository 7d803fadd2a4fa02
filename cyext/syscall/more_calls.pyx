"""More system calls, one an operation: of names, of descriptors, of clocks of CPU time."""

import os
import _socket  # what `socket` is built on, without its other imports

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset
from posix.stdlib cimport posix_memalign
from posix.unistd cimport close

from cyext.core.workload cimport Workload

from cyext.core.parameters import one_of
from cyext.core.scratch import ScratchFile


cdef extern from "os/more_calls.h" nogil:
    ctypedef struct micro_given_t:
        int fd
        const char *name
        void *buffer
        size_t bytes
    ctypedef int64_t (*micro_calls_t)(
        const micro_given_t *given, uint64_t n, uint64_t *made) noexcept nogil
    int64_t micro_calls_access(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_getcwd(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_close_bad(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_fcntl_set(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_process_clock(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_thread_clock(const micro_given_t *given, uint64_t n, uint64_t *made)

# The largest a call's answer may be; it begins a page.
cdef size_t ANSWER_BYTES = 4096


cdef class _Calls(Workload):
    """One operation is one system call; ``calls`` makes n of them and ``call`` is its name."""

    cdef micro_calls_t calls
    cdef const char *call
    cdef micro_given_t given

    def __cinit__(self, *args, **kwargs):
        memset(&self.given, 0, sizeof(self.given))
        self.given.fd = -1
        self.given.bytes = ANSWER_BYTES
        if posix_memalign(&self.given.buffer, ANSWER_BYTES, ANSWER_BYTES) != 0:
            self.given.buffer = NULL
            raise MemoryError

    cdef begin(self, const char *call, micro_calls_t calls):
        """Make this call from now on."""
        self.call = call
        self.calls = calls

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t made = 0
        cdef int64_t status = self.calls(&self.given, n, &made)
        return self.fail(self.call, -status, made) if status else 0

    def __dealloc__(self):
        free(self.given.buffer)

    def close(self):
        """Close what the call works on."""
        if self.given.fd >= 0:
            close(self.given.fd)
        self.given.fd = -1
        Workload.close(self)


cdef class Access(_Calls):
    """One operation: faccessat() of a readable file by a name without directories."""

    cdef object file
    cdef bytes name

    def __init__(self):
        self.file = ScratchFile()
        self.name = self.file.name
        self.given.name = self.name
        try:
            self.given.fd = os.open(self.file.directory, os.O_RDONLY | os.O_DIRECTORY)
        except BaseException:
            self.close()
            raise
        self.begin(b"faccessat", micro_calls_access)

    def close(self):
        """Close the directory and remove the file."""
        if self.file is not None:
            self.file.remove()
            self.file = None
        _Calls.close(self)


cdef class Getcwd(_Calls):
    """One operation: getcwd()."""

    def __init__(self):
        self.begin(b"getcwd", micro_calls_getcwd)


cdef class CloseBad(_Calls):
    """One operation: close() of -1, which is no descriptor: it fails with EBADF."""

    def __init__(self):
        self.begin(b"close", micro_calls_close_bad)


cdef class FcntlSet(_Calls):
    """One operation: fcntl(F_SETFL) of a socket, alternately with and without O_NONBLOCK."""

    def __init__(self):
        self.given.fd = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM).detach()
        self.begin(b"fcntl", micro_calls_fcntl_set)


cdef class CpuClock(_Calls):
    """One operation: read the CPU time of the "process" or the "thread", by a system call."""

    def __init__(self, clock="process"):
        if one_of(clock, {"process": True, "thread": False}):
            self.begin(b"clock_gettime", micro_calls_process_clock)
        else:
            self.begin(b"clock_gettime", micro_calls_thread_clock)
