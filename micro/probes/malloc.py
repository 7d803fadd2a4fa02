"""The allocator: sizes, threads against processes, blocks freed elsewhere, a live set churned."""

from micro.probes.declaration import Axis, Headline, Probe, powers_of_four, powers_of_two
from runners.machine.environment import usable_cpus
from runners.model.job import Promise

_CPUS = len(usable_cpus())
_MEMBERS = tuple(sorted({1, 2, _CPUS, 4 * _CPUS}))
_MORE_MEMBERS = tuple(sorted({1, 2, *(_CPUS * k for k in (1, 2, 3, 4))} | {max(1, _CPUS // 2)}))
_QUICK_MEMBERS = tuple(t for t in _MEMBERS if t in (1, _CPUS, 4 * _CPUS))
_PAIRED, _MORE_PAIRED = (
    (1, *(t for t in members if t % 2 == 0)) for members in (_MEMBERS, _MORE_MEMBERS)
)
_MALLOC_TEST = "malloc-test, Linux Scalability Project (Michigan 1999)"
# The heap grows and shrinks now and then, and what is large may be a mapping of its own.
_PROMISE = Promise(
    tolerated=frozenset(
        {"brk", "futex", "madvise", "mmap", "mprotect", "mremap", "munmap", "sched_yield"}
    )
)

PROBES = (
    Probe(
        name="malloc.threads",
        workload="cyext.malloc.allocator:Pair",
        spends_time_in="user space",
        title="malloc and free in many threads",
        method="One operation is malloc() and free() of size bytes; all threads start at one "
        "barrier, thread i on CPU i modulo the CPUs, and the last to end counts.",
        source=_MALLOC_TEST,
        params={"size": 512},
        axis=Axis("threads", _MEMBERS, _QUICK_MEMBERS, _MORE_MEMBERS, kind="members"),
        workers="threads",
        promise=_PROMISE,
    ),
    Probe(
        name="malloc.processes",
        workload="cyext.malloc.allocator:Pair",
        spends_time_in="user space",
        title="malloc and free in many processes",
        method="One operation is malloc() and free() of size bytes; all processes start at one "
        "barrier, process i on CPU i modulo the CPUs, and the last to end counts.",
        source=_MALLOC_TEST + ": does sharing a C library scale as well as separate copies?",
        params={"size": 512},
        axis=Axis("processes", _MEMBERS, _QUICK_MEMBERS, _MORE_MEMBERS, kind="members"),
        workers="processes",
        promise=_PROMISE,
    ),
    Probe(
        name="malloc.size",
        workload="cyext.malloc.allocator:Pair",
        spends_time_in="user space",
        title="malloc and free by size",
        method="One operation is malloc() of size bytes and free() of that block, which nobody "
        "touches.",
        source="malloc-test, Linux Scalability Project (Michigan 1999), over sizes",
        axis=Axis(
            "size",
            (16, 64, 256, 512, 1 << 10, 2 << 10, 4 << 10, 16 << 10, 128 << 10, 1 << 20),
            quick=(16, 512, 16 << 10, 1 << 20),
            # Beside powers of two, will-it-scale's 128 MiB, which any C library maps.
            rigorous=(*powers_of_two(16, 1 << 20), 128 << 20),
            kind="bytes",
        ),
        promise=_PROMISE,
        headlines=(Headline("malloc 512 B", "Memory", level=512),),
    ),
    Probe(
        name="malloc.remote_free",
        workload="cyext.malloc.allocator:RemoteFree",
        spends_time_in="user space",
        title="free what another thread allocated",
        method="One operation is malloc() of size bytes in one thread and free() of that block in "
        "another, to which 64 blocks at a time are handed over; threads are in such pairs, and "
        "a single thread does both.",
        least_effort="usual",
        source="Linux Scalability Project (Michigan 1999), left to do: allocate in one thread and "
        "free in another",
        params={"size": 512},
        axis=Axis("threads", _PAIRED, _PAIRED[:2], _MORE_PAIRED, kind="members"),
        workers="threads",
        promise=_PROMISE,
    ),
    Probe(
        name="malloc.churn",
        workload="cyext.malloc.allocator:Churn",
        spends_time_in="user space",
        title="replace random blocks of a live set",
        method="One operation is free() of a random one of live_blocks blocks and malloc() of "
        "another in its place, of a random size from 16 B to 4 KiB; both are drawn beforehand, "
        "alike in every session.",
        least_effort="usual",
        source="Larson and Krishnan, Memory allocation for long-running server applications "
        "(ISMM 1998)",
        axis=Axis(
            "live_blocks",
            powers_of_four(16, 1 << 16),
            quick=(16, 1024, 1 << 14),
            rigorous=powers_of_two(16, 1 << 20),
            walks_caches=True,
        ),
        clock_bound_up_to=256,
        promise=_PROMISE,
        headlines=(Headline("malloc, live blocks"),),
    ),
)
