/* Locks: of POSIX threads, and on files. One operation takes a lock, works, and gives it back. */
#ifndef MICRO_LOCK_LOCKS_H
#define MICRO_LOCK_LOCKS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/sentinel.h"
#include "os/thread.h"

#if defined(_POSIX_SPIN_LOCKS) && _POSIX_SPIN_LOCKS > 0
#define MICRO_HAS_SPIN_LOCKS 1
#else
#define MICRO_HAS_SPIN_LOCKS 0
#endif
/* Apple's sem_init() is a stub, and its named semaphores are another mechanism. */
#ifdef __APPLE__
#define MICRO_HAS_SEMAPHORES 0
#else
#define MICRO_HAS_SEMAPHORES 1
#endif

enum {
    MICRO_MUTEX, MICRO_PRIORITY_MUTEX, MICRO_READ_LOCK, MICRO_WRITE_LOCK, MICRO_SPIN_LOCK,
    MICRO_SEMAPHORE, MICRO_FCNTL_LOCK, MICRO_FLOCK, MICRO_OFD_LOCK
};

#define MICRO_LOCKED_STEPS 4   /* what is done inside: steps of the sentinel's chain */

/* What all members share. A lock on a file uses the descriptor, which each member has for itself. */
typedef struct {
    union {
        pthread_mutex_t mutex;
        pthread_rwlock_t rwlock;
#if MICRO_HAS_SPIN_LOCKS
        pthread_spinlock_t spin;
#endif
        sem_t semaphore;
    };
    /* Written inside an exclusive lock, and by nothing atomic: a lock that excludes nobody shows. */
    int64_t holder, entries, handovers;
} micro_lock_t;

#define MICRO_INLINED static inline __attribute__((always_inline))

/* 0 or an errno; ENOSYS where the system has no such lock. */
static inline int micro_lock_init(micro_lock_t *lock, int how, int between_processes)
{
    const int scope = between_processes ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE;
    pthread_mutexattr_t mutex;
    pthread_rwlockattr_t rwlock;
    int error = 0;
    lock->holder = -1;
    switch (how) {
    case MICRO_MUTEX:
    case MICRO_PRIORITY_MUTEX:
        error = pthread_mutexattr_init(&mutex);
        error = error ? error : pthread_mutexattr_setpshared(&mutex, scope);
        if (how == MICRO_PRIORITY_MUTEX)
            error = error ? error : pthread_mutexattr_setprotocol(&mutex, PTHREAD_PRIO_INHERIT);
        return error ? error : pthread_mutex_init(&lock->mutex, &mutex);
    case MICRO_READ_LOCK:
    case MICRO_WRITE_LOCK:
        error = pthread_rwlockattr_init(&rwlock);
        error = error ? error : pthread_rwlockattr_setpshared(&rwlock, scope);
        return error ? error : pthread_rwlock_init(&lock->rwlock, &rwlock);
#if MICRO_HAS_SPIN_LOCKS
    case MICRO_SPIN_LOCK:
        return pthread_spin_init(&lock->spin, scope);
#endif
#if MICRO_HAS_SEMAPHORES
    case MICRO_SEMAPHORE:
        return sem_init(&lock->semaphore, between_processes, 1) == 0 ? 0 : errno;
#endif
#ifdef F_OFD_SETLKW
    case MICRO_OFD_LOCK:
#endif
    case MICRO_FCNTL_LOCK:
    case MICRO_FLOCK:
        return 0;
    default:
        return ENOSYS;
    }
}

/* The first byte of a file, for writing: 0 or an errno. */
MICRO_INLINED int micro_file_lock(int fd, int command, short type)
{
    struct flock first = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    return fcntl(fd, command, &first) == 0 ? 0 : errno;
}

/* 0 or an errno. */
MICRO_INLINED int micro_lock_take(int how, micro_lock_t *lock, int fd)
{
    switch (how) {
    case MICRO_MUTEX:
    case MICRO_PRIORITY_MUTEX:
        return pthread_mutex_lock(&lock->mutex);
    case MICRO_READ_LOCK:
        return pthread_rwlock_rdlock(&lock->rwlock);
    case MICRO_WRITE_LOCK:
        return pthread_rwlock_wrlock(&lock->rwlock);
#if MICRO_HAS_SPIN_LOCKS
    case MICRO_SPIN_LOCK:
        return pthread_spin_lock(&lock->spin);
#endif
#if MICRO_HAS_SEMAPHORES
    case MICRO_SEMAPHORE:
        return sem_wait(&lock->semaphore) == 0 ? 0 : errno;
#endif
    case MICRO_FCNTL_LOCK:
        return micro_file_lock(fd, F_SETLKW, F_WRLCK);
    case MICRO_FLOCK:
        return flock(fd, LOCK_EX) == 0 ? 0 : errno;
#ifdef F_OFD_SETLKW
    case MICRO_OFD_LOCK:
        return micro_file_lock(fd, F_OFD_SETLKW, F_WRLCK);
#endif
    default:
        return ENOSYS;
    }
}

