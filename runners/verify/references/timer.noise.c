/* 16,000 dependent multiply-adds and a look at the clock; agrees within 3 % */
#include "reference.h"

enum { STEPS = 16000 };

static void setup(void)
{
}

NOTHING_AROUND

static void once(long n)
{
    static volatile unsigned long sink;
    unsigned long x = sink, by = 6364136223846793005;
    __asm__("" : "+r"(by));   /* a register holds it, as one would hold a variable */
    while (n-- > 0) {
        for (int i = 0; i < STEPS; i++)
            x = x * by + 1442695040888963407;
        (void)clock_ns();
    }
    sink = x;
}
