/* Futexes, the words in memory that Linux's locks sleep on. Each call returns what the system
 * returned, or a negative errno: ENOSYS on other systems. */
#ifndef MICRO_OS_FUTEX_H
#define MICRO_OS_FUTEX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* `between_processes`: the word is one that several processes map. */
static inline int64_t micro_futex(atomic_uint *word, int operation, unsigned value, uintptr_t more,
                                  atomic_uint *other, unsigned expected, int between_processes)
{
#ifdef SYS_futex
    const int what = operation | (between_processes ? 0 : FUTEX_PRIVATE_FLAG);
    const long status = syscall(SYS_futex, word, what, value, more, other, expected);
    return status < 0 ? -errno : status;
#else
    (void)word, (void)operation, (void)value, (void)more, (void)other, (void)expected;
    (void)between_processes;
    return -ENOSYS;
#endif
}

#ifndef SYS_futex
enum { FUTEX_WAIT, FUTEX_WAKE, FUTEX_CMP_REQUEUE };
#endif

/* Sleep while the word holds `value`. */
static inline int64_t micro_futex_wait(atomic_uint *word, unsigned value, int between_processes)
{
    return micro_futex(word, FUTEX_WAIT, value, 0, NULL, 0, between_processes);
}

/* How many of at most `count` sleepers were woken. */
static inline int64_t micro_futex_wake(atomic_uint *word, int count, int between_processes)
{
    return micro_futex(word, FUTEX_WAKE, (unsigned)count, 0, NULL, 0, between_processes);
}

/* Let all that sleep on one word sleep on another, and say how many they are. */
static inline int64_t micro_futex_requeue(atomic_uint *from, atomic_uint *to, int between_processes)
{
    return micro_futex(from, FUTEX_CMP_REQUEUE, 0, INT_MAX, to, atomic_load(from),
                       between_processes);
}

static inline int micro_has_futex(void)
{
    atomic_uint nobody = 0;
    return micro_futex_wake(&nobody, 1, 0) == 0;
}

#endif
