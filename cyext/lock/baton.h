/* Tasks that pass a baton around a ring by locks: each sleeps in a lock that the task before it holds,
 * or at a condition variable that the task before it signals.
 *
 * From each task to the next one lead two locks. Whoever shall give the baton holds one of them, and
 * there the next task sleeps. To pass the baton on, the giver first takes the other lock, which is
 * free, then gives back the first; the next task wakes with it, gives it back, and will wait for the
 * other one when the baton has been around. So each lock is given back by whoever took it, and a task
 * that comes late to its lock finds the baton there all the same.
 *
 * All tasks of the ring are peers. Their owner starts a batch and sleeps in poll() until the baton is
 * back at task 0: a signal would not end its wait for a mutex whose holder has died. */
#ifndef MICRO_LOCK_BATON_H
#define MICRO_LOCK_BATON_H

#include "core/peers.h"
#include "lock/locks.h"
#include "os/clock.h"
#include "os/mark.h"
#include "os/numbered_files.h"

enum { MICRO_CONDITION = MICRO_OFD_LOCK + 1 };   /* beside the locks of locks.h */

/* If nobody has passed the baton on in so many waits for its return, it is lost. */
#define MICRO_BATON_WAIT_MS 1000
#define MICRO_BATON_WAITS 3

/* Between two tasks. */
typedef struct {
    _Alignas(128) micro_lock_t locks[2];   /* of a file only the number counts */
    pthread_cond_t condition;              /* with the first lock, a mutex */
    int64_t passed;   /* how often the baton was; a lock that came free by itself shows */
} micro_baton_edge_t;

/* In memory that all share. */
typedef struct {
    size_t bytes;
    int how;                 /* a kind of lock, or MICRO_CONDITION */
    int directory;           /* where the locked files are */
    int marks;               /* task 0 marks its laps for a tracer */
    int64_t tasks;
    int64_t hops;            /* of the next batch */
    int64_t start_ns, end_ns;
    int64_t started;         /* batches */
    atomic_int_fast64_t finished;
    atomic_int_fast64_t left;    /* hops of this batch; only who has the baton changes it */
    atomic_int_fast64_t ready;   /* tasks that have done the first step of the set-up; then the second */
    atomic_int ending;
    int begin[2];            /* a byte starts a batch; before, one for each task lets it take its lock */
    int arrived[2];          /* a byte ends a batch; before, one for each task lets it wait for others */
    micro_baton_edge_t edges[];   /* edge i leads to task i */
} micro_baton_t;

/* A task as it knows itself. */
typedef struct {
    micro_peer_t *self;
    micro_baton_t *ring;
    micro_baton_edge_t *in, *out;
    int fds[4];               /* of the locks to it, of those from it; else -1 */
    int in_turn, out_turn;    /* which lock is next */
    int64_t taken;            /* how often it had the baton */
    int holds;                /* its first lock, at least */
} micro_baton_task_t;

static inline void micro_baton_free(micro_baton_t *ring)
{
    if (ring == NULL)
        return;
    for (int i = 0; i < 2; i++) {
        if (ring->begin[i] >= 0)
            close(ring->begin[i]);
        if (ring->arrived[i] >= 0)
            close(ring->arrived[i]);
    }
    munmap(ring, ring->bytes);
}

/* The condition variable of an edge and its mutex: 0 or an errno. */
static inline int micro_baton_init_condition(micro_baton_edge_t *edge, int between_processes)
{
    pthread_condattr_t condition;
    int error = micro_lock_init(&edge->locks[0], MICRO_MUTEX, between_processes);
    error = error ? error : pthread_condattr_init(&condition);
    if (between_processes)
        error = error ? error : pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
    return error ? error : pthread_cond_init(&edge->condition, &condition);
}

