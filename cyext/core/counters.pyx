"""What loops cost beside time: system calls by a tracer, events by perf_event_open (Linux)."""

import os

from libc.stdint cimport int64_t, uint64_t


cdef extern from "os/mark.h" nogil:
    int64_t micro_calls_counted(int number)

cdef extern from "os/event_counter.h" nogil:
    enum:
        MICRO_INSTRUCTIONS
        MICRO_CYCLES
        MICRO_MIGRATIONS
        MICRO_PAGE_FAULTS
        MICRO_TASK_NS
        MICRO_IN_USER_MODE
        MICRO_IN_KERNEL_MODE
    int micro_event_counter_open(int kind, int modes)
    int micro_event_counter_read(int fd, uint64_t *three)

#: Events by the name of their count: the kind, and in whose code.
EVENTS = {
    "user_instructions": (MICRO_INSTRUCTIONS, MICRO_IN_USER_MODE),
    "kernel_instructions": (MICRO_INSTRUCTIONS, MICRO_IN_KERNEL_MODE),
    "user_cycles": (MICRO_CYCLES, MICRO_IN_USER_MODE),
    "kernel_cycles": (MICRO_CYCLES, MICRO_IN_KERNEL_MODE),
    "cpu_migrations": (MICRO_MIGRATIONS, MICRO_IN_USER_MODE | MICRO_IN_KERNEL_MODE),
    "page_faults": (MICRO_PAGE_FAULTS, MICRO_IN_USER_MODE | MICRO_IN_KERNEL_MODE),
    "task_ns": (MICRO_TASK_NS, MICRO_IN_USER_MODE | MICRO_IN_KERNEL_MODE),
}


def calls_counted(number=-1):
    """System calls that the tracer counted in loops until now: of one number, or all of them.

    -1 where nobody traces this process.
    """
    return micro_calls_counted(number)


cdef class EventCounters:
    """Counts these `EVENTS` between the marks of loops, in this thread and all that it starts.

    To be made before the workload is. Raises `OSError` where the system counts no such event.
    """

    cdef dict descriptors

    def __init__(self, names):
        self.descriptors = {}
        for name in names:
            kind, modes = EVENTS[name]
            fd = micro_event_counter_open(kind, modes)
            if fd < 0:
                self.close()
                raise OSError(-fd, os.strerror(-fd))
            self.descriptors[name] = fd

    def read(self):
        """By name: the count until now, and the nanoseconds it was wanted and was taken.

        Raises `OSError`.
        """
        cdef uint64_t[3] three
        cdef int status
        found = {}
        for name, fd in self.descriptors.items():
            status = micro_event_counter_read(fd, three)
            if status:
                raise OSError(-status, os.strerror(-status))
            found[name] = (three[0], three[1], three[2])
        return found

    def close(self):
        """Give the counters back; may come twice."""
        while self.descriptors:
            os.close(self.descriptors.popitem()[1])
