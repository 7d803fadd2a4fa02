/* wait for one of many sockets, the middle one being ready; agrees within 3 % at watched=1000 */
#include <poll.h>
#include <sys/resource.h>
#include "reference.h"
#include "sockets.h"

static struct pollfd *watched;
static nfds_t count;

static void setup(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    count = (nfds_t)given("level", 1000);
    watched = calloc(count, sizeof *watched);
    for (nfds_t i = 0; i < count; i++)
        watched[i] = (struct pollfd){i == count / 2 ? ready_socket() : idle_socket(), POLLIN, 0};
}

NOTHING_AROUND

static void once(long n)
{
    while (n-- > 0)
        if (poll(watched, count, 10000) != 1)
            die("poll");
}
