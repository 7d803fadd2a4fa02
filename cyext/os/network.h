/* Sockets on the loopback address, and only there. */
#ifndef MICRO_OS_NETWORK_H
#define MICRO_OS_NETWORK_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MICRO_ARRIVAL_MS 2000

/* A close-on-exec socket, or -errno. */
static inline int micro_socket(int family, int type)
{
#ifdef SOCK_CLOEXEC
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
#else
    int fd = socket(family, type, 0);
    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
    return fd < 0 ? -errno : fd;
}

typedef union {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
} micro_address_t;

/* The loopback address of a family with a port; its length. */
static inline socklen_t micro_loopback(micro_address_t *address, int family, int port)
{
    memset(address, 0, sizeof *address);
    if (family == AF_INET6) {
        address->six.sin6_family = AF_INET6;
        address->six.sin6_port = htons((uint16_t)port);
        address->six.sin6_addr = in6addr_loopback;
        return sizeof address->six;
    }
    address->four.sin_family = AF_INET;
    address->four.sin_port = htons((uint16_t)port);
    address->four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof address->four;
}

/* bind() to the loopback address of a family; port 0 lets the system pick. 0 or -errno. */
static inline int micro_bind_in(int family, int fd, int port)
{
    micro_address_t address;
    const socklen_t length = micro_loopback(&address, family, port);
    return bind(fd, &address.any, length) == 0 ? 0 : -errno;
}

static inline int micro_bind(int fd, int port)
{
    return micro_bind_in(AF_INET, fd, port);
}

/* connect() to a port of 127.0.0.1. 0 or -errno. */
static inline int micro_connect(int fd, int port)
{
    micro_address_t address;
    const socklen_t length = micro_loopback(&address, AF_INET, port);
    return connect(fd, &address.any, length) == 0 ? 0 : -errno;
}

/* Let close() reset the connection, so that no end of it lingers in TIME_WAIT. 0 or -errno. */
static inline int micro_reset_on_close(int fd)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0 ? 0 : -errno;
}

/* Let bind() to port 0 leave the choice to connect(). 0 or -errno. */
static inline int micro_pick_port_late(int fd)
{
#ifdef IP_BIND_ADDRESS_NO_PORT
    const int yes = 1;
    return setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes) == 0 ? 0 : -errno;
#else
    (void)fd;
    return -ENOPROTOOPT;
#endif
}

/* Let a socket connect from 127.0.0.1 + `which`: each address has ports of its own. 0 or -errno. */
static inline int micro_connect_from(int fd, int which)
{
    micro_address_t address;
    const socklen_t length = micro_loopback(&address, AF_INET, 0);
    const int status = micro_pick_port_late(fd);
    address.four.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)which);
    if (status)
        return status;
    return bind(fd, &address.any, length) == 0 ? 0 : -errno;
}

/* A socket on 127.0.0.1: on *port, or where that is 0 on one that the system picks, which comes back
 * there. With a backlog it listens; it may share its port with others; its accept() blocks or not,
 * and what it accepts is reset on close or not. The socket, or -errno. */
static inline int micro_listen_at(int backlog, int shares, int blocks, int resets, int *port)
{
    micro_address_t address;
    socklen_t length = sizeof address;
    const int yes = 1;
    const int fd = micro_socket(AF_INET, SOCK_STREAM);
    if (fd < 0)
        return fd;
    int status = 0;
#ifdef SO_REUSEPORT
    if (shares && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0)
        status = -errno;
#else
    (void)yes;
    if (shares)
        status = -ENOPROTOOPT;
#endif
    if (status == 0)
        status = micro_bind(fd, *port);
    if (status == 0 && resets)
        status = micro_reset_on_close(fd);   /* accepted sockets inherit it */
    if (status == 0 && ((backlog && listen(fd, backlog) != 0)
                        || (!blocks && fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
                        || getsockname(fd, &address.any, &length) != 0))
        status = -errno;
    if (status) {
        close(fd);
        return status;
    }
    *port = ntohs(address.four.sin_port);
    return fd;
}

/* A listener of its own, which does not block and whose connections are reset on close. */
static inline int micro_listen(int backlog, int *port)
{
    *port = 0;
    return micro_listen_at(backlog, 0, 0, 1, port);
}

/* The server's end of a connection that the client has seen established: it may come a moment
 * later here. A close-on-exec socket, or -errno. */
static inline int micro_accept(int listener)
{
    struct pollfd arrival = {.fd = listener, .events = POLLIN};
    int fd = accept(listener, NULL, NULL);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED || errno == EAGAIN)) {
        if (errno == EAGAIN && poll(&arrival, 1, MICRO_ARRIVAL_MS) == 0)
            return -ETIMEDOUT;
        fd = accept(listener, NULL, NULL);
    }
    if (fd < 0)
        return -errno;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

/* A TCP connection over loopback: its two ends, which block and are reset on close. 0, or -errno with
 * the failed call's name and nothing open. */
static inline int micro_tcp_pair(int ends[2], const char **call)
{
    int port = 0, status;
    const int listener = micro_listen_at(1, 0, 0, 1, &port);
    ends[0] = ends[1] = -1;
    *call = "listen";
    if (listener < 0)
        return listener;
    ends[0] = status = micro_socket(AF_INET, SOCK_STREAM);
    *call = "socket";
    if (status >= 0) {
        *call = "setsockopt";
        status = micro_reset_on_close(ends[0]);
    }
    if (status == 0) {
        *call = "connect";
        status = micro_connect(ends[0], port);
    }
    if (status == 0) {
        *call = "accept";
        ends[1] = status = micro_accept(listener);
    }
    if (status >= 0) {
        *call = "fcntl";
        status = fcntl(ends[1], F_SETFL, 0) == 0 ? 0 : -errno;   /* BSDs let it not block either */
    }
    for (int i = 0; status < 0 && i < 2; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
        ends[i] = -1;
    }
    close(listener);
    return status;
}

/* Two UDP sockets on loopback, connected to each other. 0, or -errno with the failed call's name and
 * nothing open. */
static inline int micro_udp_pair(int ends[2], const char **call)
{
    micro_address_t address;
    int ports[2], status = 0;
    ends[0] = ends[1] = -1;
    for (int i = 0; i < 2 && status == 0; i++) {
        socklen_t length = sizeof address;
        const int fd = micro_socket(AF_INET, SOCK_DGRAM);
        *call = "socket";
        if (fd < 0) {
            status = fd;
            break;
        }
        ends[i] = fd;
        *call = "bind";
        status = micro_bind(fd, 0);
        if (status == 0 && getsockname(fd, &address.any, &length) != 0) {
            *call = "getsockname";
            status = -errno;
        }
        ports[i] = ntohs(address.four.sin_port);
    }
    for (int i = 0; i < 2 && status == 0; i++) {
        *call = "connect";
        status = micro_connect(ends[i], ports[!i]);
    }
    for (int i = 0; status && i < 2; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
        ends[i] = -1;
    }
    return status;
}

#endif
