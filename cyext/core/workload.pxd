"""The workload contract; workload.pyx explains it."""

from libc.stdint cimport int64_t, uint64_t

from cyext.core.sentinel cimport micro_sense_t


cdef extern from "os/clock.h" nogil:
    int64_t micro_now_ns()

cdef extern from "os/usage.h" nogil:
    ctypedef struct micro_usage_t:
        int64_t voluntary_switches
        int64_t involuntary_switches
        int64_t page_faults


cdef extern from "os/mark.h" nogil:
    enum:
        MICRO_LOOP_BEGINS
        MICRO_LOOP_ENDS
        MICRO_ARMED
        MICRO_DISARMED
    void micro_mark(int place)


cdef extern from "os/cpu_time.h" nogil:
    enum:
        MICRO_CPU_TIME_UNKNOWN


cdef enum:
    MOST_WATCHED_CPUS = 64


cdef struct Slice:
    int64_t elapsed_ns
    micro_sense_t before
    micro_sense_t after
    int64_t foreign_ns


cdef class Workload:
    cdef readonly tuple cpus
    cdef int usage_fd
    cdef int watched_count
    cdef int[MOST_WATCHED_CPUS] watched_cpus
    cdef bint counting
    cdef micro_usage_t usage
    cdef uint64_t counted
    cdef readonly uint64_t level
    cdef readonly uint64_t max_batch
    cdef const char *failed_call
    cdef uint64_t failed_after
    cdef micro_sense_t last_sense
    cdef bint marks
    cdef uint64_t slices_left
    cdef readonly int64_t began_ns
    cdef readonly double spin

    cdef int64_t prepare(self, uint64_t n) noexcept nogil
    cdef int64_t loop(self, uint64_t n) noexcept nogil
    cdef int64_t restore(self, uint64_t n) noexcept nogil
    cdef int64_t batch(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil
    cdef int64_t slowed_batch(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil
    cdef int64_t slice(self, uint64_t n, Slice *out) noexcept nogil
    cdef int64_t fail(self, const char *call, int64_t error, uint64_t after) noexcept nogil
    cdef int64_t sense(self, micro_sense_t *out) noexcept nogil
    cdef int64_t peers_cpu_ns(self) noexcept nogil
    cdef int64_t others_ns(self) noexcept nogil
    cdef int64_t foreign_ns(self, int64_t others_before_ns) noexcept nogil
    cdef void add_usage(self, micro_usage_t before) noexcept nogil
    cdef object failure(self, int64_t status)
    cdef check_batch(self, n)
