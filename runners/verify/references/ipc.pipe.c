/* round trip of a byte with a forked child over two pipes; agrees within 10 % at
 * peer=process, cpu=same */
#include <sys/prctl.h>
#include <signal.h>
#include "reference.h"

static int there[2], back[2];

static void setup(void)
{
    char byte;
    if (pipe(there) != 0 || pipe(back) != 0)
        die("pipe");
    const pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(there[1]);
        while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
            ;
        _exit(0);
    }
    close(there[0]);
    close(back[1]);
}

NOTHING_AROUND

static void once(long n)
{
    char byte = 'b';
    while (n-- > 0)
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            die("round trip");
}
