/* Peers: whatever runs beside the timed loop, as thread or forked process of its owner.
 *
 * One group has one kind, one body, and places for so many peers as were reserved. A peer is started
 * by micro_peers_add, which returns once the peer has said that it runs (pinned, if it has a CPU);
 * micro_peers_keep ends the newest until so many are left. Nothing of a group outlives its owner:
 * a process ends when the leash, a pipe that only the owner writes to, closes; a thread ends with it.
 *
 * A body serves until micro_peer_leaves() and returns 0, or a negative errno with the failed call in
 * its mailbox. A thread that blocks is woken by a signal, again and again until it has ended; a
 * process is killed. A peer that fails interrupts its owner in the same way, so that neither waits
 * for the other: the owner's blocked call returns EINTR, and micro_peers_failed() tells the cause.
 * All functions return 0 or a negative errno, with the failed call's name in group->call. */
#ifndef MICRO_PEERS_H
#define MICRO_PEERS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/cpu_time.h"
#include "os/mapping.h"
#include "os/process.h"
#include "os/thread.h"

/* Wakes a blocked thread of ours; its handler does nothing, but makes the blocked call return. */
#define MICRO_WAKE_SIGNAL SIGUSR1
#define MICRO_WAKE_AGAIN_NS 1000000
#define MICRO_YIELDS 64   /* to a thread that ends, before it is woken again */
#define MICRO_MAILBOXES 65536   /* the most peers with a body; memory is used as it is written to */
#define MICRO_PEER_TRIES 100   /* of a call on our own pipe, which fails for a passing reason only */

enum { MICRO_THREADS, MICRO_PROCESSES };

/* What a peer tells its owner, in memory that both see, a cache line or two apart. */
typedef struct {
    _Alignas(128) const char *call;   /* a string constant: good in every forked process */
    int64_t error;                    /* why the body ended early, as a negative errno; else 0 */
} micro_mailbox_t;

struct micro_peers;

/* A peer as it knows itself. */
typedef struct {
    struct micro_peers *group;
    int64_t index;
    micro_mailbox_t *mail;   /* NULL without a body */
} micro_peer_t;

/* A peer as its owner knows it. */
typedef union {
    pthread_t thread;
    pid_t process;   /* 0 once it has ended */
} micro_peer_id_t;

typedef int64_t (*micro_body_t)(micro_peer_t *self, void *argument);

typedef struct micro_peers {
    int kind;
    const char *call;
    int64_t count, capacity;
    micro_peer_id_t *ids;
    int ready[2];           /* a peer writes a byte when it runs */
    int leash[2];           /* peers wait here; only the owner holds the end that is written to */
    atomic_int_fast64_t keep;    /* threads from this index on leave */
    atomic_int_fast64_t ended;   /* threads that have left and wait to be joined */
    micro_body_t body;      /* NULL: wait until the end */
    void *argument;
    micro_mailbox_t *mail;  /* shared: one a peer, MICRO_MAILBOXES of them, where there is a body */
    const int *cpus;        /* peer i runs on cpus[i % cpu_count]; with none, where its owner may */
    int cpu_count;
    int anywhere;           /* peers run on any of the CPUs, as the system likes */
    const pthread_attr_t *attributes;
    pid_t owner;
    pthread_t owner_thread;
} micro_peers_t;

static inline int micro_peers_fail(micro_peers_t *group, const char *call, int error)
{
    group->call = call;
    return -(error ? error : EIO);
}

static void micro_woken(int number)
{
    (void)number;
}

/* A process that the system does not end with its owner looks after it once in a while. */
#define MICRO_ORPHAN_LOOKS_S 1
static pid_t micro_owner_of_this_process;

static void micro_leave_if_orphaned(int number)
{
    (void)number;
    if (getppid() != micro_owner_of_this_process)
        _exit(0);
}

static inline void micro_look_after_owner(pid_t owner)
{
    const struct itimerval looks = {{MICRO_ORPHAN_LOOKS_S, 0}, {MICRO_ORPHAN_LOOKS_S, 0}};
    const struct sigaction action = {.sa_handler = micro_leave_if_orphaned, .sa_flags = SA_RESTART};
    micro_owner_of_this_process = owner;
    if (sigaction(SIGALRM, &action, NULL) == 0)
        setitimer(ITIMER_REAL, &looks, NULL);
}

