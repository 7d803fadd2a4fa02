"""Making and ending processes, from parents of different size and linking."""

import errno as errno_names
import os

from libc.stdint cimport int64_t, uint64_t

from cyext.core.peers cimport Program
from cyext.core.peered cimport SelfTimedWorkload
from cyext.core.workload cimport MICRO_LOOP_BEGINS, MICRO_LOOP_ENDS, Slice, micro_mark, micro_now_ns

from cyext.core.workload import LimitReached, NotSupported
from cyext.core.limits import available_bytes, more_tasks
from cyext.core.page_sizes import SMALL_PAGES, no_huge_pages, wants_huge_pages
from cyext.core.parameters import one_of
from cyext.core.resources import mapping_refused, most_maps


cdef extern from "process/parent.h" nogil:
    ctypedef struct micro_parent_t:
        const char *call
        int64_t held
    ctypedef struct micro_operation_t:
        int64_t (*prepare)(micro_parent_t *parent, uint64_t n) noexcept nogil
        int64_t (*loop)(micro_parent_t *parent, uint64_t n, uint64_t *done) noexcept nogil
        int64_t (*restore)(micro_parent_t *parent, uint64_t n) noexcept nogil
        int64_t (*grow)(micro_parent_t *parent, uint64_t level) noexcept nogil
    ctypedef struct micro_request_t:
        uint64_t command
        uint64_t argument
        uint64_t times
    ctypedef struct micro_reply_t:
        int64_t status
        int64_t began_ns
        int64_t elapsed_ns
        int64_t reached
        uint64_t after
        int64_t senses_ns[4]
        char call[32]
    enum:
        MICRO_GROW
        MICRO_BATCH
        MICRO_SLICE
        MICRO_MARKED
        MICRO_TIMES_MAX
        MICRO_HAS_VFORK
    const micro_operation_t *micro_operation(const char *name)
    void micro_parent_open(micro_parent_t *parent, const char *program)
    void micro_parent_close(micro_parent_t *parent)

# What a living child of each parent costs the kernel at most, for the share of memory we may take.
CHILD_BYTES = {"static": 150_000, "dynamic": 250_000, "python": 600_000}


HELPERS = {"static": "micro-{}-static", "dynamic": "micro-{}-dynamic"}


def helper(kind, image):
    """Path of a program built with the workloads: parent or exit, static or dynamic."""
    name = one_of(image, HELPERS).format(kind)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    if not os.path.exists(path):
        raise NotSupported(f"the {image} helper program was not built: no {image} C library")
    return path


def most_processes(image):
    """How many more children may live, and the name of the limit that says so."""
    return more_tasks(CHILD_BYTES[image])


