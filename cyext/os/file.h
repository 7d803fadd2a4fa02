/* Files and the limit on how many may be open. */
#ifndef MICRO_OS_FILE_H
#define MICRO_OS_FILE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Give a file blocks for its first bytes, and that size: 0, or -errno, -ENOSYS where no call does. */
static inline int micro_allocate(int fd, int64_t bytes)
{
#ifdef __linux__
    return fallocate(fd, 0, 0, (off_t)bytes) == 0 ? 0 : -errno;
#else
    (void)fd, (void)bytes;
    return -ENOSYS;
#endif
}

/* Raise the soft limit on descriptors to the hard one; the limit now in force, or -errno. */
static inline int64_t micro_raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -errno;
    if (limit.rlim_cur < limit.rlim_max) {
        const rlim_t old = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)   /* macOS refuses an infinite soft limit */
            limit.rlim_cur = old;
    }
    /* 2^30 stands for "no limit": it keeps the arithmetic of the callers inside an int. */
    return limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > (rlim_t)1 << 30
        ? (int64_t)1 << 30 : (int64_t)limit.rlim_cur;
}

/* The number of descriptors open now. Descriptors above 4096 are looked for only while dense. */
static inline int64_t micro_open_descriptors(void)
{
    int64_t count = 0;
    for (int fd = 0, gap = 0; gap < 4096; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            count++;
            gap = 0;
        } else {
            gap++;
        }
    }
    return count;
}

#endif
