/* A link: two tasks, the owner of the timed loop and its peer, that pass a message there and back.
 *
 * A mechanism opens a link and has a function to send a message and one to receive it, for either
 * side; mechanisms.h has them all. These return 0 or -errno, with the failed call's name in the link;
 * -EINTR means that a signal came, and that the function may be called again. */
#ifndef MICRO_IPC_LINK_H
#define MICRO_IPC_LINK_H

#include <semaphore.h>

#include "core/peers.h"

enum { MICRO_OWNER, MICRO_PEER };

typedef struct micro_link micro_link_t;

typedef struct {
    int (*open)(micro_link_t *link);
    int (*send)(micro_link_t *link, int side);
    int (*receive)(micro_link_t *link, int side);
    void (*close)(micro_link_t *link);   /* NULL: there are descriptors only */
} micro_mechanism_t;

/* Memory that both sides see. Words of different sides lie in different cache lines. */
typedef struct {
    struct {
        _Alignas(128) atomic_uint full;
        sem_t semaphore;
    } to[2];   /* to the owner, to the peer */
} micro_link_words_t;

struct micro_link {
    const micro_mechanism_t *mechanism;
    micro_peers_t *group;
    const char *call[2];       /* that failed, by side */
    const char *fifo;          /* where a file may be made for a moment */
    int in[2], out[2];         /* what a side reads from and writes to */
    int fds[4];                /* all open descriptors, else -1 */
    int set;                   /* of System V; else -1 */
    pid_t keeper;
    micro_link_words_t *words;
};

static inline int micro_link_fails(micro_link_t *link, int side, const char *call)
{
    link->call[side] = call;
    return errno ? -errno : -EIO;
}

/* Before anything is open: a link that can be closed. */
static inline void micro_link_init(micro_link_t *link, const micro_mechanism_t *mechanism)
{
    memset(link, 0, sizeof *link);
    link->mechanism = mechanism;
    link->set = -1;
    for (int i = 0; i < 4; i++)
        link->fds[i] = -1;
}

static inline int micro_link_open(micro_link_t *link, micro_peers_t *group, const char *fifo)
{
    link->group = group;
    link->fifo = fifo;
    link->words = micro_shared_memory(sizeof *link->words);
    if (link->words == NULL)
        return micro_link_fails(link, MICRO_OWNER, "mmap");
    return link->mechanism->open(link);
}

/* May be called twice; the peer has ended before. */
static inline void micro_link_close(micro_link_t *link)
{
    if (link->words == NULL)
        return;
    if (link->mechanism->close)
        link->mechanism->close(link);
    for (int i = 0; i < 4; i++) {
        if (link->fds[i] >= 0)
            close(link->fds[i]);
        link->fds[i] = -1;
    }
    munmap(link->words, sizeof *link->words);
    link->words = NULL;
}

/* The owner's side of one call, through interruptions, unless the peer has failed. */
static inline int micro_link_passes(micro_link_t *link, int (*pass)(micro_link_t *, int))
{
    int status;
    do {
        status = pass(link, MICRO_OWNER);
    } while (status == -EINTR && !micro_peers_failed(link->group));
    return status;
}

static inline int micro_link_round_trip(micro_link_t *link)
{
    const int status = micro_link_passes(link, link->mechanism->send);
    return status ? status : micro_link_passes(link, link->mechanism->receive);
}

/* The peer's body: answer each message. */
static int64_t micro_link_echo(micro_peer_t *self, void *argument)
{
    micro_link_t *const link = argument;
    for (int received = 0;;) {
        const int status = received ? link->mechanism->send(link, MICRO_PEER)
                                    : link->mechanism->receive(link, MICRO_PEER);
        if (status == 0) {
            received = !received;
        } else if (micro_peer_leaves(self)) {
            return 0;
        } else if (status != -EINTR) {
            self->mail->call = link->call[MICRO_PEER];
            return status;
        }
    }
}

#endif
