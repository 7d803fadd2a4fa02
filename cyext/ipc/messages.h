/* Messages of a given size there and back, over a link that carries bytes (link.h, mechanisms.h). */
#ifndef MICRO_IPC_MESSAGES_H
#define MICRO_IPC_MESSAGES_H

#include "ipc/mechanisms.h"

typedef struct {
    micro_link_t link;
    size_t bytes;     /* of a message; a peer that is a process has what it was when it was forked */
    char *room[2];    /* for a message, by side */
} micro_messages_t;

/* The rest of a message out or in: what one call moved, or -errno with the failed call's name. */
static inline ssize_t micro_message_moves(micro_messages_t *messages, int side, int writes,
                                          size_t done)
{
    micro_link_t *const link = &messages->link;
    char *const rest = messages->room[side] + done;
    const size_t bytes = messages->bytes - done;
    const ssize_t moved = writes ? write(link->out[side], rest, bytes)
                                 : read(link->in[side], rest, bytes);
    if (moved > 0)
        return moved;
    if (moved == 0)
        errno = EPIPE;
    return micro_link_fails(link, side, writes ? "write" : "read");
}

/* A message of the owner's, through interruptions, unless the peer has failed: 0 or -errno. */
static inline int micro_message_passes(micro_messages_t *messages, int writes)
{
    for (size_t done = 0; done < messages->bytes;) {
        const ssize_t moved = micro_message_moves(messages, MICRO_OWNER, writes, done);
        if (moved > 0)
            done += (size_t)moved;
        else if (moved != -EINTR || micro_peers_failed(messages->link.group))
            return (int)moved;
    }
    return 0;
}

static inline int micro_message_round_trip(micro_messages_t *messages)
{
    const int status = micro_message_passes(messages, 1);
    return status ? status : micro_message_passes(messages, 0);
}

/* The peer's body: answer each message by one of the same size. */
static int64_t micro_message_echo(micro_peer_t *self, void *argument)
{
    micro_messages_t *const messages = argument;
    for (int writes = 0;; writes = !writes) {
        for (size_t done = 0; done < messages->bytes;) {
            const ssize_t moved = micro_message_moves(messages, MICRO_PEER, writes, done);
            if (moved > 0) {
                done += (size_t)moved;
            } else if (micro_peer_leaves(self)) {
                return 0;
            } else if (moved != -EINTR) {
                self->mail->call = messages->link.call[MICRO_PEER];
                return moved;
            }
        }
    }
}

#endif
