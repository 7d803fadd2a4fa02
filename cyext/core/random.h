/* Numbers that look random and are the same in every session: splitmix64. */
#ifndef MICRO_RANDOM_H
#define MICRO_RANDOM_H

#include <stdint.h>

static inline uint64_t micro_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* One of 0 .. count - 1, count below 2^32. */
static inline uint64_t micro_random_below(uint64_t *state, uint64_t count)
{
    return (micro_random(state) >> 32) * count >> 32;
}

#endif
