/* Peers that use their CPU, and do so only while their owner's batch lasts: between batches they sleep,
 * so that the sentinel sees the machine's noise and not them. peers.h starts and ends them; a body is
 *
 *     int64_t status;
 *     while ((status = micro_busy_begins(self, busy)) == 1)
 *         while (micro_busy_lasts(busy))
 *             ...
 *     return status;
 */
#ifndef MICRO_BUSY_PEERS_H
#define MICRO_BUSY_PEERS_H

#include "core/peers.h"

#define MICRO_BUSY_ROLL_CALL 4096   /* yields before the owner asks whether a peer has failed */
#define MICRO_BUSY_YIELDS 16        /* and before it sleeps for so long */
#define MICRO_BUSY_PAUSE_NS 100000

/* In memory that all share. */
typedef struct {
    _Alignas(128) atomic_int lasts;
    _Alignas(128) atomic_int_fast64_t wanted;   /* peers of this batch */
    atomic_int_fast64_t busy;                   /* of these have begun and not ended */
    int begin[2];                               /* a byte for each peer begins a batch */
    void *more;                                 /* what else the bodies need, in shared memory, too */
} micro_busy_t;

/* For a peer: 1 when a batch begins and all its peers are there, 0 when it should leave, or -errno. */
static inline int64_t micro_busy_begins(micro_peer_t *self, micro_busy_t *busy)
{
    const int64_t moved = micro_peer_moves_byte(self, busy->begin[0], 0);
    if (moved != 1)
        return moved;
    atomic_fetch_add(&busy->busy, 1);
    while (atomic_load(&busy->busy) < atomic_load(&busy->wanted) && atomic_load(&busy->lasts))
        sched_yield();
    return 1;
}

static inline int micro_busy_lasts(micro_busy_t *busy)
{
    return atomic_load_explicit(&busy->lasts, memory_order_relaxed);
}

/* For a peer, at the end of its batch. */
static inline void micro_busy_ended(micro_busy_t *busy)
{
    atomic_fetch_add(&busy->busy, -1);
}

/* NULL on failure, with errno. */
static inline micro_busy_t *micro_busy_new(void *more)
{
    micro_busy_t *const busy = micro_shared_memory(sizeof *busy);
    if (busy == NULL)
        return NULL;
    busy->more = more;
    if (pipe(busy->begin) != 0) {
        const int error = errno;
        munmap(busy, sizeof *busy);
        errno = error;
        return NULL;
    }
    return busy;
}

static inline void micro_busy_free(micro_busy_t *busy)
{
    if (busy == NULL)
        return;
    close(busy->begin[0]);
    close(busy->begin[1]);
    munmap(busy, sizeof *busy);
}

static inline int micro_busy_until(micro_busy_t *busy, micro_peers_t *group, int64_t count)
{
    const struct timespec moment = {0, MICRO_BUSY_PAUSE_NS};
    for (unsigned yields = 1; atomic_load(&busy->busy) != count; yields++) {
        if (yields % MICRO_BUSY_YIELDS)
            sched_yield();
        else
            nanosleep(&moment, NULL);   /* peers with a small share of this CPU would hardly run */
        if (yields % MICRO_BUSY_ROLL_CALL == 0) {
            const int64_t error = micro_peers_failed(group);
            if (error)
                return (int)error;
        }
    }
    return 0;
}

/* All peers of the group are busy from now on. 0, or -errno. Nothing happens where they are. */
static inline int micro_busy_all(micro_busy_t *busy, micro_peers_t *group)
{
    if (atomic_load(&busy->lasts))
        return 0;
    atomic_store(&busy->wanted, group->count);
    atomic_store(&busy->lasts, 1);
    for (int64_t i = 0; i < group->count; i++) {
        const int status = micro_owner_moves_byte(group, busy->begin[1], 1);
        if (status)
            return status;
    }
    return micro_busy_until(busy, group, group->count);
}

/* All peers sleep again. */
static inline int micro_busy_none(micro_busy_t *busy, micro_peers_t *group)
{
    if (!atomic_exchange(&busy->lasts, 0))
        return 0;
    return micro_busy_until(busy, group, 0);
}

#endif
