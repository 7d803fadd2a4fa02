"""One visit to one job, in a fresh process that `runners.measure.start` began.

The order is what `runners.measure.launch.Order` says; the answer is one JSON object a line, each
written as soon as it is known, so that a crash keeps what was measured:

``{"level", "batch", "cpu", "wanted", "slices", "trace", "clock_ns", "noise", "counts", "modules"}``
    one point; so many clean slices were ``wanted``; ``slices`` holds six integers a slice, as
    `Workload.sample` gives them; ``counts`` what an operation in them cost beside time, by name,
    where the order asks for some; ``modules`` are the compiled ones that took part;
``{"unpinned": reason}``
    the system refused to bind the worker to a CPU: what follows was measured unbound;
``{"limit": {"reached", "reason"}}``
    the system would not grow further;
``{"skipped": reason}``, ``{"failed": reason}``
    instead of numbers; with ``"shortage": true`` what failed is that the system had no more of
    something;
``{"handover_ns", "pair"}``
    what it took in this visit to hand a cache line over between the two CPUs that the probe used,
    both ends polling;
``{"done": true}``
    everything was given back.
"""

import sys
import time

from runners.measure.lean import SLICE_NUMBERS, emit, import_module, pin
from runners.measure.noise import Noise, open_to_read
from runners.measure.workloads import (
    Grower,
    clock_read_ns,
    failure,
    fitting_batch,
    levels_are_members,
    make,
    put_away,
    slow_down,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

    from runners.measure.workloads import Workload

CHUNK_SLICES = 5
#: Batches that a point takes, at least: to calibrate, to warm up, and its slices.
BATCHES = 15


class Gate:
    """Tells clean slices from dirty ones; without a level their sentinels do not count."""

    def __init__(self, order: "dict[str, Any]") -> None:
        ratio, tolerance = order["clean_ratio"] or 0, order["tolerance"]
        self.low = ratio * (1 - tolerance)
        self.high = ratio * (1 + tolerance) or float("inf")
        self.foreign_share, self.foreign_ns = order["foreign_share"], order["foreign_ns"]

    def clean(self, table: "array[int]") -> int:
        """How many slices of a sample are clean, as `runners.measure.sentinel.Slices` has it."""
        low, high = self.low, self.high
        count = 0
        for row in range(0, len(table), SLICE_NUMBERS):
            before = table[row + 2] / (table[row + 1] or 1)
            after = table[row + 4] / (table[row + 3] or 1)
            most_foreign_ns = self.foreign_share * table[row] + self.foreign_ns
            undisturbed = table[row + 5] <= most_foreign_ns
            count += undisturbed and low <= before <= high and low <= after <= high
        return count


def counted(workload: "Workload", names: "list[str]") -> "dict[str, float]":
    """Those of the workload's counts that were asked for; one that the system lacks is left out."""
    found = workload.counts()
    workload.count(False)
    return {name: found[name] for name in names if name in found}


def measure(
    workload: "Workload", order: "dict[str, Any]", batch: int, cpus: "list[int]"
) -> "dict[str, Any]":
    """Sample until enough slices are clean or the time is up; move on from a CPU that is never.

    ``cpus`` starts with the one we run on, and is turned as we move: the next level stays there.
    """
    gate = Gate(order)
    first = workload.run(batch)  # warms up, and tells how long a slice is
    if order["counts"]:
        workload.count(True)
    wanted = max(CHUNK_SLICES, min(order["slices"], order["visit_ns"] // max(first, 1)))
    table: array[int] | None = None
    clean = here = 0
    while clean < wanted and (table is None or len(table) < 3 * wanted * SLICE_NUMBERS):
        chunk = workload.sample(CHUNK_SLICES, batch)
        found = gate.clean(chunk)
        table = chunk if table is None else table + chunk
        clean += found
        here = 0 if found else here + 1
        if here >= 2 and len(cpus) > 1:
            cpus.append(cpus.pop(0))
            pin(cpus[:1])
            workload.moved(cpus)
            workload.run(batch)
            here = 0
    assert table is not None  # at least one chunk was wanted
    point: dict[str, Any] = {"batch": batch, "cpu": cpus[0] if cpus else -1, "wanted": wanted}
    point["slices"] = table.tolist()
    if order["counts"]:
        point["counts"] = counted(workload, order["counts"])
    return point


def trace(
    workload: "Workload", order: "dict[str, Any]", clock_ns: float, op_ns: float
) -> "list[int]":
    """Single operations, where they are far above the cost of the clock; else nothing."""
    operations = min(order["trace"], int(order["trace_ns"] // max(op_ns, 1)), workload.max_batch)
    if operations < 1 or op_ns < order["trace_clocks"] * clock_ns:
        return []
    times: list[int] = workload.trace(operations).tolist()
    return times


def point(
    workload: "Workload",
    order: "dict[str, Any]",
    level: "int | None",
    cpus: "list[int]",
    clock_ns: float,
    noise: Noise,
) -> "dict[str, Any]":
    """One point, at the level that was reached: its slices, and what was asked for beside them."""
    single = order["workers"] == "single"
    batch = order["batch"].get(str(level)) or fitting_batch(workload, order, level, clock_ns)
    noise.since()
    found = measure(workload, order, int(min(batch, workload.max_batch)), cpus if single else [])
    op_ns = min(found["slices"][::SLICE_NUMBERS]) / batch
    traced = single and not order["least_batch"] and not order["long_batch"]
    found["trace"] = trace(workload, order, clock_ns, op_ns) if traced else []
    disturbed = noise.since(workload.cpus_used())
    return found | {"noise": disturbed, "modules": compiled_modules(), "clock_ns": clock_ns}


def compiled_modules() -> "list[str]":
    """Our compiled modules that are loaded: the workload's, and what it is built on."""
    return [
        name
        for name, module in sys.modules.items()
        if name.startswith("cyext.") and str(getattr(module, "__file__", "")).endswith(".so")
    ]


def too_slow(team: "Workload", longest_ns: int) -> "str | None":
    """Why a team is not measured: its batches take too long, however few operations they hold."""
    team.run(1)  # the first one takes longer
    began_ns = time.monotonic_ns()
    team.run(1)
    elapsed_ns = time.monotonic_ns() - began_ns
    if elapsed_ns * BATCHES <= longest_ns:
        return None
    return f"--budget: a batch of one operation in each member takes {elapsed_ns / 1e9:.1f} s"


def work(order: "dict[str, Any]") -> None:
    """Measure every point of the order, a line each."""
    base = import_module("cyext.core.workload")
    cpus = order["cpus"]
    single, by_members = order["workers"] == "single", levels_are_members(order)
    clock_ns = clock_read_ns(base)
    workload: Workload | None = None
    grower = Grower(order["growth_ns"])
    measured = 0  # the last level
    try:
        refused = pin(cpus[:1] if single else cpus)
        if refused:
            emit(unpinned=refused)
            cpus = []
        workload = None if by_members else make(order, None, cpus)
        noise = Noise(order.get("cpu_stats", ()), order["cpus"])
        usage_fd = open_to_read(order.get("cpu_usage") or "")
        for level in order["levels"]:
            limit: Any = None
            if by_members:
                put_away(workload)
                workload = make(order, level, cpus)
            assert workload is not None  # made at the start, or just now
            if level is not None and not by_members:
                before = grower.level
                limit = grower.to(workload, level, base.LimitReached)
                if limit is not None and grower.level == before:
                    emit(limit=limit)
                    break
            if not single and (reason := too_slow(workload, order["growth_ns"])):
                raise base.LimitReached(measured, reason)
            reached = level if limit is None else limit["reached"]
            if order["slowdown"]:
                slow_down(workload, order, reached, base.CHAIN_STEPS)
            workload.watch_cpus(usage_fd)
            emit(level=reached, **point(workload, order, reached, cpus, clock_ns, noise))
            measured = reached
            if limit is not None:
                emit(limit=limit)
                break
    except base.NotSupported as reason:
        emit(skipped=str(reason))
    except base.LimitReached as stop:  # so many members cannot all hold their load, or run in time
        emit(limit={"reached": measured, "reason": stop.reason})
    except Exception as error:
        emit(**failure(error))
    finally:
        put_away(workload)
    tell_hand_over(workload, single)
    emit(done=True)


def tell_hand_over(workload: "Workload | None", single: bool) -> None:
    """Tell what a hand-over takes between the CPUs that a closed workload used, if it used two."""
    cpus = workload.cpus_used() if single and workload is not None else []
    if len(cpus) == 2:
        import_module("runners.measure.survey_worker").emit_hand_over(cpus)
