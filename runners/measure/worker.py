"""One visit to one job, in a fresh process that `runners.measure.start` began.

The order is what `runners.measure.launch.Order` says; the answer is one JSON object a line, each
written as soon as it is known, so that a crash keeps what was measured:

``{"level", "batch", "cpu", "slices", "trace", "clock_ns", "noise", "counts", "modules"}``
    one point; ``slices`` holds six integers a slice, as `Workload.sample` gives them; ``counts``
    what an operation in them cost beside time, by name, where the order asks for some; ``modules``
    are the compiled ones that took part;
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

import errno
import sys
import time

from runners.measure.lean import SLICE_NUMBERS, emit, import_module, pin
from runners.measure.noise import Noise, open_to_read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping
    from typing import Any, Protocol

    class Workload(Protocol):
        """What a worker asks of a `cyext.core.workload.Workload`, and of a team of them."""

        @property
        def max_batch(self) -> int:
            """The most operations that a batch may hold at this level."""

        def grow(self, level: int) -> None:
            """Bring the live resources to this level."""

        def run(self, n: int) -> int:
            """The nanoseconds of one batch."""

        def sample(self, slices: int, n: int) -> "array[int]":
            """Six integers a slice."""

        def trace(self, n: int) -> "array[int]":
            """The nanoseconds of single operations."""

        def slow_down(self, steps: float) -> None:
            """Let every operation take so many steps of the sentinel's chain longer."""

        def moved(self, cpus: "list[int]") -> None:
            """The worker runs on the first of these CPUs now."""

        def cpus_used(self) -> "list[int]":
            """The CPUs that its slices use."""

        def watch_cpus(self, usage_fd: int) -> None:
            """From now on each slice tells what others used of its CPUs; with -1, no longer."""

        def count(self, counting: bool) -> None:
            """Start counting, in slices only."""

        def counts(self) -> "Mapping[str, float]":
            """What an operation cost in other coin than time since then, by name."""

        def close(self) -> None:
            """Give everything back."""


CHUNK_SLICES = 5
CALIBRATION_RUNS = 3
#: A team's batch holds so many operations of each member, where that takes up to so many slices.
TEAM_OPERATIONS, LONG_SLICES = 100, 10
SPIN_SLICE_NS, SPIN_SLICES = 300_000, 60
#: Batches that a point takes, at least: to calibrate, to warm up, and its slices.
BATCHES = 15
#: A slice is worth so many clock reads, that the clock may not show in the figure.
SLICE_CLOCKS = 200
#: A step that took less tells nothing about how long the next one will take.
GROWTH_TELLS_NS = 100_000_000
SHORTAGES = frozenset(
    (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC)
)


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


