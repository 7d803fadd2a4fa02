/* A time-out for each of many connections, in a heap of our own: what a server does that has one
 * timer, or none, for all of them. */
#ifndef MICRO_TIMER_TIMEOUTS_H
#define MICRO_TIMER_TIMEOUTS_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>

#include "timer/sleeps.h"
#ifdef __linux__
#include <sys/eventfd.h>
#endif

typedef struct {
    int64_t count;
    int64_t *ends_ns;     /* of the connections */
    int64_t *heap;        /* connections, the one whose time-out ends first at the root */
    int64_t *places;      /* of the connections in the heap */
} micro_timeouts_t;

static inline void micro_timeouts_free(micro_timeouts_t *timeouts)
{
    free(timeouts->ends_ns);
    *timeouts = (micro_timeouts_t){0};
}

static inline void micro_timeouts_put(micro_timeouts_t *timeouts, int64_t place, int64_t connection)
{
    timeouts->heap[place] = connection;
    timeouts->places[connection] = place;
}

/* So many connections; the time-outs end from `first_ns` on, each a little later: 0 or -errno. */
static inline int micro_timeouts_make(micro_timeouts_t *timeouts, int64_t count, int64_t first_ns,
                                      int64_t apart_ns)
{
    micro_timeouts_free(timeouts);
    timeouts->ends_ns = malloc(3 * (size_t)count * sizeof(int64_t));
    if (timeouts->ends_ns == NULL)
        return -ENOMEM;
    timeouts->count = count;
    timeouts->heap = timeouts->ends_ns + count;
    timeouts->places = timeouts->heap + count;
    for (int64_t i = 0; i < count; i++) {
        timeouts->ends_ns[i] = first_ns + i * apart_ns;
        micro_timeouts_put(timeouts, i, i);
    }
    return 0;
}

/* A connection's time-out ends at this moment, later than before; when the first of all ends. */
static inline int64_t micro_timeouts_put_off(micro_timeouts_t *timeouts, int64_t connection,
                                             int64_t end_ns)
{
    int64_t place = timeouts->places[connection];
    timeouts->ends_ns[connection] = end_ns;
    for (;;) {
        int64_t below = 2 * place + 1;
        if (below >= timeouts->count)
            break;
        if (below + 1 < timeouts->count
            && timeouts->ends_ns[timeouts->heap[below + 1]] < timeouts->ends_ns[timeouts->heap[below]])
            below++;
        if (timeouts->ends_ns[timeouts->heap[below]] >= end_ns)
            break;
        micro_timeouts_put(timeouts, place, timeouts->heap[below]);
        place = below;
    }
    micro_timeouts_put(timeouts, place, connection);
    return timeouts->ends_ns[timeouts->heap[0]];
}

/* The process's only alarm clock goes off in so many nanoseconds; never with 0. 0 or -errno. */
static inline int micro_set_alarm(int64_t ahead_ns)
{
    const struct itimerval once = {
        .it_value = {.tv_sec = ahead_ns / 1000000000, .tv_usec = ahead_ns % 1000000000 / 1000}};
    return setitimer(ITIMER_REAL, &once, NULL) == 0 ? 0 : -errno;
}

/* An epoll at which one descriptor, `ready`, is always ready: 0, or -errno with both closed. */
static inline int micro_timeouts_open(int *queue, int *ready)
{
#ifdef __linux__
    struct epoll_event wanted = {.events = EPOLLIN};
    *queue = epoll_create1(EPOLL_CLOEXEC);
    if (*queue < 0)
        return -errno;
    *ready = eventfd(1, EFD_CLOEXEC);
    if (*ready >= 0 && epoll_ctl(*queue, EPOLL_CTL_ADD, *ready, &wanted) == 0)
        return 0;
    const int error = errno;
    if (*ready >= 0)
        close(*ready);
    close(*queue);
    *queue = *ready = -1;
    return -error;
#else
    *queue = *ready = -1;
    return -ENOSYS;
#endif
}

/* Let the epoll watch one timer more: 0 or -errno. */
static inline int micro_timeouts_watch(int queue, int timer)
{
#ifdef __linux__
    struct epoll_event wanted = {.events = EPOLLIN, .data = {.fd = timer}};
    return epoll_ctl(queue, EPOLL_CTL_ADD, timer, &wanted) == 0 ? 0 : -errno;
#else
    (void)queue, (void)timer;
    return -ENOSYS;
#endif
}

/* Wait for the one that is ready, for so many milliseconds or with -1 for ever: 0 or -errno. */
static inline int micro_timeouts_wait(int queue, int wait_ms)
{
#ifdef __linux__
    struct epoll_event event;
    const int found = epoll_wait(queue, &event, 1, wait_ms);
    return found == 1 && event.data.fd == 0 ? 0 : found < 0 ? -errno : -ETIMEDOUT;
#else
    (void)queue, (void)wait_ms;
    return -ENOSYS;
#endif
}

#endif
