/* The mechanisms by which two tasks pass messages. link.h says what each of them has. */
#ifndef MICRO_IPC_MECHANISMS_H
#define MICRO_IPC_MECHANISMS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#include <sys/syscall.h>
#endif

#include "ipc/link.h"
#include "os/futex.h"

/* Of a system that lacks the mechanism. */
static inline int micro_lacks(micro_link_t *link, const char *call)
{
    errno = ENOSYS;
    return micro_link_fails(link, MICRO_OWNER, call);
}

static inline int micro_out(micro_link_t *link, int side, size_t bytes)
{
    const uint64_t one = 1;   /* what eventfd counts; of others only the size matters */
    if (write(link->out[side], &one, bytes) != (ssize_t)bytes)
        return micro_link_fails(link, side, "write");
    return 0;
}

static inline int micro_in(micro_link_t *link, int side, size_t bytes)
{
    uint64_t message;
    const ssize_t got = read(link->in[side], &message, bytes);
    if (got == (ssize_t)bytes)
        return 0;
    errno = got < 0 ? errno : EPIPE;
    return micro_link_fails(link, side, "read");
}

static int micro_byte_out(micro_link_t *link, int side)
{
    return micro_out(link, side, 1);
}

static int micro_byte_in(micro_link_t *link, int side)
{
    return micro_in(link, side, 1);
}

/* Each side reads from the pipe that the other writes to: fds[0..1] to the peer, fds[2..3] back. */
static inline int micro_link_of_pipes(micro_link_t *link)
{
    link->in[MICRO_PEER] = link->fds[0];
    link->out[MICRO_OWNER] = link->fds[1];
    link->in[MICRO_OWNER] = link->fds[2];
    link->out[MICRO_PEER] = link->fds[3];
    return 0;
}

static int micro_open_pipes(micro_link_t *link)
{
    if (pipe(link->fds) != 0 || pipe(link->fds + 2) != 0)
        return micro_link_fails(link, MICRO_OWNER, "pipe");
    return micro_link_of_pipes(link);
}

static const micro_mechanism_t micro_pipe = {micro_open_pipes, micro_byte_out, micro_byte_in, NULL};

/* A fifo needs no name once both ends are open. */
static int micro_open_fifos(micro_link_t *link)
{
    for (int i = 0; i < 4; i += 2) {
        if (mkfifo(link->fifo, 0600) != 0)
            return micro_link_fails(link, MICRO_OWNER, "mkfifo");
        link->fds[i] = open(link->fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (link->fds[i] >= 0)
            link->fds[i + 1] = open(link->fifo, O_WRONLY | O_CLOEXEC);
        const int error = errno, unnamed = unlink(link->fifo);
        if (link->fds[i] < 0 || link->fds[i + 1] < 0) {
            errno = error;
            return micro_link_fails(link, MICRO_OWNER, "open");
        }
        if (unnamed != 0)
            return micro_link_fails(link, MICRO_OWNER, "unlink");
        if (fcntl(link->fds[i], F_SETFL, 0) != 0)   /* it blocks from now on */
            return micro_link_fails(link, MICRO_OWNER, "fcntl");
    }
    return micro_link_of_pipes(link);
}

static const micro_mechanism_t micro_fifo = {micro_open_fifos, micro_byte_out, micro_byte_in, NULL};

static int micro_open_eventfds(micro_link_t *link)
{
#ifdef __linux__
    for (int side = 0; side < 2; side++) {
        link->fds[side] = eventfd(0, EFD_CLOEXEC);
        if (link->fds[side] < 0)
            return micro_link_fails(link, MICRO_OWNER, "eventfd");
        link->in[side] = link->out[!side] = link->fds[side];
    }
    return 0;
#else
    return micro_lacks(link, "eventfd");
#endif
}

static int micro_event_out(micro_link_t *link, int side)
{
    return micro_out(link, side, sizeof(uint64_t));
}

static int micro_event_in(micro_link_t *link, int side)
{
    return micro_in(link, side, sizeof(uint64_t));
}

static const micro_mechanism_t micro_eventfd = {
    micro_open_eventfds, micro_event_out, micro_event_in, NULL};

static inline int micro_open_sockets(micro_link_t *link, int type)
{
    if (socketpair(AF_UNIX, type, 0, link->fds) != 0)
        return micro_link_fails(link, MICRO_OWNER, "socketpair");
    link->in[MICRO_OWNER] = link->out[MICRO_OWNER] = link->fds[0];
    link->in[MICRO_PEER] = link->out[MICRO_PEER] = link->fds[1];
    return 0;
}

static int micro_open_streams(micro_link_t *link)
{
    return micro_open_sockets(link, SOCK_STREAM);
}

static int micro_open_datagrams(micro_link_t *link)
{
    return micro_open_sockets(link, SOCK_DGRAM);
}

static const micro_mechanism_t micro_unix_stream = {
    micro_open_streams, micro_byte_out, micro_byte_in, NULL};
static const micro_mechanism_t micro_unix_datagram = {
    micro_open_datagrams, micro_byte_out, micro_byte_in, NULL};

/* The owner's message has a descriptor with it, which the peer closes; the answer is a byte. */
typedef union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
} micro_passed_t;

