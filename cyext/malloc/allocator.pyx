"""The C library's allocator, or the one that was preloaded in its place.

Nothing here tunes it: glibc's, for one, serves small blocks from a cache of the calling thread,
and that is what these figures show where a program would meet it too.
"""

from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

from cyext.core.workload cimport Workload

from cyext.core.workload import LimitReached
from cyext.core.limits import available_bytes


cdef extern from "core/random.h" nogil:
    uint64_t micro_random_below(uint64_t *state, uint64_t count)

cdef extern from "malloc/block_ring.h" nogil:
    ctypedef struct micro_handover_t:
        pass
    micro_handover_t *micro_handover_new()
    void micro_empty(micro_handover_t *ring)
    uint64_t micro_keep(size_t size, uint64_t n)
    bint micro_half_fill(micro_handover_t *ring, size_t size)
    uint64_t micro_give(micro_handover_t *ring, size_t size, uint64_t n)
    void micro_take(micro_handover_t *ring, uint64_t n)

cdef extern from * nogil:
    """
    /* The block escapes, so that no compiler may pair malloc with free and drop both. */
    #define MICRO_ESCAPE(block) __asm__ volatile("" : : "r"(block) : "memory")
    """
    void MICRO_ESCAPE(void *block)


cdef class Pair(Workload):
    """One operation: malloc of ``size`` bytes, free of that block. A curve's level is the size."""

    cdef size_t size

    def __init__(self, size=512):
        self.size = size

    def grow(self, uint64_t level):
        """Ask for ``level`` bytes from now on."""
        cdef void *block
        available = available_bytes()
        if available is not None and level > available // 2:
            raise LimitReached(self.level, f"half of {available // 2 ** 20} MiB available memory")
        block = malloc(level)
        if block == NULL:
            raise LimitReached(self.level, "malloc: ENOMEM")
        MICRO_ESCAPE(block)
        free(block)
        self.size = self.level = level

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef void *block
        for i in range(n):
            block = malloc(self.size)
            if block == NULL:
                return self.fail(b"malloc", ENOMEM, i)
            MICRO_ESCAPE(block)
            free(block)
        return 0


cdef class RemoteFree(Workload):
    """One operation: malloc of ``size`` bytes in one thread, free of that block in another.

    In a team members 0 and 1, 2 and 3 and so on are pairs: the first allocates, the second frees.
    A member without a partner does both, a bundle of blocks at a time as well.

    Before a batch and after it, half a ring of blocks is on its way. Else a batch that fits into
    the ring would be allocated before anything is freed, and a larger one would not.
    """

    cdef size_t size
    cdef micro_handover_t *ring
    cdef readonly RemoteFree giver
    cdef bint gives

    def __cinit__(self):
        self.ring = micro_handover_new()
        if self.ring == NULL:
            raise MemoryError("no room for blocks to be handed over")

    def __init__(self, size=512):
        self.size = size

    def __dealloc__(self):
        if self.ring != NULL:
            micro_empty(self.ring)
        free(self.ring)

    def meet(self, members, index, mode):
        """Pair up with the member before, if this is every second one."""
        cdef RemoteFree giver
        if mode == "threads" and index % 2:
            giver = members[index - 1]
            giver.gives = True
            self.giver = giver

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        if self.gives and not micro_half_fill(self.ring, self.size):
            return self.fail(b"malloc", ENOMEM, 0)
        return 0

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t done = n
        if self.giver is not None:
            micro_take(self.giver.ring, n)
        elif self.gives:
            done = micro_give(self.ring, self.size, n)
        else:
            done = micro_keep(self.size, n)
        return 0 if done == n else self.fail(b"malloc", ENOMEM, done)

    def close(self):
        """Free the blocks that are on their way."""
        Workload.close(self)
        micro_empty(self.ring)


# Each block is equally likely to lie between 16 and 32 bytes, 32 and 64 and so on to 4 KiB.
cdef uint32_t SMALLEST_BLOCK = 16
cdef uint32_t BLOCK_DOUBLINGS = 8
# What a block may cost on average: 765 bytes, its header and what is lost between blocks.
cdef uint64_t BLOCK_BYTES = 1024
# A shorter sequence would be learned by the branch predictor.
cdef uint64_t SHORTEST_SEQUENCE = 1 << 16

cdef struct Replacement:
    uint32_t slot
    uint32_t size


cdef class Churn(Workload):
    """One operation: free of a random one of ``level`` live blocks, malloc of another for it.

    Which block goes and what size comes is drawn beforehand, the same in every session: the loop
    only reads it.
    """

    cdef void **blocks
    cdef uint64_t count
    cdef Replacement *sequence
    cdef uint64_t length
    cdef uint64_t cursor

    def __cinit__(self):
        self.blocks = NULL
        self.sequence = NULL
        self.count = 0

    def __init__(self):
        self.grow_or_close(1, "not a single block")
        self.level = 0  # nobody asked for this one: a curve that stops at once has reached nothing

    def __dealloc__(self):
        self.free_all()

    def grow(self, uint64_t level):
        """Bring the live blocks to ``level``, all drawn anew."""
        cdef uint64_t reached = self.level
        cdef uint64_t before = self.count
        available = available_bytes()
        if available is not None and level > available // 2 // BLOCK_BYTES:
            raise LimitReached(reached, f"half of {available // 2 ** 20} MiB available memory")
        self.free_all()
        if not self.draw(level):
            self.free_all()
            if before:
                self.grow(before)
            self.level = reached
            raise LimitReached(reached, "malloc: ENOMEM")
        self.level = level

    cdef bint draw(self, uint64_t level) noexcept:
        cdef uint64_t state = level
        cdef uint64_t i
        cdef uint32_t least
        self.length = max(SHORTEST_SEQUENCE, 2 * level)
        self.sequence = <Replacement *>calloc(self.length, sizeof(Replacement))
        self.blocks = <void **>calloc(level, sizeof(void *))
        if self.sequence == NULL or self.blocks == NULL:
            return False
        for i in range(self.length):
            least = SMALLEST_BLOCK << <uint32_t>micro_random_below(&state, BLOCK_DOUBLINGS)
            self.sequence[i].slot = <uint32_t>micro_random_below(&state, level)
            self.sequence[i].size = least + <uint32_t>micro_random_below(&state, least)
        while self.count < level:
            self.blocks[self.count] = malloc(self.sequence[self.count].size)
            if self.blocks[self.count] == NULL:
                return False
            self.count += 1
        return True

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t i
        cdef Replacement next
        if self.blocks == NULL:  # a failed growth, and no way back
            return self.fail(b"malloc", ENOMEM, 0)
        for i in range(n):
            next = self.sequence[self.cursor]
            self.cursor = self.cursor + 1 if self.cursor + 1 < self.length else 0
            free(self.blocks[next.slot])
            self.blocks[next.slot] = malloc(next.size)
            if self.blocks[next.slot] == NULL:
                return self.fail(b"malloc", ENOMEM, i)
        return 0

    cdef void free_all(self) noexcept:
        while self.count > 0:
            self.count -= 1
            free(self.blocks[self.count])
        free(self.blocks)
        free(self.sequence)
        self.blocks = NULL
        self.sequence = NULL
        self.cursor = 0
        self.level = 0

    def close(self):
        """Free all blocks."""
        self.free_all()
        Workload.close(self)
