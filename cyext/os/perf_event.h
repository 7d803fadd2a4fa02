/* perf_event_open, where there is one: Linux. */
#ifndef MICRO_OS_PERF_EVENT_H
#define MICRO_OS_PERF_EVENT_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/perf_event.h>)
#include <linux/perf_event.h>
#endif
#endif

#ifdef PERF_RECORD_MISC_COMM_EXEC   /* a header of Linux 3.16 or newer */
#define MICRO_HAS_PERF_EVENTS 1
#include <sys/syscall.h>
#include <unistd.h>

/* A descriptor, or -errno. */
static inline int micro_perf_event_open(struct perf_event_attr *how, pid_t task, int cpu)
{
    how->size = sizeof *how;
    how->exclude_hv = 1;
    const int fd = (int)syscall(SYS_perf_event_open, how, task, cpu, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

#else
#define MICRO_HAS_PERF_EVENTS 0
#endif

#endif
