/* Chat rooms: what one user says, a server tells all others in the room, over a TCP connection a user.
 *
 * By threads, each user has four: peer i does role i % 4 of user i / 4; one more peer begins the batches.
 * By events, there are two peers: the server's loop and that of all clients. User i is number i % 20 of
 * room i / 20. A user says the next message once it has heard the last one of each other, so at most two
 * of each are on their way to it. A batch begins with a byte and ends when the last message is heard. */
#ifndef MICRO_SERVER_CHAT_H
#define MICRO_SERVER_CHAT_H

#include "os/event_queue.h"

#include "core/peers.h"
#include "os/network.h"
#include "os/tcp.h"

#define MICRO_ROOM 20
#define MICRO_OTHERS (MICRO_ROOM - 1)
#define MICRO_ROOMS_MOST 64
#define MICRO_SAID_BYTES 100         /* of a message; the first is how many shall hear it */
#define MICRO_OUTBOX (2 * MICRO_OTHERS)
#define MICRO_CHAT_BUFFER_BYTES 131072
#define MICRO_HEARD_AT_ONCE 64       /* connections that a loop hears of in one call */

enum { MICRO_SAYS, MICRO_HEARS, MICRO_TAKES, MICRO_TELLS, MICRO_ROLES };   /* two of the client first */

typedef struct {
    _Alignas(128) int ends[2];       /* the client's, the server's */
    int64_t quota, said;             /* messages of this batch; the rest by threads under the lock */
    atomic_int_fast64_t heard;
    pthread_mutex_t turn_lock, outbox_lock;
    pthread_cond_t turn, filled;     /* it may say more; there is something to tell it */
    unsigned put, told;
    char outbox[MICRO_OUTBOX][MICRO_SAID_BYTES];
} micro_user_t;

typedef struct {
    _Alignas(128) atomic_int_fast64_t remaining;   /* messages that are not heard yet in this batch */
    _Alignas(128) atomic_int_fast64_t waiting;     /* loops that watch their connections */
    atomic_int_fast64_t ending;
    int by_events;
    int64_t users;
    int64_t messages, last_heard_by;   /* of this batch: how many, and by how many the last is heard */
    int begin[2], done[2];
    micro_user_t user[MICRO_ROOMS_MOST * MICRO_ROOM];
} micro_chat_t;

static inline int micro_user_open(micro_user_t *user, const char **call)
{
    int status = micro_tcp_pair(user->ends, call);
    if (status)
        return status;
    *call = "setsockopt";
    for (int i = 0; i < 2 && status == 0; i++) {
        status = micro_tcp_no_delay(user->ends[i]);
        if (status == 0)
            status = micro_tcp_buffers(user->ends[i], MICRO_CHAT_BUFFER_BYTES);
    }
    *call = status ? *call : "pthread_mutex_init";
    if (status == 0)
        status = -pthread_mutex_init(&user->turn_lock, NULL);
    if (status == 0)
        status = -pthread_mutex_init(&user->outbox_lock, NULL);
    if (status == 0)
        status = -pthread_cond_init(&user->turn, NULL);
    if (status == 0)
        status = -pthread_cond_init(&user->filled, NULL);
    for (int i = 0; i < 2 && status; i++)
        close(user->ends[i]);
    return status;
}

/* While no peer runs: have so many users. 0 or -errno with the failed call's name. */
static inline int micro_chat_have_users(micro_chat_t *chat, int64_t users, const char **call)
{
    while (chat->users > users) {
        micro_user_t *const user = &chat->user[--chat->users];
        for (int i = 0; i < 2; i++)
            close(user->ends[i]);
        pthread_mutex_destroy(&user->turn_lock);
        pthread_mutex_destroy(&user->outbox_lock);
        pthread_cond_destroy(&user->turn);
        pthread_cond_destroy(&user->filled);
    }
    while (chat->users < users) {
        const int status = micro_user_open(&chat->user[chat->users], call);
        if (status)
            return status;
        chat->users++;
    }
    return 0;
}

static inline void micro_chat_free(micro_chat_t *chat)
{
    const char *call;
    if (chat == NULL)
        return;
    micro_chat_have_users(chat, 0, &call);
    for (int i = 0; i < 2; i++) {
        if (chat->begin[i] >= 0)
            close(chat->begin[i]);
        if (chat->done[i] >= 0)
            close(chat->done[i]);
    }
    munmap(chat, sizeof *chat);
}

