/* Blocks on their way from the thread that allocates them to the thread that frees them.
 *
 * A ring with one writer and one reader. Bundles of blocks change hands at once, so that the cache
 * line that both threads need costs little per block. A thread that waits lets others on its CPU run:
 * both make progress on a single CPU. The ring is small, and half full before and after a batch, so
 * that a small batch does not run ahead of its reader further than a large one. */
#ifndef MICRO_HANDOVER_H
#define MICRO_HANDOVER_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#define MICRO_BUNDLE 64   /* blocks handed over at once */
#define MICRO_RING (4 * MICRO_BUNDLE)
#define MICRO_HANDOVER_SPINS 256   /* before a waiting thread lets others on its CPU run */

typedef struct {
    /* Blocks so far. Apart: each is written by one thread only. */
    _Alignas(128) atomic_uint_fast64_t given;
    atomic_int refused;   /* malloc refused a block: no more will come in this batch */
    _Alignas(128) atomic_uint_fast64_t taken;
    _Alignas(128) void *blocks[MICRO_RING];
} micro_handover_t;

static inline micro_handover_t *micro_handover_new(void)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 128, sizeof(micro_handover_t)) != 0)
        return NULL;
    micro_handover_t *ring = memory;
    atomic_init(&ring->given, 0);
    atomic_init(&ring->refused, 0);
    atomic_init(&ring->taken, 0);
    return ring;
}

static inline uint64_t micro_bundle_of(uint64_t blocks)
{
    return blocks < MICRO_BUNDLE ? blocks : MICRO_BUNDLE;
}

static inline void micro_wait_turn(unsigned spins)
{
    if (spins >= MICRO_HANDOVER_SPINS)
        sched_yield();
}

/* Allocate `count` blocks into the ring, where there is room for them. How many there were. */
static inline uint64_t micro_allocate_into(micro_handover_t *ring, size_t size, uint64_t count)
{
    const uint64_t given = atomic_load_explicit(&ring->given, memory_order_relaxed);
    uint64_t got = 0;
    for (; got < count; got++) {
        void *const block = malloc(size);
        if (block == NULL)
            break;
        ring->blocks[(given + got) % MICRO_RING] = block;
    }
    atomic_store_explicit(&ring->given, given + got, memory_order_release);
    if (got < count)
        atomic_store_explicit(&ring->refused, 1, memory_order_release);
    return got;
}

/* Free `count` blocks that are in the ring. */
static inline void micro_free_from(micro_handover_t *ring, uint64_t count)
{
    const uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    for (uint64_t i = 0; i < count; i++)
        free(ring->blocks[(taken + i) % MICRO_RING]);
    atomic_store_explicit(&ring->taken, taken + count, memory_order_release);
}

/* Before a batch, while nobody takes: half a ring of blocks is on its way. 0: malloc refused one. */
static inline int micro_half_fill(micro_handover_t *ring, size_t size)
{
    const uint64_t there = atomic_load(&ring->given) - atomic_load(&ring->taken);
    atomic_store(&ring->refused, 0);
    return there >= MICRO_RING / 2
        || micro_allocate_into(ring, size, MICRO_RING / 2 - there) == MICRO_RING / 2 - there;
}

/* While nobody else uses it: free all blocks in the ring. */
static inline void micro_empty(micro_handover_t *ring)
{
    micro_free_from(ring, atomic_load(&ring->given) - atomic_load(&ring->taken));
}

/* Allocate n blocks and free them, a bundle at a time. How many there were before malloc refused. */
static inline uint64_t micro_keep(size_t size, uint64_t n)
{
    void *blocks[MICRO_BUNDLE];
    uint64_t done = 0;
    while (done < n) {
        const uint64_t wanted = micro_bundle_of(n - done);
        uint64_t got = 0;
        while (got < wanted && (blocks[got] = malloc(size)) != NULL)
            got++;
        for (uint64_t i = 0; i < got; i++)
            free(blocks[i]);
        done += got;
        if (got < wanted)
            break;
    }
    return done;
}

/* Allocate n blocks for the other thread. How many there were before malloc refused. */
static inline uint64_t micro_give(micro_handover_t *ring, size_t size, uint64_t n)
{
    uint64_t done = 0;
    while (done < n) {
        const uint64_t wanted = micro_bundle_of(n - done);
        const uint64_t given = atomic_load_explicit(&ring->given, memory_order_relaxed);
        for (unsigned spins = 0; given + wanted
                 - atomic_load_explicit(&ring->taken, memory_order_acquire) > MICRO_RING; spins++)
            micro_wait_turn(spins);
        const uint64_t got = micro_allocate_into(ring, size, wanted);
        done += got;
        if (got < wanted)
            break;
    }
    return done;
}

/* Free n of the blocks that the other thread allocates, or fewer if it cannot get them. */
static inline void micro_take(micro_handover_t *ring, uint64_t n)
{
    for (uint64_t done = 0; done < n;) {
        const uint64_t wanted = micro_bundle_of(n - done);
        const uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
        uint64_t there = 0;
        for (unsigned spins = 0; ; spins++) {
            there = atomic_load_explicit(&ring->given, memory_order_acquire) - taken;
            if (there >= wanted)
                break;
            if (atomic_load_explicit(&ring->refused, memory_order_acquire)) {
                /* It was set after the last blocks were given, perhaps since the look above. */
                there = atomic_load_explicit(&ring->given, memory_order_acquire) - taken;
                break;
            }
            micro_wait_turn(spins);
        }
        micro_free_from(ring, there < wanted ? there : wanted);
        if (there < wanted)
            return;
        done += wanted;
    }
}

#endif
