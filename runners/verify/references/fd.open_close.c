/* open a file in a directory by its plain name, close it; agrees within 3 % */
#include <fcntl.h>
#include "reference.h"

static char name[] = "reference-XXXXXX";

static void leave(void)
{
    unlink(name);
}

static void setup(void)
{
    const char *directory = getenv("MICRO_SCRATCH");
    if (chdir(directory ? directory : "/tmp") != 0)
        die("chdir");
    const int made = mkstemp(name);
    if (made < 0)
        die("mkstemp");
    close(made);
    atexit(leave);
}

NOTHING_AROUND

static void once(long n)
{
    while (n-- > 0) {
        const int file = open(name, O_RDONLY | O_CLOEXEC);
        if (file < 0)
            die("open");
        close(file);
    }
}
