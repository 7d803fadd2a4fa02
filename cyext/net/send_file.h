/* Ways to send a file of which the system has all pages in memory. replies.h says how they fail. */
#ifndef MICRO_SEND_FILE_H
#define MICRO_SEND_FILE_H

#include <sys/mman.h>

#include "net/replies.h"
#include "os/uring.h"

#ifdef __linux__
#include <linux/errqueue.h>
#include <sys/sendfile.h>
#endif

/* Zero-copy sends are of so many bytes at most: the pages of each are locked until it has ended. */
#define MICRO_ZERO_COPY_BYTES ((size_t)1 << 20)
#define MICRO_PIPE_BYTES ((size_t)64 << 10)   /* what a pipe holds unasked */

#if defined(MSG_ZEROCOPY) && defined(SO_ZEROCOPY) && defined(SO_EE_ORIGIN_ZEROCOPY)
#define MICRO_HAS_ZEROCOPY 1
#else
#define MICRO_HAS_ZEROCOPY 0
#endif

static inline int micro_send_lacks(micro_replies_t *replies, const char *call)
{
    errno = ENOSYS;
    return micro_reply_fails(replies, call);
}

static inline int micro_read_and_write(micro_replies_t *replies)
{
    for (size_t done = 0; done < replies->size;) {
        const ssize_t got = pread(replies->file, replies->buffer, MICRO_REPLY_BUFFER, (off_t)done);
        if (got < 0 && micro_reply_goes_on(replies))
            continue;
        if (got <= 0)
            return micro_reply_fails(replies, "pread");
        const int status = micro_reply_part(replies, replies->buffer, (size_t)got, -1);
        if (status)
            return status;
        done += (size_t)got;
    }
    return 0;
}

static inline int micro_map_and_write(micro_replies_t *replies)
{
    const size_t size = replies->size;
    char *const data = mmap(NULL, size, PROT_READ, MAP_SHARED, replies->file, 0);
    if (data == MAP_FAILED)
        return micro_reply_fails(replies, "mmap");
    const int status = micro_reply_part(replies, data, size, -1);
    if (munmap(data, size) != 0)
        return micro_reply_fails(replies, "munmap");
    return status;
}

static inline int micro_send_by_sendfile(micro_replies_t *replies)
{
#ifdef __linux__
    off_t done = 0;
    while ((size_t)done < replies->size)
        if (sendfile(replies->ends[0], replies->file, &done, replies->size - (size_t)done) < 0
            && !micro_reply_goes_on(replies))
            return micro_reply_fails(replies, "sendfile");
    return 0;
#else
    return micro_send_lacks(replies, "sendfile");
#endif
}

static inline int micro_send_by_splice(micro_replies_t *replies)
{
#ifdef __linux__
    loff_t done = 0;
    while ((size_t)done < replies->size) {
        const size_t left = replies->size - (size_t)done;
        ssize_t in_pipe = splice(replies->file, &done, replies->pipe[1], NULL,
                                 left < MICRO_PIPE_BYTES ? left : MICRO_PIPE_BYTES, 0);
        if (in_pipe == 0)
            errno = EIO;   /* the file has become shorter */
        if (in_pipe <= 0 && !(in_pipe < 0 && micro_reply_goes_on(replies)))
            return micro_reply_fails(replies, "splice");
        while (in_pipe > 0) {
            const unsigned more = (size_t)done < replies->size ? SPLICE_F_MORE : 0;
            const ssize_t moved =
                splice(replies->pipe[0], NULL, replies->ends[0], NULL, (size_t)in_pipe, more);
            if (moved < 0 && !micro_reply_goes_on(replies))
                return micro_reply_fails(replies, "splice");
            in_pipe -= moved > 0 ? moved : 0;
        }
    }
    return 0;
#else
    return micro_send_lacks(replies, "splice");
#endif
}

