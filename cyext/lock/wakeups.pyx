"""Waiters that sleep at a futex or at a condition variable, and who wakes or moves them."""

from libc.errno cimport EAGAIN, EINTR, ENOSYS, ESRCH, errno
from libc.limits cimport INT_MAX
from libc.stdint cimport int64_t, uint64_t

from cyext.core.peers cimport micro_peer_leaves, micro_peer_t
from cyext.core.peered cimport PeeredWorkload
from cyext.core.workload cimport Workload

from cyext.core.errors import LimitReached, NotSupported, OperationFailed, lacking
from cyext.core.parameters import one_of
from cyext.core.peers import KINDS


cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef extern from "<stdatomic.h>" nogil:
    ctypedef struct atomic_uint:
        pass
    ctypedef struct atomic_int_fast64_t:
        pass
    unsigned load_word "atomic_load"(atomic_uint *word)
    unsigned add_to_word "atomic_fetch_add"(atomic_uint *word, unsigned more)
    int64_t atomic_load(atomic_int_fast64_t *word)
    void atomic_store(atomic_int_fast64_t *word, int64_t value)
    int64_t atomic_fetch_add(atomic_int_fast64_t *word, int64_t more)

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_mutexattr_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    ctypedef struct pthread_condattr_t:
        pass
    int PTHREAD_PROCESS_PRIVATE
    int PTHREAD_PROCESS_SHARED
    int pthread_mutexattr_init(pthread_mutexattr_t *attributes)
    int pthread_mutexattr_setpshared(pthread_mutexattr_t *attributes, int shared)
    int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)
    int pthread_condattr_init(pthread_condattr_t *attributes)
    int pthread_condattr_setpshared(pthread_condattr_t *attributes, int shared)
    int pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
    int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
    int pthread_cond_signal(pthread_cond_t *condition)
    int pthread_cond_broadcast(pthread_cond_t *condition)

cdef extern from "<sys/mman.h>" nogil:
    int munmap(void *start, size_t bytes)

cdef extern from "os/mapping.h" nogil:
    void *micro_shared_memory(size_t bytes)

cdef extern from "os/waiting.h" nogil:
    int micro_yield_to_all(int yes)
    int micro_try_to_yield()

cdef extern from "os/futex.h" nogil:
    bint micro_has_futex()
    int64_t micro_futex_wait(atomic_uint *word, unsigned value, int between_processes)
    int64_t micro_futex_wake(atomic_uint *word, int count, int between_processes)
    int64_t micro_futex_requeue(atomic_uint *source, atomic_uint *target, int between_processes)

# The most that anybody asked for; more would only take long.
MOST_WAITERS = 4096

cdef uint64_t YIELDS_BETWEEN_ROLL_CALLS = 4096
cdef int SETTLING_TRIES = 100_000


# What the waiters share with who wakes them, in memory of their own.
cdef struct Bed:
    atomic_uint words[2]          # futexes; the first counts the wake-ups
    atomic_int_fast64_t asleep    # how often a waiter went to sleep
    atomic_int_fast64_t ending
    pthread_mutex_t mutex
    pthread_cond_t condition
    bint between_processes


cdef int64_t sleep_at_futex(micro_peer_t *self, void *shared) noexcept nogil:
    """Sleep until the word changes, again and again."""
    cdef Bed *bed = <Bed *>shared
    cdef unsigned seen
    while True:
        seen = load_word(&bed.words[0])
        atomic_fetch_add(&bed.asleep, 1)
        while load_word(&bed.words[0]) == seen:
            if (micro_futex_wait(&bed.words[0], seen, bed.between_processes) == -EINTR
                    and micro_peer_leaves(self)):
                return 0


cdef int64_t sleep_at_condition(micro_peer_t *self, void *shared) noexcept nogil:
    """Sleep until the word changes, again and again; end once that is asked."""
    cdef Bed *bed = <Bed *>shared
    cdef unsigned seen
    cdef int error = pthread_mutex_lock(&bed.mutex)
    while error == 0 and not atomic_load(&bed.ending):
        seen = load_word(&bed.words[0])
        atomic_fetch_add(&bed.asleep, 1)
        while error == 0 and load_word(&bed.words[0]) == seen:
            error = pthread_cond_wait(&bed.condition, &bed.mutex)
    if error:
        self.mail.call = b"pthread_cond_wait"
        return -error
    pthread_mutex_unlock(&bed.mutex)
    return 0


