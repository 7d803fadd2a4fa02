/* Samples of one CPU's clock: where the code was that it interrupted. Linux, perf_event_open.
 *
 * The software clock is a timer of the kernel: it needs no hardware counter and works in a virtual
 * machine. Code that runs with interrupts disabled is seen where it enables them again. */
#ifndef MICRO_OS_SAMPLE_CLOCK_H
#define MICRO_OS_SAMPLE_CLOCK_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "os/perf_event.h"

/* Pages of a ring, a power of two. With the control page they are what kernel.perf_event_mlock_kb
 * gives a user for each CPU. */
#define MICRO_RING_PAGES 128
/* No record is longer: the kernel keeps its length in 16 bits. */
#define MICRO_RECORD_BYTES 65536

typedef struct {
    int fd;   /* -1: closed */
    unsigned char *ring;
    size_t ring_bytes;
    size_t control_bytes;
} micro_sample_clock_t;

/* Which of the records we ask for it is. */
enum { MICRO_NO_RECORD, MICRO_SAMPLE, MICRO_FORK, MICRO_EXEC, MICRO_LOST, MICRO_OTHER_RECORD };

typedef struct {
    int kind;
    uint32_t pid, parent;   /* parent: of a fork */
    uint64_t ip, time_ns, lost;
    uint64_t depth;         /* of the call chain */
    const uint64_t *chain;
    const char *program;    /* of an exec: its name */
    int in_kernel;
} micro_record_t;

#if MICRO_HAS_PERF_EVENTS
#define MICRO_HAS_SAMPLE_CLOCK 1
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static inline void micro_sample_clock_close(micro_sample_clock_t *clock)
{
    if (clock->ring)
        munmap(clock->ring, clock->control_bytes + clock->ring_bytes);
    if (clock->fd >= 0)
        close(clock->fd);
    clock->ring = NULL;
    clock->fd = -1;
}

/* Sample all that runs on a CPU, or this process and its children there. Starts stopped.
 * 0 or -errno. */
static inline int micro_sample_clock_open(micro_sample_clock_t *clock, int cpu, int everybody,
                                          uint64_t period_ns)
{
    struct perf_event_attr how;
    memset(&how, 0, sizeof how);
    how.type = PERF_TYPE_SOFTWARE;
    how.config = PERF_COUNT_SW_CPU_CLOCK;
    how.sample_period = period_ns;
    how.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CALLCHAIN;
    how.disabled = 1;
    how.inherit = !everybody;
    how.exclude_callchain_user = 1;   /* C libraries keep no frame pointers to follow */
    how.task = 1;
    how.comm = 1;
    how.comm_exec = 1;
    how.use_clockid = 1;
    how.clockid = CLOCK_MONOTONIC;   /* that of micro_now_ns() */
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    clock->ring = NULL;
    clock->control_bytes = page_bytes;
    clock->ring_bytes = MICRO_RING_PAGES * page_bytes;
    clock->fd = micro_perf_event_open(&how, everybody ? -1 : 0, cpu);
    if (clock->fd < 0)
        return clock->fd;
    void *ring = mmap(NULL, page_bytes + clock->ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                      clock->fd, 0);
    if (ring == MAP_FAILED) {
        const int error = errno;
        micro_sample_clock_close(clock);
        return -error;
    }
    clock->ring = ring;
    return 0;
}

/* 0 or -errno. */
static inline int micro_sample_clock_switch(const micro_sample_clock_t *clock, int on)
{
    const unsigned long command = on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE;
    return ioctl(clock->fd, command, 0) == 0 ? 0 : -errno;
}

/* The oldest record that was not yet read, copied to `space` of MICRO_RECORD_BYTES. */
static inline void micro_next_record(micro_sample_clock_t *clock, unsigned char *space,
                                     micro_record_t *record)
{
    struct perf_event_mmap_page *control = (struct perf_event_mmap_page *)clock->ring;
    const unsigned char *data = clock->ring + clock->control_bytes;
    const uint64_t head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE);
    const uint64_t tail = control->data_tail;
    struct perf_event_header header;
    memset(record, 0, sizeof *record);
    if (head == tail)
        return;
    const size_t at = (size_t)(tail % clock->ring_bytes);
    memcpy(&header, data + at, sizeof header);   /* records begin at multiples of 8 bytes */
    const size_t first = clock->ring_bytes - at < header.size ? clock->ring_bytes - at : header.size;
    memcpy(space, data + at, first);
    memcpy(space + first, data, header.size - first);
    __atomic_store_n(&control->data_tail, tail + header.size, __ATOMIC_RELEASE);

    const uint64_t *words = (const uint64_t *)(space + sizeof header);
    record->kind = MICRO_OTHER_RECORD;
    if (header.type == PERF_RECORD_SAMPLE) {
        record->kind = MICRO_SAMPLE;
        record->ip = words[0];
        record->pid = (uint32_t)words[1];
        record->time_ns = words[2];
        record->depth = words[3];
        record->chain = words + 4;
        record->in_kernel =
            (header.misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_KERNEL;
    } else if (header.type == PERF_RECORD_FORK) {
        record->kind = MICRO_FORK;
        memcpy(&record->pid, words, sizeof record->pid);
        memcpy(&record->parent, (const unsigned char *)words + 4, sizeof record->parent);
    } else if (header.type == PERF_RECORD_COMM && header.misc & PERF_RECORD_MISC_COMM_EXEC) {
        record->kind = MICRO_EXEC;
        memcpy(&record->pid, words, sizeof record->pid);
        record->program = (const char *)(words + 1);
    } else if (header.type == PERF_RECORD_LOST) {
        record->kind = MICRO_LOST;
        record->lost = words[1];
    }
}

/* What a call chain holds beside addresses: where the kernel's part begins, and such. */
static inline int micro_is_address(uint64_t word)
{
    return word < (uint64_t)PERF_CONTEXT_MAX;
}

#else
#define MICRO_HAS_SAMPLE_CLOCK 0
static inline void micro_sample_clock_close(micro_sample_clock_t *clock) { clock->fd = -1; }
static inline int micro_sample_clock_open(micro_sample_clock_t *clock, int cpu, int everybody,
                                          uint64_t period_ns)
{
    (void)clock; (void)cpu; (void)everybody; (void)period_ns;
    return -ENOSYS;
}
static inline int micro_sample_clock_switch(const micro_sample_clock_t *clock, int on)
{
    (void)clock; (void)on;
    return -ENOSYS;
}
static inline void micro_next_record(micro_sample_clock_t *clock, unsigned char *space,
                                     micro_record_t *record)
{
    (void)clock; (void)space;
    memset(record, 0, sizeof *record);
}
static inline int micro_is_address(uint64_t word) { (void)word; return 0; }
#endif

#endif
