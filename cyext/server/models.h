/* Models of a server that holds many connections: how it waits for requests, and who serves them.
 *
 * The server listens on loopback TCP and answers each request of MICRO_REQUEST_BYTES with as many
 * bytes, until the client ends the connection; then it closes its end by a reset, so that neither end
 * lingers in TIME_WAIT. Whatever fails in any of its tasks is told on descriptor 1, and ends the task's
 * process: its clients see the end of their connections and ask there for the cause. */
#ifndef MICRO_SERVER_MODELS_H
#define MICRO_SERVER_MODELS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os/event_queue.h"   /* before any header: lets select() look beyond FD_SETSIZE on macOS */

#include <sys/resource.h>

#include "core/peers.h"
#include "os/file.h"
#include "os/network.h"
#include "os/uring.h"

#define MICRO_REQUEST_BYTES 4
#define MICRO_BACKLOG 1024
#define MICRO_CONVERSE "converse"   /* what the program that a connection is given to is told to do */
#define MICRO_EVENTS 64             /* that a loop takes at once */
#define MICRO_RING_ENTRIES 256      /* two a completion, and some more */
#ifndef ETIME
#define ETIME ETIMEDOUT             /* where there is no io_uring, either */
#endif
#define MICRO_ANSWERS 1             /* the descriptor on which the server tells */

/* What the server tells: its port, that the pool is as large as asked for, or what failed. */
typedef struct {
    int32_t error, port;
    char call[24];
} micro_server_answer_t;

typedef struct micro_server micro_server_t;

/* What differs between models. A loop has `add` and the two after it; all others have not. */
typedef struct {
    const char *name;
    void (*open)(micro_server_t *server);
    void (*serve)(micro_server_t *server);   /* until the server is ended */
    void (*add)(micro_server_t *server, int fd);
    void (*again)(micro_server_t *server, int fd);    /* after a request, where a watch is for one only */
    void (*forget)(micro_server_t *server, int fd);
} micro_server_model_t;

struct micro_server {
    const micro_server_model_t *model;
    char *program;
    int listener;
    int64_t most;               /* descriptors are below this */
    struct pollfd *polled;      /* poll: all that are watched; place[fd] is where */
    int *place;
    int count;
    micro_bits_t *watched, *ready;   /* select */
    int highest;
    int queue;                  /* epoll or kqueue */
    micro_uring_t ring;
    pthread_attr_t thread;
    micro_peers_t pool;
};

static inline void micro_server_tells(int port, const char *call, int error)
{
    micro_server_answer_t answer;
    memset(&answer, 0, sizeof answer);
    answer.error = error;
    answer.port = port;
    if (call)
        strncpy(answer.call, call, sizeof answer.call - 1);
    if (write(MICRO_ANSWERS, &answer, sizeof answer) != sizeof answer)
        _exit(1);
}

__attribute__((noreturn)) static inline void micro_server_dies(const char *call, int error)
{
    micro_server_tells(0, call, error ? error : EIO);
    _exit(1);
}

/* Memory for one thing of each descriptor, used and reserved as far as it is written to: a limit of
 * 2^30 descriptors is no rarity in containers. */
