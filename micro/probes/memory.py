"""Memory: moving bytes and waiting for them, from the first cache to the last."""

from cyext.core.page_sizes import HUGE_PAGES, SMALL_PAGES
from micro.probes.declaration import Axis, Choice, Headline, Probe, powers_of_four, powers_of_two
from runners.machine.environment import usable_cpus
from runners.model.job import Promise

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30
_CPUS = len(usable_cpus())
_THREADS = tuple(sorted({1, max(1, _CPUS // 2), _CPUS}))
_MORE_THREADS = tuple(sorted({*_THREADS, *powers_of_two(1, 2 * _CPUS)}))
_COPY_SIZES = powers_of_four(256, 64 * _MIB)
_ALL_COPY_SIZES = (*powers_of_two(256, 4 * _MIB), 16 * _MIB, 64 * _MIB, 256 * _MIB, _GIB)
_RIGOROUS_SIZES = powers_of_two(256, _GIB)[::2]
#: One size in each cache, where caches are as large as they are today, and one beyond.
_SIZES = (4 * _KIB, 16 * _KIB, 256 * _KIB, 4 * _MIB, 64 * _MIB)
_QUICK_SIZES = (4 * _KIB, 64 * _MIB)
#: Two sizes a doubling: 48 KiB is a cache's size as well as 32 KiB is.
_CHASED = tuple(
    sorted({size * k // 2 for size in powers_of_two(4 * _KIB, 512 * _MIB) for k in (2, 3)})
)[:-1]
_PAGES = Choice((HUGE_PAGES, SMALL_PAGES), usual=(HUGE_PAGES,), quick=(HUGE_PAGES,))
_ALIGNMENT = Choice(("aligned", "misaligned"), usual=("aligned",), quick=("aligned",))
_LMBENCH = "lmbench, bw_mem (McVoy and Staelin 1996)"
_IN_CACHES_OF_THE_CORE = 256 * _KIB
_NOTHING = Promise(page_faults=0)


def _variants(usual: str, *others: str) -> Choice:
    return Choice((usual, *others), usual=(usual,), quick=(usual,))


PROBES = (
    Probe(
        name="memory.copy",
        workload="cyext.memory.moves:Copy",
        spends_time_in="memory",
        title="copy memory",
        method="One operation copies size bytes between two touched buffers, huge pages advised, "
        "by the C library's memcpy(), a loop over vectors, stores past the caches or rep movsb; "
        "bandwidth counts each byte copied once.",
        source=_LMBENCH,
        params={
            "variant": _variants("libc", "loop", "nontemporal", "rep"),
            "alignment": _ALIGNMENT,
        },
        axis=Axis(
            "size",
            _COPY_SIZES,
            quick=(256, 16 * _KIB, _MIB, 64 * _MIB),
            rigorous=_ALL_COPY_SIZES,
            kind="bytes",
            walks_caches=True,
        ),
        bytes_per_op="level",
        clock_bound_up_to=_IN_CACHES_OF_THE_CORE,
        promise=_NOTHING,
        headlines=(Headline("copy 16 KiB", "Memory", level=16 * _KIB),),
    ),
    Probe(
        name="memory.set",
        workload="cyext.memory.moves:Set",
        spends_time_in="memory",
        title="set memory",
        method="One operation sets size bytes of a touched buffer, huge pages advised, by the C "
        "library's memset() or rep stosb.",
        least_effort="usual",
        source=_LMBENCH,
        params={"variant": _variants("libc", "rep"), "alignment": _ALIGNMENT},
        axis=Axis(
            "size",
            _SIZES,
            quick=_QUICK_SIZES,
            rigorous=_RIGOROUS_SIZES,
            kind="bytes",
            walks_caches=True,
        ),
        bytes_per_op="level",
        clock_bound_up_to=_IN_CACHES_OF_THE_CORE,
        promise=_NOTHING,
    ),
    Probe(
        name="memory.write",
        workload="cyext.memory.moves:Write",
        spends_time_in="memory",
        title="write memory",
        method="One operation stores size bytes to a touched buffer, huge pages advised, by a loop "
        "over vectors or by stores past the caches.",
        least_effort="usual",
        source=_LMBENCH,
        params={"variant": _variants("loop", "nontemporal"), "alignment": _ALIGNMENT},
        axis=Axis(
            "size",
            _SIZES,
            quick=_QUICK_SIZES,
            rigorous=_RIGOROUS_SIZES,
            kind="bytes",
            walks_caches=True,
        ),
        bytes_per_op="level",
        clock_bound_up_to=_IN_CACHES_OF_THE_CORE,
        promise=_NOTHING,
    ),
    Probe(
        name="memory.read",
        workload="cyext.memory.moves:Read",
        spends_time_in="memory",
        title="read memory",
        method="One operation reads size bytes of a touched buffer, huge pages advised, and sums "
        "them up by a loop over vectors, or looks with the C library's memchr() for a byte that "
        "is not there.",
        least_effort="usual",
        source=_LMBENCH,
        params={"variant": _variants("loop", "libc"), "alignment": _ALIGNMENT},
        axis=Axis(
            "size",
            _SIZES,
            quick=_QUICK_SIZES,
            rigorous=_RIGOROUS_SIZES,
            kind="bytes",
            walks_caches=True,
        ),
        bytes_per_op="level",
        clock_bound_up_to=_IN_CACHES_OF_THE_CORE,
        promise=_NOTHING,
    ),
    Probe(
        name="memory.copy_threads",
        workload="cyext.memory.moves:Copy",
        spends_time_in="memory",
        title="copy memory in many threads",
        method="One operation is a copy of size bytes in each of the threads, between two buffers "
        "of its own, all started at one barrier, and the last to end counts; bandwidth counts "
        "what all copied.",
        least_effort="usual",
        source="STREAM (McCalpin 1995): the bandwidth that all CPUs share",
        params={
            "variant": _variants("libc", "loop", "nontemporal", "rep"),
            "size": Choice((32 * _MIB,), usual=(32 * _MIB,), quick=(32 * _MIB,)),
        },
        axis=Axis(
            "threads",
            _THREADS,
            quick=tuple(t for t in _THREADS if t in (1, _CPUS)),
            rigorous=_MORE_THREADS,
            kind="members",
        ),
        workers="threads",
        slices=8,
        bytes_per_op="size",
        clock_bound_up_to=0,
        promise=_NOTHING,
    ),
    Probe(
        name="memory.latency",
        workload="cyext.memory.moves:Latency",
        spends_time_in="memory",
        title="wait for memory",
        method="One operation is a load whose address the load before it brought, along one random "
        "cycle through all 64-byte lines of size bytes, on huge pages or on small ones.",
        source="lmbench, lat_mem_rd (McVoy and Staelin 1996), in random order (Sattolo 1986), so "
        "that no prefetcher foresees it",
        params={"pages": _PAGES},
        axis=Axis(
            "size",
            # Every doubling, which is what finds the caches: a visit takes 11 ms a MiB chased.
            powers_of_two(4 * _KIB, 64 * _MIB),
            quick=(4 * _KIB, 256 * _KIB, 8 * _MIB, 64 * _MIB),
            rigorous=_CHASED,
            kind="bytes",
            walks_caches=True,
        ),
        clock_bound_up_to=_IN_CACHES_OF_THE_CORE,
        promise=_NOTHING,
        headlines=(Headline("load from 64 MiB", "Memory", level=64 * _MIB),),
    ),
)
