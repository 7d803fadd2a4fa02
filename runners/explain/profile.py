"""What a profile is, and what each function of it costs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runners.explain.symbols import Symbol
from runners.model.benchmark import Benchmark

#: Standard errors on either side of a 95 % interval.
Z = 1.96
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
    #: Samples of all processes by stack, the outermost function first. Not stored.
    stacks: dict[tuple[Symbol, ...], int] = field(default_factory=dict)

    @property
    def op_ns(self) -> float:
        """Nanoseconds per operation without sampling: the median over processes."""
        return statistics.median(run.plain_op_ns for run in self.runs)

    @property
    def op_error_ns(self) -> float:
        """Standard error of `op_ns`: that of a median, from the spread of the processes."""
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


@dataclass(frozen=True)
class Cost:
    """What a function costs per operation: nanoseconds, its share, and both 95 % intervals."""

    symbol: Symbol
    ns: float
    ci95_ns: tuple[float, float]
    share: float
    ci95_share: tuple[float, float]
    samples: int


def costs(profile: Profile) -> list[Cost]:
    """Every function of a profile, the most expensive first."""
    totals = [run.taken for run in profile.runs]
    symbols = dict.fromkeys(symbol for run in profile.runs for symbol in run.samples)
    found = []
    for symbol in symbols:
        counts = [run.samples.get(symbol, 0) for run in profile.runs]
        found.append(_cost(profile, symbol, counts, totals))
    return sorted(found, key=lambda cost: (-cost.samples, cost.symbol))


def cost_of(profile: Profile, symbol: Symbol) -> Cost:
    """What one function costs; one that was never seen costs nothing, with an upper limit."""
    counts = [run.samples.get(symbol, 0) for run in profile.runs]
    return _cost(profile, symbol, counts, [run.taken for run in profile.runs])


def _cost(profile: Profile, symbol: Symbol, counts: Sequence[int], totals: Sequence[int]) -> Cost:
    low, high = share_interval(counts, totals)
    share = sum(counts) / max(1, sum(totals))
    op_ns, error_ns = profile.op_ns, Z * profile.op_error_ns * share
    ci95_ns = (
        max(0.0, share * op_ns - math.hypot((share - low) * op_ns, error_ns)),
        share * op_ns + math.hypot((high - share) * op_ns, error_ns),
    )
    return Cost(symbol, share * op_ns, ci95_ns, share, (low, high), sum(counts))


def share_interval(counts: Sequence[int], totals: Sequence[int]) -> tuple[float, float]:
    """The 95 % interval of a share, from counts and totals by process.

    Wilson's interval of the binomial distribution, as if there were fewer samples where processes
    differ by more than that distribution explains (Pearson's dispersion).
    """
    k, n = sum(counts), sum(totals)
    if n == 0:
        return 0.0, 1.0
    share = k / n
    dispersion = 1.0
    if len(counts) > 1 and 0 < k < n:
        deviation = sum(
            (count - total * share) ** 2 / (total * share * (1 - share))
            for count, total in zip(counts, totals, strict=True)
            if total
        )
        dispersion = max(1.0, deviation / (len(counts) - 1))
    return wilson(share, n / dispersion)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share that was seen in ``n`` samples."""
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