static int micro_descriptor_out(micro_link_t *link, int side)
{
    if (side == MICRO_PEER)
        return micro_byte_out(link, side);
    char byte = 'd';
    micro_passed_t passed;
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &passed,
                             .msg_controllen = sizeof passed.room};
    memset(&passed, 0, sizeof passed);
    struct cmsghdr *const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &link->fds[0], sizeof(int));
    return sendmsg(link->out[side], &message, 0) == 1 ? 0 : micro_link_fails(link, side, "sendmsg");
}

static int micro_descriptor_in(micro_link_t *link, int side)
{
    if (side == MICRO_OWNER)
        return micro_byte_in(link, side);
    char byte;
    int fd;
    micro_passed_t passed;
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &passed,
                             .msg_controllen = sizeof passed.room};
    const ssize_t got = recvmsg(link->in[side], &message, 0);
    if (got < 0)
        return micro_link_fails(link, side, "recvmsg");
    const struct cmsghdr *const header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS) {   /* it was lost: no descriptor is free */
        errno = EMFILE;
        return micro_link_fails(link, side, "recvmsg");
    }
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    /* An interrupted close has closed all the same, and must not be made again with the answer due. */
    return close(fd) == 0 || errno == EINTR ? 0 : micro_link_fails(link, side, "close");
}

static const micro_mechanism_t micro_descriptor = {
    micro_open_streams, micro_descriptor_out, micro_descriptor_in, NULL};

/* A word a direction: 1 where a message is there. */
static int micro_open_futexes(micro_link_t *link)
{
    link->call[MICRO_OWNER] = "futex";
    return (int)micro_futex_wake(&link->words->to[0].full, 1, 1);   /* nobody sleeps: 0 */
}

static int micro_futex_out(micro_link_t *link, int side)
{
    atomic_uint *const full = &link->words->to[!side].full;
    atomic_store(full, 1);
    const int64_t status = micro_futex_wake(full, 1, 1);
    link->call[side] = "futex";
    return status < 0 ? (int)status : 0;
}

static int micro_futex_in(micro_link_t *link, int side)
{
    atomic_uint *const full = &link->words->to[side].full;
    while (atomic_load(full) == 0) {
        const int64_t status = micro_futex_wait(full, 0, 1);
        if (status < 0 && status != -EAGAIN) {
            link->call[side] = "futex";
            return (int)status;
        }
    }
    atomic_store(full, 0);
    return 0;
}

static const micro_mechanism_t micro_futex_words = {
    micro_open_futexes, micro_futex_out, micro_futex_in, NULL};

/* Semaphores of POSIX, in the shared memory. */
static int micro_open_semaphores(micro_link_t *link)
{
#ifdef __APPLE__
    return micro_lacks(link, "sem_init");
#else
    for (int side = 0; side < 2; side++)
        if (sem_init(&link->words->to[side].semaphore, 1, 0) != 0)
            return micro_link_fails(link, MICRO_OWNER, "sem_init");
    return 0;
#endif
}

static int micro_semaphore_out(micro_link_t *link, int side)
{
    return sem_post(&link->words->to[!side].semaphore) == 0
        ? 0 : micro_link_fails(link, side, "sem_post");
}

static int micro_semaphore_in(micro_link_t *link, int side)
{
    return sem_wait(&link->words->to[side].semaphore) == 0
        ? 0 : micro_link_fails(link, side, "sem_wait");
}

static const micro_mechanism_t micro_posix_semaphore = {
    micro_open_semaphores, micro_semaphore_out, micro_semaphore_in, NULL};

