/* Ways to move bytes. Each is a whole timed loop, so that a short move pays for no call to it:
 * n moves of `bytes` bytes; the number that were right, which is n unless a read saw wrong bytes. */
#ifndef MICRO_MOVING_H
#define MICRO_MOVING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif
#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef uint64_t (*micro_move_t)(unsigned char *to, const unsigned char *from, size_t bytes,
                                 uint64_t n);

typedef struct {
    micro_move_t move;
    const char *lacking;  /* why there is no such move here */
} micro_mover_t;

/* What sources hold and what targets are set to. */
#define MICRO_SOURCE_BYTE 1
#define MICRO_SET_BYTE 2

/* Memory changed, for all that the compiler knows: no move may be dropped, merged with the next or
 * turned into a call of the C library. */
#define MICRO_KEEP(pointer) __asm__ volatile("" : : "r"(pointer) : "memory")

#define MICRO_MOVE(name, attributes, ...) \
    static attributes uint64_t name(unsigned char *to, const unsigned char *from, size_t bytes, \
                                    uint64_t n) \
    { \
        (void)to, (void)from; \
        for (uint64_t i = 0; i < n; i++) { \
            __VA_ARGS__ \
            MICRO_KEEP(to); \
        } \
        return n; \
    }

MICRO_MOVE(micro_copy_libc, , memcpy(to, from, bytes);)
MICRO_MOVE(micro_set_libc, , memset(to, MICRO_SET_BYTE, bytes);)
/* A byte that is not there: the C library reads all there is. */
MICRO_MOVE(micro_read_libc, , if (memchr(from, 0, bytes) != NULL) return i;)

/* Four vectors a turn, then single bytes. Vectors may lie anywhere. */
#define MICRO_LOOPS(width, attributes) \
    typedef uint64_t micro_vector##width \
        __attribute__((vector_size(width / 8), aligned(1), may_alias)); \
    MICRO_MOVE(micro_copy_loop##width, attributes, \
        size_t at = 0; \
        for (; at + width / 2 <= bytes; at += width / 2) { \
            const micro_vector##width *source = (const micro_vector##width *)(from + at); \
            micro_vector##width *target = (micro_vector##width *)(to + at); \
            const micro_vector##width a = source[0], b = source[1], c = source[2], d = source[3]; \
            target[0] = a; \
            target[1] = b; \
            target[2] = c; \
            target[3] = d; \
            MICRO_KEEP(target); \
        } \
        for (; at < bytes; at++) { \
            to[at] = from[at]; \
            MICRO_KEEP(to); \
        }) \
    MICRO_MOVE(micro_write_loop##width, attributes, \
        size_t at = 0; \
        micro_vector##width value; \
        memset(&value, MICRO_SET_BYTE, sizeof value); \
        for (; at + width / 2 <= bytes; at += width / 2) { \
            micro_vector##width *target = (micro_vector##width *)(to + at); \
            target[0] = value; \
            target[1] = value; \
            target[2] = value; \
            target[3] = value; \
            MICRO_KEEP(target); \
        } \
        for (; at < bytes; at++) { \
            to[at] = MICRO_SET_BYTE; \
            MICRO_KEEP(to); \
        }) \
    MICRO_MOVE(micro_read_loop##width, attributes, \
        size_t at = 0; \
        micro_vector##width a = {0}, b = {0}, c = {0}, d = {0}; \
        for (; at + width / 2 <= bytes; at += width / 2) { \
            const micro_vector##width *source = (const micro_vector##width *)(from + at); \
            a += source[0]; \
            b += source[1]; \
            c += source[2]; \
            d += source[3]; \
        } \
        const uint64_t expected = at / 8 * (~(uint64_t)0 / 255 * MICRO_SOURCE_BYTE) \
            + (bytes - at) * MICRO_SOURCE_BYTE; \
        a += b + (c + d); \
        uint64_t sum = 0; \
        for (unsigned lane = 0; lane < width / 64; lane++) \
            sum += a[lane]; \
        for (; at < bytes; at++) \
            sum += from[at]; \
        if (sum != expected) \
            return i;)

MICRO_LOOPS(128, )

#if defined(__x86_64__) || defined(__i386__)
#define MICRO_HAS_AVX2_CODE 1
MICRO_LOOPS(256, __attribute__((target("avx2"))))

/* The CPU has AVX2 and the system keeps its registers. */
static inline int micro_has_wide_vectors(void)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27) || !(c & 1u << 28))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 6) == 6 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 5);
}

static inline int micro_has_fast_rep(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 9);
}