/* Whether the owner wants this peer to end; a body asks after each call that was interrupted. */
static inline int micro_peer_leaves(const micro_peer_t *self)
{
    if (self->group->kind == MICRO_PROCESSES)
        return getppid() != self->group->owner;
    return self->index >= atomic_load(&self->group->keep);
}

/* One byte out or in, through signals and passing failures: 1 once it has passed, 0 where the peer
 * should leave or the other end is gone, or a negative errno. */
static inline int64_t micro_peer_moves_byte(micro_peer_t *self, int fd, int writes)
{
    char byte = 'b';
    int64_t error = EIO;
    for (int tries = 0; tries < MICRO_PEER_TRIES; tries++) {
        const ssize_t moved = writes ? write(fd, &byte, 1) : read(fd, &byte, 1);
        if (moved == 1)
            return 1;
        if (moved == 0 || micro_peer_leaves(self))
            return 0;
        error = errno;
        if (error == EINTR)
            tries--;
    }
    self->mail->call = writes ? "write" : "read";
    return -error;
}

/* Wait for the end: of the leash, or of this peer alone. */
static void micro_peer_waits(micro_peer_t *self)
{
    char byte;
    if (self->group->kind == MICRO_PROCESSES) {
        struct pollfd leash = {.fd = self->group->leash[0]};
        while (poll(&leash, 1, -1) < 0 && errno == EINTR)
            ;
        return;
    }
    while (!micro_peer_leaves(self) && read(self->group->leash[0], &byte, 1) < 0)
        ;
}

/* A failed peer interrupts its owner until the owner has noticed and ends it. */
static void micro_peer_complains(micro_peer_t *self, int64_t error)
{
    const struct timespec pause = {.tv_nsec = MICRO_WAKE_AGAIN_NS};
    self->mail->error = error;
    while (!micro_peer_leaves(self)) {
        if (self->group->kind == MICRO_PROCESSES)
            kill(self->group->owner, MICRO_WAKE_SIGNAL);
        else
            pthread_kill(self->group->owner_thread, MICRO_WAKE_SIGNAL);
        nanosleep(&pause, NULL);
    }
}

/* Why a peer ended early: 0 if none did, else its errno as a negative number, its call in
 * group->call. Processes that something else ended are found, too. */
static inline int64_t micro_peers_failed(micro_peers_t *group)
{
    for (int64_t i = 0; i < group->count; i++) {
        if (group->mail && group->mail[i].error) {
            group->call = group->mail[i].call;
            return group->mail[i].error;
        }
        if (group->kind != MICRO_PROCESSES || !group->body)
            continue;
        if (group->ids[i].process > 0
            && waitpid(group->ids[i].process, NULL, WNOHANG) == group->ids[i].process)
            group->ids[i].process = 0;
        if (group->ids[i].process == 0)   /* found now, or when asked before */
            return micro_peers_fail(group, "peer process", ECHILD);
    }
    return 0;
}

/* The same after a failure, with some patience: the end of a process's pipe is seen before its death. */
static inline int64_t micro_peers_failed_soon(micro_peers_t *group)
{
    const struct timespec pause = {.tv_nsec = MICRO_WAKE_AGAIN_NS};
    int64_t found = micro_peers_failed(group);
    for (int tries = 0; found == 0 && tries < MICRO_PEER_TRIES; tries++) {
        nanosleep(&pause, NULL);
        found = micro_peers_failed(group);
    }
    return found;
}

/* Nanoseconds of CPU time that the peers used and their owner's process did not; -1 where the system
 * does not tell. */
static inline int64_t micro_peers_cpu_ns(const micro_peers_t *group)
{
    int64_t sum = 0;
    for (int64_t i = 0; group->kind == MICRO_PROCESSES && i < group->count; i++) {
        const int64_t used = micro_process_cpu_ns(group->ids[i].process);
        if (used < 0)
            return MICRO_CPU_TIME_UNKNOWN;
        sum += used;
    }
    return sum;
}

/* One byte out or in for the owner: 0 once it has passed, or a negative errno; -EPIPE where the other
 * end is gone. A peer that failed meanwhile ends the wait. */
static inline int micro_owner_moves_byte(micro_peers_t *group, int fd, int writes)
{
    char byte = 'b';
    for (;;) {
        const ssize_t moved = writes ? write(fd, &byte, 1) : read(fd, &byte, 1);
        if (moved == 1)
            return 0;
        if (moved == 0)
            return -EPIPE;
        if (errno != EINTR || micro_peers_failed(group))
            return -errno;
    }
}

