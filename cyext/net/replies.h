/* Replies over a TCP connection: the owner of the timed loop sends one, its peer takes it and answers
 * with a byte. The ways to send a reply return 0 or -errno, with the failed call's name in `call`. */
#ifndef MICRO_REPLIES_H
#define MICRO_REPLIES_H

#include <sys/uio.h>

#include "core/peers.h"
#include "os/network.h"
#include "os/tcp.h"

#define MICRO_REPLY_BUFFER 65536

/* In memory that both sides see. */
typedef struct {
    int ends[2];               /* the owner's and, where the owner has it too, the peer's; or -1 */
    int peer_end;
    micro_peers_t *group;
    const char *call;
    atomic_size_t size;        /* bytes of a reply */
    size_t header_size;
    const char *data;          /* `size` bytes; NULL where they are in a file only */
    int file;                  /* the same bytes; -1 without one */
    int pipe[2];               /* for splice(); else -1 */
    void *ring;                /* of io_uring; else NULL */
    int64_t sent, copied;      /* zero-copy sends that ended, and those of them that were copied */
    uint32_t outstanding;      /* that did not end yet */
    char buffer[MICRO_REPLY_BUFFER];   /* of read() and write() */
} micro_replies_t;

typedef int (*micro_reply_way_t)(micro_replies_t *);

static inline int micro_reply_fails(micro_replies_t *replies, const char *call)
{
    replies->call = call;
    return errno ? -errno : -EIO;
}

/* Whether a call that returned -1 may be made again: a signal came, and not from a peer that failed. */
static inline int micro_reply_goes_on(micro_replies_t *replies)
{
    return errno == EINTR && !micro_peers_failed(replies->group);
}

/* All bytes by write(), or, with flags of 0 or more, by send(). */
static inline int micro_reply_part(micro_replies_t *replies, const char *data, size_t size,
                                   int flags)
{
    const int fd = replies->ends[0];
    for (size_t done = 0; done < size;) {
        const ssize_t moved = flags < 0 ? write(fd, data + done, size - done)
                                        : send(fd, data + done, size - done, flags);
        if (moved < 0 && !micro_reply_goes_on(replies))
            return micro_reply_fails(replies, flags < 0 ? "write" : "send");
        done += moved > 0 ? (size_t)moved : 0;
    }
    return 0;
}

static inline int micro_one_write(micro_replies_t *replies)
{
    return micro_reply_part(replies, replies->data, replies->size, -1);
}

/* Ways to send a header and a body. */

static inline int micro_reply_body(micro_replies_t *replies)
{
    return micro_reply_part(replies, replies->data + replies->header_size,
                            replies->size - replies->header_size, -1);
}

static inline int micro_two_writes(micro_replies_t *replies)
{
    const int status = micro_reply_part(replies, replies->data, replies->header_size, -1);
    return status ? status : micro_reply_body(replies);
}

static inline int micro_one_writev(micro_replies_t *replies)
{
    struct iovec parts[2] = {
        {(void *)replies->data, replies->header_size},
        {(void *)(replies->data + replies->header_size), replies->size - replies->header_size},
    };
    ssize_t moved;
    do {
        moved = writev(replies->ends[0], parts, 2);
    } while (moved < 0 && micro_reply_goes_on(replies));
    if (moved == (ssize_t)replies->size)
        return 0;
    errno = moved < 0 ? errno : EIO;   /* a blocking socket takes all of so little */
    return micro_reply_fails(replies, "writev");
}

static inline int micro_more_follows(micro_replies_t *replies)
{
#ifdef MSG_MORE
    const int status = micro_reply_part(replies, replies->data, replies->header_size, MSG_MORE);
    return status ? status : micro_reply_body(replies);
#else
    errno = ENOSYS;
    return micro_reply_fails(replies, "MSG_MORE");
#endif
}

static inline int micro_corked(micro_replies_t *replies)
{
    int status = micro_tcp_cork(replies->ends[0], 1);
    replies->call = "setsockopt";
    if (status)
        return status;
    status = micro_two_writes(replies);
    if (status)
        return status;
    replies->call = "setsockopt";
    return micro_tcp_cork(replies->ends[0], 0);
}

/* The peer's body: take each reply, answer with a byte. */
static int64_t micro_take_replies(micro_peer_t *self, void *argument)
{
    micro_replies_t *const replies = argument;
    char taken[MICRO_REPLY_BUFFER];
    size_t have = 0;
    for (;;) {
        const ssize_t got = read(replies->peer_end, taken, sizeof taken);
        if (got == 0 || (got < 0 && micro_peer_leaves(self)))
            return 0;
        if (got < 0 && errno != EINTR) {
            self->mail->call = "read";
            return -errno;
        }
        have += got > 0 ? (size_t)got : 0;
        if (got > 0 && have == atomic_load(&replies->size)) {
            const int64_t answered = micro_peer_moves_byte(self, replies->peer_end, 1);
            if (answered != 1)
                return answered;
            have = 0;
        }
    }
}

#endif
