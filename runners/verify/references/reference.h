/* A plain loop to hold a probe against, written without the probes' code.
 *
 * A program (compiled with -D_GNU_SOURCE) includes this and supplies setup(), once(n), which is n
 * operations timed as a whole, and, where needed, before(n) and after(n) (not timed); with TIMES_ITSELF
 * defined, once(n) returns the nanoseconds that count. It is called as
 *     program N SLICES CPU [key=value ...]
 * and prints six integers a slice: nanoseconds of n operations, then the sentinel's chain and width
 * before and after it, and -1 (nobody tells what others used), so that both sides of a comparison are held to the same clean core.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../../cyext/core/sentinel.h"

static void setup(void);
static void before(long n);
#ifdef TIMES_ITSELF
static long long once(long n);
#else
static void once(long n);
#endif
static void after(long n);

static int arguments;
static char **argument;

__attribute__((unused)) static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

__attribute__((unused)) static long given(const char *key, long otherwise)
{
    const size_t length = strlen(key);
    for (int i = 4; i < arguments; i++)
        if (strncmp(argument[i], key, length) == 0 && argument[i][length] == '=')
            return atol(argument[i] + length + 1);
    return otherwise;
}

static long long clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long timed(long n)
{
#ifdef TIMES_ITSELF
    return once(n);
#else
    const long long start = clock_ns();
    once(n);
    return clock_ns() - start;
#endif
}

int main(int argc, char **argv)
{
    micro_sense_t first, second;
    if (argc < 4)
        return 2;
    arguments = argc;
    argument = argv;
    const long n = atol(argv[1]), slices = atol(argv[2]), cpu = atol(argv[3]);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
    setup();
    before(n);
    once(n);
    after(n);
    for (long i = 0; i < slices; i++) {
        before(n);
        micro_sense(&first);
        const long long elapsed = timed(n);
        micro_sense(&second);
        after(n);
        printf("%lld %lld %lld %lld %lld -1\n", elapsed, (long long)first.chain_ns,
               (long long)first.width_ns, (long long)second.chain_ns, (long long)second.width_ns);
    }
    return 0;
}

#define NOTHING_AROUND \
    static void before(long n) { (void)n; } \
    static void after(long n) { (void)n; }
