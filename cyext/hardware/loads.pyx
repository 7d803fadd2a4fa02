"""Loads that wait for memory: one after the other over many pages, and several at once."""

from libc.stdint cimport int64_t, uint64_t, uintptr_t

from cyext.core.workload cimport Workload

from cyext.core.errors import LimitReached, NotSupported
from cyext.core.limits import available_bytes
from cyext.core import page_sizes
from cyext.core.page_sizes import no_huge_pages, wants_huge_pages
from cyext.core.resources import mapping_refused


cdef extern from "os/mapping.h" nogil:
    size_t MICRO_HUGE_PAGE_BYTES
    ctypedef struct micro_region_t:
        uintptr_t start
    int micro_map_region(
        micro_region_t *region, int fd, size_t bytes, int huge, const char **call)
    int micro_unmap_region(micro_region_t *region)
    void micro_dirty_range(uintptr_t start, uint64_t n, size_t stride_bytes)
    int64_t micro_minor_faults()
    bint micro_fell_back(int64_t faults, int64_t huge_pages)

cdef extern from "hardware/chains.h" nogil:
    enum:
        MICRO_CHAINS_MOST
        MICRO_LOADED_LINE_BYTES
    ctypedef struct micro_node_t:
        pass
    void micro_link(
        char *start, uint64_t count, size_t apart_bytes, micro_node_t **chains,
        unsigned chain_count)
    void micro_follow(micro_node_t **chains, unsigned count, uint64_t n)
    micro_node_t *micro_follow_one(micro_node_t *at, uint64_t n)

cdef size_t PAGE_BYTES = page_sizes.PAGE_BYTES
# Where the system does not say how much memory it has.
MOST_BYTES = 1 << 40


cdef class _Chained(Workload):
    """Chains of loads through a region of small or huge pages."""

    cdef micro_region_t region
    cdef bint huge
    cdef micro_node_t *chains[MICRO_CHAINS_MOST]

    def __dealloc__(self):
        micro_unmap_region(&self.region)

    cdef map(self, wanted):
        """Map and touch ``wanted`` bytes in place of those before: None, or why there are none."""
        cdef micro_region_t fresh
        cdef const char *call = NULL
        cdef int64_t faults
        cdef size_t unit = MICRO_HUGE_PAGE_BYTES if self.huge else PAGE_BYTES
        cdef size_t pages
        cdef int status
        available = available_bytes() or MOST_BYTES
        if wanted > available // 2:
            return f"half of {available // 2 ** 20} MiB available memory"
        pages = (wanted + unit - 1) // unit
        status = micro_map_region(&fresh, -1, pages * unit, self.huge, &call)
        if status:
            return mapping_refused(call.decode(), -status)
        faults = micro_minor_faults()
        micro_dirty_range(fresh.start, pages * unit // PAGE_BYTES, PAGE_BYTES)
        if self.huge and micro_fell_back(micro_minor_faults() - faults, pages):
            micro_unmap_region(&fresh)
            return no_huge_pages()
        micro_unmap_region(&self.region)
        self.region = fresh
        return None

    def close(self):
        """Unmap the region."""
        Workload.close(self)
        micro_unmap_region(&self.region)


cdef class TlbReach(_Chained):
    """One operation: a load whose address the load before it brought, from another page.

    The loads follow one random cycle through ``level`` stretches of a small page's length, a line
    of 64 bytes in each; ``pages`` says whether these are pages of their own (4k, or as large as the
    system has them) or lie in huge ones (huge).
    """

    def __init__(self, pages=page_sizes.SMALL_PAGES):
        self.huge = wants_huge_pages(pages)
        self.grow_or_close(1, "no page could be mapped")
        self.level = 0  # nobody asked for this one: a curve that stops at once has reached nothing

    def grow(self, uint64_t level):
        """Spread the cycle over ``level`` stretches."""
        reason = self.map(int(level) * PAGE_BYTES)
        if reason is not None:
            raise LimitReached(self.level, reason)
        with nogil:
            micro_link(<char *>self.region.start, level, PAGE_BYTES, self.chains, 1)
        self.level = level

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        self.chains[0] = micro_follow_one(self.chains[0], n)
        return 0


cdef class Parallelism(_Chained):
    """One operation: a load whose address the load before it in its chain brought.

    ``level`` chains follow one random cycle through all 64-byte lines of ``size`` bytes on huge
    pages; the loads of different chains need not wait for each other.
    """

    cdef micro_node_t *starts[MICRO_CHAINS_MOST]

    def __init__(self, size=1 << 27):
        cdef uint64_t lines = max(size // MICRO_LOADED_LINE_BYTES, MICRO_CHAINS_MOST)
        self.huge = wants_huge_pages(page_sizes.HUGE_PAGES)
        reason = self.map(lines * MICRO_LOADED_LINE_BYTES)
        if reason is not None:
            raise NotSupported(f"no {size} bytes of memory: {reason}")
        with nogil:
            micro_link(
                <char *>self.region.start, lines, MICRO_LOADED_LINE_BYTES, self.starts,
                MICRO_CHAINS_MOST)
        self.grow(1)

    def grow(self, uint64_t level):
        """Follow ``level`` chains from now on, as far from each other as can be."""
        cdef uint64_t i
        self.level = min(level, <uint64_t>MICRO_CHAINS_MOST)
        for i in range(self.level):
            self.chains[i] = self.starts[i * MICRO_CHAINS_MOST // self.level]
        if self.level < level:
            raise LimitReached(self.level, f"micro follows {MICRO_CHAINS_MOST} chains at most")

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        micro_follow(self.chains, <unsigned>self.level, n)
        return 0
