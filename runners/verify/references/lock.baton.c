/* two processes that hand over by fcntl() locks on four files, a hand-over an operation; agrees within
 * 10 % at kind=fcntl, peer=process, tasks=2 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include "reference.h"

/* Two files lead there, two back; of each pair the giver has locked one at a time. */
static int there[2], back[2];
static int turn;

static int file(void)
{
    char name[] = "/tmp/micro-reference-XXXXXX";
    const int fd = mkstemp(name);
    if (fd < 0 || unlink(name) != 0)
        die("file");
    return fd;
}

static void change(int fd, short type)
{
    struct flock byte = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
    if (fcntl(fd, F_SETLKW, &byte) != 0)
        die("fcntl");
}

static void give(const int *pair)
{
    change(pair[!turn], F_WRLCK);
    change(pair[turn], F_UNLCK);
}

static void take(const int *pair)
{
    change(pair[turn], F_WRLCK);
    change(pair[turn], F_UNLCK);
}

static void setup(void)
{
    int ready[2];
    char byte = 'r';
    if (pipe(ready) != 0)
        die("pipe");
    for (int i = 0; i < 2; i++) {
        there[i] = file();
        back[i] = file();
    }
    change(there[0], F_WRLCK);
    switch (fork()) {
    case -1:
        die("fork");
        break;
    case 0:
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        change(back[0], F_WRLCK);
        if (write(ready[1], &byte, 1) != 1)
            die("ready");
        for (;; turn = !turn) {
            take(there);
            give(back);
        }
    default:
        if (read(ready[0], &byte, 1) != 1)
            die("ready");
        break;
    }
}

NOTHING_AROUND

static void once(long n)
{
    for (long hops = 0; hops < n; hops += 2) {
        give(there);
        take(back);
        turn = !turn;
    }
}
