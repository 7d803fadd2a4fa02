/* Names of the system calls, by number. */
#ifndef MICRO_OS_CALLS_H
#define MICRO_OS_CALLS_H

#include <stddef.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

/* The name of a call, without its prefix; NULL where the system's header had none for it. */
static inline const char *micro_call_name(int number)
{
    static const char *const names[] = {
        [0] = NULL,
/* Generated from <sys/syscall.h> by CMakeLists.txt. */
#if defined(__linux__) && defined(__has_include)
#if __has_include("call_names.h")
#include "call_names.h"
#endif
#endif
    };
    const size_t count = sizeof names / sizeof names[0];
    return number >= 0 && (size_t)number < count ? names[number] : NULL;
}

#endif