MICRO_MOVE(micro_copy_rep, ,
    void *target = to;
    const void *source = from;
    size_t count = bytes;
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(count) : : "memory");)
MICRO_MOVE(micro_set_rep, ,
    void *target = to;
    size_t count = bytes;
    __asm__ volatile("rep stosb" : "+D"(target), "+c"(count) : "a"(MICRO_SET_BYTE) : "memory");)
#define MICRO_HAS_REP 1
#else
#define MICRO_HAS_AVX2_CODE 0
#define MICRO_HAS_REP 0
#endif

/* Streaming stores, past the caches: 64 bytes a turn; what lies before and after is stored plainly. */
#define MICRO_STREAM(name, one, sixty_four, end) \
    MICRO_MOVE(name, , \
        size_t at = 0; \
        for (; at < bytes && (uintptr_t)(to + at) % 64; at++) { \
            one \
            MICRO_KEEP(to); \
        } \
        for (; at + 64 <= bytes; at += 64) { \
            sixty_four \
        } \
        for (; at < bytes; at++) { \
            one \
            MICRO_KEEP(to); \
        } \
        end)

#if defined(__SSE2__)
#define MICRO_HAS_NONTEMPORAL 1
MICRO_STREAM(micro_copy_nontemporal, to[at] = from[at];,
    const __m128i *source = (const __m128i *)(from + at);
    __m128i *target = (__m128i *)(to + at);
    const __m128i a = _mm_loadu_si128(source);
    const __m128i b = _mm_loadu_si128(source + 1);
    const __m128i c = _mm_loadu_si128(source + 2);
    const __m128i d = _mm_loadu_si128(source + 3);
    _mm_stream_si128(target, a);
    _mm_stream_si128(target + 1, b);
    _mm_stream_si128(target + 2, c);
    _mm_stream_si128(target + 3, d);,
    _mm_sfence();)
MICRO_STREAM(micro_write_nontemporal, to[at] = MICRO_SET_BYTE;,
    __m128i *target = (__m128i *)(to + at);
    const __m128i value = _mm_set1_epi8(MICRO_SET_BYTE);
    _mm_stream_si128(target, value);
    _mm_stream_si128(target + 1, value);
    _mm_stream_si128(target + 2, value);
    _mm_stream_si128(target + 3, value);,
    _mm_sfence();)
#elif defined(__aarch64__)
#define MICRO_HAS_NONTEMPORAL 1
MICRO_STREAM(micro_copy_nontemporal, to[at] = from[at];,
    __asm__ volatile("ldp q0, q1, [%1]\n\tldp q2, q3, [%1, #32]\n\t"
                     "stnp q0, q1, [%0]\n\tstnp q2, q3, [%0, #32]"
                     : : "r"(to + at), "r"(from + at) : "v0", "v1", "v2", "v3", "memory");, )
MICRO_STREAM(micro_write_nontemporal, to[at] = MICRO_SET_BYTE;,
    __asm__ volatile("movi v0.16b, %1\n\tstnp q0, q0, [%0]\n\tstnp q0, q0, [%0, #32]"
                     : : "r"(to + at), "i"(MICRO_SET_BYTE) : "v0", "memory");, )
#else
#define MICRO_HAS_NONTEMPORAL 0
#endif

static inline micro_mover_t micro_mover(const char *operation, const char *variant)
{
    const int copies = strcmp(operation, "copy") == 0;
    const int reads = strcmp(operation, "read") == 0;
    micro_mover_t found = {NULL, NULL};
    if (strcmp(variant, "libc") == 0) {
        found.move = copies ? micro_copy_libc : reads ? micro_read_libc : micro_set_libc;
    } else if (strcmp(variant, "loop") == 0) {
        found.move = copies ? micro_copy_loop128 : reads ? micro_read_loop128 : micro_write_loop128;
#if MICRO_HAS_AVX2_CODE
        if (micro_has_wide_vectors()) {
            found.move = copies ? micro_copy_loop256
                : reads ? micro_read_loop256 : micro_write_loop256;
        }
#endif
    } else if (strcmp(variant, "nontemporal") == 0) {
        found.lacking = "this architecture has no non-temporal stores that we use";
#if MICRO_HAS_NONTEMPORAL
        found.move = copies ? micro_copy_nontemporal : micro_write_nontemporal;
#endif
    } else {
        found.lacking = "this CPU has no fast rep movsb (ERMS)";
#if MICRO_HAS_REP
        if (micro_has_fast_rep())
            found.move = copies ? micro_copy_rep : micro_set_rep;
#endif
    }
    return found;
}

#endif
