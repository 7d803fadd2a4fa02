"""A probe's declaration. Works without compiled workloads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from runners.model.benchmark import AxisKind, Benchmark, Scalar
from runners.model.count import Count
from runners.model.job import TEAMS, Job, Promise, Team, Workers

if TYPE_CHECKING:
    from runners.gate.boots import Place  # loads numpy

Effort = Literal["quick", "usual", "rigorous"]
EFFORTS: tuple[Effort, ...] = ("quick", "usual", "rigorous")
_NO_CALLS = Promise()
#: Why a probe cannot run as a team, of whatever kind.
HAS_PEERS = dict.fromkeys(TEAMS, "it has peers of its own")
TIMES_ITSELF = dict.fromkeys(TEAMS, "it times itself")


@dataclass(frozen=True)
class Axis:
    """What a curve grows, by ascending levels: as a rule, when quick, and when rigorous.

    ``kind`` says what a level counts: live resources, members of a team, or bytes.
    """

    name: str
    levels: tuple[int, ...]
    quick: tuple[int, ...]
    #: Where the usual levels leave out what takes too long; else the same.
    rigorous: tuple[int, ...] = ()
    kind: AxisKind = "load"
    #: What a level costs depends on the cache that holds it: it has no law of growth.
    walks_caches: bool = False

    def of(self, effort: Effort) -> tuple[int, ...]:
        """The levels for this effort."""
        if effort == "quick":
            return self.quick
        return self.rigorous or self.levels if effort == "rigorous" else self.levels


@dataclass(frozen=True)
class Choice:
    """The values a parameter may take, those that are measured unasked, and those when quick."""

    values: tuple[Scalar, ...]
    usual: tuple[Scalar, ...]
    quick: tuple[Scalar, ...]

    def of(self, effort: Effort) -> tuple[Scalar, ...]:
        """The values for this effort; all of them when rigorous."""
        return {"rigorous": self.values, "usual": self.usual, "quick": self.quick}[effort]


@dataclass(frozen=True)
class Headline:
    """A figure or a curve of a probe that belongs on the first screen.

    With a ``level``, or where the probe has no axis, it is one figure, and ``group`` is the line
    that it stands in. Else it is a curve: the curves of a ``group`` are compared in one table, and
    those of none are sorted by how they grow.
    """

    label: str
    group: str = ""
    #: Of parameters with a choice; the first usual value of all others.
    params: Mapping[str, Scalar] = field(default_factory=dict)
    level: int | None = None


@dataclass(frozen=True)
class Probe:
    """One named measurement.

    ``workload`` is ``"module:Class"``, a string so that listing needs no compiled code. ``method``
    is one sentence: what one operation is and what is not timed; ``source`` is where it comes from.
    """

    name: str
    workload: str
    title: str
    method: str
    source: str
    params: Mapping[str, Scalar | Choice] = field(default_factory=dict)
    axis: Axis | None = None
    workers: Workers = "single"
    #: Of a team, unless the levels of the axis are its members.
    members: int = 1
    #: Bytes that one operation moves: a number, "level", or the parameter that says it.
    bytes_per_op: int | str | None = None
    #: Its time follows the core's clock up to this level (None: at every level, 0: at none).
    clock_bound_up_to: int | None = None
    #: Its loop sleeps, or leaves work to others: time in the run queue is then its own.
    waits: bool = False
    #: Slices of a visit; more where single operations differ by chance.
    slices: int = 15
    #: Operations of a batch, at least, for each unit of the level; 0: as many as fill a slice.
    least_batch: int = 0
    #: The start and the end of a batch weigh: it is as long as a team's.
    long_batch: bool = False
    #: The parameter whose values are pairs of CPUs, "0-1": their figures are shown as a matrix.
    pairs: str | None = None
    #: Why no team of this kind can run it when a user asks for one.
    no_team: Mapping[Team, str] = field(default_factory=dict)
    #: What the workload counts per operation beside time.
    counts: tuple[Count, ...] = ()
    #: With less effort it is not measured, unless asked for by name.
    least_effort: Effort = "quick"
    #: What `verify` counts; a function of parameters and level where it depends on them.
    promise: Promise | Callable[[Mapping[str, Scalar], int | None], Promise] = _NO_CALLS
    #: Where its time goes: what another boot of the system moves there is alike.
    spends_time_in: Place = "kernel"
    #: Why `verify` needs no C program to hold it against; "" where one is only missing.
    needs_no_reference: str = ""
    headlines: tuple[Headline, ...] = ()

    @property
    def family(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names that ``-p`` takes: the axis and the parameters."""
        return (*([self.axis.name] if self.axis else []), *self.params)

    def promised(self, params: Mapping[str, Scalar], level: int | None) -> Promise:
        """What one operation costs with these parameters at this level."""
        return self.promise if isinstance(self.promise, Promise) else self.promise(params, level)

    def place(self, headline: Headline) -> Benchmark:
        """The figure or the curve that a headline means."""
        params = {
            key: value.usual[0] if isinstance(value, Choice) else value
            for key, value in self.params.items()
        } | dict(headline.params)
        if self.axis is None:
            return Benchmark.of(self.name, params)
        return Benchmark.of(self.name, params, self.axis.name, headline.level, self.axis.kind)

    def measured_at(self, effort: Effort) -> bool:
        """Whether sessions of this effort measure it unasked."""
        return EFFORTS.index(effort) >= EFFORTS.index(self.least_effort)

    def jobs(self, effort: Effort = "usual") -> list[Job]:
        """A job for each combination of the parameters that this effort asks for."""
        keys = list(self.params)
        values = [
            value.of(effort) if isinstance(value, Choice) else (value,)
            for value in self.params.values()
        ]
        return [
            self._job(dict(zip(keys, combination, strict=True)), effort)
            for combination in itertools.product(*values)
        ]

    def _job(self, params: Mapping[str, Scalar], effort: Effort) -> Job:
        levels = self.axis.of(effort) if self.axis else ()
        return Job(
            name=self.name,
            workload=self.workload,
            params=params,
            axis=self.axis.name if self.axis else None,
            levels=levels,
            axis_kind=self.axis.kind if self.axis else "load",
            workers=self.workers,
            members=self.members,
            clock_bound_up_to=self.clock_bound_up_to,
            waits=self.waits,
            slices=self.slices,
            least_batch=self.least_batch,
            long_batch=self.long_batch,
            bytes_per_op=self.bytes_per_op,
            counts=self.counts,
            promise=self.promised(params, levels[0] if levels else None),
        )


def powers_of_four(first: int, last: int) -> tuple[int, ...]:
    """``first``, multiplied by four until ``last``, which is always one of them."""
    return tuple(sorted({*powers_of_two(first, last)[::2], last}))


def powers_of_two(first: int, last: int) -> tuple[int, ...]:
    """``first``, doubled until ``last``."""
    levels = [first]
    while levels[-1] * 2 <= last:
        levels.append(levels[-1] * 2)
    return tuple(levels)
