"""Where an operation's nanoseconds go: samples by function, from several processes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from runners.model.benchmark import Benchmark


class Symbol(NamedTuple):
    """A function; ``where`` is "kernel", a kernel module in brackets, or the name of a file."""

    name: str
    where: str

    @property
    def label(self) -> str:
        """The function as it is printed: the built-in kernel needs no mention."""
        return self.name if self.where == "kernel" else f"{self.name} ({self.where})"


#: Time in which the probe did not run, where only its own tasks may be sampled.
NOT_RUNNING = Symbol("[not running: asleep or waiting for the CPU]", "kernel")
#: What a stored profile does not name one by one.
REST = Symbol("[all other functions]", "kernel")


@dataclass(frozen=True)
class Run:
    """What one process told of one level. Times in nanoseconds.

    Those per operation are without the share of the CPU that other tasks took.
    """

    plain_op_ns: float
    sampled_op_ns: float
    measured_ns: int
    cpus: int
    #: Samples by function, of the probe's own tasks and of the idle task.
    samples: Mapping[Symbol, int]
    #: Samples of tasks that are not of the probe.
    others: int = 0
    lost: int = 0
    everybody: bool = True

    @property
    def taken(self) -> int:
        """The samples that shares are shares of."""
        return sum(self.samples.values())


@dataclass
class Profile:
    """Where one benchmark's nanoseconds go, from several processes."""

    benchmark: Benchmark
    period_ns: int
    runs: list[Run] = field(default_factory=list)
    #: Samples of all processes by stack, the outermost function first.
    stacks: dict[tuple[Symbol, ...], int] = field(default_factory=dict)
    #: The figure that it explains, where there is one: its value and the ends of its interval.
    figure_ns: tuple[float, float, float] | None = None

    @property
    def symbols(self) -> list[Symbol]:
        """Every function that was seen, `REST` among them where some are not named."""
        return list(dict.fromkeys(symbol for run in self.runs for symbol in run.samples))

    @property
    def named(self) -> list[Symbol]:
        """Every function that is named."""
        return [symbol for symbol in self.symbols if symbol not in (REST, NOT_RUNNING)]

    @property
    def op_ns(self) -> float:
        """Nanoseconds per operation without sampling: the figure, or the median over processes."""
        if self.figure_ns is not None:
            return self.figure_ns[0]
        return statistics.median(run.plain_op_ns for run in self.runs)

    @property
    def op_error_ns(self) -> float:
        """Standard error of `op_ns`: of a median, from the spread of the processes."""
        if self.figure_ns is not None:
            return (self.figure_ns[2] - self.figure_ns[1]) / 3.92
        values = [run.plain_op_ns for run in self.runs]
        if len(values) < 2:
            return 0.0
        return 1.2533 * statistics.stdev(values) / math.sqrt(len(values))

    @property
    def slowdown(self) -> float:
        """How much longer a sampled operation takes, as a factor: the median over processes."""
        return statistics.median(run.sampled_op_ns / run.plain_op_ns for run in self.runs)

    @property
    def covered(self) -> float:
        """Samples times period over the measured time: 1 where every sample came.

        With `Run.everybody` false, time in which the probe did not run is counted as sampled.
        """
        measured_ns = sum(run.measured_ns * run.cpus for run in self.runs)
        taken = sum(run.taken + run.others for run in self.runs)
        return taken * self.period_ns / measured_ns if measured_ns else 0.0

    @property
    def lost(self) -> int:
        """Samples for which there was no room."""
        return sum(run.lost for run in self.runs)

    @property
    def others(self) -> float:
        """The share of samples that other tasks of the system took."""
        others = sum(run.others for run in self.runs)
        return others / max(1, others + sum(run.taken for run in self.runs))

    def below(self) -> Mapping[Symbol, float]:
        """The nanoseconds per operation of each function together with what it calls."""
        found: dict[Symbol, int] = {}
        for stack, count in self.stacks.items():
            for symbol in set(stack):
                found[symbol] = found.get(symbol, 0) + count
        total = max(1, sum(self.stacks.values()))
        return {symbol: count / total * self.op_ns for symbol, count in found.items()}

    def callers(self, symbol: Symbol) -> Mapping[Symbol, float]:
        """Who called a function, as shares of its samples, the most frequent first."""
        found: dict[Symbol, int] = {}
        for stack, count in self.stacks.items():
            if stack and stack[-1] == symbol and len(stack) > 1:
                found[stack[-2]] = found.get(stack[-2], 0) + count
        total = sum(found.values())
        ranked = sorted(found.items(), key=lambda item: -item[1])
        return {caller: count / total for caller, count in ranked}
