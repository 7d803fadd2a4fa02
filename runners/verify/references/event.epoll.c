/* wait for one of many registered sockets; agrees within 3 % at watched=1000 */
#include <sys/epoll.h>
#include <sys/resource.h>
#include "reference.h"
#include "sockets.h"

static int set;

static void setup(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    set = epoll_create1(0);
    const long count = given("level", 1000);
    for (long i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        if (epoll_ctl(set, EPOLL_CTL_ADD, i == 0 ? ready_socket() : idle_socket(), &event) != 0)
            die("epoll_ctl");
    }
}

NOTHING_AROUND

static void once(long n)
{
    struct epoll_event event;
    while (n-- > 0)
        if (epoll_wait(set, &event, 1, 10000) != 1)
            die("epoll_wait");
}
