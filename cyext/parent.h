/* What a parent process does to its children, one operation at a time.
 *
 * Used by cyext/process.pyx, where the parent is the Python worker, and by parent.c, a tiny program
 * whose size and linking are known. An operation is a row of functions; those it has no use for are
 * NULL. All return 0, or -errno with the failed call's name in parent->call.
 */
#ifndef MICRO_PARENT_H
#define MICRO_PARENT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/process.h"

typedef struct {
    const char *call;      /* the call that failed */
    const char *program;   /* what exec runs */
    pid_t *children;       /* alive and blocked, oldest first */
    int64_t count, held, cursor, capacity;
    int born[2];           /* children write a byte here when they run */
    int leash[2];          /* children read from here until it closes */
} micro_parent_t;

typedef struct {
    const char *name;
    int64_t (*prepare)(micro_parent_t *parent, uint64_t n);
    int64_t (*loop)(micro_parent_t *parent, uint64_t n, uint64_t *done);
    int64_t (*restore)(micro_parent_t *parent, uint64_t n);
    int grows;
} micro_operation_t;

extern char **environ;

static inline int64_t micro_failed(micro_parent_t *parent, const char *call, int error)
{
    parent->call = call;
    return -(error ? error : EIO);
}

/* fork or vfork, exec the program, which leaves at once, and wait. */
#define MICRO_FORK_EXEC(parent, maker, text) \
    char *const arguments[] = {(char *)(parent)->program, NULL}; \
    const pid_t child = maker(); \
    if (child == 0) { \
        execve((parent)->program, arguments, environ); \
        _exit(127); \
    } \
    if (child < 0) \
        return micro_failed(parent, text, errno); \
    const int status = micro_wait_success(child); \
    return status ? micro_failed(parent, "execve", -status) : 0

static inline int64_t micro_fork_exec(micro_parent_t *parent)
{
    MICRO_FORK_EXEC(parent, fork, "fork");
}

#if MICRO_HAS_VFORK
static inline int64_t micro_vfork_exec(micro_parent_t *parent)
{
    MICRO_FORK_EXEC(parent, vfork, "vfork");
}
#else
static inline int64_t micro_vfork_exec(micro_parent_t *parent)
{
    return micro_failed(parent, "vfork", ENOSYS);
}
#endif

static inline int64_t micro_spawn(micro_parent_t *parent)
{
    char *const arguments[] = {(char *)parent->program, NULL};
    pid_t child;
    const int error = posix_spawn(&child, parent->program, NULL, NULL, arguments, environ);
    if (error)
        return micro_failed(parent, "posix_spawn", error);
    const int status = micro_wait_success(child);
    return status ? micro_failed(parent, "waitpid", -status) : 0;
}

#define MICRO_REPEAT(function, operation) \
    static int64_t function(micro_parent_t *parent, uint64_t n, uint64_t *done) \
    { \
        for (*done = 0; *done < n; (*done)++) { \
            const int64_t status = (operation); \
            if (status) \
                return status; \
        } \
        return 0; \
    }

MICRO_REPEAT(micro_loop_fork_exit, micro_fork_exit(&parent->call))
MICRO_REPEAT(micro_loop_vfork_exit, micro_vfork_exit(&parent->call))
MICRO_REPEAT(micro_loop_fork_exec, micro_fork_exec(parent))
MICRO_REPEAT(micro_loop_vfork_exec, micro_vfork_exec(parent))
MICRO_REPEAT(micro_loop_spawn, micro_spawn(parent))

/* One more child that lives: it says so with a byte, then blocks until its leash closes or it is
 * killed. Closing the parent's ends first lets it notice the parent's death. */
static inline int64_t micro_bear(micro_parent_t *parent)
{
    char byte = 'b';
    ssize_t got;
    const pid_t child = fork();
    if (child == 0) {
        close(parent->leash[1]);
        if (write(parent->born[1], &byte, 1) != 1)
            _exit(1);
        do {
            got = read(parent->leash[0], &byte, 1);
        } while (got < 0 && errno == EINTR);
        _exit(0);
    }
    if (child < 0)
        return micro_failed(parent, "fork", errno);
    parent->children[parent->count++] = child;
    do {
        got = read(parent->born[0], &byte, 1);
    } while (got < 0 && errno == EINTR);
    return got == 1 ? 0 : micro_failed(parent, "read", errno);
}

/* The end of one child: a signal that it cannot refuse, and its status collected. */
static inline int64_t micro_bury(micro_parent_t *parent, pid_t child)
{
    int status;
    if (kill(child, SIGKILL) != 0)
        return micro_failed(parent, "kill", errno);
    while (waitpid(child, &status, 0) != child)
        if (errno != EINTR)
            return micro_failed(parent, "waitpid", errno);
    return 0;
}

static inline int64_t micro_bury_down_to(micro_parent_t *parent, int64_t count)
{
    int64_t failed = 0;
    for (int64_t i = count; i < parent->count; i++)
        if (parent->children[i] > 0) {
            const int64_t status = micro_bury(parent, parent->children[i]);
            if (status)
                failed = status;
        }
    if (parent->count > count)
        parent->count = count;
    return failed;
}

