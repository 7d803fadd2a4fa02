"""Moving bytes, and waiting for them."""

import errno as errno_names

from libc.errno cimport EIO, ENOMEM, errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from cyext.core.workload cimport Workload

from cyext.core.workload import LimitReached, NotSupported
from cyext.core.limits import available_bytes
from cyext.core.page_sizes import no_huge_pages, wants_huge_pages
from cyext.core.parameters import one_of


cdef extern from "os/mapping.h" nogil:
    bint MICRO_ASKS_FOR_PAGES
    int MICRO_HUGE_PAGES
    int MICRO_SMALL_PAGES
    void *micro_advised_room(size_t bytes, int advice, void **base, size_t *length)
    void micro_touch_here(void *buffer, size_t bytes)
    int munmap(void *address, size_t length)
    size_t MICRO_HUGE_PAGE_BYTES
    int64_t micro_minor_faults()
    bint micro_fell_back(int64_t faults, int64_t huge_pages)

cdef extern from "memory/copy_loops.h" nogil:
    enum:
        MICRO_SOURCE_BYTE
        MICRO_SET_BYTE
    ctypedef uint64_t (*micro_move_t)(
        unsigned char *to, const unsigned char *source, size_t bytes, uint64_t n) noexcept nogil
    ctypedef struct micro_mover_t:
        micro_move_t move
        const char *lacking
    micro_mover_t micro_mover(const char *operation, const char *variant)

cdef extern from "core/random.h" nogil:
    uint64_t micro_random_below(uint64_t *state, uint64_t count)

# Half a page: were target and source the same distance from a page's start, a load would seem to
# the CPU to read what was just stored, or not, as the process happens to lie in memory.
cdef size_t TARGET_SHIFT = 2048
# Moves that are not aligned start at an odd byte, another one in the source than in the target.
cdef size_t SOURCE_ODD = 1
cdef size_t TARGET_ODD = 3
cdef size_t MOST_SHIFT = TARGET_SHIFT + 8
# What a buffer may grow to in place: touching memory that the system has given back to its host
# takes a virtual machine a second for each half GiB.
cdef size_t ROOM = (256 << 20) + MOST_SHIFT
# The variants, as `micro_mover` knows them.
VARIANTS = {"libc": b"libc", "loop": b"loop", "nontemporal": b"nontemporal", "rep": b"rep"}
# Places of a target that are looked at after each batch, its last byte among them.
cdef size_t LOOKED_AT = 16


cdef class _Buffers(Workload):
    """A workload whose level is the size of its one or two buffers."""

    cdef void *buffers[2]
    cdef void *bases[2]
    cdef size_t lengths[2]
    cdef int count
    cdef int advice
    cdef size_t room
    cdef size_t touched
    cdef size_t size
    cdef bint only_huge      # pages must be huge, or it is another figure
    cdef size_t huge_up_to   # where the system began to give small ones; 0: nowhere yet

    def __cinit__(self, *args, **kwargs):
        self.bases[0] = self.bases[1] = NULL
        self.buffers[0] = self.buffers[1] = NULL
        self.advice = MICRO_HUGE_PAGES

    cdef acquire(self, int count, uint64_t size):
        """The first buffers, of ``size`` bytes; `NotSupported` where there is no room for them."""
        self.count = count
        self.grow_or_close(size, f"no buffer of {size} bytes")
        self.level = 0  # nobody asked for this one: a curve that stops at once has reached nothing

    def grow(self, uint64_t level):
        """Make each buffer ``level`` bytes long and touch it."""
        cdef uint64_t reached = self.level
        cdef uint64_t before = self.size
        cdef size_t needed = level + MOST_SHIFT
        cdef int64_t faults
        cdef int i
        available = available_bytes()
        if available is not None and level > available // 2 // self.count:
            raise LimitReached(reached, f"half of {available // 2 ** 20} MiB available memory")
        if needed > self.room:
            self.unmap()
            if not self.map(needed):
                reason = f"mmap: {errno_names.errorcode.get(errno)}"
                if before:
                    self.grow(before)
                self.level = reached
                raise LimitReached(reached, reason)
        if needed > self.touched:
            faults = micro_minor_faults()
            for i in range(self.count):
                memset(<char *>self.buffers[i] + self.touched, 1, needed - self.touched)
            pages = (needed - self.touched) // MICRO_HUGE_PAGE_BYTES + 2
            if self.only_huge and micro_fell_back(micro_minor_faults() - faults, pages):
                self.huge_up_to = self.huge_up_to or max(self.touched, <size_t>1)
            self.touched = needed
        if self.huge_up_to and needed > self.huge_up_to:
            raise LimitReached(reached, no_huge_pages())
        self.level = level
        self.size = level

    cdef bint map(self, size_t least):
        """Make room for ``least`` bytes in each buffer, and for more to grow into, if there is."""
        cdef size_t room
        cdef int i
        for room in (max(least, ROOM), least):
            for i in range(self.count):
                self.buffers[i] = micro_advised_room(
                    room, self.advice, &self.bases[i], &self.lengths[i])
            if self.buffers[0] != NULL and self.buffers[self.count - 1] != NULL:
                self.room = room
                return True
            self.unmap()
        return False

    cdef void unmap(self) noexcept:
        cdef int i
        for i in range(2):
            if self.bases[i] != NULL:
                munmap(self.bases[i], self.lengths[i])
            self.bases[i] = NULL
            self.buffers[i] = NULL
        self.level = 0
        self.size = 0
        self.room = 0
        self.touched = 0
        self.huge_up_to = 0

    def close(self):
        """Unmap the buffers."""
        self.unmap()
        Workload.close(self)


