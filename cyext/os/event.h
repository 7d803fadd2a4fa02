/* Waiting for events: poll everywhere, epoll where it exists. */
#ifndef MICRO_OS_EVENT_H
#define MICRO_OS_EVENT_H

#include <errno.h>
#include <poll.h>
#ifdef __linux__
#include <sys/epoll.h>
#define MICRO_HAS_EPOLL 1
#else
#define MICRO_HAS_EPOLL 0
#endif

/* Long enough never to pass: a zero time-out would skip the wait queues that a server's wait pays for. */
#define MICRO_WAIT_MS 10000

static inline int micro_epoll_create(void)
{
#if MICRO_HAS_EPOLL
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
#else
    return -ENOSYS;
#endif
}

static inline int micro_epoll_add(int epoll_fd, int fd)
{
#if MICRO_HAS_EPOLL
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
#else
    return -ENOSYS;
#endif
}

/* One wait that must find exactly `expected` ready: 0, or -errno (ETIME: nothing, EBADMSG: another). */
static inline int micro_epoll_wait_one(int epoll_fd, int expected)
{
#if MICRO_HAS_EPOLL
    struct epoll_event event;
    int ready = epoll_wait(epoll_fd, &event, 1, MICRO_WAIT_MS);
    if (ready != 1)
        return ready < 0 ? -errno : -ETIME;
    return event.data.fd == expected ? 0 : -EBADMSG;
#else
    return -ENOSYS;
#endif
}

static inline int micro_poll_wait_one(struct pollfd *watched, nfds_t count, nfds_t expected)
{
    int ready = poll(watched, count, MICRO_WAIT_MS);
    if (ready != 1)
        return ready < 0 ? -errno : ready == 0 ? -ETIME : -EBADMSG;
    return watched[expected].revents & POLLIN ? 0 : -EBADMSG;
}

#endif