static inline int64_t micro_parent_reserve(micro_parent_t *parent, int64_t capacity)
{
    if (capacity <= parent->capacity)
        return 0;
    pid_t *grown = realloc(parent->children, (size_t)capacity * sizeof *grown);
    if (!grown)
        return micro_failed(parent, "realloc", ENOMEM);
    parent->children = grown;
    parent->capacity = capacity;
    return 0;
}

/* Bring the living children to `level`. On refusal the level reached stands in parent->held, some
 * children below what was possible, and the reason is the status. */
static inline int64_t micro_parent_grow(micro_parent_t *parent, uint64_t level)
{
    const int64_t goal = (int64_t)level, batch = goal / 16 > 8 ? goal / 16 : 8;
    int64_t status = micro_parent_reserve(parent, goal + batch);
    if (status == 0)
        status = micro_bury_down_to(parent, goal);
    while (status == 0 && parent->count < goal)
        status = micro_bear(parent);
    if (status) {
        const int64_t kept = parent->count - batch - 16;
        const char *call = parent->call;
        micro_bury_down_to(parent, kept > 0 ? kept : 0);
        parent->call = call;
    }
    parent->held = parent->count;
    return status;
}

static int64_t micro_loop_alive(micro_parent_t *parent, uint64_t n, uint64_t *done)
{
    for (*done = 0; *done < n; (*done)++) {
        const int64_t status = micro_bear(parent);
        if (status)
            return status;
    }
    return 0;
}

static int64_t micro_restore_alive(micro_parent_t *parent, uint64_t n)
{
    (void)n;
    return micro_bury_down_to(parent, parent->held);
}

static int64_t micro_prepare_reap(micro_parent_t *parent, uint64_t n)
{
    uint64_t done;
    parent->cursor = parent->held;
    return micro_loop_alive(parent, n, &done);
}

static int64_t micro_loop_reap(micro_parent_t *parent, uint64_t n, uint64_t *done)
{
    for (*done = 0; *done < n; (*done)++) {
        const int64_t status = micro_bury(parent, parent->children[parent->cursor]);
        if (status)
            return status;
        parent->children[parent->cursor++] = 0;
    }
    return 0;
}

static const micro_operation_t MICRO_OPERATIONS[] = {
    {"fork_exit", NULL, micro_loop_fork_exit, NULL, 0},
    {"vfork_exit", NULL, micro_loop_vfork_exit, NULL, 0},
    {"fork_exec", NULL, micro_loop_fork_exec, NULL, 0},
    {"vfork_exec", NULL, micro_loop_vfork_exec, NULL, 0},
    {"posix_spawn", NULL, micro_loop_spawn, NULL, 0},
    {"fork_alive", NULL, micro_loop_alive, micro_restore_alive, 1},
    {"reap", micro_prepare_reap, micro_loop_reap, micro_restore_alive, 1},
};

static inline const micro_operation_t *micro_operation(const char *name)
{
    for (size_t i = 0; i < sizeof MICRO_OPERATIONS / sizeof *MICRO_OPERATIONS; i++)
        if (strcmp(MICRO_OPERATIONS[i].name, name) == 0)
            return &MICRO_OPERATIONS[i];
    return NULL;
}

static inline int64_t micro_parent_open(micro_parent_t *parent, const char *program)
{
    memset(parent, 0, sizeof *parent);
    parent->program = program;
    parent->born[0] = parent->born[1] = parent->leash[0] = parent->leash[1] = -1;
    if (pipe(parent->born) != 0 || pipe(parent->leash) != 0)
        return micro_failed(parent, "pipe", errno);
    for (int i = 0; i < 2; i++) {
        fcntl(parent->born[i], F_SETFD, FD_CLOEXEC);
        fcntl(parent->leash[i], F_SETFD, FD_CLOEXEC);
    }
    return micro_parent_reserve(parent, 16);
}

static inline void micro_parent_close(micro_parent_t *parent)
{
    micro_bury_down_to(parent, 0);
    for (int i = 0; i < 2; i++) {
        if (parent->born[i] >= 0)
            close(parent->born[i]);
        if (parent->leash[i] >= 0)
            close(parent->leash[i]);
        parent->born[i] = parent->leash[i] = -1;
    }
    free(parent->children);
    parent->children = NULL;
    parent->count = parent->capacity = 0;
}

/* One batch, as Kernel.slice does it: prepare, sentinel, loop, sentinel, restore. */
typedef struct {
    uint64_t command, argument;
} micro_request_t;

typedef struct {
    int64_t status, elapsed_ns, reached;
    uint64_t after;
    int64_t senses_ns[4];   /* chain and width before, chain and width after */
    char call[32];
} micro_reply_t;

/* MICRO_MARKED is added to a command whose loop is to be marked for a tracer. */
enum { MICRO_GROW, MICRO_BATCH, MICRO_SLICE, MICRO_MARKED = 8 };

#endif
