/* Every move, of every length up to some hundred bytes, from and to odd places: the right bytes
 * arrive, none beside them is touched, and a read tells which operation saw a wrong byte. */
#include <stdio.h>
#include <stdlib.h>

#include "memory/copy_loops.h"

#define MOST 700
#define GUARD 64

static unsigned char from[MOST + 3 * GUARD], to[MOST + 3 * GUARD], before[sizeof to];

static void require(int holds, const char *what, const char *operation, const char *workload,
                    size_t bytes, size_t shift)
{
    if (!holds) {
        printf("%s: %s by %s, %zu bytes, shift %zu\n", what, operation, workload, bytes, shift);
        exit(1);
    }
}

static void check_write(micro_move_t move, const char *operation, const char *workload, size_t bytes,
                        size_t shift)
{
    const int copies = strcmp(operation, "copy") == 0;
    unsigned char *target = to + GUARD + shift;
    const unsigned char *source = from + GUARD + 2 * shift;
    for (size_t i = 0; i < sizeof from; i++) {
        from[i] = (unsigned char)(i * 7 + 1);
        before[i] = to[i] = 255;
    }
    require(move(target, source, bytes, 3) == 3, "count", operation, workload, bytes, shift);
    for (size_t i = 0; i < bytes; i++)
        before[GUARD + shift + i] = copies ? source[i] : MICRO_SET_BYTE;
    require(memcmp(to, before, sizeof to) == 0, "bytes", operation, workload, bytes, shift);
}

static void check_read(micro_move_t move, const char *workload, size_t bytes, size_t shift)
{
    unsigned char *source = from + GUARD + shift;
    memset(from, 0, sizeof from);
    memset(source, MICRO_SOURCE_BYTE, bytes);
    require(move(NULL, source, bytes, 3) == 3, "count", "read", workload, bytes, shift);
    for (size_t wrong = 0; wrong < bytes; wrong++) {
        source[wrong] = 0;
        require(move(NULL, source, bytes, 3) == 0, "unseen", "read", workload, bytes, shift);
        source[wrong] = MICRO_SOURCE_BYTE;
    }
}

int main(void)
{
    static const char *const kinds[][2] = {
        {"copy", "libc"}, {"copy", "loop"}, {"copy", "nontemporal"}, {"copy", "rep"},
        {"set", "libc"}, {"set", "rep"}, {"write", "loop"}, {"write", "nontemporal"},
        {"read", "loop"}, {"read", "libc"},
    };
    unsigned checked = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const char *operation = kinds[k][0], *workload = kinds[k][1];
        const micro_mover_t mover = micro_mover(operation, workload);
        require(mover.move || mover.lacking, "reason", operation, workload, 0, 0);
        if (!mover.move)
            continue;
        checked++;
        for (size_t bytes = 1; bytes <= MOST; bytes += bytes < 300 ? 1 : 37)
            for (size_t shift = 0; shift < 4; shift++) {
                if (strcmp(operation, "read") == 0)
                    check_read(mover.move, workload, bytes, shift);
                else
                    check_write(mover.move, operation, workload, bytes, shift);
            }
    }
#if MICRO_HAS_AVX2_CODE
    for (size_t bytes = 1; bytes <= MOST; bytes += 13) {   /* where the CPU has wider ones, too */
        check_write(micro_copy_loop128, "copy", "loop of 128 bits", bytes, 1);
        check_write(micro_write_loop128, "write", "loop of 128 bits", bytes, 1);
        check_read(micro_read_loop128, "loop of 128 bits", bytes, 1);
    }
#endif
    printf("%u moves\n", checked);
    return 0;
}
