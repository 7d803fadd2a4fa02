/* make an empty file and delete it, in 16 directories in turn; agrees within 10 % at
 * fs=tmpfs, size=0 */
#include <fcntl.h>
#include <sys/stat.h>
#include "reference.h"

static int top = -1, directory[16];
static char name[] = "reference-XXXXXX", numbers[16][4];

static void leave(void)
{
    for (int i = 0; i < 16; i++)
        unlinkat(top, numbers[i], AT_REMOVEDIR);
    close(top);
    rmdir(name);
}

static void setup(void)
{
    const char *place = getenv("MICRO_MEMORY_SCRATCH");
    if (place == NULL || chdir(place) != 0 || mkdtemp(name) == NULL)
        die("mkdtemp");
    top = open(name, O_RDONLY | O_DIRECTORY);
    atexit(leave);
    for (int i = 0; i < 16; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%d", i);
        if (mkdirat(top, numbers[i], 0700) != 0)
            die("mkdirat");
        directory[i] = openat(top, numbers[i], O_RDONLY | O_DIRECTORY);
    }
}

NOTHING_AROUND

static void once(long n)
{
    for (long i = 0; i < n; i++) {
        const int at = directory[i % 16];
        const int file = openat(at, "file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file < 0 || close(file) != 0 || unlinkat(at, "file", 0) != 0)
            die("file");
    }
}
