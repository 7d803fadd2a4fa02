/* Chains of loads, each of which waits for the one before: random cycles through memory. */
#ifndef MICRO_CHAINS_H
#define MICRO_CHAINS_H

#include <stddef.h>
#include <stdint.h>

#define MICRO_CHAINS_MOST 64
#define MICRO_LOADED_LINE_BYTES 64

typedef struct micro_node {
    struct micro_node *next;
} micro_node_t;

/* The place of number i. Where they lie more than a line apart, each takes the next line of its
 * stretch, so that they spread over all sets of a cache. */
static inline micro_node_t *micro_node(char *start, uint64_t i, size_t apart_bytes)
{
    const size_t inside = i * MICRO_LOADED_LINE_BYTES % apart_bytes;
    return (micro_node_t *)(void *)(start + i * apart_bytes + inside);
}

/* The number after `at` in a cycle through 0 ... count - 1 that no prefetcher foresees: a linear
 * congruential generator of full period (Knuth, 3.2.1.2), whose low bits are mixed with its high
 * ones, and whose numbers beyond the count are left out. */
typedef struct {
    uint64_t count, mask;
    unsigned half_bits;
} micro_cycle_t;

static inline micro_cycle_t micro_cycle(uint64_t count)
{
    micro_cycle_t cycle = {count, 3, 1};   /* a full period needs a multiple of four */
    unsigned bits = 2;
    while (cycle.mask < count - 1) {
        cycle.mask = 2 * cycle.mask + 1;
        bits++;
    }
    cycle.half_bits = bits / 2;
    return cycle;
}

static inline uint64_t micro_mixed(const micro_cycle_t *cycle, uint64_t state)
{
    return state ^ state >> cycle->half_bits;
}

static inline uint64_t micro_next_state(const micro_cycle_t *cycle, uint64_t state)
{
    do {
        state = (state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407))
            & cycle->mask;
    } while (micro_mixed(cycle, state) >= cycle->count);
    return state;
}

/* Link `count` nodes to one cycle; chains[j] is where the j-th of so many chains begins: they follow
 * the same cycle, as far from each other as can be. */
static inline void micro_link(char *start, uint64_t count, size_t apart_bytes,
                              micro_node_t **chains, unsigned chain_count)
{
    const micro_cycle_t cycle = micro_cycle(count);
    uint64_t state = 0;   /* number 0 */
    unsigned chain = 0;
    for (uint64_t i = 0; i < count; i++) {
        micro_node_t *const node = micro_node(start, micro_mixed(&cycle, state), apart_bytes);
        while (chain < chain_count && i == count * chain / chain_count)
            chains[chain++] = node;
        state = micro_next_state(&cycle, state);
        node->next = micro_node(start, micro_mixed(&cycle, state), apart_bytes);
    }
}

/* n loads, a row of one on each chain at a time; the last row may be shorter. */
static inline void micro_follow(micro_node_t **chains, unsigned count, uint64_t n)
{
    for (; n >= count; n -= count)
        for (unsigned j = 0; j < count; j++)
            chains[j] = chains[j]->next;
    for (unsigned j = 0; j < n; j++)
        chains[j] = chains[j]->next;
}

/* n loads of one chain. */
static inline micro_node_t *micro_follow_one(micro_node_t *at, uint64_t n)
{
    for (; n; n--)
        at = at->next;
    return at;
}

#endif
