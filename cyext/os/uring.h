/* A ring of io_uring, by raw system calls: polls of descriptors, and operations that do nothing.
 * Linux only. */
#ifndef MICRO_OS_URING_H
#define MICRO_OS_URING_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include "event.h"

#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/io_uring.h>)
#include <linux/io_uring.h>
#endif
#endif

#ifdef IORING_FEAT_EXT_ARG
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define MICRO_HAS_URING 1
/* The same number on every architecture but alpha; old headers do not name it. */
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#define SYS_io_uring_enter 426
#endif
#else
#define MICRO_HAS_URING 0
#endif

/* The most that may be ready at once. */
#define MICRO_URING_ENTRIES 8192
/* What completes when a poll has been taken back. */
#define MICRO_TAKEN_BACK UINT64_MAX

/* All zero: closed. */
typedef struct {
    int is_open;
    int fd;
    void *rings;
    size_t rings_bytes;
    void *submissions;
    size_t submissions_bytes;
    uint32_t *tail;             /* of the submission ring: ours */
    uint32_t queued;            /* submissions that the system has not seen yet */
    uint32_t mask;
    uint32_t *completed_head;   /* ours */
    uint32_t *completed_tail;   /* the system's */
    uint32_t completed_mask;
    void *completions;
} micro_uring_t;

#if MICRO_HAS_URING

static inline void micro_uring_close(micro_uring_t *ring)
{
    if (ring->submissions != NULL)
        munmap(ring->submissions, ring->submissions_bytes);
    if (ring->rings != NULL)
        munmap(ring->rings, ring->rings_bytes);
    if (ring->is_open)
        close(ring->fd);
    memset(ring, 0, sizeof *ring);
}

/* A ring for so many submissions at once. 0 or -errno; ENOTSUP where waits have no time-out (Linux
 * before 5.11). */
