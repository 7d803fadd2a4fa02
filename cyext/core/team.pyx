"""Several workloads at once: threads or processes that start at one barrier; the slowest counts."""

import os

from libc.errno cimport ETIMEDOUT
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from cyext.core.peers cimport MICRO_PROCESSES, MICRO_THREADS, micro_peers_init, micro_peers_t
from cyext.core.peered cimport SelfTimedWorkload
from cyext.core.sentinel cimport micro_sense_t
from cyext.core.workload cimport (
    Workload, MICRO_LOOP_BEGINS, MICRO_LOOP_ENDS, Slice, micro_mark, micro_usage_t)

from cyext.core.placement import Near
from cyext.core.workload import LimitReached, OperationFailed


cdef extern from "core/team.h" nogil:
    enum:
        MICRO_PREPARE
        MICRO_LOOP
        MICRO_TEAM_MAX
    ctypedef struct micro_member_t:
        const char *failed_call
        uint64_t failed_after
        micro_usage_t usage
    ctypedef struct micro_shared_t:
        int counting
        micro_member_t *members
    ctypedef int64_t (*micro_step_t)(
        void *workload, int step, uint64_t n, micro_member_t *member) noexcept nogil
    ctypedef struct micro_team_t:
        unsigned count
        micro_peers_t peers
        void **workloads
        micro_step_t step
        micro_shared_t *shared
        int64_t longest_start_ns
    int micro_team_start(micro_team_t *team, const char **call)
    void micro_team_stop(micro_team_t *team)
    int64_t micro_team_slice(
        micro_team_t *team, uint64_t n, int64_t *began_ns, int64_t *elapsed_ns,
        micro_sense_t *before, micro_sense_t *after, unsigned *failed)


cdef int64_t step(void *workload, int which, uint64_t n, micro_member_t *member) noexcept nogil:
    cdef int64_t status
    if which == MICRO_PREPARE:
        (<Workload>workload).failed_call = NULL  # nobody asked a member for its last failure
        status = (<Workload>workload).prepare(n)
    elif which == MICRO_LOOP:
        if (<Workload>workload).marks:
            micro_mark(MICRO_LOOP_BEGINS)
        status = (<Workload>workload).loop(n)
        if (<Workload>workload).marks:
            micro_mark(MICRO_LOOP_ENDS)
    else:
        status = (<Workload>workload).restore(n)
    if status:
        member.failed_call = (<Workload>workload).failed_call
        member.failed_after = (<Workload>workload).failed_after
    return status


