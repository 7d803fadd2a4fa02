/* The one clock of every measurement: monotonic, nanoseconds, never stepped. */
#ifndef MICRO_OS_CLOCK_H
#define MICRO_OS_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t micro_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
