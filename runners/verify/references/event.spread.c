/* post to eventfds that eight threads wait for at one epoll set, all on one CPU, until each event is
 * consumed and nobody else wants to run; agrees within 10 % at epoll=shared, cpu=same, waiters=8 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "reference.h"

enum { THREADS = 8 };

static int set, source[THREADS];
static atomic_long consumed;
static long posted;

static void *consume(void *nothing)
{
    struct epoll_event event;
    unsigned long value;
    for (;;)
        if (epoll_wait(set, &event, 1, -1) == 1
            && read(event.data.fd, &value, sizeof value) == sizeof value)
            consumed++;
    return nothing;
}

static void scheduled(int policy)
{
    const struct sched_param none = {0};
    if (sched_setscheduler(0, policy, &none) != 0)
        die("sched_setscheduler");
}

static void setup(void)
{
    set = epoll_create1(0);
    for (int i = 0; i < THREADS; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        pthread_t thread;
        event.data.fd = source[i] = eventfd(0, EFD_NONBLOCK);
        if (epoll_ctl(set, EPOLL_CTL_ADD, source[i], &event) != 0)
            die("epoll_ctl");
        errno = pthread_create(&thread, NULL, consume, NULL);
        if (errno != 0)
            die("pthread_create");
    }
    usleep(10000);   /* all wait */
}

static void before(long n)
{
    (void)n;
    scheduled(SCHED_IDLE);
}

static void after(long n)
{
    (void)n;
    scheduled(SCHED_OTHER);
}

static void once(long n)
{
    const unsigned long one = 1;
    for (long i = 0; i < n; i++) {
        if (write(source[posted++ % THREADS], &one, sizeof one) != sizeof one)
            die("write");
        while (consumed < posted)
            sched_yield();
    }
}