def calibrate(workload: "Workload", slice_ns: int, least: int = 1, under_load: int = 1) -> int:
    """Operations that fill one slice: 1 where a single one takes longer.

    Where that would be fewer than ``least``, a slice may be ten times as long: a team's start must
    not weigh. It is as long as ``under_load`` operations take, however long: with fewer, a part of
    the load would be idle.
    """
    n = int(min(under_load, workload.max_batch))
    while True:
        elapsed_ns = max(1, min(workload.run(n) for _ in range(CALIBRATION_RUNS)))
        wanted_ns = slice_ns if n >= least else LONG_SLICES * slice_ns
        if elapsed_ns * 2 >= wanted_ns or n >= workload.max_batch:
            fitting = max(n * slice_ns, min(n * LONG_SLICES * slice_ns, least * elapsed_ns))
            return int(min(max(fitting // elapsed_ns, under_load), workload.max_batch))
        n = int(min(n * min(10, max(2, wanted_ns // elapsed_ns)), workload.max_batch))


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
    point = {"batch": batch, "cpu": cpus[0] if cpus else -1, "slices": table.tolist()}
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
    slice_ns = int(max(order["slice_ns"], SLICE_CLOCKS * clock_ns))
    batch = order["batch"].get(str(level)) or calibrate(
        workload, slice_ns, 1 if single else TEAM_OPERATIONS, operations_under_load(order, level)
    )
    noise.since()
    found = measure(workload, order, int(min(batch, workload.max_batch)), cpus if single else [])
    op_ns = min(found["slices"][::SLICE_NUMBERS]) / batch
    traced = single and not order["least_batch"]
    found["trace"] = trace(workload, order, clock_ns, op_ns) if traced else []
    return found | {"noise": noise.since(), "modules": compiled_modules(), "clock_ns": clock_ns}


def operations_under_load(order: "dict[str, Any]", level: "int | None") -> int:
    """The fewest operations of which each unit of the level has its share."""
    return int(max(1, order["least_batch"] * (level or 1)))


def compiled_modules() -> "list[str]":
    """Our compiled modules that are loaded: the workload's, and what it is built on."""
    return [
        name
        for name, module in sys.modules.items()
        if name.startswith("cyext.") and str(getattr(module, "__file__", "")).endswith(".so")
    ]


def round_down(level: int) -> int:
    """A level to three digits, so that the last point of a curve is the same in every session."""
    step: int = 10 ** max(0, len(str(level)) - 3)
    return level // step * step


def slow_down(workload: "Workload", share: float, chain_steps: int) -> None:
    """Let every operation take this share longer: spin for as many steps as that time holds."""
    workload.slow_down(0.0)
    batch = calibrate(workload, SPIN_SLICE_NS)
    table = workload.sample(SPIN_SLICES, batch)
    op_ns = min(table[::SLICE_NUMBERS]) / batch
    step_ns = min(table[1::SLICE_NUMBERS]) / chain_steps
    workload.slow_down(share * op_ns / step_ns)


class Grower:
    """Brings a workload from level to level, as far as the system lets it and time allows."""

    def __init__(self, longest_ns: int) -> None:
        self.longest_ns = longest_ns
        self.level = 0
        self.steps: list[tuple[int, int]] = []  # units grown by, and their nanoseconds

    def to(self, workload: "Workload", level: int, refusal: "type[Any]") -> "dict[str, Any] | None":
        """Grow to ``level``, or as far as the returned limit lets it, where that is worth a point.

        ``refusal`` is what the workload raises where the system will not grow.
        """
        next_ns = self.expected_ns(level - self.level)
        if next_ns > self.longest_ns:
            reason = f"--budget: growing to {level} would take {next_ns / 1e9:.0f} s"
            return {"reached": self.level, "reason": reason}
        limit = None
        started = time.monotonic_ns()
        while True:
            try:
                workload.grow(level)
                break
            except refusal as stop:
                # The limit may have moved since the last attempt: each goes lower. Rounding must
                # not deny the level before, which was measured.
                level = max(round_down(min(stop.reached, level - 1)), self.level)
                limit = {"reached": level, "reason": stop.reason}
                if level < max(1, 1.05 * self.level):
                    return limit
        self.steps.append((level - self.level, time.monotonic_ns() - started))
        self.level = level
        return limit

    def expected_ns(self, units: int) -> float:
        """How long growing by so many will take: a line through the first and the last step."""
        if len(self.steps) < 2 or self.steps[-1][1] < GROWTH_TELLS_NS:
            return 0.0
        (first, first_ns), (last, last_ns) = self.steps[0], self.steps[-1]
        each_ns = max(0, last_ns - first_ns) / max(1, last - first)
        return last_ns + each_ns * (units - last)


def levels_are_members(order: "dict[str, Any]") -> bool:
    """Whether each level takes a team of its own; else one workload or team grows through all."""
    return bool(order["workers"] != "single" and order["axis_kind"] == "members")


def make(order: "dict[str, Any]", level: "int | None", cpus: "list[int]") -> "Workload":
    """The workload of the order, or the team of workloads, each with its load, if there is one."""
    import_module("cyext.core.workload").run_on(cpus)
    module, _, name = order["workload"].partition(":")
    workload_class = getattr(import_module(module), name)
    if order["workers"] == "single":
        alone: Workload = workload_class(**order["params"])
        return alone
    members = level if levels_are_members(order) and level is not None else order["members"]
    team = import_module("cyext.core.team")
    workloads: list[Workload] = []
    try:
        for _ in range(members):
            workloads.append(workload_class(**order["params"]))
            if order["load"] is not None:
                workloads[-1].grow(order["load"])
        together: Workload = team.Team(workloads, order["workers"], cpus, order["growth_ns"])
    except BaseException as error:
        for workload in workloads:
            workload.close()
        if members > 1 and isinstance(error, OSError) and error.errno in SHORTAGES:
            raise team.LimitReached(len(workloads), reason_of(error)) from None
        raise
    return together


def too_slow(team: "Workload", longest_ns: int) -> "str | None":
    """Why a team is not measured: its batches take too long, however few operations they hold."""
    team.run(1)  # the first one takes longer
    began_ns = time.monotonic_ns()
    team.run(1)
    elapsed_ns = time.monotonic_ns() - began_ns
    if elapsed_ns * BATCHES <= longest_ns:
        return None
    return f"--budget: a batch of one operation in each member takes {elapsed_ns / 1e9:.1f} s"


def reason_of(error: Exception) -> str:
    """What failed, in words that name no place of this machine's file system."""
    if isinstance(error, MemoryError):
        return str(error) or "out of memory"
    if not isinstance(error, OSError):
        return f"error in the probe's code: {error}"
    text = error.strerror or str(error)
    if error.filename is None:
        return text
    return f"{text} (a file or directory that the probe needs)"


def failure(error: Exception) -> "dict[str, Any]":
    """The answer's line, with whether the system refused because it had no more of something."""
    short = isinstance(error, MemoryError) or getattr(error, "errno", None) in SHORTAGES
    return {"failed": reason_of(error), **({"shortage": True} if short else {})}


def work(order: "dict[str, Any]") -> None:
    """Measure every point of the order, a line each."""
    base = import_module("cyext.core.workload")
    cpus = order["cpus"]
    single, by_members = order["workers"] == "single", levels_are_members(order)
    clock_ns = base.clock_cost()
    workload: Workload | None = None
    grower = Grower(order["growth_ns"])
    measured = 0  # the last level
    try:
        refused = pin(cpus[:1] if single else cpus)
        if refused:
            emit(unpinned=refused)
            cpus = []
        workload = None if by_members else make(order, None, cpus)
        noise = Noise(order.get("cpu_stats", ()))
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
                slow_down(workload, order["slowdown"], base.CHAIN_STEPS)
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


def put_away(workload: "Workload | None") -> None:
    """Close a workload, if there is one; say so where it could not give everything back."""
    try:
        if workload is not None:
            workload.close()
    except Exception as error:
        emit(failed=f"giving back what it held: {reason_of(error)}")


def tell_hand_over(workload: "Workload | None", single: bool) -> None:
    """Tell what a hand-over takes between the CPUs that a closed workload used, if it used two."""
    cpus = workload.cpus_used() if single and workload is not None else []
    if len(cpus) == 2:
        import_module("runners.measure.survey_worker").emit_hand_over(cpus)
