"""One system call an operation: of the process, of clocks, of devices, of no descriptor."""

import mmap as python_mmap
import os

from libc.stdint cimport int64_t, uint64_t

from cyext.syscall.repeated cimport ANSWER_BYTES, RepeatedCalls, micro_given_t

from cyext.core.parameters import one_of


cdef extern from "os/repeated_calls.h" nogil:
    int64_t micro_calls_getppid(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_clock_gettime(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_clock_read(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_process_clock(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_thread_clock(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_getrusage(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_times(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_sched_yield(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_chdir(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_getcwd(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_brk(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_read(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_write(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_close_bad(const micro_given_t *given, uint64_t n, uint64_t *made)


cdef class Getppid(RepeatedCalls):
    """One operation: getppid() by a system call."""

    def __init__(self):
        self.begin(b"getppid", micro_calls_getppid)


cdef class ClockGettime(RepeatedCalls):
    """One operation: read the monotonic clock by the C library ("library") or a "call"."""

    def __init__(self, by="library"):
        if one_of(by, {"library": True, "call": False}):
            self.begin(b"clock_gettime", micro_calls_clock_read)
        else:
            self.begin(b"clock_gettime", micro_calls_clock_gettime)
            self.try_once("this system's clock is read by its library only")


cdef class CpuClock(RepeatedCalls):
    """One operation: read the CPU time of the "process" or the "thread", by a system call."""

    def __init__(self, clock="process"):
        if one_of(clock, {"process": True, "thread": False}):
            self.begin(b"clock_gettime", micro_calls_process_clock)
        else:
            self.begin(b"clock_gettime", micro_calls_thread_clock)


cdef class Getrusage(RepeatedCalls):
    """One operation: getrusage() of the process."""

    def __init__(self):
        self.begin(b"getrusage", micro_calls_getrusage)


cdef class Times(RepeatedCalls):
    """One operation: times(), the CPU time of the process and its children."""

    def __init__(self):
        self.begin(b"times", micro_calls_times)


cdef class SchedYield(RepeatedCalls):
    """One operation: sched_yield(), no other thread waiting for the CPU."""

    def __init__(self):
        self.begin(b"sched_yield", micro_calls_sched_yield)


cdef class Chdir(RepeatedCalls):
    """One operation: chdir() to the directory that is the current one."""

    def __init__(self):
        self.begin(b"chdir", micro_calls_chdir)


cdef class Getcwd(RepeatedCalls):
    """One operation: getcwd()."""

    def __init__(self):
        self.given.bytes = ANSWER_BYTES
        self.begin(b"getcwd", micro_calls_getcwd)


cdef class Brk(RepeatedCalls):
    """One operation: brk() to a page beyond the heap's end, and back."""

    def __init__(self):
        self.call, self.calls = b"brk", micro_calls_brk
        self.given.bytes = python_mmap.PAGESIZE
        self.try_once("this system has no call that sets the end of the heap")


cdef class Read(RepeatedCalls):
    """One operation: read() of one byte of /dev/zero."""

    def __init__(self):
        self.given.fd = os.open("/dev/zero", os.O_RDONLY)
        self.begin(b"read", micro_calls_read)


cdef class Write(RepeatedCalls):
    """One operation: write() of one byte to /dev/null."""

    def __init__(self):
        self.given.fd = os.open("/dev/null", os.O_WRONLY)
        self.begin(b"write", micro_calls_write)


cdef class CloseBad(RepeatedCalls):
    """One operation: close() of -1, which is no descriptor: it fails with EBADF."""

    def __init__(self):
        self.begin(b"close", micro_calls_close_bad)