/* NULL on failure, with errno and the failed call's name. */
static inline micro_chat_t *micro_chat_new(int by_events, const char **call)
{
    micro_chat_t *const chat = micro_shared_memory(sizeof *chat);
    *call = "mmap";
    if (chat == NULL)
        return NULL;
    chat->by_events = by_events;
    memset(chat->begin, 0xff, sizeof chat->begin);
    memset(chat->done, 0xff, sizeof chat->done);
    *call = "pipe";
    if (pipe(chat->begin) == 0 && pipe(chat->done) == 0)
        return chat;
    const int error = errno;
    micro_chat_free(chat);
    errno = error;
    return NULL;
}

/* No signal ends a wait at a condition: let all who wait there leave. Before peers are ended. */
static inline void micro_chat_end(micro_chat_t *chat)
{
    if (chat == NULL || chat->by_events)
        return;
    atomic_store(&chat->ending, 1);
    for (int64_t i = 0; i < chat->users; i++) {
        micro_user_t *const user = &chat->user[i];
        pthread_mutex_lock(&user->turn_lock);
        pthread_cond_broadcast(&user->turn);
        pthread_mutex_unlock(&user->turn_lock);
        pthread_mutex_lock(&user->outbox_lock);
        pthread_cond_broadcast(&user->filled);
        pthread_mutex_unlock(&user->outbox_lock);
    }
}

/* While no peer runs: forget what a batch that failed has left. */
static inline void micro_chat_forget(micro_chat_t *chat)
{
    atomic_store(&chat->ending, 0);
    atomic_store(&chat->waiting, 0);
    for (int64_t i = 0; i < chat->users; i++) {
        micro_user_t *const user = &chat->user[i];
        user->quota = user->said = 0;
        user->put = user->told = 0;
        atomic_store(&user->heard, 0);
    }
}

/* A whole message in or out: 1 once it has passed, 0 where the peer should leave, or -errno. */
static inline int64_t micro_chat_moves(micro_peer_t *self, int fd, char *message, int writes)
{
    for (size_t done = 0; done < MICRO_SAID_BYTES;) {
        const size_t left = MICRO_SAID_BYTES - done;
        const ssize_t moved = writes ? write(fd, message + done, left) : read(fd, message + done, left);
        if (moved > 0) {
            done += (size_t)moved;
            continue;
        }
        if (micro_peer_leaves(self))
            return 0;
        if (moved == 0 || errno != EINTR) {
            self->mail->call = writes ? "write" : "read";
            return moved == 0 ? -EPIPE : -errno;
        }
    }
    return 1;
}

static inline int micro_user_has_turn(const micro_user_t *user)
{
    return user->said < user->quota && atomic_load(&user->heard) >= user->said * MICRO_OTHERS;
}

/* Let the users say their shares of the messages. Nobody speaks yet: nothing that is heard is lost. */
static inline void micro_chat_begins(micro_chat_t *chat)
{
    const int64_t rooms = chat->users / MICRO_ROOM;
    for (int64_t i = 0; i < chat->users; i++) {
        micro_user_t *const user = &chat->user[i];
        pthread_mutex_lock(&user->turn_lock);
        user->said = user->quota = 0;
        atomic_store(&user->heard, 0);
        pthread_mutex_unlock(&user->turn_lock);
    }
    for (int64_t i = 0; i < chat->users; i++) {
        micro_user_t *const user = &chat->user[i];
        const int64_t first = i / MICRO_ROOM + rooms * (i % MICRO_ROOM);   /* of its messages, in all */
        if (first >= chat->messages)
            continue;
        pthread_mutex_lock(&user->turn_lock);
        user->quota = (chat->messages - first - 1) / chat->users + 1;
        pthread_cond_signal(&user->turn);
        pthread_mutex_unlock(&user->turn_lock);
    }
}

/* Say a message, which is the user's `number`-th of this batch. */
static inline int64_t micro_user_says(micro_peer_t *self, const micro_chat_t *chat, int64_t index,
                                      int64_t number)
{
    const int64_t rooms = chat->users / MICRO_ROOM;
    const int64_t in_all = index / MICRO_ROOM + rooms * (index % MICRO_ROOM + MICRO_ROOM * number);
    char message[MICRO_SAID_BYTES] = {MICRO_OTHERS};
    if (in_all == chat->messages - 1)
        message[0] = (char)chat->last_heard_by;
    return micro_chat_moves(self, chat->user[index].ends[0], message, 1);
}

