/* A filter of system calls for the calling thread. Linux only. */
#ifndef MICRO_OS_SECCOMP_H
#define MICRO_OS_SECCOMP_H

#include <errno.h>
#include <stdint.h>

#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/seccomp.h>)
#include <linux/filter.h>
#include <linux/seccomp.h>
#endif
#endif

#ifdef SECCOMP_RET_ALLOW
#include <stddef.h>
#include <sys/prctl.h>

#define MICRO_MOST_RULES ((BPF_MAXINSNS - 2) / 2)
/* The first rule's number: no call has it, and no argument that matters. */
#define MICRO_FIRST_RULE 0x7a000000u

/* From now on a filter of `rules` rules looks at every call of this thread, at its number or at its
 * first argument, and allows it. A rule is a comparison and a return. 0 or -errno. */
static inline int micro_filter_calls(int64_t rules, int by_argument)
{
    struct sock_filter steps[BPF_MAXINSNS];
    const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const uint32_t at = by_argument ? offsetof(struct seccomp_data, args)
                                    : offsetof(struct seccomp_data, nr);
    uint16_t count = 0;
    if (rules > MICRO_MOST_RULES)
        return -EINVAL;
    steps[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at);
    for (int64_t i = 0; i < rules; i++) {
        steps[count++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, MICRO_FIRST_RULE + (uint32_t)i, 0, 1);
        steps[count++] = allow;
    }
    steps[count++] = allow;
    const struct sock_fprog program = {.len = count, .filter = steps};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        return -errno;
    return 0;
}

#else
#define MICRO_MOST_RULES 0
static inline int micro_filter_calls(int64_t rules, int by_argument)
{
    return (void)rules, (void)by_argument, -ENOSYS;
}
#endif
#endif
