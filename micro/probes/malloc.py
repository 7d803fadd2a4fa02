"""The allocator: does it scale with threads?"""

from micro.probe import Axis, Probe
from runners.environment import usable_cpus

_CPUS = len(usable_cpus())
_THREADS = tuple(sorted({1, 2, *(_CPUS * k for k in (1, 2, 3, 4))} | {max(1, _CPUS // 2)}))

PROBES = (
    Probe(
        name="malloc.threads",
        kernel="cyext.malloc:Pair",
        title="malloc and free in many threads",
        method="One operation is malloc() and free() of size bytes; all threads start at one "
        "barrier, thread i on CPU i modulo the CPUs, and the last to end counts.",
        source="malloc-test, Linux Scalability Project (Michigan 1999)",
        params={"size": 512},
        axis=Axis(
            "threads", _THREADS, quick=tuple(t for t in _THREADS if t in (1, _CPUS, 4 * _CPUS))
        ),
        workers="threads",
    ),
)
