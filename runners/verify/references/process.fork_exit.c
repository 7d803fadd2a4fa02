/* fork a child that leaves, wait for it; agrees within 3 % at image=static */
#include <sys/wait.h>
#include "reference.h"

static void setup(void) {}

NOTHING_AROUND

static void once(long n)
{
    while (n-- > 0) {
        int status;
        const pid_t child = fork();
        if (child == 0)
            _exit(0);
        if (child < 0 || waitpid(child, &status, 0) != child)
            die("fork");
    }
}
