/* Threads: the CPUs that they run on. */
#ifndef MICRO_OS_THREAD_H
#define MICRO_OS_THREAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>

/* Bind the calling thread to one CPU. A system that cannot is left to schedule as it likes. */
static inline void micro_pin(int cpu)
{
#ifdef __linux__
    if (cpu >= 0 && cpu < CPU_SETSIZE) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        sched_setaffinity(0, sizeof set, &set);
    }
#else
    (void)cpu;
#endif
}

#endif
