"""What a session is: visits, results, curves. The one shape that is stored and reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from runners.model.benchmark import AxisKind, Benchmark, Scalar
from runners.model.count import CountEstimate
from runners.model.profile import Profile

#: The setting that says when a session began, in UTC: ``2026-11-29T17:14:48Z``.
BEGAN = "began"
#: The setting that says by how much jobs were slowed on purpose: such a session is no baseline.
SLOWED = "slowed_down"
#: The setting that says, in words, what earlier sessions remembered and this one did not bear out:
#: the gate does not judge such a session.
MEMORY_REFUTED = "memory_refuted"
#: The setting that says, in words, where a session was stopped before its end: nothing is concluded
#: from what it lacks.
CUT_SHORT = "cut_short"
#: The setting that says, in words, what a polled hand-over between CPUs took in the survey.
HAND_OVERS = "hand_overs"
Status = Literal["ok", "unstable", "skipped", "failed"]


@dataclass(frozen=True)
class Visit:
    """One round's value of one point, with what it would have been by plainer ways. Seconds."""

    round: int
    #: Median of the clean slices, at the best clock where the probe is clock-bound.
    value_s: float
    plain_s: float
    minimum_s: float
    gated_s: float
    scaled_s: float
    clean: int
    slices: int
    cpu: int
    chain_ns: float
    #: Why this visit does not count, or None: too few clean slices, or a disturbance that the
    #: kernel told of.
    doubt: str | None = None
    #: What a polled hand-over between the two CPUs of the probe took beside it; None for one CPU.
    handover_s: float | None = None
    #: The fastest slice of those that make up the value, at the same clock; not stored.
    lowest_s: float | None = None


#: Undisturbed visits that a figure rests on alone.
LEAST_COUNTED = 3


def counted(visits: Sequence[Visit]) -> Sequence[Visit]:
    """The visits that a figure rests on: the undisturbed ones, where they are enough.

    Else those with a clean slice, or all where none has one.
    """
    good = [visit for visit in visits if visit.doubt is None]
    return good if len(good) >= LEAST_COUNTED else [v for v in visits if v.clean] or visits


@dataclass
class Result:
    """One point: a probe with parameters, at one level of its axis or without one."""

    name: str
    params: Mapping[str, Scalar]
    axis: str | None
    x: int | None
    status: Status
    reason: str | None = None
    value_s: float | None = None
    ci95_s: tuple[float, float] | None = None
    minimum_s: float | None = None
    percentiles_s: Mapping[str, float] | None = None
    bytes_per_op: int | None = None
    batch: int = 0
    #: What an operation costs beside time.
    counts: tuple[CountEstimate, ...] = ()
    #: Hash of micro's compiled code that was measured; None where it is not known.
    code: str | None = None
    visits: list[Visit] = field(default_factory=list)
    axis_kind: AxisKind = "load"
    #: How many visits count, where they were left in their file.
    counted: int | None = None

    @property
    def benchmark(self) -> Benchmark:
        """What it is a figure of."""
        return Benchmark.of(self.name, self.params, self.axis, self.x, self.axis_kind)

    @property
    def rounds(self) -> int:
        """Rounds that count."""
        if self.counted is not None:
            return self.counted
        return sum(visit.doubt is None for visit in self.visits)


@dataclass
class Curve:
    """How far a probe's axis went and what ended it; its points are results."""

    name: str
    params: Mapping[str, Scalar]
    axis: str
    reached: int
    stopped_by: str | None
    axis_kind: AxisKind = "load"

    @property
    def benchmark(self) -> Benchmark:
        """What its points are levels of."""
        return Benchmark.of(self.name, self.params, self.axis, kind=self.axis_kind)


@dataclass
class Session:
    """One run of the program."""

    environment: Mapping[str, Scalar]
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    #: Where the nanoseconds of its benchmarks go, where that was asked for.
    profiles: list[Profile] = field(default_factory=list)

    @property
    def began(self) -> datetime | None:
        """When it began; None where its file does not say."""
        try:
            return datetime.fromisoformat(str(self.settings.get(BEGAN))).astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    def points(self, curve: Curve) -> list[Result]:
        """The measured results of a curve, ascending."""
        mine = [
            r
            for r in self.results
            if r.x is not None and r.value_s is not None and r.benchmark.curve == curve.benchmark
        ]
        return sorted(mine, key=lambda result: result.x or 0)
