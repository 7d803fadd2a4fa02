/* Threads that stay alive and blocked, until some of them are told to leave. */
#ifndef MICRO_CROWD_H
#define MICRO_CROWD_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "os/stack.h"

#define MICRO_LEAVE_AT_ONCE 256   /* their names fit into a pipe of the smallest size */

/* Three pipes do everything, so that no thread shares a lock with another: a member says in `born`
 * that it runs, blocks in `leave` until it gets a byte there, and says in `gone` who it was. Which
 * of them gets a byte is the system's choice. */
typedef struct {
    int born[2], leave[2], gone[2];
    int64_t count;
    micro_stack_kind_t kind;
    micro_stack_t *spare;   /* stacks that no thread runs on */
    int64_t spares;
    const char *call;       /* the call that failed */
} micro_crowd_t;

/* A member, with the stack that it ran on. */
typedef struct {
    pthread_t thread;
    micro_stack_t *stack;
} micro_gone_t;

/* What a member is given: its stack, in a struct that stays where it is. */
typedef struct {
    micro_stack_t stack;   /* first: a stack is its member's place */
    const micro_crowd_t *crowd;
} micro_place_t;

/* The whole of a small object, through signals. 0, or -errno with the call's name. */
static inline int micro_crowd_read(micro_crowd_t *crowd, int fd, void *to, size_t bytes)
{
    ssize_t got;
    do {
        got = read(fd, to, bytes);
    } while (got < 0 && errno == EINTR);
    crowd->call = "read";
    return got == (ssize_t)bytes ? 0 : got < 0 ? -errno : -EIO;
}

static inline int micro_crowd_write(micro_crowd_t *crowd, int fd, const void *from, size_t bytes)
{
    ssize_t put;
    do {
        put = write(fd, from, bytes);
    } while (put < 0 && errno == EINTR);
    crowd->call = "write";
    return put == (ssize_t)bytes ? 0 : put < 0 ? -errno : -EIO;
}

/* A member's word must arrive: others wait for it. Whatever a write fails of, it is tried again. */
static inline void micro_crowd_say(micro_crowd_t *mine, int fd, const void *what, size_t bytes)
{
    for (int tries = 0; tries < 100 && micro_crowd_write(mine, fd, what, bytes) != 0; tries++)
        ;
}

static void *micro_crowd_member(void *argument)
{
    micro_place_t *place = argument;
    micro_crowd_t mine = *place->crowd;   /* a failure here is the member's own: nobody reads it */
    const micro_gone_t self = {pthread_self(), &place->stack};
    char byte = 'b';
    micro_crowd_say(&mine, mine.born[1], &byte, 1);
    micro_crowd_read(&mine, mine.leave[0], &byte, 1);
    micro_crowd_say(&mine, mine.gone[1], &self, sizeof self);
    return NULL;
}

static inline micro_stack_t *micro_crowd_take_spare(micro_crowd_t *crowd)
{
    micro_stack_t *const stack = crowd->spare;
    if (stack) {
        crowd->spare = stack->next;
        crowd->spares--;
    }
    return stack;
}

static inline void micro_crowd_put_spare(micro_crowd_t *crowd, micro_stack_t *stack)
{
    stack->next = crowd->spare;
    crowd->spare = stack;
    crowd->spares++;
}

/* Have places for `count` more members. Where stacks are cached, a thread has run and ended on each
 * of them. 0 or -errno. */
static inline int micro_crowd_provide(micro_crowd_t *crowd, int64_t count)
{
    while (crowd->spares < count) {
        micro_place_t *const place = calloc(1, sizeof *place);
        crowd->call = "calloc";
        if (!place)
            return -ENOMEM;
        place->crowd = crowd;
        micro_crowd_put_spare(crowd, &place->stack);
        if (crowd->kind.cached) {
            const int status = micro_stack_create_join(&crowd->kind, &place->stack, &crowd->call);
            if (status) {   /* a place without a stack is none */
                free(micro_crowd_take_spare(crowd));
                return status;
            }
        }
    }
    return 0;
}

/* Keep no more than `count` spare places. 0 or -errno. */
static inline int micro_crowd_trim(micro_crowd_t *crowd, int64_t count)
{
    int status = 0;
    while (crowd->spares > count) {
        micro_stack_t *const stack = micro_crowd_take_spare(crowd);
        const int unmapped = micro_stack_unmap(&crowd->kind, stack, &crowd->call);
        status = status ? status : unmapped;
        free(stack);
    }
    return status;
}

/* One more thread that lives, and has said so; it takes a place that was provided. 0 or -errno. */
static inline int micro_crowd_join_in(micro_crowd_t *crowd)
{
    pthread_t thread;
    char byte;
    micro_stack_t *const stack = micro_crowd_take_spare(crowd);
    const int status = micro_stack_start(&crowd->kind, stack, &thread, micro_crowd_member, stack,
                                         &crowd->call);
    if (status) {
        micro_crowd_put_spare(crowd, stack);
        return status;
    }
    crowd->count++;
    return micro_crowd_read(crowd, crowd->born[0], &byte, 1);
}

/* Let threads end until `count` are left. 0 or -errno. */
static inline int micro_crowd_down_to(micro_crowd_t *crowd, int64_t count)
{
    static const char bytes[MICRO_LEAVE_AT_ONCE];
    while (crowd->count > count) {
        const int64_t surplus = crowd->count - count;
        const int64_t some = surplus < MICRO_LEAVE_AT_ONCE ? surplus : MICRO_LEAVE_AT_ONCE;
        int status = micro_crowd_write(crowd, crowd->leave[1], bytes, (size_t)some);
        for (int64_t i = 0; i < some && status == 0; i++) {
            micro_gone_t gone;
            status = micro_crowd_read(crowd, crowd->gone[0], &gone, sizeof gone);
            if (status == 0) {
                status = micro_stack_join(&crowd->kind, gone.stack, gone.thread, &crowd->call);
                micro_crowd_put_spare(crowd, gone.stack);
                crowd->count--;
            }
        }
        if (status)
            return status;
    }
    return 0;
}

static inline int micro_crowd_open(micro_crowd_t *crowd)
{
    int *const pipes[] = {crowd->born, crowd->leave, crowd->gone};
    crowd->count = 0;
    crowd->spare = NULL;
    crowd->spares = 0;
    for (int i = 0; i < 3; i++)
        pipes[i][0] = pipes[i][1] = -1;
    for (int i = 0; i < 3; i++) {
        if (pipe(pipes[i]) != 0) {
            crowd->call = "pipe";
            return -errno;
        }
        fcntl(pipes[i][0], F_SETFD, FD_CLOEXEC);
        fcntl(pipes[i][1], F_SETFD, FD_CLOEXEC);
    }
    return 0;
}

static inline void micro_crowd_close(micro_crowd_t *crowd)
{
    int *const pipes[] = {crowd->born, crowd->leave, crowd->gone};
    micro_crowd_down_to(crowd, 0);
    micro_crowd_trim(crowd, 0);
    for (int i = 0; i < 3; i++)
        for (int end = 0; end < 2; end++) {
            if (pipes[i][end] >= 0)
                close(pipes[i][end]);
            pipes[i][end] = -1;
        }
}

#endif
