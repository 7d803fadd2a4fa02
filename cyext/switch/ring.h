/* Tasks that pass a token over pipes: a pipe for each task, which the task sleeps on, and one that
 * tells the owner of the timed loop that the token has arrived. Task 0 is the owner, the others are
 * its peers. The number of hops left stands in memory that all share; only the holder changes it. */
#ifndef MICRO_SWITCH_RING_H
#define MICRO_SWITCH_RING_H

#include "core/peers.h"
#include "os/clock.h"

#define MICRO_RING_TASKS 8192
#define MICRO_SET_LINE 64   /* bytes of a working set per word that is touched */

typedef struct {
    _Alignas(128) int64_t tasks;     /* of the ring; changed while no token is on its way */
    int64_t left;                    /* hops that the token still has to make */
    int64_t end_ns;                  /* when it had made the last one */
    int64_t set_bytes;               /* each task reads and writes so much when it has the token */
    int64_t set_stride_bytes;
    unsigned char *sets;             /* one after the other, or NULL */
    int64_t open;                    /* pipes */
    int arrived[2];
    int pipes[MICRO_RING_TASKS + 1][2];
} micro_ring_t;

/* NULL on failure, with errno and the failed call's name. */
static inline micro_ring_t *micro_ring_new(const char **call)
{
    micro_ring_t *const ring = micro_shared_memory(sizeof *ring);
    *call = "mmap";
    if (ring == NULL)
        return NULL;
    if (pipe(ring->arrived) != 0) {
        const int error = errno;
        munmap(ring, sizeof *ring);
        errno = error;
        *call = "pipe";
        return NULL;
    }
    return ring;
}

static inline void micro_ring_close_pipes(micro_ring_t *ring, int64_t wanted)
{
    while (ring->open > wanted) {
        ring->open--;
        close(ring->pipes[ring->open][0]);
        close(ring->pipes[ring->open][1]);
    }
}

/* Have so many pipes, or as many as the system allows: 0 or -errno. */
static inline int micro_ring_pipes(micro_ring_t *ring, int64_t wanted)
{
    micro_ring_close_pipes(ring, wanted);
    while (ring->open < wanted) {
        if (pipe(ring->pipes[ring->open]) != 0)
            return -errno;
        ring->open++;
    }
    return 0;
}

static inline void micro_ring_free(micro_ring_t *ring)
{
    if (ring == NULL)
        return;
    micro_ring_close_pipes(ring, 0);
    close(ring->arrived[0]);
    close(ring->arrived[1]);
    munmap(ring, sizeof *ring);
}

static inline void micro_ring_touch(const micro_ring_t *ring, int64_t task)
{
    volatile unsigned char *const set = ring->sets + task * ring->set_stride_bytes;
    for (int64_t at = 0; at < ring->set_bytes; at += MICRO_SET_LINE)
        set[at]++;
}

static inline int micro_ring_out(const micro_ring_t *ring, int64_t task)
{
    return ring->pipes[task + 1 == ring->tasks ? 0 : task + 1][1];
}

/* A peer's body: take the token, and pass it to the next task. */
static int64_t micro_ring_member(micro_peer_t *self, void *argument)
{
    micro_ring_t *const ring = argument;
    const int64_t task = self->index + 1;
    int64_t moved;
    while ((moved = micro_peer_moves_byte(self, ring->pipes[task][0], 0)) == 1) {
        micro_ring_touch(ring, task);
        if (--ring->left == 0) {
            ring->end_ns = micro_now_ns();
            moved = micro_peer_moves_byte(self, ring->arrived[1], 1);
        } else {
            moved = micro_peer_moves_byte(self, micro_ring_out(ring, task), 1);
        }
        if (moved != 1)
            break;
    }
    return moved;
}

/* A peer's body: answer each byte to the owner. */
static int64_t micro_ring_answerer(micro_peer_t *self, void *argument)
{
    micro_ring_t *const ring = argument;
    int64_t moved;
    while ((moved = micro_peer_moves_byte(self, ring->pipes[self->index][0], 0)) == 1)
        if ((moved = micro_peer_moves_byte(self, ring->arrived[1], 1)) != 1)
            break;
    return moved;
}

/* The owner lets the token make `hops` hops, from itself on: 0, with the nanoseconds that they took, or
 * -errno with the failed call's name. Where the last hop ends at a peer, the owner sleeps until it is
 * told. */
static inline int micro_ring_turn(micro_ring_t *ring, micro_peers_t *group, uint64_t hops,
                                  int64_t *elapsed_ns, const char **call)
{
    int64_t sent = (int64_t)hops;
    int status;
    const int64_t start_ns = micro_now_ns();
    ring->left = sent;
    for (;;) {
        *call = "write";
        status = micro_owner_moves_byte(group, micro_ring_out(ring, 0), 1);
        if (status)
            return status;
        *call = "read";
        if (sent < ring->tasks) {
            status = micro_owner_moves_byte(group, ring->arrived[0], 0);
            break;
        }
        status = micro_owner_moves_byte(group, ring->pipes[0][0], 0);
        if (status)
            return status;
        micro_ring_touch(ring, 0);
        sent = --ring->left;
        if (sent == 0) {
            ring->end_ns = micro_now_ns();
            break;
        }
    }
    *elapsed_ns = ring->end_ns - start_ns;
    return status;
}

/* Nanoseconds that the owner needs to touch its set so many times, alone, after a first time. */
static inline int64_t micro_ring_touching_ns(const micro_ring_t *ring, int64_t times)
{
    micro_ring_touch(ring, 0);
    const int64_t start_ns = micro_now_ns();
    for (int64_t i = 0; i < times; i++)
        micro_ring_touch(ring, 0);
    return micro_now_ns() - start_ns;
}

#endif
