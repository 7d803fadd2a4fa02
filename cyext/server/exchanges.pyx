"""Requests and responses over many connections, as fast as clients and server can."""

cimport cython
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t

from cyext.core.peers cimport atomic_int_fast64_t, micro_body_t, micro_peer_t, micro_peers_t
from cyext.core.resources cimport Descriptors
from cyext.core.peered cimport PeeredWorkload

from cyext.core.errors import OperationFailed
from cyext.core.parameters import one_of
from cyext.core.peers import KINDS


cdef extern from "<stdatomic.h>" nogil:
    void atomic_store(atomic_int_fast64_t *word, int64_t value)

cdef extern from "server/exchanges.h" nogil:
    enum:
        MICRO_MOST_CONNECTIONS
        MICRO_MOST_CLIENTS
        MICRO_MOST_LOOPS
    ctypedef struct micro_exchanges_t:
        atomic_int_fast64_t waiting
        int64_t open
        int64_t loops
        int64_t clients
    micro_exchanges_t *micro_exchanges_new(int64_t most_clients, const char **call)
    void micro_exchanges_free(micro_exchanges_t *all)
    int micro_exchanges_open(micro_exchanges_t *all, int64_t connections, const char **call)
    int64_t micro_exchanges_member(micro_peer_t *self, void *all) noexcept
    int micro_exchanges_batch(
        micro_exchanges_t *all, micro_peers_t *group, int64_t wanted, const char **call)


@cython.no_gc_clear  # the peers use the connections until they have ended
cdef class RequestResponse(PeeredWorkload):
    """One operation: a request of 4 bytes and its response, on one of ``level`` connections.

    ``clients`` peers ask on all connections at once. As many loops as this workload has CPUs answer
    them. All run on the CPU of the timed loop (``cpu`` "same") or on all CPUs ("free"), as ``peer``
    "process" or "thread". A batch is spread evenly over the clients and over their connections.
    """

    cdef micro_exchanges_t *exchanges
    cdef str peer
    cdef str cpu
    cdef int64_t most_clients
    cdef int64_t most_loops

    def __init__(self, clients=4, peer="process", cpu="free"):
        cdef const char *call = NULL
        one_of(peer, KINDS)
        one_of(cpu, {"same": "same", "free": "free"})
        if not 1 <= clients <= MICRO_MOST_CLIENTS:
            raise ValueError(f"not a value of this parameter: {clients!r}")
        self.peer = peer
        self.cpu = cpu
        self.most_clients = clients
        self.most_loops = max(1, min(len(self.cpus), MICRO_MOST_LOOPS))
        self.exchanges = micro_exchanges_new(clients, &call)
        if self.exchanges == NULL:
            raise OperationFailed(call.decode(), errno, 0)
        self.grow_or_close(1)

    cdef have_peers(self, int64_t count):
        self.start_peers(
            self.peer, self.cpu, <micro_body_t>micro_exchanges_member, self.exchanges, count)

    def settle(self, int64_t connections):
        """Have so many connections, served and asked on by new peers. Raises `OperationFailed`."""
        cdef const char *call = NULL
        cdef int status
        # A peer knows the connections that it began with.
        self.have_peers(0)
        status = micro_exchanges_open(self.exchanges, connections, &call)
        if status:
            raise OperationFailed(call.decode(), -status, 0)
        self.exchanges.loops = min(self.most_loops, connections)
        self.exchanges.clients = min(self.most_clients, connections)
        atomic_store(&self.exchanges.waiting, 0)
        self.have_peers(self.exchanges.loops + self.exchanges.clients)
        self.peers.await_count(&self.exchanges.waiting, self.exchanges.loops)

    def grow(self, uint64_t level):
        """Have ``level`` connections."""
        cdef int64_t goal = min(level, <uint64_t>MICRO_MOST_CONNECTIONS)
        reason = f"at most {MICRO_MOST_CONNECTIONS} connections"
        limit = Descriptors()
        # Each loop has a queue, which a thread's process pays for.
        room = limit.room() + 2 * self.exchanges.open - self.most_loops
        if goal > room // 2:
            goal = max(room // 2, <int64_t>self.level, 1)
            reason = limit.limit_reason()
        self.settle_or_return(goal, level, reason)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        return self.check_peers()

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef const char *call = NULL
        cdef int status = micro_exchanges_batch(
            self.exchanges, &self.peers.group, <int64_t>n, &call)
        return self.peer_failed(call, -status, 0) if status else 0

    cdef void free(self) noexcept:
        micro_exchanges_free(self.exchanges)
        self.exchanges = NULL

    def __dealloc__(self):
        self.drop_peers()
        self.free()

    def close(self):
        """End the peers, then close their connections."""
        PeeredWorkload.close(self)
        self.free()