/* 0 or an errno. */
MICRO_INLINED int micro_lock_give(int how, micro_lock_t *lock, int fd)
{
    switch (how) {
    case MICRO_MUTEX:
    case MICRO_PRIORITY_MUTEX:
        return pthread_mutex_unlock(&lock->mutex);
    case MICRO_READ_LOCK:
    case MICRO_WRITE_LOCK:
        return pthread_rwlock_unlock(&lock->rwlock);
#if MICRO_HAS_SPIN_LOCKS
    case MICRO_SPIN_LOCK:
        return pthread_spin_unlock(&lock->spin);
#endif
#if MICRO_HAS_SEMAPHORES
    case MICRO_SEMAPHORE:
        return sem_post(&lock->semaphore) == 0 ? 0 : errno;
#endif
    case MICRO_FCNTL_LOCK:
        return micro_file_lock(fd, F_SETLKW, F_UNLCK);
    case MICRO_FLOCK:
        return flock(fd, LOCK_UN) == 0 ? 0 : errno;
#ifdef F_OFD_SETLKW
    case MICRO_OFD_LOCK:
        return micro_file_lock(fd, F_OFD_SETLKW, F_UNLCK);
#endif
    default:
        return ENOSYS;
    }
}

/* What takes and gives back each kind. */
static const char *const micro_lock_calls[][2] = {
    [MICRO_MUTEX] = {"pthread_mutex_lock", "pthread_mutex_unlock"},
    [MICRO_PRIORITY_MUTEX] = {"pthread_mutex_lock", "pthread_mutex_unlock"},
    [MICRO_READ_LOCK] = {"pthread_rwlock_rdlock", "pthread_rwlock_unlock"},
    [MICRO_WRITE_LOCK] = {"pthread_rwlock_wrlock", "pthread_rwlock_unlock"},
    [MICRO_SPIN_LOCK] = {"pthread_spin_lock", "pthread_spin_unlock"},
    [MICRO_SEMAPHORE] = {"sem_wait", "sem_post"},
    [MICRO_FCNTL_LOCK] = {"fcntl", "fcntl"},
    [MICRO_FLOCK] = {"flock", "flock"},
    [MICRO_OFD_LOCK] = {"fcntl", "fcntl"},
};

/* n operations of one kind of lock, which the compiler knows: no choice is left in the loop. An
 * errno, with the failed call's name and how many operations were done, or 0. */
MICRO_INLINED int micro_lock_operations(int how, micro_lock_t *lock, int fd, int64_t member,
                                        uint64_t n, uint64_t *done, const char **call)
{
    int error = 0;
    uint64_t i = 0;
    for (; i < n; i++) {
        error = micro_lock_take(how, lock, fd);
        if (error) {
            *call = micro_lock_calls[how][0];
            break;
        }
        if (how != MICRO_READ_LOCK) {
            lock->entries++;
            if (lock->holder != member) {
                lock->holder = member;
                lock->handovers++;
            }
        }
        micro_chain(MICRO_LOCKED_STEPS);
        error = micro_lock_give(how, lock, fd);
        if (error) {
            *call = micro_lock_calls[how][1];
            micro_lock_give(how, lock, fd);   /* once more: others would wait for ever */
            break;
        }
    }
    *done = i;
    return error;
}

#define MICRO_LOCK_LOOP(how) \
    case how: return micro_lock_operations(how, lock, fd, member, n, done, call)

static inline int micro_lock_loop(int how, micro_lock_t *lock, int fd, int64_t member, uint64_t n,
                                  uint64_t *done, const char **call)
{
    switch (how) {
    MICRO_LOCK_LOOP(MICRO_MUTEX);
    MICRO_LOCK_LOOP(MICRO_READ_LOCK);
    MICRO_LOCK_LOOP(MICRO_WRITE_LOCK);
    MICRO_LOCK_LOOP(MICRO_SPIN_LOCK);
    MICRO_LOCK_LOOP(MICRO_SEMAPHORE);
    MICRO_LOCK_LOOP(MICRO_FCNTL_LOCK);
    MICRO_LOCK_LOOP(MICRO_FLOCK);
    MICRO_LOCK_LOOP(MICRO_OFD_LOCK);
    default: return micro_lock_operations(MICRO_PRIORITY_MUTEX, lock, fd, member, n, done, call);
    }
}

#endif
