/* What a parent process does to its children, one operation at a time.
 *
 * Used by cyext/process/parents.pyx, where the parent is the Python worker, and by parent.c, a tiny program
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
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/peers.h"
#include "os/mapping.h"
#include "os/process.h"

typedef struct {
    const char *call;      /* the call that failed */
    const char *program;   /* what exec runs */
    micro_peers_t children;   /* alive and blocked, oldest first */
    int64_t cursor;
    int64_t held;          /* the level: living children, bytes or maps */
    micro_region_t memory; /* what a fork must copy the description of */
} micro_parent_t;

typedef struct {
    const char *name;
    int64_t (*prepare)(micro_parent_t *parent, uint64_t n);
    int64_t (*loop)(micro_parent_t *parent, uint64_t n, uint64_t *done);
    int64_t (*restore)(micro_parent_t *parent, uint64_t n);
    int64_t (*grow)(micro_parent_t *parent, uint64_t level);
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

/* How many operations there were is written in the end: after a fork, each page that the parent
 * writes to is copied. */
#define MICRO_REPEAT(function, operation) \
    static int64_t function(micro_parent_t *parent, uint64_t n, uint64_t *done) \
    { \
        int64_t status = 0; \
        uint64_t i = 0; \
        while (i < n && (status = (operation)) == 0) \
            i++; \
        *done = i; \
        return status; \
    }

MICRO_REPEAT(micro_loop_fork_exit, micro_fork_exit(&parent->call))
MICRO_REPEAT(micro_loop_vfork_exit, micro_vfork_exit(&parent->call))
MICRO_REPEAT(micro_loop_fork_exec, micro_fork_exec(parent))
MICRO_REPEAT(micro_loop_vfork_exec, micro_vfork_exec(parent))
MICRO_REPEAT(micro_loop_spawn, micro_spawn(parent))

/* What the children's own calls failed of is told as the parent's. */
static inline int64_t micro_of_children(micro_parent_t *parent, int64_t status)
{
    if (status)
        parent->call = parent->children.call;
    return status;
}

/* One more child that lives: it says so with a byte, then blocks. */
static inline int64_t micro_bear(micro_parent_t *parent)
{
    return micro_of_children(parent, micro_peers_add(&parent->children));
}

/* Bring the living children to `level`. On refusal the level reached stands in parent->held, some
 * children below what was possible, and the reason is the status. */
static int64_t micro_grow_children(micro_parent_t *parent, uint64_t level)
{
    const int64_t goal = (int64_t)level, batch = goal / 16 > 8 ? goal / 16 : 8;
    micro_peers_t *children = &parent->children;
    int64_t status = micro_peers_open(children);
    if (status == 0)
        status = micro_peers_reserve(children, goal + batch);
    if (status == 0)
        status = micro_peers_keep(children, goal);
    while (status == 0 && children->count < goal)
        status = micro_peers_add(children);
    micro_of_children(parent, status);
    if (status) {
        const int64_t kept = children->count - batch - 16;
        micro_peers_keep(children, kept > 0 ? kept : 0);
    }
    parent->held = children->count;
    return status;
}

MICRO_REPEAT(micro_loop_alive, micro_bear(parent))

static int64_t micro_restore_alive(micro_parent_t *parent, uint64_t n)
{
    (void)n;
    return micro_of_children(parent, micro_peers_keep(&parent->children, parent->held));
}

static int64_t micro_prepare_reap(micro_parent_t *parent, uint64_t n)
{
    uint64_t done;
    parent->cursor = parent->held;
    return micro_loop_alive(parent, n, &done);
}

static inline int64_t micro_reap_next(micro_parent_t *parent)
{
    micro_peer_id_t *const next = &parent->children.ids[parent->cursor++];
    const int64_t status = micro_peers_bury(&parent->children, next->process);
    if (status == 0)
        next->process = 0;
    return micro_of_children(parent, status);
}

MICRO_REPEAT(micro_loop_reap, micro_reap_next(parent))

/* Pages that were written to. */
static int64_t micro_fill_pages(micro_parent_t *parent, uint64_t bytes)
{
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    const int64_t status = micro_map_region(&parent->memory, -1, bytes, 0, &parent->call);
    if (status == 0)
        micro_dirty_range(parent->memory.start, (bytes + page_bytes - 1) / page_bytes, page_bytes);
    return status;
}

/* Huge pages that were written to, as many as hold the bytes. */
static int64_t micro_fill_huge_pages(micro_parent_t *parent, uint64_t bytes)
{
    const uint64_t pages = (bytes + MICRO_HUGE_PAGE_BYTES - 1) / MICRO_HUGE_PAGE_BYTES;
    const int64_t status = micro_map_region(&parent->memory, -1, pages * MICRO_HUGE_PAGE_BYTES, 1,
                                            &parent->call);
    if (status)
        return status;
    const int64_t before = micro_minor_faults();
    micro_dirty_range(parent->memory.start, pages * (MICRO_HUGE_PAGE_BYTES / 4096), 4096);
    return micro_fell_back(micro_minor_faults() - before, (int64_t)pages)
        ? micro_failed(parent, "huge page", ENOMEM) : 0;
}

/* Maps of a page each, untouched: neighbours differ in protection, so that none merge. */
static int64_t micro_fill_maps(micro_parent_t *parent, uint64_t maps)
{
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    const int64_t status = micro_map_region(&parent->memory, -1, maps * page_bytes, 0,
                                            &parent->call);
    if (status)
        return status;
    for (uint64_t i = 0; i < maps; i += 2)
        if (mprotect((void *)(parent->memory.start + i * page_bytes), page_bytes, PROT_READ) != 0)
            return micro_failed(parent, "mprotect", errno);
    return 0;
}

/* Fill the parent's memory anew, for another level; if that fails, as it was before. */
static inline int64_t micro_refill(micro_parent_t *parent, uint64_t level,
                                   int64_t (*fill)(micro_parent_t *, uint64_t))
{
    const uint64_t before = (uint64_t)parent->held;
    micro_unmap_region(&parent->memory);
    parent->held = 0;
    const int64_t status = fill(parent, level);
    if (status == 0) {
        parent->held = (int64_t)level;
        return 0;
    }
    const char *call = parent->call;
    micro_unmap_region(&parent->memory);
    if (before > 0 && before < level && fill(parent, before) == 0)
        parent->held = (int64_t)before;
    return micro_failed(parent, call, (int)-status);
}

#define MICRO_GROW_BY(function, fill) \
    static int64_t function(micro_parent_t *parent, uint64_t level) \
    { \
        return micro_refill(parent, level, fill); \
    }

MICRO_GROW_BY(micro_grow_pages, micro_fill_pages)
MICRO_GROW_BY(micro_grow_huge_pages, micro_fill_huge_pages)
MICRO_GROW_BY(micro_grow_maps, micro_fill_maps)

static const micro_operation_t MICRO_OPERATIONS[] = {
    {"fork_exit", NULL, micro_loop_fork_exit, NULL, NULL},
    {"vfork_exit", NULL, micro_loop_vfork_exit, NULL, NULL},
    {"fork_exec", NULL, micro_loop_fork_exec, NULL, NULL},
    {"vfork_exec", NULL, micro_loop_vfork_exec, NULL, NULL},
    {"posix_spawn", NULL, micro_loop_spawn, NULL, NULL},
    {"fork_alive", NULL, micro_loop_alive, micro_restore_alive, micro_grow_children},
    {"reap", micro_prepare_reap, micro_loop_reap, micro_restore_alive, micro_grow_children},
    {"fork_pages", NULL, micro_loop_fork_exit, NULL, micro_grow_pages},
    {"fork_huge_pages", NULL, micro_loop_fork_exit, NULL, micro_grow_huge_pages},
    {"fork_maps", NULL, micro_loop_fork_exit, NULL, micro_grow_maps},
};

static inline const micro_operation_t *micro_operation(const char *name)
{
    for (size_t i = 0; i < sizeof MICRO_OPERATIONS / sizeof *MICRO_OPERATIONS; i++)
        if (strcmp(MICRO_OPERATIONS[i].name, name) == 0)
            return &MICRO_OPERATIONS[i];
    return NULL;
}

static inline void micro_parent_open(micro_parent_t *parent, const char *program)
{
    memset(parent, 0, sizeof *parent);
    parent->program = program;
    micro_peers_init(&parent->children, MICRO_PROCESSES);
}

static inline void micro_parent_close(micro_parent_t *parent)
{
    micro_peers_close(&parent->children);
    micro_unmap_region(&parent->memory);
}

/* One batch, as Workload.slice does it: prepare, sentinel, loop, sentinel, restore. */
typedef struct {
    uint64_t command, argument, times;
} micro_request_t;

/* Replies to slices come together: nobody else should run between slices, or each begins cold. */
#define MICRO_TIMES_MAX 64

typedef struct {
    int64_t status, began_ns, elapsed_ns, reached;
    uint64_t after;
    int64_t senses_ns[4];   /* chain and width before, chain and width after */
    char call[32];
} micro_reply_t;

/* MICRO_MARKED is added to a command whose loop is to be marked for a tracer. */
enum { MICRO_GROW, MICRO_BATCH, MICRO_SLICE, MICRO_MARKED = 8 };

#endif