cdef class Parent(SelfTimedWorkload):
    """One operation of a parent process: see `parent.h` for each.

    ``image`` says what the parent is: this Python process, or a tiny C program, linked statically
    or dynamically, that is told over a pipe how many operations to do and times them itself.
    ``program`` is what exec runs: a program that leaves at once, static or dynamic.
    """

    cdef micro_parent_t parent
    cdef const micro_operation_t *operation
    cdef micro_reply_t reply
    cdef bytes program
    cdef str image
    cdef bint opened
    cdef Program helper
    cdef uint64_t pending

    def __cinit__(self, *args, **kwargs):
        self.opened = False

    def __init__(self, operation, image="python", program="static"):
        if operation.startswith("vfork") and not MICRO_HAS_VFORK:
            raise NotSupported("this system has no vfork of its own")
        self.operation = micro_operation(operation.encode())
        if self.operation == NULL:
            raise ValueError(f"no such operation: {operation!r}")
        self.image = image
        needs_program = operation.endswith("exec") or operation == "posix_spawn"
        self.program = os.fsencode(helper("exit", program)) if needs_program else b"-"
        if image == "python":
            self.opened = True
            micro_parent_open(&self.parent, self.program)
        else:
            self.helper = Program(helper("parent", image), operation, os.fsdecode(self.program))

    def __dealloc__(self):
        if self.opened:
            micro_parent_close(&self.parent)

    def moved(self, cpus):
        """Let the parent program follow."""
        SelfTimedWorkload.moved(self, cpus)
        if self.helper is not None:
            self.helper.follow(cpus[:1])

    def watch_cpus(self, int usage_fd):
        """Not possible: children that live have used CPU time that nobody tells cheaply."""

    cdef int64_t ask(self, uint64_t command, uint64_t argument) noexcept nogil:
        cdef int64_t status = self.request(command, argument, 1)
        return status if status else self.answer()

    cdef int64_t request(self, uint64_t command, uint64_t argument, uint64_t times) noexcept nogil:
        cdef micro_request_t request
        request.command = command
        request.argument = argument
        request.times = times
        self.pending = times
        cdef int status = self.helper.write_whole(&request, sizeof(request))
        return self.fail(b"write to the parent program", -status, 0) if status else 0

    cdef int64_t answer(self) noexcept nogil:
        cdef int status = self.helper.read_whole(&self.reply, sizeof(self.reply))
        self.pending -= 1
        if status:
            return self.fail(b"parent program ended early: read", -status, 0)
        if self.reply.status:
            self.pending = 0  # the program stops at the first failure
            return self.fail(self.reply.call, -self.reply.status, self.reply.after)
        return 0

    def most(self):
        """The highest level that may be asked for, and the limit's name."""
        return 1 << 40, "no limit known"

    def refusal(self, call, error):
        """The reason why ``call`` refused more."""
        return mapping_refused(call, error)

    def grow(self, uint64_t level):
        """Bring what the parent holds (living children, bytes, maps) to ``level``."""
        if self.operation.grow == NULL:
            self.level = level
            return
        cdef int64_t status
        cdef uint64_t goal
        most, reason = self.most()
        goal = min(level, max(most, 1))
        if self.image == "python":
            status = self.operation.grow(&self.parent, goal)
            self.level = self.parent.held
            call = self.parent.call.decode() if status else ""
        else:
            status = self.ask(MICRO_GROW, goal)
            self.level = self.reply.reached
            call = self.failed_call.decode() if status else ""
            self.failed_call = NULL
        if status:
            raise LimitReached(self.level, self.refusal(call, -status))
        if goal < level:
            raise LimitReached(self.level, reason)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        if self.opened and self.operation.prepare != NULL:
            return self.outcome(self.operation.prepare(&self.parent, n), 0)
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef int64_t status
        cdef uint64_t done = 0
        if not self.opened:
            return self.ask(MICRO_BATCH | (MICRO_MARKED if self.marks else 0), n)
        status = self.operation.loop(&self.parent, n, &done)
        return self.outcome(status, done)

    cdef int64_t timed_loop(self, uint64_t n, int64_t *elapsed_ns) noexcept nogil:
        cdef int64_t start, status
        if self.marks and self.opened:
            micro_mark(MICRO_LOOP_BEGINS)
        start = micro_now_ns()
        status = self.loop(n)
        elapsed_ns[0] = micro_now_ns() - start if self.opened else self.reply.elapsed_ns
        self.began_ns = start if self.opened else self.reply.began_ns
        if self.marks and self.opened:
            micro_mark(MICRO_LOOP_ENDS)
        return status

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        if self.opened and self.operation.restore != NULL:
            return self.outcome(self.operation.restore(&self.parent, n), 0)
        return 0

    cdef int64_t outcome(self, int64_t status, uint64_t done) noexcept nogil:
        return self.fail(self.parent.call, -status, done) if status else 0

    cdef int64_t slice(self, uint64_t n, Slice *out) noexcept nogil:
        cdef int64_t status = 0
        if self.opened:
            return SelfTimedWorkload.slice(self, n, out)
        if self.pending == 0:
            status = self.request(MICRO_SLICE, n, min(self.slices_left, <uint64_t>MICRO_TIMES_MAX))
        if status == 0:
            status = self.answer()
        out.elapsed_ns = self.reply.elapsed_ns
        out.before.chain_ns = self.reply.senses_ns[0]
        out.before.width_ns = self.reply.senses_ns[1]
        out.after.chain_ns = self.reply.senses_ns[2]
        out.after.width_ns = self.reply.senses_ns[3]
        return status

    def close(self):
        """End all children, and the helper program with them."""
        if self.opened:
            self.opened = False
            with nogil:
                micro_parent_close(&self.parent)
        if self.helper is not None:
            self.helper.close()
        SelfTimedWorkload.close(self)


