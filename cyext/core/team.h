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
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "core/peers.h"
#include "core/sentinel.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/usage.h"

#define MICRO_TEAM_MAX 4096
#define MICRO_SPINS 256   /* before a waiting member lets others on its CPU run */
#define MICRO_CROWD 64    /* of more members, those that wait sleep, where the system has futexes */
#define MICRO_ROLL_CALL_MS 250   /* how often a long slice is asked whether all its members live */

enum { MICRO_PREPARE, MICRO_LOOP, MICRO_RESTORE };

typedef struct {
    int64_t start_ns, end_ns, status;
    micro_sense_t before, after;
    const char *failed_call;   /* a string constant: good in every member, forked ones too */
    uint64_t failed_after;
    micro_usage_t usage;       /* since the team was started, where it is counted */
} micro_member_t;

typedef int64_t (*micro_step_t)(void *workload, int step, uint64_t n, micro_member_t *member);

typedef struct {
    atomic_uint arrived, generation;
    uint64_t n;
    int counting;
    micro_member_t members[];
} micro_shared_t;

typedef struct micro_team {
    unsigned count;
    int go[2], done[2];
    void **workloads;
    micro_step_t step;
    micro_shared_t *shared;
    size_t shared_bytes;
    int64_t longest_start_ns;   /* -ETIMEDOUT where starting the members takes longer; 0: no limit */
    micro_peers_t peers;
} micro_team_t;

/* A crowd that yielded would keep the CPUs from those that it waits for: 4,096 members took 10 s. */
static void micro_barrier(micro_team_t *team)
{
    micro_shared_t *shared = team->shared;
    const int processes = team->peers.kind == MICRO_PROCESSES;
    const int crowd = team->count > MICRO_CROWD;
    const unsigned generation = atomic_load(&shared->generation);
    if (atomic_fetch_add(&shared->arrived, 1) + 1 == team->count) {
        atomic_store(&shared->arrived, 0);
        atomic_fetch_add(&shared->generation, 1);
        if (crowd)
            micro_futex_wake(&shared->generation, INT_MAX, processes);
        return;
    }
    for (unsigned spins = 0; atomic_load(&shared->generation) == generation; spins++) {
        if (crowd && micro_futex_wait(&shared->generation, generation, processes) != -ENOSYS)
            continue;
        if (spins >= MICRO_SPINS)
            sched_yield();
        /* A member process must not wait for ever for a team whose owner is dead. */
        if (processes && spins % (16 * MICRO_SPINS) == 0 && getppid() != team->peers.owner)
            _exit(1);
    }
}

/* The first member on each CPU runs the sentinel there; without CPUs to pin to, the first of all. */
static unsigned micro_team_leaders(const micro_team_t *team)
{
    const unsigned cpus = team->peers.cpu_count ? (unsigned)team->peers.cpu_count : 1;
    return cpus < team->count ? cpus : team->count;
}

/* The body of a member: a slice whenever a token comes. */
static int64_t micro_member(micro_peer_t *self, void *argument)
{
    micro_team_t *team = argument;
    const unsigned index = (unsigned)self->index;
    micro_shared_t *shared = team->shared;
    micro_member_t *me = &shared->members[index];
    const int leads = index < micro_team_leaders(team);
    while (micro_peer_moves_byte(self, team->go[0], 0) == 1) {
        const uint64_t n = shared->n;
        me->status = team->step(team->workloads[index], MICRO_PREPARE, n, me);
        micro_barrier(team);
        if (leads)
            micro_sense(&me->before);
        micro_barrier(team);
        const micro_usage_t before = shared->counting ? micro_usage_of(RUSAGE_THREAD)
                                                      : (micro_usage_t){0, 0, 0};
        me->start_ns = micro_now_ns();
        if (me->status == 0)
            me->status = team->step(team->workloads[index], MICRO_LOOP, n, me);
        me->end_ns = micro_now_ns();
        if (shared->counting)
            micro_usage_add(&me->usage, before, micro_usage_of(RUSAGE_THREAD));
        micro_barrier(team);
        if (leads)
            micro_sense(&me->after);
        const int64_t undone = team->step(team->workloads[index], MICRO_RESTORE, n, me);
        if (me->status == 0)
            me->status = undone;
        if (micro_peer_moves_byte(self, team->done[1], 1) != 1)
            break;
    }
    return 0;
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

/* End the members and take everything back. Safe on a team that was only half started. */
static void micro_team_stop(micro_team_t *team)
{
    micro_peers_close(&team->peers);
    int *ends[] = {&team->go[0], &team->go[1], &team->done[0], &team->done[1]};
    for (int i = 0; i < 4; i++)
        if (*ends[i] >= 0) {
            close(*ends[i]);
            *ends[i] = -1;
        }
    if (team->shared)
        munmap(team->shared, team->shared_bytes);
    team->shared = NULL;
}

/* 0, or -errno with the failing call's name. The caller then calls micro_team_stop. */
static int micro_team_start(micro_team_t *team, const char **call)
{
    team->go[0] = team->go[1] = team->done[0] = team->done[1] = -1;
    team->peers.body = micro_member;
    team->peers.argument = team;
    team->shared_bytes = sizeof(micro_shared_t) + team->count * sizeof(micro_member_t);
    *call = "mmap";
    team->shared = micro_shared_memory(team->shared_bytes);
    if (!team->shared)
        return -errno;
    *call = "pipe";
    if (pipe(team->go) != 0 || pipe(team->done) != 0)
        return -errno;
    int status = micro_peers_open(&team->peers);
    if (status == 0)
        status = micro_peers_reserve(&team->peers, team->count);
    const int64_t began_ns = micro_now_ns();
    while (status == 0 && team->peers.count < (int64_t)team->count) {
        if (team->longest_start_ns && micro_now_ns() - began_ns > team->longest_start_ns)
            return -ETIMEDOUT;
        status = micro_peers_add(&team->peers);
    }
    *call = team->peers.call;
    return status;
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
    if (team->peers.count < (int64_t)team->count)
        return -ECHILD;
    status = micro_team_wake(team, team->count, n);
    if (status)
        return status;
    int failed_reads = 0;
    for (unsigned back = 0; back < team->count;) {
        if (team->peers.kind == MICRO_PROCESSES && poll(&done, 1, MICRO_ROLL_CALL_MS) < 1) {
            /* Members wait for each other: once one process was killed, the others are ended too. */
            if (micro_peers_failed(&team->peers)) {
                micro_peers_keep(&team->peers, 0);
                return -ECHILD;
            }
            continue;
        }
        const ssize_t got = read(team->done[0], tokens, sizeof tokens);
        /* Not all are back: to give up now would leave them waiting for each other. */
        if (got < 0 && ++failed_reads == MICRO_PEER_TRIES)
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
