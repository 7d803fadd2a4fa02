/* lock and unlock the first byte of a file with fcntl();
 * agrees within 5 % at kind=fcntl, file=one, processes=1 */
#include <fcntl.h>
#include "reference.h"

static int file;

static void setup(void)
{
    char name[] = "/tmp/micro-reference-XXXXXX";
    file = mkstemp(name);
    if (file < 0 || unlink(name) != 0 || ftruncate(file, 1) != 0)
        die("file");
}

NOTHING_AROUND

static void once(long n)
{
    struct flock byte = {.l_whence = SEEK_SET, .l_len = 1};
    while (n-- > 0) {
        byte.l_type = F_WRLCK;
        if (fcntl(file, F_SETLKW, &byte) != 0)
            die("lock");
        byte.l_type = F_UNLCK;
        if (fcntl(file, F_SETLKW, &byte) != 0)
            die("unlock");
    }
}
