"""Mutual exclusion of threads and of processes."""

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t

from cyext.core.workload cimport Workload, micro_chain

from cyext.core.errors import OperationFailed
from cyext.core.parameters import one_of


cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_mutexattr_t:
        pass
    int PTHREAD_PROCESS_PRIVATE
    int PTHREAD_PROCESS_SHARED
    int pthread_mutexattr_init(pthread_mutexattr_t *attributes)
    int pthread_mutexattr_setpshared(pthread_mutexattr_t *attributes, int shared)
    int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)

cdef extern from "<sys/mman.h>" nogil:
    int munmap(void *start, size_t bytes)

cdef extern from "os/mapping.h" nogil:
    void *micro_shared_memory(size_t bytes)

# What is done inside the lock: steps of the sentinel's chain, about a nanosecond each.
cdef uint64_t WORK_STEPS = 4


cdef class Mutex(Workload):
    """One operation: lock the mutex, four dependent multiply-adds, unlock it.

    All members of a team share the first one's mutex; ``shared`` says whether it serves processes
    ("process") or only the threads of one ("private").
    """

    cdef pthread_mutex_t *mutex
    cdef Mutex owner

    def __init__(self, shared="private"):
        cdef pthread_mutexattr_t attributes
        scope = one_of(
            shared, {"process": PTHREAD_PROCESS_SHARED, "private": PTHREAD_PROCESS_PRIVATE})
        self.mutex = <pthread_mutex_t *>micro_shared_memory(sizeof(pthread_mutex_t))
        if self.mutex == NULL:
            raise OperationFailed("mmap", errno, 0)
        error = pthread_mutexattr_init(&attributes)
        error = error or pthread_mutexattr_setpshared(&attributes, scope)
        error = error or pthread_mutex_init(self.mutex, &attributes)
        if error:
            raise OperationFailed("pthread_mutex_init", error, 0)

    def __dealloc__(self):
        if self.mutex != NULL and self.owner is None:
            munmap(self.mutex, sizeof(pthread_mutex_t))

    def meet(self, members, index, mode):
        """Use the first member's mutex."""
        cdef Mutex first = members[0]
        if index and self.owner is None:
            munmap(self.mutex, sizeof(pthread_mutex_t))
            self.owner = first
            self.mutex = first.mutex

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int error
        for i in range(n):
            error = pthread_mutex_lock(self.mutex)
            if error:
                return self.fail(b"pthread_mutex_lock", error, i)
            micro_chain(WORK_STEPS)
            error = pthread_mutex_unlock(self.mutex)
            if error:
                return self.fail(b"pthread_mutex_unlock", error, i)
        return 0
