/* Sockets on the loopback address, and only there. */
#ifndef MICRO_OS_NETWORK_H
#define MICRO_OS_NETWORK_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* bind() to the loopback address; port 0 lets the system pick. 0 or -errno. */
static inline int micro_bind(int fd, int port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return bind(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : -errno;
}

#endif