/* Bind a peer to its CPU, or to any of the group's: from inside, or from its owner. */
static inline void micro_peer_pin(const micro_peer_t *peer, int inside)
{
    const micro_peers_t *group = peer->group;
    const int *cpus = group->anywhere ? group->cpus : group->cpus + peer->index % group->cpu_count;
    const int count = group->anywhere ? group->cpu_count : 1;
    if (inside)
        micro_pin_process(0, cpus, count);
    else if (group->kind == MICRO_PROCESSES)
        micro_pin_process(group->ids[peer->index].process, cpus, count);
    else
        micro_pin_thread(group->ids[peer->index].thread, cpus, count);
}

static void micro_peer_serves(micro_peer_t *self)
{
    micro_peers_t *group = self->group;
    const char byte = 'b';
    if (group->cpu_count)
        micro_peer_pin(self, 1);
    /* The owner waits for this byte: a write to its pipe fails for passing reasons only. */
    for (int tries = 0; write(group->ready[1], &byte, 1) != 1; tries++)
        if (tries == MICRO_PEER_TRIES)
            return;
    if (group->body == NULL) {
        micro_peer_waits(self);
        return;
    }
    const int64_t error = group->body(self, group->argument);
    if (error)
        micro_peer_complains(self, error);
    else if (group->kind == MICRO_THREADS)
        micro_peer_waits(self);
}

/* The owner waits until this thread is ready, so its index is the newest. */
static void *micro_peer_thread(void *argument)
{
    micro_peers_t *group = argument;
    micro_peer_t self = {.group = group, .index = group->count};
    if (group->mail)
        self.mail = &group->mail[self.index];
    micro_peer_serves(&self);
    atomic_fetch_add(&group->ended, 1);
    return NULL;
}

/* Room for so many peers: nothing is allocated when one is added. */
static inline int micro_peers_reserve(micro_peers_t *group, int64_t capacity)
{
    if (group->body && group->mail == NULL) {
        group->mail = micro_shared_memory(MICRO_MAILBOXES * sizeof *group->mail);
        if (group->mail == NULL)
            return micro_peers_fail(group, "mmap", errno);
    }
    if (group->body && capacity > MICRO_MAILBOXES)
        return micro_peers_fail(group, "reserve", ENOMEM);
    if (capacity <= group->capacity)
        return 0;
    micro_peer_id_t *grown = realloc(group->ids, (size_t)capacity * sizeof *grown);
    if (!grown)
        return micro_peers_fail(group, "realloc", ENOMEM);
    group->ids = grown;
    group->capacity = capacity;
    return 0;
}

static inline void micro_peers_init(micro_peers_t *group, int kind)
{
    memset(group, 0, sizeof *group);
    group->kind = kind;
    group->ready[0] = group->ready[1] = group->leash[0] = group->leash[1] = -1;
    atomic_init(&group->keep, INT64_MAX);
    group->owner = getpid();
    group->owner_thread = pthread_self();
}

/* The pipes, and a handler that lets blocked calls return. May be called again. */
static inline int micro_peers_open(micro_peers_t *group)
{
    if (group->leash[1] >= 0)
        return 0;
    if ((group->ready[0] < 0 && pipe(group->ready) != 0) || pipe(group->leash) != 0)
        return micro_peers_fail(group, "pipe", errno);
    for (int i = 0; i < 2; i++) {
        fcntl(group->ready[i], F_SETFD, FD_CLOEXEC);
        fcntl(group->leash[i], F_SETFD, FD_CLOEXEC);
    }
    if (group->kind == MICRO_THREADS || group->body) {
        struct sigaction woken;
        memset(&woken, 0, sizeof woken);
        woken.sa_handler = micro_woken;   /* no SA_RESTART: a blocked call returns */
        if (sigaction(MICRO_WAKE_SIGNAL, &woken, NULL) != 0)
            return micro_peers_fail(group, "sigaction", errno);
        /* The death of a process interrupts its owner as a failure does. */
        woken.sa_flags = SA_NOCLDSTOP;
        if (group->kind == MICRO_PROCESSES && group->body && sigaction(SIGCHLD, &woken, NULL) != 0)
            return micro_peers_fail(group, "sigaction", errno);
    }
    return 0;
}

