/* a thread sends a signal to itself and catches it; agrees within 3 % */
#include <signal.h>
#include <sys/syscall.h>
#include "reference.h"

static volatile long seen;
static long process, thread;

static void handler(int number)
{
    (void)number;
    seen++;
}

static void setup(void)
{
    struct sigaction action = {.sa_handler = handler};
    process = getpid();
    thread = syscall(SYS_gettid);
    if (sigaction(SIGUSR2, &action, NULL) != 0)
        die("sigaction");
}

NOTHING_AROUND

static void once(long n)
{
    const long end = seen + n;
    while (n-- > 0)
        if (syscall(SYS_tgkill, process, thread, SIGUSR2) != 0)
            die("tgkill");
    if (seen != end)
        exit(3);
}