/* Count the ends of zero-copy sends that the error queue tells of, until none is outstanding. */
static inline int micro_await_zero_copies(micro_replies_t *replies)
{
#if MICRO_HAS_ZEROCOPY
    while (replies->outstanding) {
        char room[256];
        struct msghdr message = {.msg_control = room, .msg_controllen = sizeof room};
        if (recvmsg(replies->ends[0], &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            struct pollfd ended = {.fd = replies->ends[0]};
            if (errno == EAGAIN && poll(&ended, 1, MICRO_WAIT_MS) == 0)
                errno = ETIMEDOUT;
            if (errno != EAGAIN && !micro_reply_goes_on(replies))
                return micro_reply_fails(replies, "recvmsg");
            continue;
        }
        const struct cmsghdr *const header = CMSG_FIRSTHDR(&message);
        struct sock_extended_err end;
        if (header == NULL)
            return micro_reply_fails(replies, "recvmsg");
        memcpy(&end, CMSG_DATA(header), sizeof end);
        const uint32_t ended = end.ee_data - end.ee_info + 1;   /* a range of numbered sends */
        if (end.ee_origin != SO_EE_ORIGIN_ZEROCOPY || ended > replies->outstanding) {
            errno = end.ee_errno ? (int)end.ee_errno : EBADMSG;
            return micro_reply_fails(replies, "recvmsg");
        }
        replies->outstanding -= ended;
        replies->sent += ended;
        replies->copied += end.ee_code == SO_EE_CODE_ZEROCOPY_COPIED ? ended : 0;
    }
#endif
    (void)replies;
    return 0;
}

static inline int micro_send_zero_copy(micro_replies_t *replies)
{
#if MICRO_HAS_ZEROCOPY
    for (size_t done = 0; done < replies->size;) {
        const size_t left = replies->size - done;
        const ssize_t moved = send(
            replies->ends[0], replies->data + done,
            left < MICRO_ZERO_COPY_BYTES ? left : MICRO_ZERO_COPY_BYTES, MSG_ZEROCOPY);
        if (moved < 0 && !micro_reply_goes_on(replies))
            return micro_reply_fails(replies, "send");
        replies->outstanding += moved > 0;
        done += moved > 0 ? (size_t)moved : 0;
    }
    return micro_await_zero_copies(replies);
#else
    return micro_send_lacks(replies, "MSG_ZEROCOPY");
#endif
}

#if MICRO_HAS_URING
/* Newer than many a system's headers. */
#define MICRO_OP_SEND_ZC 47
#define MICRO_SEND_ZC_REPORT_USAGE (1u << 3)
#define MICRO_CQE_MORE (1u << 1)
#define MICRO_NOTIF_COPIED (1u << 31)

/* The next completion; it is waited for where there is none. */
static inline int micro_uring_await(micro_replies_t *replies, struct io_uring_cqe *done)
{
    micro_uring_t *const ring = replies->ring;
    replies->call = "io_uring_enter";
    if (ring->queued || micro_uring_completed(ring) == 0) {
        const int status = micro_uring_enter(ring, 1);
        if (status <= 0)
            return status ? status : -EIO;
    }
    const uint32_t head = *ring->completed_head;
    *done = ((struct io_uring_cqe *)ring->completions)[head & ring->completed_mask];
    __atomic_store_n(ring->completed_head, head + 1, __ATOMIC_RELEASE);
    return 0;
}
#endif

/* Send from memory through io_uring, with or without a copy. */
static inline int micro_send_by_uring(micro_replies_t *replies, int zero_copy)
{
#if MICRO_HAS_URING
    for (size_t done = 0; done < replies->size;) {
        const size_t left = replies->size - done;
        const size_t most = zero_copy ? MICRO_ZERO_COPY_BYTES : left;
        struct io_uring_sqe *const send = micro_uring_next(replies->ring);
        struct io_uring_cqe end;
        send->opcode = zero_copy ? MICRO_OP_SEND_ZC : IORING_OP_SEND;
        send->fd = replies->ends[0];
        send->addr = (uint64_t)(uintptr_t)(replies->data + done);
        send->len = (uint32_t)(left < most ? left : most);
        send->msg_flags = MSG_WAITALL;
        send->ioprio = zero_copy ? MICRO_SEND_ZC_REPORT_USAGE : 0;
        int status = micro_uring_await(replies, &end);
        if (status == 0 && end.res <= 0) {
            replies->call = "io_uring send";
            status = end.res ? end.res : -EIO;
        }
        done += status == 0 ? (size_t)end.res : 0;
        if (status == 0 && zero_copy && end.flags & MICRO_CQE_MORE) {
            status = micro_uring_await(replies, &end);
            replies->sent++;
            replies->copied += ((uint32_t)end.res & MICRO_NOTIF_COPIED) != 0;
        }
        if (status)
            return status;
    }
    return 0;
#else
    (void)zero_copy;
    return micro_send_lacks(replies, "io_uring_setup");
#endif
}

static inline int micro_uring_send(micro_replies_t *replies)
{
    return micro_send_by_uring(replies, 0);
}

static inline int micro_uring_send_zc(micro_replies_t *replies)
{
    return micro_send_by_uring(replies, 1);
}

/* Before zero-copy sends: 0 or -errno. */
static inline int micro_allow_zero_copy(int fd)
{
#if MICRO_HAS_ZEROCOPY
    const int yes = 1;
    return setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &yes, sizeof yes) == 0 ? 0 : -errno;
#else
    (void)fd;
    return -ENOSYS;
#endif
}

#endif