/* Objects of System V outlive their processes. A keeper, in a session of its own lest a signal to the
 * process group ends it, removes the object once its owner has ended in whatever way: the pipe that
 * only the owner can write to closes then. fds[0..1] is the pipe. */
static inline int micro_keep_for_life(micro_link_t *link, int (*remove)(int))
{
    char byte;
    if (pipe(link->fds) != 0)
        return micro_link_fails(link, MICRO_OWNER, "pipe");
    link->keeper = fork();
    if (link->keeper == 0) {
        close(link->fds[1]);
        setsid();
        while (read(link->fds[0], &byte, 1) < 0 && errno == EINTR)
            ;
        remove(link->set);
        _exit(0);
    }
    return link->keeper < 0 ? micro_link_fails(link, MICRO_OWNER, "fork") : 0;
}

/* The object is removed, or that failed and the keeper shall do it. */
static inline void micro_end_keeper(micro_link_t *link, int removed)
{
    int ends = link->keeper > 0;
    if (ends && removed) {
        ends = kill(link->keeper, SIGKILL) == 0;
    } else if (ends) {
        ends = close(link->fds[1]) == 0;
        link->fds[1] = -1;
    }
    while (ends && waitpid(link->keeper, NULL, 0) < 0 && errno == EINTR)
        ;
    link->keeper = 0;
    link->set = -1;
}

static int micro_remove_set(int set)
{
    return semctl(set, 0, IPC_RMID);
}

static void micro_close_set(micro_link_t *link)
{
    micro_end_keeper(link, link->set < 0 || micro_remove_set(link->set) == 0);
}

/* Two semaphores: number 0 counts messages to the owner, 1 to the peer. */
static int micro_open_set(micro_link_t *link)
{
    link->set = semget(IPC_PRIVATE, 2, 0600);
    if (link->set < 0)
        return micro_link_fails(link, MICRO_OWNER, "semget");
    return micro_keep_for_life(link, micro_remove_set);
}

static inline int micro_semop(micro_link_t *link, int side, int number, int change)
{
    struct sembuf operation = {(unsigned short)number, (short)change, 0};
    return semop(link->set, &operation, 1) == 0 ? 0 : micro_link_fails(link, side, "semop");
}

static int micro_set_out(micro_link_t *link, int side)
{
    return micro_semop(link, side, !side, 1);
}

static int micro_set_in(micro_link_t *link, int side)
{
    return micro_semop(link, side, side, -1);
}

static const micro_mechanism_t micro_sysv_semaphore = {
    micro_open_set, micro_set_out, micro_set_in, micro_close_set};

/* One System V queue: messages of type 1 are for the owner, of type 2 for the peer. */
typedef struct {
    long type;
    char byte;
} micro_letter_t;

static int micro_remove_queue(int queue)
{
    return msgctl(queue, IPC_RMID, NULL);
}

static void micro_close_queue(micro_link_t *link)
{
    micro_end_keeper(link, link->set < 0 || micro_remove_queue(link->set) == 0);
}

static int micro_open_queue(micro_link_t *link)
{
    link->set = msgget(IPC_PRIVATE, 0600);
    if (link->set < 0)
        return micro_link_fails(link, MICRO_OWNER, "msgget");
    return micro_keep_for_life(link, micro_remove_queue);
}

static int micro_letter_out(micro_link_t *link, int side)
{
    const micro_letter_t letter = {.type = !side + 1, .byte = 'l'};
    return msgsnd(link->set, &letter, 1, 0) == 0 ? 0 : micro_link_fails(link, side, "msgsnd");
}

static int micro_letter_in(micro_link_t *link, int side)
{
    micro_letter_t letter;
    return msgrcv(link->set, &letter, 1, side + 1, 0) == 1
        ? 0 : micro_link_fails(link, side, "msgrcv");
}

static const micro_mechanism_t micro_sysv_queue = {
    micro_open_queue, micro_letter_out, micro_letter_in, micro_close_queue};

/* POSIX message queues, by the calls themselves: older C libraries keep these functions apart. A queue
 * needs no name once it is open. */
