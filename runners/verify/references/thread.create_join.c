/* create a thread that does nothing and wait for its end;
 * agrees within 5 % at stack=default, stack_memory=library */
#include <pthread.h>
#include "reference.h"

static void *nothing(void *unused)
{
    return unused;
}

static void setup(void) {}

NOTHING_AROUND

static void once(long n)
{
    while (n-- > 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
            die("thread");
    }
}
