/* Counters of events, of the hardware or of the kernel, in this thread and all that it starts (Linux).
 *
 * They stand still but between the marks of a loop (os/mark.h). */
#ifndef MICRO_OS_EVENT_COUNTER_H
#define MICRO_OS_EVENT_COUNTER_H

#include "os/perf_event.h"

/* Which events, in whose code. */
enum {
    MICRO_INSTRUCTIONS, MICRO_CYCLES, MICRO_MIGRATIONS, MICRO_PAGE_FAULTS, MICRO_TASK_NS,
    MICRO_EVENT_KINDS
};
enum { MICRO_IN_USER_MODE = 1, MICRO_IN_KERNEL_MODE = 2 };

#if MICRO_HAS_PERF_EVENTS

/* A descriptor, or -errno: ENOENT where no counter counts such events. */
static inline int micro_event_counter_open(int kind, int modes)
{
    static const struct { uint32_t type; uint64_t config; } events[MICRO_EVENT_KINDS] = {
        [MICRO_INSTRUCTIONS] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
        [MICRO_CYCLES] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
        [MICRO_MIGRATIONS] = {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS},
        [MICRO_PAGE_FAULTS] = {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS},
        [MICRO_TASK_NS] = {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK},
    };
    if (kind < 0 || kind >= MICRO_EVENT_KINDS)
        return -EINVAL;
    struct perf_event_attr how;
    memset(&how, 0, sizeof how);
    how.type = events[kind].type;
    how.config = events[kind].config;
    how.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    how.disabled = 1;
    how.inherit = 1;
    how.exclude_user = !(modes & MICRO_IN_USER_MODE);
    how.exclude_kernel = !(modes & MICRO_IN_KERNEL_MODE);
    return micro_perf_event_open(&how, 0, -1);
}

/* The count, and the nanoseconds that it was wanted and that it was taken: a counter that several
 * share is taken a part of the time. 0 or -errno. */
static inline int micro_event_counter_read(int fd, uint64_t *three)
{
    const ssize_t got = read(fd, three, 3 * sizeof *three);
    return got == (ssize_t)(3 * sizeof *three) ? 0 : got < 0 ? -errno : -EIO;
}

#else
static inline int micro_event_counter_open(int kind, int modes)
{
    (void)kind; (void)modes;
    return -ENOSYS;
}
static inline int micro_event_counter_read(int fd, uint64_t *three)
{
    (void)fd; (void)three;
    return -ENOSYS;
}
#endif

#endif
