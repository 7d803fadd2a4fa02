/* Blocks on their way from the thread that allocates them to the thread that frees them.
 *
 * A ring of bundles with one writer and one reader: a whole bundle changes hands at once, so that
 * the cache line that both threads fight for costs little a block. Who waits lets others on its CPU
 * run: on a single CPU both get on. */
#ifndef MICRO_HANDOVER_H
#define MICRO_HANDOVER_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#define MICRO_BUNDLE 64   /* blocks handed over at once */
#define MICRO_BUNDLES 16
#define MICRO_HANDOVER_SPINS 256   /* before a waiting thread lets others on its CPU run */

typedef struct {
    uint64_t count;
    void *blocks[MICRO_BUNDLE];
} micro_bundle_t;

typedef struct {
    _Alignas(128) atomic_uint_fast64_t given;   /* apart: each is written by one thread only */
    _Alignas(128) atomic_uint_fast64_t taken;
    _Alignas(128) micro_bundle_t bundles[MICRO_BUNDLES];
} micro_handover_t;

static inline micro_handover_t *micro_handover_new(void)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 128, sizeof(micro_handover_t)) != 0)
        return NULL;
    micro_handover_t *ring = memory;
    atomic_init(&ring->given, 0);
    atomic_init(&ring->taken, 0);
    return ring;
}

static inline void micro_free_bundle(micro_bundle_t *bundle)
{
    for (uint64_t i = 0; i < bundle->count; i++)
        free(bundle->blocks[i]);
    bundle->count = 0;
}

/* Fill a bundle with up to `most` blocks of `size` bytes; fewer where malloc refuses one. */
static inline uint64_t micro_fill_bundle(micro_bundle_t *bundle, size_t size, uint64_t most)
{
    const uint64_t wanted = most < MICRO_BUNDLE ? most : MICRO_BUNDLE;
    for (bundle->count = 0; bundle->count < wanted; bundle->count++) {
        bundle->blocks[bundle->count] = malloc(size);
        if (bundle->blocks[bundle->count] == NULL)
            break;
    }
    return wanted - bundle->count;
}

/* Allocate n blocks and free them, a bundle at a time. How many there were before malloc refused. */
static inline uint64_t micro_keep(micro_handover_t *ring, size_t size, uint64_t n)
{
    for (uint64_t done = 0; done < n;) {
        const uint64_t lacking = micro_fill_bundle(&ring->bundles[0], size, n - done);
        done += ring->bundles[0].count;
        micro_free_bundle(&ring->bundles[0]);
        if (lacking)
            return done;
    }
    return n;
}

/* Allocate n blocks for the other thread. How many there were before malloc refused: the bundle
 * that stays short of what was wanted is the last, and an empty one ends the reader's wait. */
static inline uint64_t micro_give(micro_handover_t *ring, size_t size, uint64_t n)
{
    for (uint64_t done = 0; done < n;) {
        const uint64_t given = atomic_load_explicit(&ring->given, memory_order_relaxed);
        for (unsigned spins = 0;
             given - atomic_load_explicit(&ring->taken, memory_order_acquire) == MICRO_BUNDLES;
             spins++)
            if (spins >= MICRO_HANDOVER_SPINS)
                sched_yield();
        micro_bundle_t *bundle = &ring->bundles[given % MICRO_BUNDLES];
        const uint64_t lacking = micro_fill_bundle(bundle, size, n - done);
        done += bundle->count;
        atomic_store_explicit(&ring->given, given + 1, memory_order_release);
        if (lacking)
            return done;
    }
    return n;
}

/* Free what the other thread allocates: n blocks, or fewer if it could not get them. */
static inline void micro_take(micro_handover_t *ring, uint64_t n)
{
    for (uint64_t done = 0; done < n;) {
        const uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
        for (unsigned spins = 0;
             atomic_load_explicit(&ring->given, memory_order_acquire) == taken;
             spins++)
            if (spins >= MICRO_HANDOVER_SPINS)
                sched_yield();
        micro_bundle_t *bundle = &ring->bundles[taken % MICRO_BUNDLES];
        const uint64_t count = bundle->count;
        const uint64_t wanted = n - done < MICRO_BUNDLE ? n - done : MICRO_BUNDLE;
        micro_free_bundle(bundle);
        done += count;
        atomic_store_explicit(&ring->taken, taken + 1, memory_order_release);
        if (count < wanted)
            return;
    }
}

#endif
