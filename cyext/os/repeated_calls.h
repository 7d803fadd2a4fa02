/* Loops of one system call each. */
#ifndef MICRO_OS_REPEATED_CALLS_H
#define MICRO_OS_REPEATED_CALLS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

/* What the calls of a loop are given. */
typedef struct {
    int fd;             /* of a file, or of the directory that `name` is in */
    const char *name;
    void *buffer;
    size_t bytes;
} micro_given_t;

typedef int64_t (*micro_calls_t)(const micro_given_t *given, uint64_t n, uint64_t *made);

/* Function micro_calls_NAME: n times `expression`, whose value is `got`, as long as `right` holds.
 * 0, or a negative errno with the number of calls that went well. */
#define MICRO_CALLS(name, expression, right) \
    static int64_t micro_calls_##name(const micro_given_t *given, uint64_t n, uint64_t *made) \
    { \
        (void)given; \
        for (uint64_t i = 0; i < n; i++) { \
            const int64_t got = (int64_t)(expression); \
            if (!(right)) { \
                *made = i; \
                return got < 0 ? -errno : -EIO; \
            } \
        } \
        return 0; \
    }

/* The C library may answer from memory, or ask by another call than its name says: on Linux the
 * system is called directly. */
#ifdef __linux__
MICRO_CALLS(getppid, syscall(SYS_getppid, 0), got >= 0)
MICRO_CALLS(clock_gettime, syscall(SYS_clock_gettime, CLOCK_MONOTONIC, given->buffer), got == 0)
MICRO_CALLS(times, syscall(SYS_times, given->buffer), got != -1)   /* a library may hide failures */
MICRO_CALLS(process_clock, syscall(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, given->buffer),
            got == 0)
MICRO_CALLS(thread_clock, syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, given->buffer),
            got == 0)
MICRO_CALLS(access, syscall(SYS_faccessat, given->fd, given->name, R_OK), got == 0)
#else
MICRO_CALLS(times, times(given->buffer), got != -1)
MICRO_CALLS(process_clock, clock_gettime(CLOCK_PROCESS_CPUTIME_ID, given->buffer), got == 0)
MICRO_CALLS(thread_clock, clock_gettime(CLOCK_THREAD_CPUTIME_ID, given->buffer), got == 0)
MICRO_CALLS(access, faccessat(given->fd, given->name, R_OK, 0), got == 0)
MICRO_CALLS(getppid, getppid(), got >= 0)
MICRO_CALLS(clock_gettime, (errno = ENOSYS, -1), got == 0)
#endif
#ifdef SYS_newfstatat
MICRO_CALLS(stat, syscall(SYS_newfstatat, given->fd, given->name, given->buffer, 0), got == 0)
#else
MICRO_CALLS(stat, fstatat(given->fd, given->name, given->buffer, 0), got == 0)
#endif
#if defined(__linux__) && defined(SYS_fstat)
MICRO_CALLS(fstat, syscall(SYS_fstat, given->fd, given->buffer), got == 0)
#else
MICRO_CALLS(fstat, fstat(given->fd, given->buffer), got == 0)
#endif
MICRO_CALLS(clock_read, clock_gettime(CLOCK_MONOTONIC, given->buffer), got == 0)
MICRO_CALLS(read, read(given->fd, given->buffer, given->bytes), got == (int64_t)given->bytes)
MICRO_CALLS(write, write(given->fd, given->buffer, given->bytes), got == (int64_t)given->bytes)
MICRO_CALLS(pread, pread(given->fd, given->buffer, given->bytes, 0), got == (int64_t)given->bytes)
MICRO_CALLS(pwrite, pwrite(given->fd, given->buffer, given->bytes, 0), got == (int64_t)given->bytes)
MICRO_CALLS(open_missing, openat(given->fd, given->name, O_RDONLY), got == -1 && errno == ENOENT)
MICRO_CALLS(lseek, lseek(given->fd, (off_t)(i & 1), SEEK_SET), got == (int64_t)(i & 1))
MICRO_CALLS(getrusage, getrusage(RUSAGE_SELF, given->buffer), got == 0)
MICRO_CALLS(sched_yield, sched_yield(), got == 0)
MICRO_CALLS(chdir, chdir("."), got == 0)
MICRO_CALLS(getcwd, getcwd(given->buffer, given->bytes) ? 0 : -1, got == 0)
MICRO_CALLS(close_bad, close(-1), got == -1 && errno == EBADF)
MICRO_CALLS(fcntl_set, fcntl(given->fd, F_SETFL, i & 1 ? O_NONBLOCK : 0), got >= 0)
MICRO_CALLS(fcntl, fcntl(given->fd, F_GETFL), got >= 0)
MICRO_CALLS(msync, msync(given->buffer, given->bytes, MS_SYNC), got == 0)
MICRO_CALLS(isatty, isatty(given->fd), got == 0 && errno == ENOTTY)

/* A socket's name, or its peer's. */
static inline int micro_ask_name(int (*ask)(int, struct sockaddr *, socklen_t *),
                                 const micro_given_t *given)
{
    socklen_t bytes = sizeof(struct sockaddr_in);
    return ask(given->fd, given->buffer, &bytes);
}

static inline int micro_ask_option(const micro_given_t *given)
{
    socklen_t bytes = sizeof(int);
    return getsockopt(given->fd, IPPROTO_TCP, TCP_NODELAY, given->buffer, &bytes);
}

static inline int micro_set_option(const micro_given_t *given, int value)
{
    return setsockopt(given->fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value);
}

MICRO_CALLS(getsockname, micro_ask_name(getsockname, given), got == 0)
MICRO_CALLS(getpeername, micro_ask_name(getpeername, given), got == 0)
MICRO_CALLS(getsockopt, micro_ask_option(given), got == 0)
MICRO_CALLS(setsockopt, micro_set_option(given, (int)(i & 1)), got == 0)
MICRO_CALLS(listen, listen(given->fd, 1), got == 0)

/* Grow the heap by `bytes` and shrink it. The library, which has its end, does not notice. */
static int64_t micro_calls_brk(const micro_given_t *given, uint64_t n, uint64_t *made)
{
#if defined(__linux__) && defined(SYS_brk)
    const long end = syscall(SYS_brk, 0), further = end + (long)given->bytes;
    for (*made = 0; *made < n; ++*made)
        if (syscall(SYS_brk, further) != further || syscall(SYS_brk, end) != end)
            return -ENOMEM;
    return 0;
#else
    (void)given, (void)n, (void)made;
    return -ENOSYS;
#endif
}

#endif
