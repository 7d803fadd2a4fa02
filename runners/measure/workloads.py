"""The workload or the team of an order: made, grown, calibrated, slowed on purpose and put away."""

import errno
import time

from runners.measure.lean import SLICE_NUMBERS, emit, import_module

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


CALIBRATION_RUNS = 3
#: A team's batch holds so many operations of each member, where that takes up to so many slices:
#: until all of them are awake, and after the first has ended, some 25 us pass without contention.
#: So does that of a stream of messages, which begins and ends with a switch to the peer.
LONG_OPERATIONS, LONG_SLICES = 1000, 10
#: A slice is worth so many clock reads, that the clock may not show in the figure.
SLICE_CLOCKS = 200
CLOCK_LOOKS, CLOCK_READS = 5, 400
SPIN_SLICE_NS, SPIN_SLICES = 300_000, 60
#: A step that took less tells nothing about how long the next one will take.
GROWTH_TELLS_NS = 100_000_000
#: What calls fail with where the system has no more of something, or grants no more.
SHORTAGES = frozenset(
    (
        errno.EAGAIN,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.ENOSPC,
    )
)


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
    near = import_module("cyext.core.placement").Near
    workloads: list[Workload] = []
    try:
        for i in range(members):
            with near(cpus[i % len(cpus)] if cpus else None):
                workloads.append(workload_class(**order["params"]))
                if order["load"] is not None:
                    workloads[-1].grow(order["load"])
        together: Workload = team.Team(workloads, order["workers"], cpus, order["growth_ns"])
    except BaseException as error:
        for workload in workloads:
            workload.close()
        if members > 1 and isinstance(error, OSError) and is_shortage(error):
            raise team.LimitReached(len(workloads), reason_of(error)) from None
        raise
    return together


def round_down(level: int) -> int:
    """A level to three digits, so that the last point of a curve is the same in every session."""
    step: int = 10 ** max(0, len(str(level)) - 3)
    return level // step * step


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
            except (OSError, MemoryError) as error:
                # The workload does not know how to stop here; the level before was measured.
                if self.level == 0 or not is_shortage(error):
                    raise
                reason = getattr(error, "reason", reason_of(error))  # without its operations
                return {"reached": self.level, "reason": reason}
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


def clock_read_ns(base: "Any") -> float:
    """Nanoseconds of one read of the clock: the least of a few looks, as one may be disturbed."""
    return min(float(base.clock_cost(CLOCK_READS)) for _ in range(CLOCK_LOOKS))


def fitting_batch(
    workload: "Workload", order: "dict[str, Any]", level: "int | None", clock_ns: float
) -> int:
    """Operations of a batch at the level of the order that the workload has reached."""
    slice_ns = int(max(order["slice_ns"], SLICE_CLOCKS * clock_ns))
    short = order["workers"] == "single" and not order["long_batch"]
    least = 1 if short else LONG_OPERATIONS
    return calibrate(workload, slice_ns, least, operations_under_load(order, level))


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


def operations_under_load(order: "dict[str, Any]", level: "int | None") -> int:
    """The fewest operations of which each unit of the level has its share."""
    return int(max(1, order["least_batch"] * (level or 1)))


def slow_down(
    workload: "Workload", order: "dict[str, Any]", level: "int | None", chain_steps: int
) -> None:
    """Let every operation take a share longer: spin for as many steps as that time holds."""
    workload.slow_down(0.0)
    under_load = operations_under_load(order, level)
    batch = calibrate(workload, SPIN_SLICE_NS, under_load=under_load)
    table = workload.sample(SPIN_SLICES, batch)
    op_ns = min(table[::SLICE_NUMBERS]) / batch
    step_ns = min(table[1::SLICE_NUMBERS]) / chain_steps
    workload.slow_down(order["slowdown"] * op_ns / step_ns)


def put_away(workload: "Workload | None") -> None:
    """Close a workload, if there is one; say so where it could not give everything back."""
    try:
        if workload is not None:
            workload.close()
    except Exception as error:
        emit(failed=f"giving back what it held: {reason_of(error)}")


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


def is_shortage(error: Exception) -> bool:
    """Whether the system refused because it had no more of something."""
    return isinstance(error, MemoryError) or getattr(error, "errno", None) in SHORTAGES


def failure(error: Exception) -> "dict[str, Any]":
    """The answer's line, with whether the system had no more of something."""
    return {"failed": reason_of(error), **({"shortage": True} if is_shortage(error) else {})}