/* What so many tasks need, the files excepted. NULL on failure, with errno and the failed call's name. */
static inline micro_baton_t *micro_baton_new(int how, int between_processes, int64_t tasks,
                                             const char **call)
{
    const size_t bytes = sizeof(micro_baton_t) + (size_t)tasks * sizeof(micro_baton_edge_t);
    micro_baton_t *const ring = micro_shared_memory(bytes);
    int error = 0;
    *call = "mmap";
    if (ring == NULL)
        return NULL;
    ring->bytes = bytes;
    ring->how = how;
    ring->tasks = tasks;
    ring->begin[0] = ring->begin[1] = ring->arrived[0] = ring->arrived[1] = -1;
    *call = "pipe";
    if (pipe(ring->begin) != 0 || pipe(ring->arrived) != 0)
        error = errno;
    for (int64_t i = 0; error == 0 && i < tasks; i++) {
        micro_baton_edge_t *const edge = &ring->edges[i];
        *call = "init of the lock";
        if (how == MICRO_CONDITION)
            error = micro_baton_init_condition(edge, between_processes);
        for (int which = 0; how != MICRO_CONDITION && error == 0 && which < 2; which++)
            error = micro_lock_init(&edge->locks[which], how, between_processes);
    }
    if (error == 0)
        return ring;
    micro_baton_free(ring);
    errno = error;
    return NULL;
}

static inline int micro_baton_locks_files(int how)
{
    return how == MICRO_FCNTL_LOCK || how == MICRO_FLOCK || how == MICRO_OFD_LOCK;
}

/* Remove the names of all files that the tasks have made: 0 or -errno. */
static inline int micro_baton_remove_files(int directory, int64_t tasks)
{
    int failed = 0;
    for (int64_t i = 0; i < 2 * tasks; i++) {
        const int status = micro_remove_numbered(directory, i);
        if (status && status != -ENOENT)
            failed = status;
    }
    return failed;
}

/* What follows from an errno: -errno with the call's name, or 0 where the task was told to leave. */
static inline int64_t micro_baton_fails(micro_baton_task_t *task, const char *call, int error)
{
    if (error == EINTR && micro_peer_leaves(task->self))
        return 0;
    task->self->mail->call = call;
    return -error;
}

/* Take a lock, through signals: 0 or an errno. */
static inline int micro_baton_takes(micro_baton_task_t *task, micro_lock_t *lock, int fd)
{
    int error;
    do {
        error = micro_lock_take(task->ring->how, lock, fd);
    } while (error == EINTR && !micro_peer_leaves(task->self));
    return error;
}

/* Signal the next task, which is not kept from its mutex then: 0 or an errno. */
static inline int micro_baton_signals(micro_baton_edge_t *edge, const char **call)
{
    int error = pthread_mutex_lock(&edge->locks[0].mutex);
    *call = "pthread_mutex_lock";
    if (error)
        return error;
    edge->passed++;
    *call = "pthread_mutex_unlock";
    error = pthread_mutex_unlock(&edge->locks[0].mutex);
    if (error)
        return error;
    *call = "pthread_cond_signal";
    return pthread_cond_signal(&edge->condition);
}

/* Pass the baton on: 1, or 0 where this task should leave, or -errno. */
static inline int64_t micro_baton_goes(micro_baton_task_t *task)
{
    const int how = task->ring->how, turn = task->out_turn;
    micro_baton_edge_t *const edge = task->out;
    const char *call;
    int error;
    if (how == MICRO_CONDITION) {
        error = micro_baton_signals(edge, &call);
        return error ? micro_baton_fails(task, call, error) : 1;
    }
    error = micro_baton_takes(task, &edge->locks[!turn], task->fds[2 + !turn]);
    if (error)
        return micro_baton_fails(task, micro_lock_calls[how][0], error);
    edge->passed++;
    error = micro_lock_give(how, &edge->locks[turn], task->fds[2 + turn]);
    if (error)
        return micro_baton_fails(task, micro_lock_calls[how][1], error);
    task->out_turn = !turn;
    return 1;
}

/* Sleep at the condition variable until the task before signals: 0 or an errno. */
static inline int micro_baton_awaits_signal(micro_baton_task_t *task, const char **call)
{
    micro_baton_edge_t *const edge = task->in;
    int error = pthread_mutex_lock(&edge->locks[0].mutex);
    *call = "pthread_mutex_lock";
    while (error == 0 && edge->passed == task->taken) {
        *call = "pthread_cond_wait";
        error = pthread_cond_wait(&edge->condition, &edge->locks[0].mutex);
    }
    if (error)
        return error;
    *call = "pthread_mutex_unlock";
    return pthread_mutex_unlock(&edge->locks[0].mutex);
}

