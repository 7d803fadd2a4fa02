/* copy one buffer to another, both touched and in huge pages where the system gives them; agrees within 5 % at size=67108864 */
#include <sys/mman.h>
#include "reference.h"

static char *from, *to;
static size_t size;

static char *room(void)
{
    char *space = mmap(NULL, size + (4 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);
    if (space == MAP_FAILED)
        die("mmap");
    space = (char *)(((size_t)space + (2 << 20) - 1) & ~(size_t)((2 << 20) - 1));
    madvise(space, size + (2 << 20) - 1, MADV_HUGEPAGE);
    memset(space, 7, size + 4096);
    return space;
}

static void setup(void)
{
    size = (size_t)given("level", 64 << 20);
    from = room();
    to = room() + 2048;   /* half a page on: loads must not look like reads of what was stored */
}

NOTHING_AROUND

static void once(long n)
{
    while (n-- > 0) {
        memcpy(to, from, size);
        __asm__ volatile("" : : "r"(to) : "memory");
    }
}
