"""Chat rooms: a server that tells everybody in a room what one of them says."""

import os

cimport cython
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t

from cyext.core.peers cimport (
    atomic_int_fast64_t, micro_body_t, micro_peer_t, micro_peers_t, pthread_attr_t)
from cyext.core.resources cimport Descriptors
from cyext.core.peered cimport PeeredWorkload

from cyext.core.errors import NotSupported, OperationFailed
from cyext.core.limits import more_tasks
from cyext.core.parameters import one_of
from cyext.core.task_switches import voluntary_switches


cdef extern from "<pthread.h>" nogil:
    int pthread_attr_init(pthread_attr_t *attributes)
    int pthread_attr_setstacksize(pthread_attr_t *attributes, size_t bytes)

cdef extern from "server/chat.h" nogil:
    enum:
        MICRO_ROOM
        MICRO_ROOMS_MOST
        MICRO_ROLES
        MICRO_SMALL_STACK_BYTES
    ctypedef struct micro_chat_t:
        atomic_int_fast64_t waiting
        int64_t users
    micro_chat_t *micro_chat_new(int by_events, const char **call)
    void micro_chat_free(micro_chat_t *chat)
    int micro_chat_have_users(micro_chat_t *chat, int64_t users, const char **call)
    void micro_chat_end(micro_chat_t *chat)
    void micro_chat_forget(micro_chat_t *chat)
    int64_t micro_chat_member(micro_peer_t *self, void *chat) noexcept
    int micro_chat_batch(
        micro_chat_t *chat, micro_peers_t *group, int64_t heard, const char **call)

# The most rooms that anybody asked for; more would only take long.
MOST_ROOMS = MICRO_ROOMS_MOST
THREADS_IN_ROOM = MICRO_ROOM * MICRO_ROLES
# A loop for the server, a loop for the clients.
cdef int64_t LOOPS = 2


@cython.no_gc_clear  # the threads use the connections until they have ended
cdef class Chat(PeeredWorkload):
    """One operation: a message that one user of a room said is heard by one of the 19 others.

    ``level`` rooms of 20 users, each with a TCP connection to the server. By ``model`` "threads"
    each user has four threads, two of them in the server; by "event" one loop serves all users,
    and another one is all users. All run on all CPUs of this workload, as the system likes.
    """

    cdef micro_chat_t *chat
    cdef pthread_attr_t small
    cdef bint by_events
    cdef set tasks                 # directories of the threads, where the system has such
    cdef int64_t switches          # of the threads when counting began; -1 where unknown
    cdef uint64_t heard            # since then, in slices or not

    def __init__(self, model="threads"):
        cdef const char *call = NULL
        self.by_events = one_of(model, {"threads": False, "event": True})
        self.tasks = set()
        error = pthread_attr_init(&self.small)
        error = error or pthread_attr_setstacksize(&self.small, MICRO_SMALL_STACK_BYTES)
        if error:
            raise OperationFailed("pthread_attr_setstacksize", error, 0)
        self.chat = micro_chat_new(self.by_events, &call)
        if self.chat == NULL:
            raise OperationFailed(call.decode(), errno, 0)
        self.grow_or_close(1)

    def meet(self, members, index, mode):
        """Refuse a team of processes: threads at a condition wake in their own process only."""
        if mode == "processes" and not self.by_events:
            raise NotSupported("waiting threads are woken by threads of their own process")

    cdef have_threads(self, int64_t count):
        self.start_peers("thread", "free", <micro_body_t>micro_chat_member, self.chat, count)

    def settle(self, int64_t rooms):
        """Have so many rooms, of new threads. Raises `OperationFailed`."""
        cdef const char *call = NULL
        cdef int status
        micro_chat_end(self.chat)
        self.have_threads(0)
        self.peers.group.attributes = &self.small
        status = micro_chat_have_users(self.chat, rooms * MICRO_ROOM, &call)
        if status:
            raise OperationFailed(call.decode(), -status, 0)
        micro_chat_forget(self.chat)
        others = tasks_now()
        self.have_threads(LOOPS if self.by_events else rooms * THREADS_IN_ROOM + 1)
        self.tasks = tasks_now() - others
        if self.by_events:
            self.peers.await_count(&self.chat.waiting, LOOPS)

    def limit(self):
        """How many rooms there may be, and the limit's name."""
        limit = Descriptors()
        most = min(MOST_ROOMS, MICRO_ROOMS_MOST)
        reason = f"at most {most} rooms"
        by_descriptors = (limit.room() + 2 * self.chat.users - LOOPS) // (2 * MICRO_ROOM)
        if by_descriptors < most:
            most, reason = by_descriptors, limit.limit_reason()
        if not self.by_events:
            threads, why = more_tasks(MICRO_SMALL_STACK_BYTES)
            by_threads = (threads + self.chat.users * MICRO_ROLES) // THREADS_IN_ROOM
            if by_threads < most:
                most, reason = by_threads, why
        return most, reason

    def grow(self, uint64_t level):
        """Have ``level`` rooms."""
        most, reason = self.limit()
        self.settle_or_return(min(level, max(most, self.level, 1)), level, reason)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        return self.check_peers()

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef const char *call = NULL
        cdef int status = micro_chat_batch(self.chat, &self.peers.group, <int64_t>n, &call)
        if status:
            return self.peer_failed(call, -status, 0)
        self.heard += n
        return 0

    def count(self, counting):
        """Start or end counting."""
        PeeredWorkload.count(self, counting)
        self.heard = 0
        self.switches = self.switches_of_threads()

    def counts(self):
        """The usual ones, but the voluntary switches are those of all threads, in slices or not."""
        found = PeeredWorkload.counts(self)
        del found["voluntary_switches"]
        switches = self.switches_of_threads()
        if switches >= 0 and self.switches >= 0 and self.heard:
            found["voluntary_switches"] = (switches - self.switches) / <double>self.heard
        return found

    def switches_of_threads(self):
        """Voluntary switches of all threads until now; -1 where the system does not tell."""
        try:
            return voluntary_switches(self.tasks) if self.tasks else -1
        except OSError:
            return -1

    cdef void free(self) noexcept:
        micro_chat_free(self.chat)
        self.chat = NULL

    cdef void drop_peers(self) noexcept:
        micro_chat_end(self.chat)
        PeeredWorkload.drop_peers(self)

    def __dealloc__(self):
        self.drop_peers()
        self.free()

    def end_peers(self):
        """Let the threads leave, wherever they wait, and end them."""
        micro_chat_end(self.chat)
        PeeredWorkload.end_peers(self)

    def close(self):
        """End the threads, then close their connections."""
        PeeredWorkload.close(self)
        self.free()


def tasks_now():
    """The directories of this process's threads; none where the system has no such."""
    try:
        return {f"/proc/self/task/{task}" for task in os.listdir("/proc/self/task")}
    except OSError:
        return set()
