/* arm a timer and cancel it beside pending ones; agrees within 5 % at pending=16 */
#include <stdint.h>
#include <sys/timerfd.h>
#include "reference.h"

enum { PENDING = 16 };

static int timer;

static void arm(int fd, long seconds)
{
    const struct itimerspec once = {.it_value = {.tv_sec = seconds}};
    if (timerfd_settime(fd, 0, &once, NULL) != 0)
        die("timerfd_settime");
}

static void setup(void)
{
    for (int i = 0; i <= PENDING; i++) {
        timer = timerfd_create(CLOCK_MONOTONIC, 0);
        if (timer < 0)
            die("timerfd_create");
        if (i < PENDING)
            arm(timer, 1000 + i);
    }
}

NOTHING_AROUND

static void once(long n)
{
    while (n-- > 0) {
        arm(timer, 1000);
        arm(timer, 0);
    }
}
