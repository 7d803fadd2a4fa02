/* allocate a block and free it, in a thread of its own as the probe does; agrees within 5 % at threads=1, size=512 */
#include <pthread.h>
#include "reference.h"

static size_t size;
static long todo;

static void setup(void)
{
    size = (size_t)given("size", 512);
}

NOTHING_AROUND

static void *volatile kept;

static void once(long n)
{
    for (todo = n; todo > 0; todo--) {
        void *block = malloc(size);
        kept = block;
        free(block);
    }
}
