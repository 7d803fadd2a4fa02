/* Growing a process's table of descriptors. */
#ifndef MICRO_TABLE_H
#define MICRO_TABLE_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/process.h"

/* What a child says of its one operation, in memory that it shares with its parent. */
typedef struct {
    int64_t elapsed_ns;
    const char *call;   /* a string constant: good in the parent too, the child is its fork */
    int error;
} micro_growth_t;

static void *micro_share_table(void *argument)
{
    for (;;)
        pause();
    return argument;
}

/* In a child of its own: fill the table to `capacity` with one descriptor in its last slot, then
 * time the duplicate that needs the slot after that. */
static inline void micro_grow_table(micro_growth_t *out, int fd, int capacity, int shared)
{
    pthread_t sharer;
    out->call = "fcntl";
    if (fcntl(fd, F_DUPFD, capacity - 1) < 0) {
        out->error = errno;
        return;
    }
    if (shared) {
        out->call = "pthread_create";
        out->error = pthread_create(&sharer, NULL, micro_share_table, NULL);
        if (out->error)
            return;
        out->call = "fcntl";
    }
    const int64_t start = micro_now_ns();
    const int grown = fcntl(fd, F_DUPFD, capacity);
    out->elapsed_ns = micro_now_ns() - start;
    out->error = grown < 0 ? errno : 0;
}

/* A table never shrinks, so each operation gets a fresh one: that of a child, which the kernel cuts
 * to what the parent has open. 0, or -errno with the failed call's name. */
static inline int micro_grow_fresh_table(micro_growth_t *shared_memory, int fd, int capacity,
                                         int shared, const char **call)
{
    shared_memory->error = EIO;
    const pid_t child = fork();
    if (child == 0) {
        micro_die_with_parent();
        micro_grow_table(shared_memory, fd, capacity, shared);
        _exit(0);
    }
    if (child < 0) {
        *call = "fork";
        return -errno;
    }
    *call = "waitpid";
    const int status = micro_wait_success(child);
    if (status)
        return status;
    *call = shared_memory->call;
    return -shared_memory->error;
}

#endif