static inline void *micro_for_descriptors(micro_server_t *server, size_t bytes)
{
    void *memory = mmap(NULL, (size_t)server->most * bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        micro_server_dies("mmap", errno);
    return memory;
}

static inline void micro_hang_up(int fd)
{
    if (close(fd) != 0)
        micro_server_dies("close", errno);
}

/* The next connection; -1 where a listener that does not block has none. */
static inline int micro_next_connection(micro_server_t *server)
{
    for (;;) {
        const int fd = accept(server->listener, NULL, NULL);
        if (fd >= 0 || errno == EAGAIN)
            return fd;
        if (errno != EINTR && errno != ECONNABORTED)
            micro_server_dies("accept", errno);
    }
}

/* Answer one request: whether there was one, and not the end of the connection. */
static inline int micro_serve_request(int fd)
{
    char message[MICRO_REQUEST_BYTES];
    ssize_t moved;
    do {
        moved = read(fd, message, sizeof message);
    } while (moved < 0 && errno == EINTR);
    if (moved == 0 || (moved < 0 && errno == ECONNRESET))
        return 0;
    if (moved != sizeof message)
        micro_server_dies("read", moved < 0 ? errno : EPROTO);
    do {
        moved = write(fd, message, sizeof message);
    } while (moved < 0 && errno == EINTR);
    if (moved != sizeof message)
        micro_server_dies("write", moved < 0 ? errno : EPROTO);
    return 1;
}

static inline void micro_converse(int fd)
{
    while (micro_serve_request(fd))
        ;
}

/* A process or a thread for each connection. */

static void micro_ignore_children(micro_server_t *server)
{
    (void)server;
    signal(SIGCHLD, SIG_IGN);   /* the system buries them */
}

static void micro_serve_by_fork(micro_server_t *server)
{
    for (;;) {
        const int fd = micro_next_connection(server);
        const pid_t child = fork();
        if (child < 0)
            micro_server_dies("fork", errno);
        if (child == 0) {
            micro_hang_up(server->listener);
            micro_converse(fd);
            _exit(0);
        }
        micro_hang_up(fd);
    }
}

static void micro_serve_by_fork_exec(micro_server_t *server)
{
    char *const arguments[] = {server->program, MICRO_CONVERSE, NULL}, *const nothing[] = {NULL};
    for (;;) {
        const int fd = micro_next_connection(server);
        const pid_t child = fork();
        if (child < 0)
            micro_server_dies("fork", errno);
        if (child == 0) {
            if (dup2(fd, 0) != 0)
                micro_server_dies("dup2", errno);
            micro_hang_up(fd);
            execve(server->program, arguments, nothing);
            micro_server_dies("execve", errno);
        }
        micro_hang_up(fd);
    }
}

static void *micro_thread_converses(void *connection)
{
    const int fd = (int)(intptr_t)connection;
    micro_converse(fd);
    micro_hang_up(fd);
    return NULL;
}

static void micro_small_threads(micro_server_t *server)
{
    int error = pthread_attr_init(&server->thread);
    if (error == 0)
        error = pthread_attr_setstacksize(&server->thread, MICRO_SMALL_STACK_BYTES);
    if (error)
        micro_server_dies("pthread_attr_setstacksize", error);
}

static void micro_detached_threads(micro_server_t *server)
{
    micro_small_threads(server);
    const int error = pthread_attr_setdetachstate(&server->thread, PTHREAD_CREATE_DETACHED);
    if (error)
        micro_server_dies("pthread_attr_setdetachstate", error);
}

static void micro_serve_by_threads(micro_server_t *server)
{
    for (;;) {
        pthread_t thread;
        const intptr_t fd = micro_next_connection(server);
        const int error = pthread_create(&thread, &server->thread, micro_thread_converses, (void *)fd);
        if (error)
            micro_server_dies("pthread_create", error);
    }
}

/* Processes or threads that exist before the connections and take them in turn. The owner asks on
 * descriptor 0 for so many. */

static int64_t micro_pool_member(micro_peer_t *self, void *argument)
{
    micro_server_t *const server = argument;
    (void)self;
    for (;;) {
        const int fd = micro_next_connection(server);
        micro_converse(fd);
        micro_hang_up(fd);
    }
}

static inline void micro_open_pool(micro_server_t *server, int kind)
{
    micro_peers_init(&server->pool, kind);
    server->pool.body = micro_pool_member;
    server->pool.argument = server;
    if (micro_peers_open(&server->pool) != 0)
        micro_server_dies(server->pool.call, errno);
}

static void micro_open_processes(micro_server_t *server)
{
    micro_open_pool(server, MICRO_PROCESSES);
}

static void micro_open_threads(micro_server_t *server)
{
    micro_small_threads(server);
    micro_open_pool(server, MICRO_THREADS);
    server->pool.attributes = &server->thread;
}

static void micro_serve_by_pool(micro_server_t *server)
{
    micro_peers_t *const pool = &server->pool;
    int64_t wanted;
    for (;;) {
        const ssize_t got = read(0, &wanted, sizeof wanted);
        if (got < 0 && errno == EINTR && micro_peers_failed(pool) == 0)
            continue;
        if (got != sizeof wanted)
            break;
        int status = micro_peers_reserve(pool, wanted);
        while (status == 0 && pool->count < wanted)
            status = micro_peers_add(pool);
        if (status)
            micro_server_dies(pool->call, -status);
        micro_server_tells(0, NULL, 0);
    }
    if (pool->kind == MICRO_PROCESSES)   /* threads end with this process */
        micro_peers_close(pool);
}

/* One loop for all connections. */

static inline void micro_ready(micro_server_t *server, int fd)
{
    if (fd == server->listener) {
        const int connection = micro_next_connection(server);
        if (connection >= 0)
            server->model->add(server, connection);
    } else if (!micro_serve_request(fd)) {
        server->model->forget(server, fd);
        micro_hang_up(fd);
        return;
    }
    if (server->model->again)
        server->model->again(server, fd);
}

/* How many are ready; a wait that ended without one is one of none. */
static inline int micro_waited(int ready, const char *call)
{
    if (ready >= 0)
        return ready;
    if (ready != -EINTR)
        micro_server_dies(call, -ready);
    return 0;
}

static inline void micro_watch_listener(micro_server_t *server)
{
    if (fcntl(server->listener, F_SETFL, O_NONBLOCK) != 0)
        micro_server_dies("fcntl", errno);
    server->model->add(server, server->listener);
}

static void micro_forget_nothing(micro_server_t *server, int fd)
{
    (void)server, (void)fd;
}

static void micro_select_open(micro_server_t *server)
{
    server->watched = micro_for_descriptors(server, 1);   /* a bit each would do */
    server->ready = micro_for_descriptors(server, 1);
    micro_watch_listener(server);
}

static void micro_select_add(micro_server_t *server, int fd)
{
    micro_set_add(server->watched, fd);
    server->highest = fd > server->highest ? fd : server->highest;
}

static void micro_select_forget(micro_server_t *server, int fd)
{
    micro_set_remove(server->watched, fd);
}

static void micro_serve_by_select(micro_server_t *server)
{
    for (;;) {
        const int highest = server->highest;
        memcpy(server->ready, server->watched, micro_set_bytes(highest));
        int left = micro_waited(micro_select(server->ready, highest, MICRO_WAIT_MS), "select");
        for (int fd = 0; left > 0 && fd <= highest; fd++)
            if (micro_set_has(server->ready, fd)) {
                left--;
                micro_ready(server, fd);
            }
    }
}

static void micro_poll_open(micro_server_t *server)
{
    server->polled = micro_for_descriptors(server, sizeof *server->polled);
    server->place = micro_for_descriptors(server, sizeof *server->place);
    micro_watch_listener(server);
}

static void micro_poll_add(micro_server_t *server, int fd)
{
    server->place[fd] = server->count;
    server->polled[server->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* The last one takes its place; if it is ready, the next poll() finds it. */
static void micro_poll_forget(micro_server_t *server, int fd)
{
    const struct pollfd last = server->polled[--server->count];
    server->polled[server->place[fd]] = last;
    server->place[last.fd] = server->place[fd];
}

static void micro_serve_by_poll(micro_server_t *server)
{
    for (;;) {
        int left = micro_waited(micro_poll(server->polled, (nfds_t)server->count), "poll");
        for (int i = 0; left > 0 && i < server->count; i++)
            if (server->polled[i].revents) {
                left--;
                micro_ready(server, server->polled[i].fd);
            }
    }
}

static void micro_queue_open(micro_server_t *server)
{
    server->queue = micro_queue_create();
    if (server->queue < 0)
        micro_server_dies(MICRO_QUEUE_CREATE, -server->queue);
    micro_watch_listener(server);
}

static void micro_queue_watch(micro_server_t *server, int fd)
{
    const int status = micro_queue_add(server->queue, fd, (uint32_t)fd, 0);
    if (status)
        micro_server_dies(MICRO_QUEUE_CHANGE, -status);
}

static void micro_serve_by_queue(micro_server_t *server)
{
    micro_event_t events[MICRO_EVENTS];
    for (;;) {
        const int ready = micro_waited(
            micro_queue_wait(server->queue, events, MICRO_EVENTS), MICRO_QUEUE_WAIT);
        for (int i = 0; i < ready; i++)
            micro_ready(server, (int)micro_event_index(&events[i]));
    }
}

static void micro_ring_open(micro_server_t *server)
{
    const int status = micro_uring_open(&server->ring, MICRO_RING_ENTRIES);
    if (status)
        micro_server_dies("io_uring_setup", -status);
    micro_watch_listener(server);
}

static void micro_ring_watch(micro_server_t *server, int fd)
{
    micro_uring_poll(&server->ring, fd, (uint64_t)fd);
}

static void micro_serve_by_ring(micro_server_t *server)
{
    for (;;) {
        int ready = micro_uring_enter(&server->ring, 1);
        if (ready < 0 && ready != -ETIME)
            micro_server_dies("io_uring_enter", -ready);
        for (ready = ready < MICRO_EVENTS ? ready : MICRO_EVENTS; ready > 0; ready--) {
            uint64_t fd;
            const int status = micro_uring_take(&server->ring, &fd);
            if (status)
                micro_server_dies("IORING_OP_POLL_ADD", -status);
            micro_ready(server, (int)fd);
        }
    }
}

static const micro_server_model_t MICRO_MODELS[] = {
    {.name = "fork", .open = micro_ignore_children, .serve = micro_serve_by_fork},
    {.name = "fork_exec", .open = micro_ignore_children, .serve = micro_serve_by_fork_exec},
    {.name = "prefork", .open = micro_open_processes, .serve = micro_serve_by_pool},
    {.name = "thread", .open = micro_detached_threads, .serve = micro_serve_by_threads},
    {.name = "thread_pool", .open = micro_open_threads, .serve = micro_serve_by_pool},
    {"select", micro_select_open, micro_serve_by_select, micro_select_add, NULL, micro_select_forget},
    {"poll", micro_poll_open, micro_serve_by_poll, micro_poll_add, NULL, micro_poll_forget},
    /* A queue forgets what is closed, and a poll of io_uring is for one event. */
    {"epoll", micro_queue_open, micro_serve_by_queue, micro_queue_watch, NULL, micro_forget_nothing},
    {"kqueue", micro_queue_open, micro_serve_by_queue, micro_queue_watch, NULL, micro_forget_nothing},
    {"io_uring", micro_ring_open, micro_serve_by_ring, micro_ring_watch, micro_ring_watch,
     micro_forget_nothing},
};

/* NULL where there is none of that name. */
static inline const micro_server_model_t *micro_server_model(const char *name)
{
    for (size_t i = 0; i < sizeof MICRO_MODELS / sizeof *MICRO_MODELS; i++)
        if (strcmp(MICRO_MODELS[i].name, name) == 0)
            return &MICRO_MODELS[i];
    return NULL;
}

#endif
