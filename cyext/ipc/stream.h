/* A stream of messages from the owner of the timed loop to a peer, which takes them as they come.
 *
 * All functions return 0 or -errno, with the failed call's name in `call`. */
#ifndef MICRO_IPC_STREAM_H
#define MICRO_IPC_STREAM_H

#include <sys/socket.h>

#include "core/peers.h"
#include "os/futex.h"
#include "os/network.h"
#include "os/tcp.h"

#define MICRO_RING_BYTES 65536u   /* as much as a pipe holds on Linux */
/* Less than what systems allow unasked. Buffers that grow take a whole batch, until it is too long. */
#define MICRO_TCP_BUFFER_BYTES 131072

enum { MICRO_STREAM_PIPE, MICRO_STREAM_UNIX, MICRO_STREAM_TCP, MICRO_STREAM_MEMORY };

/* A byte ring in shared memory. Positions count bytes and wrap around. */
typedef struct {
    _Alignas(128) atomic_uint written;
    atomic_uint reader_sleeps;
    _Alignas(128) atomic_uint taken;
    atomic_uint writer_sleeps;
    _Alignas(128) atomic_uint_fast64_t goal;   /* bytes in all, until the end of this batch */
    _Alignas(128) char bytes[MICRO_RING_BYTES];
} micro_ring_t;

typedef struct {
    int kind;
    int fds[2];              /* the peer reads from the first */
    int done[2];             /* the peer writes a byte when it has all bytes of a batch */
    size_t size;
    uint64_t before;         /* bytes that peers before this one took */
    char *message, *taken;   /* `size` bytes each */
    micro_ring_t *ring;
    const char *call;        /* that failed, at the owner's side */
} micro_stream_t;

static inline int micro_stream_fails(micro_stream_t *stream, const char *call)
{
    stream->call = call;
    return errno ? -errno : -EIO;
}

static inline void micro_stream_init(micro_stream_t *stream)
{
    memset(stream, 0, sizeof *stream);
    stream->fds[0] = stream->fds[1] = stream->done[0] = stream->done[1] = -1;
}

static inline int micro_stream_open_tcp(micro_stream_t *stream)
{
    int status = micro_tcp_pair(stream->fds, &stream->call);
    if (status)
        return status;
    stream->call = "setsockopt";
    for (int i = 0; i < 2 && status == 0; i++)
        status = micro_tcp_buffers(stream->fds[i], MICRO_TCP_BUFFER_BYTES);
    return status;
}

static inline int micro_stream_open(micro_stream_t *stream)
{
    stream->ring = micro_shared_memory(sizeof *stream->ring);
    if (stream->ring == NULL)
        return micro_stream_fails(stream, "mmap");
    if (pipe(stream->done) != 0)
        return micro_stream_fails(stream, "pipe");
    if (stream->kind == MICRO_STREAM_PIPE && pipe(stream->fds) != 0)
        return micro_stream_fails(stream, "pipe");
    if (stream->kind == MICRO_STREAM_UNIX && socketpair(AF_UNIX, SOCK_STREAM, 0, stream->fds) != 0)
        return micro_stream_fails(stream, "socketpair");
    if (stream->kind == MICRO_STREAM_TCP)
        return micro_stream_open_tcp(stream);
    if (stream->kind == MICRO_STREAM_MEMORY) {
        stream->call = "futex";
        return (int)micro_futex_wake(&stream->ring->written, 1, 1);   /* nobody sleeps: 0 */
    }
    return 0;
}

/* While no peer runs: messages of another size. */
static inline int micro_stream_resize(micro_stream_t *stream, size_t size)
{
    char *const buffers = size ? micro_shared_memory(2 * size) : NULL;
    if (size && buffers == NULL)
        return micro_stream_fails(stream, "mmap");
    if (stream->message)
        munmap(stream->message, 2 * stream->size);
    if (buffers)
        memset(buffers, 1, 2 * size);
    stream->message = buffers;
    stream->taken = buffers + size;
    stream->size = size;
    stream->before = stream->ring ? atomic_load(&stream->ring->goal) : 0;
    return 0;
}

/* After the peer's end; may be called twice. */
static inline void micro_stream_close(micro_stream_t *stream)
{
    for (int i = 0; i < 2; i++) {
        if (stream->fds[i] >= 0)
            close(stream->fds[i]);
        if (stream->done[i] >= 0)
            close(stream->done[i]);
        stream->fds[i] = stream->done[i] = -1;
    }
    micro_stream_resize(stream, 0);
    if (stream->ring)
        munmap(stream->ring, sizeof *stream->ring);
    stream->ring = NULL;
}

/* Sleep until a position is another one than was seen, or a signal comes. */
static inline int micro_ring_sleep(atomic_uint *position, unsigned seen, atomic_uint *sleeps)
{
    int64_t status = 0;
    atomic_store(sleeps, 1);
    if (atomic_load(position) == seen)
        status = micro_futex_wait(position, seen, 1);
    atomic_store(sleeps, 0);
    return status == -EAGAIN ? 0 : (int)status;
}

