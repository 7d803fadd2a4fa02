/* The processor's own name. */
#ifndef MICRO_OS_PROCESSOR_H
#define MICRO_OS_PROCESSOR_H

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define MICRO_CPU_NAME_BYTES 49

/* What the processor calls itself; empty where a program cannot ask it. */
static inline void micro_cpu_name(char name[MICRO_CPU_NAME_BYTES])
{
    memset(name, 0, MICRO_CPU_NAME_BYTES);
#if defined(__x86_64__)
    unsigned words[12];
    for (unsigned i = 0; i < 3; i++)
        if (!__get_cpuid(0x80000002 + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2],
                         &words[4 * i + 3]))
            return;
    memcpy(name, words, sizeof words);
#endif
}

#endif
