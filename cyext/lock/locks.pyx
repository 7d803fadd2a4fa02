"""Mutual exclusion of threads and of processes: locks of POSIX threads, and on files."""

import os

from libc.errno cimport ENOSYS, EOPNOTSUPP, errno
from libc.stdint cimport int64_t, uint64_t

from cyext.core.workload cimport Workload

from cyext.core.errors import NotSupported, OperationFailed
from cyext.core.parameters import one_of
from cyext.core.scratch import ScratchFile


cdef extern from "lock/locks.h" nogil:
    enum:
        MICRO_MUTEX
        MICRO_PRIORITY_MUTEX
        MICRO_READ_LOCK
        MICRO_WRITE_LOCK
        MICRO_SPIN_LOCK
        MICRO_SEMAPHORE
        MICRO_FCNTL_LOCK
        MICRO_FLOCK
        MICRO_OFD_LOCK
    ctypedef struct micro_lock_t:
        int64_t entries
        int64_t handovers
    int micro_lock_init(micro_lock_t *lock, int how, int between_processes)
    int micro_lock_loop(
        int how, micro_lock_t *lock, int fd, int64_t member, uint64_t n, uint64_t *done,
        const char **call)

cdef extern from "<sys/mman.h>" nogil:
    int munmap(void *start, size_t bytes)

cdef extern from "os/mapping.h" nogil:
    void *micro_shared_memory(size_t bytes)

# Who uses a lock: the threads of one process, several processes, or one member only.
SHARED = {"private": "private", "process": "process", "own": "own"}


cdef class Lock(Workload):
    """One operation: take the lock, four dependent multiply-adds inside it, give it back.

    All members of a team share the first one's lock, unless each has its ``own``. Inside an
    exclusive lock a member counts itself, and whether another one had the lock before.
    """

    cdef micro_lock_t *lock
    cdef Lock owner      # of the memory, where it is not this one
    cdef int how
    cdef int fd          # of the file that is locked, or -1
    cdef int64_t member
    cdef bint own

    def __cinit__(self, *args, **kwargs):
        self.fd = -1

    cdef set_up(self, int how, shared):
        self.own = one_of(shared, SHARED) == "own"
        self.how = how
        self.lock = <micro_lock_t *>micro_shared_memory(sizeof(micro_lock_t))
        if self.lock == NULL:
            raise OperationFailed("mmap", errno, 0)
        error = micro_lock_init(self.lock, how, shared == "process")
        if error in (ENOSYS, EOPNOTSUPP):
            raise NotSupported("this system has no such lock")
        if error:
            raise OperationFailed("init of the lock", error, 0)

    def __dealloc__(self):
        if self.lock != NULL and self.owner is None:
            munmap(self.lock, sizeof(micro_lock_t))

    @property
    def entries(self):
        """How often the lock was taken by anybody; not counted by readers, who exclude nobody."""
        return self.lock.entries

    def meet(self, members, index, mode):
        """Use the first member's lock, unless each has its own."""
        cdef Lock first = members[0]
        self.member = index
        if index and self.owner is None and not self.own:
            munmap(self.lock, sizeof(micro_lock_t))
            self.owner = first
            self.lock = first.lock

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t done = 0
        cdef const char *call = NULL
        cdef int error = micro_lock_loop(
            self.how, self.lock, self.fd, self.member, n, &done, &call)
        return self.fail(call, error, done) if error else 0

    def count(self, counting):
        """Start or end counting."""
        Workload.count(self, counting)
        self.lock.entries = self.lock.handovers = 0

    def counts(self):
        """Besides the usual ones: the share of ``handovers``, after another member had the lock."""
        found = Workload.counts(self)
        if self.how == MICRO_READ_LOCK:
            return found
        return found | {"handovers": self.lock.handovers / <double>max(self.lock.entries, 1)}


cdef class Mutex(Lock):
    """One operation: lock and unlock a mutex.

    It is of ``shared``: the threads of one process, several processes, or one member.
    """

    def __init__(self, shared="private"):
        self.set_up(MICRO_MUTEX, shared)


cdef class PriorityMutex(Lock):
    """One operation: lock and unlock a mutex whose holder inherits its waiters' priority."""

    def __init__(self, shared="private"):
        self.set_up(MICRO_PRIORITY_MUTEX, shared)


cdef class ReadLock(Lock):
    """One operation: lock, unlock. A read-write lock, taken for reading."""

    def __init__(self, shared="private"):
        self.set_up(MICRO_READ_LOCK, shared)


cdef class WriteLock(Lock):
    """One operation: lock, unlock. A read-write lock, taken for writing."""

    def __init__(self, shared="private"):
        self.set_up(MICRO_WRITE_LOCK, shared)


cdef class SpinLock(Lock):
    """One operation: lock, unlock. A lock for which waiting threads spin."""

    def __init__(self, shared="private"):
        self.set_up(MICRO_SPIN_LOCK, shared)


cdef class Semaphore(Lock):
    """One operation: sem_wait() and sem_post() of a semaphore of one, used as a lock."""

    def __init__(self, shared="private"):
        self.set_up(MICRO_SEMAPHORE, shared)


cdef class FileLock(Lock):
    """One operation: lock and unlock a file.

    The first byte, for writing, with fcntl(), or the whole file with flock().
    ``file`` is "one" for all members, each with an open file description of its own, or each
    member's "own" file.
    """

    cdef object file

    def __init__(self, kind="fcntl", file="one"):
        how = one_of(
            kind, {"fcntl": MICRO_FCNTL_LOCK, "flock": MICRO_FLOCK, "ofd": MICRO_OFD_LOCK})
        self.set_up(how, one_of(file, {"one": "process", "own": "own"}))
        try:
            self.file = ScratchFile(1)
        except OSError as error:
            raise OperationFailed("open", error.errno, 0) from None
        self.fd = self.file.fd

    def meet(self, members, index, mode):
        """Open the first member's file, unless each has its own."""
        Lock.meet(self, members, index, mode)
        if self.owner is not None and self.file is not None:
            first = (<FileLock>self.owner).file
            self.put_away()
            try:
                self.fd = os.open(
                    os.path.join(os.fsencode(first.directory), first.name),
                    os.O_RDWR | os.O_CLOEXEC)
            except OSError as error:
                raise OperationFailed("open", error.errno, 0) from None

    def __dealloc__(self):
        self.put_away()

    cdef put_away(self):
        if self.file is not None:
            self.file.remove()
            self.file = None
        elif self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def close(self):
        """Close the file; the one that made it deletes it."""
        Workload.close(self)
        self.put_away()
