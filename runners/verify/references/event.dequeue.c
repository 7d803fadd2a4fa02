/* hear of 64 ready sockets by one call; agrees within 5 % at events=all, ready=64 */
#include <sys/epoll.h>
#include "reference.h"
#include "sockets.h"

enum { READY = 64 };

static int set;

static void setup(void)
{
    set = epoll_create1(0);
    for (int i = 0; i < READY; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data = {.fd = i}};
        if (epoll_ctl(set, EPOLL_CTL_ADD, ready_socket(), &event) != 0)
            die("epoll_ctl");
    }
}

NOTHING_AROUND

static void once(long n)
{
    struct epoll_event events[READY];
    while (n-- > 0)
        if (epoll_wait(set, events, READY, 10000) != READY)
            die("epoll_wait");
}
