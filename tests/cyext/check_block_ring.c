/* What one thread allocates the other frees, all of it, also when malloc refuses midway. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local uint64_t allocated, freed;
static uint64_t refused_from = UINT64_MAX;

static void *counted_malloc(size_t size)
{
    if (allocated >= refused_from)
        return NULL;
    allocated++;
    return malloc(size);
}

static void counted_free(void *block)
{
    freed++;
    free(block);
}

#define malloc counted_malloc
#define free counted_free
#include "malloc/block_ring.h"
#undef malloc
#undef free

typedef struct {
    micro_handover_t *ring;
    uint64_t n, allocated, freed;
} taker_t;

static void *take(void *argument)
{
    taker_t *taker = argument;
    micro_take(taker->ring, taker->n);
    taker->allocated = allocated;
    taker->freed = freed;
    return NULL;
}

static void check(micro_handover_t *ring, uint64_t n, uint64_t refused)
{
    const uint64_t expected = n < refused ? n : refused;
    const uint64_t there = expected + MICRO_RING / 2;   /* with those that are on their way before */
    const uint64_t taken = n < there ? n : there;
    taker_t taker = {ring, n, 0, 0};
    pthread_t thread;
    refused_from = UINT64_MAX;
    if (!micro_half_fill(ring, 100)
        || atomic_load(&ring->given) - atomic_load(&ring->taken) != MICRO_RING / 2) {
        printf("not half full before %llu\n", (unsigned long long)n);
        exit(1);
    }
    allocated = freed = 0;
    refused_from = refused;
    pthread_create(&thread, NULL, take, &taker);
    const uint64_t given = micro_give(ring, 100, n);
    pthread_join(thread, NULL);
    if (given != expected || allocated != expected || freed || taker.allocated
        || taker.freed != taken) {
        printf("of %llu, refused from %llu: given %llu, allocated %llu, freed %llu there\n",
               (unsigned long long)n, (unsigned long long)refused, (unsigned long long)given,
               (unsigned long long)allocated, (unsigned long long)taker.freed);
        exit(1);
    }
    allocated = freed = 0;
    if (micro_keep(100, n) != expected || allocated != expected || freed != expected) {
        printf("alone, of %llu\n", (unsigned long long)n);
        exit(1);
    }
}

int main(void)
{
    static const uint64_t counts[] = {1, 63, 64, 65, 128, 1023, 1024, 1025, 20000};
    micro_handover_t *ring = micro_handover_new();   /* one for all: each leaves it fit for more */
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        check(ring, counts[i], UINT64_MAX);
        for (uint64_t refused = 0; refused < counts[i]; refused += 1 + counts[i] / 5)
            check(ring, counts[i], refused);
        check(ring, counts[i], counts[i] - 1);
        check(ring, counts[i], counts[i] / 64 * 64);
    }
    const uint64_t left = atomic_load(&ring->given) - atomic_load(&ring->taken);
    freed = 0;
    micro_empty(ring);
    if (freed != left) {
        printf("%llu blocks left, %llu freed\n", (unsigned long long)left,
               (unsigned long long)freed);
        exit(1);
    }
    free(ring);
    return 0;
}
