/* Signals that a thread sends to itself or to another, and their handlers. */
#ifndef MICRO_OS_SIGNALS_H
#define MICRO_OS_SIGNALS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "os/mapping.h"
#ifdef __linux__
#include <sys/syscall.h>
#endif

/* Sent by the probes; SIGUSR1 ends peers. */
#define MICRO_SIGNAL SIGUSR2

#define MICRO_ANSWER_TRIES 100   /* of a write to our own pipe, which fails for a passing reason only */

/* How many signals this thread has caught, and where it answers each with a byte; -1: nowhere. */
static __thread volatile uint64_t micro_caught;
static __thread volatile int micro_answer_fd = -1;
/* The page of this thread that may not be written to; 0: none. */
static __thread volatile uintptr_t micro_protected_page;

static inline uint64_t micro_signals_caught(void)
{
    return micro_caught;
}

static inline void micro_answer_to(int fd)
{
    micro_answer_fd = fd;
}

static inline void micro_protected(uintptr_t page)
{
    micro_protected_page = page;
}

static void micro_catch(int number)
{
    const int error = errno;
    (void)number;
    micro_caught++;
    for (int tries = 0; micro_answer_fd >= 0 && tries < MICRO_ANSWER_TRIES; tries++)
        if (write(micro_answer_fd, "s", 1) == 1)
            break;
    errno = error;
}

/* Install the handler, without regard to the one before. 0 or -errno. */
static inline int micro_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = micro_catch;
    return sigaction(MICRO_SIGNAL, &action, NULL) == 0 ? 0 : -errno;
}

/* A thread as signals are sent to it. */
typedef struct {
    pthread_t thread;
    int process_id, thread_id, user_id;
} micro_receiver_t;

static inline micro_receiver_t micro_this_thread(void)
{
    micro_receiver_t self = {.thread = pthread_self(), .process_id = getpid(),
                             .user_id = (int)getuid()};
#ifdef __linux__
    self.thread_id = (int)syscall(SYS_gettid);
#endif
    return self;
}

/* Send MICRO_SIGNAL to a thread, on Linux by that call alone: the C library makes three more. 0 or
 * -errno. */
static inline int micro_send(const micro_receiver_t *to)
{
#ifdef __linux__
    return syscall(SYS_tgkill, to->process_id, to->thread_id, MICRO_SIGNAL) == 0 ? 0 : -errno;
#else
    return -pthread_kill(to->thread, MICRO_SIGNAL);
#endif
}

/* Block MICRO_SIGNAL in this thread and unblock it. 0 or -errno. */
static inline int micro_block_and_unblock(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, MICRO_SIGNAL);
    const int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    return -(error ? error : pthread_sigmask(SIG_UNBLOCK, &set, NULL));
}

/* Real-time signals: queued with a value, each one kept. Linux alone queues them to one thread. */
#if defined(__linux__) && defined(SYS_rt_tgsigqueueinfo)
#define MICRO_HAS_QUEUE 1
/* The C library keeps the first few for itself; the next one is micro's own (os/signal_io.h). */
#define MICRO_QUEUED_SIGNAL (SIGRTMIN + 2)

static inline void micro_queued_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, MICRO_QUEUED_SIGNAL);
}

static inline int micro_block_queued(sigset_t *before)
{
    sigset_t set;
    micro_queued_set(&set);
    return -pthread_sigmask(SIG_BLOCK, &set, before);
}

/* Undo that. What a failed batch left queued would end the process: to be ignored for a moment
 * discards it. */
static inline void micro_unblock_queued(const sigset_t *before)
{
    struct sigaction ignore, old;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    if (sigaction(MICRO_QUEUED_SIGNAL, &ignore, &old) == 0)
        sigaction(MICRO_QUEUED_SIGNAL, &old, NULL);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* Queue the signal with a value to this thread. 0 or -errno. */
static inline int micro_queue(const micro_receiver_t *self, int value)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = SI_QUEUE;
    info.si_pid = self->process_id;
    info.si_uid = (uid_t)self->user_id;
    info.si_value.sival_int = value;
    return syscall(SYS_rt_tgsigqueueinfo, self->process_id, self->thread_id, MICRO_QUEUED_SIGNAL,
                   &info) == 0 ? 0 : -errno;
}

