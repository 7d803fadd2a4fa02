/* Groups of 20 senders and 20 receivers: each sender sends messages of 100 bytes to each receiver of its
 * group, over the receiver's pipe or socket. Peer i is number i % 40 of group i / 40; the first 20 of a
 * group send. A batch begins with a byte for each sender and ends when the last receiver has all. */
#ifndef MICRO_SCHED_HACKBENCH_H
#define MICRO_SCHED_HACKBENCH_H

#include <sys/socket.h>

#include "core/peers.h"

#define MICRO_SENDERS 20
#define MICRO_GROUP (2 * MICRO_SENDERS)
#define MICRO_GROUPS_MOST 64
#define MICRO_MESSAGE_BYTES 100

/* In memory that all share. */
typedef struct {
    _Alignas(128) atomic_int_fast64_t messages;    /* of each sender to each receiver in this batch */
    _Alignas(128) atomic_int_fast64_t receiving;   /* receivers that do not have all of theirs yet */
    int sockets;
    int64_t open;                                  /* senders with a pipe, receivers with a connection */
    int done[2];
    int begin[MICRO_GROUPS_MOST * MICRO_SENDERS][2];
    int to[MICRO_GROUPS_MOST * MICRO_SENDERS][2];  /* a receiver reads the first, senders write the last */
} micro_hackbench_t;

static inline void micro_hackbench_close_down_to(micro_hackbench_t *bench, int64_t pairs)
{
    while (bench->open > pairs) {
        bench->open--;
        for (int i = 0; i < 2; i++) {
            close(bench->begin[bench->open][i]);
            close(bench->to[bench->open][i]);
        }
    }
}

/* What so many senders and as many receivers need: 0 or -errno with the failed call's name. */
static inline int micro_hackbench_open(micro_hackbench_t *bench, int64_t pairs, const char **call)
{
    while (bench->open < pairs) {
        int *const begin = bench->begin[bench->open], *const ends = bench->to[bench->open];
        *call = "pipe";
        if (pipe(begin) != 0)
            return -errno;
        *call = bench->sockets ? "socketpair" : "pipe";
        if ((bench->sockets ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends)) != 0) {
            const int error = errno;
            close(begin[0]);
            close(begin[1]);
            return -error;
        }
        bench->open++;
    }
    return 0;
}

/* NULL on failure, with errno and the failed call's name. */
static inline micro_hackbench_t *micro_hackbench_new(int sockets, const char **call)
{
    micro_hackbench_t *const bench = micro_shared_memory(sizeof *bench);
    *call = "mmap";
    if (bench == NULL)
        return NULL;
    bench->sockets = sockets;
    *call = "pipe";
    if (pipe(bench->done) == 0)
        return bench;
    const int error = errno;
    munmap(bench, sizeof *bench);
    errno = error;
    return NULL;
}

static inline void micro_hackbench_free(micro_hackbench_t *bench)
{
    if (bench == NULL)
        return;
    micro_hackbench_close_down_to(bench, 0);
    close(bench->done[0]);
    close(bench->done[1]);
    munmap(bench, sizeof *bench);
}

/* A message, or as much of it as passes: bytes, 0 where the peer should leave, or -errno. */
static inline int64_t micro_hackbench_moves(micro_peer_t *self, int fd, char *message, int64_t bytes,
                                            int writes)
{
    for (;;) {
        const ssize_t moved = writes ? write(fd, message, (size_t)bytes) : read(fd, message, (size_t)bytes);
        if (moved > 0)
            return moved;
        if (moved == 0 || micro_peer_leaves(self))
            return 0;
        if (errno != EINTR) {
            self->mail->call = writes ? "write" : "read";
            return -errno;
        }
    }
}

static inline int64_t micro_hackbench_sends(micro_peer_t *self, micro_hackbench_t *bench, int64_t sender)
{
    const int64_t first = sender - sender % MICRO_SENDERS;
    const int begin = bench->begin[sender][0];
    char message[MICRO_MESSAGE_BYTES] = {0};
    int64_t moved = micro_peer_moves_byte(self, begin, 0);
    while (moved == 1) {
        const int64_t messages = atomic_load(&bench->messages);
        for (int64_t i = 0; i < messages; i++)
            for (int64_t receiver = first; receiver < first + MICRO_SENDERS; receiver++)
                for (int64_t sent = 0; sent < MICRO_MESSAGE_BYTES; sent += moved) {
                    moved = micro_hackbench_moves(self, bench->to[receiver][1], message,
                                                  MICRO_MESSAGE_BYTES - sent, 1);
                    if (moved <= 0)
                        return moved;
                }
        moved = micro_peer_moves_byte(self, begin, 0);
    }
    return moved;
}

static inline int64_t micro_hackbench_receives(micro_peer_t *self, micro_hackbench_t *bench, int fd)
{
    char message[MICRO_MESSAGE_BYTES];
    int64_t received = 0;
    for (;;) {
        int64_t moved = micro_hackbench_moves(self, fd, message, MICRO_MESSAGE_BYTES, 0);
        if (moved <= 0)
            return moved;
        received += moved;
        if (received < atomic_load(&bench->messages) * MICRO_SENDERS * MICRO_MESSAGE_BYTES)
            continue;
        received = 0;
        if (atomic_fetch_sub(&bench->receiving, 1) == 1) {
            moved = micro_peer_moves_byte(self, bench->done[1], 1);
            if (moved != 1)
                return moved;
        }
    }
}

/* A peer's body. */
static int64_t micro_hackbench_member(micro_peer_t *self, void *argument)
{
    micro_hackbench_t *const bench = argument;
    const int64_t group = self->index / MICRO_GROUP, number = self->index % MICRO_GROUP;
    const int64_t first = group * MICRO_SENDERS;
    if (number < MICRO_SENDERS)
        return micro_hackbench_sends(self, bench, first + number);
    return micro_hackbench_receives(self, bench, bench->to[first + number - MICRO_SENDERS][0]);
}

/* The owner lets each sender send so many messages to each receiver: 0, or -errno and the call. */
static inline int micro_hackbench_batch(micro_hackbench_t *bench, micro_peers_t *group, int64_t messages,
                                        const char **call)
{
    const int64_t senders = group->count / 2;
    atomic_store(&bench->messages, messages);
    atomic_store(&bench->receiving, senders);
    *call = "write";
    for (int64_t i = 0; i < senders; i++) {
        const int status = micro_owner_moves_byte(group, bench->begin[i][1], 1);
        if (status)
            return status;
    }
    *call = "read";
    return micro_owner_moves_byte(group, bench->done[0], 0);
}

#endif