cdef class _Move(_Buffers):
    """Moves of ``level`` bytes by one of the ways in `copy_loops.h`.

    ``variant`` is libc (memcpy, memset, memchr), loop (vectors of the CPU's width), nontemporal
    (stores past the caches) or rep (one x86 string instruction). Whether the bytes arrived is
    looked at after each batch; a read is told right or wrong by what it found.
    """

    cdef micro_mover_t mover
    cdef unsigned char *target
    cdef unsigned char *source
    cdef size_t target_shift
    cdef size_t source_shift

    cdef start(self, operation, variant, alignment, size):
        self.source_shift, self.target_shift = one_of(alignment, {
            "aligned": (0, TARGET_SHIFT),
            "misaligned": (SOURCE_ODD, TARGET_SHIFT + TARGET_ODD),
        })
        self.mover = micro_mover(operation, one_of(variant, VARIANTS))
        if self.mover.move == NULL:
            raise NotSupported(self.mover.lacking.decode())
        self.acquire(2 if operation == b"copy" else 1, size)

    def grow(self, uint64_t level):
        """Move ``level`` bytes from now on."""
        try:
            _Buffers.grow(self, level)
        finally:
            self.source = self.target = NULL
            if self.size:
                self.target = <unsigned char *>self.buffers[self.count - 1] + self.target_shift
                self.source = <unsigned char *>self.buffers[0] + self.source_shift

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t right
        if self.target == NULL:  # a failed growth, and no way back
            return self.fail(b"mmap", ENOMEM, 0)
        right = self.mover.move(self.target, self.source, self.size, n)
        return 0 if right == n else self.fail(b"read", EIO, right)  # other bytes than there are

    cdef int64_t blank(self) noexcept nogil:
        """Before a batch: forget the bytes that it will be asked for."""
        cdef size_t i
        if self.target != NULL:
            for i in range(LOOKED_AT):
                self.target[(self.size - 1) * (i + 1) // LOOKED_AT] = 0
        return 0

    cdef int64_t look(self, const char *call, unsigned char expected, uint64_t n) noexcept nogil:
        """After a batch: all bytes that were looked at must have arrived."""
        cdef size_t i
        if self.target != NULL:
            for i in range(LOOKED_AT):
                if self.target[(self.size - 1) * (i + 1) // LOOKED_AT] != expected:
                    return self.fail(call, EIO, n)
        return 0


cdef class Copy(_Move):
    """One operation: ``level`` bytes copied between two touched buffers."""

    cdef bint touched_elsewhere

    def __init__(self, variant="libc", alignment="aligned", size=4096):
        self.start(b"copy", variant, alignment, size)

    def meet(self, members, index, mode):
        """Have buffers near the member's CPU: they were made by another thread."""
        self.touched_elsewhere = True

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef int i
        if self.touched_elsewhere and self.target != NULL:
            self.touched_elsewhere = False
            for i in range(self.count):
                micro_touch_here(self.buffers[i], self.touched)
        return self.blank()

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        return self.look(b"copy", MICRO_SOURCE_BYTE, n)


cdef class Set(_Move):
    """One operation: ``level`` bytes of a touched buffer set to one value by library or CPU."""

    def __init__(self, variant="libc", alignment="aligned", size=4096):
        self.start(b"set", variant, alignment, size)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        return self.blank()

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        return self.look(b"set", MICRO_SET_BYTE, n)


cdef class Write(_Move):
    """One operation: ``level`` bytes of a touched buffer stored by instructions of our own."""

    def __init__(self, variant="loop", alignment="aligned", size=4096):
        self.start(b"write", variant, alignment, size)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        return self.blank()

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        return self.look(b"write", MICRO_SET_BYTE, n)


cdef class Read(_Move):
    """One operation: ``level`` bytes of a touched buffer read: summed up, or searched in vain."""

    def __init__(self, variant="loop", alignment="aligned", size=4096):
        self.start(b"read", variant, alignment, size)


cdef size_t LINE_BYTES = 64

cdef struct Line:
    Line *next
    char padding[56]


cdef class Latency(_Buffers):
    """One operation: a load whose address is what the load before it brought.

    The loads follow one random cycle through all 64-byte lines of ``level`` bytes.
    ``pages`` is huge, or 4k where that is the size of the system's pages.
    """

    cdef Line *at
    cdef uint64_t linked   # lines of the cycle
    cdef uint64_t state    # of the random numbers

    def __init__(self, pages="huge"):
        huge = wants_huge_pages(pages)
        if not MICRO_ASKS_FOR_PAGES:
            raise NotSupported("this system cannot be asked for huge or small pages")
        if huge and _huge_pages_are_off():
            raise NotSupported("/sys/kernel/mm/transparent_hugepage/enabled is never")
        self.advice = MICRO_HUGE_PAGES if huge else MICRO_SMALL_PAGES
        self.only_huge = huge
        self.acquire(1, 4096)

    def grow(self, uint64_t level):
        """Spread the cycle over ``level`` bytes."""
        self.at = NULL
        try:
            _Buffers.grow(self, level)
        finally:
            if self.size:
                self.link(max(self.size // LINE_BYTES, <size_t>1))

    cdef void unmap(self) noexcept:
        _Buffers.unmap(self)
        self.linked = 0

    cdef void link(self, uint64_t count) noexcept nogil:
        cdef Line *lines = <Line *>self.buffers[0]
        cdef Line *before
        cdef uint64_t i
        if count < self.linked:
            self.linked = 0
        if self.linked == 0:
            lines.next = lines
            self.linked = 1
            self.state = 1
        # Each line more comes after a random one before it: Sattolo's cycle, told forwards.
        for i in range(self.linked, count):
            before = &lines[micro_random_below(&self.state, i)]
            lines[i].next = before.next
            before.next = &lines[i]
        self.linked = count
        self.at = lines
        # Once through all: until then the caches hold what linking has left in them.
        self.loop(count)

    @property
    def line(self):
        """The number of the line that the next load reads."""
        return self.at - <Line *>self.buffers[0]

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef Line *at = self.at
        cdef uint64_t _i
        if at == NULL:  # a failed growth, and no way back
            return self.fail(b"mmap", ENOMEM, 0)
        for _i in range(n):
            at = at.next
        self.at = at
        return 0

    def close(self):
        """Unmap the buffer."""
        self.at = NULL
        _Buffers.close(self)


def _huge_pages_are_off():
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled", "rb") as file:
            return b"[never]" in file.read(100)
    except OSError:
        return False