/* The value of the first queued signal, which waits already, or -errno. */
static inline int micro_dequeue(void)
{
    const struct timespec at_once = {0};
    siginfo_t info;
    sigset_t set;
    micro_queued_set(&set);
    return sigtimedwait(&set, &info, &at_once) < 0 ? -errno : info.si_value.sival_int;
}
#else
#define MICRO_HAS_QUEUE 0
static inline int micro_block_queued(sigset_t *before) { return (void)before, -ENOSYS; }
static inline void micro_unblock_queued(const sigset_t *before) { (void)before; }
static inline int micro_queue(const micro_receiver_t *self, int value)
{
    return (void)self, (void)value, -ENOSYS;
}
static inline int micro_dequeue(void) { return -ENOSYS; }
#endif

/* A store that faults, and a handler that goes on behind it. The store is one instruction of known
 * length, at micro_store_to's label. */
#if defined(__linux__) && defined(__x86_64__)
#include <ucontext.h>
#define MICRO_CAN_SKIP 1
#define MICRO_STORE(address) \
    __asm__ volatile(".byte 0xc6, 0x00, 0x00" : : "a"(address) : "memory")   /* movb $0, (%rax) */
static inline void micro_skip(void *context)
{
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 3;
}
#elif defined(__linux__) && defined(__aarch64__)
#include <ucontext.h>
#define MICRO_CAN_SKIP 1
#define MICRO_STORE(address) __asm__ volatile("strb wzr, [%0]" : : "r"(address) : "memory")
static inline void micro_skip(void *context)
{
    ((ucontext_t *)context)->uc_mcontext.pc += 4;
}
#else
#define MICRO_CAN_SKIP 0
#define MICRO_STORE(address) ((void)(address))
static inline void micro_skip(void *context) { (void)context; }
#endif

/* A fault that is not ours gets the default treatment when the instruction is tried again. */
static void micro_catch_fault(int number, siginfo_t *info, void *context)
{
    const uintptr_t page = micro_protected_page;
    if (page == 0 || (uintptr_t)info->si_addr != page) {
        signal(number, SIG_DFL);
        return;
    }
    micro_caught++;
    micro_skip(context);
}

static inline void micro_store(uintptr_t page)
{
    MICRO_STORE(page);
}

/* A page that may be read only; 0 on failure, with errno. */
static inline uintptr_t micro_read_only_page(size_t page_bytes)
{
    void *page = mmap(NULL, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? 0 : (uintptr_t)page;
}

/* Handlers are the process's: the first workload that needs one installs it, the last puts back what
 * was there before. */
enum { MICRO_OF_SIGNAL, MICRO_OF_FAULT };
static int micro_handler_users[2];
static struct sigaction micro_handler_before[2];

/* 0 or -errno. */
static inline int micro_handler_open(int which)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    if (which == MICRO_OF_FAULT) {
        action.sa_sigaction = micro_catch_fault;
        action.sa_flags = SA_SIGINFO;
    } else {
        action.sa_handler = micro_catch;
    }
    if (micro_handler_users[which] == 0
        && sigaction(which == MICRO_OF_FAULT ? SIGSEGV : MICRO_SIGNAL, &action,
                     &micro_handler_before[which]) != 0)
        return -errno;
    micro_handler_users[which]++;
    return 0;
}

static inline void micro_handler_close(int which)
{
    if (--micro_handler_users[which] == 0)
        sigaction(which == MICRO_OF_FAULT ? SIGSEGV : MICRO_SIGNAL, &micro_handler_before[which],
                  NULL);
}

#endif