/* Sleep in the lock until the task before gives it back, and give it back as well: 0 or an errno. */
static inline int micro_baton_awaits_lock(micro_baton_task_t *task, const char **call)
{
    const int how = task->ring->how, turn = task->in_turn;
    micro_lock_t *const lock = &task->in->locks[turn];
    int error = micro_baton_takes(task, lock, task->fds[turn]);
    *call = micro_lock_calls[how][0];
    if (error)
        return error;
    /* The system gives back what a process had that died, and a lock may exclude nobody. */
    if (task->in->passed == task->taken)
        return ESRCH;
    *call = micro_lock_calls[how][1];
    error = micro_lock_give(how, lock, task->fds[turn]);
    if (error == 0)
        task->in_turn = !turn;
    return error;
}

/* Sleep until the baton comes: 1, or 0 where this task should leave, or -errno. */
static inline int64_t micro_baton_comes(micro_baton_task_t *task)
{
    micro_baton_t *const ring = task->ring;
    const char *call;
    const int error = ring->how == MICRO_CONDITION ? micro_baton_awaits_signal(task, &call)
                                                   : micro_baton_awaits_lock(task, &call);
    if (error)
        return micro_baton_fails(task, call, error);
    task->taken++;
    const int64_t left = atomic_load_explicit(&ring->left, memory_order_relaxed) - 1;
    atomic_store_explicit(&ring->left, left, memory_order_relaxed);
    if (left == 0)
        ring->end_ns = micro_now_ns();
    return !atomic_load(&ring->ending);
}

/* Task 0 makes laps until all hops of the batch are made: the last lap goes on to its end. */
static inline int64_t micro_baton_makes_laps(micro_baton_task_t *task)
{
    micro_baton_t *const ring = task->ring;
    int64_t status;
    if (ring->marks)
        micro_mark(MICRO_LOOP_BEGINS);
    atomic_store(&ring->left, ring->hops);
    ring->start_ns = micro_now_ns();
    do {
        status = micro_baton_goes(task);
        if (status == 1)
            status = micro_baton_comes(task);
    } while (status == 1 && atomic_load_explicit(&ring->left, memory_order_relaxed) > 0);
    if (ring->marks)
        micro_mark(MICRO_LOOP_ENDS);
    return status;
}

/* Task 0: one batch after the other. */
static inline int64_t micro_baton_leads(micro_baton_task_t *task)
{
    micro_baton_t *const ring = task->ring;
    int64_t status;
    while ((status = micro_peer_moves_byte(task->self, ring->begin[0], 0)) == 1) {
        status = micro_baton_makes_laps(task);
        if (status != 1)
            break;
        atomic_fetch_add(&ring->finished, 1);
        status = micro_peer_moves_byte(task->self, ring->arrived[1], 1);
        if (status != 1)
            break;
    }
    return status;
}

static inline int64_t micro_baton_follows(micro_baton_task_t *task)
{
    int64_t status;
    do {
        status = micro_baton_comes(task);
        if (status == 1)
            status = micro_baton_goes(task);
    } while (status == 1);
    return status;
}

