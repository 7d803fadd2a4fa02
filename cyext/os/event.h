/* Sockets that are made ready by hand, and the two ways to wait that hand over all of them each time. */
#ifndef MICRO_OS_EVENT_H
#define MICRO_OS_EVENT_H

#ifdef __APPLE__
#define _DARWIN_UNLIMITED_SELECT 1   /* before any header: lets select() look beyond FD_SETSIZE */
#endif

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>

/* Long enough never to pass: a zero time-out would skip the wait queues that a server's wait pays for. */
#define MICRO_WAIT_MS 10000

/* Connect a bound datagram socket to its own address, so that it can send itself something. 0 or -errno. */
static inline int micro_connect_to_itself(int fd)
{
    struct sockaddr_in self;
    socklen_t length = sizeof self;
    if (getsockname(fd, (struct sockaddr *)&self, &length) != 0)
        return -errno;
    return connect(fd, (struct sockaddr *)&self, length) == 0 ? 0 : -errno;
}

/* One datagram to itself: the socket becomes readable. 0 or -errno. */
static inline int micro_make_readable(int fd)
{
    const ssize_t sent = send(fd, "x", 1, 0);
    return sent == 1 ? 0 : sent < 0 ? -errno : -EIO;
}

/* Takes that datagram: the socket is idle again. 0 or -errno (EAGAIN: it was idle). */
static inline int micro_make_idle(int fd)
{
    char byte;
    const ssize_t received = recv(fd, &byte, 1, MSG_DONTWAIT);
    return received == 1 ? 0 : received < 0 ? -errno : -EIO;
}

/* The number of ready descriptors, or -errno. */
static inline int micro_poll(struct pollfd *watched, nfds_t count)
{
    const int ready = poll(watched, count, MICRO_WAIT_MS);
    return ready < 0 ? -errno : ready;
}

/* Bit sets of any length in the layout of fd_set: FD_SET and its like end (or abort) at FD_SETSIZE. */
#if defined(__APPLE__) || defined(__OpenBSD__) || defined(__NetBSD__)
typedef uint32_t micro_bits_t;
#else
typedef unsigned long micro_bits_t;
#endif
#define MICRO_BITS (8 * (int)sizeof(micro_bits_t))

static inline size_t micro_set_bytes(int highest)
{
    return ((size_t)highest / MICRO_BITS + 1) * sizeof(micro_bits_t);
}

static inline void micro_set_add(micro_bits_t *set, int fd)
{
    set[fd / MICRO_BITS] |= (micro_bits_t)1 << fd % MICRO_BITS;
}

static inline void micro_set_remove(micro_bits_t *set, int fd)
{
    set[fd / MICRO_BITS] &= ~((micro_bits_t)1 << fd % MICRO_BITS);
}

static inline int micro_set_has(const micro_bits_t *set, int fd)
{
    return set[fd / MICRO_BITS] >> fd % MICRO_BITS & 1;
}

/* The number of ready descriptors among those in `set`, which then holds only these, or -errno. */
static inline int micro_select(micro_bits_t *set, int highest, int wait_ms)
{
    struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    const int ready = select(highest + 1, (fd_set *)(void *)set, NULL, NULL, &wait);
    return ready < 0 ? -errno : ready;
}

#endif
