"""The machine below the system: what its caches, TLBs and memory allow any system to reach."""

from itertools import combinations

from micro.probes.declaration import Axis, Choice, Headline, Probe, powers_of_two
from runners.machine.environment import usable_cpus
from runners.model.job import Promise

_CPUS = usable_cpus()
_MATRIX_MOST, _USUAL_MOST = 32, 4
_MEMBERS = tuple(sorted({1, 2, len(_CPUS)}))
_PAGES = powers_of_two(16, 1 << 14)
_CHAINS = (1, 2, 4, 8, 16, 32)
_NOTHING = Promise(page_faults=0)
_REFERENCE = "a reference for the machine, not for the system"


def _pairs(most: int) -> tuple[str, ...]:
    """Names of all pairs of at most so many CPUs, spread over those that there are."""
    step = max(1, len(_CPUS) // most)
    return tuple(f"{a}-{b}" for a, b in combinations(_CPUS[::step][:most], 2)) or ("0-1",)


def _added_to(where: str) -> str:
    return (
        "One operation, in each of the threads, thread i on CPU i modulo the CPUs, adds 1 to a "
        f"counter {where}; nothing else is timed, and the last thread to end counts; it is "
        f"{_REFERENCE}."
    )


PROBES = (
    Probe(
        name="hardware.core_to_core",
        workload="cyext.hardware.lines:CoreToCore",
        title="machine: pass a cache line from one CPU to another",
        method="One operation is a thread's write to a cache line, once it has seen the write of "
        "a thread on the other CPU there, one way; both spin and never sleep; it is "
        f"{_REFERENCE}.",
        source="the cost of communication between cores; libMicro cachetocache",
        params={"cpus": Choice(_pairs(_MATRIX_MOST), _pairs(_USUAL_MOST), _pairs(_USUAL_MOST)[:1])},
        workers="threads",
        members=2,
        clock_bound_up_to=0,
        promise=_NOTHING,
        headlines=(Headline("to another core", "Memory"),),
    ),
    Probe(
        name="hardware.false_sharing",
        workload="cyext.hardware.lines:Add",
        title="machine: add to counters of one's own in shared cache lines",
        method=_added_to(
            "of its own by a load and a store; eight threads' counters lie in one cache line, or "
            "each in a line of its own"
        ),
        source="false sharing: Torrellas, Lam and Hennessy (1990)",
        params={
            "how": "plain",
            "where": Choice(
                ("one_line", "own_line"), usual=("one_line", "own_line"), quick=("one_line",)
            ),
        },
        axis=Axis("threads", _MEMBERS, quick=(1, *_MEMBERS[-1:]), kind="members"),
        workers="threads",
        clock_bound_up_to=0,
        promise=_NOTHING,
        least_effort="usual",
    ),
    Probe(
        name="hardware.atomic_add",
        workload="cyext.hardware.lines:Add",
        title="machine: add atomically to one counter of all",
        method=_added_to("that all share, by one atomic instruction"),
        source="libMicro atomic; the floor of every shared counter and lock",
        params={"how": "atomic", "where": "one_word"},
        axis=Axis("threads", _MEMBERS, quick=(1, *_MEMBERS[-1:]), kind="members"),
        workers="threads",
        clock_bound_up_to=0,
        promise=_NOTHING,
        least_effort="usual",
    ),
    Probe(
        name="hardware.tlb",
        workload="cyext.hardware.loads:TlbReach",
        title="machine: wait for memory in many pages",
        method="One operation is a load whose address the load before it brought, along one random "
        "cycle through touched_pages stretches of 4 KiB, a line of 64 bytes in each, which are "
        "pages of their own or lie in huge pages: the difference is the TLB's; it is "
        f"{_REFERENCE}.",
        source="lmbench tlb (McVoy and Staelin 1996)",
        params={"pages": Choice(("4k", "huge"), usual=("4k", "huge"), quick=("4k",))},
        axis=Axis("touched_pages", _PAGES[::2], quick=(16, 16384), rigorous=_PAGES),
        clock_bound_up_to=0,
        promise=_NOTHING,
        least_effort="usual",
        also_known_as=("tlb",),
    ),
    Probe(
        name="hardware.memory_parallelism",
        workload="cyext.hardware.loads:Parallelism",
        title="machine: loads from memory that need not wait for each other",
        method="One operation is a load from size bytes on huge pages, whose address the load "
        "before it in its chain brought; the loads of different chains need not wait for each "
        f"other; it is {_REFERENCE}.",
        source="lmbench par_mem (Staelin 2005)",
        params={"size": Choice((1 << 28,), usual=(1 << 28,), quick=(1 << 28,))},
        axis=Axis("chains", _CHAINS, quick=(1, 16), rigorous=powers_of_two(1, 64)),
        clock_bound_up_to=0,
        promise=_NOTHING,
        least_effort="usual",
        also_known_as=("par_mem",),
    ),
)