/* Hear a message; `turn` tells whether it was the last one of all others. */
static inline int64_t micro_user_hears(micro_peer_t *self, micro_user_t *user, int *turn)
{
    char message[MICRO_SAID_BYTES];
    const int64_t status = micro_chat_moves(self, user->ends[0], message, 0);
    if (status == 1)
        *turn = (atomic_fetch_add(&user->heard, 1) + 1) % MICRO_OTHERS == 0;
    return status;
}

/* Who is the i-th to hear a user, from 1 on. */
static inline micro_user_t *micro_chat_other(micro_chat_t *chat, int64_t index, int64_t i)
{
    const int64_t first = index - index % MICRO_ROOM;
    return &chat->user[first + (index + i) % MICRO_ROOM];
}

/* By threads: the four of a user, and the one that begins. */

static inline int64_t micro_thread_begins(micro_peer_t *self, micro_chat_t *chat)
{
    int64_t status;
    while ((status = micro_peer_moves_byte(self, chat->begin[0], 0)) == 1)
        micro_chat_begins(chat);
    return status;
}

static inline int64_t micro_thread_says(micro_peer_t *self, micro_chat_t *chat, int64_t index)
{
    micro_user_t *const user = &chat->user[index];
    for (;;) {
        pthread_mutex_lock(&user->turn_lock);
        while (!micro_user_has_turn(user) && !atomic_load(&chat->ending))
            pthread_cond_wait(&user->turn, &user->turn_lock);
        const int64_t number = user->said++;
        pthread_mutex_unlock(&user->turn_lock);
        if (atomic_load(&chat->ending))
            return 0;
        const int64_t status = micro_user_says(self, chat, index, number);
        if (status != 1)
            return status;
    }
}

static inline int64_t micro_thread_hears(micro_peer_t *self, micro_chat_t *chat, int64_t index)
{
    micro_user_t *const user = &chat->user[index];
    for (;;) {
        int turn = 0;
        int64_t status = micro_user_hears(self, user, &turn);
        if (turn) {
            pthread_mutex_lock(&user->turn_lock);
            pthread_cond_signal(&user->turn);
            pthread_mutex_unlock(&user->turn_lock);
        }
        if (status == 1 && atomic_fetch_sub(&chat->remaining, 1) == 1)
            status = micro_peer_moves_byte(self, chat->done[1], 1);
        if (status != 1)
            return status;
    }
}

static inline int64_t micro_thread_takes(micro_peer_t *self, micro_chat_t *chat, int64_t index)
{
    char message[MICRO_SAID_BYTES];
    for (;;) {
        const int64_t status = micro_chat_moves(self, chat->user[index].ends[1], message, 0);
        if (status != 1)
            return status;
        for (int64_t i = 1; i <= message[0]; i++) {
            micro_user_t *const other = micro_chat_other(chat, index, i);
            pthread_mutex_lock(&other->outbox_lock);
            memcpy(other->outbox[other->put++ % MICRO_OUTBOX], message, sizeof message);
            pthread_cond_signal(&other->filled);
            pthread_mutex_unlock(&other->outbox_lock);
        }
    }
}

static inline int64_t micro_thread_tells(micro_peer_t *self, micro_chat_t *chat, int64_t index)
{
    micro_user_t *const user = &chat->user[index];
    char message[MICRO_SAID_BYTES];
    for (;;) {
        pthread_mutex_lock(&user->outbox_lock);
        while (user->put == user->told && !atomic_load(&chat->ending))
            pthread_cond_wait(&user->filled, &user->outbox_lock);
        memcpy(message, user->outbox[user->told++ % MICRO_OUTBOX], sizeof message);
        pthread_mutex_unlock(&user->outbox_lock);
        if (atomic_load(&chat->ending))
            return 0;
        const int64_t status = micro_chat_moves(self, user->ends[1], message, 1);
        if (status != 1)
            return status;
    }
}

/* By events: a loop over one end of all connections, the client's (0) or the server's (1). */

/* A queue that watches all those ends, or -errno. */
static inline int micro_chat_watch(micro_peer_t *self, const micro_chat_t *chat, int end)
{
    const int queue = micro_queue_create();
    self->mail->call = MICRO_QUEUE_CREATE;
    for (int64_t i = 0; queue >= 0 && i < chat->users; i++) {
        const int status = micro_queue_add(queue, chat->user[i].ends[end], (uint32_t)i, 0);
        self->mail->call = MICRO_QUEUE_CHANGE;
        if (status) {
            close(queue);
            return status;
        }
    }
    return queue;
}

