/* Requests of 4 bytes and their responses over TCP connections, between clients and event loops.
 *
 * The first peers are loops, the rest are clients. Connection i belongs to loop i % loops and to client
 * i % clients. A client has one request under way on each of its connections: when a response has come,
 * the next request goes out. A batch begins with a byte for each client and ends when the last client has
 * all of its responses. */
#ifndef MICRO_SERVER_EXCHANGES_H
#define MICRO_SERVER_EXCHANGES_H

#include "os/event_queue.h"

#include "core/peers.h"
#include "os/network.h"

#define MICRO_EXCHANGE_BYTES 4
#define MICRO_MOST_CONNECTIONS 16384
#define MICRO_MOST_CLIENTS 64
#define MICRO_MOST_LOOPS 1024
#define MICRO_READY_AT_ONCE 64   /* connections that a loop hears of in one call */
#define MICRO_ROLL_CALL_MS 200   /* between looks whether all peers live */

/* In memory that all share. */
typedef struct {
    _Alignas(128) atomic_int_fast64_t wanted;    /* exchanges of this batch */
    atomic_int_fast64_t waiting;                 /* loops that watch their connections */
    _Alignas(128) atomic_int_fast64_t running;   /* clients that lack responses */
    int64_t open, loops, clients;
    int done[2];
    int begin[MICRO_MOST_CLIENTS][2];
    int ends[MICRO_MOST_CONNECTIONS][2];         /* the client's, the loop's */
} micro_exchanges_t;

static inline void micro_exchanges_close_down_to(micro_exchanges_t *all, int64_t connections)
{
    while (all->open > connections) {
        all->open--;
        for (int i = 0; i < 2; i++)
            close(all->ends[all->open][i]);
    }
}

/* Have so many connections: 0 or -errno with the failed call's name. */
static inline int micro_exchanges_open(micro_exchanges_t *all, int64_t connections, const char **call)
{
    micro_exchanges_close_down_to(all, connections);
    while (all->open < connections) {
        const int status = micro_tcp_pair(all->ends[all->open], call);
        if (status)
            return status;
        all->open++;
    }
    return 0;
}

static inline void micro_exchanges_free(micro_exchanges_t *all)
{
    if (all == NULL)
        return;
    micro_exchanges_close_down_to(all, 0);
    for (int i = 0; i < 2; i++) {
        if (all->done[i] >= 0)
            close(all->done[i]);
        for (int client = 0; client < MICRO_MOST_CLIENTS; client++)
            if (all->begin[client][i] >= 0)
                close(all->begin[client][i]);
    }
    munmap(all, sizeof *all);
}

/* NULL on failure, with errno and the failed call's name. */
static inline micro_exchanges_t *micro_exchanges_new(int64_t most_clients, const char **call)
{
    micro_exchanges_t *const all = micro_shared_memory(sizeof *all);
    *call = "mmap";
    if (all == NULL)
        return NULL;
    memset(all->done, 0xff, sizeof all->done);
    memset(all->begin, 0xff, sizeof all->begin);
    *call = "pipe";
    int failed = pipe(all->done) != 0;
    for (int64_t client = 0; client < most_clients && !failed; client++)
        failed = pipe(all->begin[client]) != 0;
    if (!failed)
        return all;
    const int error = errno;
    micro_exchanges_free(all);
    errno = error;
    return NULL;
}

/* A request or a response: 1 once it has passed, 0 where the peer should leave, or -errno. */
static inline int64_t micro_exchange_moves(micro_peer_t *self, int fd, int writes)
{
    char message[MICRO_EXCHANGE_BYTES] = "ask";
    for (;;) {
        const ssize_t moved = writes ? write(fd, message, sizeof message) : read(fd, message, sizeof message);
        if (moved == sizeof message)
            return 1;
        if (moved < 0 && errno == EINTR && !micro_peer_leaves(self))
            continue;
        if (micro_peer_leaves(self))
            return 0;
        self->mail->call = writes ? "write" : "read";
        return moved < 0 ? -errno : -EPROTO;
    }
}