static inline int micro_uring_open(micro_uring_t *ring, uint32_t entries)
{
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    ring->fd = (int)syscall(SYS_io_uring_setup, entries, &params);
    if (ring->fd < 0)
        return -errno;
    ring->is_open = 1;
    if (!(params.features & IORING_FEAT_EXT_ARG) || !(params.features & IORING_FEAT_SINGLE_MMAP)) {
        micro_uring_close(ring);
        return -ENOTSUP;
    }
    const size_t sq_bytes = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
    const size_t cq_bytes = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    ring->rings_bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
    ring->submissions_bytes = params.sq_entries * sizeof(struct io_uring_sqe);
    char *rings = mmap(NULL, ring->rings_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                       ring->fd, IORING_OFF_SQ_RING);
    void *submissions = mmap(NULL, ring->submissions_bytes, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
    const int error = errno;
    ring->rings = rings == MAP_FAILED ? NULL : rings;
    ring->submissions = submissions == MAP_FAILED ? NULL : submissions;
    if (ring->rings == NULL || ring->submissions == NULL) {
        micro_uring_close(ring);
        return -error;
    }
    ring->tail = (uint32_t *)(void *)(rings + params.sq_off.tail);
    ring->mask = params.sq_entries - 1;
    ring->completed_head = (uint32_t *)(void *)(rings + params.cq_off.head);
    ring->completed_tail = (uint32_t *)(void *)(rings + params.cq_off.tail);
    ring->completed_mask = params.cq_entries - 1;
    ring->completions = rings + params.cq_off.cqes;
    uint32_t *array = (uint32_t *)(void *)(rings + params.sq_off.array);
    for (uint32_t i = 0; i < params.sq_entries; i++)
        array[i] = i;
    return 0;
}

static inline struct io_uring_sqe *micro_uring_next(micro_uring_t *ring)
{
    const uint32_t tail = *ring->tail + ring->queued;
    struct io_uring_sqe *next = (struct io_uring_sqe *)ring->submissions + (tail & ring->mask);
    memset(next, 0, sizeof *next);
    ring->queued++;
    return next;
}

/* Queue: tell once when the descriptor is readable, as `index`. */
static inline void micro_uring_poll(micro_uring_t *ring, int fd, uint64_t index)
{
    struct io_uring_sqe *poll = micro_uring_next(ring);
    poll->opcode = IORING_OP_POLL_ADD;
    poll->fd = fd;
    poll->poll_events = POLLIN;   /* the half-word that old kernels and either byte order read */
    poll->user_data = index;
}

/* Queue: take the poll of `index` back; it completes with an error, and this itself completes too. */
static inline void micro_uring_take_back(micro_uring_t *ring, uint64_t index)
{
    struct io_uring_sqe *take_back = micro_uring_next(ring);
    take_back->opcode = IORING_OP_POLL_REMOVE;
    take_back->fd = -1;
    take_back->addr = index;
    take_back->user_data = MICRO_TAKEN_BACK;
}

/* Queue: do nothing. */
static inline void micro_uring_nop(micro_uring_t *ring)
{
    micro_uring_next(ring)->opcode = IORING_OP_NOP;
}

static inline uint32_t micro_uring_completed(const micro_uring_t *ring)
{
    return __atomic_load_n(ring->completed_tail, __ATOMIC_ACQUIRE) - *ring->completed_head;
}

/* Hand over what is queued and wait for `wanted` completions: how many there are, or -errno. */
static inline int micro_uring_enter(micro_uring_t *ring, uint32_t wanted)
{
    struct __kernel_timespec wait = {.tv_sec = MICRO_WAIT_MS / 1000};
    struct io_uring_getevents_arg arguments = {.ts = (uint64_t)(uintptr_t)&wait};
    __atomic_store_n(ring->tail, *ring->tail + ring->queued, __ATOMIC_RELEASE);
    const long taken = syscall(SYS_io_uring_enter, ring->fd, ring->queued, wanted,
                               IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                               &arguments, sizeof arguments);
    const uint32_t queued = ring->queued;
    ring->queued = 0;
    if (taken < 0)
        return -errno;
    return (uint32_t)taken == queued ? (int)micro_uring_completed(ring) : -EBUSY;
}

/* Hand over what is queued and do not wait: how many of these submissions were taken, or -errno. */
static inline int micro_uring_submit(micro_uring_t *ring)
{
    const uint32_t queued = ring->queued;
    __atomic_store_n(ring->tail, *ring->tail + queued, __ATOMIC_RELEASE);
    ring->queued = 0;
    const long taken = syscall(SYS_io_uring_enter, ring->fd, queued, 0, 0, NULL, 0);
    return taken < 0 ? -errno : (int)taken;
}

/* The oldest completion's result, and whose it is. */
static inline int micro_uring_result(micro_uring_t *ring, uint64_t *index)
{
    const uint32_t head = *ring->completed_head;
    const struct io_uring_cqe *done =
        (struct io_uring_cqe *)ring->completions + (head & ring->completed_mask);
    const int result = done->res;
    *index = done->user_data;
    __atomic_store_n(ring->completed_head, head + 1, __ATOMIC_RELEASE);
    return result;
}

/* The oldest completion: 0 if its poll found the descriptor readable, else -errno. */
static inline int micro_uring_take(micro_uring_t *ring, uint64_t *index)
{
    const int result = micro_uring_result(ring, index);
    return result < 0 ? result : result & POLLIN ? 0 : -EBADMSG;
}

#else

static inline void micro_uring_close(micro_uring_t *ring) { (void)ring; }
static inline int micro_uring_open(micro_uring_t *ring, uint32_t entries)
{
    return (void)ring, (void)entries, -ENOSYS;
}
static inline void micro_uring_nop(micro_uring_t *ring) { (void)ring; }
static inline int micro_uring_submit(micro_uring_t *ring) { return (void)ring, -ENOSYS; }
static inline int micro_uring_result(micro_uring_t *ring, uint64_t *index)
{
    return (void)ring, *index = 0, -ENOSYS;
}
static inline void micro_uring_poll(micro_uring_t *ring, int fd, uint64_t index)
{
    (void)ring, (void)fd, (void)index;
}
static inline void micro_uring_take_back(micro_uring_t *ring, uint64_t index)
{
    (void)ring, (void)index;
}
static inline uint32_t micro_uring_completed(const micro_uring_t *ring) { return (void)ring, 0; }
static inline int micro_uring_enter(micro_uring_t *ring, uint32_t wanted)
{
    return (void)ring, (void)wanted, -ENOSYS;
}
static inline int micro_uring_take(micro_uring_t *ring, uint64_t *index)
{
    return (void)ring, *index = 0, -ENOSYS;
}

#endif
#endif
