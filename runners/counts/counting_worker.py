"""Count what operations cost beside time, job by job, in a process that `measure.start` began.

The order has ``jobs``, each an order of `runners.measure.launch.Order` for one level, with
``left_out``: the numbers of system calls that do not count; and ``what`` is counted, of which
``names``. The answer has a line a job, written as soon as it is known:

``{"system_calls": number}``
    for "calls": of an operation of one member, as a tracer sees them;
``{"events": [{name: number}, ...]}``
    for "events", those of `cyext.core.counters.EVENTS`: of an operation, in each of several pairs
    of batches;
``{"weights": [{name: number}, ...]}``
    for "weights": what the workload finds by having many of what it makes, several times;
``{"none": reason}``
    none of these.

What is done once in a batch cancels: calls and events are those of a batch of 2n less those of one
of n operations.
"""

from runners.measure.lean import emit, import_module, pin
from runners.measure.workloads import (
    calibrate,
    levels_are_members,
    make,
    operations_under_load,
    put_away,
    reason_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runners.measure.workloads import Workload

#: Operations of the smaller batch under the tracer.
OPERATIONS = 4
#: Pairs of batches to count events in, and how long a batch of n is.
PAIRS, BATCH_NS = 3, 500_000
WEIGHINGS = 3


def made(job: "dict[str, Any]") -> "Workload":
    """The workload or the team of a job, at its level."""
    (level,) = job["levels"]
    pin(job["cpus"][:1] if job["workers"] == "single" else job["cpus"])
    workload = make(job, level, job["cpus"])
    try:
        if level is not None and not levels_are_members(job):
            workload.grow(level)
    except BaseException:
        workload.close()
        raise
    return workload


def system_calls(workload: "Workload", job: "dict[str, Any]") -> "dict[str, Any]":
    """Those of an operation, as the tracer counts them; a batch before finds what caches hold."""
    counters = import_module("cyext.core.counters")

    def counted() -> int:
        left_out = sum(counters.calls_counted(number) for number in job["left_out"])
        return int(counters.calls_counted() - left_out)

    n = int(min(OPERATIONS, workload.max_batch // 2))
    if n < 1:
        return {"none": "a batch holds a single operation here"}
    seen = []
    for batch in (n, n, 2 * n):
        before = counted()
        workload.run(batch)
        seen.append(counted() - before)
    return {"system_calls": (seen[2] - seen[1]) / n / job["members"]}


def events(workload: "Workload", job: "dict[str, Any]", counters: "Any") -> "dict[str, Any]":
    """Those of an operation, in each pair of batches."""
    under_load = operations_under_load(job, job["levels"][0])
    n = int(min(calibrate(workload, BATCH_NS, under_load=under_load), workload.max_batch // 2))
    if n < 1:
        return {"none": "a batch holds a single operation here"}
    found = []
    for _ in range(PAIRS):
        seen = [counters.read()]
        for batch in (n, 2 * n):
            workload.run(batch)
            seen.append(counters.read())
        found.append(
            {
                name: max(0.0, (twice - once) / n)
                for name in seen[0]
                if (once := between(seen[0][name], seen[1][name])) is not None
                and (twice := between(seen[1][name], seen[2][name])) is not None
            }
        )
    return {"events": found}


def between(before: "tuple[int, int, int]", after: "tuple[int, int, int]") -> "float | None":
    """What was counted between two readings, as if all the time; None if never.

    Where there are more events than counters, the system takes each a part of the time.
    """
    value, wanted_ns, taken_ns = (late - early for early, late in zip(before, after, strict=True))
    if taken_ns == 0:
        return None
    return value * wanted_ns / taken_ns


def weights(workload: "Workload", names: "list[str]") -> "dict[str, Any]":
    """Those of these names that the system tells, time after time."""
    found = [workload.counts() for _ in range(WEIGHINGS)]
    return {"weights": [{name: each[name] for name in names if name in each} for each in found]}


def count(job: "dict[str, Any]", what: str, names: "list[str]") -> "dict[str, Any]":
    """What the answer's line says of one job."""
    workload: Workload | None = None
    counters = None
    try:
        if what == "events":  # before the workload is made: what it starts is counted, too
            counters = import_module("cyext.core.counters").EventCounters(names)
        workload = made(job)
        if what == "weights":
            return weights(workload, names)
        return system_calls(workload, job) if counters is None else events(workload, job, counters)
    except Exception as error:
        return {"none": reason_of(error)}
    finally:
        put_away(workload)
        if counters is not None:
            counters.close()


def work(order: "dict[str, Any]") -> None:
    """Carry out an order."""
    import_module("cyext.core.workload").mark_loops()
    import_module("cyext.core.team")
    for job in order["jobs"]:
        emit(**count(job, order["what"], order["names"]))
    emit(done=True)
