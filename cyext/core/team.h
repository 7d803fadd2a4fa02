/* T members, each a thread or a process with a workload of its own, started at one barrier.
 *
 * Between slices all members sleep in read(): nothing of them runs while nobody measures. A slice is
 *   prepare | barrier | sentinel on every CPU at once | barrier | loop | barrier | sentinel | restore
 * and lasts from the first start to the last end.
 */
#ifndef MICRO_TEAM_H
#define MICRO_TEAM_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/mapping.h"
#include "os/process.h"
#include "os/thread.h"
#include "core/sentinel.h"

#define MICRO_TEAM_MAX 4096
#define MICRO_SPINS 256   /* before a waiting member lets others on its CPU run */
#define MICRO_TRIES 100   /* of a call on our own pipe, which fails for a passing reason only */
#define MICRO_ROLL_CALL_MS 250   /* how often a long slice is asked whether all its members live */

enum { MICRO_PREPARE, MICRO_LOOP, MICRO_RESTORE };

typedef struct {
    int64_t start_ns, end_ns, status;
    micro_sense_t before, after;
    const char *failed_call;   /* a string constant: good in every member, forked ones too */
    uint64_t failed_after;
} micro_member_t;

typedef int64_t (*micro_step_t)(void *workload, int step, uint64_t n, micro_member_t *member);

typedef struct {
    atomic_uint arrived, generation;
    uint64_t n;   /* 0: leave */
    micro_member_t members[];
} micro_shared_t;

typedef struct micro_team {
    unsigned count, cpu_count, started;
    int processes;
    pid_t owner;
    int go[2], done[2];
    const int *cpus;
    void **workloads;
    micro_step_t step;
    micro_shared_t *shared;
    size_t shared_bytes;
    pthread_t *threads;
    pid_t *children;
} micro_team_t;

static void micro_barrier(micro_team_t *team)
{
    micro_shared_t *shared = team->shared;
    const unsigned generation = atomic_load(&shared->generation);
    if (atomic_fetch_add(&shared->arrived, 1) + 1 == team->count) {
        atomic_store(&shared->arrived, 0);
        atomic_fetch_add(&shared->generation, 1);
        return;
    }
    for (unsigned spins = 0; atomic_load(&shared->generation) == generation; spins++) {
        if (spins >= MICRO_SPINS)
            sched_yield();
        /* A member process must not wait for ever for a team whose owner is dead. */
        if (team->processes && spins % (16 * MICRO_SPINS) == 0 && getppid() != team->owner)
            _exit(1);
    }
}

/* The first member on each CPU runs the sentinel there; without CPUs to pin to, the first of all. */
static unsigned micro_team_leaders(const micro_team_t *team)
{
    const unsigned cpus = team->cpu_count ? team->cpu_count : 1;
    return cpus < team->count ? cpus : team->count;
}

/* One token in or out. The others would wait for ever for a member that gave up at a passing error. */
static int micro_token_passes(int writing, int fd)
{
    char token = 't';
    for (int tries = 0; tries < MICRO_TRIES; tries++) {
        const ssize_t moved = writing ? write(fd, &token, 1) : read(fd, &token, 1);
        if (moved >= 0)
            return moved == 1;
    }
    return 0;
}

static void micro_member(micro_team_t *team, unsigned index)
{
    micro_shared_t *shared = team->shared;
    micro_member_t *me = &shared->members[index];
    const int leads = index < micro_team_leaders(team);
    if (team->cpu_count)
        micro_pin(team->cpus[index % team->cpu_count]);
    while (micro_token_passes(0, team->go[0])) {
        const uint64_t n = shared->n;
        if (n == 0)
            return;
        me->status = team->step(team->workloads[index], MICRO_PREPARE, n, me);
        micro_barrier(team);
        if (leads)
            micro_sense(&me->before);
        micro_barrier(team);
        me->start_ns = micro_now_ns();
        if (me->status == 0)
            me->status = team->step(team->workloads[index], MICRO_LOOP, n, me);
        me->end_ns = micro_now_ns();
        micro_barrier(team);
        if (leads)
            micro_sense(&me->after);
        const int64_t undone = team->step(team->workloads[index], MICRO_RESTORE, n, me);
        if (me->status == 0)
            me->status = undone;
        if (!micro_token_passes(1, team->done[1]))
            return;
    }
}

typedef struct { micro_team_t *team; unsigned index; } micro_entry_t;

static void *micro_member_thread(void *argument)
{
    micro_entry_t entry = *(micro_entry_t *)argument;
    free(argument);
    micro_member(entry.team, entry.index);
    return NULL;
}

/* Wake `count` members. A token each, not the end of file: processes forked later hold the pipe. */
static int micro_team_wake(micro_team_t *team, unsigned count, uint64_t n)
{
    static const char tokens[64];
    team->shared->n = n;
    for (unsigned sent = 0; sent < count;) {
        const unsigned some = count - sent < sizeof tokens ? count - sent : sizeof tokens;
        const ssize_t wrote = write(team->go[1], tokens, some);
        if (wrote < 0 && errno != EINTR)
            return -errno;
        sent += wrote > 0 ? (unsigned)wrote : 0;
    }
    return 0;
}

