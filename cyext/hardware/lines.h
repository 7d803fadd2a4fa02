/* Cache lines that several CPUs write to. */
#ifndef MICRO_LINES_H
#define MICRO_LINES_H

#include <stdatomic.h>
#include <stdint.h>

/* Intel's and AMD's prefetchers fetch 64-byte lines in pairs, and Apple's lines have 128 bytes. */
#define MICRO_LINE_BYTES 128

/* In memory that all members see. */
typedef struct {
    _Alignas(MICRO_LINE_BYTES) atomic_uint_fast64_t word;
    _Alignas(MICRO_LINE_BYTES) atomic_int error;   /* why a member cannot take part */
} micro_passed_line_t;

/* Pass a line on n times: members write to it in turn, each once it has seen the write before.
 * `at` is the word before the first of them. Between the two there is no division, which would
 * take a quarter as long as the line does. */
static inline void micro_pass_line(micro_passed_line_t *line, uint64_t at, uint64_t n,
                                   uint64_t index, uint64_t members)
{
    const uint64_t end = at + n, until_mine = (index + members - at % members) % members;
    for (uint64_t mine = at + until_mine; mine < end; mine += members) {
        while (atomic_load_explicit(&line->word, memory_order_acquire) < mine)
            ;
        atomic_store_explicit(&line->word, mine + 1, memory_order_release);
    }
    while (atomic_load_explicit(&line->word, memory_order_acquire) < end)
        ;
}

/* Add 1 to a word n times, by a load and a store. */
static inline void micro_add_plain(atomic_uint_fast64_t *word, uint64_t n)
{
    for (; n; n--)
        atomic_store_explicit(
            word, atomic_load_explicit(word, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* Add 1 to a word n times, atomically. */
static inline void micro_add_atomic(atomic_uint_fast64_t *word, uint64_t n)
{
    for (; n; n--)
        atomic_fetch_add_explicit(word, 1, memory_order_relaxed);
}

#endif