/* A queue that watches the loop's connections, or -errno. */
static inline int micro_exchanges_watch(micro_peer_t *self, const micro_exchanges_t *all)
{
    const int queue = micro_queue_create();
    self->mail->call = MICRO_QUEUE_CREATE;
    for (int64_t i = self->index; queue >= 0 && i < all->open; i += all->loops) {
        const int status = micro_queue_add(queue, all->ends[i][1], (uint32_t)i, 0);
        self->mail->call = MICRO_QUEUE_CHANGE;
        if (status) {
            close(queue);
            return status;
        }
    }
    return queue;
}

static inline int64_t micro_exchanges_serve(micro_peer_t *self, micro_exchanges_t *all)
{
    micro_event_t events[MICRO_READY_AT_ONCE];
    const int queue = micro_exchanges_watch(self, all);
    int64_t status = 1;
    if (queue < 0)
        return queue;
    atomic_fetch_add(&all->waiting, 1);
    while (status == 1) {
        const int ready = micro_queue_wait(queue, events, MICRO_READY_AT_ONCE);
        for (int i = 0; i < ready && status == 1; i++) {
            const int fd = all->ends[micro_event_index(&events[i])][1];
            status = micro_exchange_moves(self, fd, 0);
            if (status == 1)
                status = micro_exchange_moves(self, fd, 1);
        }
        if (ready <= 0 && micro_peer_leaves(self))
            status = 0;
        if (ready < 0 && ready != -EINTR && status == 1) {
            self->mail->call = MICRO_QUEUE_WAIT;
            status = ready;
        }
    }
    close(queue);
    return status;
}

/* So many exchanges, over the client's connections in turn. */
static inline int64_t micro_exchanges_ask(micro_peer_t *self, const micro_exchanges_t *all, int64_t client,
                                          int64_t wanted)
{
    const int64_t own = (all->open - client + all->clients - 1) / all->clients;
    const int64_t together = own < wanted ? own : wanted;
    int64_t status = 1;
    for (int64_t i = 0; i < together && status == 1; i++)
        status = micro_exchange_moves(self, all->ends[client + i * all->clients][0], 1);
    for (int64_t i = 0; i < wanted && status == 1; i++) {
        const int fd = all->ends[client + i % own * all->clients][0];
        status = micro_exchange_moves(self, fd, 0);
        if (status == 1 && i + together < wanted)
            status = micro_exchange_moves(self, fd, 1);
    }
    return status;
}

static inline int64_t micro_exchanges_request(micro_peer_t *self, micro_exchanges_t *all)
{
    const int64_t client = self->index - all->loops;
    int64_t status = micro_peer_moves_byte(self, all->begin[client][0], 0);
    while (status == 1) {
        const int64_t wanted = atomic_load(&all->wanted);
        status = micro_exchanges_ask(self, all, client,
                                     wanted / all->clients + (client < wanted % all->clients));
        if (status == 1 && atomic_fetch_sub(&all->running, 1) == 1)
            status = micro_peer_moves_byte(self, all->done[1], 1);
        if (status == 1)
            status = micro_peer_moves_byte(self, all->begin[client][0], 0);
    }
    return status;
}

/* A peer's body. */
static int64_t micro_exchanges_member(micro_peer_t *self, void *argument)
{
    micro_exchanges_t *const all = argument;
    return self->index < all->loops ? micro_exchanges_serve(self, all) : micro_exchanges_request(self, all);
}

/* Wait for the end of a batch: 0 or -errno. The death of a process interrupts this wait only where it
 * comes during it: so there is a look now and then. */
static inline int micro_exchanges_await_end(const micro_exchanges_t *all, micro_peers_t *group)
{
    struct pollfd end = {.fd = all->done[0], .events = POLLIN};
    for (;;) {
        const int ready = poll(&end, 1, MICRO_ROLL_CALL_MS);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (micro_peers_failed(group))
            return -EINTR;
    }
}

/* The owner lets the clients have so many exchanges: 0, or -errno and the call. */
static inline int micro_exchanges_batch(micro_exchanges_t *all, micro_peers_t *group, int64_t wanted,
                                        const char **call)
{
    atomic_store(&all->wanted, wanted);
    atomic_store(&all->running, all->clients);
    *call = "write";
    for (int64_t i = 0; i < all->clients; i++) {
        const int status = micro_owner_moves_byte(group, all->begin[i][1], 1);
        if (status)
            return status;
    }
    *call = "poll";
    const int status = micro_exchanges_await_end(all, group);
    if (status)
        return status;
    *call = "read";
    return micro_owner_moves_byte(group, all->done[0], 0);
}

#endif
