/* Threads that wait for the same events, and what tells each of them: Linux's epoll. */
#ifndef MICRO_EVENT_SPREAD_H
#define MICRO_EVENT_SPREAD_H

#include "core/peers.h"

#ifdef __linux__
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#define MICRO_HAS_SPREAD 1
#else
#define MICRO_HAS_SPREAD 0
#endif

#define MICRO_MOST_SPREAD 1024

enum { MICRO_SPREAD_SHARED, MICRO_SPREAD_EXCLUSIVE, MICRO_SPREAD_ONESHOT, MICRO_SPREAD_OWN };

typedef struct {
    _Alignas(128) atomic_int_fast64_t consumed;   /* events, so far */
    atomic_int_fast64_t doubles;   /* deliveries of an event that another thread had consumed */
    atomic_int_fast64_t waiting;   /* threads that have all they wait with */
    int way;
    int queue;                     /* the shared one, or -1 */
    int64_t sources;               /* eventfds */
    int fds[MICRO_MOST_SPREAD];
    int64_t tasks[MICRO_MOST_SPREAD];   /* the threads' ids */
} micro_spread_t;

#ifdef __linux__

static inline int micro_spread_watches(const micro_spread_t *spread, int queue, int64_t source,
                                       int operation)
{
    struct epoll_event wanted = {.events = EPOLLIN, .data = {.u64 = (uint64_t)source}};
    if (spread->way == MICRO_SPREAD_EXCLUSIVE)
        wanted.events |= EPOLLEXCLUSIVE;
    if (spread->way == MICRO_SPREAD_ONESHOT)
        wanted.events |= EPOLLONESHOT;
    return epoll_ctl(queue, operation, spread->fds[source], &wanted) == 0 ? 0 : -errno;
}

/* One more source, which the shared queue watches if there is one: 0 or -errno. */
static inline int micro_spread_add_source(micro_spread_t *spread)
{
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    spread->fds[spread->sources] = fd;
    const int status = spread->queue < 0 ? 0
        : micro_spread_watches(spread, spread->queue, spread->sources, EPOLL_CTL_ADD);
    if (status != 0)
        close(fd);
    else
        spread->sources++;
    return status;
}

static inline int micro_spread_open_queue(void)
{
    const int queue = epoll_create1(EPOLL_CLOEXEC);
    return queue < 0 ? -errno : queue;
}

/* An event at one of the sources: 0 or -errno. */
static inline int micro_spread_post(const micro_spread_t *spread, int64_t source)
{
    const uint64_t one = 1;
    return write(spread->fds[source], &one, sizeof one) == sizeof one ? 0 : -errno;
}

/* What a thread waits at: the shared queue, or one of its own. A descriptor or -errno. */
static int64_t micro_spread_join(micro_peer_t *self, micro_spread_t *spread)
{
    int64_t status = 0;
    if (spread->queue >= 0)
        return spread->queue;
    self->mail->call = "epoll_create1";
    const int queue = micro_spread_open_queue();
    if (queue < 0)
        return queue;
    self->mail->call = "epoll_ctl";
    for (int64_t i = 0; i < spread->sources && status == 0; i++)
        if (spread->way != MICRO_SPREAD_OWN || i == self->index)
            status = micro_spread_watches(spread, queue, i, EPOLL_CTL_ADD);
    if (status != 0)
        close(queue);
    return status != 0 ? status : queue;
}

/* Take what a source holds: 0 or -errno, with the failed call's name. */
static int64_t micro_spread_consume(micro_peer_t *self, micro_spread_t *spread, int queue,
                                    int64_t source)
{
    uint64_t value;
    ssize_t got;
    do {
        got = read(spread->fds[source], &value, sizeof value);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno != EAGAIN) {
        self->mail->call = "read";
        return -errno;
    }
    if (spread->way == MICRO_SPREAD_ONESHOT) {
        const int status = micro_spread_watches(spread, queue, source, EPOLL_CTL_MOD);
        self->mail->call = "epoll_ctl";
        if (status != 0)
            return status;
    }
    atomic_fetch_add(got < 0 ? &spread->doubles : &spread->consumed, 1);
    return 0;
}

/* A thread's body: wait for an event and consume it, again and again. */
static int64_t micro_spread_serve(micro_peer_t *self, void *argument)
{
    micro_spread_t *const spread = argument;
    const int64_t queue = micro_spread_join(self, spread);
    int64_t error = 0;
    if (queue < 0)
        return queue;
    spread->tasks[self->index] = syscall(SYS_gettid);
    atomic_fetch_add(&spread->waiting, 1);
    while (error == 0 && !micro_peer_leaves(self)) {
        struct epoll_event event;
        const int ready = epoll_wait((int)queue, &event, 1, -1);
        if (ready == 1) {
            error = micro_spread_consume(self, spread, (int)queue, (int64_t)event.data.u64);
        } else if (ready < 0 && errno != EINTR) {
            self->mail->call = "epoll_wait";
            error = -errno;
        }
    }
    atomic_fetch_add(&spread->waiting, -1);
    if (queue != spread->queue)
        close((int)queue);
    return error;
}

#else

static inline int micro_spread_add_source(micro_spread_t *spread) { return (void)spread, -ENOSYS; }
static inline int micro_spread_open_queue(void) { return -ENOSYS; }
static inline int micro_spread_post(const micro_spread_t *spread, int64_t source)
{
    return (void)spread, (void)source, -ENOSYS;
}
static int64_t micro_spread_serve(micro_peer_t *self, void *argument)
{
    return (void)self, (void)argument, -ENOSYS;
}

#endif
#endif
