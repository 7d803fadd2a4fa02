/* What TCP may be told about when to send, and what it tells of what it has sent. */
#ifndef MICRO_OS_TCP_H
#define MICRO_OS_TCP_H

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#ifdef __linux__
#include <linux/tcp.h>   /* its tcp_info counts segments, that of many a C library does not */
#else
#include <netinet/tcp.h>
#endif

static inline int micro_tcp_option(int fd, int option, int value)
{
    return setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value) == 0 ? 0 : -errno;
}

/* Send small segments at once, whatever is on its way (no Nagle), and what is held back now; or no
 * longer. 0 or -errno. */
static inline int micro_tcp_at_once(int fd, int yes)
{
    return micro_tcp_option(fd, TCP_NODELAY, yes);
}

static inline int micro_tcp_no_delay(int fd)
{
    return micro_tcp_at_once(fd, 1);
}

/* Fixed buffers at an end of a connection, which the system would else let grow. 0 or -errno. */
static inline int micro_tcp_buffers(int fd, int bytes)
{
    return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0
        && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0 ? 0 : -errno;
}

/* Hold back what fills no segment; or no longer. 0 or -errno. */
static inline int micro_tcp_cork(int fd, int yes)
{
#if defined(TCP_CORK)
    return micro_tcp_option(fd, TCP_CORK, yes);
#elif defined(TCP_NOPUSH)
    return micro_tcp_option(fd, TCP_NOPUSH, yes);
#else
    (void)fd, (void)yes;
    return -ENOSYS;
#endif
}

/* Segments with data that a connection has sent, or -1 where the system does not tell. Those sent
 * again do not count: on loopback they tell of a peer that was kept from running. */
static inline int64_t micro_tcp_data_segments(int fd)
{
#ifdef __linux__
    struct tcp_info info;
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0
        && length >= offsetof(struct tcp_info, tcpi_data_segs_out) + sizeof info.tcpi_data_segs_out)
        return (int64_t)info.tcpi_data_segs_out - info.tcpi_total_retrans;
#else
    (void)fd;
#endif
    return -1;
}

#endif
