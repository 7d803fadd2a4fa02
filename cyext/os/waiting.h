/* Ways for many to wait for a connection on one port. */
#ifndef MICRO_OS_WAITING_H
#define MICRO_OS_WAITING_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#include <sys/syscall.h>
#endif

#include "network.h"

enum {
    MICRO_WAIT_ACCEPT, MICRO_WAIT_POLL, MICRO_WAIT_EPOLL, MICRO_WAIT_EPOLL_EXCLUSIVE,
    MICRO_WAIT_REUSEPORT
};

static inline int micro_has_wait(int how)
{
#ifdef __linux__
    (void)how;
    return 1;
#else
    return how == MICRO_WAIT_ACCEPT || how == MICRO_WAIT_POLL;
#endif
}

/* What a waiter needs besides the listener: a descriptor to wait at, or -errno. */
static inline int micro_wait_open(int how, int listener)
{
#ifdef __linux__
    if (how == MICRO_WAIT_EPOLL || how == MICRO_WAIT_EPOLL_EXCLUSIVE) {
        struct epoll_event wanted = {.events = EPOLLIN};
        const int queue = epoll_create1(EPOLL_CLOEXEC);
        if (queue < 0)
            return -errno;
        if (how == MICRO_WAIT_EPOLL_EXCLUSIVE)
            wanted.events |= EPOLLEXCLUSIVE;
        if (epoll_ctl(queue, EPOLL_CTL_ADD, listener, &wanted) != 0) {
            const int error = errno;
            close(queue);
            return -error;
        }
        return queue;
    }
#endif
    (void)how;
    return listener;
}

/* Wait until the listener may have a connection: 0, or -1 with errno. */
static inline int micro_wait_for(int how, int at)
{
#ifdef __linux__
    struct epoll_event ready;
    if (how == MICRO_WAIT_EPOLL || how == MICRO_WAIT_EPOLL_EXCLUSIVE)
        return epoll_wait(at, &ready, 1, -1) < 0 ? -1 : 0;
#endif
    struct pollfd arrival = {.fd = at, .events = POLLIN};
    if (how == MICRO_WAIT_POLL)
        return poll(&arrival, 1, -1) < 0 ? -1 : 0;
    return 0;   /* accept() itself waits */
}

/* Run only where nobody else on the CPU wants to, or as usual again: 0, or -errno. musl's function
 * refuses what the kernel grants; elsewhere than on Linux no single thread has such a class. */
static inline int micro_yield_to_all(int yes)
{
#ifdef __linux__
    const struct sched_param none = {0};
    return syscall(SYS_sched_setscheduler, 0, yes ? SCHED_IDLE : SCHED_OTHER, &none) ? -errno : 0;
#else
    (void)yes;
    return -ENOSYS;
#endif
}

/* Whether a loop may yield to all here: 0, or -errno. */
static inline int micro_try_to_yield(void)
{
    const int status = micro_yield_to_all(1);
    micro_yield_to_all(0);   /* a user who is not root may be refused: the loop yields anyhow */
    return status;
}

#endif