cdef class Sleepers(PeeredWorkload):
    """``level`` waiters that sleep on the CPU of the timed loop, as ``peer`` "thread" or "process".

    ``grow`` returns once all sleep.
    """

    cdef Bed *bed
    cdef str peer
    cdef bint at_condition
    cdef int64_t target          # the waiters shall have gone to sleep so often
    cdef int64_t asleep_before   # and how often they had when counting began
    cdef uint64_t operations     # since then

    cdef set_up(self, peer, bint at_condition):
        one_of(peer, KINDS)
        if not at_condition and not micro_has_futex():
            raise NotSupported("this system has no futex")
        if status := micro_try_to_yield():
            raise lacking("sched_setscheduler", -status)
        self.peer = peer
        self.at_condition = at_condition
        self.bed = <Bed *>micro_shared_memory(sizeof(Bed))
        if self.bed == NULL:
            raise OperationFailed("mmap", errno, 0)
        self.bed.between_processes = peer == "process"
        if at_condition:
            self.make_condition()
        self.grow_or_close(1)

    cdef make_condition(self):
        cdef pthread_mutexattr_t mutex
        cdef pthread_condattr_t condition
        shared = PTHREAD_PROCESS_SHARED if self.bed.between_processes else PTHREAD_PROCESS_PRIVATE
        error = pthread_mutexattr_init(&mutex)
        error = error or pthread_mutexattr_setpshared(&mutex, shared)
        error = error or pthread_mutex_init(&self.bed.mutex, &mutex)
        error = error or pthread_condattr_init(&condition)
        error = error or pthread_condattr_setpshared(&condition, shared)
        error = error or pthread_cond_init(&self.bed.condition, &condition)
        if error:
            raise OperationFailed("pthread_cond_init", error, 0)

    def __dealloc__(self):
        self.drop_peers()
        if self.bed != NULL:
            munmap(self.bed, sizeof(Bed))

    cdef void let_waiters_end(self) noexcept nogil:
        """No signal ends a wait at a condition variable; processes are killed in it."""
        if self.bed == NULL or not self.at_condition or self.bed.between_processes:
            return
        pthread_mutex_lock(&self.bed.mutex)
        atomic_store(&self.bed.ending, 1)
        add_to_word(&self.bed.words[0], 1)
        pthread_mutex_unlock(&self.bed.mutex)
        pthread_cond_broadcast(&self.bed.condition)

    cdef void drop_peers(self) noexcept:
        self.let_waiters_end()
        PeeredWorkload.drop_peers(self)

    def end_peers(self):
        """End the waiters."""
        self.let_waiters_end()
        PeeredWorkload.end_peers(self)

    def meet(self, members, index, mode):
        """Refuse a team of processes for waiting threads: they wake in their own process only."""
        if mode == "processes" and not self.bed.between_processes:
            raise NotSupported("waiting threads are woken by threads of their own process")

    def grow(self, uint64_t level):
        """Let ``level`` waiters sleep."""
        cdef int64_t goal = min(level, MOST_WAITERS)
        cdef int64_t before, status
        reason = f"at most {MOST_WAITERS} waiters"
        if self.peers is not None and goal < self.peers.group.count:
            self.let_waiters_end()
            self.peers.close()  # all: those that were killed still stand in the condition's queue
            atomic_store(&self.bed.asleep, 0)
            atomic_store(&self.bed.ending, 0)
            if self.at_condition:
                self.make_condition()
        before = 0 if self.peers is None else self.peers.group.count
        self.target = atomic_load(&self.bed.asleep)
        try:
            self.start_peers(
                self.peer, "same", sleep_at_condition if self.at_condition else sleep_at_futex,
                self.bed, goal)
        except OperationFailed as error:
            goal, reason = self.peers_left(error)
        self.target += goal - before
        with nogil:
            micro_yield_to_all(True)
            status = self.await_sleep()
            micro_yield_to_all(False)
        if status:
            raise OperationFailed(self.peers.group.call.decode(), -status, 0)
        self.stand_at(goal, level, reason)

    cdef int64_t await_sleep(self) noexcept nogil:
        """Return once waiters went to sleep ``target`` times: 0, or why one never will."""
        cdef uint64_t yields = 0
        cdef int64_t status = 0
        while status == 0 and atomic_load(&self.bed.asleep) < self.target:
            sched_yield()
            yields += 1
            if yields % YIELDS_BETWEEN_ROLL_CALLS == 0:
                status = self.peers.failed()
        return status

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef int status = micro_yield_to_all(True)
        return self.fail(b"sched_setscheduler", -status, 0) if status else 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        micro_yield_to_all(False)
        return 0

    def count(self, counting):
        """Start or end counting."""
        PeeredWorkload.count(self, counting)
        self.operations = 0
        self.asleep_before = atomic_load(&self.bed.asleep)

    def counts(self):
        """Besides the usual ones: ``wakeups`` of waiters per operation, in slices or not."""
        woken = atomic_load(&self.bed.asleep) - self.asleep_before
        return PeeredWorkload.counts(self) | {"wakeups": woken / <double>max(self.operations, 1)}


