"""Samples of what CPUs run, by the kernel's software clock (Linux, perf_event_open)."""

import errno
import os

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

from cyext.core.workload import NotSupported


cdef extern from "os/sample_clock.h" nogil:
    enum:
        MICRO_HAS_SAMPLE_CLOCK
        MICRO_RECORD_BYTES
        MICRO_NO_RECORD
        MICRO_SAMPLE
        MICRO_FORK
        MICRO_EXEC
        MICRO_LOST
    ctypedef struct micro_sample_clock_t:
        int fd
    ctypedef struct micro_record_t:
        int kind
        uint32_t pid
        uint32_t parent
        uint64_t ip
        uint64_t time_ns
        uint64_t lost
        uint64_t depth
        const uint64_t *chain
        const char *program
        bint in_kernel
    int micro_sample_clock_open(
        micro_sample_clock_t *clock, int cpu, bint everybody, uint64_t period_ns)
    void micro_sample_clock_close(micro_sample_clock_t *clock)
    int micro_sample_clock_switch(const micro_sample_clock_t *clock, bint on)
    void micro_next_record(
        micro_sample_clock_t *clock, unsigned char *space, micro_record_t *record)
    bint micro_is_address(uint64_t word)


class SamplingRefused(OSError):
    """The system does not let this process sample; ``errno`` says how it refused."""


cdef class Sampler:
    """Samples each of ``cpus`` every ``period_ns``: its instruction pointer and its kernel stack.

    ``everybody`` tells whether all that runs on the CPUs is sampled, the idle task too, or, where
    the system allows no more, only this process and its later children while they run. A process
    that lives for less than a period is then never seen.

    Raises `NotSupported` where the system has no such clock, `SamplingRefused` where it refuses.
    """

    cdef readonly bint everybody
    cdef readonly list cpus
    cdef micro_sample_clock_t *clocks
    cdef int opened
    cdef unsigned char *space

    def __cinit__(self, cpus, period_ns):
        self.clocks = <micro_sample_clock_t *>calloc(len(cpus) + 1, sizeof(micro_sample_clock_t))
        self.space = <unsigned char *>malloc(MICRO_RECORD_BYTES)
        self.opened = 0
        if self.clocks == NULL or self.space == NULL:
            raise MemoryError

    def __init__(self, cpus, period_ns):
        if not MICRO_HAS_SAMPLE_CLOCK:
            raise NotSupported("sampling takes perf_event_open, a system call of Linux")
        self.cpus = list(cpus)
        self.everybody = True
        status = self.open(period_ns)
        if status in (-errno.EACCES, -errno.EPERM):
            self.everybody = False
            status = self.open(period_ns)
        if status:
            raise SamplingRefused(-status, os.strerror(-status))

    cdef int open(self, uint64_t period_ns) except *:
        cdef int status
        self.close()
        for cpu in self.cpus:
            status = micro_sample_clock_open(
                &self.clocks[self.opened], cpu, self.everybody, period_ns)
            if status:
                self.close()
                return status
            self.opened += 1
        return 0

    def __dealloc__(self):
        if self.clocks != NULL:
            self.close()
        free(self.clocks)
        free(self.space)

    cdef switch(self, bint on):
        cdef int i, status
        for i in range(self.opened):
            status = micro_sample_clock_switch(&self.clocks[i], on)
            if status:
                raise OSError(-status, os.strerror(-status))

    def start(self):
        """Sample from now on."""
        self.switch(True)

    def stop(self):
        """Sample no more."""
        self.switch(False)

    def records(self):
        """What was recorded since the last call, CPU by CPU, the oldest first: a list of tuples.

        ``("sample", time_ns, pid, in_kernel, addresses)``: the sampled instruction, then the
        kernel's return addresses, the innermost first; process 0 is the idle task.
        ``("fork", pid, parent)``; ``("exec", pid, program)``;
        ``("lost", count)``: samples for which the ring had no room.
        """
        cdef int i
        cdef uint64_t k
        cdef micro_record_t one
        found = []
        for i in range(self.opened):
            while True:
                micro_next_record(&self.clocks[i], self.space, &one)
                if one.kind == MICRO_NO_RECORD:
                    break
                if one.kind == MICRO_SAMPLE:
                    addresses = [one.ip]
                    for k in range(one.depth):
                        if micro_is_address(one.chain[k]):
                            addresses.append(one.chain[k])
                    if len(addresses) > 1 and addresses[1] == one.ip:
                        del addresses[1]  # a chain begins with the instruction itself
                    found.append(
                        ("sample", one.time_ns, one.pid, bool(one.in_kernel), tuple(addresses)))
                elif one.kind == MICRO_FORK:
                    found.append(("fork", one.pid, one.parent))
                elif one.kind == MICRO_EXEC:
                    found.append(("exec", one.pid, one.program.decode("utf-8", "replace")))
                elif one.kind == MICRO_LOST:
                    found.append(("lost", one.lost))
        return found

    def close(self):
        """Give the rings back; may come twice."""
        while self.opened > 0:
            self.opened -= 1
            micro_sample_clock_close(&self.clocks[self.opened])
