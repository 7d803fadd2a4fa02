/* Threads' stacks that the program maps itself, so that it is known whether one was used before.
 *
 * A C library keeps some ended threads' stacks for the next ones, and how many depends on their
 * size and on the library: glibc keeps 40 MiB, musl none. pthread_create() given a stack uses that
 * one, on every system. It is mapped here by the same calls, and with the same flags, as by the
 * libraries. */
#ifndef MICRO_OS_STACK_H
#define MICRO_OS_STACK_H

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mapping.h"

#ifndef MAP_STACK
#define MAP_STACK 0
#endif
#define MICRO_ENOUGH_STACK_BYTES ((size_t)1 << 20)

/* Where threads' stacks come from. */
enum {
    MICRO_STACK_CACHED,    /* ours; serves one thread after the other */
    MICRO_STACK_FRESH,     /* ours; serves one thread only */
    MICRO_STACK_LIBRARY,   /* the C library's: whatever it does is part of the operation */
};

typedef struct {
    char *guard;   /* lowest address: a page without access; NULL: not mapped */
} micro_stack_t;

/* Of all stacks of one workload. */
typedef struct {
    size_t bytes, guard_bytes;
    int memory;                 /* MICRO_STACK_CACHED, _FRESH or _LIBRARY */
    pthread_attr_t attributes;
} micro_stack_kind_t;

static inline int micro_stack_unmap(const micro_stack_kind_t *kind, micro_stack_t *stack,
                                    const char **call)
{
    char *const guard = stack->guard;
    stack->guard = NULL;
    *call = "munmap";
    return guard && munmap(guard, kind->guard_bytes + kind->bytes) != 0 ? -errno : 0;
}

static inline int micro_stack_map(const micro_stack_kind_t *kind, micro_stack_t *stack,
                                  const char **call)
{
    const size_t bytes = kind->guard_bytes + kind->bytes;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    char *const guard = mmap(NULL, bytes, PROT_NONE, flags, -1, 0);
    *call = "mmap";
    if (guard == MAP_FAILED)
        return -errno;
    if (mprotect(guard + kind->guard_bytes, kind->bytes, PROT_READ | PROT_WRITE) != 0) {
        const int error = errno;
        munmap(guard, bytes);
        *call = "mprotect";
        return -error;
    }
    stack->guard = guard;
    return 0;
}

/* Let the next thread that is created with these attributes run on this stack; it is mapped if it is
 * not. 0 or -errno. */
static inline int micro_stack_provide(micro_stack_kind_t *kind, micro_stack_t *stack,
                                      const char **call)
{
    if (kind->memory == MICRO_STACK_LIBRARY)
        return 0;
    const int status = stack->guard == NULL ? micro_stack_map(kind, stack, call) : 0;
    if (status)
        return status;
    *call = "pthread_attr_setstack";
    return -pthread_attr_setstack(&kind->attributes, stack->guard + kind->guard_bytes, kind->bytes);
}

/* Wait for the end of a thread on a stack; the next thread finds the stack as its kind says. */
static inline int micro_stack_join(const micro_stack_kind_t *kind, micro_stack_t *stack,
                                   pthread_t thread, const char **call)
{
    *call = "pthread_join";
    const int error = pthread_join(thread, NULL);
    if (error)
        stack->guard = NULL;   /* given up: the thread may still run on it */
    if (error || kind->memory != MICRO_STACK_FRESH)
        return -error;
    return micro_stack_unmap(kind, stack, call);
}

static void *micro_empty_body(void *argument)
{
    return argument;
}

/* Create and join an empty thread. */
static inline int micro_stack_create_join(micro_stack_kind_t *kind, micro_stack_t *stack,
                                          const char **call)
{
    pthread_t thread;
    int status = micro_stack_provide(kind, stack, call);
    if (status)
        return status;
    *call = "pthread_create";
    status = -pthread_create(&thread, &kind->attributes, micro_empty_body, NULL);
    return status ? status : micro_stack_join(kind, stack, thread, call);
}

/* Stacks of the C library's default size, or of the least that a thread starts on. The system's own
 * minimum may leave no room for thread-local storage: then it is doubled. 0 or -errno; destroy the
 * attributes if `has_attributes` was set. */
static inline int micro_stack_kind(micro_stack_kind_t *kind, int minimal, int memory,
                                   int *has_attributes, const char **call)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    micro_stack_t trial = {0};
    const char *ignored;
    kind->memory = memory;
    kind->guard_bytes = page;
    *call = "pthread_attr_init";
    int status = -pthread_attr_init(&kind->attributes);
    *has_attributes = status == 0;
    if (status)
        return status;
    *call = "pthread_attr_getstacksize";
    status = -pthread_attr_getstacksize(&kind->attributes, &kind->bytes);
    if (minimal) {
        kind->bytes = PTHREAD_STACK_MIN;
#ifdef _SC_THREAD_STACK_MIN
        const long known = sysconf(_SC_THREAD_STACK_MIN);
        if (known > (long)kind->bytes)
            kind->bytes = (size_t)known;
#endif
    }
    kind->bytes = (kind->bytes + page - 1) / page * page;
    while (minimal && status == 0) {
        if (memory == MICRO_STACK_LIBRARY) {
            *call = "pthread_attr_setstacksize";
            status = -pthread_attr_setstacksize(&kind->attributes, kind->bytes);
            if (status)
                break;
        }
        status = micro_stack_create_join(kind, &trial, call);
        micro_stack_unmap(kind, &trial, &ignored);
        if (status != -EINVAL || kind->bytes >= MICRO_ENOUGH_STACK_BYTES)
            break;
        kind->bytes *= 2;
        status = 0;
    }
    return status;
}

#endif