#if defined(__linux__) && defined(SYS_mq_timedsend)
static int micro_open_mail(micro_link_t *link)
{
    long limits[8] = {0, 1, 1};   /* struct mq_attr: flags, most messages, bytes of one, ... */
    char name[64];
    for (int side = 0; side < 2; side++) {
        snprintf(name, sizeof name, "micro-%d-%d", (int)getpid(), side);
        link->fds[side] = (int)syscall(SYS_mq_open, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600,
                                       limits);
        if (link->fds[side] < 0)
            return micro_link_fails(link, MICRO_OWNER, "mq_open");
        if (syscall(SYS_mq_unlink, name) != 0)
            return micro_link_fails(link, MICRO_OWNER, "mq_unlink");
        link->in[side] = link->out[!side] = link->fds[side];
    }
    return 0;
}

static int micro_mail_out(micro_link_t *link, int side)
{
    return syscall(SYS_mq_timedsend, link->out[side], "m", 1, 0, NULL) == 0
        ? 0 : micro_link_fails(link, side, "mq_send");
}

static int micro_mail_in(micro_link_t *link, int side)
{
    char byte;
    return syscall(SYS_mq_timedreceive, link->in[side], &byte, 1, NULL, NULL) == 1
        ? 0 : micro_link_fails(link, side, "mq_receive");
}
#else
static int micro_open_mail(micro_link_t *link)
{
    return micro_lacks(link, "mq_open");
}

#define micro_mail_out micro_byte_out
#define micro_mail_in micro_byte_in
#endif

static const micro_mechanism_t micro_posix_queue = {
    micro_open_mail, micro_mail_out, micro_mail_in, NULL};

/* A signal that both sides have blocked and take with sigwaitinfo(). It stays blocked in this process,
 * and has a handler that does nothing: two links may be open, and one that is late does no harm.
 *
 * On Linux it is the call itself: musl's sigwaitinfo() goes on waiting after another signal, also after
 * that by which a peer is told to leave. */
#define MICRO_MESSAGE_SIGNAL SIGURG   /* no other probe uses it; it stays blocked */
#ifdef __mips__
#define MICRO_KERNEL_SIGNALS 128   /* bits of the kernel's set, whatever room the C library's has */
#else
#define MICRO_KERNEL_SIGNALS 64
#endif

static inline void micro_message_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, MICRO_MESSAGE_SIGNAL);
}

static int micro_open_signals(micro_link_t *link)
{
#if defined(__APPLE__) || defined(__OpenBSD__)
    return micro_lacks(link, "sigwaitinfo");
#else
    const struct sigaction ignored = {.sa_handler = micro_woken};
    sigset_t set;
    micro_message_signals(&set);
    if (sigaction(MICRO_MESSAGE_SIGNAL, &ignored, NULL) != 0)
        return micro_link_fails(link, MICRO_OWNER, "sigaction");
    errno = pthread_sigmask(SIG_BLOCK, &set, NULL);
    return errno ? micro_link_fails(link, MICRO_OWNER, "pthread_sigmask") : 0;
#endif
}

static int micro_signal_out(micro_link_t *link, int side)
{
    const micro_peers_t *const group = link->group;
    if (group->kind == MICRO_THREADS) {
        errno = pthread_kill(side == MICRO_OWNER ? group->ids[0].thread : group->owner_thread,
                             MICRO_MESSAGE_SIGNAL);
        return errno ? micro_link_fails(link, side, "pthread_kill") : 0;
    }
    const pid_t other = side == MICRO_OWNER ? group->ids[0].process : group->owner;
    if (other <= 0) {   /* it has ended; 0 would be our whole process group */
        errno = ESRCH;
        return micro_link_fails(link, side, "kill");
    }
    return kill(other, MICRO_MESSAGE_SIGNAL) == 0 ? 0 : micro_link_fails(link, side, "kill");
}

static int micro_signal_in(micro_link_t *link, int side)
{
#if defined(__APPLE__) || defined(__OpenBSD__)
    return micro_lacks(link, "sigwaitinfo");
#else
    sigset_t set;
    micro_message_signals(&set);
#if defined(__linux__) && defined(SYS_rt_sigtimedwait)
    const long taken = syscall(SYS_rt_sigtimedwait, &set, NULL, NULL, MICRO_KERNEL_SIGNALS / 8);
#else
    const int taken = sigwaitinfo(&set, NULL);
#endif
    return taken == MICRO_MESSAGE_SIGNAL ? 0 : micro_link_fails(link, side, "sigwaitinfo");
#endif
}

static const micro_mechanism_t micro_signal = {
    micro_open_signals, micro_signal_out, micro_signal_in, NULL};

#endif
