/* The system's event queue, which remembers what it watches: epoll or kqueue. */
#ifndef MICRO_OS_EVENT_QUEUE_H
#define MICRO_OS_EVENT_QUEUE_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include "event.h"

#if defined(__linux__)

#include <sys/epoll.h>
#define MICRO_QUEUE "epoll"
#define MICRO_QUEUE_CREATE "epoll_create1"
#define MICRO_QUEUE_CHANGE "epoll_ctl"
#define MICRO_QUEUE_WAIT "epoll_wait"
#define MICRO_EDGE EPOLLET
typedef struct epoll_event micro_event_t;

/* A close-on-exec queue, or -errno. */
static inline int micro_queue_create(void)
{
    const int queue = epoll_create1(EPOLL_CLOEXEC);
    return queue < 0 ? -errno : queue;
}

/* Watch a descriptor, to be reported as `index`; `mode` is 0 or MICRO_EDGE. 0 or -errno. */
static inline int micro_queue_add(int queue, int fd, uint32_t index, uint32_t mode)
{
    struct epoll_event event = {.events = EPOLLIN | mode, .data = {.u32 = index}};
    return epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static inline int micro_queue_remove(int queue, int fd)
{
    struct epoll_event unused = {0};   /* Linux before 2.6.9 wanted one */
    return epoll_ctl(queue, EPOLL_CTL_DEL, fd, &unused) == 0 ? 0 : -errno;
}

/* The number of events, at most `most`, or -errno. */
static inline int micro_queue_wait(int queue, micro_event_t *events, int most)
{
    const int ready = epoll_wait(queue, events, most, MICRO_WAIT_MS);
    return ready < 0 ? -errno : ready;
}

static inline uint32_t micro_event_index(const micro_event_t *event)
{
    return event->data.u32;
}

#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) \
    || defined(__DragonFly__)

#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>
#define MICRO_QUEUE "kqueue"
#define MICRO_QUEUE_CREATE "kqueue"
#define MICRO_QUEUE_CHANGE "kevent"
#define MICRO_QUEUE_WAIT "kevent"
#define MICRO_EDGE EV_CLEAR
typedef struct kevent micro_event_t;

static inline int micro_queue_create(void)
{
    const int queue = kqueue();
    if (queue >= 0)
        fcntl(queue, F_SETFD, FD_CLOEXEC);
    return queue < 0 ? -errno : queue;
}

static inline int micro_queue_change(int queue, int fd, uint32_t index, unsigned short flags)
{
    struct kevent change;
    EV_SET(&change, fd, EVFILT_READ, flags, 0, 0, (void *)(uintptr_t)index);
    return kevent(queue, &change, 1, NULL, 0, NULL) == 0 ? 0 : -errno;
}

static inline int micro_queue_add(int queue, int fd, uint32_t index, uint32_t mode)
{
    return micro_queue_change(queue, fd, index, (unsigned short)(EV_ADD | mode));
}

static inline int micro_queue_remove(int queue, int fd)
{
    return micro_queue_change(queue, fd, 0, EV_DELETE);
}

static inline int micro_queue_wait(int queue, micro_event_t *events, int most)
{
    const struct timespec wait = {.tv_sec = MICRO_WAIT_MS / 1000};
    const int ready = kevent(queue, NULL, 0, events, most, &wait);
    return ready < 0 ? -errno : ready;
}

static inline uint32_t micro_event_index(const micro_event_t *event)
{
    return (uint32_t)(uintptr_t)event->udata;
}

#else

#define MICRO_QUEUE "event queue"
#define MICRO_QUEUE_CREATE "none"
#define MICRO_QUEUE_CHANGE "none"
#define MICRO_QUEUE_WAIT "none"
#define MICRO_EDGE 1
typedef uint32_t micro_event_t;

static inline int micro_queue_create(void) { return -ENOSYS; }
static inline int micro_queue_add(int queue, int fd, uint32_t index, uint32_t mode)
{
    return (void)queue, (void)fd, (void)index, (void)mode, -ENOSYS;
}
static inline int micro_queue_remove(int queue, int fd) { return (void)queue, (void)fd, -ENOSYS; }
static inline int micro_queue_wait(int queue, micro_event_t *events, int most)
{
    return (void)queue, (void)events, (void)most, -ENOSYS;
}
static inline uint32_t micro_event_index(const micro_event_t *event) { return *event; }

#endif
#endif