/* Let the members go and take everything back. Safe on a team that was only half started. */
static void micro_team_stop(micro_team_t *team)
{
    if (team->started)
        micro_team_wake(team, team->started, 0);
    for (unsigned i = 0; i < team->started; i++) {
        if (team->processes)
            while (waitpid(team->children[i], NULL, 0) < 0 && errno == EINTR)
                ;
        else
            pthread_join(team->threads[i], NULL);
    }
    team->started = 0;
    int *ends[] = {&team->go[0], &team->go[1], &team->done[0], &team->done[1]};
    for (int i = 0; i < 4; i++)
        if (*ends[i] >= 0) {
            close(*ends[i]);
            *ends[i] = -1;
        }
    if (team->shared)
        munmap(team->shared, team->shared_bytes);
    team->shared = NULL;
    free(team->threads);
    free(team->children);
    team->threads = NULL;
    team->children = NULL;
}

/* 0, or -errno with the failing call's name. The caller then calls micro_team_stop. */
static int micro_team_start(micro_team_t *team, const char **call)
{
    team->go[0] = team->go[1] = team->done[0] = team->done[1] = -1;
    team->started = 0;
    team->owner = getpid();
    team->threads = calloc(team->count, sizeof *team->threads);
    team->children = calloc(team->count, sizeof *team->children);
    team->shared_bytes = sizeof(micro_shared_t) + team->count * sizeof(micro_member_t);
    *call = "mmap";
    team->shared = mmap(NULL, team->shared_bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (team->shared == MAP_FAILED) {
        team->shared = NULL;
        return -errno;
    }
    *call = "calloc";
    if (!team->threads || !team->children)
        return -ENOMEM;
    *call = "pipe";
    if (pipe(team->go) != 0 || pipe(team->done) != 0)
        return -errno;
    for (unsigned i = 0; i < team->count; i++) {
        if (team->processes) {
            *call = "fork";
            const pid_t child = fork();
            if (child < 0)
                return -errno;
            if (child == 0) {
                micro_die_with_parent();
                close(team->go[1]);
                close(team->done[0]);
                micro_member(team, i);
                _exit(0);
            }
            team->children[i] = child;
        } else {
            *call = "pthread_create";
            micro_entry_t *entry = malloc(sizeof *entry);
            if (!entry)
                return -ENOMEM;
            *entry = (micro_entry_t){team, i};
            const int error = pthread_create(&team->threads[i], NULL, micro_member_thread, entry);
            if (error) {
                free(entry);
                return -error;
            }
        }
        team->started++;
    }
    return 0;
}

/* Members wait for each other: once one process was killed, the others are ended too. */
static int micro_team_lost(micro_team_t *team)
{
    unsigned lost = 0;
    while (lost < team->started && waitpid(team->children[lost], NULL, WNOHANG) == 0)
        lost++;
    if (lost == team->started)
        return 0;
    for (unsigned i = 0; i < team->started; i++)
        if (i != lost) {
            kill(team->children[i], SIGKILL);
            while (waitpid(team->children[i], NULL, 0) < 0 && errno == EINTR)
                ;
        }
    team->started = 0;
    return 1;
}

static double micro_ratio(const micro_sense_t *sense)
{
    return sense->chain_ns > 0 ? (double)sense->width_ns / (double)sense->chain_ns : 0;
}

/* One slice: its start, its nanoseconds and the dirtiest core's sentinels. Returns 0 or the status of the
 * member that failed, whose index is in *failed. */
static int64_t micro_team_slice(micro_team_t *team, uint64_t n, int64_t *began_ns,
                                int64_t *elapsed_ns, micro_sense_t *before,
                                micro_sense_t *after, unsigned *failed)
{
    char tokens[64];
    struct pollfd done = {.fd = team->done[0], .events = POLLIN};
    int status = 0;
    *failed = 0;
    team->shared->members[0].failed_call = "member process";   /* unless a member knows better */
    team->shared->members[0].failed_after = 0;
    if (team->started < team->count)
        return -ECHILD;
    status = micro_team_wake(team, team->count, n);
    if (status)
        return status;
    int failed_reads = 0;
    for (unsigned back = 0; back < team->count;) {
        if (team->processes && poll(&done, 1, MICRO_ROLL_CALL_MS) < 1) {
            if (micro_team_lost(team))
                return -ECHILD;
            continue;
        }
        const ssize_t got = read(team->done[0], tokens, sizeof tokens);
        /* Not all are back: to give up now would leave them waiting for each other. */
        if (got < 0 && ++failed_reads == MICRO_TRIES)
            return -errno;
        back += got > 0 ? (unsigned)got : 0;
    }
    const unsigned leaders = micro_team_leaders(team);
    const micro_member_t *members = team->shared->members;
    int64_t first = members[0].start_ns, last = members[0].end_ns;
    *before = members[0].before;
    *after = members[0].after;
    for (unsigned i = 0; i < team->count; i++) {
        if (members[i].status != 0) {
            *failed = i;
            return members[i].status;
        }
        if (members[i].start_ns < first)
            first = members[i].start_ns;
        if (members[i].end_ns > last)
            last = members[i].end_ns;
        if (i < leaders && micro_ratio(&members[i].before) > micro_ratio(before))
            *before = members[i].before;
        if (i < leaders && micro_ratio(&members[i].after) > micro_ratio(after))
            *after = members[i].after;
    }
    *began_ns = first;
    *elapsed_ns = last - first;
    return 0;
}

#endif