cdef class ForkExit(Parent):
    """One operation: fork, the child leaves at once with _exit(0), the parent waits for it."""

    def __init__(self, image="python"):
        Parent.__init__(self, "fork_exit", image)


cdef class VforkExit(Parent):
    """One operation: vfork, the child leaves at once with _exit(0), the parent waits for it."""

    def __init__(self, image="python"):
        Parent.__init__(self, "vfork_exit", image)


cdef class ForkExec(Parent):
    """One operation: fork, the child executes a program that leaves at once, the parent waits."""

    def __init__(self, image="python", program="static"):
        Parent.__init__(self, "fork_exec", image, program)


cdef class VforkExec(Parent):
    """One operation: vfork, the child executes a program that leaves at once, the parent waits."""

    def __init__(self, image="python", program="static"):
        Parent.__init__(self, "vfork_exec", image, program)


cdef class PosixSpawn(Parent):
    """One operation: posix_spawn of a program that leaves at once, the parent waits for it."""

    def __init__(self, image="python", program="static"):
        Parent.__init__(self, "posix_spawn", image, program)


cdef class _Alive(Parent):
    """A parent of ``level`` living children."""

    def __init__(self, operation, image):
        Parent.__init__(self, operation, image)
        self.grow_or_close(1, "no child could be kept alive")

    def most(self):
        """As many as the system allows, less those that a batch adds."""
        allowed, reason = most_processes(self.image)
        allowed += self.level
        return allowed - max(8, allowed // 16), reason

    def refusal(self, call, error):
        """The reason, with the limit that is probably behind it."""
        name = errno_names.errorcode.get(error, error)
        return f"{call}: {name}, {most_processes(self.image)[1]}"

    def grow(self, uint64_t level):
        """Bring the living children to ``level``."""
        try:
            Parent.grow(self, level)
        finally:
            self.max_batch = max(8, self.level // 16)


cdef class ForkAlive(_Alive):
    """One operation, with ``level`` children alive: fork one more and read the byte it writes.

    The children live on, blocked. Those of a batch are ended after it, not timed.
    """

    def __init__(self, image="static"):
        _Alive.__init__(self, "fork_alive", image)


cdef class Reap(_Alive):
    """One operation, with ``level`` children alive: SIGKILL for one more, and waitpid for it."""

    def __init__(self, image="static"):
        _Alive.__init__(self, "reap", image)


cdef class ForkRss(Parent):
    """One operation, with ``level`` bytes of the parent's memory touched: fork, _exit(0), waitpid.

    ``pages`` is 4k, or whatever the system's own size is (huge ones advised against), or huge
    (advised, the bytes rounded up to whole ones). The parent is the tiny dynamically linked
    program: in the Python process its own memory and maps would hide the curve's first decades, and
    change with every import.
    """

    def __init__(self, pages=SMALL_PAGES):
        operation = "fork_huge_pages" if wants_huge_pages(pages) else "fork_pages"
        Parent.__init__(self, operation, "dynamic")
        self.grow_or_close(1, "no page could be touched")

    def most(self):
        """Half the memory that can be had without swapping."""
        available = available_bytes()
        if available is None:
            return Parent.most(self)
        allowed = (available + self.level) // 2
        return allowed, f"half of {(available + self.level) // 2 ** 20} MiB available memory"

    def refusal(self, call, error):
        """The reason why a page of that size was refused."""
        return no_huge_pages() if call == "huge page" else mapping_refused(call, error)


cdef class ForkMaps(Parent):
    """One operation, with ``level`` maps beside the parent's own: fork, _exit(0), waitpid.

    The maps were never touched, so a fork copies what describes them and nothing else: what each
    library that is linked dynamically adds, four or five maps at a time. The parent is the tiny
    dynamically linked program, which has some twenty of its own, where Python has hundreds.
    """

    def __init__(self):
        Parent.__init__(self, "fork_maps", "dynamic")
        self.grow_or_close(1, "no map could be made")

    def most(self):
        """As many as a process may have."""
        allowed, reason = most_maps()
        return Parent.most(self) if allowed is None else (allowed, reason)
