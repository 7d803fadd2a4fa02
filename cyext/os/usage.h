/* What the system counts of a thread's life: switches of context and page faults. */
#ifndef MICRO_OS_USAGE_H
#define MICRO_OS_USAGE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <sys/resource.h>

#ifndef RUSAGE_THREAD
#define RUSAGE_THREAD RUSAGE_SELF   /* macOS, NetBSD and OpenBSD count whole processes only */
#endif

typedef struct {
    int64_t voluntary_switches, involuntary_switches, page_faults;
} micro_usage_t;

static inline micro_usage_t micro_usage_of(int whose)
{
    struct rusage usage;
    getrusage(whose, &usage);
    return (micro_usage_t){usage.ru_nvcsw, usage.ru_nivcsw, usage.ru_minflt + usage.ru_majflt};
}

/* Add to `sum` what came between two readings. */
static inline void micro_usage_add(micro_usage_t *sum, micro_usage_t before, micro_usage_t after)
{
    sum->voluntary_switches += after.voluntary_switches - before.voluntary_switches;
    sum->involuntary_switches += after.involuntary_switches - before.involuntary_switches;
    sum->page_faults += after.page_faults - before.page_faults;
}

#endif