/* How many connections have something; 0 where the peer should leave, or -errno. */
static inline int64_t micro_chat_waits(micro_peer_t *self, int queue, micro_event_t *events)
{
    for (;;) {
        const int ready = micro_queue_wait(queue, events, MICRO_HEARD_AT_ONCE);
        if (ready > 0)
            return ready;
        if (micro_peer_leaves(self))
            return 0;
        if (ready < 0 && ready != -EINTR) {
            self->mail->call = MICRO_QUEUE_WAIT;
            return ready;
        }
    }
}

static inline int64_t micro_loop_serves(micro_peer_t *self, micro_chat_t *chat, int queue)
{
    micro_event_t events[MICRO_HEARD_AT_ONCE];
    char message[MICRO_SAID_BYTES];
    for (;;) {
        const int64_t ready = micro_chat_waits(self, queue, events);
        if (ready <= 0)
            return ready;
        for (int64_t at = 0; at < ready; at++) {
            const int64_t index = micro_event_index(&events[at]);
            int64_t status = micro_chat_moves(self, chat->user[index].ends[1], message, 0);
            for (int64_t i = 1; status == 1 && i <= message[0]; i++)
                status = micro_chat_moves(self, micro_chat_other(chat, index, i)->ends[1], message, 1);
            if (status != 1)
                return status;
        }
    }
}

static inline int64_t micro_loop_says(micro_peer_t *self, micro_chat_t *chat, int64_t index)
{
    micro_user_t *const user = &chat->user[index];
    return micro_user_has_turn(user) ? micro_user_says(self, chat, index, user->said++) : 1;
}

/* One batch, to its last message. */
static inline int64_t micro_loop_talks(micro_peer_t *self, micro_chat_t *chat, int queue)
{
    micro_event_t events[MICRO_HEARD_AT_ONCE];
    int64_t left = atomic_load(&chat->remaining), status = 1;
    micro_chat_begins(chat);
    for (int64_t i = 0; i < chat->users && status == 1; i++)
        status = micro_loop_says(self, chat, i);
    while (left > 0 && status == 1) {
        const int64_t ready = micro_chat_waits(self, queue, events);
        if (ready <= 0)
            return ready;
        left -= ready;
        for (int64_t at = 0; at < ready && status == 1; at++) {
            const int64_t index = micro_event_index(&events[at]);
            int turn = 0;
            status = micro_user_hears(self, &chat->user[index], &turn);
            if (turn && status == 1)
                status = micro_loop_says(self, chat, index);
        }
    }
    return status == 1 ? micro_peer_moves_byte(self, chat->done[1], 1) : status;
}

static inline int64_t micro_chat_loop(micro_peer_t *self, micro_chat_t *chat, int serves)
{
    const int queue = micro_chat_watch(self, chat, serves);
    int64_t status;
    if (queue < 0)
        return queue;
    atomic_fetch_add(&chat->waiting, 1);
    if (serves) {
        status = micro_loop_serves(self, chat, queue);
    } else {
        do {
            status = micro_peer_moves_byte(self, chat->begin[0], 0);
            if (status == 1)
                status = micro_loop_talks(self, chat, queue);
        } while (status == 1);
    }
    close(queue);
    return status;
}

/* The body of a peer. */
static int64_t micro_chat_member(micro_peer_t *self, void *argument)
{
    micro_chat_t *const chat = argument;
    const int64_t user = self->index / MICRO_ROLES;
    if (chat->by_events)
        return micro_chat_loop(self, chat, self->index == 0);
    if (user == chat->users)
        return micro_thread_begins(self, chat);
    switch (self->index % MICRO_ROLES) {
    case MICRO_SAYS: return micro_thread_says(self, chat, user);
    case MICRO_HEARS: return micro_thread_hears(self, chat, user);
    case MICRO_TAKES: return micro_thread_takes(self, chat, user);
    default: return micro_thread_tells(self, chat, user);
    }
}

/* The owner lets so many messages be heard: 0, or -errno and the call. */
static inline int micro_chat_batch(micro_chat_t *chat, micro_peers_t *group, int64_t heard, const char **call)
{
    chat->messages = (heard + MICRO_OTHERS - 1) / MICRO_OTHERS;
    chat->last_heard_by = heard - (chat->messages - 1) * MICRO_OTHERS;
    atomic_store(&chat->remaining, heard);
    *call = "write";
    const int status = micro_owner_moves_byte(group, chat->begin[1], 1);
    if (status)
        return status;
    *call = "read";
    return micro_owner_moves_byte(group, chat->done[0], 0);
}

#endif
