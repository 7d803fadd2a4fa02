"""The machine below the system: what its caches, TLBs and memory allow any system to reach."""

from itertools import combinations

from cyext.core.page_sizes import HUGE_PAGES, SMALL_PAGES
from micro.probes.declaration import Axis, Choice, Headline, Probe, powers_of_two
from runners.machine.environment import usable_cpus
from runners.model.job import Promise

_CPUS = usable_cpus()
_MATRIX_MOST, _USUAL_MOST = 32, 4
_MEMBERS = tuple(sorted({1, 2, len(_CPUS)}))
_PAGES = powers_of_two(16, 1 << 14)
_BOTH = (SMALL_PAGES, HUGE_PAGES)
_CHAINS = (1, 2, 4, 8, 16, 32)
_NOTHING = Promise(page_faults=0)
_REFERENCE = "a reference for the machine, not for the system"


def _pairs(most: int) -> tuple[str, ...]:
    """Names of all pairs of at most so many CPUs, spread over those that there are."""
    step = max(1, len(_CPUS) // most)
    return tuple(f"{a}-{b}" for a, b in combinations(_CPUS[::step][:most], 2)) or ("0-1",)


def _added_to(where: str) -> str:
    return (
        f"One operation, in each of the threads, adds 1 to a counter {where}; nothing else is "
        "timed; thread i runs on CPU i modulo the number of CPUs, and the batch ends when the last "
        f"thread ends; the figure is {_REFERENCE}."
    )


PROBES = (
    Probe(
        name="hardware.core_to_core",
        workload="cyext.hardware.lines:CoreToCore",
        title="machine: pass a cache line from one CPU to another",
        method="One operation is a thread's write to a cache line after it has seen the last "
        "write to the line by a thread on the other CPU, which is one way and not a round trip; "
        f"both threads spin and never sleep; the figure is {_REFERENCE}.",
        source="the cost of communication between cores; libMicro cachetocache",
        params={"cpus": Choice(_pairs(_MATRIX_MOST), _pairs(_USUAL_MOST), _pairs(_USUAL_MOST)[:1])},
        pairs="cpus",
        workers="threads",
        members=2,
        clock_bound_up_to=0,
        promise=_NOTHING,
        headlines=(Headline("to another core", "Memory"),),
    ),
    Probe(
        name="hardware.false_sharing",
        workload="cyext.hardware.lines:Add",
        title="machine: add to private counters in shared cache lines",
        method=_added_to(
            "of the thread's own, by a load and a store; the counters of eight threads lie in one "
            "cache line, or each counter lies in a line of its own"
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
        title="machine: add atomically to one shared counter",
        method=_added_to("that all threads share, by one atomic instruction"),
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
        spends_time_in="memory",
        title="machine: dependent loads from many pages",
        method="One operation is a load whose address comes from the load before it, along one "
        "random cycle through touched_pages stretches as long as a small page, with one line of "
        "64 bytes in each; the stretches are pages of their own or lie in huge pages, and the "
        f"difference between the two is the cost of the TLB; the figure is {_REFERENCE}.",
        source="lmbench tlb (McVoy and Staelin 1996)",
        params={"pages": Choice(_BOTH, usual=_BOTH, quick=(SMALL_PAGES,))},
        axis=Axis(
            "touched_pages",
            (16, 256, 1024, 4096),
            quick=(16, 4096),
            rigorous=_PAGES,
            walks_caches=True,
        ),
        clock_bound_up_to=0,
        promise=_NOTHING,
        least_effort="usual",
    ),
    Probe(
        name="hardware.memory_parallelism",
        workload="cyext.hardware.loads:Parallelism",
        spends_time_in="memory",
        title="machine: independent loads from memory in parallel",
        method="One operation is a load from size bytes on huge pages; its address comes from "
        "the load before it in the same chain, and loads of different chains need not wait for "
        f"each other; the figure is {_REFERENCE}.",
        source="lmbench par_mem (Staelin 2005)",
        params={"size": Choice((1 << 27,), usual=(1 << 27,), quick=(1 << 27,))},
        axis=Axis("chains", _CHAINS, quick=(1, 16), rigorous=powers_of_two(1, 64)),
        clock_bound_up_to=0,
        promise=_NOTHING,
        least_effort="usual",
    ),
)
