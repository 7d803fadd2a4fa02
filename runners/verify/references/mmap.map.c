/* map one more page of a file, beside many others; agrees within 3 % at maps=1024 */
#include <fcntl.h>
#include <sys/mman.h>
#include "reference.h"

static char **page;
static long held, file, page_bytes;

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
        page[i] = mmap(NULL, page_bytes, PROT_READ, MAP_SHARED, (int)file, i * 2 * page_bytes);
}

static void before(long n)
{
    (void)n;
}

static void once(long n)
{
    for (long i = held; i < held + n; i++) {
        page[i] = mmap(NULL, page_bytes, PROT_READ, MAP_SHARED, (int)file, i * 2 * page_bytes);
        if (page[i] == MAP_FAILED)
            die("mmap");
    }
}

static void after(long n)
{
    for (long i = held + n - 1; i >= held; i--)
        munmap(page[i], page_bytes);
}
