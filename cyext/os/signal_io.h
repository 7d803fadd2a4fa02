/* Arrivals told by queued real-time signals: F_SETSIG, O_ASYNC and sigtimedwait. Linux only. */
#ifndef MICRO_OS_SIGNAL_IO_H
#define MICRO_OS_SIGNAL_IO_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "event.h"

#ifdef __linux__
#include <sys/syscall.h>
#define MICRO_HAS_SIGNAL_IO 1
/* Not all C libraries name these. */
#ifndef F_SETSIG
#define F_SETSIG 10
#endif
#define MICRO_F_SETOWN_EX 15
struct micro_owner {
    int type;   /* 0: a thread */
    int id;
};
/* The C library keeps the first few real-time signals for itself and moves SIGRTMIN beyond them. */
#define MICRO_IO_SIGNAL (SIGRTMIN + 1)
#else
#define MICRO_HAS_SIGNAL_IO 0
#endif

/* The signal of an arrival, and SIGIO, which comes in its place when the queue is full. */
static inline void micro_io_signals(sigset_t *set)
{
    sigemptyset(set);
#if MICRO_HAS_SIGNAL_IO
    sigaddset(set, MICRO_IO_SIGNAL);
    sigaddset(set, SIGIO);
#endif
}

/* Block both in this thread; `before` takes what was blocked. 0 or -errno. */
static inline int micro_block_io_signals(sigset_t *before)
{
    sigset_t set;
    micro_io_signals(&set);
    return -pthread_sigmask(SIG_BLOCK, &set, before);
}

/* Undo that. What is still queued would end the process: to be ignored for a moment discards it. */
static inline void micro_restore_signals(const sigset_t *before)
{
#if MICRO_HAS_SIGNAL_IO
    const int numbers[] = {MICRO_IO_SIGNAL, SIGIO};
    for (int i = 0; i < 2; i++) {
        struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
        if (sigaction(numbers[i], &ignore, &old) == 0)
            sigaction(numbers[i], &old, NULL);
    }
#endif
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* This thread's number in the system, or -ENOSYS. */
static inline int micro_thread_id(void)
{
#if MICRO_HAS_SIGNAL_IO
    return (int)syscall(SYS_gettid);
#else
    return -ENOSYS;
#endif
}

/* From now on the socket's signals are for this thread. 0 or -errno. */
static inline int micro_own_arrivals(int fd, int thread_id)
{
#if MICRO_HAS_SIGNAL_IO
    const struct micro_owner owner = {.type = 0, .id = thread_id};
    return fcntl(fd, MICRO_F_SETOWN_EX, &owner) == 0 ? 0 : -errno;
#else
    return (void)fd, (void)thread_id, -ENOSYS;
#endif
}

/* From now on each arrival at the socket queues a signal. 0 or -errno. */
static inline int micro_signal_arrivals(int fd)
{
#if MICRO_HAS_SIGNAL_IO
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETSIG, MICRO_IO_SIGNAL) != 0
        || fcntl(fd, F_SETFL, flags | O_ASYNC) != 0)
        return -errno;
    return 0;
#else
    return (void)fd, -ENOSYS;
#endif
}

/* The descriptor that the next signal names, or -errno; EAGAIN: none came in time, EOVERFLOW: the
 * queue was full and signals were lost. */
static inline int micro_wait_arrival(int wait_ms)
{
#if MICRO_HAS_SIGNAL_IO
    const struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000L};
    siginfo_t arrival;
    sigset_t set;
    micro_io_signals(&set);
    const int number = sigtimedwait(&set, &arrival, &wait);
    if (number < 0)
        return -errno;
    return number == SIGIO ? -EOVERFLOW : arrival.si_fd;
#else
    return (void)wait_ms, -ENOSYS;
#endif
}

/* How many signals a user may have queued, or -1 where the system does not tell. */
static inline int64_t micro_most_queued_signals(void)
{
#ifdef RLIMIT_SIGPENDING
    struct rlimit limit;
    if (getrlimit(RLIMIT_SIGPENDING, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        return (int64_t)limit.rlim_cur;
#endif
    return -1;
}

#endif
