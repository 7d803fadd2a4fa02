/* The sentinel: two fixed stretches of user-space code that see what no counter of a guest shows.
 *
 * chain: dependent multiply-adds. One instruction waits for the one before, so a stranger on the
 *        sibling hyper-thread hardly slows it: its time is the clock rate.
 * width: eight independent add/xor chains. It fills every integer port, so a stranger on the core
 *        takes its share: width over chain is a constant of the microarchitecture while the core is
 *        ours, and 1.5 to 2 times that while it is not, whatever the clock rate does.
 *
 * Registers only: no memory, no call, no branch but the counter. The barriers keep the compiler from
 * folding, widening or reordering any of it, so the count of instructions is the one written here.
 */
#ifndef MICRO_SENTINEL_H
#define MICRO_SENTINEL_H

#include <stdint.h>
#include "../os/clock.h"

typedef struct {
    int64_t chain_ns;
    int64_t width_ns;
    int64_t end_ns;   /* clock at the end: tells whether the next slice may share this sentinel */
} micro_sense_t;

#define MICRO_CHAIN_STEPS 6000
#define MICRO_WIDTH_STEPS 2000   /* of 64 operations each */

#if defined(__x86_64__)
#define MICRO_CHAIN_STEP(x, m, a) \
    __asm__ volatile("imulq %1, %0\n\taddq %2, %0" : "+r"(x) : "r"(m), "r"(a) : "cc")
#define MICRO_ROW(op) \
    op " %8, %0\n\t" op " %8, %1\n\t" op " %8, %2\n\t" op " %8, %3\n\t" \
    op " %8, %4\n\t" op " %8, %5\n\t" op " %8, %6\n\t" op " %8, %7\n\t"
#define MICRO_ADD_ROW MICRO_ROW("addq")
#define MICRO_XOR_ROW MICRO_ROW("xorq")
#define MICRO_FLAGS "cc"
#elif defined(__aarch64__)
#define MICRO_CHAIN_STEP(x, m, a) \
    __asm__ volatile("mul %0, %0, %1\n\tadd %0, %0, %2" : "+r"(x) : "r"(m), "r"(a))
#define MICRO_ROW(op) \
    op " %0, %0, %8\n\t" op " %1, %1, %8\n\t" op " %2, %2, %8\n\t" op " %3, %3, %8\n\t" \
    op " %4, %4, %8\n\t" op " %5, %5, %8\n\t" op " %6, %6, %8\n\t" op " %7, %7, %8\n\t"
#define MICRO_ADD_ROW MICRO_ROW("add")
#define MICRO_XOR_ROW MICRO_ROW("eor")
#define MICRO_FLAGS "cc"
#else
/* Any other CPU: the same shape in C, each step pinned by an empty barrier. */
#define MICRO_CHAIN_STEP(x, m, a) \
    do { (x) = (x) * (m) + (a); __asm__ volatile("" : "+r"(x)); } while (0)
#endif

/* So many dependent steps: for whoever needs work of known length. */
static inline void micro_chain(uint64_t steps)
{
    uint64_t x = 12345;
    const uint64_t m = UINT64_C(6364136223846793005), a = UINT64_C(1442695040888963407);
    for (uint64_t i = 0; i < steps; i++)
        MICRO_CHAIN_STEP(x, m, a);
    __asm__ volatile("" : : "r"(x));
}

static inline int64_t micro_chain_ns(void)
{
    uint64_t x = 12345;
    const uint64_t m = UINT64_C(6364136223846793005), a = UINT64_C(1442695040888963407);
    const int64_t start = micro_now_ns();
    for (int i = 0; i < MICRO_CHAIN_STEPS / 8; i++) {
        MICRO_CHAIN_STEP(x, m, a); MICRO_CHAIN_STEP(x, m, a);
        MICRO_CHAIN_STEP(x, m, a); MICRO_CHAIN_STEP(x, m, a);
        MICRO_CHAIN_STEP(x, m, a); MICRO_CHAIN_STEP(x, m, a);
        MICRO_CHAIN_STEP(x, m, a); MICRO_CHAIN_STEP(x, m, a);
    }
    __asm__ volatile("" : : "r"(x));
    return micro_now_ns() - start;
}

static inline int64_t micro_width_ns(void)
{
    uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
    const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
    const int64_t start = micro_now_ns();
    for (int i = 0; i < MICRO_WIDTH_STEPS; i++) {
#ifdef MICRO_ROW
        __asm__ volatile(
            MICRO_ADD_ROW MICRO_XOR_ROW MICRO_ADD_ROW MICRO_XOR_ROW
            MICRO_ADD_ROW MICRO_XOR_ROW MICRO_ADD_ROW MICRO_XOR_ROW
            : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g), "+r"(h)
            : "r"(k) : MICRO_FLAGS);
#else
        for (int row = 0; row < 4; row++) {
            a += k; b += k; c += k; d += k; e += k; f += k; g += k; h += k;
            __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
            __asm__ volatile("" : "+r"(e), "+r"(f), "+r"(g), "+r"(h));
            a ^= k; b ^= k; c ^= k; d ^= k; e ^= k; f ^= k; g ^= k; h ^= k;
            __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
            __asm__ volatile("" : "+r"(e), "+r"(f), "+r"(g), "+r"(h));
        }
#endif
    }
    __asm__ volatile("" : : "r"(a), "r"(b), "r"(c), "r"(d));
    __asm__ volatile("" : : "r"(e), "r"(f), "r"(g), "r"(h));
    return micro_now_ns() - start;
}

static inline void micro_sense(micro_sense_t *out)
{
    out->chain_ns = micro_chain_ns();
    out->width_ns = micro_width_ns();
    out->end_ns = micro_now_ns();
}

#endif