cdef class Team(SelfTimedWorkload):
    """Run one workload a member, all members at once.

    A batch of n is n operations in *every* member, from the first start to the last end. ``mode``
    is "threads" or "processes"; member i is pinned to ``cpus[i % len(cpus)]``, and the first member
    on each CPU runs the sentinel there. The team closes its workloads. Raises `LimitReached` where
    it takes longer than ``longest_start_ns`` to start the members; 0 is no limit.
    """

    cdef list workloads
    cdef micro_team_t team
    cdef void **pointers
    cdef int *member_cpus
    cdef tuple member_places
    cdef bint running

    def __init__(self, workloads, mode, cpus=(), longest_start_ns=0):
        if mode not in ("threads", "processes"):
            raise ValueError(f"mode is threads or processes, not {mode!r}")
        if not 1 <= len(workloads) <= MICRO_TEAM_MAX:
            raise ValueError(f"a team has 1 to {MICRO_TEAM_MAX} members, not {len(workloads)}")
        cdef Workload member
        self.workloads = list(workloads)
        self.pointers = <void **>calloc(len(self.workloads), sizeof(void *))
        self.member_cpus = <int *>calloc(len(cpus) + 1, sizeof(int))
        if self.pointers == NULL or self.member_cpus == NULL:
            raise MemoryError
        for i, member in enumerate(self.workloads):
            self.pointers[i] = <void *>member
            member.meet(self.workloads, i, mode)
            self.max_batch = min(self.max_batch, member.max_batch)
        for i, cpu in enumerate(cpus):
            self.member_cpus[i] = cpu
        self.team.count = <unsigned>len(self.workloads)
        micro_peers_init(
            &self.team.peers, MICRO_PROCESSES if mode == "processes" else MICRO_THREADS)
        self.team.peers.cpus = self.member_cpus
        self.team.peers.cpu_count = len(cpus)
        self.team.workloads = self.pointers
        self.team.step = step
        self.running_peers = &self.team.peers
        self.member_places = tuple(cpus[:len(self.workloads)])
        self.level = len(self.workloads)
        self.team.longest_start_ns = longest_start_ns
        self._start()
        self.team.longest_start_ns = 0

    def _cpu_of(self, i):
        """The CPU that member ``i`` is pinned to; None where it may run anywhere."""
        count = self.team.peers.cpu_count
        return self.member_cpus[i % count] if count else None

    def _start(self):
        cdef const char *call = NULL
        cdef int status
        self.running = True
        with nogil:
            status = micro_team_start(&self.team, &call)
        if status == -ETIMEDOUT:
            started = self.team.peers.count
            self.close()
            took = f"{self.team.longest_start_ns / 1e9:.0f} s"
            raise LimitReached(started, f"--budget: {started} members took {took} to start")
        if status:
            self.close()
            raise OperationFailed(call.decode(), -status, 0)

    def _stop(self):
        self.running = False
        with nogil:
            micro_team_stop(&self.team)

    def grow(self, uint64_t level):
        """Bring every member to ``level``; where one reaches a limit, all to what it reached.

        Each grows on its own CPU, so that its memory lies near it. The members start anew: those
        that are processes are copies of the grown workloads.
        """
        cdef Workload member
        limit = None
        self._stop()
        try:
            for i, member in enumerate(self.workloads):
                with Near(self._cpu_of(i)):
                    member.grow(level)
        except LimitReached as stop:
            limit = stop
            for i, member in enumerate(self.workloads):
                with Near(self._cpu_of(i)):
                    member.grow(limit.reached)
        self.level = level if limit is None else limit.reached
        self.max_batch = min(member.max_batch for member in self.workloads)
        self._start()
        if limit is not None:
            raise limit

    def __dealloc__(self):
        if self.running:
            micro_team_stop(&self.team)
        free(self.pointers)
        free(self.member_cpus)

    cdef int64_t _slice(self, uint64_t n, Slice *out) noexcept nogil:
        cdef unsigned failed = 0
        cdef int64_t others = self.others_ns()
        cdef int64_t status = micro_team_slice(
            &self.team, n, &self.began_ns, &out.elapsed_ns, &out.before, &out.after, &failed)
        if status:
            self.failed_call = self.team.shared.members[failed].failed_call
            self.failed_after = self.team.shared.members[failed].failed_after
        out.foreign_ns = self.foreign_ns(others)
        self.counted += n
        return status

    def cpus_used(self):
        """The CPUs of the members."""
        return sorted(set(self.member_places))

    cdef int64_t timed_loop(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        cdef Slice out
        cdef int64_t status = self._slice(n, &out)
        elapsed_ns[0] = out.elapsed_ns
        return status

    cdef int64_t slice(self, uint64_t n, Slice *out) noexcept nogil:
        return self._slice(n, out)

    def count(self, counting):
        """Start or end counting what all members cost."""
        SelfTimedWorkload.count(self, counting)
        self.workloads[0].count(counting)
        self.team.shared.counting = counting
        for i in range(self.team.count):
            memset(&self.team.shared.members[i].usage, 0, sizeof(micro_usage_t))

    def counts(self):
        """What an operation of a member cost in other coin than time, by name, since `count`.

        The first member knows what only its class counts, in memory that all share.
        """
        for i in range(self.team.count):
            usage = self.team.shared.members[i].usage
            self.usage.voluntary_switches += usage.voluntary_switches
            self.usage.involuntary_switches += usage.involuntary_switches
            self.usage.page_faults += usage.page_faults
        self.counted *= self.team.count
        found = self.workloads[0].counts() | SelfTimedWorkload.counts(self)
        self.count(self.team.shared.counting)
        return found

    def close(self):
        """Stop all members and close their workloads."""
        if self.running:
            self._stop()
        for workload in self.workloads or ():
            workload.close()
        SelfTimedWorkload.close(self)


def parallel(workloads, n, mode, cpus=()):
    """Nanoseconds of one batch of ``n`` operations in each of ``workloads`` at once; closes them.

    ``os.sched_getaffinity`` gives the CPUs where none are named.
    """
    if not cpus and hasattr(os, "sched_getaffinity"):
        cpus = sorted(os.sched_getaffinity(0))
    team = Team(workloads, mode, cpus)
    try:
        return team.run(n)
    finally:
        team.close()
