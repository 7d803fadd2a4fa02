/* Threads: an empty one made and joined, and CPUs to run them on. */
#ifndef MICRO_OS_THREAD_H
#define MICRO_OS_THREAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>

static void *micro_empty_thread(void *argument)
{
    return argument;
}

static inline int micro_thread_create_join(const char **call)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, micro_empty_thread, NULL);
    if (error) {
        *call = "pthread_create";
        return -error;
    }
    *call = "pthread_join";
    return -pthread_join(thread, NULL);
}

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
