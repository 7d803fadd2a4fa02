"""What every workload shares: the clock, the sentinel and the rule that a failure is never timed.

A workload is one ``cdef class`` that extends `Workload` and overrides some of these, in order:

==================  ======  ====================================================================
``__init__``        --      acquire what the probe needs; raise `OSError` or `NotSupported`
``meet(team, i)``   --      teams: share what an operation needs several members for
``grow(level)``     --      curves: bring the live resources to ``level``, or raise `LimitReached`
``settle(count)``   --      curves whose `grow` calls `settle_or_return`: have so many, or raise
``prepare(n)``      --      before a batch: make whatever n operations consume
``loop(n)``         timed   exactly n operations, nothing else; 0, or what ``fail`` returned
``restore(n)``      --      after a batch, also a failed one: undo what it left
``counts()``        --      what an operation cost beside time, by name, since ``count(True)``
``close()``         --      give everything back, then ``Workload.close(self)``; may be called twice
==================  ======  ====================================================================

``prepare(a + b)``, ``loop(a)``, ``loop(b)``, ``restore(a + b)`` is legal: a workload that uses up
what ``prepare`` made keeps a cursor. All times are nanoseconds of the monotonic clock.
Tasks beside the loop: `cyext.core.peered`.
"""

import array

from libc.errno cimport EIO, ENOSYS
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t, uintptr_t
from libc.string cimport memset

from cyext.core.sentinel cimport MICRO_CHAIN_STEPS, micro_chain, micro_sense, micro_sense_t

from cyext.core.errors import LimitReached, NotSupported, OperationFailed  # no-cython-lint


cdef extern from "os/usage.h" nogil:
    enum:
        RUSAGE_THREAD
    micro_usage_t micro_usage_of(int whose)
    void micro_usage_add(micro_usage_t *total, micro_usage_t before, micro_usage_t after)

cdef extern from "os/cpu_time.h" nogil:
    int64_t micro_cpus_used_ns(int fd, const int *cpus, int count)
    int64_t micro_own_cpu_ns()

# Two slices share the sentinel between them if no more than this passed since it ran: the neighbour
# comes and goes in milliseconds.
cdef int64_t SHARED_SENSE_NS = 20_000

cdef bint marking = False
# The CPUs of this process's workloads: that of the timed loop first.
cdef tuple own_cpus = ()

#: Steps of the sentinel's chain.
CHAIN_STEPS = MICRO_CHAIN_STEPS


def run_on(cpus):
    """Tell the workloads that are made from now on their CPUs: that of the timed loop first."""
    global own_cpus
    own_cpus = tuple(cpus)