static inline int micro_ring_advance(atomic_uint *position, unsigned bytes, atomic_uint *sleeps)
{
    atomic_fetch_add(position, bytes);
    int64_t woken;
    do {   /* the bytes are there already: only the call is made again */
        woken = atomic_load(sleeps) ? micro_futex_wake(position, 1, 1) : 0;
    } while (woken == -EINTR);
    return woken < 0 ? (int)woken : 0;
}

static inline unsigned micro_least(unsigned a, size_t b)
{
    return a < b ? a : (unsigned)b;
}

/* As many bytes as fit without a gap, once some do: how many, or -errno. */
static inline ssize_t micro_ring_put(micro_ring_t *ring, const char *from, size_t bytes)
{
    const unsigned at = atomic_load(&ring->written), taken = atomic_load(&ring->taken);
    const unsigned room = MICRO_RING_BYTES - (at - taken), start = at % MICRO_RING_BYTES;
    if (room == 0)
        return micro_ring_sleep(&ring->taken, taken, &ring->writer_sleeps);
    const unsigned piece = micro_least(micro_least(room, bytes), MICRO_RING_BYTES - start);
    memcpy(ring->bytes + start, from, piece);
    const int status = micro_ring_advance(&ring->written, piece, &ring->reader_sleeps);
    return status ? status : (ssize_t)piece;
}

static inline ssize_t micro_ring_take(micro_ring_t *ring, char *to, size_t bytes)
{
    const unsigned at = atomic_load(&ring->taken), written = atomic_load(&ring->written);
    const unsigned start = at % MICRO_RING_BYTES;
    if (written == at)
        return micro_ring_sleep(&ring->written, written, &ring->reader_sleeps);
    const unsigned piece = micro_least(micro_least(written - at, bytes), MICRO_RING_BYTES - start);
    memcpy(to, ring->bytes + start, piece);
    const int status = micro_ring_advance(&ring->taken, piece, &ring->writer_sleeps);
    return status ? status : (ssize_t)piece;
}

/* For the owner: one message, whole. */
static inline int micro_stream_send(micro_stream_t *stream, micro_peers_t *group)
{
    const int memory = stream->kind == MICRO_STREAM_MEMORY;
    for (size_t sent = 0; sent < stream->size;) {
        const char *const from = stream->message + sent;
        const size_t left = stream->size - sent;
        const ssize_t moved = memory ? micro_ring_put(stream->ring, from, left)
                                     : write(stream->fds[1], from, left);
        const int error = moved < 0 ? (memory ? (int)-moved : errno) : 0;
        if (error && (error != EINTR || micro_peers_failed(group))) {
            errno = error;
            return micro_stream_fails(stream, memory ? "futex" : "write");
        }
        sent += moved > 0 ? (size_t)moved : 0;
    }
    return 0;
}

/* Before a batch: so many bytes will come. After it: wait until the peer has them all. In between TCP
 * may gather small messages, as it does unasked; at the end it must not wait for more. */
static inline int micro_stream_expect(micro_stream_t *stream, uint64_t bytes)
{
    atomic_fetch_add(&stream->ring->goal, bytes);
    stream->call = "setsockopt";
    return stream->kind == MICRO_STREAM_TCP ? micro_tcp_at_once(stream->fds[1], 0) : 0;
}

static inline int micro_stream_drain(micro_stream_t *stream, micro_peers_t *group)
{
    stream->call = "setsockopt";
    const int status =
        stream->kind == MICRO_STREAM_TCP ? micro_tcp_at_once(stream->fds[1], 1) : 0;
    if (status)
        return status;
    stream->call = "read";
    return micro_owner_moves_byte(group, stream->done[0], 0);
}

/* The peer's body. */
static int64_t micro_stream_take(micro_peer_t *self, void *argument)
{
    micro_stream_t *const stream = argument;
    const int memory = stream->kind == MICRO_STREAM_MEMORY;
    for (uint64_t total = stream->before;;) {
        const ssize_t moved = memory ? micro_ring_take(stream->ring, stream->taken, stream->size)
                                     : read(stream->fds[0], stream->taken, stream->size);
        const int error = moved < 0 ? (memory ? (int)-moved : errno) : 0;
        const int slept = memory && moved == 0;   /* as it shall: to ask would cost a system call */
        if (moved <= 0 && !slept && micro_peer_leaves(self))
            return 0;
        if (error && error != EINTR) {
            self->mail->call = memory ? "futex" : "read";
            return -error;
        }
        total += moved > 0 ? (uint64_t)moved : 0;
        if (moved > 0 && total == atomic_load(&stream->ring->goal)) {
            const int64_t told = micro_peer_moves_byte(self, stream->done[1], 1);
            if (told != 1)
                return told;
        }
    }
}

#endif
