/* Connections that are made, accepted and closed, over loopback TCP or a Unix socket, the accepted end
 * first. One end resets a TCP connection, so that none lingers in TIME_WAIT and holds its port: the
 * accepted end, or, where a peer might reset before connect() has returned, the other one.
 *
 * All functions return 0 or -errno, with the failed call's name in `call`. */
#ifndef MICRO_CONNECTIONS_H
#define MICRO_CONNECTIONS_H

#include <sys/un.h>

#include "core/peers.h"
#include "os/network.h"

#define MICRO_BACKLOG 128

typedef struct {
    int family;              /* AF_INET or AF_UNIX */
    int listener;            /* or -1 */
    int connecting_resets;   /* the end that connects resets, and not the accepted one */
    union {
        struct sockaddr any;
        micro_address_t ip;
        struct sockaddr_un local;
    } address;
    socklen_t length;
    const char *call;
} micro_door_t;

static inline int micro_door_fails(micro_door_t *door, const char *call, int error)
{
    door->call = call;
    return -(error ? error : EIO);
}

/* Listen: at `path`, if the family is AF_UNIX, else at a port of 127.0.0.1. */
static inline int micro_door_open(micro_door_t *door, const char *path)
{
    if (door->family == AF_INET) {
        int port = 0;
        door->listener = micro_listen_at(MICRO_BACKLOG, 0, 1, !door->connecting_resets, &port);
        door->length = micro_loopback(&door->address.ip, AF_INET, port);
        return door->listener < 0 ? micro_door_fails(door, "listen", -door->listener) : 0;
    }
    struct sockaddr_un *const local = &door->address.local;
    if (strlen(path) >= sizeof local->sun_path)
        return micro_door_fails(door, "bind", ENAMETOOLONG);
    local->sun_family = AF_UNIX;
    strcpy(local->sun_path, path);
    door->length = sizeof *local;
    door->listener = micro_socket(AF_UNIX, SOCK_STREAM);
    if (door->listener < 0)
        return micro_door_fails(door, "socket", -door->listener);
    if (bind(door->listener, &door->address.any, door->length) != 0)
        return micro_door_fails(door, "bind", errno);
    if (listen(door->listener, MICRO_BACKLOG) != 0)
        return micro_door_fails(door, "listen", errno);
    return 0;
}

/* The socket of a new connection, before connect(); or -errno. */
static inline int micro_door_socket(micro_door_t *door)
{
    const int fd = micro_socket(door->family, SOCK_STREAM);
    if (fd < 0)
        return micro_door_fails(door, "socket", -fd);
    if (door->connecting_resets) {
        const int status = micro_reset_on_close(fd);
        if (status != 0) {
            close(fd);
            return micro_door_fails(door, "setsockopt", -status);
        }
    }
    return fd;
}

/* Connect such a socket: itself, or -errno and it is closed. */
static inline int micro_door_knock(micro_door_t *door, int fd)
{
    if (connect(fd, &door->address.any, door->length) != 0) {
        const int status = micro_door_fails(door, "connect", errno);
        close(fd);
        return status;
    }
    return fd;
}

/* A new connection's first end, or -errno. */
static inline int micro_door_connect(micro_door_t *door)
{
    const int fd = micro_door_socket(door);
    return fd < 0 ? fd : micro_door_knock(door, fd);
}

/* One connection, both ends of which are here. */
static inline int micro_connection_here(micro_door_t *door)
{
    const int fd = micro_door_connect(door);
    int status = 0;
    if (fd < 0)
        return fd;
    const int accepted = accept(door->listener, NULL, NULL);
    if (accepted < 0)
        status = micro_door_fails(door, "accept", errno);
    else if (close(accepted) != 0)
        status = micro_door_fails(door, "close", errno);
    if (close(fd) != 0 && status == 0)
        status = micro_door_fails(door, "close", errno);
    return status;
}

/* One connection that a peer accepts and closes: read() tells that it did. */
static inline int micro_connection_to_peer(micro_door_t *door, micro_peers_t *group)
{
    const int fd = micro_door_connect(door);
    int status = 0;
    char byte;
    ssize_t got;
    if (fd < 0)
        return fd;
    do {
        got = read(fd, &byte, 1);
    } while (got < 0 && errno == EINTR && !micro_peers_failed(group));
    if (got != 0)
        status = micro_door_fails(door, "read", got > 0 ? EIO : errno);
    if (close(fd) != 0 && status == 0)
        status = micro_door_fails(door, "close", errno);
    return status;
}

/* The peer's body. */
static int64_t micro_take_connections(micro_peer_t *self, void *argument)
{
    const micro_door_t *const door = argument;
    for (;;) {
        const int fd = accept(door->listener, NULL, NULL);
        if (fd >= 0 && close(fd) == 0)
            continue;
        const int error = errno;
        if (micro_peer_leaves(self))
            return 0;
        if (fd >= 0 || (error != EINTR && error != ECONNABORTED)) {
            self->mail->call = fd >= 0 ? "close" : "accept";
            return -error;
        }
    }
}

#endif
