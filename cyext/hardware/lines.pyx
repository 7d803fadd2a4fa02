"""Cache lines that several CPUs write to: passed on, shared by mistake, added to by all."""

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t

from cyext.core.workload cimport Workload

from cyext.core.errors import NotSupported, OperationFailed
from cyext.core.parameters import one_of


cdef extern from "<sys/mman.h>" nogil:
    int munmap(void *start, size_t bytes)

cdef extern from "os/mapping.h" nogil:
    void *micro_shared_memory(size_t bytes)

cdef extern from "os/thread.h" nogil:
    int micro_run_on(int cpu)

cdef extern from "<stdatomic.h>" nogil:
    ctypedef struct atomic_int:
        pass
    ctypedef struct atomic_uint_fast64_t:
        pass
    int atomic_load(atomic_int *word)
    void atomic_store(atomic_int *word, int value)

cdef extern from "hardware/lines.h" nogil:
    enum:
        MICRO_LINE_BYTES
    ctypedef struct micro_passed_line_t:
        atomic_uint_fast64_t word
        atomic_int error
    void micro_pass_line(
        micro_passed_line_t *line, uint64_t at, uint64_t n, uint64_t index, uint64_t members)
    void micro_add_plain(atomic_uint_fast64_t *word, uint64_t n)
    void micro_add_atomic(atomic_uint_fast64_t *word, uint64_t n)

cdef extern from "core/team.h" nogil:
    enum:
        MICRO_TEAM_MAX

cdef size_t SHARED_BYTES = MICRO_LINE_BYTES * MICRO_TEAM_MAX


cdef class _SharedLines(Workload):
    """Members of a team that write to the first one's memory; one that meets nobody is alone."""

    cdef char *memory
    cdef _SharedLines owner
    cdef uint64_t index
    cdef uint64_t members

    def __cinit__(self, *args, **kwargs):
        self.members = 1
        self.memory = <char *>micro_shared_memory(SHARED_BYTES)
        if self.memory == NULL:
            raise OperationFailed("mmap", errno, 0)

    def __dealloc__(self):
        if self.memory != NULL and self.owner is None:
            munmap(self.memory, SHARED_BYTES)

    def meet(self, members, index, mode):
        """Use the first member's memory."""
        cdef _SharedLines first = members[0]
        self.index = index
        self.members = len(members)
        if index and self.owner is None:
            munmap(self.memory, SHARED_BYTES)
            self.owner = first
            self.memory = first.memory


def pair_of(text):
    """The two CPUs that ``0-1`` names; `ValueError` where it names none."""
    parts = text.split("-") if isinstance(text, str) else ()
    if len(parts) != 2 or not all(part.isdecimal() for part in parts) or parts[0] == parts[1]:
        one_of(text, {})
    return int(parts[0]), int(parts[1])


cdef class CoreToCore(_SharedLines):
    """One operation: a member writes to a line once it has seen the other's last write to it.

    ``cpus`` names the CPUs of the two members, such as 0-1. Both spin and never sleep.
    """

    cdef tuple pair
    cdef int own_cpu
    cdef bint placed
    cdef uint64_t at

    def __init__(self, cpus="0-1"):
        self.pair = pair_of(cpus)
        if not self.cpus:
            raise NotSupported("this system binds no program to a CPU")
        for cpu in self.pair:
            if cpu not in self.cpus:
                raise NotSupported(f"this process may not use CPU {cpu}")

    @property
    def passed(self):
        """How often this member has seen the line passed on."""
        return self.at

    cdef micro_passed_line_t *line(self) noexcept nogil:
        return <micro_passed_line_t *>self.memory

    def meet(self, members, index, mode):
        """Run on the CPU of this member's number, when the first batch begins."""
        _SharedLines.meet(self, members, index, mode)
        if len(members) != 2:
            raise NotSupported(f"a pair of CPUs has two members, not {len(members)}")
        self.own_cpu = self.pair[index]

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef int status
        if self.members > 1 and not self.placed:
            status = micro_run_on(self.own_cpu)
            if status:  # the other must not wait for this one
                atomic_store(&self.line().error, -status)
                return self.fail(b"sched_setaffinity", -status, 0)
            self.placed = True
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef int error = atomic_load(&self.line().error)
        if error:
            return self.fail(b"sched_setaffinity", error, 0)
        micro_pass_line(self.line(), self.at, n, self.index, self.members)
        self.at += n
        return 0


cdef class Add(_SharedLines):
    """One operation: add 1 to a counter in memory.

    ``how`` is plain (a load and a store) or atomic. ``where`` is "own_line" (each member's counter
    lies in a cache line of its own), "one_line" (eight members' counters share one) or "one_word"
    (all members add to one counter, which only atomic addition gets right).
    """

    cdef bint atomic
    cdef size_t apart_bytes

    def __init__(self, how="plain", where="own_line"):
        self.atomic = one_of(how, {"plain": False, "atomic": True})
        self.apart_bytes = one_of(where, {
            "own_line": MICRO_LINE_BYTES,
            "one_line": sizeof(uint64_t),
            "one_word": 0,
        })

    @property
    def total(self):
        """What all counters say together."""
        cdef uint64_t *words = <uint64_t *>self.memory
        cdef size_t step = max(self.apart_bytes, sizeof(uint64_t)) // sizeof(uint64_t)
        return sum(words[i * step] for i in range(self.members if self.apart_bytes else 1))

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef atomic_uint_fast64_t *word = <atomic_uint_fast64_t *>(
            self.memory + self.index * self.apart_bytes)
        if self.atomic:
            micro_add_atomic(word, n)
        else:
            micro_add_plain(word, n)
        return 0
