/* two threads, each on a CPU of its own, write to one cache line in turn, and spin meanwhile;
 * agrees within 10 % at cpus=0-1 */
#include <pthread.h>
#include <stdatomic.h>
#include "reference.h"

static struct {
    _Alignas(256) atomic_long turn;
    char rest[256 - sizeof(atomic_long)];
} line;
static int other_cpu;

static void *answer(void *unused)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(other_cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        die("sched_setaffinity");
    for (;;) {
        while (atomic_load(&line.turn) != 1)
            ;
        atomic_store_explicit(&line.turn, 0, memory_order_release);
    }
    return unused;
}

static void setup(void)
{
    pthread_t thread;
    int first = 0, second = 1;
    for (int i = 4; i < arguments; i++)
        sscanf(argument[i], "cpus=%d-%d", &first, &second);
    other_cpu = sched_getcpu() == first ? second : first;
    if (pthread_create(&thread, NULL, answer, NULL) != 0)
        die("pthread_create");
}

NOTHING_AROUND

/* one operation is one way: half of there and back */
static void once(long n)
{
    for (; n > 0; n -= 2) {
        atomic_store_explicit(&line.turn, 1, memory_order_release);
        while (atomic_load(&line.turn) != 0)
            ;
    }
}
