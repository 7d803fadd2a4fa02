/* CPU time: what everybody used on some CPUs, and what a process and its ended children used.
 *
 * Linux charges a running task when it is switched out, at a tick, and when it asks for its own time.
 * Whoever reads a process's time first and the CPUs' next has both at the same state. */
#ifndef MICRO_OS_CPU_TIME_H
#define MICRO_OS_CPU_TIME_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define MICRO_CPU_TIME_UNKNOWN (-1)
#define MICRO_CPU_USAGE_BYTES 16384   /* of the file: some 800 CPUs */

/* Nanoseconds that everybody has used on these CPUs, from an open file that holds a number a CPU
 * (cpuacct.usage_percpu of the uppermost cgroup); -1 where it does not tell of all of them. */
static inline int64_t micro_cpus_used_ns(int fd, const int *cpus, int count)
{
    char text[MICRO_CPU_USAGE_BYTES];
    const ssize_t size = pread(fd, text, sizeof text, 0);
    int64_t sum = 0, value = 0;
    int cpu = 0, found = 0, in_number = 0;
    for (ssize_t i = 0; i < size; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            value = value * 10 + (text[i] - '0');
            in_number = 1;
        } else if (in_number) {
            for (int j = 0; j < count; j++)
                if (cpus[j] == cpu) {
                    sum += value;
                    found++;
                }
            cpu++;
            value = in_number = 0;
        }
    }
    return found == count ? sum : MICRO_CPU_TIME_UNKNOWN;
}

/* Nanoseconds that this process, all its threads and its ended children have used. */
static inline int64_t micro_own_cpu_ns(void)
{
    struct timespec own;
    struct rusage children;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    return (int64_t)own.tv_sec * 1000000000 + own.tv_nsec
        + ((int64_t)children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1000000000
        + ((int64_t)children.ru_utime.tv_usec + children.ru_stime.tv_usec) * 1000;
}

/* Nanoseconds that a process and all its threads have used; -1 where the system does not tell. */
static inline int64_t micro_process_cpu_ns(pid_t process)
{
#ifdef __linux__
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(process, &clock) == 0 && clock_gettime(clock, &used) == 0)
        return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
#else
    (void)process;
#endif
    return MICRO_CPU_TIME_UNKNOWN;
}

#endif
