/* Threads: an empty one made and joined, their stacks, and CPUs to run them on. */
#ifndef MICRO_OS_THREAD_H
#define MICRO_OS_THREAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <unistd.h>

#define MICRO_ENOUGH_STACK_BYTES ((size_t)1 << 20)

static void *micro_empty_thread(void *argument)
{
    return argument;
}

static inline int micro_thread_create_join(const pthread_attr_t *attributes, const char **call)
{
    pthread_t thread;
    int error = pthread_create(&thread, attributes, micro_empty_thread, NULL);
    if (error) {
        *call = "pthread_create";
        return -error;
    }
    *call = "pthread_join";
    return -pthread_join(thread, NULL);
}

/* Default attributes, or those with the smallest stack that a thread starts on. The system's own
 * minimum may leave no room for thread-local storage: then it is doubled. 0 or -errno; destroy the
 * attributes in either case. */
static inline int micro_thread_attributes(pthread_attr_t *attributes, int minimal,
                                          const char **call)
{
    const long page = sysconf(_SC_PAGESIZE);
    size_t bytes = PTHREAD_STACK_MIN;
#ifdef _SC_THREAD_STACK_MIN
    const long told = sysconf(_SC_THREAD_STACK_MIN);
    if (told > (long)bytes)
        bytes = (size_t)told;
#endif
    bytes = (bytes + (size_t)page - 1) / (size_t)page * (size_t)page;
    *call = "pthread_attr_init";
    int error = pthread_attr_init(attributes);
    while (minimal && error == 0) {
        *call = "pthread_attr_setstacksize";
        error = pthread_attr_setstacksize(attributes, bytes);
        if (error == 0)
            error = -micro_thread_create_join(attributes, call);
        if (error != EINVAL || bytes >= MICRO_ENOUGH_STACK_BYTES)
            break;
        bytes *= 2;
        error = 0;
    }
    return -error;
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
