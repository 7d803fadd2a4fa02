/* put off one of 64 timers, drawn at random, and wait for what is ready; agrees within 5 % at
 * by=timerfd, connections=64 */
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include "reference.h"

enum { TIMERS = 64 };

static int set, timer[TIMERS];

static void arm(int fd, long seconds)
{
    const struct itimerspec once = {.it_value = {.tv_sec = seconds}};
    if (timerfd_settime(fd, 0, &once, NULL) != 0)
        die("timerfd_settime");
}

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (fd < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0)
        die("watch");
}

static void setup(void)
{
    set = epoll_create1(0);
    watch(eventfd(1, 0));
    for (int i = 0; i < TIMERS; i++) {
        timer[i] = timerfd_create(CLOCK_MONOTONIC, 0);
        watch(timer[i]);
        arm(timer[i], 500 + i);
    }
}

NOTHING_AROUND

static void once(long n)
{
    static uint32_t drawn = 1;
    struct epoll_event event;
    while (n-- > 0) {
        drawn = drawn * 1664525 + 1013904223;
        arm(timer[(drawn >> 16) % TIMERS], 1000);
        if (epoll_wait(set, &event, 1, -1) != 1)
            die("epoll_wait");
    }
}
