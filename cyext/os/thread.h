/* Threads: the CPUs that they run on, and what some systems' locks cannot do. */
#ifndef MICRO_OS_THREAD_H
#define MICRO_OS_THREAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/types.h>

/* Some systems have no locks between processes: what is asked for is refused, by name. */
#if defined(__OpenBSD__) || (defined(__NetBSD__) && !defined(_PTHREAD_PSHARED))
static inline int micro_only_private(int scope)
{
    return scope == PTHREAD_PROCESS_PRIVATE ? 0 : ENOTSUP;
}

#define pthread_mutexattr_setpshared(attributes, scope) ((void)(attributes), micro_only_private(scope))
#define pthread_condattr_setpshared(attributes, scope) ((void)(attributes), micro_only_private(scope))
#ifdef __NetBSD__
#define pthread_rwlockattr_setpshared(attributes, scope) ((void)(attributes), micro_only_private(scope))
#endif
#endif

/* Of a thread that calls little: glibc takes no less on arm64. */
#ifdef __aarch64__
#define MICRO_SMALL_STACK_BYTES 131072
#else
#define MICRO_SMALL_STACK_BYTES 65536
#endif

/* Bind a process (0: the calling thread) or a thread to some CPUs. A system that cannot is left to
 * schedule as it likes. */
#ifdef __linux__
static inline cpu_set_t micro_cpu_set(const int *cpus, int count)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < count; i++)
        if (cpus[i] >= 0 && cpus[i] < CPU_SETSIZE)
            CPU_SET(cpus[i], &set);
    return set;
}

static inline void micro_pin_process(pid_t process, const int *cpus, int count)
{
    const cpu_set_t set = micro_cpu_set(cpus, count);
    sched_setaffinity(process, sizeof set, &set);
}

static inline void micro_pin_thread(pthread_t thread, const int *cpus, int count)
{
    const cpu_set_t set = micro_cpu_set(cpus, count);
    pthread_setaffinity_np(thread, sizeof set, &set);
}
#else
static inline void micro_pin_process(pid_t process, const int *cpus, int count)
{
    (void)process, (void)cpus, (void)count;
}

static inline void micro_pin_thread(pthread_t thread, const int *cpus, int count)
{
    (void)thread, (void)cpus, (void)count;
}
#endif

/* Bind the calling thread to one CPU: 0 or -errno. */
static inline int micro_run_on(int cpu)
{
#ifdef __linux__
    const cpu_set_t set = micro_cpu_set(&cpu, 1);
    return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : -errno;
#else
    (void)cpu;
    return -ENOSYS;
#endif
}

#endif
