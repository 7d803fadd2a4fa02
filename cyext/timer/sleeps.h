/* Ways to sleep until a moment, and timers that are armed and cancelled. */
#ifndef MICRO_TIMER_SLEEPS_H
#define MICRO_TIMER_SLEEPS_H

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"

#ifdef __linux__
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#define MICRO_HAS_TIMERFD 1
#else
#define MICRO_HAS_TIMERFD 0
#endif
#if defined(__APPLE__) || defined(__OpenBSD__)
#define MICRO_HAS_ABSOLUTE_SLEEP 0
#else
#define MICRO_HAS_ABSOLUTE_SLEEP 1
#endif

enum { MICRO_NANOSLEEP, MICRO_ABSOLUTE_SLEEP, MICRO_TIMERFD, MICRO_EPOLL_TIMEOUT };

static inline struct timespec micro_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* Whether this system has the way to sleep. */
static inline int micro_has_sleep(int how)
{
    if (how == MICRO_NANOSLEEP)
        return 1;
    return how == MICRO_ABSOLUTE_SLEEP ? MICRO_HAS_ABSOLUTE_SLEEP : MICRO_HAS_TIMERFD;
}

/* What the way to sleep needs: a descriptor, -1 for none, or -errno - 1. */
static inline int micro_sleep_open(int how)
{
    int fd = -1;
#ifdef __linux__
    if (how == MICRO_TIMERFD)
        fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    else if (how == MICRO_EPOLL_TIMEOUT)
        fd = epoll_create1(EPOLL_CLOEXEC);
    else
        return -1;
    if (fd < 0)
        return -errno - 1;
#else
    (void)how;
#endif
    return fd;
}

/* Sleep for so long once: nanoseconds from the moment that was asked for until the caller runs again, or
 * a negative errno with the failed call's name. */
static inline int64_t micro_overshoot_ns(int how, int fd, int64_t asked_ns, const char **call)
{
    const struct timespec length = micro_timespec(asked_ns);
    const int64_t end_ns = micro_now_ns() + asked_ns;
    int error = 0;
    *call = "nanosleep";
    if (how == MICRO_NANOSLEEP)
        error = nanosleep(&length, NULL) != 0 ? errno : 0;
#if MICRO_HAS_ABSOLUTE_SLEEP
    if (how == MICRO_ABSOLUTE_SLEEP) {
        const struct timespec end = micro_timespec(end_ns);
        *call = "clock_nanosleep";
        error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
    }
#endif
#ifdef __linux__
    if (how == MICRO_TIMERFD) {
        const struct itimerspec once = {.it_value = length};
        uint64_t expired;
        *call = "timerfd_settime";
        error = timerfd_settime(fd, 0, &once, NULL) != 0 ? errno : 0;
        if (error == 0) {
            *call = "read";
            error = read(fd, &expired, sizeof expired) != sizeof expired ? errno : 0;
        }
    }
    if (how == MICRO_EPOLL_TIMEOUT) {
        struct epoll_event event;
        *call = "epoll_wait";
        error = epoll_wait(fd, &event, 1, (int)(asked_ns / 1000000)) != 0 ? errno : 0;
    }
#else
    (void)fd;
#endif
    const int64_t late_ns = micro_now_ns() - end_ns;
    if (error)
        return -error;
    return late_ns > 1 ? late_ns : 1;
}

/* How far the system may put off the wake-ups of this thread, to join them: what it was, or -errno. */
static inline int64_t micro_timer_slack_ns(int64_t wanted_ns)
{
#ifdef __linux__
    const int before_ns = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    if (before_ns < 0)
        return -errno;
    return prctl(PR_SET_TIMERSLACK, (unsigned long)wanted_ns, 0, 0, 0) == 0 ? before_ns : -errno;
#else
    (void)wanted_ns;
    return -ENOSYS;
#endif
}

/* Let this thread run before all others from now on, or as others do: 0 or -errno. */
static inline int micro_run_first(int first)
{
#ifdef __linux__
    struct sched_param parameters = {0};
    parameters.sched_priority = first ? sched_get_priority_min(SCHED_FIFO) : 0;
    return sched_setscheduler(0, first ? SCHED_FIFO : SCHED_OTHER, &parameters) == 0 ? 0 : -errno;
#else
    (void)first;
    return -ENOSYS;
#endif
}

/* A timer that is armed for a moment so many nanoseconds ahead, or with 0 cancelled: 0 or -errno. */
static inline int micro_timerfd_arm(int fd, int64_t ahead_ns)
{
#ifdef __linux__
    const struct itimerspec once = {.it_value = micro_timespec(ahead_ns)};
    return timerfd_settime(fd, 0, &once, NULL) == 0 ? 0 : -errno;
#else
    (void)fd, (void)ahead_ns;
    return -ENOSYS;
#endif
}

#endif
