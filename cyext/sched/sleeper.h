/* A sleeper among tasks that never sleep, all on one CPU; one of those wakes it when it is due.
 *
 * The sleeper sleeps on a futex, and the tasks compute; or it is a server that sleeps in accept(), and
 * each task makes connections to a listener of its own and accepts them. */
#ifndef MICRO_SCHED_SLEEPER_H
#define MICRO_SCHED_SLEEPER_H

#include <sys/resource.h>

#include "core/busy_peers.h"
#include "core/random.h"
#include "net/connections.h"
#include "os/clock.h"
#include "os/futex.h"

/* The sleeper is due at a random moment of this span: never in step with the scheduler's tick. */
#define MICRO_LONGEST_SLEEP_NS 1000000

enum { MICRO_AWAKE, MICRO_ASLEEP, MICRO_WAKING };

/* In memory that the sleeper shares with the tasks. */
typedef struct {
    _Alignas(128) atomic_int computing;   /* until the first sleep the tasks let each other begin */
    atomic_int state;
    atomic_uint bed;          /* the futex that the sleeper sleeps on; it never changes */
    int64_t due_ns;
    int64_t woken_ns;         /* the clock before the call that woke it */
    micro_door_t door;        /* of the server; its listener is -1 where there is none */
    const char *call;         /* the sleeper's that failed */
    int nice;                 /* of the tasks */
    uint64_t random;
} micro_sleeper_t;

/* What a task has of its own. */
typedef struct {
    micro_door_t door;
    int connection;   /* to the server: open until the next one, so that it has been accepted */
    const char *call;
} micro_waker_t;

static inline int64_t micro_connect_to_server(micro_sleeper_t *sleeper, micro_waker_t *waker)
{
    if (waker->connection >= 0)
        close(waker->connection);
    waker->connection = micro_door_socket(&sleeper->door);
    if (waker->connection >= 0) {
        sleeper->woken_ns = micro_now_ns();
        waker->connection = micro_door_knock(&sleeper->door, waker->connection);
    }
    if (waker->connection >= 0)
        return 1;
    waker->call = sleeper->door.call;
    return waker->connection;
}

/* For a task: wake the sleeper if it is due. 0 or -errno. */
static inline int64_t micro_wake_if_due(micro_sleeper_t *sleeper, micro_waker_t *waker)
{
    int asleep = MICRO_ASLEEP;
    const int64_t now_ns = micro_now_ns();
    if (atomic_load(&sleeper->state) != MICRO_ASLEEP || now_ns < sleeper->due_ns
        || !atomic_compare_exchange_strong(&sleeper->state, &asleep, MICRO_WAKING))
        return 0;
    sleeper->woken_ns = micro_now_ns();   /* of a server again, when the socket is made */
    const int64_t woken = sleeper->door.listener >= 0 ? micro_connect_to_server(sleeper, waker)
                                                      : micro_futex_wake(&sleeper->bed, 1, 1);
    if (woken == 0)   /* it was about to sleep: again */
        atomic_store(&sleeper->state, MICRO_ASLEEP);
    return woken < 0 ? woken : 0;
}

/* What a task does all the time. 0 or -errno. */
static inline int64_t micro_keep_busy(micro_sleeper_t *sleeper, micro_waker_t *waker)
{
    int64_t status = micro_wake_if_due(sleeper, waker);
    if (status == 0 && waker->door.listener >= 0) {
        status = micro_connection_here(&waker->door);
        waker->call = waker->door.call;
    }
    return status;
}

/* A task's body; `argument` is the micro_busy_t whose `more` is the micro_sleeper_t. */
static int64_t micro_compute_beside_sleeper(micro_peer_t *self, void *argument)
{
    micro_busy_t *const busy = argument;
    micro_sleeper_t *const sleeper = busy->more;
    micro_waker_t waker = {{.family = AF_INET, .listener = -1}, -1, "futex"};
    int64_t status;
    if (setpriority(PRIO_PROCESS, 0, sleeper->nice) != 0) {
        self->mail->call = "setpriority";
        return -errno;
    }
    if (sleeper->door.listener >= 0 && (status = micro_door_open(&waker.door, NULL)) != 0) {
        self->mail->call = waker.door.call;
        return status;
    }
    while ((status = micro_busy_begins(self, busy)) == 1) {
        while (status >= 0 && micro_busy_lasts(busy)) {
            if (!atomic_load(&sleeper->computing))
                sched_yield();
            else
                status = micro_keep_busy(sleeper, &waker);
        }
        micro_busy_ended(busy);
        if (status < 0) {
            self->mail->call = waker.call;
            return status;
        }
    }
    return status;
}

/* A connection, or -errno; none is 0, which is the standard input. */
static inline int64_t micro_next_connection(int listener)
{
    const int fd = accept(listener, NULL, NULL);
    return fd < 0 ? -errno : fd;
}

/* Sleep until a task wakes the caller: nanoseconds from before its call until the caller runs, or
 * -errno; -EINTR where a signal came instead. */
static inline int64_t micro_wakeup_latency_ns(micro_sleeper_t *sleeper)
{
    sleeper->due_ns = micro_now_ns()
        + (int64_t)micro_random_below(&sleeper->random, MICRO_LONGEST_SLEEP_NS);
    atomic_store(&sleeper->state, MICRO_ASLEEP);
    atomic_store(&sleeper->computing, 1);
    const int serves = sleeper->door.listener >= 0;
    int64_t status = serves ? micro_next_connection(sleeper->door.listener)
                            : micro_futex_wait(&sleeper->bed, 0, 1);
    const int64_t latency_ns = micro_now_ns() - sleeper->woken_ns;
    sleeper->call = serves ? "accept" : "futex";
    if (serves && status >= 0 && close((int)status) != 0) {
        status = -errno;
        sleeper->call = "close";
    }
    const int woken = atomic_exchange(&sleeper->state, MICRO_AWAKE) == MICRO_WAKING;
    if (status < 0)
        return status;
    return woken ? latency_ns : -EINTR;   /* the system may wake for no reason */
}

#endif
