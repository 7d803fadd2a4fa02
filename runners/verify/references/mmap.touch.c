/* read one byte of a page that was just mapped, beside many others; agrees within 3 % at maps=1024 */
#include <fcntl.h>
#include <sys/mman.h>
#include "reference.h"

static char **page;
static long held, file, page_bytes;

static char *map(long i)
{
    char *one = mmap(NULL, page_bytes, PROT_READ, MAP_SHARED, (int)file, i * 2 * page_bytes);
    if (one == MAP_FAILED)
        die("mmap");
    return one;
}

static void setup(void)
{
    const char *directory = getenv("MICRO_SCRATCH");
    char name[4096];
    snprintf(name, sizeof name, "%s/reference-XXXXXX", directory ? directory : "/tmp");
    held = given("level", 1000);
    page_bytes = sysconf(_SC_PAGESIZE);
    file = mkstemp(name);
    if (file < 0 || unlink(name) != 0
        || ftruncate((int)file, (held + 100000) * 2 * page_bytes) != 0)
        die("file");
    page = calloc((size_t)held + 100000, sizeof *page);
    for (long i = 0; i < held; i++)
        page[i] = map(i);
}

static void before(long n)
{
    for (long i = held; i < held + n; i++) {
        /* Written, not read: a read of a hole brings large folios, whose pages map otherwise. */
        if (pwrite((int)file, "", 1, i * 2 * page_bytes) != 1)
            die("pwrite");
        page[i] = map(i);
    }
}

/* Where the next page is depends on the byte read, a zero, so that the processor cannot run ahead
 * into the next fault; and a branch comes only after sixteen, for one between two faults lets their
 * cost depend on where this code lies. */
static void once(long n)
{
    char **next = page + held, **end = next + n;
    if (n % 16)
        exit(3);
    while (next < end) {
#define READ_ONE next += 1 + **(char *volatile *)next;
#define READ_FOUR READ_ONE READ_ONE READ_ONE READ_ONE
        READ_FOUR READ_FOUR READ_FOUR READ_FOUR
    }
}

static void after(long n)
{
    for (long i = held + n - 1; i >= held; i--)
        munmap(page[i], page_bytes);
}