cdef class Wake(Sleepers):
    """One operation: wake ``one`` or ``all`` waiters; it ends once those that woke sleep again.

    The timed loop runs only where no waiter on its CPU wants to: so it goes on when all sleep.
    """

    cdef bint wakes_all

    cdef int64_t wake_up(self, uint64_t after) noexcept nogil:
        return self.fail(b"wake_up", ENOSYS, after)  # each kind has its own

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            self.target = atomic_load(&self.bed.asleep) + (
                <int64_t>self.level if self.wakes_all else 1)
            status = self.wake_up(i)
            if status:
                return status
            status = self.await_sleep()
            if status:
                return self.peer_failed(b"waiter", -status, i)
        self.operations += n
        return 0


cdef class FutexWake(Wake):
    """One operation: wake one or all. Wake-ups at a futex."""

    def __init__(self, wake="all", peer="thread"):
        self.wakes_all = one_of(wake, {"one": False, "all": True})
        self.set_up(peer, False)

    cdef int64_t wake_up(self, uint64_t after) noexcept nogil:
        cdef int64_t woken
        add_to_word(&self.bed.words[0], 1)
        woken = micro_futex_wake(
            &self.bed.words[0], INT_MAX if self.wakes_all else 1, self.bed.between_processes)
        return self.fail(b"futex", -woken, after) if woken < 0 else 0


cdef class ConditionWake(Wake):
    """One operation: wake one or all. Wake-ups at a condition variable."""

    def __init__(self, wake="all", peer="thread"):
        self.wakes_all = one_of(wake, {"one": False, "all": True})
        self.set_up(peer, True)

    cdef int64_t wake_up(self, uint64_t after) noexcept nogil:
        cdef int error = pthread_mutex_lock(&self.bed.mutex)
        if error:
            return self.fail(b"pthread_mutex_lock", error, after)
        add_to_word(&self.bed.words[0], 1)
        error = pthread_mutex_unlock(&self.bed.mutex)
        if error:
            return self.fail(b"pthread_mutex_unlock", error, after)
        if self.wakes_all:
            error = pthread_cond_broadcast(&self.bed.condition)
        else:
            error = pthread_cond_signal(&self.bed.condition)
        return self.fail(b"pthread_cond_signal", error, after) if error else 0


cdef class FutexRequeue(Sleepers):
    """One operation: move all waiters from one futex to another; none wakes."""

    cdef int at   # the futex where they sleep

    def __init__(self, peer="thread"):
        self.set_up(peer, False)

    def grow(self, uint64_t level):
        """Let ``level`` waiters sleep at the first futex."""
        cdef int64_t moved = 0
        if self.at == 1:
            moved = micro_futex_requeue(
                &self.bed.words[1], &self.bed.words[0], self.bed.between_processes)
        if moved < 0:
            raise OperationFailed("futex", -moved, 0)
        self.at = 0
        limit = None
        try:
            Sleepers.grow(self, level)
        except LimitReached as reached:
            limit = reached
        self.gather()
        if limit is not None:
            raise limit

    cdef gather(self):
        """Move all, once each is in the kernel's queue: it said so a moment before."""
        cdef int64_t moved = 0
        cdef int64_t some
        cdef int _tries
        with nogil:
            for _tries in range(SETTLING_TRIES):
                some = micro_futex_requeue(
                    &self.bed.words[0], &self.bed.words[1], self.bed.between_processes)
                if some < 0:
                    break
                moved += some
                if moved >= <int64_t>self.level:
                    break
                sched_yield()
        self.at = 1
        if some < 0:
            raise OperationFailed("futex", -some, 0)
        if moved != <int64_t>self.level:
            raise OperationFailed("futex", ESRCH, 0)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t moved
        for i in range(n):
            moved = micro_futex_requeue(
                &self.bed.words[self.at], &self.bed.words[1 - self.at],
                self.bed.between_processes)
            if moved != <int64_t>self.level:
                return self.fail(b"futex", -moved if moved < 0 else EAGAIN, i)
            self.at = 1 - self.at
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        return 0


cdef class FutexCall(Workload):
    """One operation: a futex call that finds nothing to do.

    ``call`` "wake" is a wake-up where nobody sleeps, "wait" one that returns at once, for the word
    has changed. ``shared`` is "private" or "process".
    """

    cdef atomic_uint word
    cdef bint waits
    cdef bint between_processes

    def __init__(self, call="wake", shared="private"):
        self.waits = one_of(call, {"wake": False, "wait": True})
        self.between_processes = one_of(shared, {"private": False, "process": True})
        if not micro_has_futex():
            raise NotSupported("this system has no futex")

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef int64_t status
        for i in range(n):
            if self.waits:
                status = micro_futex_wait(&self.word, 1, self.between_processes)
                if status != -EAGAIN:
                    return self.fail(b"futex", -status if status else EAGAIN, i)
            else:
                status = micro_futex_wake(&self.word, 1, self.between_processes)
                if status:
                    return self.fail(b"futex", -status, i)
        return 0