/* One more peer, which runs. What it needs was reserved; timed loops may call this. */
static inline int micro_peers_add(micro_peers_t *group)
{
    micro_peer_id_t *const id = &group->ids[group->count];
    char byte;
    ssize_t got;
    if (group->kind == MICRO_PROCESSES) {
        const pid_t child = fork();
        if (child == 0) {
            /* Closing the owner's end first lets it notice the owner's death. */
            close(group->leash[1]);
            micro_peer_t self = {.group = group, .index = group->count};
            if (group->mail) {
                if (!micro_die_with_parent())
                    micro_look_after_owner(group->owner);
                self.mail = &group->mail[self.index];
            }
            micro_peer_serves(&self);
            _exit(0);
        }
        if (child < 0)
            return micro_peers_fail(group, "fork", errno);
        id->process = child;
    } else {
        const int error = pthread_create(&id->thread, group->attributes, micro_peer_thread, group);
        if (error)
            return micro_peers_fail(group, "pthread_create", error);
    }
    /* The peer takes its index from the count, so it must run before: as for its write to this pipe,
     * failures pass. */
    int tries = 0;
    do {
        got = read(group->ready[0], &byte, 1);
    } while (got < 0 && (errno == EINTR || tries++ < MICRO_PEER_TRIES));
    group->count++;
    return got == 1 ? 0 : micro_peers_fail(group, "read", errno);
}

/* The end of one process, and its status collected. */
static inline int micro_peers_bury(micro_peers_t *group, pid_t child)
{
    if (kill(child, SIGKILL) != 0)
        return micro_peers_fail(group, "kill", errno);
    while (waitpid(child, NULL, 0) != child)
        if (errno != EINTR)
            return micro_peers_fail(group, "waitpid", errno);
    return 0;
}

/* The end of all threads from index `first` on, which were told to leave: they are woken until they
 * have ended, then joined. */
static inline int micro_peers_join(micro_peers_t *group, int64_t first)
{
    const struct timespec pause = {.tv_nsec = MICRO_WAKE_AGAIN_NS};
    int failed = 0;
    for (unsigned tries = 0; atomic_load(&group->ended) < group->count - first; tries++) {
        if (tries % MICRO_YIELDS == 0) {
            if (tries)
                nanosleep(&pause, NULL);
            for (int64_t i = first; i < group->count; i++)
                pthread_kill(group->ids[i].thread, MICRO_WAKE_SIGNAL);
        }
        sched_yield();
    }
    for (int64_t i = first; i < group->count; i++) {
        const int error = pthread_join(group->ids[i].thread, NULL);
        if (error)
            failed = micro_peers_fail(group, "pthread_join", error);
    }
    return failed;
}

/* End the newest until `count` are left. All are tried; the last failure is returned. */
static inline int micro_peers_keep(micro_peers_t *group, int64_t count)
{
    int failed = 0;
    if (group->count <= count)
        return 0;
    if (group->kind == MICRO_THREADS) {
        atomic_store(&group->ended, 0);
        atomic_store(&group->keep, count);
        failed = micro_peers_join(group, count);
        atomic_store(&group->keep, INT64_MAX);
    } else {
        for (int64_t i = count; i < group->count; i++) {
            const int status = group->ids[i].process > 0
                ? micro_peers_bury(group, group->ids[i].process) : 0;
            if (status)
                failed = status;
        }
    }
    group->count = count;
    return failed;
}

/* The owner's CPUs have changed. */
static inline void micro_peers_follow(micro_peers_t *group)
{
    for (int64_t i = 0; group->cpu_count && i < group->count; i++) {
        const micro_peer_t peer = {.group = group, .index = i};
        micro_peer_pin(&peer, 0);
    }
}

static inline int micro_peers_close(micro_peers_t *group)
{
    const int status = micro_peers_keep(group, 0);
    for (int i = 0; i < 2; i++) {
        if (group->ready[i] >= 0)
            close(group->ready[i]);
        if (group->leash[i] >= 0)
            close(group->leash[i]);
        group->ready[i] = group->leash[i] = -1;
    }
    if (group->mail)
        munmap(group->mail, MICRO_MAILBOXES * sizeof *group->mail);
    free(group->ids);
    group->mail = NULL;
    group->ids = NULL;
    group->capacity = 0;
    return status;
}

#endif
