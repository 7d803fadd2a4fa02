/* The client's side of a connection to a server of models.h. */
#ifndef MICRO_SERVER_CLIENT_H
#define MICRO_SERVER_CLIENT_H

#include "os/network.h"
#include "server/models.h"

/* The server tells what failed a moment after its client has seen the end of a connection. */
#define MICRO_TELLS_WITHIN_MS 100

/* Send a request: 0, or -errno with the failed call's name. */
static inline int micro_ask(int fd, const char **call)
{
    static const char request[MICRO_REQUEST_BYTES] = "ask";
    ssize_t moved;
    do {
        moved = write(fd, request, sizeof request);
    } while (moved < 0 && errno == EINTR);
    *call = "write";
    return moved == sizeof request ? 0 : moved < 0 ? -errno : -EIO;
}

/* Receive the reply; -EPIPE where the connection has ended instead. */
static inline int micro_hear(int fd, const char **call)
{
    char reply[MICRO_REQUEST_BYTES];
    ssize_t moved;
    do {
        moved = read(fd, reply, sizeof reply);
    } while (moved < 0 && errno == EINTR);
    *call = "read";
    return moved == sizeof reply ? 0 : moved < 0 ? -errno : -EPIPE;
}

/* From connect() to the first reply: 0, or -errno with the failed call's name. */
static inline int micro_first_reply(int fd, int port, const char **call)
{
    int status = micro_connect(fd, port);
    *call = "connect";
    if (status == 0)
        status = micro_ask(fd, call);
    return status ? status : micro_hear(fd, call);
}

/* Close connections from the last one on, when the server has closed its ends: what served them has
 * ended. 0 or -errno of shutdown(). */
static inline int micro_leave(const int *fds, int64_t count)
{
    char rest[64];
    int status = 0;
    for (int64_t i = 0; i < count; i++)
        if (shutdown(fds[i], SHUT_WR) != 0 && errno != ENOTCONN && errno != ECONNRESET)
            status = -errno;
    for (int64_t i = 0; i < count && status == 0; i++) {
        ssize_t got;
        do {
            got = read(fds[i], rest, sizeof rest);
        } while (got > 0 || (got < 0 && errno == EINTR));
    }
    return status;
}

/* What the server told, where it did within a moment: whether it did. */
static inline int micro_server_told(int answers, micro_server_answer_t *answer)
{
    struct pollfd arrival = {.fd = answers, .events = POLLIN};
    return poll(&arrival, 1, MICRO_TELLS_WITHIN_MS) == 1
        && read(answers, answer, sizeof *answer) == sizeof *answer && answer->error;
}

#endif
