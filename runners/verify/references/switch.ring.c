/* a token passed back and forth by two processes over pipes, a hop an operation; agrees within
 * 10 % at peer=process, tasks=2 */
#include <signal.h>
#include <sys/prctl.h>
#include "reference.h"

static int there[2], back[2];

static void setup(void)
{
    char token;
    if (pipe(there) != 0 || pipe(back) != 0)
        die("pipe");
    switch (fork()) {
    case -1:
        die("fork");
        break;
    case 0:
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(there[1]);
        while (read(there[0], &token, 1) == 1)
            if (write(back[1], &token, 1) != 1)
                break;
        _exit(0);
    default:
        break;
    }
}

NOTHING_AROUND

static void once(long n)
{
    char token = 't';
    for (long hops = 0; hops < n; hops += 2)
        if (write(there[1], &token, 1) != 1 || read(back[0], &token, 1) != 1)
            die("hop");
}