/* Open the files, each locker for itself; the first one that comes makes a file. */
static inline int64_t micro_baton_opens(micro_baton_task_t *task)
{
    const micro_baton_edge_t *const edges = task->ring->edges;
    for (int i = 0; i < 4; i++) {
        const int64_t edge = (i < 2 ? task->in : task->out) - edges;
        task->fds[i] = openat(task->ring->directory, micro_number(2 * edge + i % 2).text,
                              O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (task->fds[i] < 0)
            return micro_baton_fails(task, "open", errno);
    }
    return 1;
}

/* Before the first batch: 1 once all tasks hold the lock that the next ones will sleep in. */
static inline int64_t micro_baton_sets_up(micro_baton_task_t *task)
{
    micro_baton_t *const ring = task->ring;
    int64_t status = micro_peer_moves_byte(task->self, ring->begin[0], 0);
    if (status == 1 && micro_baton_locks_files(ring->how))
        status = micro_baton_opens(task);
    if (status != 1)
        return status;
    if (ring->how != MICRO_CONDITION) {
        const int error = micro_baton_takes(task, &task->out->locks[0], task->fds[2]);
        if (error)
            return micro_baton_fails(task, micro_lock_calls[ring->how][0], error);
    }
    task->holds = 1;
    atomic_fetch_add(&ring->ready, 1);
    status = micro_peer_moves_byte(task->self, ring->arrived[0], 0);
    atomic_fetch_add(&ring->ready, 1);
    return status;
}

/* No signal ends a thread's wait for a mutex: a thread that leaves lets the next one go on, which then
 * leaves, too. Processes are killed, and until then sleep. */
static inline void micro_baton_lets_go(micro_baton_task_t *task)
{
    const char *call;
    atomic_store(&task->ring->ending, 1);
    if (task->ring->how == MICRO_CONDITION) {
        micro_baton_signals(task->out, &call);
    } else {
        task->out->passed++;
        micro_lock_give(task->ring->how, &task->out->locks[task->out_turn],
                        task->fds[2 + task->out_turn]);
    }
}

/* A peer's body. */
static int64_t micro_baton_task(micro_peer_t *self, void *argument)
{
    micro_baton_t *const ring = argument;
    micro_baton_task_t task = {
        .self = self, .ring = ring, .in = &ring->edges[self->index],
        .out = &ring->edges[self->index + 1 < ring->tasks ? self->index + 1 : 0],
        .fds = {-1, -1, -1, -1}};
    int64_t status = micro_baton_sets_up(&task);
    if (status == 1)
        status = self->index ? micro_baton_follows(&task) : micro_baton_leads(&task);
    if (self->group->kind == MICRO_THREADS) {
        if (task.holds)
            micro_baton_lets_go(&task);
        for (int i = 0; i < 4; i++)
            if (task.fds[i] >= 0)
                close(task.fds[i]);
    }
    return status;
}

/* For the owner: let each task go on with the first or the second step of the set-up. 0 or -errno. */
static inline int micro_baton_admits(micro_baton_t *ring, micro_peers_t *group, int step)
{
    int status = 0;
    for (int64_t i = 0; status == 0 && i < ring->tasks; i++)
        status = micro_owner_moves_byte(group, step == 0 ? ring->begin[1] : ring->arrived[1], 1);
    return status;
}

/* Sleep until the batch has ended: 0, or -errno with the failed call's name. */
static inline int micro_baton_returns(micro_baton_t *ring, micro_peers_t *group, const char **call)
{
    struct pollfd arrived = {.fd = ring->arrived[0], .events = POLLIN};
    int64_t seen = atomic_load(&ring->left);
    int waits = 0;
    do {
        const int ready = poll(&arrived, 1, MICRO_BATON_WAIT_MS);
        *call = "poll";
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (ready > 0) {
            *call = "read";
            const int status = micro_owner_moves_byte(group, arrived.fd, 0);
            if (status)
                return status;
            continue;
        }
        if (micro_peers_failed(group))
            return -EINTR;
        const int64_t left = atomic_load(&ring->left);
        waits = left != seen ? 0 : waits + (ready == 0);
        seen = left;
        *call = "hand-over";
        if (waits == MICRO_BATON_WAITS)
            return -ETIMEDOUT;
    } while (atomic_load(&ring->finished) != ring->started);
    return 0;
}

/* For the owner: a batch of so many hops from task 0 on. 0, with the nanoseconds that they took, or
 * -errno with the failed call's name. */
static inline int micro_baton_batch(micro_baton_t *ring, micro_peers_t *group, uint64_t hops,
                                    int64_t *elapsed_ns, const char **call)
{
    ring->hops = (int64_t)hops;
    *call = "write";
    int status = micro_owner_moves_byte(group, ring->begin[1], 1);
    if (status)
        return status;
    ring->started++;
    status = micro_baton_returns(ring, group, call);
    if (status == 0)
        *elapsed_ns = ring->end_ns - ring->start_ns;
    return status;
}

#endif
