"""Workloads that have threads, processes or programs beside their loop, on its CPU or others."""

import array

from libc.errno cimport ENOSYS, EPIPE
from libc.stdint cimport int64_t, uint64_t

from cyext.core.peers cimport (
    Peers, micro_body_t, micro_peers_close, micro_peers_cpu_ns, micro_peers_failed_soon)
from cyext.core.sentinel cimport micro_sense_t
from cyext.core.sentinels cimport Sentinels
from cyext.core.workload cimport Workload, micro_now_ns

from cyext.core.errors import NotSupported
from cyext.core.parameters import one_of


# A look at who used the CPUs goes through all peers: through more of them it would take long, and
# leave the caches as no program does.
cdef int64_t MOST_LOOKED_AT = 64


cdef class PeeredWorkload(Workload):
    """A workload with peers: their CPUs count as its own, and they end with it."""

    def __cinit__(self, *args, **kwargs):
        self.running_peers = NULL

    cdef start_peers(self, kind, cpu, micro_body_t body, void *argument, int64_t count):
        """Bring the peers to ``count``: "thread" or "process", each running ``body``.

        ``cpu`` is "same", "other" or "free": all on the CPU of the timed loop, all on another, or
        wherever the system likes. Raises `NotSupported` where there is no such CPU, and
        `OperationFailed`.
        """
        if self.peers is None:
            self.peers_on = cpu
            self.peers = Peers(kind, self.cpus_of_peers(), cpu == "free")
            elsewhere = () if cpu == "same" else self.cpus[1:] if cpu == "free" else self.cpus[1:2]
            if elsewhere:
                self.sentinels = Sentinels(elsewhere)
        self.running_peers = &self.peers.group
        self.peers.start(body, argument, count)

    def cpus_of_peers(self):
        """The CPUs that the peers run on."""
        places = {"same": self.cpus[:1], "other": self.cpus[1:2], "free": self.cpus}
        found = one_of(self.peers_on, places)
        if not self.cpus and self.peers_on != "free":
            raise NotSupported("this system binds no program to a CPU")
        if not found and self.peers_on == "other":
            raise NotSupported("a peer on another CPU needs a second one")
        return found

    def cpus_used(self):
        """The CPUs of the loop and of its peers, in order."""
        elsewhere = () if self.running_peers == NULL else self.cpus_of_peers()
        return sorted({*self.cpus[:1], *elsewhere})

    def moved(self, cpus):
        """The worker runs on the first of these CPUs now: its peers follow."""
        Workload.moved(self, cpus)
        if self.peers is not None and self.peers_on is not None:
            self.peers.follow(self.cpus_of_peers())
        if self.sentinels is not None:
            self.sentinels.follow(self.cpus[1:])

    cdef int64_t sense(self, micro_sense_t *out) noexcept nogil:
        """Run the sentinel on every CPU of this workload, and keep that of the busiest core."""
        cdef int64_t status = Workload.sense(self, out)
        if status == 0 and self.sentinels is not None:
            status = self.sentinels.sense(out)
            if status:
                return self.fail(b"sentinel on another CPU", -status, 0)
            out.end_ns = micro_now_ns()
        return status

    cdef int64_t peers_cpu_ns(self) noexcept nogil:
        if self.running_peers == NULL:
            return 0
        if self.running_peers.count > MOST_LOOKED_AT:
            return -1
        return micro_peers_cpu_ns(self.running_peers)

    def peers_left(self, error):
        """How many peers there are after `start_peers` raised ``error``, and why no more.

        Raises ``error`` where there are none.
        """
        count = 0 if self.peers is None else self.peers.group.count
        if count == 0:
            raise error
        return count, error.reason

    cdef int64_t check_peers(self) noexcept nogil:
        """For `prepare`: `fail` where a peer ended earlier, when its owner did not wait for it."""
        cdef int64_t theirs = self.peers.failed()
        return self.fail(self.peers.group.call, -theirs, 0) if theirs else 0

    cdef int64_t peer_failed(self, const char *call, int64_t error, uint64_t after) noexcept nogil:
        """``call`` failed, perhaps because a peer did: `fail` with the cause."""
        cdef int64_t theirs = (
            micro_peers_failed_soon(&self.peers.group) if error == EPIPE else self.peers.failed())
        if theirs:
            return self.fail(self.peers.group.call, -theirs, after)
        return self.fail(call, error, after)

    def end_peers(self):
        """End whatever runs beside the loop; may be called twice. `close` does it, too."""
        if self.peers is not None:
            self.peers.close()
        if self.sentinels is not None:
            self.sentinels.close()

    cdef void drop_peers(self) noexcept:
        """For ``__dealloc__``: end the peers before what they use is freed."""
        if self.peers is not None:
            micro_peers_close(&self.peers.group)

    def close(self):
        """End the peers."""
        Workload.close(self)
        self.end_peers()


cdef class SelfTimedWorkload(PeeredWorkload):
    """A workload whose start and end lie in different threads or processes: it times itself.

    Where it has ``marks`` set, it also marks its loop (`os/mark.h`), in the thread that runs it.
    """

    cdef int64_t timed_loop(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        return self.fail(b"timed_loop", ENOSYS, 0)

    def slow_down(self, double steps):
        """Not possible: nobody could spin in the sight of a clock that is read elsewhere."""
        raise NotSupported("it times itself and cannot be slowed on purpose")

    cdef int64_t batch(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        return self.timed_loop(n, elapsed_ns)

    def trace(self, n):
        """One batch of a single operation each: such a workload keeps its own clock."""
        self.check_batch(n)
        return array.array("q", [self.run(1) for _ in range(n)])