cdef class Workload:
    """Base of all workloads. ``max_batch`` is the most operations a batch may hold at this level.

    ``began_ns`` is the clock when the loop of the last batch began, for whoever asks what ran
    meanwhile; 0 where the workload times pieces instead of one loop.
    """

    def __cinit__(self, *args, **kwargs):
        self.level = 0
        self.max_batch = INT64_MAX
        self.failed_call = NULL
        self.marks = marking
        self.slices_left = 1
        self.began_ns = 0
        self.spin = 0
        self.cpus = own_cpus
        self.counting = False
        self.usage_fd = -1
        memset(&self.last_sense, 0, sizeof(self.last_sense))

    def __init__(self):
        pass  # no parameters, unless the workload has some

    cdef int64_t sense(self, micro_sense_t *out) noexcept nogil:
        """Run the sentinel. A workload on more CPUs than that of its loop keeps the busiest."""
        micro_sense(out)
        return 0

    def watch_cpus(self, int usage_fd):
        """From now on each slice tells what others used of its CPUs.

        ``usage_fd`` is an open file that holds the nanoseconds that each CPU was used, one number
        a CPU. Whoever has tasks whose CPU time nobody tells overrides this.
        """
        cpus = self.cpus_used()
        self.watched_count = <int>len(cpus)
        self.usage_fd = usage_fd if 0 < len(cpus) <= MOST_WATCHED_CPUS else -1
        if self.usage_fd >= 0:
            for i, cpu in enumerate(cpus):
                self.watched_cpus[i] = cpu

    def cpus_used(self):
        """The CPUs that this workload's slices use, in order; none where no CPU is bound."""
        return list(self.cpus[:1])

    cdef int64_t peers_cpu_ns(self) noexcept nogil:
        """CPU time of the tasks that this workload has beside its loop; negative if unknown."""
        return 0

    cdef int64_t others_ns(self) noexcept nogil:
        """CPU time that others have used on its CPUs: only differences mean something.

        INT64_MIN where it is unknown.
        """
        cdef int64_t own, theirs, used
        if self.usage_fd < 0:
            return INT64_MIN
        own = micro_own_cpu_ns()
        theirs = self.peers_cpu_ns()
        used = micro_cpus_used_ns(self.usage_fd, self.watched_cpus, self.watched_count)
        if theirs < 0 or used < 0:
            return INT64_MIN
        return used - own - theirs

    cdef int64_t foreign_ns(self, int64_t others_before_ns) noexcept nogil:
        """What others used since an earlier `others_ns`: at least 0, or -1 where it is unknown."""
        cdef int64_t now = self.others_ns()
        if others_before_ns == INT64_MIN or now == INT64_MIN:
            return MICRO_CPU_TIME_UNKNOWN
        return max(now - others_before_ns, <int64_t>0)

    cdef void add_usage(self, micro_usage_t before) noexcept nogil:
        """Count what came since a reading. Whoever counts its peers' as well overrides this."""
        micro_usage_add(&self.usage, before, micro_usage_of(RUSAGE_THREAD))

    def count(self, counting):
        """Start or end counting, in slices only: the counts since then are for `counts`."""
        self.counting = counting
        self.counted = 0
        memset(&self.usage, 0, sizeof(self.usage))

    def counts(self):
        """What an operation cost in other coin than time, by name, since `count`."""
        operations = max(self.counted, 1)
        return {
            "voluntary_switches": self.usage.voluntary_switches / <double>operations,
            "involuntary_switches": self.usage.involuntary_switches / <double>operations,
            "page_faults": self.usage.page_faults / <double>operations,
        }

    def grow(self, uint64_t level):
        """Bring the live resources to ``level``; raise `LimitReached` if the system says no."""
        self.level = level

    def grow_or_close(self, level, without=None):
        """`grow` at the end of ``__init__``, which gives everything back where that fails.

        Where the system does not let it grow so far and ``without`` says what there is none of,
        raises `NotSupported` in these words.
        """
        try:
            self.grow(level)
        except LimitReached as limit:
            self.close()
            if without is None:
                raise
            raise NotSupported(f"{without}: {limit.reason}") from None
        except BaseException:
            self.close()
            raise

    def settle(self, count):
        """Have ``count`` of what `grow` brings to a level. Raises `OperationFailed`."""

    def settle_or_return(self, goal, level, reason):
        """`settle` for ``goal`` of the ``level`` asked for, or, where that fails, for as before.

        ``reason`` is why ``goal`` is less than ``level``. Raises `LimitReached` where fewer stand,
        and `OperationFailed` where there was nothing before.
        """
        cdef uint64_t before = self.level
        try:
            self.settle(goal)
        except OperationFailed as error:
            if before == 0:
                raise
            goal, reason = before, error.reason
            self.settle(goal)
        self.stand_at(goal, level, reason)

    def stand_at(self, reached, level, reason):
        """Have ``reached`` of the ``level`` asked for; raise `LimitReached` if that is less."""
        self.level = reached
        if reached < level:
            raise LimitReached(reached, reason)

    def meet(self, members, index, mode):
        """Be number ``index`` of a team ("threads" or "processes"); share with ``members``."""

    def slow_down(self, double steps):
        """Let every operation take so many steps of the sentinel's chain longer, for the clock too.

        Only to prove that a slow-down is found, and never on but for that.
        """
        self.spin = steps

    def moved(self, cpus):
        """The worker runs on the first of these CPUs now."""
        self.cpus = tuple(cpus)
        self.watch_cpus(self.usage_fd)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        return self.fail(b"loop", ENOSYS, 0)  # a workload without a loop measures nothing

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        return 0

    def close(self):
        """Give back every process, descriptor, map and file: no run after it. May come twice."""
        self.max_batch = 0

    cdef int64_t fail(self, const char *call, int64_t error, uint64_t after) noexcept nogil:
        """Note which call failed with which errno after how many operations; returns -errno."""
        if self.failed_call == NULL:  # the first failure is the cause, later ones its consequences
            self.failed_call = call
            self.failed_after = after
        return -error if error > 0 else -EIO  # a failure without a number is still a failure

    cdef object failure(self, int64_t status):
        call = self.failed_call.decode() if self.failed_call != NULL else "batch"
        error = OperationFailed(call, -status, self.failed_after)
        self.failed_call = NULL
        return error

    cdef int64_t batch(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        cdef int64_t start, status
        if self.spin:
            return self.slowed_batch(n, elapsed_ns)
        if self.marks:
            micro_mark(MICRO_LOOP_BEGINS)
        start = micro_now_ns()
        status = self.loop(n)
        elapsed_ns[0] = micro_now_ns() - start
        self.began_ns = start
        if self.marks:
            micro_mark(MICRO_LOOP_ENDS)
        return status

    cdef int64_t slowed_batch(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        # Apart, so that nothing but the loop stands between the clocks of an honest batch.
        cdef uint64_t steps = <uint64_t>(self.spin * <double>n)
        cdef int64_t start = micro_now_ns()
        cdef int64_t status = self.loop(n)
        micro_chain(steps)
        elapsed_ns[0] = micro_now_ns() - start
        self.began_ns = start
        return status

    cdef int64_t slice(self, uint64_t n, Slice *out) noexcept nogil:
        cdef int64_t undone, others
        cdef micro_usage_t usage
        cdef int64_t status = self.prepare(n)
        if status == 0:
            if micro_now_ns() - self.last_sense.end_ns > SHARED_SENSE_NS:
                status = self.sense(&self.last_sense)
            out.before = self.last_sense
            others = self.others_ns()
            if self.counting:
                usage = micro_usage_of(RUSAGE_THREAD)
            if status == 0:
                status = self.batch(n, &out.elapsed_ns)
            if self.counting:
                self.add_usage(usage)
                self.counted += n
            out.foreign_ns = self.foreign_ns(others)
            if status == 0:
                status = self.sense(&self.last_sense)
            out.after = self.last_sense
        undone = self.restore(n)
        return status if status else undone

    cdef check_batch(self, n):
        if self.max_batch == 0:
            raise ValueError("the workload is closed")
        if not 1 <= n <= self.max_batch:
            raise ValueError(f"a batch here holds 1 to {self.max_batch} operations, not {n}")

    def run(self, n):
        """Nanoseconds that one batch of ``n`` operations takes. Raises `OperationFailed`."""
        self.check_batch(n)
        cdef uint64_t count = n
        cdef int64_t elapsed_ns = 0
        cdef int64_t status, undone
        with nogil:
            status = self.prepare(count)
            if status == 0:
                status = self.batch(count, &elapsed_ns)
            undone = self.restore(count)
            if status == 0:
                status = undone
        if status:
            raise self.failure(status)
        return elapsed_ns

    def trace(self, n):
        """Nanoseconds of each of ``n`` operations, as an int64 array; one clock read apiece."""
        self.check_batch(n)
        times = array.array("q", bytes(8 * n))
        cdef uintptr_t address = times.buffer_info()[0]
        cdef int64_t *out = <int64_t *>address
        cdef uint64_t count = n
        cdef uint64_t i
        cdef int64_t before, now, status, undone
        with nogil:
            status = self.prepare(count)
            if status == 0:
                before = micro_now_ns()
                for i in range(count):
                    status = self.loop(1)
                    if status:
                        self.failed_after += i
                        break
                    now = micro_now_ns()
                    out[i] = now - before
                    before = now
            undone = self.restore(count)
            if status == 0:
                status = undone
        if status:
            raise self.failure(status)
        return times

    def sample(self, slices, n):
        """Time ``slices`` batches of ``n`` operations, the sentinel before and after each.

        Returns an int64 array of six numbers a slice, all nanoseconds: the batch; chain and width
        of the sentinel before it; those of the one after it; what others used of its CPUs, or -1
        where that is unknown (see `watch_cpus`). Raises `OperationFailed`.
        """
        self.check_batch(n)
        table = array.array("q", bytes(8 * 6 * slices))
        cdef uintptr_t address = table.buffer_info()[0]
        cdef int64_t *row = <int64_t *>address
        cdef uint64_t count = n
        cdef uint64_t total = slices
        cdef uint64_t _i
        cdef int64_t status = 0
        cdef Slice one
        with nogil:
            for _i in range(total):
                self.slices_left = total - _i
                one.foreign_ns = MICRO_CPU_TIME_UNKNOWN
                status = self.slice(count, &one)
                if status:
                    break
                row[0] = one.elapsed_ns
                row[1] = one.before.chain_ns
                row[2] = one.before.width_ns
                row[3] = one.after.chain_ns
                row[4] = one.after.width_ns
                row[5] = one.foreign_ns
                row += 6
        if status:
            raise self.failure(status)
        return table


def sense(count, pause_ns=0):
    """Run the sentinel ``count`` times, ``pause_ns`` apart; int64 array of (chain, width) pairs."""
    table = array.array("q", bytes(16 * count))
    cdef uintptr_t address = table.buffer_info()[0]
    cdef int64_t *row = <int64_t *>address
    cdef uint64_t total = count
    cdef int64_t pause = pause_ns
    cdef int64_t until
    cdef uint64_t _i
    cdef micro_sense_t one
    with nogil:
        for _i in range(total):
            micro_sense(&one)
            row[0] = one.chain_ns
            row[1] = one.width_ns
            row += 2
            until = one.end_ns + pause
            while micro_now_ns() < until:
                pass
    return table


def clock_cost(reads=2000):
    """Nanoseconds of one read of the clock, as a float: the mean over ``reads``."""
    if reads < 1:
        raise ValueError(f"the clock is read at least once, not {reads} times")
    cdef uint64_t total = reads
    cdef uint64_t _i
    cdef int64_t start, end
    with nogil:
        start = micro_now_ns()
        end = start
        for _i in range(total):
            end = micro_now_ns()
    return <double>(end - start) / <double>total


def mark_loops():
    """From now on, workloads of this process mark where their loops begin and end, for a tracer."""
    global marking
    marking = True


def mark_armed(armed):
    """Mark from where to where a tracer may make calls fail."""
    micro_mark(MICRO_ARMED if armed else MICRO_DISARMED)
